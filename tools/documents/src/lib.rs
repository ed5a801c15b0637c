#![forbid(unsafe_code)]
//! What the documents of this repository say that a test can check: their links, their anchors, and
//! the command lines in their listings.
//!
//! `cargo xtask test` follows the links. Each program checks the command lines that name it in a
//! test of its own, because only it knows how it reads them.

mod command;

pub use command::{CommandLine, Program};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Markdown file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its path from the top of the checkout, with `/` between folders.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A link or a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The line it is in, from 1.
    pub line: usize,
    /// Where it leads to, as written.
    pub target: String,
}

/// The top of the checkout in which a test or a command of `cargo` runs.
///
/// # Errors
/// If this process was not started by cargo, or not within a checkout.
pub fn root() -> io::Result<PathBuf> {
    let not_found = |what| io::Error::new(io::ErrorKind::NotFound, what);
    let package = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| not_found("this was not started by cargo"))?;
    let top = Path::new(&package).ancestors().find(|folder| folder.join("ARCHITECTURE.md").exists());
    top.map(Path::to_owned).ok_or_else(|| not_found("no folder above the package has an ARCHITECTURE.md"))
}

/// Every Markdown file of a checkout that git knows or would add.
///
/// # Errors
/// If git cannot be started or refuses, or a file cannot be read.
pub fn all(root: &Path) -> io::Result<Vec<Document>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"])
        .current_dir(root)
        .output()?;
    if !listed.status.success() {
        return Err(io::Error::other("`git ls-files` failed: this is not a checkout of the project"));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut documents = Vec::new();
    for path in names.split('\0').filter(|path| !path.is_empty()) {
        match std::fs::read_to_string(root.join(path)) {
            Ok(text) => documents.push(Document { path: path.to_owned(), text }),
            // Deleted, and not yet committed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
        }
    }
    Ok(documents)
}

/// The command lines of one program in all documents of this checkout.
///
/// # Errors
/// As [`root`] and [`all`].
pub fn commands_of(program: Program) -> io::Result<Vec<CommandLine>> {
    let commands = all(&root()?)?.into_iter().flat_map(|document| document.commands());
    Ok(commands.filter(|command| command.program == program).collect())
}

impl Document {
    /// Its links and pictures.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let link = |(event, range): (Event<'_>, std::ops::Range<usize>)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(Link { line: self.line(range.start), target: dest_url.into_string() })
            }
            _ => None,
        };
        self.events().filter_map(link).collect()
    }

    /// The anchors of its headings, as GitHub and mdBook name them.
    #[must_use]
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    let again = anchors.iter().filter(|known| **known == anchor).count();
                    anchors.push(if again == 0 { anchor } else { format!("{anchor}-{again}") });
                }
                _ => {}
            }
        }
        anchors
    }

    /// The command lines in its listings of kind `sh` and `bat`.
    #[must_use]
    pub fn commands(&self) -> Vec<CommandLine> {
        let mut commands = Vec::new();
        let mut shell = None;
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => {
                    shell = command::Shell::of(&kind);
                }
                Event::End(TagEnd::CodeBlock) => shell = None,
                Event::Text(listing) => {
                    let Some(shell) = shell else { continue };
                    let first = self.line(range.start);
                    commands.extend(
                        command::read(shell, &listing)
                            .map(|(line, words)| (first + line, words))
                            .filter_map(|(line, words)| CommandLine::of(format!("{}:{line}", self.path), words)),
                    );
                }
                _ => {}
            }
        }
        commands
    }

    fn events(&self) -> impl Iterator<Item = (Event<'_>, std::ops::Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text[..offset].matches('\n').count()
    }
}

/// The anchor of a heading: letters and digits in lower case, `-` for a space.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: "a.md".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn links_and_pictures_are_found_with_their_lines_and_listings_are_not_read() {
        let links = document("# A\n\n[b](b.md#c)\n![d](d.png)\n\n```text\n[e](e.md)\n```\n").links();
        let link = |line, target: &str| Link { line, target: target.to_owned() };
        assert_eq!(links, [link(3, "b.md#c"), link(4, "d.png")]);
    }

    #[test]
    fn anchors_are_those_of_the_headings() {
        let anchors = document("# Q, R and `x_y`\n\n## Same\n\n## Same\n").anchors();
        assert_eq!(anchors, ["q-r-and-x_y", "same", "same-1"]);
    }

    #[test]
    fn command_lines_are_read_from_shell_listings_only() {
        let text = "```sh\nsim a.toml  # why\necho\n```\n\n```text\nsim b.toml\n```\n\n```bat\nsim c.toml\n```\n";
        let commands = document(text).commands();
        assert_eq!(commands.len(), 2);
        assert_eq!(
            (commands[0].place.as_str(), commands[0].arguments.as_slice()),
            ("a.md:2", &["a.toml".to_owned()][..])
        );
    }
}
