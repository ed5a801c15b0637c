//! The samples and coefficients of a resampler in one precision, and the loops over channels and
//! frames around the kernel.

use super::filter::Row;
use super::kernel::{Kernel, convolve};
use super::phase::PhaseAccumulator;
use super::real::Real;
use fearless_simd::dispatch;
use fearless_simd::prelude::*;
use std::sync::Arc;

pub(in super::super) struct Convolver<T: Real, const TAPS: usize> {
    channels: usize,
    /// One row per phase, and a last row for phase 1 (a whole frame), to which positions just below
    /// a whole frame are rounded up.
    table: Arc<[Row<T, TAPS>]>,
    /// For each channel, the last `TAPS` input frames, followed by room for a block's input.
    history: Vec<T>,
    /// Length of one channel in `history`.
    stride: usize,
}

impl<T: Real, const TAPS: usize> Convolver<T, TAPS> {
    pub(in super::super) fn new(channels: usize, max_needed: usize, table: Arc<[Row<T, TAPS>]>) -> Self {
        let stride = TAPS + max_needed;
        Self { channels, table, history: vec![T::ZERO; stride * channels], stride }
    }

    pub(in super::super) fn clear(&mut self) {
        self.history.fill(T::ZERO);
    }

    /// Processes one block: consumes the interleaved input and fills the interleaved output.
    /// Returns the accumulator at the end of the block.
    pub(in super::super) fn process(
        &mut self,
        kernel: Kernel,
        accumulator: PhaseAccumulator,
        input: &[f32],
        output: &mut [f32],
    ) -> PhaseAccumulator {
        self.append(input);
        let end = dispatch!(kernel.level(), simd => self.render(simd, accumulator, output));
        let needed = input.len() / self.channels;
        for history in self.history.chunks_exact_mut(self.stride) {
            history.copy_within(needed..needed + TAPS, 0);
        }
        end
    }

    /// Appends the input to the history of every channel.
    fn append(&mut self, input: &[f32]) {
        for (channel, history) in self.history.chunks_exact_mut(self.stride).enumerate() {
            for (kept, frame) in history[TAPS..].iter_mut().zip(input.chunks_exact(self.channels)) {
                *kept = T::from_sample(frame[channel]);
            }
        }
    }

    #[inline(always)]
    fn render<S: Simd>(&self, simd: S, accumulator: PhaseAccumulator, output: &mut [f32]) -> PhaseAccumulator {
        let (mut end, mut channel) = (accumulator, 0);
        // The channels of a group share the interpolated coefficients; its frames share only the
        // loads from the table. The group sizes are chosen so that the sums fit in the registers.
        while self.channels - channel >= 4 {
            end = self.render_channels::<S, 4, 2>(simd, accumulator, channel, output);
            channel += 4;
        }
        if self.channels - channel >= 2 {
            end = self.render_channels::<S, 2, 3>(simd, accumulator, channel, output);
            channel += 2;
        }
        if self.channels > channel {
            end = self.render_channels::<S, 1, 4>(simd, accumulator, channel, output);
        }
        end
    }

    /// Computes `CHANNELS` neighbouring channels of a block, `GROUP` frames at a time.
    #[inline(always)]
    fn render_channels<S: Simd, const CHANNELS: usize, const GROUP: usize>(
        &self,
        simd: S,
        mut accumulator: PhaseAccumulator,
        first_channel: usize,
        output: &mut [f32],
    ) -> PhaseAccumulator {
        let mut frames = output.len() / self.channels;
        let mut rest = output;
        while frames >= GROUP {
            let accumulators: [PhaseAccumulator; GROUP] = accumulator.next_frames();
            let phase = accumulators[0].phase();
            let (group, after) = rest.split_at_mut(GROUP * self.channels);
            // Neighbouring frames with the same phase use the same row, which is loaded once.
            // Nothing else is shared, so grouping changes no bit of the result.
            if accumulators.iter().all(|accumulator| accumulator.phase() == phase) {
                self.render_frames::<S, CHANNELS, GROUP>(simd, accumulators, first_channel, group);
            } else {
                for n in 0..GROUP {
                    let frame = &mut group[n * self.channels..];
                    self.render_frames::<S, CHANNELS, 1>(simd, [accumulators[n]], first_channel, frame);
                }
            }
            rest = after;
            frames -= GROUP;
        }
        for n in 0..frames {
            let accumulators = accumulator.next_frames();
            self.render_frames::<S, CHANNELS, 1>(simd, accumulators, first_channel, &mut rest[n * self.channels..]);
        }
        accumulator
    }

    /// Computes neighbouring frames that have the same phase.
    #[inline(always)]
    fn render_frames<S: Simd, const CHANNELS: usize, const FRAMES: usize>(
        &self,
        simd: S,
        accumulators: [PhaseAccumulator; FRAMES],
        first_channel: usize,
        output: &mut [f32],
    ) {
        let phase = accumulators[0].phase();
        let mut distances = [T::ZERO; FRAMES];
        let mut windows = [[&self.history[..]; CHANNELS]; FRAMES];
        for n in 0..FRAMES {
            distances[n] = T::from_f64(accumulators[n].past(phase));
            for (c, window) in windows[n].iter_mut().enumerate() {
                *window = &self.history[(first_channel + c) * self.stride + accumulators[n].window..][..TAPS];
            }
        }
        let sums = convolve::<S, T, TAPS, CHANNELS, FRAMES>(simd, &self.table[phase], distances, windows);
        for n in 0..FRAMES {
            let frame = &mut output[n * self.channels + first_channel..][..CHANNELS];
            for c in 0..CHANNELS {
                frame[c] = sums[n][c].to_sample();
            }
        }
    }
}
