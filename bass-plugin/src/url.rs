//! Parses `aes67://` URLs.
//!
//! | form | meaning |
//! |---|---|
//! | `aes67://239.69.0.1:5004?channels=2&...` | a group, or an address of this host |
//! | `aes67:///path/to/stream.sdp?...` | a description in a file |
//! | `aes67://sap/Studio%201?...` | a stream that is announced under this name |
//!
//! If a description has several streams, one is selected by its number:
//! `aes67:///path/to/stream.sdp?latency=20#2`. The case of the scheme is ignored. Names and paths
//! may be percent-encoded.

use crate::error::BassError;
use engine::SampleRate;
use engine::announce::sdp::{LegDescription, MediaClockSource, ReferenceClock, StreamDescription};
use engine::rtp::format::{Encoding, StreamFormat};
use percent_encoding::percent_decode_str;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// The scheme of our URLs.
const SCHEME: &str = "aes67://";
/// The usual RTP port (AES67-2018, 6.3).
const RTP_PORT: u16 = 5004;
/// The payload type for a URL that does not state it: the first dynamic one.
const ANY_PAYLOAD_TYPE: u8 = 96;
const OPTIONS: &str = "interface (iface), pt (payload), latency, jitter, channels (ch), rate (samplerate), format, domain, \
    ptime, source, pace, wait";

/// The contents of a URL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Url {
    pub(crate) place: Place,
    pub(crate) options: Options,
    /// Number of the stream in a description, counted from 1.
    pub(crate) number: Option<usize>,
}

/// Where the stream's description comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// The URL itself describes the stream.
    Group {
        address: Ipv4Addr,
        port: u16,
    },
    File(PathBuf),
    Announced(String),
}

/// The options in a URL. `None` means the value in the description or the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) interface: Option<String>,
    pub(crate) payload_type: Option<u8>,
    /// A fixed latency.
    pub(crate) latency_ms: Option<f64>,
    /// A latency that is raised if packets are late.
    pub(crate) jitter_ms: Option<f64>,
    pub(crate) domain: Option<u8>,
    pub(crate) source: Option<Ipv4Addr>,
    channels: Option<usize>,
    rate_hz: Option<u32>,
    encoding: Option<Encoding>,
    packet_time_ms: Option<f64>,
    /// Whether the host pulls at the pace of PTP, so that nothing is resampled.
    pub(crate) paced_by_ptp: bool,
    /// How long to wait for the first packet.
    pub(crate) wait_ms: Option<u32>,
}

/// Whether a URL is for this add-on, and not for another one.
pub(crate) fn is_ours(url: &str) -> bool {
    url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

impl Url {
    /// # Errors
    /// If the URL is invalid; the text says what would be right.
    pub(crate) fn parse(url: &str) -> Result<Self, BassError> {
        // HTTP headers may follow.
        let url = url.split(['\r', '\n']).next().unwrap_or_default().trim_end();
        let rest = url.get(SCHEME.len()..).unwrap_or_default();
        let (rest, number) = split_number(rest);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parsed = Place::parse(place).and_then(|place| {
            let number = number.map(parse_number).transpose()?;
            if number.is_some_and(|number| number > 1) && matches!(place, Place::Group { .. }) {
                return Err("a URL of a group describes one stream: leave out # and its number".to_owned());
            }
            Ok(Self { place, options: Options::parse(query)?, number })
        });
        parsed.map_err(|reason| BassError::parameter(format!("{url}: {reason}")))
    }
}

/// Splits off a number such as `#2`. Any other # is part of a name or path.
fn split_number(text: &str) -> (&str, Option<&str>) {
    let digits = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match text.rsplit_once('#').filter(|(_, number)| digits(number)) {
        Some((text, number)) => (text, Some(number)),
        None => (text, None),
    }
}

fn parse_number(digits: &str) -> Result<usize, String> {
    let number = digits.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("#{digits} is no stream of a description; right would be #1 for the first"))
}

impl Place {
    fn parse(place: &str) -> Result<Self, String> {
        if let Some(name) = place.strip_prefix("sap/").or_else(|| place.strip_prefix("SAP/")) {
            let name = unescape(name);
            return if name.is_empty() { Err("the name is missing".to_owned()) } else { Ok(Self::Announced(name)) };
        }
        if let Some(path) = place.strip_prefix('/') {
            let path = unescape(path);
            let with_drive = path.as_bytes().get(1) == Some(&b':');
            return Ok(Self::File(if with_drive { path.into() } else { format!("/{path}").into() }));
        }
        let place = place.trim_end_matches('/');
        let (address, port) = place.rsplit_once(':').map_or((place, None), |(address, port)| (address, Some(port)));
        let parsed = address.parse().map_err(|_| {
            format!("{address} is no IPv4 address; right would be aes67://239.69.0.1:5004, aes67:///folder/file.sdp or aes67://sap/Name")
        })?;
        let port = match port {
            None => RTP_PORT,
            Some(port) => {
                let number = port.parse().ok().filter(|port| *port != 0);
                number.ok_or_else(|| format!("{port} is no port; right would be 1 to 65535"))?
            }
        };
        Ok(Self::Group { address: parsed, port })
    }
}

