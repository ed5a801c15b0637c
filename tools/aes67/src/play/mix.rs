//! Several streams on one output: their sum, by the channel map of each.

use super::controller::Controller;
use crate::meter::Meter;
use engine::LocalTime;
use engine::receive::Playout;
use std::sync::Arc;

/// The audio halves of all streams that one output plays, with their meters.
pub(super) struct Mixer {
    streams: Vec<(Playout<Controller>, Arc<Meter>)>,
    scratch: Vec<f32>,
}

impl Mixer {
    /// `longest` is the most samples of one [`Mixer::pull`].
    pub(super) fn new(streams: Vec<(Playout<Controller>, Arc<Meter>)>, longest: usize) -> Self {
        Self { streams, scratch: vec![0.0; longest] }
    }

    /// Fills `out`; neither allocates nor waits.
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
