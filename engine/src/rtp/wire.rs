//! RTP packets as bytes (RFC 3550 5.1).
//!
//! [`RtpPacket::parse`] takes any bytes: it never panics, copies or allocates. Contributing sources
//! and header extensions are skipped, because AES67 gives them no meaning. RTCP is not recognised
//! here, because it usually has its own port.

use std::fmt;

use super::sequence::SequenceNumber;
use crate::{Frames, RtpTimestamp};

/// Length of a header without contributing sources and extension (RFC 3550 5.1).
pub const RTP_HEADER_LEN: usize = 12;

/// RTP version (RFC 3550, 5.1).
const VERSION: u8 = 2;
/// Padding flag, extension flag and CSRC count, in the first byte.
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const CSRC_COUNT: u8 = 0x0F;
const CSRC_LEN: usize = 4;
/// A packet with a different SSRC can continue a stream only if it is at most this many packets
/// ahead.
const RENAMED_WITHIN: u16 = 64;
/// Marker bit, in the second byte; the rest is the payload type.
const MARKER: u8 = 0x80;

/// The synchronization source of a stream (RFC 3550 3): a random number that its sender chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// The payload type: the 7-bit number in the RTP header that the SDP description maps to a format
/// (RFC 3550, 5.1).
///
/// ```
/// use engine::rtp::wire::PayloadType;
/// assert_eq!(PayloadType::new(96).map(PayloadType::get), Some(96));
/// assert_eq!(PayloadType::new(128), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// Creates a payload type; `None` above 127.
    #[must_use]
    pub const fn new(payload_type: u8) -> Option<Self> {
        if payload_type < MARKER { Some(Self(payload_type)) } else { None }
    }

    /// The payload type as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The fixed fields of an RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// The marker bit, which AES67 does not use; some senders set it after silence.
    pub marker: bool,
    /// Payload type, which identifies the format of the payload.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: SequenceNumber,
    /// The media time of the first frame.
    pub timestamp: RtpTimestamp,
    /// SSRC.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// Writes the header of a packet that has no padding, extension or contributing sources.
    ///
    /// ```
    /// use engine::RtpTimestamp;
    /// use engine::rtp::{sequence::SequenceNumber, wire::{PayloadType, RtpHeader, RtpPacket, Ssrc}};
    ///
    /// let header = RtpHeader {
    ///     marker: false,
    ///     payload_type: PayloadType::new(96).expect("96 is below 128"),
    ///     sequence: SequenceNumber::new(7),
    ///     timestamp: RtpTimestamp::new(48_000),
    ///     ssrc: Ssrc(0xCAFE),
    /// };
    /// let packet = [&header.emit()[..], &[1, 2, 3]].concat();
    /// assert_eq!(RtpPacket::parse(&packet), Ok(RtpPacket { header, payload: &[1, 2, 3] }));
    /// ```
    #[must_use]
    pub const fn emit(self) -> [u8; RTP_HEADER_LEN] {
        let marker = if self.marker { MARKER } else { 0 };
        let [q0, q1] = self.sequence.get().to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.get().to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.0.to_be_bytes();
        [VERSION << 6, marker | self.payload_type.0, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3]
    }

    /// Whether this header, of a packet with `frames` frames, belongs to the stream whose newest
    /// packet had the sequence number `newest` and ended at `end`. The SSRC may differ, but
    /// sequence number and timestamp must continue the stream, apart from a few lost packets.
    /// Another sender whose timestamps follow the same clock would have different sequence numbers.
    #[must_use]
    pub fn goes_on_from(&self, newest: SequenceNumber, end: Frames, frames: Frames) -> bool {
        let ahead = self.sequence.get().wrapping_sub(newest.get());
        let lost = Frames::new((i64::from(ahead) - 1) * frames.get());
        (1..=RENAMED_WITHIN).contains(&ahead) && self.timestamp == RtpTimestamp::from_frames(end + lost)
    }
}

