//! Checks whether the packets of a stream match its description.
//!
//! Model: a description may be wrong, and wrong PCM is full-scale noise. Packets contain enough
//! information to detect that. The number of frames in a packet follows both from the difference
//! between its timestamp and the next packet's, and from its length in the described format; the
//! two numbers must agree. Over time, the timestamps must advance at the described sample rate. The
//! payload type must be as described. The packet time may differ: receivers tolerate this, so the
//! difference is only reported.
//!
//! Only packets of one source with consecutive sequence numbers are compared, so that loss,
//! duplicates and reordering are not mistaken for contradictions. A finding requires several pairs
//! of packets that agree; a single jump of the timestamps is not enough.

mod described;
mod finding;
mod rate;

use crate::rtp::sequence::SequenceNumber;
use crate::rtp::wire::{RtpPacket, Ssrc};
use crate::units::{LocalTime, Nanos, RtpTimestamp};
pub use described::Described;
pub use finding::Finding;
use rate::RateWatch;

/// Number of pairs of packets that must contradict the description in the same way. Judgement: any
/// playout delay that is possible with such packets is longer than two of them, so they are
/// detected before they are played.
const PAIRS: u32 = 2;
/// Like [`PAIRS`], for a stream that has already matched its description. Judgement: a disturbance
/// of the stream is more probable than a change of its format.
const PAIRS_LATER: u32 = 4;
/// Number of consecutive packets of a different payload type after which the stream is considered
/// to use that type. Judgement: fewer keep-alives than this are sent within [`TYPE_WITHIN`].
const TYPE_PACKETS: u32 = 8;
/// Time within which [`TYPE_PACKETS`] packets must arrive. Judgement: keep-alives are sent seconds
/// apart.
const TYPE_WITHIN: Nanos = Nanos::from_secs(1);
/// Largest number of frames by which consecutive timestamps may differ without counting as a jump.
/// Judgement: the longest packets in use, 20 ms at 96 kHz, have 1920 frames.
const MOST_FRAMES: u32 = 8192;
/// Packet times that differ by at most this factor are considered equal; the difference is
/// attributed to rounding. Judgement: descriptions round a third of a millisecond to 0.33.
const PACKET_TIME_TOLERANCE: f64 = 1.25;

/// The newest packet of a source.
#[derive(Clone, Copy, Debug)]
struct Seen {
    ssrc: Ssrc,
    sequence: SequenceNumber,
    timestamp: RtpTimestamp,
    length: usize,
    at: LocalTime,
}

/// A run of consecutive pairs of packets that agree with each other.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    advance: u32,
    length: usize,
    pairs: u32,
    /// Timestamp of the first packet.
    since: RtpTimestamp,
}

/// Checks the packets of a stream.
///
/// ```
/// use engine::receive::{Conformance, Described, Finding};
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::rtp::{sequence::SequenceNumber, wire::{PayloadType, RtpHeader, RtpPacket, Ssrc}};
/// use engine::{LocalTime, RtpTimestamp, SampleRate};
/// let format = StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, 2)?;
/// let described = Described { format, payload_type: Some(96), packet_frames: Some(48) };
/// let mut check = Conformance::new(described);
/// // 48 frames of two channels in 24 bits.
/// let payload = [0; 48 * 2 * 3];
/// for i in 0..10 {
///     let header = RtpHeader {
///         marker: false,
///         payload_type: PayloadType::new(96).unwrap(),
///         sequence: SequenceNumber::new(i),
///         timestamp: RtpTimestamp::new(48 * u32::from(i)),
///         ssrc: Ssrc(1),
///     };
///     let received = LocalTime::from_nanos(1_000_000 * i64::from(i));
///     check.observe(received, &RtpPacket { header, payload: &payload });
/// }
/// assert!(matches!(check.contradiction(), Some(Finding::FrameSize { advance: 48, .. })));
/// # Ok::<(), engine::rtp::format::FormatError>(())
/// ```
#[derive(Debug)]
pub struct Conformance {
    described: Described,
    newest: Option<Seen>,
    /// The run of pairs that contradict the described frame size, and the run of pairs that match
    /// it.
    contradicting: Run,
    agreeing: Run,
    has_agreed: bool,
    frame_size: Option<Finding>,
    rate: RateWatch,
    other_type: Option<OtherType>,
    packet_time: Option<Finding>,
}

#[derive(Clone, Copy, Debug)]
struct OtherType {
    payload_type: u8,
    packets: u32,
    since: LocalTime,
}

impl Conformance {
    /// Creates a checker for a stream with this description.
    #[must_use]
    pub fn new(described: Described) -> Self {
        Self {
            described,
            newest: None,
            contradicting: Run::default(),
            agreeing: Run::default(),
            has_agreed: false,
            frame_size: None,
            rate: RateWatch::new(described.format.sample_rate()),
            other_type: None,
            packet_time: None,
        }
    }

