//! Session descriptions (SDP, RFC 8866) of AES67 streams.
//!
//! Reading is lenient: every form seen in the field yields a [`Description`], and its faults are
//! reported in plain words ([`Finding`]), with the line and the correct form. Writing is strict:
//! [`Description::to_sdp`] writes everything that AES67 requires, and reading its result yields no
//! findings.
//!
//! Model: a text is divided into lines, and the lines into a session and its media. Each medium is
//! interpreted with the session's attributes as its defaults. Media that carry the same stream on
//! two networks (ST 2022-7: `a=group:DUP`, or `a=ssrc-group:DUP`) become one [`StreamDescription`]
//! with two legs. Reading is total: any bytes yield a description or an error, and the required
//! memory is bounded by [`MAX_TEXT`].
//!
//! The maintained crate `sdp-types` reads and writes SDP well. It is not used here, because it does
//! not keep the line number of each attribute, and refuses descriptions that occur in the field.
//! The tests use it to read the descriptions that we write.

mod address;
mod clock;
mod decode;
mod emit;
mod fields;
mod lint;
mod obstacle;
mod parse;
mod session;
mod text;

pub use clock::{MediaClockSource, ReferenceClock};
pub use lint::{Finding, Lint};
pub use obstacle::Obstacle;
pub use session::Session;

use crate::receive::{Described, MediaClock, StreamConfig};
use crate::rtp::format::StreamFormat;
use crate::units::{Frames, Nanos, SampleRate};
use std::net::IpAddr;
use thiserror::Error;

/// Maximum length of a description, bytes: longer than any that occurs in practice.
pub const MAX_TEXT: usize = 16 * 1024;
/// Maximum number of streams in a description.
pub const MAX_STREAMS: usize = 64;

/// The author of a description, and its version: the `o=` line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The user name; `-` if there is none.
    pub username: String,
    /// Identifies the session, together with the other fields except the version; according to the
    /// standard, it consists of digits.
    pub session_id: String,
    /// Increases with every change.
    pub version: u64,
    /// The host that wrote the description, usually given as an IP address.
    pub address: String,
}

impl Origin {
    /// Reads the `o=` line of a text, which need not be a complete description.
    pub(crate) fn find(text: &[u8]) -> Option<Self> {
        let text = text::Text::new(text);
        text.session.origin.map(|line| fields::parse_origin(&line.value).0)
    }
}

/// A description: one or more streams of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The `o=` line.
    pub origin: Origin,
    /// Human-readable session name (`s=`).
    pub name: String,
    /// Human-readable information (`i=`) about the session or, failing that, about the first medium
    /// that has an `i=` line; Dante lists the channels there.
    pub information: Option<String>,
    /// The streams that can be received; at least one if the description has been read from a text.
    pub streams: Vec<StreamDescription>,
}

/// One leg of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegDescription {
    /// The destination of packets: a multicast group, or a receiver's own address.
    pub destination: IpAddr,
    /// UDP port.
    pub port: u16,
    /// TTL, for IPv4 multicast only.
    pub ttl: Option<u8>,
    /// The only accepted sender, from `a=source-filter`.
    pub source: Option<IpAddr>,
    /// The clock of the sender's timestamps, as stated for this leg's network.
    pub reference_clock: ReferenceClock,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDescription {
    /// Encoding, rate and channels.
    pub format: StreamFormat,
    /// RTP payload type.
    pub payload_type: u8,
    /// Another payload type with the same format, which the sender may use instead.
    pub alternative_payload_type: Option<u8>,
    /// Frames in a packet, from `a=framecount` or `a=ptime`; `None` if there is neither.
    pub packet_frames: Option<usize>,
    /// Maximum number of frames in a packet, from `a=maxptime`.
    pub max_packet_frames: Option<usize>,
    /// The relation of timestamps to the reference clock.
    pub media_clock: MediaClockSource,
    /// The meaning of the channels, such as `SMPTE2110.(ST)`.
    pub channel_order: Option<String>,
    /// One leg, or two legs that carry the same packets.
    pub legs: Vec<LegDescription>,
}

impl StreamDescription {
    /// Duration of a packet, if it is known.
    #[must_use]
    pub fn packet_time(&self) -> Option<Nanos> {
        Some(self.format.sample_rate().duration(Frames::of(self.packet_frames?)))
    }

    /// The payload type of all packets; `None` if there are two.
    #[must_use]
    pub const fn only_payload_type(&self) -> Option<u8> {
        match self.alternative_payload_type {
            None => Some(self.payload_type),
            Some(_) => None,
        }
    }

    /// The PTP domain of the reference clock, if stated.
    #[must_use]
    pub fn ptp_domain(&self) -> Option<u8> {
        self.legs.iter().find_map(|leg| match &leg.reference_clock {
            ReferenceClock::Ptp { domain, .. } => *domain,
            _ => None,
        })
    }

    /// The description against which packets are checked. `payload_type` is `None` if the payload
    /// type is unknown.
    #[must_use]
    pub fn described(&self, payload_type: Option<u8>) -> Described {
        let packet_frames = self.packet_frames.and_then(|frames| u32::try_from(frames).ok());
        Described { format: self.format, payload_type, packet_frames }
    }

