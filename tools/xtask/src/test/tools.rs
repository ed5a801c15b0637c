//! Step `tools`: the toolchain's parts that the other steps need.
//!
//! rustfmt and clippy are required and small, so they are added if rustup is installed.
//! cargo-nextest and cargo-deny are compiled from source, so they are only reported if they are
//! missing.

use super::setting::Setting;
use super::{deny, note};
use crate::cmd::Cmd;
use crate::error::Error;

/// A part of the toolchain.
struct Component {
    name: &'static str,
    version_command: &'static str,
    debian_package: &'static str,
}

const COMPONENTS: [Component; 2] = [
    Component { name: "rustfmt", version_command: "fmt --version", debian_package: "rustfmt" },
    Component { name: "clippy", version_command: "clippy --version", debian_package: "rust-clippy" },
];

/// Adds missing components, or explains how to add them; then names the optional tools that are
/// missing.
pub(super) fn check(setting: &Setting) -> Result<(), Error> {
    let missing: Vec<&Component> =
        COMPONENTS.iter().filter(|component| !Cmd::cargo(component.version_command).succeeds()).collect();
    if !missing.is_empty() {
        add(&missing)?;
    }
    if !setting.nextest {
        note(
            "cargo-nextest is not installed: `cargo test` runs the tests (nextest: cargo install cargo-nextest --locked)",
        );
    }
    if !deny::is_installed() {
        note("cargo-deny is not installed: see step `deny`");
    }
    Ok(())
}

fn add(missing: &[&Component]) -> Result<(), Error> {
    if !Cmd::new("rustup").words("--version").succeeds() {
        return Err(Error::Missing {
            components: listed(missing, " and ", |component| component.name),
            packages: listed(missing, " ", |component| component.debian_package),
        });
    }
    let command = Cmd::new("rustup").words("component add").words(&listed(missing, " ", |component| component.name));
    note(&format!("adding what is missing: {command}"));
    command.run()
}

fn listed(components: &[&Component], separator: &str, text: impl Fn(&Component) -> &str) -> String {
    components.iter().map(|component| text(component)).collect::<Vec<_>>().join(separator)
}
