//! Options that may follow a stream: `?interface=eth1&latency=20` and `#2`.

use engine::rtp::format::{Encoding, SAMPLE_RATES_HZ};
use percent_encoding::percent_decode_str;
use std::net::IpAddr;

/// The names of the options, for messages.
const NAMES: &str = "channels, rate, format, ptime, pt, source, interface, latency, domain";

/// The options of a stream. `None` means the value in the description, or the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Options {
    pub(super) channels: Option<usize>,
    pub(super) rate: Option<u32>,
    pub(super) format: Option<Encoding>,
    pub(super) ptime_ms: Option<f64>,
    pub(super) payload_type: Option<u8>,
    pub(super) source: Option<IpAddr>,
    pub(super) interfaces: Vec<String>,
    pub(super) latency_ms: Option<f64>,
    pub(super) domain: Option<u8>,
}

/// Everything that follows a location.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Suffix {
    pub(super) options: Options,
    /// The number of a stream in the description, counted from 1.
    pub(super) number: Option<usize>,
}

impl Suffix {
    /// Splits a text into the location and the options, which may come in either order.
    ///
    /// # Errors
    /// If an option is not understood.
    pub(super) fn split(text: &str) -> Result<(&str, Self), String> {
        let (place, mut rest) = Self::bounds(text);
        let mut suffix = Self::default();
        while let Some(kind) = rest.chars().next() {
            let end = rest[1..].find(if kind == '#' { '?' } else { '#' }).map_or(rest.len(), |at| at + 1);
            let (part, after) = (&rest[1..end], &rest[end..]);
            if kind == '#' {
                let number = part.parse().ok().filter(|number| *number > 0);
                let wrong = || format!("#{part} is no stream of a description; right would be #1 for the first");
                suffix.number = Some(number.ok_or_else(wrong)?);
            } else {
                suffix.options = Options::parse(part)?;
            }
            rest = after;
        }
        Ok((place, suffix))
    }

    /// Splits the text before `?key=` or `#1`, or both. Other question marks and number signs are
    /// part of a name.
    pub(super) fn bounds(text: &str) -> (&str, &str) {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_query = |part: &str| part.split_once('=').is_some_and(|(key, _)| !key.is_empty() && !key.contains(' '));
        let mut end = text.len();
        // There is at most one part of each kind.
        for _ in 0..2 {
            let place = &text[..end];
            let Some(at) = place.rfind(['#', '?']) else { break };
            let part = &place[at + 1..];
            if !(if place[at..].starts_with('#') { is_number(part) } else { is_query(part) }) {
                break;
            }
            end = at;
        }
        text.split_at(end)
    }
}

impl Options {
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair} has no value; right would be {pair}=..."))?;
            options.set(key, &unescape(value))?;
        }
        Ok(options)
    }

    /// # Errors
    /// If an option is given that the description already determines.
    pub(super) fn check_described(&self) -> Result<(), String> {
        let given = [
            ("channels", self.channels.is_some()),
            ("rate", self.rate.is_some()),
            ("format", self.format.is_some()),
            ("ptime", self.ptime_ms.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(format!("{name} is told by the description: leave it out")),
            None => Ok(()),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |right: &str| format!("{key}={value}: right would be {key}={right}");
        match key {
            "channels" => {
                self.channels = Some(value.parse().map_err(|_| wrong("1 to 64"))?);
            }
            "rate" => {
                let rate = value.parse().ok().filter(|hz| SAMPLE_RATES_HZ.contains(hz));
                self.rate = Some(rate.ok_or_else(|| wrong("48000"))?);
            }
            "format" => {
                self.format = Some(match value.to_ascii_uppercase().as_str() {
                    "L16" => Encoding::L16,
                    "L24" => Encoding::L24,
                    _ => return Err(wrong("L16 or L24")),
                });
            }
            "ptime" => {
                let ms = value.parse().ok().filter(|ms| (0.1..=20.0).contains(ms));
                self.ptime_ms = Some(ms.ok_or_else(|| wrong("0.125 to 20, in ms"))?);
            }
            "pt" => {
                let number = value.parse().ok().filter(|number| *number < 128);
                self.payload_type = Some(number.ok_or_else(|| wrong("96 to 127"))?);
            }
            "source" => self.source = Some(value.parse().map_err(|_| wrong("<address of the sender>"))?),
            // `localaddr` is FFmpeg's name for this option, which takes an address.
            "interface" | "localaddr" => {
                self.interfaces = value.split(',').map(str::to_owned).collect();
                if self.interfaces.len() > 2 || self.interfaces.iter().any(String::is_empty) {
                    return Err(wrong("eth0, or eth0,eth1 for two legs"));
                }
            }
            "latency" => self.latency_ms = Some(value.parse().map_err(|_| wrong("20, in ms"))?),
            "domain" => {
                let domain = value.parse().ok().filter(|domain| *domain < 128);
                self.domain = Some(domain.ok_or_else(|| wrong("0 to 127"))?);
            }
            _ => return Err(format!("{key} is no option; there are {NAMES}")),
        }
        Ok(())
    }
}

/// Decodes percent-encoding such as `%20`. Other text is unchanged.
pub(super) fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
