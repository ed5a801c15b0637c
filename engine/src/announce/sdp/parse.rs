//! Interprets the lines of a description.

use super::address::{Connection, ConnectionLine, parse_connection, parse_filter};
use super::clock::{self, MediaClockSource, ReferenceClock};
use super::decode::to_utf8;
use super::fields::{
    FormatMap, STATIC_L16, channel_order, frames_of_count, frames_of_ms, is_duplication, media_line, parse_map,
    parse_origin, static_format,
};
use super::lint::{Finding, Lint};
use super::text::{Attribute, Line, Section, Text};
use super::{
    Description, LegDescription, MAX_STREAMS, MAX_TEXT, Obstacle, Origin, Parsed, Refusal, SdpError, StreamDescription,
};
use crate::rtp::format::{MAX_PAYLOAD, StreamFormat};
use std::net::IpAddr;

/// Maximum number of findings that are reported.
const MAX_FINDINGS: usize = 64;
/// The first dynamic payload type (RFC 3551, 6).
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
    let (bytes, encoding) = to_utf8(bytes);
    let text = Text::new(&bytes);
    if !text.is_sdp() {
        return Err(SdpError::NotSdp);
    }
    let mut reader = Reader { session: &text.session, findings: Vec::new(), only: text.media.len() == 1 };
    reader.find_all(1, encoding.into_iter().collect());
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
    // Dante lists the channels in the `i=` line of the medium.
    let sections = std::iter::once(&text.session).chain(&text.media);
    let information = sections.flat_map(|section| &section.information).map(|line| line.value.to_string()).next();
    let streams = reader.join(media);
    Ok(Parsed { description: Description { origin, name, information, streams }, findings: reader.findings })
}

/// Interprets the media, with the session's attributes as defaults.
struct Reader<'t> {
    session: &'t Section<'t>,
    findings: Vec<Finding>,
    /// Whether there is only one medium, in which case everything at session level applies to it.
    only: bool,
}

/// The format of a medium.
struct Format {
    payload_type: u8,
    alternative: Option<u8>,
    format: StreamFormat,
}

impl<'t> Reader<'t> {
    /// Adds a finding. A finding at session level is reported once, however many media it applies
    /// to.
    fn find(&mut self, line: usize, lint: Lint) {
        let finding = Finding { line, lint };
        if self.findings.len() < MAX_FINDINGS && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn find_all(&mut self, line: usize, lints: Vec<Lint>) {
        lints.into_iter().for_each(|lint| self.find(line, lint));
    }

    /// Returns the media-level attribute or, failing that, the session-level one.
    fn attribute<'a>(&self, section: &'a Section<'a>, name: &str) -> Option<&'a Attribute>
    where
        't: 'a,
    {
        section.attribute(name).or_else(|| self.session.attribute(name))
    }

    fn lines(&mut self, text: &Text<'_>) {
        text.findings.iter().for_each(|(line, lint)| self.find(*line, lint.clone()));
        if text.version.is_none() {
            self.find(1, Lint::NoVersion);
        }
        if !text.session.time {
            self.find(1, Lint::Time);
        }
    }

    fn origin(&mut self) -> Origin {
        let line = self.session.origin.as_ref();
        let (origin, is_whole) = parse_origin(line.map_or("", |line| &line.value));
        if !is_whole {
            self.find(line.map_or(1, |line| line.number), Lint::Origin);
        }
        origin
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
        let media = media_line(section)?;
        let Format { payload_type, alternative, format } = self.format(section, &media.payload_types)?;
        let (destination, ttl) = self.address(section)?;
        self.find_all(line, media.lints);
        let port = media.port;
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
            alternative_payload_type: alternative,
            packet_frames,
            max_packet_frames,
            media_clock: self.media_clock(section, format),
            channel_order: channel_order(section, payload_type),
            legs: self.legs(section, leg),
        };
        self.check_direction(section);
        let obstacles: Vec<_> = stream.legs.iter().filter_map(|leg| leg.check().err()).map(Lint::Obstacle).collect();
        self.find_all(line, obstacles);
        Ok(Medium { line, mid: section.attribute("mid").map(|mid| mid.value().to_owned()), stream })
    }

