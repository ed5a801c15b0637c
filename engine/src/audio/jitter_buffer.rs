//! The jitter buffer: a ring indexed by media position, not a queue.
//!
//! Model: every frame has a fixed slot, so that reordering, duplicates and loss need no special
//! treatment. A frame is present if its slot is tagged with its position. Slots need not be
//! cleared, because an old tag never equals a new position. Memory is fixed at creation.

use crate::units::Frames;

/// Media position that marks an empty slot. Judgement: positions start near 0 and increase by
/// 48 000 per second, so they never reach it.
pub(crate) const NO_FRAME: i64 = i64::MIN;

/// Result of inserting a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// At least one frame was new and not yet played.
    Stored,
    /// All frames were in the buffer already.
    Duplicate,
    /// All frames had been played or skipped.
    Late,
    /// The packet is further ahead than the length of the buffer.
    TooEarly,
}

/// Decoded audio for the sound card, interleaved.
///
/// ```
/// use engine::Frames;
/// use engine::audio::{Insertion, JitterBuffer};
/// let mut buffer = JitterBuffer::new(1, 64);
/// let cursor = Frames::ZERO;
/// // Packets of two frames; the second one is missing, and the third one comes twice.
/// assert_eq!(buffer.insert(cursor, Frames::new(0), &[0.1, 0.2]), Insertion::Stored);
/// assert_eq!(buffer.insert(cursor, Frames::new(4), &[0.5, 0.6]), Insertion::Stored);
/// assert_eq!(buffer.insert(cursor, Frames::new(4), &[0.5, 0.6]), Insertion::Duplicate);
/// assert_eq!(buffer.run(cursor, 64), (true, 2));
/// assert_eq!(buffer.run(Frames::new(2), 64), (false, 2));
/// let mut out = [0.0; 2];
/// buffer.copy(Frames::new(4), &mut out);
/// assert_eq!(out, [0.5, 0.6]);
/// ```
#[derive(Debug)]
pub struct JitterBuffer {
    samples: Vec<f32>,
    tags: Vec<i64>,
    channels: usize,
    /// Number of slots, a power of two.
    capacity: i64,
    /// End of the newest packet seen.
    end: i64,
}

impl JitterBuffer {
    /// A buffer for at least `capacity_frames` frames (rounded up to a power of two) of `channels`
    /// samples.
    #[must_use]
    pub fn new(channels: usize, capacity_frames: usize) -> Self {
        let capacity = capacity_frames.max(1).next_power_of_two();
        Self {
            samples: vec![0.0; capacity * channels],
            tags: vec![NO_FRAME; capacity],
            channels,
            capacity: Frames::of(capacity).get(),
            end: NO_FRAME,
        }
    }

    /// Number of frames that fit.
    #[must_use]
    pub fn capacity_frames(&self) -> usize {
        self.tags.len()
    }

    /// Stores interleaved `samples` that begin at `first`. `cursor` is the next position to be
    /// read; everything before it is late.
    pub fn insert(&mut self, cursor: Frames, first: Frames, samples: &[f32]) -> Insertion {
        let frames = Frames::of(samples.len() / self.channels).get();
        if first.get() + frames <= cursor.get() {
            self.keep(cursor, first, samples);
            return Insertion::Late;
        }
        if first.get() + frames > cursor.get() + self.capacity {
            return Insertion::TooEarly;
        }
        let mut stored = false;
        for (position, frame) in (first.get()..).zip(samples.chunks_exact(self.channels)) {
            let slot = self.slot(position);
            if position >= cursor.get() && self.tags[slot] != position {
                self.tags[slot] = position;
                self.samples[slot * self.channels..][..self.channels].copy_from_slice(frame);
                stored = true;
            }
        }
        self.end = self.end.max(first.get() + frames);
        if stored { Insertion::Stored } else { Insertion::Duplicate }
    }

    /// Keeps late frames in slots that hold no frame still to be played, because playout may move
    /// back to them.
    fn keep(&mut self, cursor: Frames, first: Frames, samples: &[f32]) {
        let oldest = cursor.get() - self.capacity / 2;
        for (position, frame) in (first.get()..).zip(samples.chunks_exact(self.channels)) {
            let slot = self.slot(position);
            if position >= oldest && self.tags[slot] < position {
                self.tags[slot] = position;
                self.samples[slot * self.channels..][..self.channels].copy_from_slice(frame);
            }
        }
    }