impl Options {
    fn parse(query: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair} has no value; right would be {pair}=..."))?;
            options.set(&key.to_ascii_lowercase(), &unescape(value))?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |right: &str| format!("{key}={value}: right would be {key}={right}");
        let number =
            |limits: std::ops::RangeInclusive<f64>| value.parse().ok().filter(|number| limits.contains(number));
        match key {
            "interface" | "iface" => self.interface = Some(value.to_owned()),
            "pt" | "payload" => {
                let number = value.parse().ok().filter(|&number| is_payload_type(number));
                self.payload_type = Some(number.ok_or_else(|| wrong("96 to 127, 10 or 11"))? as u8);
            }
            "latency" => self.latency_ms = Some(number(0.1..=5000.0).ok_or_else(|| wrong("0.1 to 5000, in ms"))?),
            "jitter" => self.jitter_ms = Some(number(0.1..=5000.0).ok_or_else(|| wrong("0.1 to 5000, in ms"))?),
            "channels" | "ch" => {
                let number = value.parse().ok().filter(|number| (1..=64).contains(number));
                self.channels = Some(number.ok_or_else(|| wrong("1 to 64"))?);
            }
            "rate" | "samplerate" => {
                let number = value.parse().ok().filter(|number| (8_000..=192_000).contains(number));
                self.rate_hz = Some(number.ok_or_else(|| wrong("48000"))?);
            }
            "format" => {
                self.encoding = Some(match value.to_ascii_uppercase().as_str() {
                    "L16" => Encoding::L16,
                    "L24" => Encoding::L24,
                    _ => return Err(wrong("L16 or L24")),
                });
            }
            "ptime" => self.packet_time_ms = Some(number(0.1..=20.0).ok_or_else(|| wrong("0.125 to 20, in ms"))?),
            "domain" => {
                let number = value.parse().ok().filter(|number| *number < 128);
                self.domain = Some(number.ok_or_else(|| wrong("0 to 127"))?);
            }
            "source" => self.source = Some(value.parse().map_err(|_| wrong("<address of the sender>"))?),
            "pace" => {
                self.paced_by_ptp = match value {
                    "ptp" => true,
                    "host" => false,
                    _ => return Err(wrong("host or ptp")),
                }
            }
            "wait" => {
                let number = value.parse().ok().filter(|number| *number <= 60_000);
                self.wait_ms = Some(number.ok_or_else(|| wrong("0 to 60000, in ms"))?);
            }
            _ => return Err(format!("{key} is no option; there are {OPTIONS}")),
        }
        Ok(())
    }

    /// Creates the description of a group's stream: L24 stereo at 48 kHz unless the options differ.
    pub(crate) fn describe(&self, address: Ipv4Addr, port: u16) -> Result<StreamDescription, BassError> {
        let rate = SampleRate::from_hz(self.rate_hz.unwrap_or(48_000)).unwrap_or(SampleRate::HZ_48000);
        let encoding = self.encoding.unwrap_or(Encoding::L24);
        let format = StreamFormat::new(encoding, rate, self.channels.unwrap_or(2));
        let packet_frames =
            self.packet_time_ms.map(|ms| ((ms * f64::from(rate.as_hz()) / 1000.0).round() as usize).max(1));
        Ok(StreamDescription {
            format: format.map_err(|error| BassError::parameter(error.to_string()))?,
            payload_type: self.payload_type.unwrap_or(ANY_PAYLOAD_TYPE),
            alternative_payload_type: None,
            packet_frames,
            max_packet_frames: None,
            media_clock: MediaClockSource::Direct { offset: 0 },
            channel_order: None,
            legs: vec![LegDescription {
                destination: IpAddr::V4(address),
                port,
                ttl: None,
                source: self.source.map(IpAddr::V4),
                reference_clock: ReferenceClock::PtpTraceable { version: "IEEE1588-2008".to_owned() },
            }],
        })
    }

    /// The first given option that a description already determines, if there is one.
    pub(crate) fn contradicts_description(&self) -> Option<&'static str> {
        let given = [
            ("channels", self.channels.is_some()),
            ("rate", self.rate_hz.is_some()),
            ("format", self.encoding.is_some()),
            ("ptime", self.packet_time_ms.is_some()),
        ];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }
}

