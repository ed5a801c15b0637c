//! Resampler for a stream and a sound card of the same nominal rate.
//!
//! Purpose: the everyday case, in which the step differs from 1 by what two crystals differ by. General resamplers pay
//! for freedom that is not needed here.
//!
//! Model: an output frame at media position `p + f` (`p` whole, `f` in `[0, 1)`) is the sum over 96 input frames of the input
//! times a Kaiser-windowed sinc around `p + f`. Three things follow from the step being within 1000 ppm of 1:
//!
//! * Aliases of what lies within 4 kHz of the Nyquist frequency fall next to where it was, above 20 kHz, unheard. So the
//!   transition band may be 20 to 28 kHz, *around* the Nyquist frequency: a short filter does, 1 ms of latency.
//! * The cutoff is exactly the Nyquist frequency, so at `f = 0` the filter is a unit impulse: at step 1 the output is
//!   the input, bit for bit, 48 frames late.
//! * `f` hardly moves, so the same rows of the table stay in the first-level cache and serve all channels.
//!
//! The table holds, for every 1/256 of a frame, each coefficient as a parabola through its values half a phase before, at and half a
//! phase after. Neighbouring parabolas thus meet at the seams, and their error is below -160 dB at 19 kHz.
//!
//! The position is an integer of 2^-48 frames: sums are exact in any order, so [`prepare`](Resampler::prepare) knows what
//! [`process`](Resampler::process) will do, blocks of any size give the same bits, and the position cannot drift from the frames
//! consumed. Sums of samples have a fixed order too (eight accumulators, then a fixed tree), so that every machine computes the same bits.
//!
//! Assumptions: finite samples; no denormals to speak of in the input (a short filter makes none of its own).
//!
//! Sources: J. O. Smith, "Digital Audio Resampling"; J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window
//! function" (1974).

use super::Resampler;
use core::f64::consts::PI;
use thiserror::Error;

/// Taps of the filter: half of them are latency, 1 ms at 48 kHz.
const TAPS: usize = 96;
/// The tap on the media position itself where that is a whole frame.
const CENTRE: usize = TAPS / 2 - 1;
/// Phases in the table per frame.
const PHASES: usize = 256;
/// Kaiser's shape: 150 dB of attenuation outside 21.5 to 26.5 kHz (at 48 kHz).
const KAISER_BETA: f64 = 15.5;
/// Largest deviation of the step from 1, either way: IEC 60958 level II, and the worst reported of virtual sound cards.
const MAX_DEVIATION: f64 = 1e-3;
/// Most channels.
const MAX_CHANNELS: usize = 64;
/// Most frames of a block: keeps what positions deviate by inside of an `i64`.
const MAX_FRAMES: usize = 1 << 20;
/// Fractional bits of a position.
const FRACTION_BITS: u32 = 48;
/// One frame as a position.
const ONE: i64 = 1 << FRACTION_BITS;
/// Bits of a position below the number of its phase.
const PHASE_BITS: u32 = FRACTION_BITS - PHASES.trailing_zeros();
/// Accumulators of a sum, two SSE or NEON registers; part of the result's definition, because it fixes the order of summation.
const LANES: usize = 8;
/// Blocks of [`LANES`] taps.
const BLOCKS: usize = TAPS / LANES;

const _: () = assert!(PHASES.is_power_of_two() && TAPS.is_multiple_of(2 * LANES));
const _: () = assert!(MAX_FRAMES as f64 * MAX_DEVIATION * 2.0 * (ONE as f64) < i64::MAX as f64 / 2.0);

/// A [`NearUnityResampler`] could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a near-unity resampler needs 1 to 64 channels and 1 to 2^20 frames, not {channels} and {max_frames}")]
pub struct NearUnityError {
    /// Channels asked for.
    pub channels: usize,
    /// Block size asked for.
    pub max_frames: usize,
}

/// A block of coefficients as parabolas: `value + d * (slope + d * curvature)` at `d` frames after the phase.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Parabolas {
    value: [f32; LANES],
    slope: [f32; LANES],
    curvature: [f32; LANES],
}

/// All taps at one phase.
type Row = [Parabolas; BLOCKS];

/// Where the next output frame lies, and how that moves.
#[derive(Clone, Copy, Default)]
struct Walk {
    /// First frame of the filter's window in the history.
    window: usize,
    /// What is left of the position past the frame under [`CENTRE`], within `0..ONE`.
    fraction: i64,
    /// The step less 1.
    deviation: i64,
    /// What the step grows by per frame.
    increment: i64,
}

