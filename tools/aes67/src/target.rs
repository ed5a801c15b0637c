//! What stream is meant: an SDP file, an `aes67://` URL, or the name of an announced one.

use crate::failure::{Failure, Result};
use crate::session::{Session, warn};
use engine::SampleRate;
use engine::announce::livewire::Channel;
use engine::announce::sdp::{Description, LegDescription, MediaClockSource, ReferenceClock, StreamDescription};
use engine::receive::Described;
use engine::rtp::format::{Encoding, SAMPLE_RATES_HZ, StreamFormat};
use net::interface::Interface;
use net::sap::SapListener;
use std::net::IpAddr;
use std::path::Path;

/// Scheme of our URLs.
const SCHEME: &str = "aes67://";
/// Livewire channels: their standard streams are stereo L24 in packets of 5 ms.
const LIVEWIRE: &str = "livewire:";
const LIVEWIRE_PTIME_MS: f64 = 5.0;
/// RTP's usual port (AES67-2018, 6.3).
const RTP_PORT: u16 = 5004;
/// The first dynamic payload type, which a URL leaves open.
const ANY_PAYLOAD_TYPE: u8 = 96;

/// A stream, and what its URL asks for besides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) stream: StreamDescription,
    /// Whether the payload type is known.
    pub(crate) payload_type: Option<u8>,
    pub(crate) interface: Option<String>,
    pub(crate) latency_ms: Option<f64>,
    pub(crate) domain: Option<u8>,
}

impl Target {
    /// Finds the stream that `text` means; for a name it is listened on `interface`, until `session` ends.
    pub(crate) fn find(text: &str, interface: Option<&str>, session: &Session) -> Result<Self> {
        if text.starts_with(SCHEME) {
            return parse_url(text).map_err(|reason| Failure::input(format!("{text}: {reason}")));
        }
        if let Some(channel) = text.strip_prefix(LIVEWIRE) {
            return livewire(channel).map_err(|reason| Failure::input(format!("{text}: {reason}")));
        }
        let path = Path::new(text);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sdp")) || path.is_file() {
            let bytes = std::fs::read(path).map_err(|error| Failure::input(format!("{text}: {error}")))?;
            let parsed = Description::parse(&bytes).map_err(|error| Failure::input(format!("{text}: {error}")))?;
            for finding in &parsed.findings {
                tracing::info!("{text}: {finding}");
            }
            return Self::of(&parsed.description).ok_or_else(|| Failure::input(format!("{text}: no stream in it")));
        }
        announced(text, interface, session)
    }

    fn of(description: &Description) -> Option<Self> {
        let stream = description.streams.first()?.clone();
        Some(Self {
            name: description.name.clone(),
            payload_type: Some(stream.payload_type),
            domain: stream.legs.iter().find_map(|leg| match &leg.reference_clock {
                ReferenceClock::Ptp { domain, .. } => *domain,
                _ => None,
            }),
            stream,
            interface: None,
            latency_ms: None,
        })
    }

    /// Takes over what its packets have shown it to be.
    pub(crate) fn correct(&mut self, described: Described) {
        let Described { format, payload_type, packet_frames } = described;
        self.stream.format = format;
        self.stream.packet_frames = packet_frames.and_then(|frames| usize::try_from(frames).ok());
        self.stream.payload_type = payload_type.unwrap_or(self.stream.payload_type);
        self.payload_type = payload_type;
    }

    /// For a person: where it comes from and what it is.
    pub(crate) fn describe(&self) -> String {
        let legs: Vec<String> =
            self.stream.legs.iter().map(|leg| format!("{}:{}", leg.destination, leg.port)).collect();
        format!("{}: {} at {}", self.name, describe_format(&self.stream), legs.join(" and "))
    }
}

/// `L24, 48000 Hz, 2 channels`.
pub(crate) fn describe_format(stream: &StreamDescription) -> String {
    let format = stream.format;
    let channels = format.channels();
    let plural = if channels == 1 { "" } else { "s" };
    let time = stream.packet_time().map_or_else(String::new, |time| format!(", packets of {time}"));
    format!("{}, {} Hz, {channels} channel{plural}{time}", format.encoding(), format.sample_rate().as_hz())
}