/// A received RTP packet.
///
/// ```
/// use engine::rtp::wire::{RtpError, RtpPacket};
/// let datagram = [0x80, 96, 0, 1, 0, 0, 0, 240, 0, 0, 0, 9, 0xAB];
/// let packet = RtpPacket::parse(&datagram)?;
/// assert_eq!(packet.header.timestamp.get(), 240);
/// assert_eq!(packet.payload, [0xAB]);
/// assert_eq!(RtpPacket::parse(&datagram[..8]), Err(RtpError::Truncated { needed: 12, available: 8 }));
/// # Ok::<(), RtpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The fixed fields of the header.
    pub header: RtpHeader,
    /// The bytes between the header, with its extension, and the padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Parses a datagram.
    ///
    /// # Errors
    /// [`RtpError`] if the datagram is not an RTP packet of version 2 whose parts fit in its
    /// length.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let available = datagram.len();
        let Some((fixed, rest)) = datagram.split_first_chunk::<RTP_HEADER_LEN>() else {
            return Err(RtpError::Truncated { needed: RTP_HEADER_LEN, available });
        };
        let &[flags, marker_and_type, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3] = fixed;
        let version = flags >> 6;
        if version != VERSION {
            return Err(RtpError::UnsupportedVersion { version });
        }
        let skipped = CSRC_LEN * usize::from(flags & CSRC_COUNT);
        let mut payload = skip(rest, skipped, available)?;
        if flags & EXTENSION != 0 {
            payload = without_extension(payload, available)?;
        }
        if flags & PADDING != 0 {
            payload = without_padding(payload)?;
        }
        let header = RtpHeader {
            marker: marker_and_type & MARKER != 0,
            payload_type: PayloadType(marker_and_type & !MARKER),
            sequence: SequenceNumber::new(u16::from_be_bytes([q0, q1])),
            timestamp: RtpTimestamp::new(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([s0, s1, s2, s3])),
        };
        Ok(Self { header, payload })
    }
}

/// Removes the first `count` bytes from `rest`, which is the last part of a datagram of `available`
/// bytes.
fn skip(rest: &[u8], count: usize, available: usize) -> Result<&[u8], RtpError> {
    rest.get(count..).ok_or(RtpError::Truncated { needed: available - rest.len() + count, available })
}

/// Removes the header extension with which `rest` begins (RFC 3550 5.3.1).
fn without_extension(rest: &[u8], available: usize) -> Result<&[u8], RtpError> {
    let needed = available - rest.len() + 4;
    let Some((&[_, _, w0, w1], rest)) = rest.split_first_chunk() else {
        return Err(RtpError::Truncated { needed, available });
    };
    let words = usize::from(u16::from_be_bytes([w0, w1]));
    skip(rest, 4 * words, available)
}

