//! Mixes several streams into one output, each with its own channel map.

use super::controller::Controller;
use crate::meter::Meter;
use engine::LocalTime;
use engine::receive::Playout;
use std::sync::Arc;

/// The audio halves of all streams on one output, with their meters.
pub(super) struct Mixer {
    streams: Vec<(Playout<Controller>, Arc<Meter>)>,
    scratch: Vec<f32>,
}

impl Mixer {
    /// Creates a mixer. `longest` is the maximum number of samples in one [`Mixer::pull`].
    pub(super) fn new(streams: Vec<(Playout<Controller>, Arc<Meter>)>, longest: usize) -> Self {
        Self { streams, scratch: vec![0.0; longest] }
    }

    /// Fills `out` with the sum of all streams. Neither allocates nor blocks.
    pub(super) fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        out.fill(0.0);
        let block = &mut self.scratch[..out.len()];
        for (playout, meter) in &mut self.streams {
            playout.pull(now, block);
            meter.measure(block);
            out.iter_mut().zip(&*block).for_each(|(sum, sample)| *sum += sample);
        }
    }
}
