//! Step `peers`: the programs, libraries and files of others that tests use are installed, or
//! reported as missing.
//!
//! The tools are those of [`netns::TOOLS`], which are Debian's packages. Other files that tests
//! load are fetched into cargo's target folder. A test whose peer is missing is skipped and
//! counted.

use super::note;
use super::setting::{Install, Setting};
use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::guest::{self, Guest};
use crate::{bass, sdp};
use netns::Tool;
use std::path::{Path, PathBuf};

/// Something that is fetched.
struct Fetched {
    name: &'static str,
    used_by: &'static str,
    command: &'static str,
    is_there: fn(&Path) -> bool,
    fetch: fn(&Path) -> Result<PathBuf, Error>,
}

const FETCHED: [Fetched; 3] = [
    Fetched {
        name: "BASS",
        used_by: "real_bass, interop, step windows",
        command: "cargo xtask bass-fetch",
        is_there: bass::is_there,
        fetch: bass::fetch,
    },
    Fetched {
        name: "sdpoker and sdp-transform",
        used_by: "interop: readers of SDP",
        command: "cargo xtask sdp-fetch",
        is_there: sdp::is_there,
        fetch: sdp::fetch,
    },
    Fetched {
        name: "the guest",
        used_by: "interop: network cards that stamp, a machine that never stands still",
        command: "cargo xtask guest-fetch",
        is_there: |target| Guest::find(target).is_ok(),
        fetch: guest::fetch,
    },
];

/// Installs and fetches missing peers if that is allowed, and names those that are still missing.
///
/// # Errors
/// If Ctrl-C was pressed, or ALSA's headers are missing, without which the workspace does not
/// build. For anything else that is missing, the tests that need it are counted as skipped.
pub(super) fn check(setting: &Setting) -> Result<(), Error> {
    if setting.install != Install::No {
        debian::install(&missing())?;
        for fetched in FETCHED.iter().filter(|fetched| !(fetched.is_there)(&setting.target_dir)) {
            note(&format!("fetching {}: {}", fetched.name, fetched.command));
            match (fetched.fetch)(&setting.target_dir) {
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) => note(&format!("that did not work: {error}")),
                Ok(_) => {}
            }
        }
    }
    name_missing(&setting.target_dir);
    if cfg!(target_os = "linux") && !has_alsa() {
        let tool = debian::tool("alsa");
        return Err(Error::MissingSystem { what: "ALSA's development package".into(), packages: tool.packages.into() });
    }
    Ok(())
}

/// Whether ALSA's headers are installed, without which `aes67` does not build.
fn has_alsa() -> bool {
    Cmd::new("pkg-config").words("--exists alsa").succeeds()
}

fn missing() -> Vec<&'static Tool> {
    netns::TOOLS.iter().filter(|tool| !tool.is_installed()).collect()
}

fn name_missing(target: &Path) {
    let tools = missing();
    for tool in &tools {
        note(&format!("{} is missing, for {}", tool.name, tool.used_by));
    }
    if !tools.is_empty() {
        note(&format!("to install them: cargo xtask test --install, or apt-get install {}", debian::packages(&tools)));
    }
    for fetched in FETCHED.iter().filter(|fetched| !(fetched.is_there)(target)) {
        note(&format!("{} is missing, for {}; to fetch it: {}", fetched.name, fetched.used_by, fetched.command));
    }
}
