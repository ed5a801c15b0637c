//! The audio path of a relay between input and output: a jitter buffer indexed by media position,
//! concealment, and gains.

use super::gain::Gain;
use crate::audio::{Insertion, Reader};
use crate::send::Source;
use crate::units::{Frames, Nanos, SampleRate};

/// Room in the buffer beyond the latency, for senders whose clock is slightly ahead of ours.
const MARGIN: Nanos = Nanos::from_millis(100);

/// Outcome of storing a packet of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// The packet has been stored, or was already present.
    Kept,
    /// All of its frames had already been sent.
    Late,
    /// The packet is too far ahead to be stored.
    Early,
}

#[derive(Debug)]
pub(super) struct RelayFeed {
    channels: usize,
    latency: Frames,
    reader: Reader,
    gains: Vec<Gain>,
    /// Position after the last frame that was sent; `None` before the first one.
    end: Option<Frames>,
    in_gap: bool,
    relayed_frames: u64,
    concealed_frames: u64,
    gaps: u64,
}

impl RelayFeed {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a latency of at most MAX_LATENCY")]
    pub(super) fn new(channels: usize, rate: SampleRate, latency: Frames) -> Self {
        let capacity_frames = 2 * latency.get() as usize + rate.whole_frames_in(MARGIN);
        Self {
            channels,
            latency,
            reader: Reader::new(channels, capacity_frames, rate),
            gains: vec![Gain::unity(rate); channels],
            end: None,
            in_gap: false,
            relayed_frames: 0,
            concealed_frames: 0,
            gaps: 0,
        }
    }

    pub(super) fn latency(&self) -> Frames {
        self.latency
    }

    pub(super) fn set_gain(&mut self, channel: usize, gain: f32) -> bool {
        let found = self.gains.get_mut(channel).filter(|_| gain.is_finite());
        found.map(|channel| channel.set(gain)).is_some()
    }

    /// Number of frames relayed, number of frames concealed, and number of gaps.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        (self.relayed_frames, self.concealed_frames, self.gaps)
    }

    /// Discards the waiting audio; the next audio is crossfaded in.
    pub(super) fn restart(&mut self) {
        self.reader.restart();
        self.end = None;
    }

    /// Stores input audio that begins at `first`, while the output is at `position`.
    pub(super) fn insert(&mut self, position: Frames, first: Frames, audio: &[f32]) -> Placement {
        match self.reader.buffer.insert(position - self.latency, first, audio) {
            Insertion::Stored | Insertion::Duplicate => Placement::Kept,
            Insertion::Late => Placement::Late,
            Insertion::TooEarly => Placement::Early,
        }
    }
}

impl Source for RelayFeed {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        let cursor = first - self.latency;
        if self.end.is_some_and(|end| end != cursor) {
            // The output's sender has skipped packets, because it was called too late.
            self.reader.concealer.splice();
        }
        let Self { reader, in_gap, relayed_frames, concealed_frames, gaps, .. } = self;
        let end = reader.read(cursor, out, |run| {
            if run.is_present {
                *relayed_frames += run.frames as u64;
            } else {
                *concealed_frames += run.frames as u64;
                *gaps += u64::from(!*in_gap);
            }
            *in_gap = !run.is_present;
        });
        self.end = Some(end);
        for (channel, gain) in self.gains.iter_mut().enumerate() {
            gain.apply(out[channel..].iter_mut().step_by(self.channels));
        }
    }
}
