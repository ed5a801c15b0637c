//! `cargo xtask docs`: writes the page of a scenario's keys and their data, and checks the
//! documents: their links and anchors, the scenarios that they name, and the command lines of
//! cargo. Those of `sim`, `aes67` and `cargo xtask` are checked by tests of these programs, which
//! know their own options.

mod data;
mod keys;
mod links;
mod schema;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::error::Error;
use schema::Schema;

/// The source of the schema of scenarios.
const SCHEMA: &str = "sim/src/scenario";
/// The page that is made from it.
const PAGE: &str = "docs/scenario-keys.md";
/// The same as data, which is compiled into the simulator.
const DATA: &str = "sim/src/scenario/keys.json";

#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// Write nothing, and fail if the page is not up to date
    #[arg(long)]
    check: bool,
}

/// Writes the page, or only checks it if requested, and checks all documents.
pub(crate) fn run(args: &DocsArgs) -> ExitCode {
    let root = Path::new(".");
    let written = if args.check { Ok(()) } else { write(root) };
    match written.and_then(|()| check(root)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Checks that the page is up to date, and every document as far as possible.
///
/// # Errors
/// With the fault and its place, or if a file cannot be read.
pub(crate) fn check(root: &Path) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for (path, made) in made(root)? {
        if read(root, path).ok().as_deref() != Some(made.as_str()) {
            wrong.push(format!("{path} is not up to date: `cargo xtask docs` writes it"));
        }
    }
    let documents = documents::all(root).map_err(|source| Error::File { path: root.into(), source })?;
    wrong.extend(links::wrong(root, &documents));
    if wrong.is_empty() { Ok(()) } else { Err(Error::Text(wrong.join("\n    "))) }
}

fn write(root: &Path) -> Result<(), Error> {
    made(root)?.into_iter().try_for_each(|(path, made)| {
        let path = root.join(path);
        fs::write(&path, made).map_err(|source| Error::File { path, source })
    })
}

/// What is made from the schema, by its path.
fn made(root: &Path) -> Result<[(&'static str, String); 2], Error> {
    let folder = root.join(SCHEMA);
    let unreadable = |source| Error::File { path: folder.clone(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "rs"));
    names.sort();
    let mut sources = Vec::new();
    for name in names {
        let text = read(root, &format!("{SCHEMA}/{name}"))?;
        sources.push((name, text));
    }
    let schema = Schema::read(sources.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let made = schema.and_then(|schema| {
        let data = data::data(&schema, &keys::listed(&schema)?.0)?;
        Ok([(PAGE, keys::page(&schema)?), (DATA, data)])
    });
    made.map_err(|reason| Error::Text(format!("{SCHEMA}: {reason}")))
}

fn read(root: &Path, path: &str) -> Result<String, Error> {
    let path = root.join(path);
    fs::read_to_string(&path).map_err(|source| Error::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        documents::root().expect("tests run within a checkout")
    }

    #[test]
    fn the_documents_are_right() {
        if let Err(error) = check(&root()) {
            panic!("{error}");
        }
    }

    /// The page is made from source text, and could miss what the deserialiser takes.
    #[test]
    fn every_key_of_every_scenario_is_on_the_page() {
        let [(_, page), _] = made(&root()).expect("the schema can be read");
        let mut files = vec![root().join("scenarios")];
        let mut seen = 0;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                let text = fs::read_to_string(&path).expect("a scenario");
                let table = text.parse::<toml::Table>().expect("TOML");
                let missing =
                    |key: &&String| !page.contains(&format!("| `{key}` |")) && !page.contains(&format!(".{key}` |"));
                let keys = keys_of(&toml::Value::Table(table));
                assert_eq!(keys.iter().find(missing), None, "{}", path.display());
                seen += keys.len();
            }
        }
        assert!(seen > 1000, "{seen} keys are not all that the scenarios have");
    }

    fn keys_of(value: &toml::Value) -> Vec<String> {
        match value {
            toml::Value::Table(table) => {
                table.iter().flat_map(|(key, value)| [vec![key.clone()], keys_of(value)].concat()).collect()
            }
            toml::Value::Array(values) => values.iter().flat_map(keys_of).collect(),
            _ => Vec::new(),
        }
    }
}
