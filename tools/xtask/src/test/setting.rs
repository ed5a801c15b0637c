//! The environment of the steps: what is installed, what may be installed, and where files are
//! written.

use std::env;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use crate::cmd::Cmd;

/// Whether a missing tool may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Install {
    /// Not requested: the step that needs the tool reports what it skips.
    No,
    /// In CI: installation is tried, but must not fail the build if a registry is not available.
    Try,
    /// Requested with `--install`: a failure to install fails the step.
    Must,
}

/// What the steps need to know about this machine.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Whether cargo-nextest is installed.
    pub(super) nextest: bool,
    /// Tests that run at once: three more than there are processors, because those on a wire, of
    /// which at most four run at once (`.config/nextest.toml`), wait for most of their time.
    pub(super) tests_at_once: usize,
    /// Whether missing tools are installed.
    pub(super) install: Install,
    /// Whether this is CI, where only tests on the list may be skipped.
    pub(super) is_ci: bool,
    /// Cargo's target folder, relative to the workspace's root or absolute.
    pub(super) target_dir: PathBuf,
    /// Additional arguments for the test runner, which select tests.
    pub(super) runner_arguments: Vec<String>,
}

impl Setting {
    /// Determines the setting from the machine and the environment.
    pub(super) fn find(install_asked_for: bool, runner_arguments: &[String]) -> Self {
        let is_ci = is_ci(env::var("CI").ok().as_deref());
        Self {
            nextest: Cmd::cargo("nextest --version").succeeds(),
            tests_at_once: thread::available_parallelism().map_or(1, NonZero::get) + 3,
            install: install(install_asked_for, is_ci),
            is_ci,
            target_dir: crate::target_folder(),
            runner_arguments: runner_arguments.to_vec(),
        }
    }
}

fn is_ci(variable: Option<&str>) -> bool {
    !matches!(variable, None | Some("" | "0" | "false"))
}

fn install(asked_for: bool, is_ci: bool) -> Install {
    match (asked_for, is_ci) {
        (true, _) => Install::Must,
        (false, false) => Install::No,
        (false, true) => Install::Try,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_or_the_option_installs() {
        assert_eq!(install(false, false), Install::No);
        assert_eq!(install(false, true), Install::Try);
        assert_eq!(install(true, false), Install::Must);
        assert_eq!(install(true, true), Install::Must);
    }

    #[test]
    fn ci_says_so_in_the_environment() {
        assert!(is_ci(Some("true")) && is_ci(Some("1")));
        assert!([None, Some(""), Some("0"), Some("false")].into_iter().all(|variable| !is_ci(variable)));
    }
}
