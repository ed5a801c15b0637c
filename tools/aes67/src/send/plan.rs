//! The settings of `aes67 send`, from the command line or a configuration file.
//!
//! The file is TOML or JSON, with the same keys. Errors state the file, the line and the key.

use super::locate::{Language, line_at, line_of};
use crate::channels::ChannelList;
use crate::failure::{Failure, Result};
use crate::ptp_plan::PtpPlan;
use crate::stream_options::{Destination, Format, PacketTimeMs, as_text};
use crate::text_file;
use clap::ValueEnum;
use engine::announce::sdp::ReferenceClock;
use engine::ptp::wire::ClockIdentity;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// All settings of `aes67 send`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// One interface, or one for each leg; the host's only interface if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interface: Option<OneOrTwo<String>>,
    #[serde(default)]
    pub(crate) clock: Clock,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ptp_domain: Option<Domain>,
    #[serde(default, skip_serializing_if = "PtpPlan::is_empty")]
    pub(crate) ptp: PtpPlan,
    /// With `clock = "system"`: the grandmaster that disciplines the system clock, for the
    /// description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grandmaster: Option<Grandmaster>,
    /// Send nothing before the clock is known.
    #[serde(default = "yes")]
    pub(crate) wait_for_clock: bool,
    /// Give up if the clock is not known after this time, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wait_s: Option<f64>,
    #[serde(default = "yes")]
    pub(crate) announce: bool,
    #[serde(default = "announce_interval")]
    pub(crate) announce_interval_s: u32,
    /// The groups for announcements; the group of AES67 and Dante if none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) announce_groups: Vec<Ipv4Addr>,
    /// Folder for the descriptions of the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sdp_folder: Option<PathBuf>,
    pub(crate) source: SourcePlan,
    #[serde(rename = "stream")]
    pub(crate) streams: Vec<StreamPlan>,
}

/// The source of the audio: exactly one of `files`, `tone_hz`, `ident`, `stdin` and `card`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcePlan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<PathBuf>>,
    #[serde(default, rename = "loop", skip_serializing_if = "is_no")]
    pub(crate) repeat: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tone_hz: Option<f64>,
    #[serde(default, skip_serializing_if = "is_no")]
    pub(crate) ident: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stdin: Option<StdinFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<String>,
    /// Level of a tone or of idents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level_dbfs: Option<f64>,
    /// Number of channels of sources that do not state it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sample_rate_hz: Option<u32>,
}

/// The settings of a stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamPlan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// One destination, or two for two legs.
    pub(crate) destination: OneOrTwo<Destination>,
    /// The source's channels to send; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<ChannelList>,
    #[serde(default)]
    pub(crate) format: Format,
    #[serde(default)]
    pub(crate) packet_time_ms: PacketTimeMs,
    #[serde(default)]
    pub(crate) payload_type: PayloadTypeNumber,
    #[serde(default)]
    pub(crate) ttl: Ttl,
    #[serde(default)]
    pub(crate) dscp: Dscp,
    /// The UDP source port of packets; 0 for any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) source_port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sdp: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_no(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(port: &u16) -> bool {
    *port == 0
}

fn announce_interval() -> u32 {
    30
}

/// The clock that paces the streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Clock {
    /// The PTP master of the network
    #[default]
    Ptp,
    /// PTP, served by ourselves unless a better clock is there
    Master,
    /// The Livewire clock: timestamps are its time, as those of Livewire devices
    Livewire,
    /// The system's clock if another program disciplines it, otherwise this computer's crystal
    System,
}

/// Format of standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StdinFormat {
    /// A WAV file, of any length
    Wav,
    /// Raw samples, 16 bits, little-endian
    S16le,
    /// 24 bits
    S24le,
    /// 32 bits
    S32le,
    /// Floats of full scale 1
    F32le,
}

/// Defines a whole number within bounds, which the error message states.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $what:literal, $low:literal..=$high:literal, $default:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub(crate) struct $name(pub(crate) u8);

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = String;

            fn try_from(value: i64) -> std::result::Result<Self, String> {
                match value {
                    $low..=$high => Ok(Self(value as u8)),
                    _ => Err(format!("{} is not right here: {} is within {} and {}", value, $what, $low, $high)),
                }
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }
    };
}

bounded!(
    /// A PTP domain.
    Domain, "a PTP domain", 0..=127, 0
);
bounded!(
    /// An RTP payload type that is not assigned to another format.
    PayloadTypeNumber, "a dynamic payload type", 96..=127, 96
);
bounded!(
    /// TTL of the packets.
    Ttl, "a TTL", 1..=255, 32
);
bounded!(
    /// DSCP of the packets.
    Dscp, "a DSCP", 0..=63, 34
);

/// A grandmaster and its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grandmaster {
    identity: ClockIdentity,
    domain: u8,
}

impl Grandmaster {
    pub(crate) fn reference_clock(self) -> ReferenceClock {
        ReferenceClock::ptp(self.identity, self.domain)
    }
}