/// Removes the padding at the end of `rest`. The last byte of the padding is its length, including
/// that byte (RFC 3550 5.1).
fn without_padding(rest: &[u8]) -> Result<&[u8], RtpError> {
    let padding = rest.last().copied().unwrap_or(0);
    let invalid = RtpError::InvalidPadding { padding, available: rest.len() };
    if padding == 0 {
        return Err(invalid);
    }
    let length = rest.len().checked_sub(usize::from(padding)).ok_or(invalid)?;
    rest.get(..length).ok_or(invalid)
}

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// The datagram ends within the header, the contributing sources or the extension.
    #[error("RTP header of {needed} bytes or more in a datagram of {available}")]
    Truncated {
        /// Required length in bytes, as far as it can be determined.
        needed: usize,
        /// Actual length in bytes.
        available: usize,
    },
    /// The version is not 2, so the datagram is not RTP.
    #[error("RTP version {version}, only version 2 is understood")]
    UnsupportedVersion {
        /// The version.
        version: u8,
    },
    /// The padding is empty, or longer than the rest of the packet.
    #[error("RTP padding of {padding} bytes in the {available} after the header")]
    InvalidPadding {
        /// The padding's length according to its last byte.
        padding: u8,
        /// Bytes after the header.
        available: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with marker, payload type 97, two contributing sources, an extension of one word,
    /// and three bytes of padding.
    const FULL: [u8; 34] = [
        0xB2, 0xE1, 0x12, 0x34, 0x89, 0xAB, 0xCD, 0xEF, 0xDE, 0xAD, 0xBE, 0xEF, //
        0, 0, 0, 1, 0, 0, 0, 2, // contributing sources
        0xBE, 0xDE, 0, 1, 9, 9, 9, 9, // extension
        0x01, 0x02, 0x03, // payload
        0, 0, 3,
    ];

    #[test]
    fn all_parts_of_a_packet_are_told_apart() {
        let header = RtpHeader {
            marker: true,
            payload_type: PayloadType(97),
            sequence: SequenceNumber::new(0x1234),
            timestamp: RtpTimestamp::new(0x89AB_CDEF),
            ssrc: Ssrc(0xDEAD_BEEF),
        };
        assert_eq!(RtpPacket::parse(&FULL), Ok(RtpPacket { header, payload: &[1, 2, 3] }));
        assert_eq!(header.ssrc.to_string(), "deadbeef");
    }

    #[test]
    fn headers_are_emitted_as_the_rfc_draws_them() {
        let header = RtpPacket::parse(&FULL).unwrap().header;
        assert_eq!(header.emit(), [0x80, 0xE1, 0x12, 0x34, 0x89, 0xAB, 0xCD, 0xEF, 0xDE, 0xAD, 0xBE, 0xEF]);
    }

    #[test]
    fn datagrams_cut_within_the_header_say_what_they_need() {
        for (available, needed) in [(0, 12), (11, 12), (12, 20), (19, 20), (20, 24), (23, 24), (24, 28), (27, 28)] {
            assert_eq!(RtpPacket::parse(&FULL[..available]), Err(RtpError::Truncated { needed, available }));
        }
    }

    #[test]
    fn padding_may_take_everything_but_no_more() {
        let mut packet = FULL;
        packet[33] = 6;
        assert_eq!(RtpPacket::parse(&packet).map(|packet| packet.payload.len()), Ok(0));
        for padding in [0, 7, 255] {
            packet[33] = padding;
            assert_eq!(RtpPacket::parse(&packet), Err(RtpError::InvalidPadding { padding, available: 6 }));
        }
        assert_eq!(RtpPacket::parse(&FULL[..28]), Err(RtpError::InvalidPadding { padding: 0, available: 0 }));
    }

    #[test]
    fn other_versions_are_refused() {
        for version in [0, 1, 3] {
            let mut packet = FULL;
            packet[0] = version << 6;
            assert_eq!(RtpPacket::parse(&packet), Err(RtpError::UnsupportedVersion { version }));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(
            flags in 0x80u8..0xC0,
            extension_words in 0u8..4,
            mut bytes in proptest::collection::vec(0u8..64, 0..120),
        ) {
            // Most packets have version 2 and an extension short enough to fit, because otherwise
            // few would be parsed.
            if let Some(first) = bytes.first_mut() { *first = flags; }
            let extension = RTP_HEADER_LEN + CSRC_LEN * usize::from(flags & CSRC_COUNT);
            if let Some([high, low]) = bytes.get_mut(extension + 2..extension + 4) { (*high, *low) = (0, extension_words); }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                let again = [&packet.header.emit()[..], packet.payload].concat();
                prop_assert_eq!(RtpPacket::parse(&again), Ok(packet));
            }
        }

        #[test]
        fn wild_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let payload = RtpPacket::parse(&bytes).map_or(0, |packet| packet.payload.len());
            prop_assert!(payload <= bytes.len().saturating_sub(RTP_HEADER_LEN));
        }
    }
}
