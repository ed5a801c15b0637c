//! rubato's asynchronous sinc resampler behind the [`Resampler`] trait.
//!
//! Model: rubato moves a read index by the step for every output frame and ramps the step linearly inside a block. It hides that
//! index, so it is mirrored here: frames fed, minus frames stepped over, plus the constant that rubato starts with. The
//! mirror is exact because rubato's own arithmetic is the same sum (see the test against a ramp).

use super::Resampler;
use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, Resizable, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};
use thiserror::Error;

/// Taps of the sinc: half of it is latency, 1.3 ms at 48 kHz.
const TAPS: usize = 128;
/// Phases of the sinc per frame, between which rubato interpolates.
const OVERSAMPLING: usize = 256;
/// Largest deviation of the step from its nominal value, either way.
const MAX_RELATIVE_STEP: f64 = 1.002;

/// A [`SincResampler`] could not be made.
#[derive(Debug, Error)]
pub enum SincResamplerError {
    /// Something is zero or not finite.
    #[error(
        "a resampler needs at least 1 channel, 1 frame and a positive step, not {channels}, {max_frames} and {step}"
    )]
    Parameters {
        /// Channels asked for.
        channels: usize,
        /// Block size asked for.
        max_frames: usize,
        /// Nominal step asked for.
        step: f64,
    },
    /// rubato refused.
    #[error("rubato: {0}")]
    Construction(#[from] rubato::ResamplerConstructionError),
}

/// Windowed-sinc resampler for any step near a nominal one, by rubato.
pub struct SincResampler {
    inner: Async<f32>,
    channels: usize,
    max_frames: usize,
    nominal_step: f64,
    step: f64,
    next_step: f64,
    frames: usize,
    needed: usize,
    lead_frames: f64,
}

impl SincResampler {
    /// A resampler for blocks of up to `max_frames` frames at about `nominal_step` media frames per card frame (1 where
    /// stream and card have the same nominal rate).
    ///
    /// # Errors
    /// If a parameter is zero or not finite.
    pub fn new(channels: usize, max_frames: usize, nominal_step: f64) -> Result<Self, SincResamplerError> {
        if channels == 0 || max_frames == 0 || !nominal_step.is_finite() || nominal_step <= 0.0 {
            return Err(SincResamplerError::Parameters { channels, max_frames, step: nominal_step });
        }
        let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::Blackman2)
            .oversampling_factor(OVERSAMPLING)
            .interpolation(SincInterpolationType::Cubic);
        let inner = Async::new_sinc(
            1.0 / nominal_step,
            MAX_RELATIVE_STEP,
            &parameters,
            max_frames,
            channels,
            FixedAsync::Output,
        )?;
        Ok(Self {
            inner,
            channels,
            max_frames,
            nominal_step,
            step: nominal_step,
            next_step: nominal_step,
            frames: 0,
            needed: 0,
            // The first output frame lies one step after half a sinc before the first input frame, and one phase more: rubato's
            // table starts with the sinc's phase 1, not 0.
            lead_frames: TAPS as f64 / 2.0 - nominal_step - 1.0 / OVERSAMPLING as f64,
        })
    }

    fn clamp(&self, step: f64) -> f64 {
        // A hair inside rubato's own range, whose bounds are subject to rounding.
        let range = 1.0 + (MAX_RELATIVE_STEP - 1.0) * 0.999;
        if step.is_finite() { step.clamp(self.nominal_step / range, self.nominal_step * range) } else { self.step }
    }
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
        self.next_step = self.clamp(step_end);
        let resized = self.inner.set_chunk_size(self.frames);
        let adjusted = self.inner.set_resample_ratio(1.0 / self.next_step, true);
        debug_assert!(resized.is_ok() && adjusted.is_ok(), "both are clamped to rubato's range");
        self.needed = self.inner.input_frames_next();
        self.needed
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        debug_assert_eq!(input.len(), self.needed * self.channels);
        debug_assert_eq!(output.len(), self.frames * self.channels);
        let adapters = (
            InterleavedSlice::new(input, self.channels, self.needed),
            InterleavedSlice::new_mut(output, self.channels, self.frames),
        );
        let (Ok(source), Ok(mut sink)) = adapters else {
            // Unreachable with slices of the announced lengths; the card still gets defined samples.
            output.fill(0.0);
            return;
        };
        let processed = self.inner.process_into_buffer(&source, &mut sink, None);
        debug_assert!(processed.is_ok(), "rubato was given what it asked for: {processed:?}");
        // rubato increments the step before it adds it: n steps from `step` (exclusive) to `next_step` (inclusive).
        let n = self.frames as f64;
        let advanced = n * 0.5 * (self.step + self.next_step) + 0.5 * (self.next_step - self.step);
        self.lead_frames += self.needed as f64 - advanced;
        self.step = self.next_step;
    }

    fn lead_frames(&self) -> f64 {
        self.lead_frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a ramp whose value is its own frame number, so that every output sample tells its media position.
    fn run_ramp(steps: &[f64], frames: usize, mut check: impl FnMut(f64, &[f32])) {
        let mut resampler = SincResampler::new(1, frames, 1.0).unwrap();
        let mut fed = 0usize;
        let mut output = vec![0.0; frames];
        for &step in steps {
            let needed = resampler.prepare(frames, step);
            let input: Vec<f32> = (fed..fed + needed).map(|n| n as f32).collect();
            let position = fed as f64 - resampler.lead_frames();
            resampler.process(&input, &mut output);
            fed += needed;
            check(position, &output);
        }
    }

    #[test]
    fn position_tells_which_media_frame_comes_next() {
        let steps: Vec<f64> = (0..200).map(|i| 1.0 + 1e-6 * f64::from(i % 17) * 20.0).collect();
        run_ramp(&steps, 64, |position, output| {
            if position > 200.0 {
                // Single precision: some 2^-22 of the ramp's value, and the filter's own error.
                let tolerance = 1e-3 + position * 2e-6;
                assert!((f64::from(output[0]) - position).abs() < tolerance, "{} at {position}", output[0]);
            }
        });
    }

    #[test]
    fn the_lead_never_drifts() {
        let mut resampler = SincResampler::new(2, 480, 1.0).unwrap();
        let mut output = vec![0.0; 960];
        for i in 0..20_000 {
            let needed = resampler.prepare(480, 1.0 + 1e-4 * libm::sin(f64::from(i) * 0.01));
            resampler.process(&vec![0.0; needed * 2], &mut output);
            let lead = resampler.lead_frames();
            assert!((60.0..=68.0).contains(&lead), "lead {lead} after {i} blocks");
        }
    }

    #[test]
    fn any_block_size_and_absurd_steps_are_served() {
        let mut resampler = SincResampler::new(1, 480, 1.0).unwrap();
        for (frames, step) in [(1, 1.0), (480, f64::NAN), (7, 3.0), (479, 0.0), (10_000, 1.0)] {
            let needed = resampler.prepare(frames, step);
            let mut output = vec![1.0; frames.min(480)];
            resampler.process(&vec![0.0; needed], &mut output);
        }
    }

    #[test]
    fn impossible_parameters_are_refused() {
        assert!(SincResampler::new(0, 480, 1.0).is_err());
        assert!(SincResampler::new(2, 480, f64::INFINITY).is_err());
    }
}