impl FromStr for Grandmaster {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong =
            || format!("{text} is no grandmaster; right would be 00-1B-21-FF-FE-0A-67-01:0, its identity and domain");
        let (identity, domain) = text.split_once(':').unwrap_or((text, "0"));
        let digits: String = identity.chars().filter(|c| *c != '-').collect();
        if digits.len() != 16 {
            return Err(wrong());
        }
        let number = u64::from_str_radix(&digits, 16).map_err(|_| wrong())?;
        let domain = domain.parse().ok().filter(|domain| *domain <= 127).ok_or_else(wrong)?;
        Ok(Self { identity: ClockIdentity(number.to_be_bytes()), domain })
    }
}

impl fmt::Display for Grandmaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.identity.sdp(), self.domain)
    }
}

as_text!(Grandmaster);

/// One value, or a list of one or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrTwo<T>(pub(crate) Vec<T>);

impl<T: Serialize> Serialize for OneOrTwo<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            list => list.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrTwo<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrTwoVisitor(PhantomData))
    }
}

struct OneOrTwoVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrTwoVisitor<T> {
    type Value = OneOrTwo<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes, or a list of two such texts for the two legs")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<OneOrTwo<T>, E> {
        T::deserialize(serde::de::value::StrDeserializer::new(text)).map(|one| OneOrTwo(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<OneOrTwo<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(next) = list.next_element()? {
            all.push(next);
        }
        match all.len() {
            1 | 2 => Ok(OneOrTwo(all)),
            count => Err(serde::de::Error::custom(format!("a stream has one leg or two, not {count}"))),
        }
    }
}

/// Where a plan comes from, for error messages.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    CommandLine,
    File { path: PathBuf, text: String, language: Language },
}

impl Origin {
    /// Creates the error for the value at `path`.
    pub(crate) fn failure(&self, path: &str, message: &str) -> Failure {
        match self {
            Self::CommandLine => Failure::input(message),
            Self::File { path: file, text, language } => {
                let line = line_of(text, *language, path);
                Failure::input(format!("{}:{line}: {path}: {message}", file.display()))
            }
        }
    }
}

impl Plan {
    /// Reads a file: JSON if its name ends in `.json` or it begins with a brace, otherwise TOML.
    /// Paths in it are relative to its folder.
    pub(crate) fn load(file: &Path) -> Result<(Self, Origin)> {
        Self::of_text(file, text_file::read(file)?)
    }

    /// Like [`Plan::load`], for the given contents of the file.
    pub(crate) fn of_text(file: &Path, text: String) -> Result<(Self, Origin)> {
        let is_json = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
            || text.trim_start().starts_with('{');
        let language = if is_json { Language::Json } else { Language::Toml };
        let mut plan = parse(&text, language).map_err(|Wrong { line, key, message }| {
            Failure::input(format!("{}:{line}: {key}{message}", file.display()))
        })?;
        plan.move_to(file.parent().unwrap_or(Path::new("")));
        Ok((plan, Origin::File { path: file.to_owned(), text, language }))
    }

    fn move_to(&mut self, folder: &Path) {
        self.paths().for_each(|path| *path = folder.join(&*path));
    }

    /// Makes all paths absolute.
    pub(crate) fn make_absolute(&mut self) -> std::io::Result<()> {
        self.paths().try_for_each(|path| {
            *path = std::path::absolute(&*path)?;
            Ok(())
        })
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let streams = self.streams.iter_mut().filter_map(|stream| stream.sdp.as_mut());
        let folders_and_keys = self.sdp_folder.iter_mut().chain(&mut self.ptp.sa_file);
        self.source.files.iter_mut().flatten().chain(folders_and_keys).chain(streams)
    }

    /// Formats the plan as the text of a file in this language.
    pub(crate) fn to_text(&self, language: Language) -> Result<String> {
        match language {
            Language::Json => serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(Failure::run),
            Language::Toml => toml::to_string(self).map_err(Failure::run),
        }
    }
}

#[derive(Debug)]
struct Wrong {
    line: usize,
    key: String,
    message: String,
}

fn parse(text: &str, language: Language) -> std::result::Result<Plan, Wrong> {
    match language {
        Language::Json => {
            let mut json = serde_json::Deserializer::from_str(text);
            let plan: Plan = serde_path_to_error::deserialize(&mut json).map_err(|error| {
                let (inner, key) = (error.inner(), key_of(error.path()));
                // serde_json adds the position to its message, which is removed here.
                let message = inner.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                Wrong { line: inner.line().max(1), key, message }
            })?;
            json.end().map_err(|error| Wrong {
                line: error.line(),
                key: String::new(),
                message: "something follows the end".to_owned(),
            })?;
            Ok(plan)
        }
        Language::Toml => {
            let offset = |error: &toml::de::Error| line_at(text, error.span().map_or(0, |span| span.start));
            let toml = toml::Deserializer::parse(text);
            let toml = toml.map_err(|error| Wrong {
                line: offset(&error),
                key: String::new(),
                message: error.message().to_owned(),
            })?;
            serde_path_to_error::deserialize(toml).map_err(|error| {
                let (inner, key) = (error.inner(), key_of(error.path()));
                let line = if inner.span().is_some() {
                    offset(inner)
                } else {
                    line_of(text, language, &error.path().to_string())
                };
                Wrong { line, key, message: inner.message().to_owned() }
            })
        }
    }
}

