//! Counts of refused datagrams by reason, and detection of datagrams that accompany a stream
//! without carrying audio.

use super::conformance::Finding;
use super::source_gate::Intruder;
use crate::rtp::format::FormatError;
use crate::rtp::wire::{RtpError, RtpPacket, Ssrc};
use std::fmt;
use thiserror::Error;

/// Why a datagram was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngestError {
    /// The datagram is not RTP.
    #[error(transparent)]
    Rtp(#[from] RtpError),
    /// The packet has a payload type other than the configured one.
    #[error("payload type {found}, but the stream's is {expected}")]
    PayloadType {
        /// Payload type of the packet.
        found: u8,
        /// Payload type of the stream.
        expected: u8,
    },
    /// The payload is not a whole number of frames.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A second source sends to the same group. Its packets are refused while the first source is
    /// active.
    #[error("another source ({0}) sends to the same address")]
    OtherSource(Ssrc),
    /// The datagram comes from an address other than the stream's, which is still active.
    #[error("{0}")]
    OtherAddress(Intruder),
    /// The packet has the stream's SSRC, but does not continue the stream; see
    /// [`super::Continuity`].
    #[error(
        "packets with the SSRC of the stream that do not go on with it, beside those that do: somebody forges them"
    )]
    NotContinuing,
    /// The packet is longer than the description permits (`a=maxptime`).
    #[error("a packet of {frames} frames, but the description allows {longest} at most")]
    TooLong {
        /// Frames of the packet.
        frames: i64,
        /// Limit that the description states.
        longest: u32,
    },
    /// The timestamp is far from the stream's timeline. If the next packet confirms it, a new
    /// timeline starts.
    #[error("timestamp {0} frames away from the stream's timeline")]
    Discontinuity(i64),
    /// The packets contradict the description of the stream: their audio would be noise, or have
    /// the wrong speed.
    #[error("{0}")]
    Contradiction(Finding),
    /// An RTP packet without audio that keeps a path open. It is counted, but not as refused.
    #[error("a keep-alive without audio")]
    KeepAlive,
    /// Another datagram that accompanies a stream. It is counted, but not as refused.
    #[error("no audio, but what comes along with it: {0:?}")]
    Companion(Companion),
}

impl IngestError {
    /// Whether the error indicates a problem, and not merely a datagram that is not meant to carry
    /// audio.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::KeepAlive | Self::Companion(_))
    }
}

/// A datagram on a stream's port that belongs to the stream or its session, and carries no audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Companion {
    /// A NAT keep-alive: an empty datagram, or one too short to be an RTP packet (RFC 6263, 4.1 and
    /// 4.2).
    Empty,
    /// RTCP on the RTP port (RFC 5761).
    Rtcp,
    /// STUN (RFC 8489), from senders behind address translators.
    Stun,
}

/// The magic cookie of STUN, bytes 4 to 7 (RFC 8489, 5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// Length of the STUN header, bytes (RFC 8489, 5).
const STUN_HEADER_LEN: usize = 20;
/// RTCP packet types, which RTP avoids (RFC 5761, 4).
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 192..=223;
/// Longest datagram that is considered empty if all of its bytes are zero. Judgement: shorter than
/// an RTCP header with a source.
const LONGEST_EMPTY: usize = 4;

/// Longest payload of a different payload type that is considered a keep-alive, bytes. Judgement:
/// even half a millisecond of L16 is longer.
const LONGEST_KEEP_ALIVE: usize = 32;

/// Whether an RTP packet merely keeps a path open and has no audio (RFC 6263, 4.4 and 4.6): its
/// payload is empty, or it comes from the stream's own source and has a few bytes of a payload type
/// other than `described`.
#[must_use]
pub fn is_keep_alive(packet: &RtpPacket<'_>, described: Option<u8>, is_own: bool) -> bool {
    let is_other = described.is_some_and(|described| described != packet.header.payload_type.get());
    packet.payload.is_empty() || (is_own && is_other && packet.payload.len() <= LONGEST_KEEP_ALIVE)
}

impl Companion {
    /// The kind of the datagram; `None` if it may be RTP with audio. RTP without a payload is left
    /// to the parser.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        match datagram {
            short if short.len() <= LONGEST_EMPTY && short.iter().all(|byte| *byte == 0) => Some(Self::Empty),
            [0x80..=0xBF, packet_type, _, _, ..] if RTCP_TYPES.contains(packet_type) => Some(Self::Rtcp),
            [0x00..=0x3F, _, _, _, a, b, c, d, ..]
                if [*a, *b, *c, *d] == MAGIC_COOKIE && datagram.len() >= STUN_HEADER_LEN =>
            {
                Some(Self::Stun)
            }
            _ => None,
        }
    }
}

