//! Resampler for a stream and a sound card with different nominal rates.
//!
//! Purpose: conversion between 44.1, 48 and 96 kHz, while the step also follows the drift of two
//! crystals.
//!
//! Model: like [`super::near_unity`], but with a table for each ratio. The cutoff is the lower of
//! the two Nyquist frequencies, and the transition band lies *around* it, so that a short filter
//! suffices. From 48 to 44.1 kHz, the band is 20.2 to 23.9 kHz, and its aliases are above 20 kHz
//! and thus inaudible. If the input rate is the higher one, the band is a smaller fraction of the
//! input rate, and requires more taps.
//!
//! The table is computed with `libm`, and products are summed in a fixed order, so the simulator's
//! guarantee of identical bytes on any machine holds here, too. (rubato computes its table with the
//! platform's `sin`, and its vector code depends on the processor.)
//!
//! Assumptions: finite samples.

use super::Resampler;
use super::polyphase::convolver::Convolver;
use super::polyphase::filter::centre;
use super::polyphase::kernel::Kernel;
use super::polyphase::phase::{ONE, PhaseAccumulator};
use super::polyphase::shared::SharedTables;
use crate::units::Frames;
use thiserror::Error;

/// Number of taps of the short filter. Half of them are latency: 1.3 ms at 48 kHz.
const TAPS: usize = 128;
/// Number of taps of the long filter. Its latency at 96 kHz is that of the short filter at 48 kHz.
const LONG_TAPS: usize = 256;
/// Nominal step above which the long filter is used: from 96 kHz to 48 or 44.1 kHz, but not from 48
/// to 44.1 kHz.
const LONG_FROM: f64 = 1.5;
/// Largest deviation of the step from its nominal value, either way: two crystals of IEC 60958
/// level II, each with an error of 1000 ppm.
const MAX_RELATIVE_STEP: f64 = 1.002;
/// Range of nominal steps. Judgement: no two audio rates differ by a larger factor.
const STEPS: core::ops::RangeInclusive<f64> = 1.0 / 64.0..=64.0;

static SHORT: SharedTables<f32, TAPS> = SharedTables::new();
static LONG: SharedTables<f32, LONG_TAPS> = SharedTables::new();

/// Why a [`SincResampler`] could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "a resampler needs at least 1 channel, 1 frame and a step of 1/64 to 64, not {channels}, {max_frames} and {step}"
)]
#[non_exhaustive]
pub struct SincResamplerError {
    /// Requested channels.
    pub channels: usize,
    /// Requested block size.
    pub max_frames: usize,
    /// Requested nominal step.
    pub step: f64,
}

/// Windowed-sinc resampler for any step near a nominal one.
///
/// ```
/// use engine::resample::{Resampler, SincResampler};
/// // A stream of 48 kHz on a card of 44.1 kHz.
/// let step = 48_000.0 / 44_100.0;
/// let mut resampler = SincResampler::new(2, 441, step)?;
/// let needed = resampler.prepare(441, step);
/// let (input, mut output) = (vec![0.0; needed * 2], vec![1.0; 441 * 2]);
/// resampler.process(&input, &mut output);
/// assert!(output.iter().all(|sample| *sample == 0.0));
/// # Ok::<(), engine::resample::SincResamplerError>(())
/// ```
pub struct SincResampler {
    convolver: Taps,
    kernel: Kernel,
    channels: usize,
    max_frames: usize,
    nominal_step: f64,
    phase: PhaseAccumulator,
    next_deviation: i64,
    frames: usize,
    needed: usize,
}

enum Taps {
    Short(Convolver<f32, TAPS>),
    Long(Convolver<f32, LONG_TAPS>),
}

impl SincResampler {
    /// Creates a resampler for blocks of up to `max_frames` frames at about `nominal_step` media
    /// frames per card frame (1 if stream and card have the same nominal rate).
    ///
    /// # Errors
    /// If a parameter is zero or out of range.
    pub fn new(channels: usize, max_frames: usize, nominal_step: f64) -> Result<Self, SincResamplerError> {
        Self::with(channels, max_frames, nominal_step, Kernel::detect())
    }

    /// Like [`new`](Self::new), but with the given kernel.
    ///
    /// # Errors
    /// The same as [`new`](Self::new).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a few times the frames of a block"
    )]
    pub fn with(
        channels: usize,
        max_frames: usize,
        nominal_step: f64,
        kernel: Kernel,
    ) -> Result<Self, SincResamplerError> {
        if channels == 0 || max_frames == 0 || !STEPS.contains(&nominal_step) {
            return Err(SincResamplerError { channels, max_frames, step: nominal_step });
        }
        let max_needed = (max_frames as f64 * nominal_step * MAX_RELATIVE_STEP) as usize + 2;
        let cutoff = (1.0 / nominal_step).min(1.0);
        let convolver = if nominal_step > LONG_FROM {
            Taps::Long(Convolver::new(channels, max_needed, LONG.get(cutoff)))
        } else {
            Taps::Short(Convolver::new(channels, max_needed, SHORT.get(cutoff)))
        };
        let deviation = deviation(nominal_step);
        // The filter's window begins at the history's second frame, so that the first output frame
        // needs exactly one input frame.
        let phase = PhaseAccumulator { window: 1, fraction: 0, deviation, increment: 0 };
        Ok(Self {
            convolver,
            kernel,
            channels,
            max_frames,
            nominal_step,
            phase,
            next_deviation: deviation,
            frames: 0,
            needed: 0,
        })
    }

    fn taps(&self) -> usize {
        match self.convolver {
            Taps::Short(_) => TAPS,
            Taps::Long(_) => LONG_TAPS,
        }
    }
}

/// The deviation of a step from 1, in the units of a position.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "2^48 is exact, and steps are far below 2^15"
)]
fn deviation(step: f64) -> i64 {
    libm::round((step - 1.0) * ONE as f64) as i64
}

impl Resampler for SincResampler {
    fn channels(&self) -> usize {
        self.channels
    }

    fn max_frames(&self) -> usize {
        self.max_frames
    }

    fn prepare(&mut self, frames: usize, step_end: f64) -> usize {
        self.frames = frames.clamp(1, self.max_frames);
        self.next_deviation = if step_end.is_finite() {
            let (least, most) = (self.nominal_step / MAX_RELATIVE_STEP, self.nominal_step * MAX_RELATIVE_STEP);
            deviation(step_end.clamp(least, most))
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
        let phase = match &mut self.convolver {
            Taps::Short(convolver) => convolver.process(self.kernel, self.phase, input, output),
            Taps::Long(convolver) => convolver.process(self.kernel, self.phase, input, output),
        };
        self.phase = PhaseAccumulator { window: phase.window - self.needed, deviation: self.next_deviation, ..phase };
        // Processing another block without calling `prepare` is also a mistake of the caller.
        (self.frames, self.needed) = (0, 0);
    }

    #[expect(clippy::cast_precision_loss, reason = "exact: less than 2^52 of the smallest unit")]
    fn input_latency_frames(&self) -> f64 {
        // The next input frame follows the history. The latency is derived from the state, so there
        // is no accumulated sum that could drift.
        let whole = self.taps() as f64 - (self.phase.window + centre(self.taps())) as f64;
        whole - self.phase.fraction as f64 / ONE as f64
    }
}

#[cfg(test)]
mod tests;
