//! Reads security associations from text in the format of linuxptp's `sa_file`, so that both
//! programs can use the same file.
//!
//! ```text
//! [security_association]
//! spp 1
//! seqid_window 3
//! allow_mutable 1
//! 1 SHA256-128 HEX:00112233445566778899aabbccddeeff
//! 2 SHA256 32 B64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
//! ```
//!
//! A key is `id algorithm [length] secret`. An unsupported setting is an error and is not ignored,
//! because the user may rely on it.

use super::{IntegrityAlgorithm, Key, SecurityAssociation};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

/// Maximum length of a text, bytes.
const LONGEST: usize = 65_536;
/// Maximum number of associations in a text.
const MOST_ASSOCIATIONS: usize = 256;

/// An error in a text with security associations, and the line in which it occurs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
#[non_exhaustive]
pub struct SaFileError {
    /// Line number, counted from 1.
    pub line: usize,
    /// The error.
    pub problem: SaFileProblem,
}

/// An error in a line. No variant shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaFileProblem {
    /// The text is too long, or has too many associations.
    #[error("more than 65536 bytes or 256 associations are not read")]
    TooLong,
    /// A line precedes the first `spp`.
    #[error("an association begins with `spp N`, from 0 to 255")]
    NoSpp,
    /// The number after a keyword is missing or too large.
    #[error("{key} wants a number from 0 to {most}")]
    Number {
        /// The keyword.
        key: &'static str,
        /// The largest number.
        most: u32,
    },
    /// Two associations with the same SPP.
    #[error("SPP {spp} is there twice")]
    SppTwice {
        /// The SPP.
        spp: u8,
    },
    /// `seqnum_length` or `res_length` other than 0.
    #[error("{key} must be 0: that field is not supported")]
    Field {
        /// The keyword.
        key: &'static str,
    },
    /// The line is neither a setting nor a key.
    #[error("a key is `id algorithm [length] secret`, such as `1 SHA256-128 HEX:0011...`")]
    NoKey,
    /// An algorithm other than HMAC with SHA-256.
    #[error("the algorithms are SHA256-128 and SHA256")]
    Algorithm,
    /// The secret is not valid in the encoding that its prefix names.
    #[error("the secret is not valid {encoding}")]
    Secret {
        /// HEX or B64.
        encoding: &'static str,
    },
    /// The length of the secret differs from the length stated in the line.
    #[error("the secret has {actual} bytes, the line says {told}")]
    Length {
        /// The length of the secret, bytes.
        actual: usize,
        /// The length in the line.
        told: usize,
    },
    /// The id is 0 or repeated, or the secret is empty.
    #[error("a key needs an id from 1 to 4294967295 that no other key has, and a secret")]
    Key,
    /// More keys than an association may have.
    #[error("an association has {} keys at most", SecurityAssociation::MOST_KEYS)]
    TooManyKeys,
    /// An association without keys.
    #[error("SPP {spp} has no key")]
    NoKeys {
        /// The SPP.
        spp: u8,
    },
}

/// An association that is being read.
struct Draft {
    line: usize,
    spp: u8,
    covers_correction: bool,
    keys: Vec<Key>,
}

impl SecurityAssociation {
    /// Parses the associations in a text, and returns them in the order in which they appear.
    ///
    /// ```
    /// use engine::ptp::authentication::SecurityAssociation;
    /// let text = "[security_association]\nspp 1\n7 SHA256-128 ASCII:between us\n";
    /// assert_eq!(SecurityAssociation::parse_all(text).unwrap_err().to_string(),
    ///     "line 3: a key is `id algorithm [length] secret`, such as `1 SHA256-128 HEX:0011...`");
    /// let text = "[security_association]\nspp 1\n7 SHA256-128 ASCII:between-us\n";
    /// let associations = SecurityAssociation::parse_all(text).unwrap();
    /// assert_eq!((associations.len(), associations[0].spp()), (1, 1));
    /// ```
    ///
    /// # Errors
    /// The error reports the first invalid line.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, SaFileError> {
        if text.len() > LONGEST {
            return Err(SaFileError { line: 1, problem: SaFileProblem::TooLong });
        }
        let mut drafts: Vec<Draft> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.eq_ignore_ascii_case("[security_association]") {
                continue;
            }
            read_line(line_number, line, &mut drafts).map_err(|problem| SaFileError { line: line_number, problem })?;
        }
        drafts.iter().map(Draft::finish).collect()
    }
}

