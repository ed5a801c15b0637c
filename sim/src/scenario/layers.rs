//! A scenario file and the files that it extends, as one document.
//!
//! `extends = "base.toml"` names another file, relative to the one it stands in. Sections are
//! merged key by key, and the keys of the extending file win. Every other value, a list or a choice
//! such as `jitter` included, replaces that of the extended file as a whole.
//!
//! Positions are those in all texts, one after the other, the scenario's own first, so a position
//! tells file and line whichever file a value is from.

use super::ScenarioError;
use super::load::read_at_most;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Longest scenario file, in bytes; those here have up to 12,000.
pub(super) const LONGEST_SCENARIO: u64 = 1_000_000;
/// The key that names the extended file.
pub(super) const EXTENDS: &str = "extends";
/// Tables that are merged key by key, besides the whole file.
const SECTIONS: [&str; 13] = [
    "record",
    "grandmaster",
    "talker",
    "sender",
    "network",
    "network.media",
    "network.media_b",
    "network.ptp",
    "network.ptp_up",
    "sender.ptp",
    "host",
    "card",
    "playout",
];

/// A position, and what is wrong there.
pub(super) type Wrong = (Range<usize>, String);

/// One of the files that a scenario consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// Its contents.
    pub text: String,
}

/// The files of a scenario: its own first, then what each extends.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    files: Vec<SourceFile>,
    /// All texts, each with a line feed after it.
    text: String,
}

impl Layers {
    /// A scenario's own text, and the files that it extends.
    ///
    /// # Errors
    /// If an extended file cannot be read, is no text, or extends itself; at the line that names
    /// it.
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let mut layers = Self::of(vec![SourceFile { path: path.to_owned(), text: text.to_owned() }]);
        while let Some((place, name)) = layers.next() {
            let wrong = |message: String| layers.error(&place, message);
            let from = layers.files.last().map_or(Path::new(""), |file| &file.path);
            let path = from.parent().unwrap_or(Path::new("")).join(&name);
            let same = |file: &SourceFile| match (file.path.canonicalize(), path.canonicalize()) {
                (Ok(one), Ok(other)) => one == other,
                _ => file.path == path,
            };
            if layers.files.iter().any(same) {
                let names: Vec<String> = layers.files.iter().map(|file| file.path.display().to_string()).collect();
                let chain = names.join(" extends ");
                return Err(wrong(format!(
                    "{} is extended in a circle ({chain}): leave out one `extends`",
                    path.display()
                )));
            }
            let text = read_text(&path).map_err(|reason| {
                wrong(format!("{}: {reason}; give the path of a scenario file, relative to this one", path.display()))
            })?;
            layers.files.push(SourceFile { path, text });
            layers = Self::of(layers.files);
        }
        Ok(layers)
    }

    /// A text that extends nothing and is in no file.
    pub(super) fn single(text: String) -> Self {
        Self::of(vec![SourceFile { path: PathBuf::new(), text }])
    }

    fn of(files: Vec<SourceFile>) -> Self {
        let text = files.iter().fold(String::new(), |all, file| all + &file.text + "\n");
        Self { files, text }
    }

    /// What the last file extends, and where it says so. A value that is no text is left to the
    /// reader of the whole document, and so is a text that is no TOML.
    fn next(&self) -> Option<(Range<usize>, String)> {
        let (start, last) = self.starts().last()?;
        let document = DeTable::parse(&last.text).ok()?;
        let value = document.get_ref().get(EXTENDS)?;
        let span = value.span();
        Some((span.start + start..span.end + start, value.get_ref().as_str()?.to_owned()))
    }

    /// Each file, with the position at which its text begins.
    fn starts(&self) -> impl DoubleEndedIterator<Item = (usize, &SourceFile)> {
        let mut end = 0;
        let starts = self.files.iter().map(|file| {
            let start = end;
            end += file.text.len() + 1;
            (start, file)
        });
        starts.collect::<Vec<_>>().into_iter()
    }

    /// The file that a position is in, with the position at which it begins.
    fn at(&self, place: usize) -> Option<(usize, &SourceFile)> {
        self.starts().rev().find(|(start, _)| *start <= place)
    }

    /// All texts, to which positions refer.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The files, the scenario's own first.
    pub(super) fn into_files(self) -> Vec<SourceFile> {
        self.files
    }

    /// The files one by one, with their positions.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &str)> {
        self.starts().map(|(start, file)| (start, file.text.as_str()))
    }

    /// The folder of the file that a position is in.
    pub(super) fn folder_at(&self, place: usize) -> &Path {
        self.at(place).and_then(|(_, file)| file.path.parent()).unwrap_or(Path::new(""))
    }

    /// The same with another text at a place of one file.
    pub(super) fn replaced(&self, place: &Range<usize>, with: &str) -> Option<Self> {
        let (start, file) = self.at(place.start)?;
        let index = self.files.iter().position(|other| other == file)?;
        let before = file.text.get(..place.start - start)?;
        let after = file.text.get(place.end.checked_sub(start)?..)?;
        let mut files = self.files.clone();
        files[index].text = format!("{before}{with}{after}");
        Some(Self::of(files))
    }

    /// The error at a position: file, line and column.
    pub(super) fn error(&self, place: &Range<usize>, message: String) -> ScenarioError {
        let Some((start, file)) = self.at(place.start) else {
            return ScenarioError::at(Path::new(""), "", &(0..0), message);
        };
        ScenarioError::at(&file.path, &file.text, &(place.start - start..place.end.max(start) - start), message)
    }

    /// All files as one document.
    ///
    /// # Errors
    /// If one is no TOML.
    pub(super) fn document(&self) -> Result<DeTable<'_>, Wrong> {
        let mut merged = DeTable::new();
        for (start, file) in self.starts().rev() {
            let parsed = DeTable::parse(&file.text).map_err(|error| {
                let span = error.span().unwrap_or(0..0);
                (span.start + start..span.end + start, error.message().to_owned())
            })?;
            merge(&mut merged, shifted(parsed.into_inner(), start), "");
        }
        Ok(merged)
    }
}