fn key_of(path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    if path == "." { String::new() } else { format!("{path}: ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::rtp::format::PacketTime;

    const TOML: &str = r#"
interface = "eth0"
clock = "system"

[source]
files = ["a.wav", "b.wav"]
loop = true

[[stream]]
name = "Left"
destination = "239.69.0.1"
channels = "1-8"

[[stream]]
destination = ["239.69.0.2:5006", "239.69.1.2"]
channels = [9, 10]
format = "L16"
packet_time_ms = 0.125
"#;

    #[test]
    fn both_languages_say_the_same() {
        let plan = parse(TOML, Language::Toml).unwrap();
        let json = plan.to_text(Language::Json).unwrap();
        let again = parse(&json, Language::Json).unwrap();
        assert_eq!(again.to_text(Language::Toml).unwrap(), plan.to_text(Language::Toml).unwrap());
        assert_eq!(plan.streams[1].destination.0[1].to_string(), "239.69.1.2:5004");
        assert_eq!(plan.streams[1].channels.as_ref().unwrap().as_slice(), [8, 9]);
        assert_eq!(plan.streams[1].packet_time_ms.packet_time(), PacketTime::US_125);
        assert!(plan.announce && plan.wait_for_clock && plan.source.repeat);
    }

    /// Each key of the listing, also of those lines that are comments, is known.
    #[test]
    fn the_file_in_the_documents_can_be_read() {
        let page = include_str!("../../../../docs/aes67.md");
        let listing = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let plan = parse(listing, Language::Toml).unwrap();
        assert_eq!((plan.wait_s, plan.ptp.unicast_masters.len(), plan.streams.len()), (Some(30.0), 1, 1));
        let keys = [
            toml::from_str::<Plan>("unknown = 1").unwrap_err(),
            toml::from_str::<PtpPlan>("unknown = 1").unwrap_err(),
            toml::from_str::<SourcePlan>("unknown = 1").unwrap_err(),
            toml::from_str::<StreamPlan>("unknown = 1").unwrap_err(),
        ];
        let keys = keys.map(|error| error.message().split_once("expected one of ").unwrap().1.to_owned()).join(", ");
        let known: Vec<&str> = keys.split('`').skip(1).step_by(2).collect();
        for line in listing.lines().filter(|line| line.contains(" = ")) {
            let key = line.trim_start_matches("# ").split(" = ").next().unwrap();
            assert!(known.contains(&key), "{key} is no key");
        }
        // What the listing names beside others, and the tables.
        let beside = ["spp", "active_key_id", "ident", "stdin", "card", "ptp", "source", "stream"];
        let is_listed = |key: &str| listing.contains(&format!("{key} = "));
        for key in known {
            assert!(is_listed(key) || beside.contains(&key), "{key} is not in the document");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_key() {
        for (from, to, line, key, reason) in [
            ("239.69.0.1\"", "239.69\"", 11, "stream[0].destination: ", "239.69 is no group; right would be"),
            ("\"1-8\"", "\"8-1\"", 12, "stream[0].channels: ", "8-1 runs backwards"),
            ("0.125", "0.2", 18, "stream[1].packet_time_ms: ", "0.2 ms is no packet time: there are 0.125"),
            ("loop", "repeat", 7, "source.repeat: ", "unknown field `repeat`, expected one of `files`, `loop`"),
            ("\"system\"", "\"sun\"", 3, "clock: ", "unknown variant `sun`, expected"),
        ] {
            let text = TOML.replacen(from, to, 1);
            let wrong = parse(&text, Language::Toml).unwrap_err();
            assert_eq!((wrong.line, &wrong.key[..]), (line, key), "{}", wrong.message);
            assert!(wrong.message.starts_with(reason), "{}", wrong.message);
        }
        let json = "{\n \"source\": { \"tone_hz\": 997 },\n \"stream\": [\n  { \"destination\": \"239.1.1.1\",\n    \"dscp\": 64 }\n ]\n}";
        let wrong = parse(json, Language::Json).unwrap_err();
        assert_eq!((wrong.line, &wrong.key[..]), (5, "stream[0].dscp: "), "{}", wrong.message);
        assert_eq!(wrong.message, "64 is not right here: a DSCP is within 0 and 63");
    }

    /// What searching found to reach code that nothing shorter reaches.
    #[test]
    fn the_corpus_of_the_fuzz_target_holds() {
        use crate::{replay, send::send_config};
        replay::replay(include_str!("../../../../fuzz/corpus/send_config.hex"), send_config::send_config);
    }

    #[test]
    fn a_grandmaster_is_an_identity_with_a_domain() {
        let text = "00-1B-21-FF-FE-0A-67-01:5";
        assert_eq!(text.parse::<Grandmaster>().unwrap().to_string(), text);
        assert_eq!("001b21fffe0a6701".parse::<Grandmaster>().unwrap().to_string(), "00-1B-21-FF-FE-0A-67-01:0");
        assert!("00-1B:1".parse::<Grandmaster>().unwrap_err().contains("right would be"));
    }
}
