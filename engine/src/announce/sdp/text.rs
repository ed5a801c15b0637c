//! Divides an SDP text into lines and sections.

use super::decode::{LineEnd, next_line, to_text, without_margin};
use super::lint::Lint;
use std::borrow::Cow;

/// A line: its number from 1, and the text after `x=`.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) value: Cow<'a, str>,
}

/// An attribute: `a=name` or `a=name:value`.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) line: usize,
    name: String,
    value: String,
}

impl Attribute {
    pub(super) fn value(&self) -> &str {
        &self.value
    }
}

/// The lines of the session, or of one medium.
#[derive(Clone, Debug, Default)]
pub(super) struct Section<'a> {
    /// The `m=` line; `None` for the session.
    pub(super) media: Option<Line<'a>>,
    pub(super) origin: Option<Line<'a>>,
    pub(super) name: Option<Line<'a>>,
    pub(super) information: Option<Line<'a>>,
    pub(super) connections: Vec<Line<'a>>,
    pub(super) time: bool,
    attributes: Vec<Attribute>,
}

impl Section<'_> {
    /// The first attribute with this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.all(name).next()
    }

    /// All attributes with this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.name == name)
    }

    /// The number of the section's first line.
    pub(super) fn line(&self) -> usize {
        self.media.as_ref().map_or(1, |line| line.number)
    }
}

/// A text that is divided into sections.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<'a> {
    pub(super) session: Section<'a>,
    pub(super) media: Vec<Section<'a>>,
    /// The value of the first `v=` line.
    pub(super) version: Option<Line<'a>>,
    /// Number of the last line that is not empty.
    pub(super) lines: usize,
    /// Findings about the form of lines.
    pub(super) findings: Vec<(usize, Lint)>,
}

/// Maximum number of findings of one kind that are reported. Further ones would add no information.
const MAX_OF_A_KIND: usize = 8;
/// Attributes that we interpret, and whose spelling we therefore check.
const KNOWN: [&str; 13] = [
    "rtpmap",
    "ptime",
    "maxptime",
    "framecount",
    "ts-refclk",
    "mediaclk",
    "source-filter",
    "group",
    "ssrc-group",
    "mid",
    "clock-domain",
    "recvonly",
    "fmtp",
];
/// Attributes that may occur only once in a section; if one occurs several times, its first
/// occurrence is used.
const SINGLE: [&str; 5] = ["ptime", "maxptime", "framecount", "mediaclk", "mid"];

