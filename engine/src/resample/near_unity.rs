//! Resampler for a stream and a sound card with the same nominal rate.
//!
//! Purpose: the usual case, in which the step differs from 1 only by the frequency difference
//! between two crystals. General resamplers are slower, because they allow any step.
//!
//! Model: an output frame at media position `p + f` (`p` whole, `f` in `[0, 1)`) is the sum over 96
//! input frames of the input times a Kaiser-windowed sinc around `p + f`. Because the step is
//! within 1000 ppm of 1, three simplifications are possible:
//!
//! * Aliases of components within 4 kHz of the Nyquist frequency fall next to these components,
//!   above 20 kHz, and are inaudible. So the transition band may be 20 to 28 kHz, *around* the
//!   Nyquist frequency, and a short filter with 1 ms of latency suffices.
//! * The cutoff is exactly the Nyquist frequency, so at `f = 0` the filter is a unit impulse: at
//!   step 1 the output is the input, bit for bit, 48 frames late.
//! * `f` hardly moves: by 1e-4 of a frame per frame at 100 ppm. So neighbouring frames use the same
//!   row of the table, which is loaded once for them, and channels share the interpolated
//!   coefficients.
//!
//! The table, the position and the loops are in [`polyphase`](super::polyphase).
//!
//! Assumptions: samples are finite, and the input contains hardly any denormals, which are slow to
//! compute with (the short filter itself produces none).

use super::Resampler;
use super::polyphase::convolver::Convolver;
use super::polyphase::filter::{Row, centre, table};
use super::polyphase::kernel::Kernel;
use super::polyphase::phase::{ONE, PhaseAccumulator};
use crate::units::{Frames, MAX_CHANNELS};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Number of taps of the filter. Half of them are latency: 1 ms at 48 kHz.
const TAPS: usize = 96;
/// Cutoff of the filter, as a fraction of the Nyquist frequency: 1, so that the filter is a unit
/// impulse at `f = 0`.
const CUTOFF: f64 = 1.0;

/// Largest deviation of the step from 1, either way: the tolerance of IEC 60958 level II, and the
/// largest deviation reported for virtual sound cards.
const MAX_DEVIATION: f64 = 1e-3;
/// Maximum number of frames in a block. Derived: the deviation of the position over such a block
/// fits in an `i64`.
const MAX_FRAMES: usize = 1 << 20;

/// Initial position: the filter's window begins at the history's second frame, so that the first
/// output frame needs exactly one input frame.
const START: PhaseAccumulator = PhaseAccumulator { window: 1, fraction: 0, deviation: 0, increment: 0 };

#[expect(clippy::cast_precision_loss, reason = "powers of two, and a limit with a margin of two")]
const _: () = assert!(MAX_FRAMES as f64 * MAX_DEVIATION * 2.0 * (ONE as f64) < i64::MAX as f64 / 2.0);

/// The precision of a resampler's arithmetic. Input and output are in single precision either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Twice as fast as [`Precision::Double`]; noise and distortion are below -142 dB.
    #[default]
    Single,
    /// The only noise and distortion come from rounding the output: -150 dB.
    Double,
}

/// Why a [`NearUnityResampler`] could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a near-unity resampler needs 1 to 64 channels and 1 to 2^20 frames, not {channels} and {max_frames}")]
#[non_exhaustive]
pub struct NearUnityError {
    /// Requested channels.
    pub channels: usize,
    /// Requested block size.
    pub max_frames: usize,
}

/// Windowed-sinc resampler for steps within 1000 ppm of 1.
///
/// If the step is 1 from the start, it delays the audio by 48 frames and leaves every sample
/// unchanged:
///
/// ```
/// use engine::resample::{NearUnityResampler, Resampler};
///
/// let mut resampler = NearUnityResampler::new(1, 64)?;
/// let mut output = [0.0; 64];
/// assert_eq!((resampler.prepare(64, 1.0), resampler.input_latency_frames()), (64, 48.0));
/// let mut input = [0.0; 64];
/// input[0] = 0.1;
/// resampler.process(&input, &mut output);
/// assert_eq!(output[48], 0.1);
/// # Ok::<(), engine::resample::NearUnityError>(())
/// ```
pub struct NearUnityResampler {
    channels: usize,
    max_frames: usize,
    kernel: Kernel,
    banks: Banks,
    phase: PhaseAccumulator,
    next_deviation: i64,
    frames: usize,
    needed: usize,
}

enum Banks {
    Single(Convolver<f32, TAPS>),
    Double(Convolver<f64, TAPS>),
    /// Nothing is computed, and the output is silence.
    None,
}

/// Returns the filter in single precision. The filter is computed for the first resampler in the
/// process, and shared by all.
fn table_of_singles() -> Arc<[Row<f32, TAPS>]> {
    static TABLE: OnceLock<Arc<[Row<f32, TAPS>]>> = OnceLock::new();
    Arc::clone(TABLE.get_or_init(|| table(CUTOFF).into()))
}

