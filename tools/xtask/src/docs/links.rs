//! Checks of every document that need no other program: links, anchors, files of scenarios, and
//! packages and commands of cargo.

use std::fs;
use std::path::{Component, Path, PathBuf};

use documents::{CommandLine, Document, Program};

/// The cargo commands that documents may name: built-in ones, and those that cargo xtask test uses.
const OF_CARGO: [&str; 14] = [
    "add", "bench", "build", "check", "clippy", "deny", "doc", "fmt", "install", "metadata", "nextest", "run", "test",
    "update",
];
/// Part of the names of files that the reader has to write.
const PLACEHOLDER: &str = "yours";

/// All faults of the documents, with their places.
pub(super) fn wrong(root: &Path, documents: &[Document]) -> Vec<String> {
    let mut wrong = Vec::new();
    for document in documents {
        for link in document.links() {
            if let Some(reason) = broken(root, documents, document, &link.target) {
                wrong.push(format!("{}:{}: {}: {reason}", document.path, link.line, link.target));
            }
        }
        for command in document.commands() {
            wrong.extend(refused(root, &command).map(|reason| format!("{}: {reason}", command.place)));
        }
    }
    wrong
}

/// The reason why a link is broken, if it is.
fn broken(root: &Path, documents: &[Document], from: &Document, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { from.path.clone() } else { resolved(&from.path, path)? };
    if !root.join(&path).exists() {
        return Some("there is no such file");
    }
    // A book has no pages outside of its folder.
    if from.path.starts_with("docs/") && !path.starts_with("docs/") {
        return Some("leads out of the book; name the file without a link");
    }
    let there = documents.iter().find(|document| document.path == path);
    match there {
        _ if anchor.is_empty() => None,
        Some(document) if document.anchors().iter().any(|known| known == anchor) => None,
        Some(_) => Some("there is no such heading"),
        None => Some("only Markdown has headings"),
    }
}

/// A path relative to a document, as a path relative to the top of the checkout.
fn resolved(from: &str, path: &str) -> Option<String> {
    let mut resolved = PathBuf::new();
    for part in Path::new(from).parent()?.join(path).components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    Some(resolved.to_string_lossy().replace('\\', "/"))
}

/// The reason why a command line would fail, if there is one.
fn refused(root: &Path, command: &CommandLine) -> Option<String> {
    let words = command.arguments.iter();
    let missing = words.clone().find(|word| {
        let is_scenario = word.starts_with("scenarios/") && !word.contains(PLACEHOLDER);
        is_scenario && !root.join(word).exists()
    });
    if let Some(path) = missing {
        return Some(format!("{path} is not there"));
    }
    if command.program != Program::Cargo {
        return None;
    }
    let own: Vec<&String> = words.take_while(|word| *word != "--").collect();
    match own.first() {
        Some(name) if OF_CARGO.contains(&name.as_str()) => {}
        name => return Some(format!("cargo has no command {name:?}")),
    }
    let values = |option| own.iter().zip(own.iter().skip(1)).filter(move |(word, _)| word.as_str() == option);
    let is_package = |name: &str| packages(root).iter().any(|package| package == name);
    if let Some((_, name)) = values("-p").find(|(_, name)| !is_package(name)) {
        return Some(format!("there is no package {name}"));
    }
    let has = |folder: &str, name: &str| {
        own.iter()
            .any(|word| is_package(word) && folder_of(root, word).join(folder).join(format!("{name}.rs")).exists())
            || own.iter().any(|word| is_package(word) && folder_of(root, word).join(folder).join(name).is_dir())
    };
    let tests =
        values("--test").find(|(_, name)| !has("tests", name)).map(|(_, name)| format!("there is no test {name}"));
    tests.or_else(|| {
        values("--example")
            .find(|(_, name)| !has("examples", name))
            .map(|(_, name)| format!("there is no example {name}"))
    })
}

/// The folders of the workspace's packages, as its manifest lists them.
fn members(root: &Path) -> Vec<PathBuf> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let members = manifest.get("workspace").and_then(|table| table.get("members")).and_then(toml::Value::as_array);
    members.into_iter().flatten().filter_map(|member| Some(root.join(member.as_str()?))).collect()
}

fn name_of(folder: &Path) -> Option<String> {
    let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).ok()?.parse().ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

fn packages(root: &Path) -> Vec<String> {
    members(root).iter().filter_map(|folder| name_of(folder)).collect()
}

fn folder_of(root: &Path, package: &str) -> PathBuf {
    members(root).into_iter().find(|folder| name_of(folder).as_deref() == Some(package)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let root = documents::root().expect("tests run within a checkout");
        let documents = [
            Document { path: path.to_owned(), text: text.to_owned() },
            Document { path: "README.md".to_owned(), text: "# Top\n".to_owned() },
        ];
        wrong(&root, &documents)
    }

    #[test]
    fn links_that_lead_nowhere_are_named_with_their_line() {
        let text = "[a](README.md#top) [b](docs/nothing.md)\n[c](README.md#nothing) [d](https://example.org/e)\n";
        let expected =
            ["A.md:1: docs/nothing.md: there is no such file", "A.md:2: README.md#nothing: there is no such heading"];
        assert_eq!(complaints("A.md", text), expected);
        let outside = "docs/a.md:1: ../README.md: leads out of the book; name the file without a link";
        assert_eq!(complaints("docs/a.md", "[a](../README.md)"), [outside]);
    }

    #[test]
    fn commands_that_would_not_run_are_named_with_their_line() {
        let right = "cargo run -p sim -- scenarios/wrap.toml\ncargo nextest run -p sim --test scenarios\n";
        assert!(complaints("A.md", &format!("```sh\n{right}cargo run -p sim -- scenarios/yours.toml\n```")).is_empty());
        let wrong =
            "sim scenarios/nothing.toml\ncargo frobnicate\ncargo test -p nothing\ncargo test -p sim --test nothing";
        let expected = [
            "A.md:2: scenarios/nothing.toml is not there",
            "A.md:3: cargo has no command Some(\"frobnicate\")",
            "A.md:4: there is no package nothing",
            "A.md:5: there is no test nothing",
        ];
        assert_eq!(complaints("A.md", &format!("```sh\n{wrong}\n```")), expected);
    }
}
