//! `cargo xtask sdp-fetch`: fetches SDP parsers from npm, with which a case of `interop` reads our
//! descriptions.

use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::absolute;
use std::path::{Path, PathBuf};

/// The releases for which the case was written.
const PACKAGES: &str = "sdp-transform@3.0.0 sdpoker@0.1.0";
/// Files that must exist after fetching.
const PROGRAMS: [&str; 2] = [".bin/sdpoker", "sdp-transform/package.json"];

/// The folder of npm's modules.
pub(crate) fn modules(target: &Path) -> PathBuf {
    target.join("sdp").join("node_modules")
}

/// Whether they were fetched.
pub(crate) fn is_there(target: &Path) -> bool {
    PROGRAMS.iter().all(|program| modules(target).join(program).exists())
}

/// Fetches missing packages. Returns the folder.
///
/// # Errors
/// If npm is missing or the packages cannot be fetched.
pub(crate) fn fetch(target: &Path) -> Result<PathBuf, Error> {
    if !is_there(target) {
        debian::ensure(&["node", "npm"])?;
        let npm =
            Cmd::new("npm").words("install --silent --no-audit --no-fund --prefix").arg(absolute(target).join("sdp"));
        npm.words(PACKAGES).run()?;
    }
    Ok(modules(target))
}
