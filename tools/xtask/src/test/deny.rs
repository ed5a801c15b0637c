//! Step `deny`: the dependencies comply with the rules of `deny.toml`.
//!
//! Two things may be missing, and their absence is reported: cargo-deny itself, which takes minutes
//! to compile, and the database of advisories, which is on the network.

use super::note;
use super::setting::Install;
use super::skips::Count;
use crate::cmd::Cmd;
use crate::error::Error;

/// The release that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

pub(super) fn is_installed() -> bool {
    Cmd::cargo("deny --version").succeeds()
}

/// Performs the checks that are possible here, and reports the others as skipped.
pub(super) fn check(install: Install, count: &mut Count) -> Result<(), Error> {
    if is_installed() || obtain(install, count)? { check_dependencies(count) } else { Ok(()) }
}

/// Installs cargo-deny if that is allowed. Returns whether it is installed now.
fn obtain(install: Install, count: &mut Count) -> Result<bool, Error> {
    let command = install_command();
    if install == Install::No {
        count.skip_step("deny", format!("cargo-deny is not installed; to install it (a few minutes): {command}"));
        return Ok(false);
    }
    note(&format!("installing cargo-deny, which takes a few minutes: {command}"));
    match command.run() {
        Ok(()) => Ok(true),
        Err(error @ Error::Failed { .. }) if install == Install::Try => {
            count.skip_step("deny", format!("cargo-deny could not be installed: {error}"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// cargo-deny is compiled without optimisation: compiling takes minutes, whereas the checks take
/// seconds in either case.
fn install_command() -> Cmd {
    Cmd::cargo("install cargo-deny --locked --debug --version").arg(VERSION)
}

fn check_dependencies(count: &mut Count) -> Result<(), Error> {
    let which = match Cmd::cargo("deny fetch db").run_quietly() {
        Ok(()) => "",
        Err(reason) => {
            count.skip_step("deny: advisories", format!("their database could not be fetched: {reason}"));
            "bans licenses sources"
        }
    };
    check_command(which).run()
}

fn check_command(which: &str) -> Cmd {
    Cmd::cargo("deny --locked check").words(which)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_checked_without_advisories() {
        assert_eq!(check_command("").to_string(), "cargo deny --locked check");
        assert_eq!(
            check_command("bans licenses sources").to_string(),
            "cargo deny --locked check bans licenses sources"
        );
    }

    #[test]
    fn the_installed_release_is_pinned() {
        assert_eq!(install_command().to_string(), "cargo install cargo-deny --locked --debug --version 0.20.2");
    }
}
