//! Step `windows`: the add-on is built for Windows, with a folder in which a test then runs it
//! under Wine.

use super::note;
use super::setting::{Install, Setting};
use super::skips::Count;
use crate::cmd::Cmd;
use crate::error::Error;
use crate::{bass, debian, windows};
use std::path::PathBuf;

/// The reason why CI skips this step: with it, a run on a new machine takes more than the
/// documented 25 minutes.
pub(super) const NOT_IN_CI: &str = "it takes three and a half minutes: cargo xtask test --only windows,test";

/// Builds the add-on if the necessary tools are installed. Returns the folder if it was built.
pub(super) fn prepare(setting: &Setting, count: &mut Count) -> Result<Option<PathBuf>, Error> {
    let tools = windows::tools();
    if setting.install != Install::No {
        debian::install(&debian::missing(&tools))?;
        match bass::fetch(&setting.target_dir) {
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => note(&format!("BASS could not be fetched: {error}")),
            Ok(_) => {}
        }
    }
    let missing = debian::missing(&tools);
    if !missing.is_empty() {
        let (names, packages) = (debian::listed(&missing), debian::packages(&missing));
        count.skip_step("windows", format!("without {names} (Debian: apt-get install {packages})"));
        return Ok(None);
    }
    if !bass::is_there(&setting.target_dir) {
        count.skip_step("windows", "there is no BASS (cargo xtask bass-fetch)");
        return Ok(None);
    }
    windows::prepare(&setting.target_dir).map(Some)
}

/// The build, which takes most of the step's time.
pub(super) fn command(setting: &Setting) -> Cmd {
    windows::build(&setting.target_dir.join("windows"))
}
