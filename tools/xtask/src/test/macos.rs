//! Step `macos`: what runs on macOS is type-checked for it, with warnings as errors, on whatever Linux this is.
//!
//! Nothing is linked and nothing runs, so that neither a Mac nor Apple's SDK is needed; code is not generated either, where a section of a wrong name would be found. The
//! compiler is [Debian's](crate::debian): where it is missing and may not be installed, the step is skipped, and says so.

use super::note;
use super::setting::{Install, Setting};
use crate::cmd::Cmd;
use crate::debian::{self, Needed};
use crate::error::Error;

const TRIPLE: &str = "aarch64-apple-darwin";
const TOOLCHAIN: &Needed = &Needed {
    what: "a compiler with the sources of its library",
    packages: "rustc-web cargo-web rust-web-src",
    files: &["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/std"],
};

/// Checks if there is a compiler or one can be had.
pub(super) fn check(setting: &Setting) -> Result<(), Error> {
    match obtain(setting.install) {
        Ok(true) => command(setting).run(),
        Ok(false) => {
            let Needed { what, packages, .. } = TOOLCHAIN;
            note(&format!("skipped, {what} is missing; on Debian: apt-get install {packages}"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether the compiler is there, installed first if that is allowed.
fn obtain(install: Install) -> Result<bool, Error> {
    if install == Install::No {
        return Ok(debian::is_there(TOOLCHAIN));
    }
    match debian::ensure(TOOLCHAIN) {
        Err(Error::MissingSystem { .. }) if install == Install::Try => Ok(false),
        other => other.map(|()| true),
    }
}

/// One library that is used has a part in C, of which nothing is looked at here: `true` stands for its compiler. The compiler's own library need not be fast.
pub(super) fn command(setting: &Setting) -> Cmd {
    let folder = setting.target_dir.join("macos");
    let cargo = debian::cargo("check --locked -p net -p aes67 -p bass-plugin", TRIPLE, &folder);
    let cargo = cargo.env("CC_aarch64_apple_darwin", "true").env("AR_aarch64_apple_darwin", "true");
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("RUSTFLAGS", "-Dwarnings")
}
