//! Writes descriptions in the form that the standards require.

use super::clock::{MediaClockSource, ReferenceClock};
use super::{Description, LegDescription, StreamDescription};
use crate::units::{Frames, SampleRate};
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;

impl Description {
    /// Writes the description, with the lines in the order of RFC 8866 and CRLF line ends. Control
    /// characters, which could break a line, are replaced with blanks.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        let mut text = Lines(String::new());
        self.write(&mut text);
        text.0
    }

    fn write(&self, text: &mut Lines) {
        let origin = &self.origin;
        let [user, id, address] = [&origin.username, &origin.session_id, &origin.address].map(|field| word(field));
        text.add(format_args!("v=0"));
        text.add(format_args!("o={user} {id} {} IN {} {address}", origin.version, family_of(&address)));
        let name = one_line(&self.name);
        text.add(format_args!("s={}", if name.is_empty() { "-" } else { &name }));
        if let Some(information) = &self.information {
            text.add(format_args!("i={}", one_line(information)));
        }
        text.add(format_args!("t=0 0"));
        for (index, stream) in self.streams.iter().enumerate().filter(|(_, stream)| stream.legs.len() > 1) {
            let [first, second] = self.mids(index);
            text.add(format_args!("a=group:DUP {first} {second}"));
            debug_assert_eq!(stream.legs.len(), 2);
        }
        for (index, stream) in self.streams.iter().enumerate() {
            let mids = self.mids(index);
            let mids = if stream.legs.len() > 1 { mids.map(Some) } else { [None, None] };
            stream.legs.iter().zip(mids).for_each(|(leg, mid)| write_medium(text, stream, leg, mid));
        }
    }

    /// The names (`a=mid`) for the legs of the stream with this index.
    fn mids(&self, index: usize) -> [String; 2] {
        let number = if self.streams.len() == 1 { String::new() } else { (index + 1).to_string() };
        ["primary", "secondary"].map(|leg| format!("{leg}{number}"))
    }
}

fn write_medium(text: &mut Lines, stream: &StreamDescription, leg: &LegDescription, mid: Option<String>) {
    let StreamDescription { format, payload_type, .. } = stream;
    let rate = format.sample_rate();
    let payload_types = || std::iter::once(*payload_type).chain(stream.alternative_payload_type);
    let list: Vec<String> = payload_types().map(|number| number.to_string()).collect();
    text.add(format_args!("m=audio {} RTP/AVP {}", leg.port, list.join(" ")));
    let family = family(leg.destination);
    match leg.ttl {
        Some(ttl) => text.add(format_args!("c=IN {family} {}/{ttl}", leg.destination)),
        None => text.add(format_args!("c=IN {family} {}", leg.destination)),
    }
    if let Some(source) = leg.source {
        text.add(format_args!("a=source-filter: incl IN {family} {} {source}", leg.destination));
    }
    for number in payload_types() {
        text.add(format_args!("a=rtpmap:{number} {}/{}/{}", format.encoding(), rate.as_hz(), format.channels()));
    }
    if let Some(order) = &stream.channel_order {
        text.add(format_args!("a=fmtp:{payload_type} channel-order={}", word(order)));
    }
    if let Some(frames) = stream.packet_frames {
        text.add(format_args!("a=ptime:{}", milliseconds(frames, rate)));
    }
    if let Some(frames) = stream.max_packet_frames {
        text.add(format_args!("a=maxptime:{}", milliseconds(frames, rate)));
    }
    if let Some(frames) = stream.packet_frames {
        text.add(format_args!("a=framecount:{frames}"));
    }
    if leg.reference_clock != ReferenceClock::Unknown {
        text.add(format_args!("a=ts-refclk:{}", one_line(&leg.reference_clock.to_string())));
    }
    if stream.media_clock != MediaClockSource::Unknown {
        text.add(format_args!("a=mediaclk:{}", stream.media_clock));
    }
    text.add(format_args!("a=recvonly"));
    if let Some(mid) = mid {
        text.add(format_args!("a=mid:{mid}"));
    }
}

struct Lines(String);

impl Lines {
    fn add(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push_str("\r\n");
    }
}

const fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}

/// The address family of a host; `IP4` if the host is given by name.
fn family_of(host: &str) -> &'static str {
    host.parse().map_or("IP4", family)
}

/// Trims the text, and replaces characters that would end the line with blanks.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        return text.replace(char::is_control, " ").trim_ascii().to_owned().into();
    }
    text.trim_ascii().into()
}

/// Converts the text to a single word, which is never empty.
fn word(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        return "-".into();
    }
    let breaks = |c: char| c.is_control() || c == ' ';
    if text.contains(breaks) { text.replace(breaks, "_").into() } else { text.into() }
}

/// Formats the duration of `frames` in milliseconds: with up to two decimals at 44.1 kHz, as in
/// AES67, and with up to three at other rates.
fn milliseconds(frames: usize, rate: SampleRate) -> String {
    let ms = Frames::of(frames).as_f64() * 1000.0 / f64::from(rate.as_hz());
    let text = if rate.as_hz() == 44_100 { format!("{ms:.2}") } else { format!("{ms:.3}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
