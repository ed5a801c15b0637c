//! Selects streams: by a description in a file or from a device, by a URL, or by the name of an
//! announced session.
//!
//! | form | meaning |
//! |---|---|
//! | `studio.sdp`, `sdp:///folder/studio.sdp`, or with `file://` | a description in a file |
//! | `rtsp://host/by-name/Studio` | the description that a device serves |
//! | `Studio 1`, `aes67://sap/Studio%201` | a session that is announced under this name |
//! | `aes67://239.69.0.1:5004` | a group, on PTP |
//! | `rtp://239.69.0.1:5004` | a group, played by arrivals |
//! | `livewire:6031` | a channel of Livewire |
//!
//! Options may follow each form (`?interface=eth1&latency=20`) and, if a description has several
//! streams, the number of a stream (`#2`).

mod options;
mod path;
mod url;

use crate::failure::{Failure, Result};
use crate::session::{Session, warn};
use clap::Args;
use engine::Nanos;
use engine::announce::sap::Entry;
use engine::announce::sdp::{Description, Parsed, StreamDescription};
use engine::receive::Described;
use net::clock;
use net::interface::Interface;
use net::sap::SapListener;
use net::stream::LegConfig;
use options::{Options, Suffix};
use std::net::Ipv4Addr;
use std::path::Path;

/// Time after which every device has announced its streams: devices announce about every 30 s
/// (RFC 2974, 3.1).
const PATIENCE: Nanos = Nanos::from_secs(40);

/// A stream and its options.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) stream: StreamDescription,
    /// The payload type, if known.
    pub(crate) payload_type: Option<u8>,
    /// The interfaces given for this stream: none, one, or one for each leg.
    pub(crate) interfaces: Vec<String>,
    pub(crate) latency_ms: Option<f64>,
    pub(crate) domain: Option<u8>,
}

/// Accepted announcers.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SapSources {
    /// Take announcements from this address only; several times for several addresses
    #[arg(long = "sap-source", value_name = "ADDRESS")]
    pub(crate) accepted: Vec<Ipv4Addr>,
}

/// Finds streams.
pub(crate) struct Finder<'a> {
    /// The interface on which to listen for announcements, unless the stream specifies its own.
    pub(crate) interface: Option<&'a str>,
    /// Groups for announcements in addition to the usual ones.
    pub(crate) sap_groups: &'a [Ipv4Addr],
    /// The only accepted announcers, if any are given.
    pub(crate) sap_sources: &'a SapSources,
    pub(crate) session: &'a Session,
}

impl Finder<'_> {
    /// All streams that `text` selects: the receivable streams of a description, or only the
    /// selected one. If `text` is a name, waits for its announcement until the session ends.
    pub(crate) fn find(&self, text: &str) -> Result<Vec<Target>> {
        let wrong = |reason: String| Failure::input(format!("{text}: {reason}"));
        match Place::of(text).map_err(wrong)? {
            Place::Group(target) => Ok(vec![target]),
            Place::Description(place, suffix) => {
                let parsed = Source::of(&place).map_err(wrong)?.read(&place)?;
                tell_findings(&place, &parsed);
                select(&place, &parsed.description, &suffix).map_err(Failure::input)
            }
            Place::Announced { exact, name, suffix, may_be_path } => {
                self.announced(&exact, &name, &suffix, may_be_path)
            }
        }
    }

    /// The only stream that `text` selects.
    pub(crate) fn find_one(&self, text: &str) -> Result<Target> {
        let mut targets = self.find(text)?;
        let target = targets.remove(0);
        if targets.is_empty() {
            return Ok(target);
        }
        let others = targets.iter().map(Target::describe).collect::<Vec<_>>().join("; ");
        Err(Failure::input(format!(
            "{text} has several streams: choose one as {text}#1: {}; {others}",
            target.describe()
        )))
    }

    /// Waits for the announcement of a session. For a name, the wait is unlimited; for a text that
    /// is more likely a missing file, it ends when every device must have announced once. `exact`
    /// is the text as given, which may be a name that only seems to have options.
    fn announced(&self, exact: &str, name: &str, suffix: &Suffix, may_be_path: bool) -> Result<Vec<Target>> {
        let own = suffix.options.interfaces.first().map(String::as_str);
        let interface = Interface::find(own.or(self.interface))?;
        let listener = SapListener::with_groups(&interface, self.sap_groups, &self.sap_sources.accepted)?;
        warn(format_args!("waiting for an announcement of {name} on {interface}"));
        let mut patience = Some(clock::now() + PATIENCE);
        let mut doubted = None;
        loop {
            let is_over = patience.take_if(|until| *until <= clock::now()).is_some();
            let heard = listener.snapshot();
            let sessions = &heard.0;
            let entries = || sessions.iter().map(|(_, entry)| entry);
            let whole = Suffix::default();
            for (name, suffix) in [(exact, &whole), (name, suffix)] {
                let all = engine::announce::sap::named(entries(), name);
                let Some(entry) = all.first() else { continue };
                let is_over = patience.is_none() || !self.sap_sources.accepted.is_empty();
                if !is_over && entry.is_announced_by_its_origin() == Some(false) {
                    if doubted.replace(entry.from) != Some(entry.from) {
                        warn(format_args!("{}", doubt(name, entry)));
                    }
                } else if let Some(entry) = named(entries(), name) {
                    let parsed = Parsed { description: entry.description.clone(), findings: entry.findings.clone() };
                    tell_findings(name, &parsed);
                    return select(name, &parsed.description, suffix).map_err(Failure::input);
                }
            }
            let goes_on = self.session.goes_on();
            if !is_over && goes_on {
                continue;
            }
            let names: Vec<&str> = entries().map(|entry| entry.description.name.as_str()).collect();
            let heard = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            if goes_on && !may_be_path {
                warn(format_args!("still waiting for an announcement of {name}; heard was {heard}"));
            } else {
                return Err(Failure::input(format!(
                    "{name} is neither an SDP file nor an aes67:// URL, and no stream of that name was announced on {interface}; heard was {heard}"
                )));
            }
        }
    }
}

