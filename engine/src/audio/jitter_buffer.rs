//! The jitter buffer: a ring indexed by media position, not a queue.
//!
//! Model: every frame has a fixed slot, so that reordering, duplicates and loss need no special
//! treatment. A frame is present if its slot is tagged with its position. Slots need not be
//! cleared, because an old tag never equals a new position. Memory is fixed at creation.

use crate::units::Frames;
use std::ops::Range;

/// Media position that marks an empty slot. Judgement: positions start near 0 and increase, so they
/// never reach this value.
pub(crate) const NO_FRAME: i64 = i64::MIN;

/// Number of frames whose tags are compared at once. Judgement: the tags fill a few vector
/// registers.
const COMPARED: usize = 8;
/// The same number as a distance of positions. Derived: it is [`COMPARED`].
#[expect(clippy::cast_possible_wrap, reason = "a small number")]
const COMPARED_FRAMES: i64 = COMPARED as i64;

/// Result of inserting a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// At least one frame was new and not yet played.
    Stored,
    /// All frames were already in the buffer.
    Duplicate,
    /// All frames had already been played or skipped.
    Late,
    /// The packet is further ahead of the cursor than the buffer is long.
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
    /// End of the newest frame that a slot has been tagged with, which may be a late one.
    tagged_end: i64,
    /// Positions that are known to be present, if the range is not empty.
    known_run: Range<i64>,
}

impl JitterBuffer {
    /// Creates a buffer for at least `capacity_frames` frames (rounded up to a power of two) of
    /// `channels` samples.
    #[must_use]
    pub fn new(channels: usize, capacity_frames: usize) -> Self {
        let capacity = capacity_frames.max(1).next_power_of_two();
        Self {
            samples: vec![0.0; capacity * channels],
            tags: vec![NO_FRAME; capacity],
            channels,
            capacity: Frames::of(capacity).get(),
            end: NO_FRAME,
            tagged_end: NO_FRAME,
            known_run: 0..0,
        }
    }

