//! The examples of the BASS library, compiled where users have them: in the release folder.
//!
//! The examples in Rust get a separate `Cargo.toml` there, with the versions of this workspace,
//! because they are a separate package outside of it.

use super::TRIPLE;
use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{copy, list, read, write};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Crates that the examples use.
const CRATES: [&str; 2] = ["cpal", "libloading"];

/// Makes a cargo package of the examples in Rust. Returns their names.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn make_package(examples: &Path) -> Result<Vec<String>, Error> {
    let files = list(examples)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<String> =
        files.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    let workspace = read(Path::new("Cargo.toml"))?;
    write(&examples.join("Cargo.toml"), &manifest(&names, &workspace))?;
    copy(Path::new("Cargo.lock"), &examples.join("Cargo.lock"))?;
    Ok(names)
}

fn manifest(names: &[String], workspace: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "# The examples in Rust: `cargo build --release` in this folder makes a program of each.\n\
         [package]\nname = \"bass_aes67-examples\"\nversion = \"{version}\"\nedition = \"2024\"\n\
         publish = false\nautobins = false\n"
    );
    for name in names {
        // Writing to a text cannot fail.
        let _ = write!(text, "\n[[bin]]\nname = \"{name}\"\npath = \"{name}.rs\"\n");
    }
    text += "\n[dependencies]\n";
    for wanted in CRATES {
        let is_wanted = |line: &&str| line.strip_prefix(wanted).is_some_and(|rest| rest.trim_start().starts_with('='));
        let line = workspace.lines().find(is_wanted).unwrap_or_default();
        text += &format!("{line}\n");
    }
    // The profile is the workspace's, so that the dependencies of `aes67.exe` are not built again.
    let profile = workspace.split_once("[profile.release]").map_or("", |(_, rest)| rest);
    let settings = profile.lines().take_while(|line| !line.starts_with('[')).filter(|line| line.contains(" = "));
    text += &format!("\n[profile.release]\n{}\n", settings.collect::<Vec<_>>().join("\n"));
    // Otherwise cargo would look for a workspace in a folder above.
    text += "\n[workspace]\n";
    text
}

/// Compiles all of them for Windows, and copies the programs in Rust to `programs`.
///
/// # Errors
/// If one does not compile.
pub(super) fn build(release: &Path, names: &[String], target: &Path, programs: &Path) -> Result<Vec<PathBuf>, Error> {
    let examples = release.join("examples");
    let folder = target.join("windows");
    let cargo = debian::cargo("build --release", TRIPLE, &folder);
    let cargo = cargo.arg("--manifest-path").arg(examples.join("Cargo.toml"));
    cargo.env("RUSTFLAGS", super::RUSTFLAGS).run()?;
    // The SDK of BASS must not be redistributed, so a header of ours replaces its declarations.
    let object = folder.join("test_stream.o");
    let gcc = Cmd::new("x86_64-w64-mingw32-gcc").words("-O1 -Wall -Wextra -Werror -Ibass-plugin/tests/c -I");
    let gcc = gcc.arg(release.join("include")).arg("-c").arg(examples.join("c/test_stream.c"));
    gcc.arg("-o").arg(object).run()?;
    let built = folder.join(TRIPLE).join("release");
    let mut all = Vec::new();
    for name in names {
        let program = programs.join(format!("{name}.exe"));
        copy(&built.join(format!("{name}.exe")), &program)?;
        all.push(program);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_has_the_versions_of_the_workspace() {
        let text = manifest(
            &["play".to_owned()],
            "cpal-x = \"9\"\ncpal = \"0.18\"\nlibloading = \"0.8\"\n\n[profile.release]\nopt-level = 3\n",
        );
        let parsed: toml::Table = text.parse().expect("TOML");
        assert_eq!(parsed["bin"][0]["path"].as_str(), Some("play.rs"));
        assert_eq!(parsed["dependencies"]["cpal"].as_str(), Some("0.18"), "{text}");
        assert_eq!(parsed["dependencies"]["libloading"].as_str(), Some("0.8"), "{text}");
        assert_eq!(parsed["profile"]["release"]["opt-level"].as_integer(), Some(3), "{text}");
        assert!(parsed.contains_key("workspace"));
    }
}