/// Like [`table_of_singles`], in double precision.
fn table_of_doubles() -> Arc<[Row<f64, TAPS>]> {
    static TABLE: OnceLock<Arc<[Row<f64, TAPS>]>> = OnceLock::new();
    Arc::clone(TABLE.get_or_init(|| table(CUTOFF).into()))
}

impl NearUnityResampler {
    /// Creates a resampler for blocks of up to `max_frames` frames of `channels` channels, in
    /// single precision and with the fastest kernel available on this machine.
    ///
    /// # Errors
    /// If there are 0 or more than 64 channels, or 0 or more than 2^20 frames.
    pub fn new(channels: usize, max_frames: usize) -> Result<Self, NearUnityError> {
        Self::with(channels, max_frames, Precision::Single, Kernel::detect())
    }

    /// Like [`new`](Self::new), but with the given precision and kernel.
    ///
    /// # Errors
    /// The same as [`new`](Self::new).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a small share of at most MAX_FRAMES"
    )]
    pub fn with(
        channels: usize,
        max_frames: usize,
        precision: Precision,
        kernel: Kernel,
    ) -> Result<Self, NearUnityError> {
        if !(1..=MAX_CHANNELS).contains(&channels) || !(1..=MAX_FRAMES).contains(&max_frames) {
            return Err(NearUnityError { channels, max_frames });
        }
        // The window starts at frame 2 of the history at most, so a block needs at most this much
        // input.
        let max_needed = max_frames + (max_frames as f64 * MAX_DEVIATION) as usize + 2;
        let banks = match precision {
            Precision::Single => Banks::Single(Convolver::new(channels, max_needed, table_of_singles())),
            Precision::Double => Banks::Double(Convolver::new(channels, max_needed, table_of_doubles())),
        };
        Ok(Self { channels, max_frames, kernel, banks, phase: START, next_deviation: 0, frames: 0, needed: 0 })
    }

    /// Like [`new`](Self::new), but the output is silence. Positions are exactly those of the real
    /// resampler, at a hundredth of its cost. Use it for simulations whose audio is not needed.
    ///
    /// # Errors
    /// The same as [`new`](Self::new).
    pub fn silent(channels: usize, max_frames: usize) -> Result<Self, NearUnityError> {
        Ok(Self { banks: Banks::None, ..Self::new(channels, max_frames)? })
    }

    /// Resets to the initial state: no audio in the filter, and step 1.
    pub fn reset(&mut self) {
        match &mut self.banks {
            Banks::Single(convolver) => convolver.clear(),
            Banks::Double(convolver) => convolver.clear(),
            Banks::None => {}
        }
        (self.phase, self.next_deviation, self.frames, self.needed) = (START, 0, 0, 0);
    }
}

impl Resampler for NearUnityResampler {
    fn channels(&self) -> usize {
        self.channels
    }

    fn max_frames(&self) -> usize {
        self.max_frames
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "2^48 is exact, and the product is within 2^48 / 1000"
    )]
    fn prepare(&mut self, frames: usize, step_end: f64) -> usize {
        self.frames = frames.clamp(1, self.max_frames);
        self.next_deviation = if step_end.is_finite() {
            libm::round((step_end - 1.0).clamp(-MAX_DEVIATION, MAX_DEVIATION) * ONE as f64) as i64
        } else {
            self.phase.deviation
        };
        // Rounded towards zero: over a block of n frames, the position deviates from the ideal ramp
        // by less than n^2 * 2^-48 frames.
        self.phase.increment = (self.next_deviation - self.phase.deviation) / Frames::of(self.frames).get();
        self.needed = self.phase.last_window(self.frames);
        self.needed
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        debug_assert_eq!(input.len(), self.needed * self.channels);
        debug_assert_eq!(output.len(), self.frames * self.channels);
        if input.len() != self.needed * self.channels || output.len() != self.frames * self.channels {
            // The caller has made a mistake. Silence is still a defined output.
            output.fill(0.0);
            return;
        }
        let phase = match &mut self.banks {
            Banks::Single(convolver) => convolver.process(self.kernel, self.phase, input, output),
            Banks::Double(convolver) => convolver.process(self.kernel, self.phase, input, output),
            Banks::None => {
                output.fill(0.0);
                self.phase.after(self.frames)
            }
        };
        self.phase = PhaseAccumulator { window: phase.window - self.needed, deviation: self.next_deviation, ..phase };
        // Processing another block without calling `prepare` is also a mistake of the caller.
        (self.frames, self.needed) = (0, 0);
    }

    #[expect(clippy::cast_precision_loss, reason = "exact: less than 2^52 of the smallest unit")]
    fn input_latency_frames(&self) -> f64 {
        // The next input frame follows the history. The latency is derived from the state, so there
        // is no accumulated sum that could drift.
        let whole = TAPS as f64 - (self.phase.window + centre(TAPS)) as f64;
        whole - self.phase.fraction as f64 / ONE as f64
    }
}

#[cfg(test)]
pub(super) mod tests;