    /// Number of frames that fit in the buffer.
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
        let channels = self.channels;
        let copy = |frame: usize, out: &mut [f32]| out.copy_from_slice(&samples[frame * channels..][..out.len()]);
        if self.insert_newest(cursor, first, samples.len() / channels, copy) {
            return Insertion::Stored;
        }
        // Slots of frames before the cursor may be reused.
        self.known_run.start = self.known_run.start.max(cursor.get());
        let stored = self.store_each(cursor, first, samples);
        self.end = self.end.max(first.get() + frames);
        if stored { Insertion::Stored } else { Insertion::Duplicate }
    }

    /// Like [`JitterBuffer::insert`], for the usual packet: all of its frames are still to be
    /// played, fit, and are newer than any frame that the buffer has ever held. Returns whether it
    /// is such a packet; otherwise nothing has happened. `write` writes the audio from a frame of
    /// the packet on to where it is kept.
    pub(crate) fn insert_newest(
        &mut self,
        cursor: Frames,
        first: Frames,
        frames: usize,
        mut write: impl FnMut(usize, &mut [f32]),
    ) -> bool {
        let end = first.get() + Frames::of(frames).get();
        if frames == 0 || first < cursor || end > cursor.get() + self.capacity || first.get() < self.tagged_end {
            return false;
        }
        // Slots of frames before the cursor may be reused.
        self.known_run.start = self.known_run.start.max(cursor.get());
        let mut written = 0;
        for slots in self.slots(first.get(), frames) {
            let (count, position) = (slots.len(), first.get() + Frames::of(written).get());
            write(written, &mut self.samples[slots.start * self.channels..slots.end * self.channels]);
            for (tag, position) in self.tags[slots].iter_mut().zip(position..) {
                *tag = position;
            }
            written += count;
        }
        (self.end, self.tagged_end) = (self.end.max(end), end);
        true
    }

    /// Stores those frames of a packet that are still to be played and not in the buffer yet.
    /// Returns whether there were any.
    fn store_each(&mut self, cursor: Frames, first: Frames, samples: &[f32]) -> bool {
        let mut stored = false;
        self.tagged_end = self.tagged_end.max(first.get() + Frames::of(samples.len() / self.channels).get());
        for (position, frame) in (first.get()..).zip(samples.chunks_exact(self.channels)) {
            let slot = self.slot(position);
            if position >= cursor.get() && self.tags[slot] != position {
                self.tags[slot] = position;
                self.samples[slot * self.channels..][..self.channels].copy_from_slice(frame);
                stored = true;
            }
        }
        // If the cursor has moved back, these frames may have overwritten later ones that share
        // their slots, so the known run is no longer valid.
        self.known_run = 0..0;
        stored
    }

    /// Stores late frames in slots that do not hold a frame still to be played, because playout may
    /// move back to the late frames.
    fn keep(&mut self, cursor: Frames, first: Frames, samples: &[f32]) {
        let oldest = cursor.get() - self.capacity / 2;
        self.tagged_end = self.tagged_end.max(first.get() + Frames::of(samples.len() / self.channels).get());
        for (position, frame) in (first.get()..).zip(samples.chunks_exact(self.channels)) {
            let slot = self.slot(position);
            if position >= oldest && self.tags[slot] < position {
                self.tags[slot] = position;
                self.samples[slot * self.channels..][..self.channels].copy_from_slice(frame);
            }
        }
    }

    /// Whether the frames from `first` on are present (`true`) or missing (`false`), and the length
    /// of this run, at most `limit`.
    #[must_use]
    pub fn run(&self, first: Frames, limit: usize) -> (bool, usize) {
        let at = |length: usize| first.get() + Frames::of(length).get();
        // Usually the whole block is known to be present.
        if self.known_run.contains(&first.get()) && at(limit) <= self.known_run.end {
            return (true, limit);
        }
        let present = self.is_present(first.get());
        let mut length = 0;
        // Otherwise it usually is, so several frames are compared at once.
        while present && length + COMPARED <= limit && self.are_present(at(length)) {
            length += COMPARED;
        }
        while length < limit && self.is_present(at(length)) == present {
            length += 1;
        }
        (present, length)
    }

    /// Whether [`COMPARED`] frames from `first` on are present. Returns `false`, too, if their
    /// slots extend beyond the end of the ring.
    fn are_present(&self, first: i64) -> bool {
        let slot = self.slot(first);
        let tags = self.tags.get(slot..slot + COMPARED).unwrap_or_default();
        !tags.is_empty() && tags.iter().zip(first..).fold(true, |all, (&tag, position)| all & (tag == position))
    }

    /// The slot of a position.
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

    /// The slots of `frames` consecutive positions (at most the number of slots), as two ranges: up
    /// to the end of the ring, and from its beginning.
    fn slots(&self, first: i64, frames: usize) -> [Range<usize>; 2] {
        let start = self.slot(first);
        let before_end = frames.min(self.tags.len() - start);
        [start..start + before_end, 0..frames - before_end]
    }

    /// Copies the frames from `first` on, which must be present, into the interleaved `out`.
    pub fn copy(&self, first: Frames, out: &mut [f32]) {
        let frames = (out.len() / self.channels).min(self.tags.len());
        debug_assert!((first.get()..).take(frames).all(|position| self.is_present(position)));
        let mut rest = out;
        for slots in self.slots(first.get(), frames) {
            let (part, after) = rest.split_at_mut(slots.len() * self.channels);
            part.copy_from_slice(&self.samples[slots.start * self.channels..][..part.len()]);
            rest = after;
        }
    }

    /// Whether a frame at or after `position` has arrived. Missing frames before it are lost or
    /// late; missing frames after the last one have not been sent yet.
    #[must_use]
    pub fn has_arrived_beyond(&self, position: Frames) -> bool {
        self.end > position.get()
    }

    /// Length of the run of present frames that begins at `first`. The part of the run that is
    /// known from the last call is not searched again.
    #[must_use]
    pub fn contiguous_frames(&mut self, first: Frames) -> Frames {
        let is_known = self.known_run.contains(&first.get());
        let known_end = if is_known { self.known_run.end } else { first.get() };
        let limit = first.get().saturating_add(self.capacity);
        let mut end = known_end;
        while end + COMPARED_FRAMES <= limit && self.are_present(end) {
            end += COMPARED_FRAMES;
        }
        let end = (end..limit).find(|&position| !self.is_present(position)).unwrap_or(limit);
        self.known_run = first.get()..end;
        Frames::new(end) - first
    }

    /// Discards all audio.
    pub fn clear(&mut self) {
        self.tags.fill(NO_FRAME);
        (self.end, self.tagged_end) = (NO_FRAME, NO_FRAME);
        self.known_run = 0..0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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
        assert_eq!(buffer.contiguous_frames(at(8)), at(8));
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

    /// A model of the buffer: a slot for each position modulo 32, with the frame in it.
    #[derive(Default)]
    struct Model {
        slots: BTreeMap<i64, (i64, f32)>,
    }

    impl Model {
        fn insert(&mut self, cursor: i64, first: i64, samples: &[f32]) {
            let end = first + samples.len() as i64;
            if end > cursor + 32 {
                return;
            }
            for (position, &sample) in (first..).zip(samples) {
                let old = self.slots.get(&position.rem_euclid(32)).map_or(NO_FRAME, |&(old, _)| old);
                let is_kept = if end <= cursor {
                    position >= cursor - 16 && old < position
                } else {
                    position >= cursor && old != position
                };
                if is_kept {
                    self.slots.insert(position.rem_euclid(32), (position, sample));
                }
            }
        }

        fn run_of_presence(&self, first: i64, limit: usize) -> (bool, usize) {
            let is_present =
                |position: i64| self.slots.get(&position.rem_euclid(32)).is_some_and(|slot| slot.0 == position);
            let present = is_present(first);
            (present, (first..).take(limit).take_while(|&position| is_present(position) == present).count())
        }

        fn run(&self, first: i64) -> Vec<f32> {
            let present = |position: i64| self.slots.get(&position.rem_euclid(32)).filter(|slot| slot.0 == position);
            (first..first + 32).map_while(|position| present(position).map(|slot| slot.1)).collect()
        }
    }

    proptest! {
        /// The shortcuts (whole packets that are copied at once, and the remembered last run) make
        /// no difference, wherever the cursor jumps.
        #[test]
        fn a_buffer_is_its_slots(steps in proptest::collection::vec((-6i64..8, -10i64..40, 1usize..12), 1..60)) {
            let (mut buffer, mut model) = (JitterBuffer::new(1, 32), Model::default());
            let (mut cursor, mut next) = (0, 0.0);
            for (by, ahead, length) in steps {
                cursor += by;
                let samples: Vec<f32> = (0..length).map(|i| next + i as f32).collect();
                next += length as f32;
                buffer.insert(at(cursor), at(cursor + ahead), &samples);
                model.insert(cursor, cursor + ahead, &samples);
                for first in [cursor, cursor + 3] {
                    let wanted = model.run(first);
                    // Before and after the present frames have been looked for.
                    for limit in [1, 5, 40] {
                        prop_assert_eq!(buffer.run(at(first), limit), model.run_of_presence(first, limit));
                    }
                    prop_assert_eq!(buffer.contiguous_frames(at(first)), at(wanted.len() as i64));
                    for limit in [1, 5, 40] {
                        prop_assert_eq!(buffer.run(at(first), limit), model.run_of_presence(first, limit));
                    }
                    let mut found = vec![0.0; wanted.len()];
                    buffer.copy(at(first), &mut found);
                    prop_assert_eq!(found, wanted);
                }
            }
        }

        /// In whatever order frames go in, they come out at their own positions.
        #[test]
        fn order_does_not_matter(start in -(1i64 << 40)..(1i64 << 40), order in Just((0i64..16).collect::<Vec<_>>()).prop_shuffle()) {
            let mut buffer = JitterBuffer::new(2, 128);
            for packet in order {
                let samples: Vec<f32> = (0..8).flat_map(|i| [(packet * 8 + i) as f32, -1.0]).collect();
                prop_assert_eq!(buffer.insert(at(start), at(start + packet * 8), &samples), Insertion::Stored);
            }
            let mut out = vec![0.0; 256];
            prop_assert_eq!(buffer.contiguous_frames(at(start)), at(128));
            buffer.copy(at(start), &mut out);
            for (i, frame) in out.chunks_exact(2).enumerate() {
                prop_assert_eq!(frame, [i as f32, -1.0]);
            }
        }
    }
}