    /// The relation between the timestamps and PTP, for a receiver.
    #[must_use]
    pub fn relation(&self) -> MediaClock {
        let on_ptp = self.legs.iter().any(|leg| leg.reference_clock.is_ptp());
        match self.media_clock {
            MediaClockSource::Direct { offset } if on_ptp => MediaClock::Ptp { offset },
            _ => MediaClock::Unrelated,
        }
    }

    /// Creates a receiver configuration for this stream, with all channels and a constant depth.
    #[must_use]
    pub fn stream_config(&self, target_depth: Nanos, card_rate: SampleRate, block_frames: usize) -> StreamConfig {
        let Described { format, payload_type, packet_frames } = self.described(self.only_payload_type());
        // A maximum below the packet time is reported as a finding, and the packet time is used
        // instead.
        let longest = self.max_packet_frames.map(|longest| longest.max(self.packet_frames.unwrap_or(0)));
        StreamConfig {
            payload_type,
            packet_frames,
            longest_packet: longest.and_then(|frames| u32::try_from(frames).ok()),
            media_clock: self.relation(),
            card_rate,
            ..StreamConfig::new(format, target_depth, block_frames)
        }
    }
}

/// The result of reading a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The description.
    pub description: Description,
    /// Its faults, none of which prevents reception.
    pub findings: Vec<Finding>,
}

impl Description {
    /// Parses a session description.
    ///
    /// ```
    /// use engine::announce::sdp::Description;
    /// use engine::receive::MediaClock;
    /// let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Studio\r\nc=IN IP4 239.69.0.1/32\r\nt=0 0\r\nm=audio 5004 RTP/AVP 96\r\n\
    ///     a=rtpmap:96 L24/48000/2\r\na=ptime:1\r\na=mediaclk:direct=0\r\n";
    /// let parsed = Description::parse(text.as_bytes())?;
    /// let stream = &parsed.description.streams[0];
    /// assert_eq!((stream.packet_frames, stream.legs[0].port), (Some(48), 5004));
    /// assert_eq!(stream.relation(), MediaClock::Unrelated);
    /// assert_eq!(
    ///     parsed.findings[0].to_string(),
    ///     "line 6: no a=ts-refclk, so the timestamps cannot be tied to PTP; right would be a=ts-refclk:ptp=IEEE1588-2008:<grandmaster>:<domain>"
    /// );
    /// let error = Description::parse(b"v=0\nm=video 5004 RTP/AVP 96\n").unwrap_err();
    /// assert_eq!(error.to_string(), "line 2: no stream to receive here: the medium is video, not audio");
    /// # Ok::<(), engine::announce::sdp::SdpError>(())
    /// ```
    ///
    /// # Errors
    /// [`SdpError`] if the text does not describe any stream that can be received.
    pub fn parse(text: &[u8]) -> Result<Parsed, SdpError> {
        parse::parse(text)
    }
}

/// Why a text describes no stream that can be received.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SdpError {
    /// The text is far longer than a description.
    #[error("{bytes} bytes: a description has at most {MAX_TEXT}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The text is not SDP.
    #[error("line 1: this is no SDP, which starts with v=0")]
    NotSdp,
    /// The text has no media.
    #[error("line {line}: the description ends without a stream (m=audio)")]
    NoMedia {
        /// The last line.
        line: usize,
    },
    /// All media were refused; `reason` is the reason for the first one.
    #[error("line {line}: no stream to receive here: {reason}")]
    NoStream {
        /// The line with the fault.
        line: usize,
        /// Why the medium cannot be received.
        reason: Refusal,
    },
}

/// Why one medium of a description cannot be received.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The medium is video or data.
    #[error("the medium is {0}, not audio")]
    Medium(String),
    /// The `m=` line has too few fields, or fields that are not numbers.
    #[error("the m= line is not \"m=audio <port> RTP/AVP <payload type>\"")]
    MediaLine,
    /// Port 0 means that the stream is off.
    #[error("the port is 0: the stream is switched off")]
    PortZero,
    /// The stream is encrypted, or not RTP.
    #[error("the transport is {0}: only RTP/AVP is received")]
    Transport(String),
    /// None of the payload types in the `m=` line has a supported format.
    #[error("the format is {0}: only L16 and L24 of 1 to 64 channels are received")]
    Format(String),
    /// There is no `a=rtpmap`.
    #[error("payload type {0} has no a=rtpmap")]
    NoFormat(u8),
    /// The `c=` line cannot be read.
    #[error("the address {0} cannot be read; right would be c=IN IP4 <group>/<ttl>")]
    Address(String),
    /// Neither the medium nor the session has a usable `c=` line.
    #[error("no address: there is no c=IN IP4 or c=IN IP6 line for it that can be read")]
    NoAddress,
    /// The description has too many streams.
    #[error("the description has more than {MAX_STREAMS} streams")]
    TooMany,
}

#[cfg(test)]
mod tests;
