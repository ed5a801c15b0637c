//! Decodes text files written by people: UTF-8, or UTF-16 with a byte order mark, which some
//! Windows programs use to save text.
//!
//! Text in another encoding, such as Latin-1, is rejected with the position of the first invalid
//! byte, because wrongly guessed characters would end up in names and keys.

use std::borrow::Cow;
use thiserror::Error;

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";
const UTF16_LITTLE_ENDIAN_MARK: &[u8] = b"\xFF\xFE";
const UTF16_BIG_ENDIAN_MARK: &[u8] = b"\xFE\xFF";

/// Why a file could not be decoded. Lines, and the bytes within a line, are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// A byte is not valid UTF-8.
    #[error("line {line}, byte {byte}: the text is not UTF-8 (byte 0x{found:02X}); save it as UTF-8")]
    NotUtf8 {
        /// Number of the line.
        line: usize,
        /// Position of the byte within the line.
        byte: usize,
        /// The value of the byte.
        found: u8,
    },
    /// The file begins with a UTF-16 byte order mark, but contains an incomplete character.
    #[error("line {line}: the text is not UTF-16 as its first bytes say (there is half a character); save it as UTF-8")]
    NotUtf16 {
        /// Number of the line.
        line: usize,
    },
}

/// Decodes the text of a file and removes its byte order mark.
///
/// ```
/// use engine::text::decode;
/// assert_eq!(decode(b"\xEF\xBB\xBFtitle").unwrap(), "title");
/// assert_eq!(decode(b"\xFF\xFEt\0i\0").unwrap(), "ti");
/// let error = decode(b"seed = 1\ntitle = \"caf\xE9\"").unwrap_err();
/// let said = "line 2, byte 13: the text is not UTF-8 (byte 0xE9); save it as UTF-8";
/// assert_eq!(error.to_string(), said);
/// ```
///
/// # Errors
/// If the file is neither UTF-8 nor UTF-16 with a byte order mark.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
    if let Some(rest) = bytes.strip_prefix(UTF16_LITTLE_ENDIAN_MARK) {
        return decode_utf16(rest, u16::from_le_bytes).map(Cow::Owned);
    }
    if let Some(rest) = bytes.strip_prefix(UTF16_BIG_ENDIAN_MARK) {
        return decode_utf16(rest, u16::from_be_bytes).map(Cow::Owned);
    }
    let bytes = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let (before, rest) = bytes.split_at(error.valid_up_to());
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        TextError::NotUtf8 { line, byte: before.len() - start + 1, found: rest.first().copied().unwrap_or_default() }
    })
}

fn decode_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let (pairs, half) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for unit in char::decode_utf16(pairs.iter().map(|&pair| read(pair))) {
        text.push(unit.map_err(|_| half_character(&text))?);
    }
    if half.is_empty() { Ok(text) } else { Err(half_character(&text)) }
}

fn half_character(before: &str) -> TextError {
    TextError::NotUtf16 { line: 1 + before.matches('\n').count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, write: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(write).collect()
    }

    #[test]
    fn marks_are_not_part_of_the_text() {
        let text = "title = \"Grüße 𝄞\"\r\nseed = 1\n";
        let marked = [UTF8_MARK, text.as_bytes()].concat();
        for bytes in [text.as_bytes(), &marked, &utf16(text, u16::to_le_bytes), &utf16(text, u16::to_be_bytes)] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
        assert_eq!((decode(b"").unwrap(), decode(UTF8_MARK).unwrap()), ("".into(), "".into()));
    }

    #[test]
    fn the_first_wrong_byte_is_told_with_its_place() {
        let place = |bytes: &[u8]| decode(bytes).unwrap_err();
        assert_eq!(place(b"\xE9"), TextError::NotUtf8 { line: 1, byte: 1, found: 0xE9 });
        // The mark does not count as a byte of the line, and the error is at the first byte of a
        // truncated character.
        let cut = [UTF8_MARK, b"a\nb\r\n\xC3\xA4\xC3"].concat();
        assert_eq!(place(&cut), TextError::NotUtf8 { line: 3, byte: 3, found: 0xC3 });
    }

    #[test]
    fn half_a_character_of_utf16_is_told() {
        let mut odd = utf16("a\nb", u16::to_le_bytes);
        odd.push(0);
        assert_eq!(decode(&odd).unwrap_err(), TextError::NotUtf16 { line: 2 });
        let lone = [UTF16_BIG_ENDIAN_MARK, &[0xD8, 0x34]].concat();
        assert_eq!(decode(&lone).unwrap_err(), TextError::NotUtf16 { line: 1 });
    }
}
