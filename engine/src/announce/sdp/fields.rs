//! Reads the values of lines: numbers, addresses and formats.

use super::lint::Lint;
use super::text::{Attribute, Section};
use super::{Origin, Refusal};
use crate::rtp::format::{Encoding, SAMPLE_RATES_HZ, StreamFormat};
use crate::units::SampleRate;

/// Static payload types for L16 at 44.1 kHz, with their channel counts (RFC 3551, table 4).
pub(super) const STATIC_L16: [(u8, usize); 2] = [(10, 2), (11, 1)];
/// The longest packet time that is accepted, ms.
const MAX_PACKET_MS: f64 = 1000.0;
/// The highest sample rate that is accepted, well above those in [`SAMPLE_RATES_HZ`].
const MAX_RATE_HZ: u32 = 1_000_000;

/// The names in `DUP name name`; `None` for groups of another kind.
pub(super) fn is_duplication(group: &Attribute) -> Option<Vec<&str>> {
    let mut words = group.value().split_ascii_whitespace();
    words.next().filter(|semantics| semantics.eq_ignore_ascii_case("DUP"))?;
    Some(words.collect())
}

/// Reads `- 1311738121 1311738121 IN IP4 192.0.2.1`. From a malformed line, the fields that can be
/// read are returned; the flag is true if the line is well-formed.
pub(super) fn parse_origin(value: &str) -> (Origin, bool) {
    let fields: Vec<&str> = value.split_whitespace().collect();
    if let [username, session_id, version, net, family, address] = fields[..]
        && let Ok(version) = version.parse()
        && net == "IN"
        && ["IP4", "IP6"].contains(&family)
    {
        let [username, session_id, address] = [username, session_id, address].map(str::to_owned);
        return (Origin { username, session_id, version, address }, true);
    }
    // A user name may wrongly consist of several words, so the other fields are the last five.
    let split = fields.len().saturating_sub(5).max(1).min(fields.len());
    let (name, rest) = fields.split_at(split);
    let digits = |text: &&&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let version = rest.get(1).filter(digits).map_or(0, |text| text.parse().unwrap_or(u64::MAX));
    let address = rest.last().filter(|text| text.contains(['.', ':'])).map_or("0.0.0.0", |text| text);
    let username = if name.is_empty() { "-".to_owned() } else { name.join("_") };
    let session_id = rest.first().map_or("0", |text| text).to_owned();
    (Origin { username, session_id, version, address: address.to_owned() }, false)
}

/// The fields of an `m=` line for audio.
pub(super) struct MediaLine {
    pub(super) port: u16,
    pub(super) payload_types: Vec<u8>,
    pub(super) lints: Vec<Lint>,
}

pub(super) fn media_line(section: &Section<'_>) -> Result<MediaLine, Refusal> {
    let value = section.media.as_ref().map_or("", |line| &line.value);
    let mut lints = Vec::new();
    let joined = value.split('/').map(str::trim).collect::<Vec<_>>().join("/");
    let mut fields = joined.split_whitespace();
    let medium = fields.next().ok_or(Refusal::MediaLine)?;
    if !medium.eq_ignore_ascii_case("audio") {
        return Err(Refusal::Medium(medium.to_owned()));
    }
    let port = fields.next().ok_or(Refusal::MediaLine)?;
    // A range such as `5004-5005` names the RTP and RTCP ports of one stream, so it counts as one.
    let (rtp, rest) = port.split_once(['/', '-']).unwrap_or((port, "1"));
    let count = if port.contains('-') { "1" } else { rest };
    if port.contains('-') {
        lints.push(Lint::Spelling { written: port.to_owned(), right: rtp.to_owned() });
    }
    let port = rtp.parse().map_err(|_| Refusal::MediaLine)?;
    if port == 0 {
        return Err(Refusal::PortZero);
    }
    if let Some(count) = count.parse().ok().filter(|&count| count != 1) {
        lints.push(Lint::PortCount(count));
    }
    let transport = fields.next().ok_or(Refusal::MediaLine)?;
    let right = match transport.to_ascii_uppercase() {
        bare if bare == "AVP" => "RTP/AVP".to_owned(),
        other => other,
    };
    if !["RTP/AVP", "RTP/AVPF"].contains(&right.as_str()) {
        return Err(Refusal::Transport(transport.to_owned()));
    }
    for (written, right) in [(medium, "audio"), (transport, &right)] {
        if written != right {
            lints.push(Lint::Spelling { written: written.to_owned(), right: right.to_owned() });
        }
    }
    if joined != value && value.contains('/') {
        lints.push(Lint::Blanks);
    }
    let payload_types = fields.filter_map(|number| number.parse().ok()).filter(|&number| number < 128).collect();
    Ok(MediaLine { port, payload_types, lints })
}

