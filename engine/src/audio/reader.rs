//! Reads from a jitter buffer, and conceals missing audio.

use super::conceal::Concealer;
use super::jitter_buffer::JitterBuffer;
use crate::units::{Frames, SampleRate};

/// Consecutive frames that have been read, either all present or all missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Position of the first frame.
    pub(crate) first: Frames,
    pub(crate) frames: usize,
    pub(crate) is_present: bool,
    /// Whether the frames, and all later ones, are missing because they have not arrived yet, and
    /// not because they were lost.
    pub(crate) is_starved: bool,
}

/// A jitter buffer, and the concealment of missing audio.
#[derive(Debug)]
pub(crate) struct Reader {
    channels: usize,
    pub(crate) buffer: JitterBuffer,
    pub(crate) concealer: Concealer,
}

impl Reader {
    /// Creates a reader with an empty buffer for at least `capacity_frames` frames of `channels`
    /// samples.
    pub(crate) fn new(channels: usize, capacity_frames: usize, rate: SampleRate) -> Self {
        Self {
            channels,
            buffer: JitterBuffer::new(channels, capacity_frames),
            concealer: Concealer::new(channels, rate),
        }
    }

    /// Fills the interleaved `out` with the frames from `first` on, and conceals those that are
    /// missing. Calls `on_run` for each run of present or missing frames. Returns the position
    /// after the last frame.
    pub(crate) fn read(&mut self, first: Frames, out: &mut [f32], mut on_run: impl FnMut(Run)) -> Frames {
        let mut cursor = first;
        let mut rest = out;
        while !rest.is_empty() {
            let (is_present, frames) = self.buffer.run(cursor, rest.len() / self.channels);
            let (run, after) = rest.split_at_mut(frames * self.channels);
            let is_starved = !is_present && !self.buffer.has_arrived_beyond(cursor);
            if is_present {
                self.buffer.copy(cursor, run);
                self.concealer.pass(run);
            } else {
                self.concealer.conceal(run);
            }
            on_run(Run { first: cursor, frames, is_present, is_starved });
            cursor += Frames::of(frames);
            rest = after;
        }
        cursor
    }

    /// Prepares a jump of the read position away from `cursor`. The next audio is crossfaded with
    /// the frames from `cursor` on if they are present and fit into `scratch`, and otherwise with
    /// the concealer's substitute.
    pub(crate) fn splice_at(&mut self, cursor: Frames, scratch: &mut [f32]) {
        let wanted = self.concealer.splice_frames();
        match self.buffer.run(cursor, wanted) {
            (true, frames) if frames == wanted && wanted * self.channels <= scratch.len() => {
                let continuation = &mut scratch[..wanted * self.channels];
                self.buffer.copy(cursor, continuation);
                self.concealer.splice_from(continuation);
            }
            _ => self.concealer.splice(),
        }
    }

    /// Discards the buffered audio; the next audio is crossfaded in.
    pub(crate) fn restart(&mut self) {
        self.buffer.clear();
        self.concealer.splice();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn present_and_missing_runs_are_told_apart() {
        let mut reader = Reader::new(1, 64, SampleRate::HZ_48000);
        reader.buffer.insert(Frames::ZERO, Frames::new(8), &[0.5; 8]);
        let mut runs = Vec::new();
        let mut out = [0.0; 24];
        let end = reader.read(Frames::ZERO, &mut out, |run| runs.push((run.frames, run.is_present, run.is_starved)));
        assert_eq!(end, Frames::new(24));
        assert_eq!(runs, [(8, false, false), (8, true, false), (8, false, true)]);
    }
}
