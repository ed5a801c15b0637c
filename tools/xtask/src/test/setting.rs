//! Where the steps run: what is installed, what may be installed, and where files go.

use std::env;
use std::path::PathBuf;

use crate::cmd::Cmd;

/// Whether a missing tool may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Install {
    /// Not asked for: the step that needs the tool says what it skips.
    No,
    /// In CI: worth some minutes, but a registry that is down must not fail the build.
    Try,
    /// Asked for with `--install`: a failure is a failure.
    Must,
}

/// What the steps need to know about this machine.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// cargo-nextest is there.
    pub(super) nextest: bool,
    /// What may be done about a missing cargo-deny.
    pub(super) install: Install,
    /// Cargo's target folder, relative to the workspace's root or absolute.
    pub(super) target_dir: PathBuf,
}

impl Setting {
    /// Asks the machine and the environment.
    pub(super) fn find(install_asked_for: bool) -> Self {
        Self {
            nextest: Cmd::cargo("nextest --version").succeeds(),
            install: install(install_asked_for, env::var("CI").ok().as_deref()),
            target_dir: crate::target_folder(),
        }
    }
}

fn install(asked_for: bool, ci: Option<&str>) -> Install {
    match ci {
        _ if asked_for => Install::Must,
        None | Some("" | "0" | "false") => Install::No,
        Some(_) => Install::Try,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_or_the_option_installs() {
        assert_eq!(install(false, None), Install::No);
        assert_eq!(install(false, Some("false")), Install::No);
        assert_eq!(install(false, Some("true")), Install::Try);
        assert_eq!(install(true, Some("true")), Install::Must);
    }
}