/// An `a=rtpmap`: the payload type, and its format if that is supported.
pub(super) struct FormatMap {
    pub(super) payload_type: u8,
    pub(super) format: Option<StreamFormat>,
    /// The format as written.
    pub(super) written: String,
    pub(super) lints: Vec<Lint>,
}

/// Reads `96 L24/48000/2`; if the channel count is omitted, it is 1. Other separators and rates
/// with a unit are accepted, too.
pub(super) fn parse_map(value: &str) -> Option<FormatMap> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, rest) = value.split_at(end);
    let payload_type = number.parse().ok().filter(|&number| number < 128)?;
    let written = rest.trim_start_matches([':', '/']).trim();
    let mut map = FormatMap { payload_type, format: None, written: written.to_owned(), lints: Vec::new() };
    let separators = |c: char| c == '/' || c.is_whitespace();
    let parts: Vec<&str> = written.split(separators).filter(|part| !part.is_empty()).collect();
    let (name, rate, channels) = match parts[..] {
        [name, rate] => (name, rate, None),
        [name, rate, channels, ..] => (name, rate, Some(channels)),
        _ => return Some(map),
    };
    let encoding = match name.to_ascii_uppercase().as_str() {
        "L16" => Encoding::L16,
        "L24" => Encoding::L24,
        _ => return Some(map),
    };
    let Some(rate) = rate_hz(rate).filter(|hz| SAMPLE_RATES_HZ.contains(hz)).and_then(SampleRate::from_hz) else {
        return Some(map);
    };
    let number = channels.map_or(Some(1), |channels| channels.parse().ok());
    map.format = number.and_then(|channels| StreamFormat::new(encoding, rate, channels).ok());
    let tail = channels.map_or_else(String::new, |channels| format!("/{channels}"));
    // Encoding names are case-insensitive (RFC 4855, 3).
    let right = format!("{payload_type} {name}/{}{tail}", rate.as_hz());
    if value != right {
        map.lints.push(Lint::Spelling { written: format!("a=rtpmap:{value}"), right: format!("a=rtpmap:{right}") });
    }
    if channels.is_none() {
        map.lints.push(Lint::NoChannels);
    }
    Some(map)
}

/// Reads `48000`, `48000Hz`, `48k` or `44.1kHz`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and at most MAX_RATE_HZ")]
fn rate_hz(text: &str) -> Option<u32> {
    let (number, unit) = number_and_unit(text)?;
    let hz = match unit.to_ascii_lowercase().as_str() {
        "" | "hz" => number,
        "k" | "khz" => 1000.0 * number,
        _ => return None,
    };
    (hz <= f64::from(MAX_RATE_HZ)).then(|| libm::round(hz) as u32)
}

/// Splits a text into a decimal number, which may have a point or a comma, and the rest.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.replace(',', ".").parse().ok()?, unit.trim()))
}

pub(super) fn static_format(payload_type: u8) -> Option<StreamFormat> {
    let (_, channels) = STATIC_L16.into_iter().find(|&(number, _)| number == payload_type)?;
    StreamFormat::new(Encoding::L16, SampleRate::from_hz(44_100)?, channels).ok()
}

/// Converts a duration in milliseconds to frames. A decimal comma and a unit are tolerated; in
/// that case, the standard spelling is also returned.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 1, and at most those of MAX_PACKET_MS"
)]
pub(super) fn frames_of_ms(text: &str, rate: SampleRate) -> Option<(usize, Option<String>)> {
    let (number, unit) = number_and_unit(text)?;
    let ms = match unit {
        "" | "ms" => number,
        "us" | "µs" | "μs" => number / 1000.0,
        _ => return None,
    };
    let frames = libm::round(ms * f64::from(rate.as_hz()) / 1000.0);
    let is_standard = unit.is_empty() && !text.contains(',');
    let right = (!is_standard).then(|| ms.to_string());
    (ms <= MAX_PACKET_MS && frames >= 1.0).then_some((frames as usize, right))
}

/// Reads a number of frames. RAVENNA may state a range, of which the first number is used.
pub(super) fn frames_of_count(text: &str, rate: SampleRate) -> Option<usize> {
    let first = text.split_once('-').map_or(text, |(first, _)| first);
    first.trim().parse().ok().filter(|frames| (1..=rate.as_hz() as usize).contains(frames))
}

/// The value of `channel-order=` in the `a=fmtp` line for this payload type.
pub(super) fn channel_order(section: &Section<'_>, payload_type: u8) -> Option<String> {
    let mut parameters = section
        .all("fmtp")
        .filter_map(|fmtp| fmtp.value().split_once(char::is_whitespace))
        .filter(|(number, _)| number.parse() == Ok(payload_type))
        .flat_map(|(_, parameters)| parameters.split(';'));
    let order = parameters.find_map(|parameter| parameter.trim().strip_prefix("channel-order="))?;
    order.split_ascii_whitespace().next().map(str::to_owned)
}
