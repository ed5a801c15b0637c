//! What the lines of a description mean.

use super::clock::{self, MediaClockSource, ReferenceClock};
use super::fields::{
    STATIC_L16, channel_order, frames_of_count, frames_of_ms, is_duplication, media_line, parse_connection,
    parse_filter, parse_format, parse_origin, static_format,
};
use super::lint::{Finding, Lint};
use super::text::{Attribute, Line, Section, Text};
use super::{Description, LegDescription, MAX_STREAMS, MAX_TEXT, Origin, Parsed, Refusal, SdpError, StreamDescription};
use crate::rtp::format::{MAX_PAYLOAD, StreamFormat};
use std::net::IpAddr;

/// Findings that are told; nobody reads more.
const MAX_FINDINGS: usize = 64;
/// Dynamic payload types begin here (RFC 3551, 6).
const FIRST_DYNAMIC: u8 = 96;

/// One medium that can be received.
struct Medium {
    line: usize,
    mid: Option<String>,
    stream: StreamDescription,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, SdpError> {
    if bytes.len() > MAX_TEXT {
        return Err(SdpError::TooLong { bytes: bytes.len() });
    }
    let text = Text::new(bytes);
    if !text.is_sdp {
        return Err(SdpError::NotSdp);
    }
    let mut reader = Reader { session: &text.session, findings: Vec::new() };
    reader.lines(&text);
    let origin = reader.origin();
    let name = reader.name();
    let mut media = Vec::new();
    let mut first_refusal = None;
    for section in &text.media {
        let medium = if media.len() < MAX_STREAMS { reader.medium(section) } else { Err(Refusal::TooMany) };
        match medium {
            Ok(medium) => media.push(medium),
            Err(reason) => {
                reader.find(section.line(), Lint::Refused(reason.clone()));
                first_refusal.get_or_insert((section.line(), reason));
            }
        }
    }
    if media.is_empty() {
        return Err(match first_refusal {
            Some((line, reason)) => SdpError::NoStream { line, reason },
            None => SdpError::NoMedia { line: text.lines },
        });
    }
    // Dante tells of the channels in the medium.
    let sections = std::iter::once(&text.session).chain(&text.media);
    let information = sections.flat_map(|section| &section.information).map(|line| line.value.to_string()).next();
    let streams = reader.join(media);
    Ok(Parsed { description: Description { origin, name, information, streams }, findings: reader.findings })
}

/// Interprets media with the session's attributes as defaults.
struct Reader<'t> {
    session: &'t Section<'t>,
    findings: Vec<Finding>,
}

