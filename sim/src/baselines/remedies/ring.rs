//! A ring of frames with the media position of each.

use engine::{Frames, MediaPosition};
use std::collections::VecDeque;

/// Interleaved samples with their media positions.
#[derive(Debug)]
pub(super) struct Ring {
    channels: usize,
    capacity: usize,
    samples: VecDeque<f32>,
    positions: VecDeque<i64>,
    /// Playback position within the first frame, as a fraction of a frame.
    fraction: f64,
    /// Position after the last frame that was read.
    next: Option<i64>,
}

impl Ring {
    pub(super) fn new(channels: usize, capacity: usize) -> Self {
        let (samples, positions) = (VecDeque::with_capacity(capacity * channels), VecDeque::with_capacity(capacity));
        Self { channels, capacity, samples, positions, fraction: 0.0, next: None }
    }

    pub(super) fn frames(&self) -> usize {
        self.positions.len()
    }

    /// Fill as a share of the capacity.
    pub(super) fn share(&self) -> f64 {
        self.frames() as f64 / self.capacity as f64
    }

    /// Appends frames that begin at `position`. Returns false if they do not fit; they are then
    /// dropped.
    pub(super) fn push(&mut self, position: i64, samples: &[f32]) -> bool {
        let frames = samples.len() / self.channels;
        if self.frames() + frames > self.capacity {
            return false;
        }
        self.samples.extend(samples);
        self.positions.extend(position..position + frames as i64);
        true
    }

    /// Computes one frame by linear interpolation and advances by `step`. Returns false if there is
    /// too little audio.
    pub(super) fn read(&mut self, step: f64, out: &mut [f32]) -> bool {
        // At a whole position the next frame is not needed.
        let needed = if self.fraction > 0.0 { 2 } else { 1 };
        if self.frames() < needed {
            return false;
        }
        for (channel, sample) in out.iter_mut().enumerate() {
            let a = self.samples[channel];
            let b = self.samples.get(self.channels + channel).copied().unwrap_or(a);
            *sample = a + (b - a) * self.fraction as f32;
        }
        self.fraction += step;
        while self.fraction >= 1.0 && !self.positions.is_empty() {
            self.fraction -= 1.0;
            self.next = self.positions.pop_front().map(|position| position + 1);
            self.samples.drain(..self.channels);
        }
        true
    }

    /// Position of the next frame to be read.
    pub(super) fn position(&self) -> Option<MediaPosition> {
        let first = self.positions.front().copied().or(self.next)?;
        Some(MediaPosition::at_frame(Frames::new(first)).advanced(self.fraction))
    }
}
