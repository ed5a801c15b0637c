//! The filter: a Kaiser-windowed sinc with its cutoff at the Nyquist frequency, as a table of parabolas.
//!
//! The table holds, for every 1/256 of a frame, each coefficient as a parabola through its values half a phase before, at and half a
//! phase after. Neighbouring parabolas thus meet at the seams, and their error is below -160 dB at 19 kHz.
//!
//! Sources: J. O. Smith, "Digital Audio Resampling"; J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window
//! function" (1974).

use super::kernel::Real;
use core::f64::consts::PI;
use std::sync::OnceLock;

/// Taps of the filter: half of them are latency, 1 ms at 48 kHz.
pub(super) const TAPS: usize = 96;
/// The tap on the media position itself where that is a whole frame.
pub(super) const CENTRE: usize = TAPS / 2 - 1;
/// Phases in the table per frame.
pub(super) const PHASES: usize = 256;
/// Kaiser's shape: 150 dB of attenuation outside 21.5 to 26.5 kHz (at 48 kHz).
const KAISER_BETA: f64 = 15.5;

const _: () = assert!(PHASES.is_power_of_two());

/// All taps at one phase, as parabolas: `value + d * (slope + d * curvature)` at `d` frames after the phase.
///
/// Aligned so that no load of a vector, of 64 bytes at most, crosses a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Row<T> {
    pub(super) value: [T; TAPS],
    pub(super) slope: [T; TAPS],
    pub(super) curvature: [T; TAPS],
}

/// The filter's rows at phases 0 to 1 inclusive, in each precision: computed for the first resampler
/// of a process, and shared by all.
pub(super) fn table_of_singles() -> &'static [Row<f32>] {
    static TABLE: OnceLock<Vec<Row<f32>>> = OnceLock::new();
    TABLE.get_or_init(table)
}

/// See [`table_of_singles`].
pub(super) fn table_of_doubles() -> &'static [Row<f64>] {
    static TABLE: OnceLock<Vec<Row<f64>>> = OnceLock::new();
    TABLE.get_or_init(table)
}

fn table<T: Real>() -> Vec<Row<T>> {
    (0..=PHASES).map(row).collect()
}

fn row<T: Real>(phase: usize) -> Row<T> {
    let half = 0.5 / PHASES as f64;
    let mut row = Row { value: [T::ZERO; TAPS], slope: [T::ZERO; TAPS], curvature: [T::ZERO; TAPS] };
    for tap in 0..TAPS {
        let time = tap as f64 - CENTRE as f64 - phase as f64 / PHASES as f64;
        // A later output frame sees the same input frame earlier.
        let (before, at, after) = (response(time + half), response(time), response(time - half));
        row.value[tap] = T::from_f64(at);
        row.slope[tap] = T::from_f64((after - before) / (2.0 * half));
        row.curvature[tap] = T::from_f64((after - 2.0 * at + before) / (2.0 * half * half));
    }
    row
}

/// The impulse response `time` frames from its centre.
fn response(time: f64) -> f64 {
    let whole = libm::round(time);
    if time == 0.0 {
        return 1.0;
    }
    // The sine of the remainder: whole frames give exactly 0, on which pass-through rests.
    let sine = libm::sin(PI * (time - whole)) * if whole % 2.0 == 0.0 { 1.0 } else { -1.0 };
    // Half a phase outside of the window, its edge goes on.
    let inside = (1.0 - (time * 2.0 / TAPS as f64) * (time * 2.0 / TAPS as f64)).max(0.0);
    sine / (PI * time) * bessel_i0(KAISER_BETA * libm::sqrt(inside)) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    // For arguments up to Kaiser's usual shapes, the terms are below double precision long before the fiftieth.
    for k in 1..=50 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}
