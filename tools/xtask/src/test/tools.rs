//! Step `tools`: the toolchain's parts that the other steps need.
//!
//! rustfmt and clippy are required, small, and added when rustup is there to do it. cargo-nextest and cargo-deny are
//! compiled from source, so they are only named here. ALSA's headers are a package of the system: installed where that is allowed, else named.

use super::setting::{Install, Setting};
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

/// Adds missing components, or says how to; then names the optional tools that are missing.
pub(super) fn check(setting: &Setting) -> Result<(), Error> {
    let missing: Vec<&Component> =
        COMPONENTS.iter().filter(|component| !Cmd::cargo(component.version_command).succeeds()).collect();
    if !missing.is_empty() {
        add(&missing)?;
    }
    if cfg!(target_os = "linux") {
        check_alsa(setting.install)?;
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

/// What `aes67` is built with to play on a sound card.
const ALSA_PACKAGES: &str = "libasound2-dev pkg-config";

fn has_alsa() -> bool {
    Cmd::new("pkg-config").words("--exists alsa").succeeds()
}

fn check_alsa(install: Install) -> Result<(), Error> {
    if has_alsa() {
        return Ok(());
    }
    if install != Install::No {
        let command = Cmd::new("apt-get").words("install --yes --no-install-recommends").words(ALSA_PACKAGES);
        note(&format!("installing what is missing: {command}"));
        match command.run() {
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => note(&format!("that did not work: {error}")),
            Ok(()) if has_alsa() => return Ok(()),
            Ok(()) => {}
        }
    }
    Err(Error::MissingSystem { what: "ALSA's development package", packages: ALSA_PACKAGES })
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