fn announced(name: &str, interface: Option<&str>, session: &Session) -> Result<Target> {
    let interface = Interface::find(interface)?;
    let listener = SapListener::start(&interface)?;
    warn(format_args!("waiting for an announcement of {name} on {interface}"));
    loop {
        let found = listener.sessions().iter().find(|(_, entry)| entry.description.name == name).cloned();
        if let Some(target) = found.and_then(|(_, entry)| Target::of(&entry.description)) {
            return Ok(target);
        }
        if !session.goes_on() {
            let names: Vec<String> = listener.sessions().into_iter().map(|(_, entry)| entry.description.name).collect();
            let heard = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            return Err(Failure::input(format!(
                "{name} is neither an SDP file nor an aes67:// URL, and no stream of that name was announced on {interface}; heard was {heard}"
            )));
        }
    }
}

/// `livewire:6031`: classic Livewire timestamps have nothing to do with PTP, and it is played by arrivals.
fn livewire(channel: &str) -> std::result::Result<Target, String> {
    let number = channel.parse().ok().and_then(Channel::new);
    let number = number.ok_or_else(|| format!("{channel} is no channel of Livewire; right would be 1 to 32767"))?;
    let mut target = parse_url(&format!("{SCHEME}{}?ptime={LIVEWIRE_PTIME_MS}", number.group()))?;
    target.name = format!("Livewire {number}");
    target.stream.media_clock = MediaClockSource::Sender;
    Ok(target)
}

/// `aes67://239.69.0.1:5004?channels=2&rate=48000&format=L24&ptime=1&interface=eth0&latency=20&domain=0`.
fn parse_url(url: &str) -> std::result::Result<Target, String> {
    let rest = url.strip_prefix(SCHEME).unwrap_or(url);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.trim_end_matches('/');
    let (address, port) = place.rsplit_once(':').map_or((place, None), |(address, port)| (address, Some(port)));
    let address: IpAddr =
        address.parse().map_err(|_| format!("{address} is no address; right would be aes67://239.69.0.1:5004"))?;
    let port = match port {
        None => RTP_PORT,
        Some(port) => {
            let number = port.parse().ok().filter(|port| *port != 0);
            number.ok_or_else(|| format!("{port} is no port; right would be 1 to 65535"))?
        }
    };
    let mut options = Options::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| format!("{pair} has no value; right would be {pair}=..."))?;
        options.set(key, value)?;
    }
    let rate = SampleRate::from_hz(options.rate).ok_or("the rate is 0")?;
    let format = StreamFormat::new(options.format, rate, options.channels).map_err(|error| error.to_string())?;
    let leg = LegDescription {
        destination: address,
        port,
        ttl: None,
        source: options.source,
        reference_clock: ReferenceClock::PtpTraceable { version: "IEEE1588-2008".to_owned() },
    };
    let frames = (options.ptime_ms * f64::from(options.rate) / 1000.0).round() as usize;
    let stream = StreamDescription {
        format,
        payload_type: options.payload_type.unwrap_or(ANY_PAYLOAD_TYPE),
        packet_frames: Some(frames.max(1)),
        max_packet_frames: None,
        media_clock: MediaClockSource::Direct { offset: 0 },
        channel_order: None,
        legs: vec![leg],
    };
    Ok(Target {
        name: format!("{address}:{port}"),
        stream,
        payload_type: options.payload_type,
        interface: options.interface,
        latency_ms: options.latency_ms,
        domain: options.domain,
    })
}

struct Options {
    channels: usize,
    rate: u32,
    format: Encoding,
    ptime_ms: f64,
    payload_type: Option<u8>,
    source: Option<IpAddr>,
    interface: Option<String>,
    latency_ms: Option<f64>,
    domain: Option<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            channels: 2,
            rate: 48_000,
            format: Encoding::L24,
            ptime_ms: 1.0,
            payload_type: None,
            source: None,
            interface: None,
            latency_ms: None,
            domain: None,
        }
    }
}