/// Why an announcement of this name is not accepted at once.
fn doubt(name: &str, entry: &Entry) -> String {
    let (from, origin) = (entry.from, &entry.description.origin.address);
    format!(
        "{name} is announced by {from} in the name of {origin}: waiting up to {PATIENCE} for {origin} itself; \
         --sap-source {from} takes it at once"
    )
}

/// The session with this name. If there are several, this is reported.
pub(crate) fn named<'a>(entries: impl Iterator<Item = &'a Entry>, name: &str) -> Option<&'a Entry> {
    let all = engine::announce::sap::named(entries, name);
    let (first, others) = all.split_first()?;
    if !others.is_empty() {
        let place = |entry: &Entry| {
            let leg = entry.description.streams.first().and_then(|stream| stream.legs.first());
            let to = leg.map_or_else(String::new, |leg| format!(", {}:{}", leg.destination, leg.port));
            format!("{}{to}", entry.from)
        };
        let others: Vec<String> = others.iter().map(|entry| place(entry)).collect();
        let (taken, others) = (place(first), others.join(" and "));
        warn(format_args!(
            "warning: {name} is announced several times: that of {taken} is taken, not {others}; \
             --sap-source ADDRESS chooses"
        ));
    }
    Some(first)
}

/// Where a stream is found, according to its text.
enum Place {
    /// The text itself describes the stream.
    Group(Target),
    /// A description in a file or from a device.
    Description(String, Suffix),
    /// The name of an announced session or, if `may_be_path`, more likely a file that does not
    /// exist.
    Announced { exact: String, name: String, suffix: Suffix, may_be_path: bool },
}

