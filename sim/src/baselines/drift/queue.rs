//! The inputs of a law on the level of a queue.

use super::RATE_HZ;
use engine::{LocalTime, Nanos, Ppb};

/// A queue at a callback, before its block is taken.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Time of the callback.
    pub now: LocalTime,
    /// Frames of the block.
    pub block_frames: f64,
    /// Frames from the playback position to the end of the newest packet.
    pub level_frames: f64,
    /// The target level.
    pub target_frames: f64,
    /// Time since the newest packet arrived.
    pub since_arrival: Nanos,
}

impl Queue {
    /// How many frames the level is below the target.
    #[must_use]
    pub fn lack(&self) -> f64 {
        self.target_frames - self.level_frames
    }

    /// How many frames the level is below the target if the frames that the sender must have
    /// produced since the newest packet are included. This removes the sawtooth from the level.
    #[must_use]
    pub fn lack_with_in_flight(&self) -> f64 {
        self.lack() - self.since_arrival.as_secs_f64() * RATE_HZ
    }

    /// Length of the block.
    #[must_use]
    pub fn block_s(&self) -> f64 {
        self.block_frames / RATE_HZ
    }
}

/// A law that controls the ratio by the level of a queue.
pub trait QueueLaw {
    /// A packet of `packet_frames` frames arrived and moved the end of the queue by `moved_frames`.
    fn arrived(&mut self, _now: LocalTime, _packet_frames: f64, _moved_frames: f64) {}

    /// The ratio of the block that is taken next.
    fn ratio(&mut self, queue: &Queue) -> Ppb;
}
