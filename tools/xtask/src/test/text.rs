//! Checks that neither the formatter nor the compiler performs: the width of comments and
//! documents, and a source for every constant of the control loops.
//!
//! A line of a comment or a document is too wide if it has more than 100 columns and could be
//! broken. A long address cannot be broken, nor can tables, pictures and listings.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::error::Error;

/// Columns of comments and documents.
const WIDTH: usize = 100;
/// Folders whose constants decide how clocks and playout behave.
const LOOPS: [&str; 4] = ["engine/src/audio/", "engine/src/clock/", "engine/src/receive/", "engine/src/send/"];
/// Words by which the comment on a constant names the source of its value: a person's judgement,
/// a calculation, a definition, a benchmark, a standard, or a paper.
const SOURCES: [&str; 17] = [
    "Judgement:",
    "Derived:",
    "Definition:",
    "Measured:",
    "`bench ",
    "RFC ",
    "IEEE ",
    "AES67-20",
    "ST 2022",
    "ST 2110",
    "ITU-T ",
    "IERS ",
    "IS-GPS-",
    "Huber 19",
    "Burg 19",
    "Allan 19",
    "Livewire",
];
/// Marks of comments and of lists.
const MARKS: [char; 7] = [' ', '/', '!', '*', '-', '#', '>'];
/// Maximum number of complaints that are listed.
const LISTED: usize = 20;

/// Checks every file that git tracks.
///
/// # Errors
/// If a check fails, with the places, or if git or a file cannot be read.
pub(super) fn check() -> Result<(), Error> {
    let mut wrong = Vec::new();
    for path in tracked()? {
        let Some(kind) = Kind::of(&path) else { continue };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // The file was deleted, but the deletion is not committed yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::File { path: path.into(), source }),
        };
        let place = |(line, what): (usize, &str)| format!("{path}:{line}: {what}");
        wrong.extend(too_wide(&text, kind).map(|line| place((line, "wider than 100 columns"))));
        if kind == Kind::Rust && LOOPS.iter().any(|folder| path.starts_with(folder)) && !path.contains("/tests") {
            let unsourced = unsourced(&text).into_iter();
            wrong.extend(unsourced.map(|line| place((line, "a constant whose comment names no source of its value"))));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Text(listed(&wrong))) }
}

fn listed(wrong: &[String]) -> String {
    let mut list = format!("{} {}", wrong.len(), if wrong.len() == 1 { "place" } else { "places" });
    for place in wrong.iter().take(LISTED) {
        let _ = write!(list, "\n    {place}");
    }
    if wrong.len() > LISTED {
        let _ = write!(list, "\n    and {} more", wrong.len() - LISTED);
    }
    list
}

/// Files that git knows, by their paths from the top of the checkout.
fn tracked() -> Result<Vec<String>, Error> {
    let program = |source| Error::Start { command: "git ls-files".to_owned(), source };
    let output = Command::new("git").args(["ls-files", "-z"]).output().map_err(program)?;
    if !output.status.success() {
        return Err(Error::Text("`git ls-files` failed: this is not a checkout of the project".to_owned()));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// The language of a file, which determines its comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Comments begin with `//`.
    Rust,
    /// Comments begin with `//`, or with `/*` and lines of `*`.
    C,
    /// Comments begin with `#`.
    Hash,
    Markdown,
}

impl Kind {
    fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending {
            "rs" => Some(Self::Rust),
            "h" | "c" | "cs" => Some(Self::C),
            "toml" | "py" => Some(Self::Hash),
            "md" => Some(Self::Markdown),
            _ => None,
        }
    }

    fn is_comment(self, line: &str) -> bool {
        let line = line.trim_start();
        match self {
            Self::Rust => line.starts_with("//"),
            Self::C => line.starts_with("//") || line.starts_with("/*") || line.starts_with('*'),
            Self::Hash => line.starts_with('#'),
            Self::Markdown => !["|", "![", "<!--"].iter().any(|mark| line.starts_with(mark)),
        }
    }
}

