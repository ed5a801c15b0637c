//! What is wrong with a description, in plain words.

use super::Refusal;
use crate::ptp::wire::ClockIdentity;
use crate::rtp::format::MAX_PAYLOAD;
use std::fmt;

/// Something that is wrong with a description, though it can be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1; for something that is missing, the line where the medium or the session begins.
    pub line: usize,
    /// What it is.
    pub lint: Lint,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.lint)
    }
}

/// The things that are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// LF alone.
    LineEnd,
    /// Not `x=...`.
    NoLine,
    /// `o=` is missing or not of six fields.
    Origin,
    /// `s=` is missing or empty.
    Name,
    /// `t=` is missing.
    Time,
    /// One medium of several was left out.
    Refused(Refusal),
    /// IPv4 multicast without a TTL.
    NoTtl,
    /// A TTL of 1.
    TtlOne,
    /// RTP on an odd port.
    OddPort(u16),
    /// A payload type that is not dynamic.
    StaticPayloadType(u8),
    /// `a=ptime` is missing.
    NoPacketTime,
    /// `a=ptime`, `a=maxptime` or `a=framecount` is no number that makes sense.
    PacketTime(String),
    /// `a=ptime` and `a=framecount` disagree.
    FrameCount {
        /// Frames by `a=framecount`.
        frames: usize,
        /// Frames by `a=ptime`.
        by_packet_time: usize,
    },
    /// `a=maxptime` is less than `a=ptime`.
    MaxPacketTime,
    /// Packets beyond what AES67 allows.
    Payload {
        /// Bytes.
        bytes: usize,
    },
    /// `a=ts-refclk` is missing.
    NoReferenceClock,
    /// `a=ts-refclk` cannot be read.
    ReferenceClock(String),
    /// `ptp=traceable`.
    BareTraceable,
    /// The grandmaster in lower case or with other separators.
    GrandmasterSpelling {
        /// As it is.
        written: String,
        /// The clock.
        right: ClockIdentity,
    },
    /// A grandmaster without its domain.
    NoDomain,
    /// The domain is no number up to 127.
    Domain(String),
    /// `a=mediaclk` is missing.
    NoMediaClock,
    /// `a=mediaclk` is of another kind.
    MediaClock(String),
    /// `direct` without an offset.
    NoOffset,
    /// The rate of `a=mediaclk` is not the stream's.
    MediaClockRate {
        /// As it is.
        written: String,
        /// The stream's, Hz.
        rate_hz: u32,
    },
    /// `a=source-filter` cannot be read.
    SourceFilter(String),
    /// Legs that `a=group:DUP` names are not there, or differ.
    Duplication,
    /// `a=sendonly` or `a=inactive`.
    Direction(String),
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineEnd => f.write_str("lines end with LF alone; right would be CRLF"),
            Self::NoLine => f.write_str("this is no line of SDP; right would be a letter and ="),
            Self::Origin => f.write_str("the o= line is missing or incomplete; right would be o=- <id> <version> IN IP4 <address>"),
            Self::Name => f.write_str("the stream has no name; right would be s=<name>"),
            Self::Time => f.write_str("no t= line; right would be t=0 0"),
            Self::Refused(reason) => write!(f, "this medium is left out: {reason}"),
            Self::NoTtl => f.write_str("a multicast group without TTL; right would be c=IN IP4 <group>/<ttl>, with 15 to 32"),
            Self::TtlOne => f.write_str("a TTL of 1 keeps the stream within its own network; right would be 15 to 32"),
            Self::OddPort(port) => write!(f, "RTP on the odd port {port}, which is RTCP's; right would be an even one, such as 5004"),
            Self::StaticPayloadType(number) => write!(f, "payload type {number} has another meaning by RFC 3551; right would be 96 to 127"),
            Self::NoPacketTime => f.write_str("no a=ptime; right would be a=ptime:1 for packets of 1 ms"),
            Self::PacketTime(value) => write!(f, "{value} is no length of a packet; right would be a=ptime:<ms> such as 0.125, 1 or 5, or a=framecount:<frames>"),
            Self::FrameCount { frames, by_packet_time } => {
                write!(f, "a=framecount says {frames} frames, but a=ptime {by_packet_time}; right would be the same, and the count is taken")
            }
            Self::MaxPacketTime => f.write_str("a=maxptime is less than a=ptime; right would be the same or more"),
            Self::Payload { bytes } => write!(f, "packets of {bytes} bytes are split by the network; right would be at most {MAX_PAYLOAD}, by a shorter a=ptime or fewer channels"),
            Self::NoReferenceClock => f.write_str("no a=ts-refclk, so the timestamps cannot be tied to PTP; right would be a=ts-refclk:ptp=IEEE1588-2008:<grandmaster>:<domain>"),
            Self::ReferenceClock(value) => write!(f, "{value} is no clock that can be read; right would be ptp=IEEE1588-2008:<grandmaster>:<domain>"),
            Self::BareTraceable => f.write_str("ptp=traceable lacks the edition of PTP; right would be ptp=IEEE1588-2008:traceable"),
            Self::GrandmasterSpelling { written, right } => write!(f, "the grandmaster is written {written}; right would be {}", right.sdp()),
            Self::NoDomain => f.write_str("the grandmaster is given without its domain; right would be :0 or another number at the end"),
            Self::Domain(text) => write!(f, "{text} is no PTP domain; right would be a number from 0 to 127"),
            Self::NoMediaClock => f.write_str("no a=mediaclk, so the timestamps cannot be tied to PTP; right would be a=mediaclk:direct=0"),
            Self::MediaClock(value) => write!(f, "the media clock {value} is not understood; right would be direct=0"),
            Self::NoOffset => f.write_str("a=mediaclk:direct without an offset, taken as 0; right would be direct=0"),
            Self::MediaClockRate { written, rate_hz } => write!(f, "the media clock's rate is {written}, but the stream's {rate_hz}; right would be rate={rate_hz}/1, or none"),
            Self::SourceFilter(value) => write!(f, "the source filter {value} cannot be read; right would be incl IN IP4 <group> <sender>"),
            Self::Duplication => f.write_str("the legs of a=group:DUP are not two media of the same format with these a=mid; right would be that, or no group"),
            Self::Direction(name) => write!(f, "a={name} in a description of a stream to be received; right would be a=recvonly"),
        }
    }
}