    /// Finds the first payload type with a supported format, and an alternative payload type with
    /// the same format.
    fn format(&mut self, section: &Section<'t>, payload_types: &[u8]) -> Result<Format, Refusal> {
        let (maps, session_maps) = (section.all("rtpmap"), self.session.all("rtpmap"));
        let all: Vec<&Attribute> = maps.chain(session_maps).collect();
        let maps: Vec<(usize, FormatMap)> =
            all.iter().filter_map(|map| Some((map.line, parse_map(map.value())?))).collect();
        let of = |number: u8| match maps.iter().find(|(_, map)| map.payload_type == number) {
            Some((_, map)) => map.format.ok_or_else(|| Refusal::Format(map.written.clone())),
            None => static_format(number).ok_or(Refusal::NoFormat(number)),
        };
        let formats: Vec<_> = payload_types.iter().map(|&number| (number, of(number))).collect();
        let known = formats.iter().find_map(|(number, format)| Some((*number, *format.as_ref().ok()?)));
        let found = match (known, &maps[..]) {
            (Some((payload_type, format)), _) => {
                let others = || formats.iter().filter(|(number, _)| *number != payload_type);
                let alternative = others().find(|(_, other)| *other == Ok(format)).map(|&(number, _)| number);
                if others().any(|(_, other)| *other != Ok(format)) {
                    self.find(section.line(), Lint::MoreFormats);
                }
                Format { payload_type, alternative, format }
            }
            (None, [(_, FormatMap { payload_type: mapped, format: Some(format), .. })]) => {
                let (mapped, format) = (*mapped, *format);
                match payload_types.first() {
                    Some(&listed) => {
                        self.find(section.line(), Lint::OtherPayloadType { listed, mapped });
                        Format { payload_type: listed, alternative: Some(mapped), format }
                    }
                    None => {
                        self.find(section.line(), Lint::NoPayloadType(mapped));
                        Format { payload_type: mapped, alternative: None, format }
                    }
                }
            }
            _ => {
                let refusal = formats.into_iter().find_map(|(_, format)| format.err());
                return Err(refusal.unwrap_or(Refusal::MediaLine));
            }
        };
        let is_used = |number| number == found.payload_type || found.alternative == Some(number);
        for (line, map) in maps.into_iter().filter(|(_, map)| is_used(map.payload_type)) {
            self.find_all(line, map.lints);
        }
        let payload_type = found.payload_type;
        let same = |map: &&&Attribute| parse_map(map.value()).is_some_and(|map| map.payload_type == payload_type);
        if let Some(second) = all.iter().filter(same).nth(1) {
            self.find(second.line, Lint::Doubled(format!("a=rtpmap:{payload_type}")));
        }
        self.check_level(section, "rtpmap");
        Ok(found)
    }

    /// Reports an attribute that belongs at media level but occurs only at session level.
    fn check_level(&mut self, section: &Section<'t>, name: &str) {
        if section.attribute(name).is_none()
            && let Some(line) = self.session.attribute(name).map(|attribute| attribute.line)
        {
            self.find(line, Lint::SessionLevel(name.to_owned()));
        }
    }

    /// The address of the medium or, failing that, of the session, with its TTL.
    fn address(&mut self, section: &Section<'t>) -> Result<(IpAddr, Option<u8>), Refusal> {
        let session = self.session;
        let mut refusal = Refusal::NoAddress;
        for level in [section, session] {
            let mut chosen: Option<(IpAddr, Option<u8>)> = None;
            for line in &level.connections {
                let lints = match parse_connection(&line.value) {
                    ConnectionLine::Read(_) if chosen.is_some() => vec![Lint::MoreAddresses],
                    ConnectionLine::Read(Connection { address, ttl, lints }) => {
                        chosen = Some((address, ttl));
                        lints
                    }
                    ConnectionLine::OtherNet(net) => vec![Lint::OtherNet(net)],
                    ConnectionLine::Unreadable => {
                        refusal = Refusal::Address(line.value.to_string());
                        vec![Lint::Address(line.value.to_string())]
                    }
                };
                self.find_all(line.number, lints);
            }
            if let Some(chosen) = chosen {
                return Ok(chosen);
            }
        }
        Err(refusal)
    }

