//! The system's libraries behind the engine's trait.
//!
//! Model: a library takes all the input that is due, and its output waits in a queue. The queue
//! initially holds as many zeros as the library was late by in a rehearsal, so that no block is
//! ever short: a receiver would have to do the same. The number of zeros is its latency.

use super::contestants::{Contestant, ContestantError};
use engine::resample::Resampler;
use peers::{Library, Peer};

/// Number of blocks of a rehearsal: after these, the longest filter is filled, and a variable rate
/// has passed through all its phases.
const REHEARSAL_BLOCKS: usize = 200;
/// Steps that are rehearsed: that of the bench, and 1.
const REHEARSAL_STEPS: [f64; 2] = [super::STEP, 1.0];

/// All libraries that the system has.
pub(super) fn contestants() -> Vec<Contestant> {
    let contestant = |library: Library| {
        Contestant::new(library.name, move |channels, frames| {
            let queued = Queued::rehearsed(library, channels, frames);
            queued.map(|queued| Box::new(queued) as Box<dyn Resampler>).ok_or(ContestantError::Peer(library.name))
        })
    };
    peers::libraries().into_iter().map(contestant).collect()
}

struct Queued {
    peer: Peer,
    channels: usize,
    frames: usize,
    step: f64,
    /// Media frames that correspond to all blocks so far, and the number of those that were taken.
    due: f64,
    taken: f64,
    /// Waiting samples, at the beginning of the vector.
    ready: Vec<f32>,
    waiting: usize,
}

impl Queued {
    /// A resampler whose queue initially holds the zeros that it needs; `None` if the library
    /// fails.
    fn rehearsed(library: Library, channels: usize, frames: usize) -> Option<Self> {
        let mut zeros = 0;
        for step in REHEARSAL_STEPS {
            let mut rehearsal = Self::new(library.make(channels)?, channels, frames, 0);
            let (mut made, mut wanted) = (0, 0);
            for _ in 0..REHEARSAL_BLOCKS {
                let needed = rehearsal.prepare(frames, step);
                let input = vec![0.0; needed * channels];
                made += rehearsal.peer.process(step, &input, &mut rehearsal.ready)?;
                wanted += frames;
                zeros = zeros.max(wanted.saturating_sub(made));
            }
        }
        Some(Self::new(library.make(channels)?, channels, frames, zeros))
    }

    fn new(peer: Peer, channels: usize, frames: usize, zeros: usize) -> Self {
        // Room for the output that a library may return at once after having been late.
        let ready = vec![0.0; (zeros + 8 * frames) * channels];
        Self { peer, channels, frames, step: 1.0, due: 0.0, taken: 0.0, ready, waiting: zeros * channels }
    }
}

impl Resampler for Queued {
    fn channels(&self) -> usize {
        self.channels
    }

    fn max_frames(&self) -> usize {
        self.frames
    }

    fn prepare(&mut self, frames: usize, step_end: f64) -> usize {
        self.step = step_end;
        self.due += frames as f64 * step_end;
        let needed = libm::floor(self.due - self.taken);
        self.taken += needed;
        needed as usize
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let made = self.peer.process(self.step, input, &mut self.ready[self.waiting..]);
        debug_assert!(made.is_some(), "it did so in the rehearsal");
        self.waiting += made.unwrap_or(0) * self.channels;
        debug_assert!(self.waiting >= output.len(), "the queue began with what the library is late by");
        output.copy_from_slice(&self.ready[..output.len()]);
        self.ready.copy_within(output.len()..self.waiting.max(output.len()), 0);
        self.waiting = self.waiting.saturating_sub(output.len());
    }

    /// Of no interest here.
    fn input_latency_frames(&self) -> f64 {
        f64::NAN
    }
}
