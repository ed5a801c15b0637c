//! Debian packages that are required for building and testing, including the compiler for other
//! systems.
//!
//! Debian's `rustc-web` brings the sources of Rust's library, which is built together with our
//! crates for another system. The compiler of rustup may have it precompiled, but needs a download
//! that is not available everywhere.

use crate::cmd::Cmd;
use crate::error::Error;
use netns::Tool;
use std::path::Path;

/// A cargo command that builds for another system, together with Rust's library for it.
pub(crate) fn cargo(words: &str, triple: &str, folder: &Path) -> Cmd {
    let cargo = Cmd::new("/usr/bin/cargo").env("RUSTC_BOOTSTRAP", "1").env("RUSTC", "/usr/bin/rustc").words(words);
    let cargo = cargo.words("-Z build-std=std,panic_unwind --target").arg(triple);
    cargo.arg("--target-dir").arg(folder)
}

/// The tools among `names` that are not installed.
///
/// # Panics
/// If one is not among [`netns::TOOLS`].
pub(crate) fn missing(names: &[&str]) -> Vec<&'static Tool> {
    names.iter().map(|name| tool(name)).filter(|tool| !tool.is_installed()).collect()
}

/// The tool of this name.
///
/// # Panics
/// If there is none among [`netns::TOOLS`].
pub(crate) fn tool(name: &str) -> &'static Tool {
    Tool::find(name).unwrap_or_else(|| panic!("{name} is none of netns::TOOLS"))
}

/// Installs the tools among `names` that are missing, and prints their names.
///
/// # Errors
/// If one is missing after that.
pub(crate) fn ensure(names: &[&str]) -> Result<(), Error> {
    install(&missing(names))?;
    match &missing(names)[..] {
        [] => Ok(()),
        still => Err(Error::MissingSystem { what: listed(still), packages: packages(still) }),
    }
}

/// Installs tools with one command. Packages that are not available are skipped and named. The
/// lists of packages are only fetched if a package is missing from them or too old.
///
/// # Errors
/// [`Error::Interrupted`] only: callers check whether the packages are installed.
pub(crate) fn install(tools: &[&'static Tool]) -> Result<(), Error> {
    if tools.is_empty() {
        return Ok(());
    }
    for is_last in [false, true] {
        let found: Vec<&Tool> = if can_be_had(&packages(tools)) {
            tools.to_vec()
        } else if is_last {
            tools.iter().copied().filter(|tool| can_be_had(tool.packages)).collect()
        } else {
            Vec::new()
        };
        if is_last {
            let is_left_out = |tool: &&&Tool| !found.iter().any(|other| other.name == tool.name);
            tools.iter().filter(is_left_out).for_each(|tool| eprintln!("    note: no package for {tool}"));
        }
        if !found.is_empty() {
            let command = apt("install --yes --no-install-recommends").words(&packages(&found));
            eprintln!("    installing {}: {command}", listed(&found));
            match command.run() {
                Ok(()) if is_last || tools.iter().all(|tool| tool.is_installed()) => return Ok(()),
                Ok(()) => {}
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) => eprintln!("    note: that did not work: {error}"),
            }
        }
        if !is_last {
            update()?;
        }
    }
    Ok(())
}

fn update() -> Result<(), Error> {
    let command = apt("update --quiet");
    eprintln!("    fetching the lists of packages: {command}");
    match command.run() {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(error) => {
            eprintln!("    note: that did not work: {error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn can_be_had(packages: &str) -> bool {
    apt("install --simulate --no-install-recommends").words(packages).succeeds()
}

/// An apt command that asks no questions, and waits for another running apt to end.
fn apt(words: &str) -> Cmd {
    let apt = Cmd::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    apt.words("-o DPkg::Lock::Timeout=300").words(words)
}

/// The packages of these tools, without duplicates.
pub(crate) fn packages(tools: &[&Tool]) -> String {
    let mut packages: Vec<&str> = Vec::new();
    for package in tools.iter().flat_map(|tool| tool.packages.split_whitespace()) {
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages.join(" ")
}

/// Their names.
pub(crate) fn listed(tools: &[&Tool]) -> String {
    tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once() {
        let tools = ["gst-launch-1.0", "python3-gst", "chrt"].map(|name| Tool::find(name).expect("a tool"));
        let packages = packages(&tools);
        assert_eq!(packages.matches("gstreamer1.0-tools").count(), 1, "{packages}");
        assert!(packages.ends_with(" util-linux"), "{packages}");
        assert_eq!(listed(&tools), "gst-launch-1.0, python3-gst, chrt");
    }

    #[test]
    #[should_panic(expected = "nothing is none of netns::TOOLS")]
    fn an_unknown_tool_is_a_mistake() {
        missing(&["nothing"]);
    }
}