    /// The number of frames in a packet, and its maximum, if stated.
    fn packet_time(&mut self, section: &Section<'t>, format: StreamFormat) -> (Option<usize>, Option<usize>) {
        let rate = format.sample_rate();
        let by_time = self.number(section, "ptime", |text| frames_of_ms(text, rate));
        let most = self.number(section, "maxptime", |text| frames_of_ms(text, rate));
        let counted = self.number(section, "framecount", |text| Some((frames_of_count(text, rate)?, None)));
        let is_told = self.attribute(section, "ptime").or(self.attribute(section, "framecount")).is_some();
        if let (Some(frames), Some(by_packet_time)) = (counted, by_time)
            && frames.abs_diff(by_packet_time) > 1
        {
            self.find(section.line(), Lint::FrameCount { frames, by_packet_time });
        }
        let frames = counted.or(by_time);
        match frames {
            // An unreadable value has already been reported.
            None if is_told => {}
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

    /// Reads an attribute as a number of frames; `read` also returns the correct spelling if the
    /// value is spelt differently.
    fn number(
        &mut self,
        section: &Section<'t>,
        name: &str,
        read: impl Fn(&str) -> Option<(usize, Option<String>)>,
    ) -> Option<usize> {
        self.check_level(section, name);
        let attribute = self.attribute(section, name)?;
        let (line, written) = (attribute.line, format!("a={name}:{}", attribute.value()));
        let Some((frames, right)) = read(attribute.value()) else {
            self.find(line, Lint::PacketTime(written));
            return None;
        };
        if let Some(right) = right {
            self.find(line, Lint::Spelling { written, right: format!("a={name}:{right}") });
        }
        Some(frames)
    }

    /// The clock of the medium or, failing that, of the session. If there are several clocks, the
    /// first PTP clock is used.
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

    /// Adds to the leg the sender that the source filter accepts. If two senders send the same
    /// stream, returns two legs (RFC 7104, 4.2).
    fn legs(&mut self, section: &Section<'t>, leg: LegDescription) -> Vec<LegDescription> {
        let own = section.attribute("source-filter").is_some();
        let level = if own { section } else { self.session };
        let mut sources = Vec::new();
        for attribute in level.all("source-filter") {
            let line = attribute.line;
            let filter = match parse_filter(attribute.value()) {
                Ok(filter) => filter,
                Err(lint) => {
                    self.find(line, lint);
                    continue;
                }
            };
            match filter.destination.filter(|&to| to != leg.destination) {
                // A filter at session level may apply to another medium.
                Some(other) if own || self.only => self.find(line, Lint::OtherDestination(other)),
                Some(_) => {}
                None => {
                    self.find_all(line, filter.lints);
                    sources = filter.sources;
                    sources.retain(|&source| self.is_sender(line, source, leg.destination));
                }
            }
        }
        let twice = section.attribute("ssrc-group").is_some_and(|group| is_duplication(group).is_some());
        match sources[..] {
            [first, second] if twice => {
                [first, second].map(|source| LegDescription { source: Some(source), ..leg.clone() }).into()
            }
            [source] => vec![LegDescription { source: Some(source), ..leg }],
            [] => vec![leg],
            _ => {
                let line = level.attribute("source-filter").map_or(section.line(), |filter| filter.line);
                self.find(line, Lint::SeveralSenders);
                vec![leg]
            }
        }
    }

    /// Returns whether this source can send packets to the destination. Reports what is wrong with
    /// the source.
    fn is_sender(&mut self, line: usize, source: IpAddr, destination: IpAddr) -> bool {
        if Obstacle::check_sender(source).is_err() || source.is_ipv4() != destination.is_ipv4() {
            self.find(line, Lint::NoSender(source));
            return false;
        }
        if source.is_loopback() && !destination.is_loopback() {
            self.find(line, Lint::LoopbackSender(source));
        }
        true
    }

    fn check_direction(&mut self, section: &Section<'t>) {
        for name in ["sendonly", "inactive"] {
            if let Some(attribute) = self.attribute(section, name) {
                self.find(attribute.line, Lint::Direction(name.to_owned()));
            }
        }
    }

    /// Joins media that are legs of one stream.
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

/// Whether two media with one leg each can be the same stream.
fn is_same(one: &StreamDescription, other: &StreamDescription) -> bool {
    let single = one.legs.len() == 1 && other.legs.len() == 1;
    single
        && one.format == other.format
        && one.payload_type == other.payload_type
        && one.media_clock == other.media_clock
}