impl Walk {
    fn advance(&mut self) {
        self.deviation += self.increment;
        let fraction = self.fraction + self.deviation;
        // A deviation is far below one frame, so this moves the window by 0, 1 or 2.
        self.window = (self.window + 1).saturating_add_signed((fraction >> FRACTION_BITS) as isize);
        self.fraction = fraction & (ONE - 1);
    }

    /// Where the window of the last of `frames` frames starts: in one sum what [`advance`](Self::advance) does in many.
    fn last_window(&self, frames: usize) -> usize {
        let steps = frames.saturating_sub(1);
        let n = steps as i64;
        let deviated = self.fraction + n * self.deviation + self.increment * (n * (n + 1) / 2);
        (self.window + steps).saturating_add_signed((deviated >> FRACTION_BITS) as isize)
    }

    /// The nearest phase of the table and the distance from it in frames.
    fn phase(&self) -> (usize, f32) {
        let phase = (self.fraction + (1 << (PHASE_BITS - 1))) >> PHASE_BITS;
        (phase as usize, (self.fraction - (phase << PHASE_BITS)) as f32 * (1.0 / ONE as f32))
    }
}

/// Windowed-sinc resampler for steps within 1000 ppm of 1.
///
/// At step 1 from the start it is a delay of 48 frames that leaves every sample as it was:
///
/// ```
/// use engine::resample::{NearUnityResampler, Resampler};
///
/// let mut resampler = NearUnityResampler::new(1, 64)?;
/// let mut output = [0.0; 64];
/// assert_eq!((resampler.prepare(64, 1.0), resampler.lead_frames()), (64, 48.0));
/// let mut input = [0.0; 64];
/// input[0] = 0.1;
/// resampler.process(&input, &mut output);
/// assert_eq!(output[48], 0.1);
/// # Ok::<(), engine::resample::NearUnityError>(())
/// ```
pub struct NearUnityResampler {
    channels: usize,
    max_frames: usize,
    /// One row per phase, and that of phase 1 for what rounds up to it.
    table: Vec<Row>,
    /// Per channel the last [`TAPS`] input frames, then room for a block's input.
    history: Vec<f32>,
    /// Length of one channel in `history`.
    stride: usize,
    walk: Walk,
    next_deviation: i64,
    frames: usize,
    needed: usize,
}

impl NearUnityResampler {
    /// A resampler for blocks of up to `max_frames` frames of `channels` channels.
    ///
    /// # Errors
    /// If there are 0 or more than 64 channels, or 0 or more than 2^20 frames.
    pub fn new(channels: usize, max_frames: usize) -> Result<Self, NearUnityError> {
        if !(1..=MAX_CHANNELS).contains(&channels) || !(1..=MAX_FRAMES).contains(&max_frames) {
            return Err(NearUnityError { channels, max_frames });
        }
        // The window starts at 2 at most, so a block needs at most this much input.
        let max_needed = max_frames + (max_frames as f64 * MAX_DEVIATION) as usize + 2;
        let stride = TAPS + max_needed;
        Ok(Self {
            channels,
            max_frames,
            table: table(),
            history: vec![0.0; stride * channels],
            stride,
            // The history's second frame: the first output frame then needs exactly one input frame.
            walk: Walk { window: 1, ..Walk::default() },
            next_deviation: 0,
            frames: 0,
            needed: 0,
        })
    }

    /// Appends the interleaved input to the history of every channel.
    fn append(&mut self, input: &[f32]) {
        for (channel, history) in self.history.chunks_exact_mut(self.stride).enumerate() {
            let samples = input.iter().skip(channel).step_by(self.channels);
            for (kept, sample) in history[TAPS..].iter_mut().zip(samples) {
                *kept = *sample;
            }
        }
    }

    /// Computes `N` neighbouring channels of a block. Returns where the walk has got to.
    fn render<const N: usize>(&self, first_channel: usize, output: &mut [f32]) -> Walk {
        let mut walk = self.walk;
        let histories: [&[f32]; N] =
            core::array::from_fn(|n| &self.history[(first_channel + n) * self.stride..][..self.stride]);
        for frame in output.chunks_exact_mut(self.channels) {
            let (phase, distance) = walk.phase();
            let windows = histories.map(|history| history[walk.window..walk.window + TAPS].as_chunks().0);
            frame[first_channel..first_channel + N].copy_from_slice(&convolve(&self.table[phase], distance, windows));
            walk.advance();
        }
        walk
    }
}

impl Resampler for NearUnityResampler {
    fn channels(&self) -> usize {
        self.channels
    }