/// Numbers of the lines that are too wide.
fn too_wide(text: &str, kind: Kind) -> impl Iterator<Item = usize> + '_ {
    let mut is_listing = false;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let is_comment = kind.is_comment(line);
        let is_fence = line.trim_start_matches(MARKS).starts_with("```");
        // A listing in a comment ends with the comment, even if its end is missing.
        is_listing = (is_listing != is_fence) && (is_comment || kind == Kind::Markdown);
        let counts = !is_listing && is_comment && line.chars().count() > WIDTH;
        (counts && can_be_broken(line)).then_some(number)
    })
}

/// Whether the line has a space within the width after the first word (marks of comments and lists
/// are skipped), and is not a row of a table.
fn can_be_broken(line: &str) -> bool {
    let text = line.trim_start_matches(MARKS);
    let begin = line.chars().count() - text.chars().count();
    let space = text.chars().position(|c| c == ' ');
    !text.starts_with('|') && !text.contains("   ") && space.is_some_and(|at| begin + at <= WIDTH)
}

/// Lines of the constants whose comment, or that of the first of their group, names no source of
/// the value.
fn unsourced(text: &str) -> Vec<usize> {
    let is_constant = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("pub(super) ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
        line.starts_with("const ") && !line.starts_with("const fn ") && !line.starts_with("const _")
    };
    let mut wrong = Vec::new();
    let mut comment = String::new();
    let mut is_in_comment = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if let Some(words) = line.strip_prefix("//") {
            if !is_in_comment {
                comment.clear();
            }
            comment.push_str(words.trim_start_matches('/'));
            is_in_comment = true;
            continue;
        }
        is_in_comment = false;
        if is_constant(line) {
            if !SOURCES.iter().any(|source| comment.contains(source)) {
                wrong.push(number);
            }
        } else if !line.starts_with([' ', ']', '}', ')', '#']) {
            // Attributes and continuation lines belong to the constant before or after them.
            comment.clear();
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(kind: Kind, text: &str) -> Vec<usize> {
        too_wide(text, kind).collect()
    }

    #[test]
    fn comments_are_wide_beyond_100_columns_and_code_is_the_formatters() {
        let words = "word ".repeat(19);
        assert_eq!(wide(Kind::Rust, &format!("/// {words}\n    // {words}x12\n{words}{words}")), [2]);
        assert_eq!(wide(Kind::Hash, &format!("# {words}{words}\nkey = \"{words}{words}\"")), [1]);
        assert_eq!(wide(Kind::C, &format!(" * {words}{words}\n/* {words}{words}*/\nint {words}{words};")), [1, 2]);
    }

    #[test]
    fn listings_in_comments_are_code_and_end_with_them() {
        let code = format!("/// let a = {};", "b + ".repeat(30));
        assert!(wide(Kind::Rust, &format!("/// ```\n{code}\n/// ```")).is_empty());
        assert_eq!(wide(Kind::Rust, &format!("/// ```\n{code}\nfn f() {{}}\n{code}")), [4]);
    }

    #[test]
    fn what_cannot_be_broken_is_left_alone() {
        let address = "x".repeat(120);
        assert_eq!(wide(Kind::Rust, &format!("/// https://{address} tells.\n/// see https://{address}")), [2]);
        let row = "| cell ".repeat(30);
        let text = format!("{row}\n```text\n{row}\n```\n* {address}\n* two words {address}");
        assert_eq!(wide(Kind::Markdown, &text), [6]);
        assert!(wide(Kind::Rust, &format!("/// {row}")).is_empty());
    }

    #[test]
    fn a_constant_needs_a_source_of_its_own_or_of_its_group() {
        let text = "/// A. Judgement: why.\nconst A: u8 = 1;\nconst B: [u8; 1] = [\n    2,\n];\nconst C: u8 = 3;\n\npub const D: u8 = 4;\nconst fn e() {}\n";
        assert_eq!(unsourced(text), [8]);
        assert_eq!(unsourced("/// As RFC\n/// 3550 says.\nconst A: u8 = 1;\n/// Ten.\nconst B: u8 = 10;\n"), [5]);
        assert!(unsourced("#[cfg(test)]\nmod tests {\nconst A: u8 = 1;\n}").is_empty());
    }
}
