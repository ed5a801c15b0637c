//! Converts bytes to lines of text: handles encodings, line ends, and prefixes added by other
//! programs.
//!
//! SDP is UTF-8 with CRLF line ends (RFC 8866, 5). In practice, texts are also in UTF-16 (from a
//! Windows console) or Latin-1 (session names of older devices), have LF or CR alone or trailing
//! zero bytes, or are indented or quoted because they were copied from a web page or an e-mail.

use super::lint::Lint;
use std::borrow::Cow;

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The characters of Windows-1252 in the positions where Latin-1 has control characters; five
/// positions are unused.
const WINDOWS_1252: [char; 32] = [
    '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
];

/// Converts the input to UTF-8 without a byte order mark. Also returns the fault of its encoding,
/// if one was found. Lines that are not valid UTF-8 are left unchanged.
pub(super) fn to_utf8(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<Lint>) {
    if let Some(rest) = bytes.strip_prefix(UTF8_MARK) {
        return (rest.into(), Some(Lint::ByteOrderMark));
    }
    let read: fn([u8; 2]) -> u16 = match bytes {
        [0xFF, 0xFE, ..] | [b'v', 0, b'=', 0, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] | [0, b'v', 0, b'=', ..] => u16::from_be_bytes,
        _ => return unescaped(bytes).map_or((bytes.into(), None), |text| (text.into(), Some(Lint::Escaped))),
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| read(pair));
    let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text).as_bytes().to_vec();
    (text.into(), Some(Lint::Utf16))
}

/// Unescapes a one-line text in which line ends are written as `\r\n` or `\n`, like a string in
/// JSON or in a program; `None` if the text is not escaped in this way.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if !text.contains("\\n") || text.contains(['\r', '\n']) {
        return None;
    }
    Some(text.trim_matches('"').replace("\\r", "\r").replace("\\n", "\n").replace("\\/", "/").into_bytes())
}

/// The end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    CrLf,
    Lf,
    Cr,
    Zero,
    /// The end of the text.
    Text,
}

/// Removes the next line from `rest`. Returns the line and the kind of its end.
pub(super) fn next_line<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], LineEnd)> {
    if rest.is_empty() {
        return None;
    }
    let text = *rest;
    let at = text.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0)).unwrap_or(text.len());
    let (line, end) = text.split_at(at);
    let (length, kind) = match end {
        [b'\r', b'\n', ..] => (2, LineEnd::CrLf),
        [b'\r', ..] => (1, LineEnd::Cr),
        [b'\n', ..] => (1, LineEnd::Lf),
        [_, ..] => (1, LineEnd::Zero),
        [] => (0, LineEnd::Text),
    };
    *rest = &end[length..];
    Some((line, kind))
}

/// Removes the prefix that a web page or an e-mail has added to a line. Also returns the kind of
/// that prefix.
pub(super) fn without_margin(line: &[u8]) -> (&[u8], Option<Lint>) {
    const NO_BREAK_SPACE: &[u8] = b"\xC2\xA0";
    let mut rest = line;
    let mut quoted = false;
    loop {
        rest = match rest {
            [b' ' | b'\t', after @ ..] => after,
            [b'>', after @ ..] => {
                quoted = true;
                after
            }
            _ => match rest.strip_prefix(NO_BREAK_SPACE) {
                Some(after) => after,
                None => break,
            },
        };
    }
    let margin = (rest.len() < line.len()).then_some(if quoted { Lint::Quoted } else { Lint::Indented });
    (rest.trim_ascii_end(), margin)
}

/// Converts bytes to text. Bytes that are not UTF-8 are read as Windows-1252; the returned flag
/// states whether that was necessary.
pub(super) fn to_text(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.into(), false),
        Err(_) => {
            let letter = |&byte: &u8| match byte {
                0x80..=0x9F => WINDOWS_1252[usize::from(byte - 0x80)],
                _ => char::from(byte),
            };
            (bytes.iter().map(letter).collect::<String>().into(), true)
        }
    }
}
