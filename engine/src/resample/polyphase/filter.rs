//! The filter: a Kaiser-windowed sinc, stored as a table of parabolas.
//!
//! There is a phase every 1/256 of a frame. For each phase, the table holds each coefficient as a
//! parabola through its values at the phase and 1/512 of a frame before and after it. Neighbouring
//! parabolas thus have the same value where they meet. The interpolation error is below -160 dB
//! at 19 kHz.
//!
//! The table is computed with `libm`, so that it is the same on any machine.
//!
//! Sources: J. O. Smith, "Digital Audio Resampling"; J. F. Kaiser, "Nonrecursive digital filter
//! design using the I0-sinh window function" (1974).

use super::real::Real;
use core::f64::consts::PI;

/// Number of phases per frame in the table.
pub(in super::super) const PHASES: usize = 256;
/// Number of points per frame at which the impulse response is computed: at each phase, and halfway
/// between phases.
const PLACES: usize = 2 * PHASES;
/// Shape parameter of the Kaiser window: 150 dB of attenuation. With 96 taps the transition band is
/// 21.5 to 26.5 kHz at 48 kHz.
const KAISER_BETA: f64 = 15.5;

const _: () = assert!(PHASES.is_power_of_two());

/// All taps at one phase, as parabolas: `value + d * (slope + d * curvature)` at `d` frames after
/// the phase.
///
/// The alignment ensures that no vector load, which is at most 64 bytes long, crosses a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(in super::super) struct Row<T, const TAPS: usize> {
    pub(super) value: [T; TAPS],
    pub(super) slope: [T; TAPS],
    pub(super) curvature: [T; TAPS],
}

/// Index of the tap at the centre of the filter. When the media position falls on a whole frame,
/// this tap coincides with it.
pub(in super::super) const fn centre(taps: usize) -> usize {
    taps / 2 - 1
}

/// Computes the filter's rows for phases 0 to 1 inclusive. `cutoff` is the frequency at which the
/// filter halves the amplitude, as a fraction of the input's Nyquist frequency.
pub(in super::super) fn table<T: Real, const TAPS: usize>(cutoff: f64) -> Vec<Row<T, TAPS>> {
    // The impulse response from the centre of the window to half a phase beyond its edge.
    let responses: Vec<f64> = (0..=TAPS / 2 * PLACES + 1).map(|place| response::<TAPS>(place, cutoff)).collect();
    (0..=PHASES).map(|phase| row(phase, &responses)).collect()
}

#[expect(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "numbers of taps and phases are small")]
fn row<T: Real, const TAPS: usize>(phase: usize, responses: &[f64]) -> Row<T, TAPS> {
    let half = 1.0 / PLACES as f64;
    let mut row = Row { value: [T::ZERO; TAPS], slope: [T::ZERO; TAPS], curvature: [T::ZERO; TAPS] };
    for tap in 0..TAPS {
        let place = (tap * PLACES) as isize - (centre(TAPS) * PLACES + 2 * phase) as isize;
        // The response is symmetric, so only the distance from its centre matters. `place`
        // decreases as the phase increases, so the value before this phase is at `place + 1`.
        let [before, at, after] = [place + 1, place, place - 1].map(|place| responses[place.unsigned_abs()]);
        row.value[tap] = T::from_f64(at);
        row.slope[tap] = T::from_f64((after - before) / (2.0 * half));
        row.curvature[tap] = T::from_f64((after - 2.0 * at + before) / (2.0 * half * half));
    }
    row
}

/// The impulse response at `place`, counted in points from its centre.
#[expect(clippy::cast_precision_loss, reason = "numbers of taps and phases are small")]
fn response<const TAPS: usize>(place: usize, cutoff: f64) -> f64 {
    if place == 0 {
        return cutoff;
    }
    let time = place as f64 / PLACES as f64;
    let turns = cutoff * time;
    let whole = libm::round(turns);
    // The sine is computed from the remainder, so that at a cutoff of 1 it is exactly 0 for whole
    // frames. Bit-exact pass-through at step 1 depends on this.
    let sine = libm::sin(PI * (turns - whole)) * if whole % 2.0 == 0.0 { 1.0 } else { -1.0 };
    // Beyond the edge of the window, by up to half a phase, the window's value at the edge is used.
    let inside = (1.0 - (time * 2.0 / TAPS as f64) * (time * 2.0 / TAPS as f64)).max(0.0);
    sine / (PI * time) * bessel_i0(KAISER_BETA * libm::sqrt(inside)) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    // For the usual shape parameters of Kaiser windows, the terms fall below double precision long
    // before the fiftieth.
    for k in 1..=50 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}