    fn max_frames(&self) -> usize {
        self.max_frames
    }

    fn prepare(&mut self, frames: usize, step_end: f64) -> usize {
        self.frames = frames.clamp(1, self.max_frames);
        self.next_deviation = if step_end.is_finite() {
            libm::round((step_end - 1.0).clamp(-MAX_DEVIATION, MAX_DEVIATION) * ONE as f64) as i64
        } else {
            self.walk.deviation
        };
        // Rounded towards zero: over a block, the position misses an ideal ramp's by less than 2^-48 of frames squared.
        self.walk.increment = (self.next_deviation - self.walk.deviation) / self.frames as i64;
        self.needed = self.walk.last_window(self.frames);
        self.needed
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        debug_assert_eq!(input.len(), self.needed * self.channels);
        debug_assert_eq!(output.len(), self.frames * self.channels);
        if input.len() != self.needed * self.channels || output.len() != self.frames * self.channels {
            // A mistake of the caller's; the card still gets defined samples.
            output.fill(0.0);
            return;
        }
        self.append(input);
        let mut walk = self.walk;
        // Two channels share the blending of coefficients; four no longer fit the registers and are slower.
        let paired = self.channels & !1;
        for first_channel in (0..paired).step_by(2) {
            walk = self.render::<2>(first_channel, output);
        }
        if paired < self.channels {
            walk = self.render::<1>(paired, output);
        }
        for history in self.history.chunks_exact_mut(self.stride) {
            history.copy_within(self.needed..self.needed + TAPS, 0);
        }
        self.walk = Walk { window: walk.window - self.needed, deviation: self.next_deviation, ..walk };
        // A second block unannounced is a mistake of the caller's too.
        (self.frames, self.needed) = (0, 0);
    }

    fn lead_frames(&self) -> f64 {
        // The next input frame comes after the history. Derived from the state, so there is no sum that could drift.
        let whole = TAPS as f64 - (self.walk.window + CENTRE) as f64;
        whole - self.walk.fraction as f64 / ONE as f64
    }
}

/// Sums `N` windows weighted by the row's coefficients `distance` frames after its phase.
#[inline(always)]
fn convolve<const N: usize>(row: &Row, distance: f32, windows: [&[[f32; LANES]]; N]) -> [f32; N] {
    let mut sums = [[0.0; LANES]; N];
    // Lengths known to the compiler, so that it unrolls the loop and checks no index.
    let windows = windows.map(|window| window.first_chunk::<BLOCKS>().unwrap_or(&[[0.0; LANES]; BLOCKS]));
    // From both ends to the centre: the large terms come last, so that few roundings happen at their size (2 dB less noise).
    for block in (0..BLOCKS / 2).flat_map(|block| [block, BLOCKS - 1 - block]) {
        let parabolas = &row[block];
        let mut coefficients = [0.0; LANES];
        for (lane, coefficient) in coefficients.iter_mut().enumerate() {
            let bend = parabolas.slope[lane] + distance * parabolas.curvature[lane];
            *coefficient = parabolas.value[lane] + distance * bend;
        }
        for (sum, window) in sums.iter_mut().zip(&windows) {
            for lane in 0..LANES {
                sum[lane] += coefficients[lane] * window[block][lane];
            }
        }
    }
    sums.map(|[a, b, c, d, e, f, g, h]| ((a + e) + (c + g)) + ((b + f) + (d + h)))
}

/// The filter's rows at phases 0 to 1 inclusive.
fn table() -> Vec<Row> {
    let half = 0.5 / PHASES as f64;
    let row = |phase: usize| {
        core::array::from_fn(|block| {
            let mut parabolas = Parabolas { value: [0.0; LANES], slope: [0.0; LANES], curvature: [0.0; LANES] };
            for lane in 0..LANES {
                let time = (block * LANES + lane) as f64 - CENTRE as f64 - phase as f64 / PHASES as f64;
                // A later output frame sees the same input frame earlier.
                let (before, at, after) = (kernel(time + half), kernel(time), kernel(time - half));
                parabolas.value[lane] = at as f32;
                parabolas.slope[lane] = ((after - before) / (2.0 * half)) as f32;
                parabolas.curvature[lane] = ((after - 2.0 * at + before) / (2.0 * half * half)) as f32;
            }
            parabolas
        })
    };
    (0..=PHASES).map(row).collect()
}

/// The impulse response `time` frames from its centre.
fn kernel(time: f64) -> f64 {
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

#[cfg(test)]
mod tests;
