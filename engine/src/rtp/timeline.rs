//! The timeline of an RTP stream: 32-bit timestamps, unwrapped to 64-bit positions.
//!
//! Model: while a sender pauses, its timestamps are expected to advance with time. A timestamp may
//! stand for several positions, which are 2^32 frames apart; the one closest to the expected
//! position is used. A packet that is further away than [`DISCONTINUITY`] is refused, unless the
//! next packet confirms the jump ([`PendingJump`]), so that a single wrong timestamp has no effect.
//!
//! A packet from a different source (SSRC) belongs to the timeline if its sequence number and
//! timestamp continue it; otherwise it is accepted only after the current source has been silent
//! for [`SOURCE_SILENCE`].

use super::sequence::SequenceNumber;
use super::wire::{RtpHeader, Ssrc};
use crate::units::{Frames, LocalTime, Nanos, RtpTimestamp, SampleRate};

/// A timestamp that differs from the expected one by more than this belongs to a new timeline if
/// the next packet agrees. Judgement: longer than any error with which the host clock measures a
/// pause, and a wrong decision costs at most a second of audio.
pub const DISCONTINUITY: Nanos = Nanos::from_secs(1);
/// A different source takes over once the current one has been silent for this long. Judgement:
/// twelve of the longest packets in use (20 ms), and short enough for a standby sender.
pub const SOURCE_SILENCE: Nanos = Nanos::from_millis(250);

/// The timeline of a stream, with the position of its newest packet.
///
/// ```
/// use engine::rtp::timeline::RtpTimeline;
/// use engine::rtp::wire::Ssrc;
/// use engine::{Frames, LocalTime, Nanos, RtpTimestamp, SampleRate};
///
/// let timeline = RtpTimeline::new(Ssrc(1), RtpTimestamp::new(u32::MAX), LocalTime::ZERO);
/// // 1 ms later, the timestamp has wrapped.
/// let now = LocalTime::ZERO + Nanos::from_millis(1);
/// let limit = Frames::new(48_000);
/// let located = timeline.locate(now, RtpTimestamp::new(47), SampleRate::HZ_48000, limit);
/// assert_eq!(located, Ok(Frames::new((1 << 32) + 47)));
/// // A timestamp 10 s ahead is too far away.
/// let located = timeline.locate(now, RtpTimestamp::new(480_047), SampleRate::HZ_48000, limit);
/// assert_eq!(located, Err(480_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpTimeline {
    /// The source that sends the stream.
    pub ssrc: Ssrc,
    /// End of the newest packet.
    pub newest: Frames,
    /// When the newest packet arrived.
    pub newest_at: LocalTime,
}

impl RtpTimeline {
    /// Creates a timeline that begins with a packet that has this timestamp and arrived at `now`.
    #[must_use]
    pub fn new(ssrc: Ssrc, first: RtpTimestamp, now: LocalTime) -> Self {
        Self { ssrc, newest: Frames::new(i64::from(first.get())), newest_at: now }
    }

    /// The expected position of a packet that arrives at `now`, if the sender has kept counting
    /// during a pause.
    #[must_use]
    pub fn expected(&self, now: LocalTime, rate: SampleRate) -> Frames {
        self.newest + Frames::from_f64(rate.frames_in(now.since(self.newest_at)))
    }

    /// The position that a timestamp stands for.
    ///
    /// # Errors
    /// If the distance from the expected position exceeds `limit`; the error is this distance in
    /// frames.
    pub fn locate(
        &self,
        now: LocalTime,
        timestamp: RtpTimestamp,
        rate: SampleRate,
        limit: Frames,
    ) -> Result<Frames, i64> {
        let expected = self.expected(now, rate);
        let position = timestamp.unwrap_near(expected);
        let distance = (position - expected).get();
        if distance.abs() > limit.get() { Err(distance) } else { Ok(position) }
    }

    /// Whether a packet of `frames` frames follows the packet with the sequence number `newest`,
    /// whatever its SSRC.
    #[must_use]
    pub fn continues(&self, header: &RtpHeader, newest: SequenceNumber, frames: Frames) -> bool {
        header.goes_on_from(newest, self.newest, frames)
    }

    /// Whether the source has been silent for so long that another one may take over.
    #[must_use]
    pub fn has_fallen_silent(&self, now: LocalTime) -> bool {
        now.since(self.newest_at) >= SOURCE_SILENCE
    }
}

/// A jump of the timestamps that waits for the next packet to confirm it.
///
/// ```
/// use engine::rtp::timeline::PendingJump;
/// use engine::{Frames, RtpTimestamp};
/// let (mut jump, limit) = (PendingJump::default(), Frames::new(48_000));
/// assert!(!jump.confirm(RtpTimestamp::new(1_000_000), limit), "the first packet");
/// assert!(!jump.confirm(RtpTimestamp::new(1_000_000), limit), "the other leg's copy of it");
/// assert!(jump.confirm(RtpTimestamp::new(1_000_048), limit));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingJump(Option<RtpTimestamp>);

impl PendingJump {
    /// Returns whether an unexpected packet confirms the jump of the previous unexpected packet: it
    /// must not be a copy of that packet, and must be at most `limit` away from it. Otherwise, the
    /// next packet may confirm the jump of this one.
    pub fn confirm(&mut self, timestamp: RtpTimestamp, limit: Frames) -> bool {
        self.0.replace(timestamp).is_some_and(|before| timestamp.confirms(before, limit))
    }

    /// Discards the pending jump.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}
