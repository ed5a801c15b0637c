//! The gain of one channel, which changes along a ramp to avoid clicks.

use crate::units::{Nanos, SampleRate};

/// Length of the ramp.
const RAMP: Nanos = Nanos::from_millis(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    now: f32,
    target: f32,
    step: f32,
    /// Frames until the target is reached.
    left: u32,
    ramp_frames: u32,
}

impl Gain {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the frames of a short ramp")]
    pub(super) fn unity(rate: SampleRate) -> Self {
        let ramp_frames = (rate.frames_in(RAMP) as u32).max(1);
        Self { now: 1.0, target: 1.0, step: 0.0, left: 0, ramp_frames }
    }

    #[expect(clippy::cast_precision_loss, reason = "the frames of a short ramp")]
    pub(super) fn set(&mut self, target: f32) {
        self.target = target;
        self.left = self.ramp_frames;
        self.step = (target - self.now) / self.ramp_frames as f32;
    }

    /// Applies the gain to the channel's next samples. A gain of 1 changes no bits.
    pub(super) fn apply<'a>(&mut self, samples: impl Iterator<Item = &'a mut f32>) {
        for sample in samples {
            if self.left > 0 {
                self.left -= 1;
                self.now = if self.left == 0 { self.target } else { self.now + self.step };
            }
            *sample *= self.now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "the end of the ramp is exact")]
    fn a_gain_is_reached_exactly_after_ten_milliseconds_without_a_jump() {
        let mut gain = Gain::unity(SampleRate::HZ_48000);
        gain.set(0.1);
        let mut samples = [1.0; 960];
        let (first, second) = samples.split_at_mut(100);
        gain.apply(first.iter_mut());
        gain.apply(second.iter_mut());
        assert!(samples.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.002));
        assert!(samples[470] > 0.1 && samples[479..].iter().all(|&sample| sample == 0.1));
    }
}
