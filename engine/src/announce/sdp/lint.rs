//! Faults in a description, and their explanation in plain words.

use super::{Obstacle, Refusal};
use crate::ptp::wire::ClockIdentity;
use crate::rtp::format::MAX_PAYLOAD;
use std::fmt;
use std::net::IpAddr;

/// A fault in a description that does not prevent reception.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The line number, from 1. If something is missing, this is the line where the medium or the
    /// session begins.
    pub line: usize,
    /// The kind of fault.
    pub lint: Lint,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.lint)
    }
}

impl Lint {
    /// Whether a receiver ignores part of the description because of this fault. If so, it should
    /// report the fault.
    #[must_use]
    pub const fn leaves_out(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::SecondDescription
                | Self::MoreAddresses
                | Self::AddressCount(_)
                | Self::PortCount(_)
                | Self::MoreFormats
                | Self::Exclusion
                | Self::NoSender(_)
        )
    }
}

/// The kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// A byte order mark precedes the text.
    ByteOrderMark,
    /// The text is in UTF-16.
    Utf16,
    /// The whole text is one line, escaped like a string in a program.
    Escaped,
    /// A line is not UTF-8.
    NotUtf8,
    /// Lines end with LF alone.
    LineEnd,
    /// Lines end with CR alone.
    CarriageReturn,
    /// Zero bytes within the text or after it.
    ZeroByte,
    /// Blanks at the start of lines.
    Indented,
    /// Lines quoted as in an e-mail.
    Quoted,
    /// Misplaced or repeated blanks, or tabs.
    Blanks,
    /// A value that is spelt differently from the standard, but understood.
    Spelling {
        /// The value as written.
        written: String,
        /// The value as understood.
        right: String,
    },
    /// `v=0` is missing.
    NoVersion,
    /// `v=0` is not the first line.
    NotFirst,
    /// Another description follows, which is ignored.
    SecondDescription,
    /// A line occurs repeatedly that is allowed only once in a description or a medium.
    Doubled(String),
    /// A media-level attribute at session level.
    SessionLevel(String),
    /// A line that is not of the form `x=...`.
    NoLine,
    /// `o=` is missing or does not have six fields.
    Origin,
    /// `s=` is missing or empty.
    Name,
    /// `t=` is missing.
    Time,
    /// One of several media is not received.
    Refused(Refusal),
    /// No receiver can receive one of the legs.
    Obstacle(Obstacle),
    /// A `c=` line for a network that is not the Internet.
    OtherNet(String),
    /// A `c=` line that cannot be read.
    Address(String),
    /// An address whose numbers have leading zeros.
    LeadingZeros {
        /// The address as written.
        written: String,
        /// The address as understood.
        right: String,
    },
    /// A further `c=` line, which is ignored.
    MoreAddresses,
    /// A `c=` line that stands for several groups.
    AddressCount(u32),
    /// An `m=` line that stands for several ports.
    PortCount(u32),
    /// A TTL that is not a number up to 255.
    Ttl(String),
    /// A TTL of 0.
    TtlZero,
    /// A TTL with the address of a host.
    TtlOfHost,
    /// IPv4 multicast without a TTL.
    NoTtl,
    /// A TTL of 1.
    TtlOne,
    /// RTP on an odd port.
    OddPort(u16),
    /// A payload type that is not dynamic.
    StaticPayloadType(u8),
    /// The `m=` line has a payload type without `a=rtpmap`, and the only `a=rtpmap` is for another
    /// payload type.
    OtherPayloadType {
        /// The payload type in the `m=` line.
        listed: u8,
        /// The payload type in the `a=rtpmap`.
        mapped: u8,
    },
    /// The `m=` line has no payload type, but there is one `a=rtpmap`.
    NoPayloadType(u8),
    /// The `m=` line has further payload types, with other formats.
    MoreFormats,
    /// `a=rtpmap` without the number of channels.
    NoChannels,
    /// `a=ptime` is missing.
    NoPacketTime,
    /// `a=ptime`, `a=maxptime` or `a=framecount` is not a valid number.
    PacketTime(String),
    /// `a=ptime` and `a=framecount` disagree.
    FrameCount {
        /// Frames according to `a=framecount`.
        frames: usize,
        /// Frames according to `a=ptime`.
        by_packet_time: usize,
    },
    /// `a=maxptime` is less than `a=ptime`.
    MaxPacketTime,
    /// Packets longer than AES67 allows.
    Payload {
        /// Payload size of a packet, in bytes.
        bytes: usize,
    },
    /// `a=ts-refclk` is missing.
    NoReferenceClock,
    /// `a=ts-refclk` cannot be read.
    ReferenceClock(String),
    /// `ptp=traceable` without the edition of PTP.
    BareTraceable,
    /// The grandmaster is written in lower case or with other separators.
    GrandmasterSpelling {
        /// The identity as written.
        written: String,
        /// The identity as understood.
        right: ClockIdentity,
    },
    /// An impossible grandmaster identity: all zeros or all ones.
    NoGrandmaster(ClockIdentity),
    /// The grandmaster is stated without the edition of PTP.
    NoEdition,
    /// The grandmaster is stated without its domain.
    NoDomain,
    /// The domain is not a number up to 127.
    Domain(String),
    /// `a=mediaclk` is missing.
    NoMediaClock,
    /// `a=mediaclk` is of an unknown kind.
    MediaClock(String),
    /// `direct` without an offset.
    NoOffset,
    /// The rate of `a=mediaclk` differs from the stream's.
    MediaClockRate {
        /// The rate as written.
        written: String,
        /// The stream's rate, Hz.
        rate_hz: u32,
    },
    /// `a=source-filter` cannot be read.
    SourceFilter(String),
    /// An `a=source-filter` that excludes senders (`excl`).
    Exclusion,
    /// The sender's address in a filter cannot be a source address, so the filter is ignored.
    NoSender(IpAddr),
    /// The sender's address in a filter is a loopback address, which means a different host to each
    /// reader.
    LoopbackSender(IpAddr),
    /// A filter for another destination.
    OtherDestination(IpAddr),
    /// A filter with several senders for one leg: all of them are accepted.
    SeveralSenders,
    /// `a=group:DUP` names legs that are missing or differ.
    Duplication,
    /// `a=sendonly` or `a=inactive`.
    Direction(String),
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("the text begins with a byte order mark; right would be v=0 as the first bytes"),
            Self::Utf16 => f.write_str("the text is in UTF-16; right would be UTF-8"),
            Self::Escaped => f.write_str("the text is one line with \\n for its line ends; right would be lines that end with CRLF"),
            Self::NotUtf8 => f.write_str("the line is not UTF-8 and is read as Latin-1; right would be UTF-8"),
            Self::CarriageReturn => f.write_str("lines end with CR alone; right would be CRLF"),
            Self::ZeroByte => f.write_str("the text has a zero byte, taken as the end of a line; right would be none"),
            Self::Indented => f.write_str("the line has blanks in front; right would be none"),
            Self::Quoted => f.write_str("the line is quoted with >; right would be the text as its sender wrote it"),
            Self::Blanks => f.write_str("there are blanks around = or :, several of them, or tabs; right would be one blank between fields and none elsewhere"),
            Self::Spelling { written, right } => write!(f, "{written} is read as {right}; right would be to write it so"),
            Self::NoVersion => f.write_str("the line v=0 is missing; right would be to begin with it"),
            Self::NotFirst => f.write_str("v=0 comes after other lines; right would be as the first line"),
            Self::SecondDescription => f.write_str("another description begins here, which is left out; right would be a file of its own"),
            Self::Doubled(kind) => write!(f, "there are several {kind}, of which the first counts; right would be one"),
            Self::SessionLevel(name) => write!(f, "a={name} stands before the first m= line and is taken for each medium; right would be below its m= line"),
            Self::LineEnd => f.write_str("lines end with LF alone; right would be CRLF"),
            Self::NoLine => f.write_str("this is no line of SDP; right would be a letter and ="),
            Self::Origin => f.write_str("the o= line is missing or incomplete; right would be o=- <id> <version> IN IP4 <address>"),
            Self::Name => f.write_str("the stream has no name; right would be s=<name>"),
            Self::Time => f.write_str("no t= line; right would be t=0 0"),
            Self::Refused(reason) => write!(f, "this medium is left out: {reason}"),
            Self::Obstacle(obstacle) => write!(f, "this cannot be received: {obstacle}"),
            Self::OtherNet(net) => write!(f, "an address of the network {net} is left out; right would be c=IN IP4 <group>/<ttl>"),
            Self::Address(value) => write!(f, "the address {value} cannot be read; right would be IN IP4 <group>/<ttl>"),
            Self::LeadingZeros { written, right } => write!(f, "{written} has leading zeros, which some programs take for octal, and is read as {right}; right would be to write it so"),
            Self::MoreAddresses => f.write_str("a further c= line is left out; right would be one for each medium"),
            Self::AddressCount(count) => write!(f, "the c= line stands for {count} groups, of which the first is received; right would be one medium for each"),
            Self::PortCount(count) => write!(f, "the m= line stands for {count} ports, of which the first is received; right would be one medium for each"),
            Self::Ttl(text) => write!(f, "the TTL {text} is no number from 0 to 255; right would be 15 to 32"),
            Self::TtlZero => f.write_str("a TTL of 0 keeps the stream within its sender; right would be 15 to 32"),
            Self::TtlOfHost => f.write_str("a TTL with the address of a host, which is left out; right would be an address without /"),
            Self::NoTtl => f.write_str("a multicast group without TTL; right would be c=IN IP4 <group>/<ttl>, with 15 to 32"),
            Self::TtlOne => f.write_str("a TTL of 1 keeps the stream within its own network; right would be 15 to 32"),
            Self::OddPort(port) => write!(f, "RTP on the odd port {port}, which is RTCP's; right would be an even one, such as 5004"),
            Self::StaticPayloadType(number) => write!(f, "payload type {number} has another meaning by RFC 3551; right would be 96 to 127"),
            Self::OtherPayloadType { listed, mapped } => {
                write!(f, "payload type {listed} has no a=rtpmap, but {mapped} has, and packets of both are taken; right would be the same number")
            }
            Self::NoPayloadType(mapped) => write!(f, "the m= line has no payload type, and {mapped} is taken from a=rtpmap; right would be m=audio <port> RTP/AVP {mapped}"),
            Self::MoreFormats => f.write_str("the m= line offers several formats, of which the first that is known is received; right would be one"),
            Self::NoChannels => f.write_str("a=rtpmap without the number of channels means one; right would be to write it, as in L24/48000/1"),
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
            Self::NoGrandmaster(identity) => write!(f, "{} is no grandmaster, so nobody can tell whether it is the same clock; right would be the identity of the one that is followed", identity.sdp()),
            Self::NoEdition => f.write_str("the grandmaster is given without the edition of PTP; right would be ptp=IEEE1588-2008:<grandmaster>:<domain>"),
            Self::NoDomain => f.write_str("the grandmaster is given without its domain; right would be :0 or another number at the end"),
            Self::Domain(text) => write!(f, "{text} is no PTP domain; right would be a number from 0 to 127"),
            Self::NoMediaClock => f.write_str("no a=mediaclk, so the timestamps cannot be tied to PTP; right would be a=mediaclk:direct=0"),
            Self::MediaClock(value) => write!(f, "the media clock {value} is not understood; right would be direct=0"),
            Self::NoOffset => f.write_str("a=mediaclk:direct without an offset, taken as 0; right would be direct=0"),
            Self::MediaClockRate { written, rate_hz } => write!(f, "the media clock's rate is {written}, but the stream's {rate_hz}; right would be rate={rate_hz}/1, or none"),
            Self::SourceFilter(value) => write!(f, "the source filter {value} cannot be read; right would be incl IN IP4 <group> <sender>"),
            Self::Exclusion => f.write_str("a source filter that excludes senders is left out, and all are heard; right would be incl IN IP4 <group> <sender>"),
            Self::NoSender(address) => write!(f, "the source filter names {address}, from which nobody can send, and is left out; right would be the address of the sender"),
            Self::LoopbackSender(address) => write!(f, "the source filter names {address}: nothing comes from there by a network; right would be the address of the sender"),
            Self::OtherDestination(address) => write!(f, "the source filter is for {address}, where this stream does not go; right would be the address of its c= line"),
            Self::SeveralSenders => f.write_str("the source filter names several senders, and all are heard; right would be one"),
            Self::Duplication => f.write_str("the legs of a=group:DUP are not two media of the same format with these a=mid; right would be that, or no group"),
            Self::Direction(name) => write!(f, "a={name} in a description of a stream to be received; right would be a=recvonly"),
        }
    }
}