/// The text of a scenario file.
///
/// # Errors
/// Why it cannot be read, or is no text.
fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_at_most(path, LONGEST_SCENARIO).map_err(|error| format!("cannot be read: {error}"))?;
    let bytes = bytes.ok_or_else(|| format!("more than {LONGEST_SCENARIO} bytes are no scenario"))?;
    engine::text::decode(&bytes).map(std::borrow::Cow::into_owned).map_err(|error| error.to_string())
}

/// A table whose positions are so many bytes further on.
fn shifted(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    if by == 0 {
        return table;
    }
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let entry = |(key, value): (Spanned<_>, Spanned<_>)| {
        (Spanned::new(moved(key.span()), key.into_inner()), shifted_value(value, by))
    };
    table.into_iter().map(entry).collect()
}

fn shifted_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted(table, by)),
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| shifted_value(item, by)).collect::<DeArray<'_>>())
        }
        plain => plain,
    };
    Spanned::new(span.start + by..span.end + by, value)
}

/// Puts what extends a document over it; `path` is that of the table.
fn merge<'a>(under: &mut DeTable<'a>, over: DeTable<'a>, path: &str) {
    for (key, mut value) in over {
        let name = key.get_ref().as_ref();
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if SECTIONS.contains(&full.as_str())
            && let DeValue::Table(section) = value.get_mut()
            && let Some(DeValue::Table(mut merged)) = under.remove(name).map(Spanned::into_inner)
        {
            merge(&mut merged, std::mem::take(section), &full);
            *section = merged;
        }
        // The key's position is that of the extending file, too.
        under.remove(key.get_ref().as_ref());
        under.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) -> Result<Layers, String> {
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let (name, text) = files[0];
        Layers::read(&folder.join(name), text)
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.display()), ""))
    }

    #[test]
    fn sections_are_merged_and_other_values_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let own =
            "extends = \"base.toml\"\nseed = 2\n[network.ptp]\njitter.normal = { mean_us = 1 }\n[[fault]]\nx = 1\n";
        let base = "seed = 1\ntitle = \"b\"\n[network.ptp]\ndelay_us = 5\njitter.uniform = 3\n[[fault]]\ny = 1\n[[fault]]\nz = 1\n";
        let layers = write(folder.path(), &[("own.toml", own), ("base.toml", base)]).unwrap();
        let document = layers.document().unwrap();
        let table: toml::Table =
            serde::Deserialize::deserialize(toml::Deserializer::from(Spanned::new(0..0, document))).unwrap();
        let right = "extends = \"base.toml\"\nseed = 2\ntitle = \"b\"\n[network.ptp]\ndelay_us = 5\n\
                     jitter.normal = { mean_us = 1 }\n[[fault]]\nx = 1\n";
        assert_eq!(table, right.parse::<toml::Table>().unwrap());
    }

    #[test]
    fn positions_lead_to_the_right_file() {
        let folder = tempfile::tempdir().unwrap();
        let layers =
            write(folder.path(), &[("a.toml", "extends = \"b.toml\"\n"), ("b.toml", "one = 1\ntwo = 2")]).unwrap();
        let document = layers.document().unwrap();
        let two = document.get("two").unwrap().span();
        assert_eq!(&layers.text()[two.clone()], "2");
        let error = layers.error(&two, "wrong".to_owned()).to_string();
        assert!(error.ends_with("b.toml:2:7: wrong\n  |  two = 2"), "{error}");
    }

    #[test]
    fn a_circle_and_a_missing_file_are_refused_where_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let circle = [("a.toml", "extends = \"b.toml\""), ("b.toml", "\nextends = \"a.toml\"")];
        let error = write(folder.path(), &circle).unwrap_err();
        assert_eq!(
            error,
            "b.toml:2:11: a.toml is extended in a circle (a.toml extends b.toml): leave out one `extends`\n  |  \
             extends = \"a.toml\""
        );
        let error = write(folder.path(), &[("c.toml", "extends = \"none.toml\"")]).unwrap_err();
        assert!(error.starts_with("c.toml:1:11: none.toml: cannot be read: "), "{error}");
        assert!(error.contains("give the path of a scenario file, relative to this one"), "{error}");
    }
}
