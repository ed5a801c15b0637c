//! The values of lines: numbers, addresses, formats.

use super::text::{Attribute, Section};
use super::{Origin, Refusal};
use crate::rtp::format::{Encoding, SAMPLE_RATES_HZ, StreamFormat};
use crate::units::SampleRate;
use std::net::IpAddr;

/// L16 at 44.1 kHz, stereo and mono (RFC 3551, table 4).
pub(super) const STATIC_L16: [(u8, usize); 2] = [(10, 2), (11, 1)];
/// Packets longer than this make no sense.
const MAX_PACKET_MS: f64 = 1000.0;

/// The names in `DUP name name`.
pub(super) fn is_duplication<'a>(group: &'a Attribute<'_>) -> Option<Vec<&'a str>> {
    let mut words = group.value().split_ascii_whitespace();
    words.next().filter(|semantics| semantics.eq_ignore_ascii_case("DUP"))?;
    Some(words.collect())
}

pub(super) fn parse_origin(value: &str) -> Option<Origin> {
    let fields: Vec<&str> = value.split_ascii_whitespace().collect();
    let [username, session_id, version, _, _, address] = fields[..] else { return None };
    let [username, session_id, address] = [username, session_id, address].map(str::to_owned);
    Some(Origin { username, session_id, version: version.parse().ok()?, address })
}

/// Port and payload types.
pub(super) fn media_line(section: &Section<'_>) -> Result<(u16, Vec<u8>), Refusal> {
    let value = section.media.as_ref().map_or("", |line| &line.value);
    let mut fields = value.split_ascii_whitespace();
    let medium = fields.next().ok_or(Refusal::MediaLine)?;
    if medium != "audio" {
        return Err(Refusal::Medium(medium.to_owned()));
    }
    let port = fields.next().map(|port| port.split_once('/').map_or(port, |(port, _)| port));
    let port = port.and_then(|port| port.parse().ok()).ok_or(Refusal::MediaLine)?;
    if port == 0 {
        return Err(Refusal::PortZero);
    }
    let transport = fields.next().ok_or(Refusal::MediaLine)?;
    if !["RTP/AVP", "RTP/AVPF"].contains(&transport) {
        return Err(Refusal::Transport(transport.to_owned()));
    }
    let payload_types: Vec<u8> =
        fields.filter_map(|number| number.parse().ok()).filter(|&number| number < 128).collect();
    if payload_types.is_empty() { Err(Refusal::MediaLine) } else { Ok((port, payload_types)) }
}

/// `L24/48000/2`; one channel if no number is told.
pub(super) fn parse_format(text: &str) -> Option<StreamFormat> {
    let mut parts = text.split('/');
    let encoding = match parts.next()?.to_ascii_uppercase().as_str() {
        "L16" => Encoding::L16,
        "L24" => Encoding::L24,
        _ => return None,
    };
    let rate = parts.next()?.trim().parse().ok().filter(|hz| SAMPLE_RATES_HZ.contains(hz))?;
    let rate = SampleRate::from_hz(rate)?;
    let channels = parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?;
    StreamFormat::new(encoding, rate, channels).ok()
}

pub(super) fn static_format(payload_type: u8) -> Option<StreamFormat> {
    let (_, channels) = STATIC_L16.into_iter().find(|&(number, _)| number == payload_type)?;
    StreamFormat::new(Encoding::L16, SampleRate::from_hz(44_100)?, channels).ok()
}

/// `IN IP4 239.69.0.1/32`, also with a number of addresses; `IN IP6 ff15::1`.
pub(super) fn parse_connection(value: &str) -> Option<(IpAddr, Option<u8>)> {
    let mut parts = value.split_ascii_whitespace().last()?.split('/');
    let address: IpAddr = parts.next()?.parse().ok()?;
    let ttl = parts.next().and_then(|ttl| ttl.parse().ok());
    Some((address, ttl.filter(|_| address.is_ipv4() && address.is_multicast())))
}

/// `incl IN IP4 <destination> <source>...`; no destination for `*`.
pub(super) fn parse_filter(value: &str) -> Option<(Option<IpAddr>, Vec<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    words.next().filter(|mode| mode.eq_ignore_ascii_case("incl"))?;
    let (_, _, destination) = (words.next()?, words.next()?, words.next()?);
    let destination = if destination == "*" { None } else { Some(destination.parse().ok()?) };
    let sources: Vec<IpAddr> = words.map_while(|source| source.parse().ok()).collect();
    if sources.is_empty() { None } else { Some((destination, sources)) }
}

pub(super) fn frames_of_ms(text: &str, rate: SampleRate) -> Option<usize> {
    let ms: f64 = text.trim().parse().ok()?;
    let frames = libm::round(ms * f64::from(rate.as_hz()) / 1000.0);
    (ms <= MAX_PACKET_MS && frames >= 1.0).then_some(frames as usize)
}

/// A number of frames, or RAVENNA's range of them, of which the first one counts.
pub(super) fn frames_of_count(text: &str, rate: SampleRate) -> Option<usize> {
    let first = text.split_once('-').map_or(text, |(first, _)| first);
    first.trim().parse().ok().filter(|frames| (1..=rate.as_hz() as usize).contains(frames))
}

/// `channel-order=` of the payload type's `a=fmtp`.
pub(super) fn channel_order(section: &Section<'_>, payload_type: u8) -> Option<String> {
    let mut parameters = section
        .all("fmtp")
        .filter_map(|fmtp| fmtp.value().split_once(char::is_whitespace))
        .filter(|(number, _)| number.parse() == Ok(payload_type))
        .flat_map(|(_, parameters)| parameters.split(';'));
    let order = parameters.find_map(|parameter| parameter.trim().strip_prefix("channel-order="))?;
    order.split_ascii_whitespace().next().map(str::to_owned)
}