impl Draft {
    fn finish(&self) -> Result<SecurityAssociation, SaFileError> {
        // Ids and the number of keys were checked line by line, so only an empty list is refused.
        SecurityAssociation::new(self.spp, self.covers_correction, &self.keys)
            .ok_or(SaFileError { line: self.line, problem: SaFileProblem::NoKeys { spp: self.spp } })
    }
}

fn read_line(line_number: usize, line: &str, drafts: &mut Vec<Draft>) -> Result<(), SaFileProblem> {
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default();
    if word == "spp" {
        let spp = number("spp", u8::MAX.into(), words.next())?;
        let spp = u8::try_from(spp).unwrap_or(u8::MAX);
        if drafts.iter().any(|draft| draft.spp == spp) {
            return Err(SaFileProblem::SppTwice { spp });
        }
        if drafts.len() == MOST_ASSOCIATIONS {
            return Err(SaFileProblem::TooLong);
        }
        drafts.push(Draft { line: line_number, spp, covers_correction: true, keys: Vec::new() });
        return Ok(());
    }
    let draft = drafts.last_mut().ok_or(SaFileProblem::NoSpp)?;
    match word {
        // The window of sequence ids protects against replays. Here, the checks that all Syncs
        // undergo provide this protection.
        "seqid_window" => number("seqid_window", u32::from(u16::MAX / 2), words.next()).map(|_| ()),
        "seqnum_length" => zero("seqnum_length", words.next()),
        "res_length" => zero("res_length", words.next()),
        "allow_mutable" => {
            draft.covers_correction = number("allow_mutable", 1, words.next())? == 0;
            Ok(())
        }
        id => draft.read_key(id, words),
    }
}

impl Draft {
    fn read_key<'a>(&mut self, id: &str, words: impl Iterator<Item = &'a str>) -> Result<(), SaFileProblem> {
        let id: u32 = id.parse().map_err(|_| SaFileProblem::NoKey)?;
        let words: Vec<&str> = words.take(4).collect();
        let (algorithm, told, secret) = match *words.as_slice() {
            [algorithm, secret] => (algorithm, None, secret),
            [algorithm, told, secret] => {
                (algorithm, Some(told.parse::<usize>().map_err(|_| SaFileProblem::NoKey)?), secret)
            }
            _ => return Err(SaFileProblem::NoKey),
        };
        let algorithm = match algorithm.to_ascii_uppercase().as_str() {
            "SHA256-128" => IntegrityAlgorithm::HmacSha256Truncated,
            "SHA256" => IntegrityAlgorithm::HmacSha256,
            _ => return Err(SaFileProblem::Algorithm),
        };
        let secret = decode(secret)?;
        // linuxptp treats a length of 0 like a missing one.
        if let Some(told) = told.filter(|&told| told != 0 && told != secret.len()) {
            return Err(SaFileProblem::Length { actual: secret.len(), told });
        }
        if self.keys.len() == SecurityAssociation::MOST_KEYS {
            return Err(SaFileProblem::TooManyKeys);
        }
        let key = Key::new(id, algorithm, &secret).ok_or(SaFileProblem::Key)?;
        if self.keys.iter().any(|other| other.id == id) {
            return Err(SaFileProblem::Key);
        }
        self.keys.push(key);
        Ok(())
    }
}

fn number(key: &'static str, most: u32, word: Option<&str>) -> Result<u32, SaFileProblem> {
    let number = word.and_then(|word| word.parse().ok()).filter(|&number| number <= most);
    number.ok_or(SaFileProblem::Number { key, most })
}

fn zero(key: &'static str, word: Option<&str>) -> Result<(), SaFileProblem> {
    match number(key, u32::from(u16::MAX), word)? {
        0 => Ok(()),
        _ => Err(SaFileProblem::Field { key }),
    }
}