impl Place {
    fn of(text: &str) -> std::result::Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        match scheme.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
            Some(("aes67", rest)) => Self::of_ours(rest),
            Some(("rtp", rest)) => url::group(rest, url::Timing::Arrivals).map(Self::Group),
            Some(("rtsp" | "sdp" | "file", _)) => {
                let (place, suffix) = Suffix::split(text)?;
                Ok(Self::Description(place.to_owned(), suffix))
            }
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Err(format!(
                "{scheme}:// is not read; there are aes67://, rtp://, rtsp://, sdp:// and file://, or save the description in a file"
            )),
            _ => match text.split_at_checked(url::LIVEWIRE.len()) {
                Some((scheme, channel)) if scheme.eq_ignore_ascii_case(url::LIVEWIRE) => {
                    url::livewire(channel).map(Self::Group)
                }
                _ => Self::of_plain(text),
            },
        }
    }

    /// Interprets the text after `aes67://`.
    fn of_ours(rest: &str) -> std::result::Result<Self, String> {
        if let Some(name) = rest.strip_prefix("sap/") {
            let (name, suffix) = Suffix::split(name)?;
            let name = options::unescape(name);
            return Ok(Self::Announced { exact: name.clone(), name, suffix, may_be_path: false });
        }
        if rest.starts_with('/') {
            let (path, suffix) = Suffix::split(rest)?;
            return Ok(Self::Description(format!("file://{path}"), suffix));
        }
        url::group(rest, url::Timing::Ptp).map(Self::Group)
    }

    /// Interprets a path or a name, which may contain any characters.
    fn of_plain(text: &str) -> std::result::Result<Self, String> {
        let is_file = |path: &str| {
            let is_sdp = Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sdp"));
            is_sdp || Path::new(path).is_file()
        };
        if is_file(text) {
            return Ok(Self::Description(text.to_owned(), Suffix::default()));
        }
        let split = Suffix::split(text);
        let (place, _) = Suffix::bounds(text);
        if is_file(place) {
            let (place, suffix) = split?;
            return Ok(Self::Description(place.to_owned(), suffix));
        }
        if let Some(reason) = path::is_meant(place) {
            return Err(reason);
        }
        let (name, suffix) = split.unwrap_or((text, Suffix::default()));
        let may_be_path = path::may_be_meant(place);
        Ok(Self::Announced { exact: text.to_owned(), name: name.to_owned(), suffix, may_be_path })
    }
}

/// The location of a description.
enum Source {
    File(String),
    Device(String),
}

impl Source {
    fn of(place: &str) -> std::result::Result<Self, String> {
        match place.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, _)) if scheme == "aes67" || scheme == "rtp" => {
                Err("this names a stream and not its description; right would be a file or an rtsp:// URL".to_owned())
            }
            Some((scheme, _)) if scheme == "rtsp" => Ok(Self::Device(place.to_owned())),
            Some((scheme, path)) if scheme == "sdp" || scheme == "file" => {
                let path = options::unescape(path);
                if path.starts_with("v=") {
                    return Err("a description in place of a path is not read; right would be a file".to_owned());
                }
                // A drive letter follows, as in file:///C:/streams/a.sdp.
                let with_drive = path.as_bytes().get(2) == Some(&b':') && path.starts_with('/');
                Ok(Self::File(if with_drive { path[1..].to_owned() } else { path }))
            }
            _ => Ok(Self::File(place.to_owned())),
        }
    }

    fn read(&self, place: &str) -> Result<Parsed> {
        let bytes = match self {
            Self::File(path) => {
                let bytes = std::fs::read(path).map_err(|error| Failure::input(format!("{place}: {error}")))?;
                in_utf8(bytes).map_err(|error| Failure::input(format!("{place}: {error}")))?
            }
            Self::Device(url) => net::rtsp::describe(url).map_err(|error| match error {
                net::rtsp::RtspError::Url(_) => Failure::input(error),
                _ => Failure::run(error),
            })?,
        };
        Description::parse(&bytes).map_err(|error| Failure::input(format!("{place}: {error}")))
    }
}

/// Converts a UTF-16 file, such as PowerShell's `>` writes, to UTF-8. Other files are left
/// unchanged, because descriptions need not be UTF-8.
fn in_utf8(bytes: Vec<u8>) -> std::result::Result<Vec<u8>, engine::text::TextError> {
    match bytes[..] {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => engine::text::decode(&bytes).map(|text| text.into_owned().into_bytes()),
        _ => Ok(bytes),
    }
}

/// Reads the description in a file or from a device, with its findings.
pub(crate) fn read_description(place: &str) -> Result<Parsed> {
    Source::of(place).map_err(|reason| Failure::input(format!("{place}: {reason}")))?.read(place)
}

/// Reports the findings about a description. Those that make part of it be ignored are always
/// reported, others only on request.
fn tell_findings(place: &str, parsed: &Parsed) {
    for finding in &parsed.findings {
        if finding.lint.leaves_out() {
            warn(format_args!("warning: {place}: {finding}"));
        } else {
            tracing::info!("{place}: {finding}");
        }
    }
}