impl<'t> Reader<'t> {
    fn find(&mut self, line: usize, lint: Lint) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { line, lint });
        }
    }

    fn find_all(&mut self, line: usize, lints: Vec<Lint>) {
        lints.into_iter().for_each(|lint| self.find(line, lint));
    }

    /// The medium's attribute, or else the session's.
    fn attribute<'a>(&self, section: &'a Section<'a>, name: &str) -> Option<&'a Attribute<'a>>
    where
        't: 'a,
    {
        section.attribute(name).or_else(|| self.session.attribute(name))
    }

    fn lines(&mut self, text: &Text<'_>) {
        if let Some(line) = text.bare_line_end {
            self.find(line, Lint::LineEnd);
        }
        text.no_lines.iter().for_each(|&line| self.find(line, Lint::NoLine));
        if !text.session.time {
            self.find(1, Lint::Time);
        }
    }

    fn origin(&mut self) -> Origin {
        let line = self.session.origin.as_ref();
        let parsed = line.and_then(|line| parse_origin(&line.value));
        parsed.unwrap_or_else(|| {
            self.find(line.map_or(1, |line| line.number), Lint::Origin);
            Origin { username: "-".to_owned(), session_id: "0".to_owned(), version: 0, address: "0.0.0.0".to_owned() }
        })
    }

    fn name(&mut self) -> String {
        let name = self.session.name.as_ref();
        let is_named = |line: &&Line<'_>| !line.value.is_empty() && line.value != "-";
        match name.filter(is_named) {
            Some(line) => line.value.to_string(),
            None => {
                self.find(name.map_or(1, |line| line.number), Lint::Name);
                String::new()
            }
        }
    }

    fn medium(&mut self, section: &Section<'t>) -> Result<Medium, Refusal> {
        let line = section.line();
        let (port, payload_types) = media_line(section)?;
        let (payload_type, format) = self.format(section, &payload_types)?;
        let address = section.connection.as_ref().or(self.session.connection.as_ref());
        let connection = address.ok_or(Refusal::NoAddress)?;
        let (destination, ttl) = parse_connection(&connection.value).ok_or(Refusal::NoAddress)?;
        self.check_address(connection.number, destination, ttl);
        if port % 2 == 1 {
            self.find(line, Lint::OddPort(port));
        }
        if payload_type < FIRST_DYNAMIC && STATIC_L16.iter().all(|&(number, _)| number != payload_type) {
            self.find(line, Lint::StaticPayloadType(payload_type));
        }
        let (packet_frames, max_packet_frames) = self.packet_time(section, format);
        let reference_clock = self.reference_clock(section);
        let leg = LegDescription { destination, port, ttl, source: None, reference_clock };
        let stream = StreamDescription {
            format,
            payload_type,
            packet_frames,
            max_packet_frames,
            media_clock: self.media_clock(section, format),
            channel_order: channel_order(section, payload_type),
            legs: self.legs(section, leg),
        };
        self.check_direction(section);
        Ok(Medium { line, mid: section.attribute("mid").map(|mid| mid.value().to_owned()), stream })
    }

    /// The first payload type that has a format of ours.
    fn format(&self, section: &Section<'t>, payload_types: &[u8]) -> Result<(u8, StreamFormat), Refusal> {
        let mut refusal = None;
        for &payload_type in payload_types {
            let maps = section.all("rtpmap").chain(self.session.all("rtpmap"));
            let map = maps
                .filter_map(|map| map.value().split_once(char::is_whitespace))
                .find(|(number, _)| number.parse() == Ok(payload_type))
                .map(|(_, format)| format.trim());
            let format = match map {
                Some(map) => parse_format(map).ok_or_else(|| Refusal::Format(map.to_owned())),
                None => static_format(payload_type).ok_or(Refusal::NoFormat(payload_type)),
            };
            match format {
                Ok(format) => return Ok((payload_type, format)),
                Err(reason) => drop(refusal.get_or_insert(reason)),
            }
        }
        Err(refusal.unwrap_or(Refusal::MediaLine))
    }

    fn check_address(&mut self, line: usize, destination: IpAddr, ttl: Option<u8>) {
        if destination.is_ipv4() && destination.is_multicast() {
            match ttl {
                None => self.find(line, Lint::NoTtl),
                Some(0 | 1) => self.find(line, Lint::TtlOne),
                Some(_) => {}
            }
        }
    }

    /// Frames in a packet, and the most.
    fn packet_time(&mut self, section: &Section<'t>, format: StreamFormat) -> (Option<usize>, Option<usize>) {
        let rate = format.sample_rate();
        let by_time = self.number(section, "ptime", |text| frames_of_ms(text, rate));
        let most = self.number(section, "maxptime", |text| frames_of_ms(text, rate));
        let counted = self.number(section, "framecount", |text| frames_of_count(text, rate));
        if let (Some(frames), Some(by_packet_time)) = (counted, by_time)
            && frames.abs_diff(by_packet_time) > 1
        {
            self.find(section.line(), Lint::FrameCount { frames, by_packet_time });
        }
        let frames = counted.or(by_time);
        match frames {
            None => self.find(section.line(), Lint::NoPacketTime),
            Some(frames) => {
                let bytes = frames * format.bytes_per_frame();
                if bytes > MAX_PAYLOAD {
                    self.find(section.line(), Lint::Payload { bytes });
                }
                if most.is_some_and(|most| most + 1 < frames) {
                    self.find(section.line(), Lint::MaxPacketTime);
                }
            }
        }
        (frames, most)
    }

    fn number(&mut self, section: &Section<'t>, name: &str, read: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        let attribute = self.attribute(section, name)?;
        let number = read(attribute.value());
        if number.is_none() {
            self.find(attribute.line, Lint::PacketTime(format!("a={name}:{}", attribute.value())));
        }
        number
    }

    /// The clock that the medium names, or else the session; of several the first that is PTP.
    fn reference_clock(&mut self, section: &Section<'t>) -> ReferenceClock {
        let domain = self.attribute(section, "clock-domain").and_then(|domain| clock::clock_domain(domain.value()));
        let own = section.attribute("ts-refclk").is_some();
        let level = if own { section } else { self.session };
        let mut chosen: Option<(usize, ReferenceClock, Vec<Lint>)> = None;
        for attribute in level.all("ts-refclk") {
            let mut lints = Vec::new();
            let clock = clock::reference_clock(attribute.value(), domain, &mut lints);
            if chosen.is_none() || clock.is_ptp() {
                let done = clock.is_ptp();
                chosen = Some((attribute.line, clock, lints));
                if done {
                    break;
                }
            }
        }
        let Some((line, clock, lints)) = chosen else {
            self.find(section.line(), Lint::NoReferenceClock);
            return ReferenceClock::Unknown;
        };
        self.find_all(line, lints);
        clock
    }

    fn media_clock(&mut self, section: &Section<'t>, format: StreamFormat) -> MediaClockSource {
        let Some(attribute) = self.attribute(section, "mediaclk") else {
            self.find(section.line(), Lint::NoMediaClock);
            return MediaClockSource::Unknown;
        };
        let mut lints = Vec::new();
        let clock = clock::media_clock(attribute.value(), format.sample_rate().as_hz(), &mut lints);
        self.find_all(attribute.line, lints);
        clock
    }

    /// The leg with the source that its filter names; two legs if there are two sources that send the same (RFC 7104, 4.2).
    fn legs(&mut self, section: &Section<'t>, leg: LegDescription) -> Vec<LegDescription> {
        let own = section.attribute("source-filter").is_some();
        let level = if own { section } else { self.session };
        let mut sources = Vec::new();
        for filter in level.all("source-filter") {
            match parse_filter(filter.value()) {
                Some((destination, found)) if destination.is_none_or(|to| to == leg.destination) => sources = found,
                Some(_) => {}
                None => self.find(filter.line, Lint::SourceFilter(filter.value().to_owned())),
            }
        }
        let twice = section.attribute("ssrc-group").is_some_and(|group| is_duplication(group).is_some());
        match sources[..] {
            [first, second] if twice => {
                [first, second].map(|source| LegDescription { source: Some(source), ..leg.clone() }).into()
            }
            [source] => vec![LegDescription { source: Some(source), ..leg }],
            _ => vec![leg],
        }
    }

    fn check_direction(&mut self, section: &Section<'t>) {
        for name in ["sendonly", "inactive"] {
            if let Some(attribute) = self.attribute(section, name) {
                self.find(attribute.line, Lint::Direction(name.to_owned()));
            }
        }
    }

    /// Makes one stream of media that are its legs.
    fn join(&mut self, mut media: Vec<Medium>) -> Vec<StreamDescription> {
        for group in self.session.all("group") {
            let Some(mids) = is_duplication(group) else { continue };
            let [first, second] = mids[..] else {
                self.find(group.line, Lint::Duplication);
                continue;
            };
            let at = |mid: &str| media.iter().position(|medium| medium.mid.as_deref() == Some(mid));
            let (Some(first), Some(second)) = (at(first), at(second)) else {
                self.find(group.line, Lint::Duplication);
                continue;
            };
            if first == second || !is_same(&media[first].stream, &media[second].stream) {
                self.find(group.line, Lint::Duplication);
                continue;
            }
            let legs = std::mem::take(&mut media[second].stream.legs);
            media[first].stream.legs.extend(legs);
            media.remove(second);
        }
        media.sort_by_key(|medium| medium.line);
        media.into_iter().map(|medium| medium.stream).collect()
    }
}

/// Whether two media of one leg each can be the same stream.
fn is_same(one: &StreamDescription, other: &StreamDescription) -> bool {
    let single = one.legs.len() == 1 && other.legs.len() == 1;
    single
        && one.format == other.format
        && one.payload_type == other.payload_type
        && one.media_clock == other.media_clock
}