fn decode(secret: &str) -> Result<Vec<u8>, SaFileProblem> {
    let decoded = |encoding, result: Result<_, data_encoding::DecodeError>| {
        result.map_err(|_| SaFileProblem::Secret { encoding })
    };
    if let Some(hex) = secret.strip_prefix("HEX:") {
        return decoded("hexadecimal", HEXLOWER_PERMISSIVE.decode(hex.as_bytes()));
    }
    if let Some(base64) = secret.strip_prefix("B64:") {
        return decoded("Base64", BASE64.decode(base64.as_bytes()));
    }
    Ok(secret.strip_prefix("ASCII:").unwrap_or(secret).as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &str) -> (usize, SaFileProblem) {
        let error = SecurityAssociation::parse_all(text).unwrap_err();
        (error.line, error.problem)
    }

    #[test]
    fn secrets_are_read_in_each_encoding() {
        let text = "# comment\n[security_association]\nspp 4\nseqid_window 3\nallow_mutable 1\n\
            1 sha256-128 HEX:6162\n2 SHA256 2 B64:YWI=\n[security_association]\nspp 5\n1 SHA256 ASCII:ab\n2 SHA256 ab\n";
        let [first, second] = SecurityAssociation::parse_all(text).unwrap().try_into().unwrap();
        let key = |id, algorithm| Key::new(id, algorithm, b"ab").unwrap();
        let (truncated, whole) = (IntegrityAlgorithm::HmacSha256Truncated, IntegrityAlgorithm::HmacSha256);
        assert_eq!(first, SecurityAssociation::new(4, false, &[key(1, truncated), key(2, whole)]).unwrap());
        assert_eq!(second, SecurityAssociation::new(5, true, &[key(1, whole), key(2, whole)]).unwrap());
    }

    #[test]
    fn each_problem_is_told_with_its_line() {
        assert_eq!(problem("1 SHA256 ab"), (1, SaFileProblem::NoSpp));
        assert_eq!(problem("spp 256"), (1, SaFileProblem::Number { key: "spp", most: 255 }));
        assert_eq!(problem("spp 1\n1 SHA256 ab\nspp 1"), (3, SaFileProblem::SppTwice { spp: 1 }));
        assert_eq!(problem("spp 1\nres_length 2"), (2, SaFileProblem::Field { key: "res_length" }));
        assert_eq!(problem("spp 1\nkey 2"), (2, SaFileProblem::NoKey));
        assert_eq!(problem("spp 1\n1 AES128 ab"), (2, SaFileProblem::Algorithm));
        assert_eq!(problem("spp 1\n1 SHA256 HEX:0"), (2, SaFileProblem::Secret { encoding: "hexadecimal" }));
        assert_eq!(problem("spp 1\n1 SHA256 3 ab"), (2, SaFileProblem::Length { actual: 2, told: 3 }));
        assert_eq!(problem("spp 1\n0 SHA256 ab"), (2, SaFileProblem::Key));
        assert_eq!(problem("spp 1\n1 SHA256 ab\n1 SHA256 cd"), (3, SaFileProblem::Key));
        assert_eq!(problem("spp 1\n1 SHA256 ASCII:"), (2, SaFileProblem::Key));
        let keys: String = (1..=5).map(|id| format!("{id} SHA256 ab\n")).collect();
        assert_eq!(problem(&format!("spp 1\n{keys}")), (6, SaFileProblem::TooManyKeys));
        assert_eq!(problem("spp 1\n1 SHA256 ab\nspp 2\n"), (3, SaFileProblem::NoKeys { spp: 2 }));
        assert_eq!(problem(&" ".repeat(70_000)), (1, SaFileProblem::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(spp [0-9]{1,3}\n)?([0-9a-zA-Z:= -]{0,40}\n){0,6}") {
            if let Ok(associations) = SecurityAssociation::parse_all(&text) {
                prop_assert!(associations.iter().all(|association| association.keys().count() > 0));
            }
        }
    }
}
