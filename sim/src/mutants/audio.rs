//! Faults of the played audio: a delay line after the receiver, and changes of the samples.

use super::Mutant;
use std::collections::VecDeque;

/// Frames of the delay line: more than the 20 ppm of [`Mutant::Ratio`] add up to in an hour.
const LINE: usize = 8_192;
/// Number of points of the interpolation that changes the rate: third-order Lagrange interpolation
/// is transparent at such short delays.
const TAPS: usize = 4;

/// Applies a fault to the audio.
pub(super) struct Spoiler {
    mutant: Mutant,
    channels: usize,
    rate_hz: f64,
    /// Frame at which a fault that occurs once occurs.
    at: u64,
    /// Frames so far.
    frame: u64,
    /// The last frames, oldest first, interleaved.
    line: VecDeque<f32>,
    /// The previous block.
    before: Vec<f32>,
    noise: u64,
}

impl Spoiler {
    pub(super) fn new(mutant: Mutant, channels: usize, rate_hz: u32, at_s: f64) -> Self {
        let rate_hz = f64::from(rate_hz);
        Self {
            mutant,
            channels,
            rate_hz,
            at: (at_s * rate_hz) as u64,
            frame: 0,
            line: std::iter::repeat_n(0.0, LINE * channels).collect(),
            before: Vec::new(),
            noise: 1,
        }
    }

    /// Applies the fault to a block, interleaved.
    pub(super) fn spoil(&mut self, out: &mut [f32]) {
        let whole = out.to_vec();
        for frame in out.chunks_exact_mut(self.channels) {
            self.line.extend(frame.iter());
            self.line.drain(..self.channels);
            self.spoil_frame(frame);
            self.frame += 1;
        }
        if self.mutant == Mutant::StuckBuffer && self.is_within(0.5) && self.before.len() == out.len() {
            out.copy_from_slice(&self.before);
        } else {
            self.before = whole;
        }
    }

    fn spoil_frame(&mut self, frame: &mut [f32]) {
        let after = self.frame.saturating_sub(self.at) as f64;
        match self.mutant {
            Mutant::ChannelSilent => frame.iter_mut().next_back().into_iter().for_each(|sample| *sample = 0.0),
            Mutant::ChannelsExchanged => frame.reverse(),
            Mutant::PolarityInverted => frame.iter_mut().for_each(|sample| *sample = -*sample),
            Mutant::Gain => frame.iter_mut().for_each(|sample| *sample *= 0.891_25),
            Mutant::Noise => frame.iter_mut().for_each(|sample| *sample += self.noise()),
            Mutant::FrameSlipped if self.frame >= self.at => self.delayed(1.0, frame),
            Mutant::FramesRepeated if self.frame >= self.at => self.delayed(48.0, frame),
            Mutant::Latency => self.delayed(0.005 * self.rate_hz, frame),
            Mutant::Ratio => self.delayed(self.frame as f64 * 20e-6, frame),
            Mutant::Zeros1Ms if self.is_within(0.001) => frame.fill(0.0),
            Mutant::Zeros5Ms if self.is_within(0.005) => frame.fill(0.0),
            Mutant::Zeros10Ms if self.is_within(0.01) => frame.fill(0.0),
            Mutant::LateStart if (self.frame as f64) < 15.0 * self.rate_hz => frame.fill(0.0),
            Mutant::FadedOut if self.frame >= self.at => {
                let gain = (1.0 - after / (0.01 * self.rate_hz)).max(0.0) as f32;
                frame.iter_mut().for_each(|sample| *sample *= gain);
            }
            _ => {}
        }
    }

    /// Whether the fault occurred at most `length_s` ago.
    fn is_within(&self, length_s: f64) -> bool {
        (self.at..self.at + (length_s * self.rate_hz) as u64).contains(&self.frame)
    }

    /// The frame played `frames` ago, by third-order Lagrange interpolation.
    fn delayed(&self, frames: f64, out: &mut [f32]) {
        let whole = libm::ceil(frames) as usize;
        let t = whole as f64 - frames;
        let weights = [-t * (t - 1.0) * (t - 2.0) / 6.0, (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0]
            .into_iter()
            .chain([-(t + 1.0) * t * (t - 2.0) / 2.0, (t + 1.0) * t * (t - 1.0) / 6.0]);
        // A delay that is shorter than the look-ahead of the filter is rounded to whole frames.
        let base = (LINE - 1).saturating_sub(whole);
        if base + TAPS / 2 > LINE - 1 || base == 0 || t.total_cmp(&0.0).is_eq() {
            out.iter_mut()
                .enumerate()
                .for_each(|(channel, sample)| *sample = self.line[base * self.channels + channel]);
            return;
        }
        out.fill(0.0);
        for (tap, weight) in weights.enumerate() {
            let at = (base + tap - 1) * self.channels;
            out.iter_mut().enumerate().for_each(|(channel, sample)| *sample += weight as f32 * self.line[at + channel]);
        }
    }

    /// White noise with a peak of -45 dBFS: -50 dBFS RMS (an LCG with Knuth's constants).
    fn noise(&mut self) -> f32 {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.noise >> 40) as f32 / (1 << 23) as f32 - 1.0) * 0.005_6
    }
}