impl Options {
    fn set(&mut self, key: &str, value: &str) -> std::result::Result<(), String> {
        let wrong = |right: &str| format!("{key}={value}: right would be {key}={right}");
        match key {
            "channels" => self.channels = value.parse().map_err(|_| wrong("1 to 64"))?,
            "rate" => {
                let rate = value.parse().ok().filter(|hz| SAMPLE_RATES_HZ.contains(hz));
                self.rate = rate.ok_or_else(|| wrong("48000"))?;
            }
            "format" => {
                self.format = match value.to_ascii_uppercase().as_str() {
                    "L16" => Encoding::L16,
                    "L24" => Encoding::L24,
                    _ => return Err(wrong("L16 or L24")),
                }
            }
            "ptime" => {
                let ms = value.parse().ok().filter(|ms| (0.1..=20.0).contains(ms));
                self.ptime_ms = ms.ok_or_else(|| wrong("0.125 to 20, in ms"))?;
            }
            "pt" => {
                let number = value.parse().ok().filter(|number| *number < 128);
                self.payload_type = Some(number.ok_or_else(|| wrong("96 to 127"))?);
            }
            "source" => self.source = Some(value.parse().map_err(|_| wrong("<address of the sender>"))?),
            "interface" => self.interface = Some(value.to_owned()),
            "latency" => self.latency_ms = Some(value.parse().map_err(|_| wrong("20, in ms"))?),
            "domain" => {
                let domain = value.parse().ok().filter(|domain| *domain < 128);
                self.domain = Some(domain.ok_or_else(|| wrong("0 to 127"))?);
            }
            _ => {
                return Err(format!(
                    "{key} is no option; there are channels, rate, format, ptime, pt, source, interface, latency, domain"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::receive::MediaClock;

    #[test]
    fn a_url_tells_all_of_a_stream() {
        let url =
            "aes67://239.69.0.1:5006?channels=8&rate=96000&format=l16&ptime=0.25&interface=eth0&latency=20&domain=3";
        let target = parse_url(url).unwrap();
        assert_eq!((target.stream.legs[0].port, target.stream.packet_frames), (5006, Some(24)));
        assert_eq!((target.stream.format.channels(), target.stream.format.encoding()), (8, Encoding::L16));
        assert_eq!(
            (target.interface.as_deref(), target.latency_ms, target.domain),
            (Some("eth0"), Some(20.0), Some(3))
        );
        let plain = parse_url("aes67://239.69.0.1").unwrap();
        assert_eq!((plain.stream.legs[0].port, plain.payload_type), (5004, None));
    }

    #[test]
    fn a_livewire_channel_is_played_by_arrivals() {
        let target = livewire("6031").unwrap();
        assert_eq!(target.stream.legs[0].destination, IpAddr::from([239, 192, 23, 143]));
        assert_eq!((target.stream.packet_frames, target.stream.relation()), (Some(240), MediaClock::Unrelated));
        assert!(livewire("40000").unwrap_err().ends_with("right would be 1 to 32767"));
    }

    #[test]
    fn a_wrong_url_says_what_would_be_right() {
        for (url, reason) in [
            ("aes67://studio", "studio is no address; right would be aes67://239.69.0.1:5004"),
            ("aes67://239.69.0.1:x", "x is no port; right would be 1 to 65535"),
            ("aes67://239.69.0.1:0", "0 is no port; right would be 1 to 65535"),
            ("aes67://239.69.0.1?chanels=2", "chanels is no option; there are channels, rate"),
            ("aes67://239.69.0.1?format=MP3", "format=MP3: right would be format=L16 or L24"),
            ("aes67://239.69.0.1?channels", "channels has no value"),
            ("aes67://239.69.0.1?channels=65", "65 channels, a stream has 1 to 64"),
            ("aes67://239.69.0.1?domain=128", "domain=128: right would be domain=0 to 127"),
        ] {
            let error = parse_url(url).unwrap_err();
            assert!(error.starts_with(reason), "{url}: {error}");
        }
    }
}
