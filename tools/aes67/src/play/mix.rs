//! Mixes several streams into one output, each with its own channel map.

use super::controller::Controller;
use crate::meter::Meter;
use engine::LocalTime;
use engine::receive::Playout;
use std::sync::Arc;

/// The audio half of a stream, whose channels are only those that it plays. A stream that plays on
/// two of many outputs costs no more than one on an output of two channels.
pub(super) struct Voice {
    pub(super) playout: Playout<Controller>,
    pub(super) meter: Arc<Meter>,
    /// The output of each channel.
    pub(super) outputs: Vec<usize>,
}

/// The audio halves of all streams that one output plays.
pub(super) struct Mixer {
    voices: Vec<Voice>,
    /// Channels of the output.
    channels: usize,
    scratch: Vec<f32>,
}

impl Mixer {
    /// `longest` is the most frames of one [`Mixer::pull`].
    pub(super) fn new(voices: Vec<Voice>, channels: usize, longest: usize) -> Self {
        Self { voices, channels, scratch: vec![0.0; longest * channels] }
    }

    /// Fills `out` with the sum of all streams. Neither allocates nor blocks.
    pub(super) fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        out.fill(0.0);
        let frames = out.len() / self.channels;
        for Voice { playout, meter, outputs } in &mut self.voices {
            let block = &mut self.scratch[..frames * outputs.len()];
            playout.pull(now, block);
            meter.measure(block);
            add(out, self.channels, block, outputs);
        }
    }
}

/// Adds the channels of a block to their outputs, of which there are `channels`.
fn add(out: &mut [f32], channels: usize, block: &[f32], outputs: &[usize]) {
    if outputs.iter().copied().eq(0..channels) {
        return out.iter_mut().zip(block).for_each(|(sum, sample)| *sum += sample);
    }
    for (out, frame) in out.chunks_exact_mut(channels).zip(block.chunks_exact(outputs.len())) {
        for (&output, sample) in outputs.iter().zip(frame) {
            out[output] += sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_added_to_their_outputs() {
        let mut out = [1.0; 6];
        add(&mut out, 3, &[10.0, 20.0, 30.0, 40.0], &[2, 0]);
        assert_eq!(out.map(f32::to_bits), [21.0f32, 1.0, 11.0, 41.0, 1.0, 31.0].map(f32::to_bits));
        add(&mut out, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0, 1, 2]);
        assert_eq!(out.map(f32::to_bits), [22.0f32, 3.0, 14.0, 45.0, 6.0, 37.0].map(f32::to_bits));
    }
}