/// Whether a number is a dynamic payload type, or a static one for L16 at 44.1 kHz (RFC 3551, 6).
pub(crate) fn is_payload_type(number: u32) -> bool {
    matches!(number, 96..=127 | 10 | 11)
}

/// Decodes percent-encoding such as `%20`. Other text is unchanged.
fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    #[test]
    fn a_group_with_all_options() {
        let url = parse(
            "AES67://239.69.0.1:5006?interface=eth%30&pt=97&latency=20&channels=8&rate=96000&format=l16&domain=3&ptime=0.25\r\nX: y",
        );
        let Place::Group { address, port } = url.place else { panic!("{url:?}") };
        assert_eq!((url.options.interface.as_deref(), url.options.payload_type), (Some("eth0"), Some(97)));
        assert_eq!((url.options.latency_ms, url.options.domain), (Some(20.0), Some(3)));
        let stream = url.options.describe(address, port).unwrap();
        assert_eq!((stream.legs[0].port, stream.packet_frames), (5006, Some(24)));
        assert_eq!((stream.format.channels(), stream.format.encoding()), (8, Encoding::L16));
    }

    #[test]
    fn keys_of_the_public_header_are_other_names() {
        let ours = parse("aes67://239.69.0.1?interface=eth0&pt=97&channels=8&rate=96000");
        assert_eq!(parse("aes67://239.69.0.1?iface=eth0&payload=97&ch=8&samplerate=96000"), ours);
        let jitter = parse("aes67://239.69.0.1?jitter=20").options;
        assert_eq!((jitter.jitter_ms, jitter.latency_ms), (Some(20.0), None));
    }

    #[test]
    fn files_and_names() {
        assert_eq!(parse("aes67:///srv/my%20stream.sdp").place, Place::File("/srv/my stream.sdp".into()));
        assert_eq!(parse("aes67:///C:/streams/a.sdp").place, Place::File("C:/streams/a.sdp".into()));
        assert_eq!(parse("aes67://sap/Studio 1%2fB").place, Place::Announced("Studio 1/B".to_owned()));
        let second = parse("aes67:///srv/a#b.sdp?latency=20#2");
        assert_eq!((second.place, second.number), (Place::File("/srv/a#b.sdp".into()), Some(2)));
        assert_eq!(parse("aes67://sap/Studio%201#1").number, Some(1));
        let plain = parse("aes67://239.69.0.1/");
        assert_eq!(plain.place, Place::Group { address: Ipv4Addr::new(239, 69, 0, 1), port: 5004 });
        assert_eq!(unescape("50%"), "50%");
        assert_eq!(unescape("%+1%zz%41"), "%+1%zzA");
    }

    #[test]
    fn a_wrong_url_says_what_would_be_right() {
        for (url, reason) in [
            ("aes67://studio", "studio is no IPv4 address; right would be"),
            ("aes67://", " is no IPv4 address"),
            ("aes67://sap/", "the name is missing"),
            ("aes67://239.69.0.1#2", "a URL of a group describes one stream"),
            ("aes67:///a.sdp#0", "#0 is no stream of a description"),
            ("aes67://239.69.0.1:0", "0 is no port; right would be 1 to 65535"),
            ("aes67://239.69.0.1?chanels=2", "chanels is no option; there are interface (iface), pt"),
            ("aes67://239.69.0.1?format=MP3", "format=MP3: right would be format=L16 or L24"),
            ("aes67://239.69.0.1?channels", "channels has no value"),
            ("aes67://239.69.0.1?channels=65", "channels=65: right would be channels=1 to 64"),
            ("aes67://239.69.0.1?pt=12", "pt=12: right would be pt=96 to 127, 10 or 11"),
            ("aes67://239.69.0.1?latency=nan", "latency=nan: right would be"),
            ("aes67://239.69.0.1?domain=128", "domain=128: right would be domain=0 to 127"),
        ] {
            let error = Url::parse(url).unwrap_err();
            assert!(error.text.contains(reason), "{url}: {error}");
            assert_eq!(error.code, crate::error::code::ILLPARAM);
        }
    }

    /// What searching found to reach code that nothing shorter reaches.
    #[test]
    fn the_corpus_of_the_fuzz_target_holds() {
        use crate::{bass_url, replay};
        replay::replay(include_str!("../../fuzz/corpus/bass_url.hex"), bass_url::bass_url);
    }

    #[test]
    fn other_schemes_are_not_ours() {
        assert!(is_ours("aes67://x") && is_ours("Aes67://"));
        assert!(!is_ours("http://aes67") && !is_ours("aes67:/x") && !is_ours("") && !is_ours("ääääää"));
    }
}
