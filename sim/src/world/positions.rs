//! A resampler that renders nothing.
//!
//! Model: it advances through the media like the real one, by a step that changes linearly over a
//! block, and requires the frames that it passes. Its output is silence. It serves runs that
//! evaluate only the position of playout and not its sound.

use engine::resample::Resampler;

/// A resampler that only tracks positions.
pub(super) struct PositionResampler {
    channels: usize,
    max_frames: usize,
    step: f64,
    /// How many frames the next input frame is ahead of the next output frame.
    lead: f64,
}

impl PositionResampler {
    pub(super) fn new(channels: usize, max_frames: usize, step: f64) -> Self {
        Self { channels, max_frames, step, lead: 0.0 }
    }
}

impl Resampler for PositionResampler {
    fn channels(&self) -> usize {
        self.channels
    }

    fn max_frames(&self) -> usize {
        self.max_frames
    }

    fn prepare(&mut self, frames: usize, step_end: f64) -> usize {
        let frames = frames.min(self.max_frames) as f64;
        // The mean of frames 1 to n of a ramp that reaches its end with frame n.
        let mean = step_end + (self.step - step_end) * (frames - 1.0) / (2.0 * frames.max(1.0));
        self.step = step_end;
        let behind = frames * mean - self.lead;
        let needed = (libm::floor(behind) + 1.0).max(0.0);
        self.lead = needed - behind;
        needed as usize
    }

    fn process(&mut self, _input: &[f32], output: &mut [f32]) {
        output.fill(0.0);
    }

    fn input_latency_frames(&self) -> f64 {
        self.lead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_step_is_followed_exactly() {
        let mut resampler = PositionResampler::new(1, 480, 1.0001);
        let consumed: usize = (0..10_000).map(|_| resampler.prepare(480, 1.0001)).sum();
        let position = consumed as f64 - resampler.input_latency_frames();
        assert!((position - 4_800_480.0).abs() < 1e-6, "{position}");
    }
}