/// The selected streams of a description that can be received here. Reports the others; if none can
/// be received, the error states the reason.
fn select(place: &str, description: &Description, suffix: &Suffix) -> std::result::Result<Vec<Target>, String> {
    let streams = &description.streams;
    let all = streams.len();
    if let Some(number) = suffix.number.filter(|number| *number > all) {
        let there = if all == 1 { "there is 1 stream".to_owned() } else { format!("there are {all} streams") };
        let list: Vec<String> =
            (1..).zip(streams).map(|(number, stream)| format!("#{number} {}", summary(stream))).collect();
        return Err(format!("{place}#{number}: {there} in it: {}", list.join("; ")));
    }
    suffix.options.check_described().map_err(|reason| format!("{place}: {reason}"))?;
    let numbered = (1..).zip(streams).filter(|(number, _)| suffix.number.is_none_or(|wanted| wanted == *number));
    let (mut targets, mut refusals) = (Vec::new(), Vec::new());
    for (number, stream) in numbered {
        let name = if all == 1 { description.name.clone() } else { format!("{}#{number}", description.name) };
        match Target::of(name, stream, &suffix.options) {
            Ok(target) => targets.push(target),
            Err(reason) => refusals.push((number, reason)),
        }
    }
    if targets.is_empty() {
        let reasons: Vec<String> = refusals.into_iter().map(|(_, reason)| reason).collect();
        return Err(format!("{place}: {}", reasons.join("; ")));
    }
    for (number, reason) in refusals {
        warn(format_args!("warning: {place}: stream {number} of {all} is left out: {reason}"));
    }
    Ok(targets)
}

impl Target {
    /// Creates the target for a described stream with the given options. If one of two legs cannot
    /// be received, it is ignored, which is reported.
    fn of(name: String, stream: &StreamDescription, options: &Options) -> std::result::Result<Self, String> {
        let mut stream = stream.clone();
        for leg in &mut stream.legs {
            leg.source = options.source.or(leg.source);
        }
        check(&mut stream).map_err(|error| error.to_string())?;
        Ok(Self {
            name,
            payload_type: options.payload_type.or(stream.only_payload_type()),
            domain: options.domain.or(stream.ptp_domain()),
            interfaces: options.interfaces.clone(),
            latency_ms: options.latency_ms,
            stream,
        })
    }

    /// The description with which packets are compared.
    pub(crate) fn described(&self) -> Described {
        self.stream.described(self.payload_type)
    }

    /// Adopts the format that the packets have shown.
    pub(crate) fn correct(&mut self, described: Described) {
        let Described { format, payload_type, packet_frames } = described;
        self.stream.format = format;
        self.stream.packet_frames = packet_frames.and_then(|frames| usize::try_from(frames).ok());
        self.stream.payload_type = payload_type.unwrap_or(self.stream.payload_type);
        self.payload_type = payload_type;
    }

    /// A text for the user with the stream's name, origin and format.
    pub(crate) fn describe(&self) -> String {
        format!("{}: {}", self.name, summary(&self.stream))
    }
}

/// Checks that a stream can be received on this host; `play`, `record` and `lint` refuse the same
/// streams. One of two legs is sufficient, and the other is removed.
fn check(stream: &mut StreamDescription) -> net::Result<()> {
    let Err(refusal) = LegConfig::check_description(stream) else { return Ok(()) };
    let one =
        |leg: &engine::announce::sdp::LegDescription| StreamDescription { legs: vec![leg.clone()], ..stream.clone() };
    let left: Vec<_> =
        stream.legs.iter().filter(|leg| LegConfig::check_description(&one(leg)).is_ok()).cloned().collect();
    if left.is_empty() {
        return Err(refusal);
    }
    warn(format_args!("warning: one of two legs is left out: {refusal}"));
    stream.legs = left;
    Ok(())
}

fn summary(stream: &StreamDescription) -> String {
    let legs: Vec<String> = stream.legs.iter().map(|leg| format!("{}:{}", leg.destination, leg.port)).collect();
    format!("{} at {}", describe_format(stream), legs.join(" and "))
}

/// Describes a stream's format: `L24, 48000 Hz, 2 channels`.
pub(crate) fn describe_format(stream: &StreamDescription) -> String {
    let format = stream.format;
    let channels = format.channels();
    let plural = if channels == 1 { "" } else { "s" };
    let time = stream.packet_time().map_or_else(String::new, |time| format!(", packets of {time}"));
    format!("{}, {} Hz, {channels} channel{plural}{time}", format.encoding(), format.sample_rate().as_hz())
}

#[cfg(test)]
mod tests;
