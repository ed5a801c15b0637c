//! The values by which receivers distinguish senders: SSRC, and the first sequence number and
//! timestamp.

use super::streams::RandomStream;
use engine::RtpTimestamp;
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::Ssrc;

/// A sender's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) ssrc: Ssrc,
    /// Sequence number of packet 0.
    sequence: u16,
    /// Offset that is added to the timestamps of the media clock.
    timestamp_offset: u32,
}

impl Identity {
    pub(super) fn new(ssrc: Ssrc, sequence: u16) -> Self {
        Self { ssrc, sequence, timestamp_offset: 0 }
    }

    /// The same identity with `timestamp_offset` added to its timestamps.
    pub(super) fn with_timestamp_offset(self, timestamp_offset: u32) -> Self {
        Self { timestamp_offset, ..self }
    }

    /// The identity that a sender draws when it restarts (RFC 3550, 5.1), each value from one
    /// random word.
    pub(super) fn restarted(self, random: &mut RandomStream, new_ssrc: bool) -> Self {
        let [ssrc, sequence, timestamp_offset] = [(); 3].map(|()| random.bits());
        Self { ssrc: if new_ssrc { Ssrc(ssrc) } else { self.ssrc }, sequence: sequence as u16, timestamp_offset }
    }

    /// The same sender with another SSRC.
    pub(super) fn with_new_ssrc(self, random: &mut RandomStream) -> Self {
        Self { ssrc: Ssrc(random.bits()), ..self }
    }

    pub(super) fn sequence(&self, packet: i64) -> SequenceNumber {
        SequenceNumber::new(self.sequence.wrapping_add(packet as u16))
    }

    /// The RTP timestamp for a `timestamp` of the media clock.
    pub(super) fn timestamp(&self, timestamp: RtpTimestamp) -> RtpTimestamp {
        RtpTimestamp::new(timestamp.get().wrapping_add(self.timestamp_offset))
    }

    /// The timestamp of the media clock for an RTP timestamp.
    pub(super) fn media_timestamp(&self, timestamp: RtpTimestamp) -> RtpTimestamp {
        RtpTimestamp::new(timestamp.get().wrapping_sub(self.timestamp_offset))
    }
}