    /// Checks a packet with any payload type that arrived at `now`. Do not pass keep-alives.
    pub fn observe(&mut self, now: LocalTime, packet: &RtpPacket<'_>) {
        let found = packet.header.payload_type.get();
        match self.described.payload_type {
            Some(described) if described != found => return self.observe_other_type(now, found),
            _ => self.other_type = None,
        }
        let header = packet.header;
        let seen = Seen {
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            length: packet.payload.len(),
            at: now,
        };
        let Some(newest) = self.newest.filter(|newest| newest.ssrc == seen.ssrc) else {
            return self.begin(seen);
        };
        let ahead = seen.sequence.get().wrapping_sub(newest.sequence.get());
        // Duplicates and reordered packets are not evidence; neither are packets that still belong
        // to an older sequence.
        if ahead == 0 || ahead > u16::MAX / 2 {
            return;
        }
        self.newest = Some(seen);
        let advance = seen.timestamp.get().wrapping_sub(newest.timestamp.get());
        if advance == 0 || advance > MOST_FRAMES.saturating_mul(u32::from(ahead)) {
            self.contradicting = Run::default();
            self.rate.restart();
            return;
        }
        if ahead == 1 {
            self.compare(advance, &newest);
        }
        self.rate.observe(now, now.since(newest.at), advance);
    }

    /// The contradiction, if there is one; otherwise a difference that does not make the audio
    /// useless.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        self.contradiction().or(self.packet_time)
    }

    /// A difference that makes the audio useless.
    #[must_use]
    pub fn contradiction(&self) -> Option<Finding> {
        self.frame_size.or_else(|| self.rate.finding()).or_else(|| self.payload_type())
    }

    /// Timestamp of the first packet that contradicts the frame size. From that packet on, the
    /// payload is not valid audio.
    #[must_use]
    pub fn contradicted_since(&self) -> Option<RtpTimestamp> {
        self.frame_size.map(|_| self.contradicting.since)
    }

    /// Whether the frame size and the rate have been compared and match.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.contradiction().is_none() && self.has_agreed && self.rate.has_agreed
    }

    /// Begins to check another source, and discards the findings about the previous one.
    fn begin(&mut self, seen: Seen) {
        self.newest = Some(seen);
        (self.contradicting, self.agreeing, self.has_agreed) = (Run::default(), Run::default(), false);
        (self.frame_size, self.packet_time) = (None, None);
        self.rate = RateWatch::new(self.described.format.sample_rate());
    }

    /// Compares two consecutive packets, whose timestamps differ by `advance` frames.
    fn compare(&mut self, advance: u32, first: &Seen) {
        let length = first.length;
        let format = self.described.format;
        let by_size = format.frames_in_payload(length).ok().and_then(|frames| u32::try_from(frames).ok());
        if by_size == Some(advance) {
            self.contradicting = Run::default();
            self.agreeing.extend(advance, first);
            // A single pair may match by chance if one of its packets differs in length from the
            // stream's other packets.
            if self.frame_size.is_none() || self.agreeing.pairs >= PAIRS {
                (self.frame_size, self.has_agreed) = (None, true);
            }
            if self.agreeing.pairs >= PAIRS {
                self.compare_packet_time(advance);
            }
            return;
        }
        self.agreeing = Run::default();
        self.contradicting.extend(advance, first);
        let needed = if self.has_agreed { PAIRS_LATER } else { PAIRS };
        if self.contradicting.pairs >= needed {
            self.frame_size = Some(Finding::FrameSize { advance, length, described: format });
        }
    }

    fn compare_packet_time(&mut self, frames: u32) {
        let Some(described) = self.described.packet_frames.filter(|frames| *frames > 0) else { return };
        let ratio = f64::from(frames) / f64::from(described);
        let is_same = (1.0 / PACKET_TIME_TOLERANCE..=PACKET_TIME_TOLERANCE).contains(&ratio);
        let rate_hz = self.described.format.sample_rate().as_hz();
        self.packet_time = (!is_same).then_some(Finding::PacketTime { frames, described, rate_hz });
    }

    fn observe_other_type(&mut self, now: LocalTime, found: u8) {
        let known = self.other_type.filter(|other| other.payload_type == found);
        let other = match known {
            Some(other) if other.packets >= TYPE_PACKETS || now.since(other.since) <= TYPE_WITHIN => other,
            _ => OtherType { payload_type: found, packets: 0, since: now },
        };
        self.other_type = Some(OtherType { packets: other.packets.saturating_add(1), ..other });
    }

    fn payload_type(&self) -> Option<Finding> {
        let other = self.other_type.filter(|other| other.packets >= TYPE_PACKETS)?;
        let described = self.described.payload_type?;
        Some(Finding::PayloadType { found: other.payload_type, described })
    }
}

impl Run {
    fn extend(&mut self, advance: u32, first: &Seen) {
        if self.pairs == 0 || (self.advance, self.length) != (advance, first.length) {
            *self = Self { advance, length: first.length, pairs: 0, since: first.timestamp };
        }
        self.pairs = self.pairs.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