/// Number of refused datagrams for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// Datagrams that are not RTP.
    pub not_rtp: u64,
    /// Packets with a payload type other than the stream's.
    pub payload_type: u64,
    /// Packets whose payload is not a whole number of frames.
    pub frame_size: u64,
    /// Packets of a second source at the same address.
    pub other_source: u64,
    /// Packets from an address other than the stream's.
    pub other_address: u64,
    /// Packets with the stream's SSRC that do not continue the stream.
    pub not_continuing: u64,
    /// Packets that are longer than described.
    pub too_long: u64,
    /// Packets with a timestamp far from the stream's timeline.
    pub discontinuity: u64,
    /// Packets of a stream that contradicts its description.
    pub contradiction: u64,
    /// Datagrams that were not refused: keep-alives, RTCP and STUN on the stream's port.
    pub companions: u64,
}

impl Refusals {
    /// Counts a datagram.
    pub fn count(&mut self, error: &IngestError) {
        let counter = match error {
            IngestError::Rtp(_) => &mut self.not_rtp,
            IngestError::PayloadType { .. } => &mut self.payload_type,
            IngestError::Format(_) => &mut self.frame_size,
            IngestError::OtherSource(_) => &mut self.other_source,
            IngestError::OtherAddress(_) => &mut self.other_address,
            IngestError::NotContinuing => &mut self.not_continuing,
            IngestError::TooLong { .. } => &mut self.too_long,
            IngestError::Discontinuity(_) => &mut self.discontinuity,
            IngestError::Contradiction(_) => &mut self.contradiction,
            IngestError::KeepAlive | IngestError::Companion(_) => &mut self.companions,
        };
        *counter += 1;
    }

    /// Total number of refused datagrams, without [`Refusals::companions`].
    #[must_use]
    pub fn total(&self) -> u64 {
        self.reasons().iter().map(|(count, _)| count).sum()
    }

    /// The increase of the counts since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            not_rtp: self.not_rtp.saturating_sub(earlier.not_rtp),
            payload_type: self.payload_type.saturating_sub(earlier.payload_type),
            frame_size: self.frame_size.saturating_sub(earlier.frame_size),
            other_source: self.other_source.saturating_sub(earlier.other_source),
            other_address: self.other_address.saturating_sub(earlier.other_address),
            not_continuing: self.not_continuing.saturating_sub(earlier.not_continuing),
            too_long: self.too_long.saturating_sub(earlier.too_long),
            discontinuity: self.discontinuity.saturating_sub(earlier.discontinuity),
            contradiction: self.contradiction.saturating_sub(earlier.contradiction),
            companions: self.companions.saturating_sub(earlier.companions),
        }
    }

    /// Adds the counts of another receiver, or of this one at a later time.
    pub fn add(&mut self, more: &Self) {
        self.not_rtp += more.not_rtp;
        self.payload_type += more.payload_type;
        self.frame_size += more.frame_size;
        self.other_source += more.other_source;
        self.other_address += more.other_address;
        self.not_continuing += more.not_continuing;
        self.too_long += more.too_long;
        self.discontinuity += more.discontinuity;
        self.contradiction += more.contradiction;
        self.companions += more.companions;
    }

    fn reasons(&self) -> [(u64, &'static str); 9] {
        [
            (self.contradiction, "against the description"),
            (self.payload_type, "of another payload type"),
            (self.frame_size, "of no whole number of frames"),
            (self.other_source, "of another source"),
            (self.other_address, "from another address"),
            (self.not_continuing, "that do not go on with the stream"),
            (self.too_long, "longer than described"),
            (self.discontinuity, "far from the timeline"),
            (self.not_rtp, "no RTP"),
        ]
    }
}

/// Writes, for example, `12 refused (9 of another payload type, 3 no RTP), 2 keep-alives and
/// control packets`.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused", self.total())?;
        let mut separator = " (";
        for (count, reason) in self.reasons().into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {reason}")?;
            separator = ", ";
        }
        if self.total() > 0 {
            f.write_str(")")?;
        }
        if self.companions > 0 {
            write!(f, ", {} keep-alives and control packets", self.companions)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companions_are_told_from_audio() {
        let stun = [&[0x00, 0x01, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
        for (datagram, companion) in [
            (&b""[..], Some(Companion::Empty)),
            (b"\0", Some(Companion::Empty)),
            (b"\0\0\0\0", Some(Companion::Empty)),
            (b"\x80\xC8\0\x06abcdabcdabcd", Some(Companion::Rtcp)),
            (b"\x81\xCA\0\x06abcdabcdabcd", Some(Companion::Rtcp)),
            (&stun, Some(Companion::Stun)),
            (b"\x80\x60\0\x06abcdabcdabcd", None),
            // The marker bit, and payload type 96.
            (b"\x80\xE0\0\x06abcdabcdabcd", None),
            (b"hello", None),
        ] {
            assert_eq!(Companion::of(datagram), companion, "{datagram:x?}");
        }
    }

    #[test]
    fn reasons_are_one_line() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.to_string(), "0 refused");
        let wrong_type = IngestError::PayloadType { found: 97, expected: 96 };
        (0..3).for_each(|_| refusals.count(&wrong_type));
        refusals.count(&IngestError::OtherSource(Ssrc(1)));
        (0..2).for_each(|_| refusals.count(&IngestError::KeepAlive));
        assert_eq!(refusals.total(), 4);
        let line = "4 refused (3 of another payload type, 1 of another source), 2 keep-alives and control packets";
        assert_eq!(refusals.to_string(), line);
    }
}