    /// Length of the run of present (`true`) or missing (`false`) frames that begins at `first`, at
    /// most `limit`.
    #[must_use]
    pub fn run(&self, first: Frames, limit: usize) -> (bool, usize) {
        let present = self.is_present(first.get());
        let differs = |&(_, position): &(usize, i64)| self.is_present(position) != present;
        let end = (0..limit).zip(first.get()..).skip(1).find(differs);
        (present, end.map_or(limit, |(length, _)| length))
    }

    /// Slot of a position.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the capacity, which is a usize"
    )]
    fn slot(&self, position: i64) -> usize {
        (position & (self.capacity - 1)) as usize
    }

    fn is_present(&self, position: i64) -> bool {
        self.tags[self.slot(position)] == position
    }

    /// Copies the frames from `first` on, which must be present, into `out` (interleaved).
    pub fn copy(&self, first: Frames, out: &mut [f32]) {
        for (position, frame) in (first.get()..).zip(out.chunks_exact_mut(self.channels)) {
            debug_assert!(self.is_present(position));
            let slot = self.slot(position);
            frame.copy_from_slice(&self.samples[slot * self.channels..][..self.channels]);
        }
    }

    /// Whether a frame at or after `position` has arrived. Missing frames before it are lost or
    /// late; missing frames after the last one have not been sent yet.
    #[must_use]
    pub fn has_arrived_beyond(&self, position: Frames) -> bool {
        self.end > position.get()
    }

    /// Number of present frames in the run that begins at `first`.
    #[must_use]
    pub fn contiguous_frames(&self, first: Frames) -> usize {
        match self.run(first, self.tags.len()) {
            (true, frames) => frames,
            (false, _) => 0,
        }
    }

    /// Discards all audio.
    pub fn clear(&mut self) {
        self.tags.fill(NO_FRAME);
        self.end = NO_FRAME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(frame: i64) -> Frames {
        Frames::new(frame)
    }

    #[test]
    fn packets_are_told_apart() {
        let mut buffer = JitterBuffer::new(1, 64);
        assert_eq!(buffer.insert(at(0), at(8), &[1.0; 8]), Insertion::Stored);
        assert_eq!(buffer.insert(at(0), at(8), &[2.0; 8]), Insertion::Duplicate);
        assert_eq!(buffer.insert(at(20), at(8), &[2.0; 8]), Insertion::Late);
        assert_eq!(buffer.insert(at(0), at(60), &[2.0; 8]), Insertion::TooEarly);
        assert_eq!(buffer.run(at(0), 64), (false, 8));
        assert_eq!(buffer.contiguous_frames(at(8)), 8);
        assert!(buffer.has_arrived_beyond(at(15)) && !buffer.has_arrived_beyond(at(16)));
    }

    #[test]
    fn the_useful_part_of_a_half_late_packet_is_kept() {
        let mut buffer = JitterBuffer::new(1, 64);
        assert_eq!(buffer.insert(at(4), at(0), &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), Insertion::Stored);
        let mut out = [0.0; 2];
        buffer.copy(at(4), &mut out);
        assert_eq!(out.map(f32::to_bits), [4.0f32, 5.0].map(f32::to_bits));
        assert_eq!(buffer.run(at(0), 8), (false, 4));
    }

    proptest! {
        /// In whatever order frames go in, they come out at their own positions.
        #[test]
        fn order_does_not_matter(start in -(1i64 << 40)..(1i64 << 40), order in Just((0i64..16).collect::<Vec<_>>()).prop_shuffle()) {
            let mut buffer = JitterBuffer::new(2, 128);
            for packet in order {
                let samples: Vec<f32> = (0..8).flat_map(|i| [(packet * 8 + i) as f32, -1.0]).collect();
                prop_assert_eq!(buffer.insert(at(start), at(start + packet * 8), &samples), Insertion::Stored);
            }
            let mut out = vec![0.0; 256];
            prop_assert_eq!(buffer.contiguous_frames(at(start)), 128);
            buffer.copy(at(start), &mut out);
            for (i, frame) in out.chunks_exact(2).enumerate() {
                prop_assert_eq!(frame, [i as f32, -1.0]);
            }
        }
    }
}