impl<'a> Text<'a> {
    /// Divides a text into lines and sections. Empty lines and blanks at the ends of lines are
    /// ignored.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut text = Self::default();
        let mut rest = bytes;
        let mut number = 0;
        while let Some((raw, end)) = next_line(&mut rest) {
            number += 1;
            let (line, margin) = without_margin(raw);
            match end {
                LineEnd::Zero => text.find_once(number, Lint::ZeroByte),
                LineEnd::Lf if !line.is_empty() && !rest.is_empty() => text.find_once(number, Lint::LineEnd),
                LineEnd::Cr if !line.is_empty() => text.find_once(number, Lint::CarriageReturn),
                _ => {}
            }
            if line.is_empty() {
                continue;
            }
            if let Some(margin) = margin {
                text.find_once(number, margin);
            }
            let is_prose = matches!(line, [b's' | b'i', ..]);
            if raw.trim_ascii_end().len() < raw.len() && !is_prose {
                text.find_once(number, Lint::Blanks);
            }
            text.lines = number;
            if text.add(number, line) == Next::AnotherDescription {
                break;
            }
        }
        text
    }

    /// Whether the text is a description.
    pub(super) fn is_sdp(&self) -> bool {
        self.version.as_ref().map_or(!self.media.is_empty(), |version| version.value == "0")
    }

    fn find_once(&mut self, line: usize, lint: Lint) {
        if self.findings.iter().all(|(_, known)| *known != lint) {
            self.findings.push((line, lint));
        }
    }

    fn find(&mut self, line: usize, lint: Lint) {
        let same = |known: &&(usize, Lint)| std::mem::discriminant(&known.1) == std::mem::discriminant(&lint);
        if self.findings.iter().filter(same).count() < MAX_OF_A_KIND {
            self.findings.push((line, lint));
        }
    }

    fn add(&mut self, number: usize, line: &'a [u8]) -> Next {
        let Some((kind, value)) = split(line) else {
            self.find(number, Lint::NoLine);
            return Next::Line;
        };
        let (text, is_foreign) = to_text(value);
        if is_foreign {
            self.find(number, Lint::NotUtf8);
        }
        self.check_blanks(number, line, kind, &text);
        if kind.is_ascii_uppercase() {
            let [written, right] = [kind, kind.to_ascii_lowercase()].map(|kind| format!("{}=", char::from(kind)));
            self.find(number, Lint::Spelling { written, right });
        }
        let line = Line { number, value: without_controls(text) };
        let section = self.media.last_mut().unwrap_or(&mut self.session);
        let doubled = match kind.to_ascii_lowercase() {
            b'v' => return self.version(line),
            b'm' => {
                self.media.push(Section { media: Some(line), ..Section::default() });
                None
            }
            b'o' => keep_first(&mut section.origin, line, "o="),
            b's' => keep_first(&mut section.name, line, "s="),
            b'i' => keep_first(&mut section.information, line, "i="),
            b'c' => {
                section.connections.push(line);
                None
            }
            b't' => {
                section.time = true;
                None
            }
            b'a' => {
                let attribute = attribute(&line);
                let name = attribute.name.clone();
                let doubled = SINGLE.contains(&name.as_str()) && section.attribute(&name).is_some();
                section.attributes.push(attribute);
                let rest = line.value.get(name.len()..).unwrap_or_default().trim_start();
                let separated = rest.is_empty() || rest.starts_with(':');
                if KNOWN.contains(&name.as_str()) && !(line.value.starts_with(&name) && separated) {
                    let right = format!("a={name}:");
                    let written = format!("a={}", line.value.get(..=name.len()).unwrap_or(&line.value));
                    self.find(number, Lint::Spelling { written, right });
                }
                doubled.then(|| format!("a={name}"))
            }
            _ => None,
        };
        if let Some(name) = doubled {
            self.find(number, Lint::Doubled(name));
        }
        Next::Line
    }

    fn session_is_empty(&self) -> bool {
        let Section { origin, name, connections, time, attributes, .. } = &self.session;
        origin.is_none() && name.is_none() && connections.is_empty() && !time && attributes.is_empty()
    }

    /// Handles a `v=` line: the first `v=` line begins the description, and any further one begins
    /// another description.
    fn version(&mut self, line: Line<'a>) -> Next {
        if self.version.is_some() || !self.media.is_empty() {
            self.find(line.number, Lint::SecondDescription);
            return Next::AnotherDescription;
        }
        let in_front = self.findings.iter().any(|(_, lint)| *lint == Lint::NoLine);
        if in_front || !self.session_is_empty() {
            self.find(line.number, Lint::NotFirst);
        }
        self.version = Some(line);
        Next::Line
    }

    /// Checks that fields are separated by one blank, and that there are no blanks around the
    /// equals sign or at the ends of an attribute's name.
    fn check_blanks(&mut self, number: usize, line: &[u8], kind: u8, value: &str) {
        let around = line.get(1) != Some(&b'=') || (value.starts_with(char::is_whitespace) && !value.trim().is_empty());
        let in_name = || {
            let (name, value) = value.split_once(':').unwrap_or((value, ""));
            let is = |known: &str| name.trim().eq_ignore_ascii_case(known);
            let is_known = KNOWN.iter().any(|known| is(known));
            let is_clock = is("ts-refclk") || is("mediaclk");
            // The name of a media clock is Base64, which may end in an equals sign.
            let words = || value.split_whitespace().filter(|word| !word.starts_with("id="));
            let ends = |word: &str| word.starts_with(['=', ':']) || word.ends_with(['=', ':']);
            let within = is_clock && words().any(ends);
            let leads = value.starts_with(char::is_whitespace) && name.trim() != "source-filter";
            is_known && (name.ends_with(char::is_whitespace) || leads || within || has_odd_blanks(value))
        };
        let found = match kind.to_ascii_lowercase() {
            b'c' | b'm' | b'o' | b't' => around || has_odd_blanks(value) || value.contains("  "),
            b'a' => around || in_name(),
            _ => around,
        };
        if found {
            self.find_once(number, Lint::Blanks);
        }
    }
}

/// How the text continues after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Line,
    AnotherDescription,
}

/// Splits a line into its letter and the text after the equals sign.
fn split(line: &[u8]) -> Option<(u8, &[u8])> {
    let (&kind, rest) = line.split_first().filter(|(kind, _)| kind.is_ascii_alphabetic())?;
    rest.trim_ascii_start().strip_prefix(b"=").map(|value| (kind, value))
}

/// Whether the text contains tabs or other blanks that are not spaces, such as the no-break spaces
/// in web pages.
fn has_odd_blanks(value: &str) -> bool {
    value.contains(|c: char| c.is_whitespace() && c != ' ')
}

/// Keeps the first line of a kind. If this line is not the first one, returns its kind for a
/// finding.
fn keep_first<'a>(place: &mut Option<Line<'a>>, line: Line<'a>, kind: &str) -> Option<String> {
    let doubled = place.is_some().then(|| kind.to_owned());
    place.get_or_insert(line);
    doubled
}

/// Trims the text, and replaces control characters, which could end a line, with blanks.
fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        return text.replace(char::is_control, " ").trim_ascii().to_owned().into();
    }
    match text {
        Cow::Borrowed(text) => text.trim_ascii().into(),
        Cow::Owned(text) => text.trim_ascii().to_owned().into(),
    }
}

/// Splits `name:value`. For known attributes, a blank or an equals sign is accepted instead of the
/// colon.
fn attribute(line: &Line<'_>) -> Attribute {
    let at = line.value.find(|c: char| c == ':' || c == '=' || c.is_whitespace());
    let is_known = |at: &usize| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(&line.value[..*at]));
    let (name, value) = match at.filter(is_known) {
        Some(at) => (
            &line.value[..at],
            line.value[at..].trim_start_matches(|c: char| c == ':' || c == '=' || c.is_whitespace()),
        ),
        None => line.value.split_once(':').unwrap_or((&line.value, "")),
    };
    let name = name.trim().to_ascii_lowercase();
    Attribute { line: line.number, name, value: value.trim().to_owned() }
}
