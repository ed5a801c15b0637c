//! A description as lines: what every SDP has, whatever it describes.

use std::borrow::Cow;

/// One line: its number from 1, and what follows `x=`.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) value: Cow<'a, str>,
}

/// An attribute: `a=name` or `a=name:value`.
#[derive(Clone, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) line: usize,
    name: String,
    value: Cow<'a, str>,
}

impl Attribute<'_> {
    pub(super) fn value(&self) -> &str {
        &self.value
    }
}

/// The lines of the session, or of one medium.
#[derive(Clone, Debug, Default)]
pub(super) struct Section<'a> {
    /// The `m=` line; none for the session.
    pub(super) media: Option<Line<'a>>,
    pub(super) origin: Option<Line<'a>>,
    pub(super) name: Option<Line<'a>>,
    pub(super) information: Option<Line<'a>>,
    pub(super) connection: Option<Line<'a>>,
    pub(super) time: bool,
    attributes: Vec<Attribute<'a>>,
}

impl Section<'_> {
    /// The first attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute<'_>> {
        self.all(name).next()
    }

    /// All attributes of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Attribute<'_>> {
        self.attributes.iter().filter(move |attribute| attribute.name == name)
    }

    /// Where it begins.
    pub(super) fn line(&self) -> usize {
        self.media.as_ref().map_or(1, |line| line.number)
    }
}

/// A text in sections.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<'a> {
    pub(super) session: Section<'a>,
    pub(super) media: Vec<Section<'a>>,
    /// Whether the first line is `v=0`.
    pub(super) is_sdp: bool,
    pub(super) lines: usize,
    /// The first line that ends without a carriage return.
    pub(super) bare_line_end: Option<usize>,
    /// Lines that are not `x=...`, at most a few.
    pub(super) no_lines: Vec<usize>,
}

/// Bad lines that are told of.
const MAX_BAD_LINES: usize = 8;

impl<'a> Text<'a> {
    /// Cuts a text. Lines end with CRLF by the standard, and with LF in the field; empty ones and blanks at their ends mean nothing.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut text = Self::default();
        let mut raw_lines = bytes.split(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((index, raw)) = raw_lines.next() {
            let number = index + 1;
            let end = raw.strip_suffix(b"\r");
            // Some senders count a final zero byte as part of the text.
            let line = end.unwrap_or(raw).trim_ascii_end();
            let line = line.strip_suffix(b"\0").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if end.is_none() && raw_lines.peek().is_some() {
                text.bare_line_end.get_or_insert(number);
            }
            text.lines = number;
            text.add(number, line);
        }
        text
    }

    fn add(&mut self, number: usize, line: &'a [u8]) {
        let Some((&[kind, b'='], value)) = line.split_first_chunk() else {
            if self.no_lines.len() < MAX_BAD_LINES {
                self.no_lines.push(number);
            }
            return;
        };
        let line = Line { number, value: clean(value) };
        let section = self.media.last_mut().unwrap_or(&mut self.session);
        match kind {
            b'v' => self.is_sdp |= self.lines == number && line.value == "0" && self.media.is_empty(),
            b'm' => self.media.push(Section { media: Some(line), ..Section::default() }),
            b'o' => section.origin = Some(line),
            b's' => section.name = Some(line),
            b'i' => section.information = Some(line),
            // Of several, which only layered codings have, the first one counts.
            b'c' => drop(section.connection.get_or_insert(line)),
            b't' => section.time = true,
            b'a' => section.attributes.push(attribute(line)),
            _ => {}
        }
    }
}

/// A value as text: what is no UTF-8 becomes the replacement character, and what could end a line a blank.
fn clean(value: &[u8]) -> Cow<'_, str> {
    let value = String::from_utf8_lossy(value.trim_ascii());
    if value.contains(char::is_control) { value.replace(char::is_control, " ").trim().to_owned().into() } else { value }
}

fn attribute(line: Line<'_>) -> Attribute<'_> {
    let (name, value) = match line.value {
        Cow::Borrowed(text) => {
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            (name, Cow::Borrowed(value.trim()))
        }
        Cow::Owned(text) => {
            let (name, value) = text.split_once(':').unwrap_or((&text, ""));
            return Attribute {
                line: line.number,
                name: name.trim().to_ascii_lowercase(),
                value: value.trim().to_owned().into(),
            };
        }
    };
    Attribute { line: line.number, name: name.trim().to_ascii_lowercase(), value }
}
