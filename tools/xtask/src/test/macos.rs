//! Step `macos`: code for macOS is type-checked on Linux, with warnings as errors.
//!
//! Nothing is linked and nothing runs, so neither a Mac nor Apple's SDK is needed. Code is not
//! generated either, so an invalid section name would not be found. The compiler is
//! [Debian's](crate::debian): if it is missing and may not be installed, the step is skipped, and
//! this is reported.

use super::setting::{Install, Setting};
use super::skips::Count;
use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;

const TRIPLE: &str = "aarch64-apple-darwin";
const TOOLCHAIN: [&str; 1] = ["rust-src"];

/// Checks the code if the compiler is installed or can be installed.
pub(super) fn check(setting: &Setting, count: &mut Count) -> Result<(), Error> {
    match setting.install {
        Install::Must => debian::ensure(&TOOLCHAIN)?,
        Install::Try => debian::install(&debian::missing(&TOOLCHAIN))?,
        Install::No => {}
    }
    match debian::missing(&TOOLCHAIN)[..] {
        [] => command(setting).run(),
        [tool, ..] => {
            count.skip_step("macos", tool.to_string());
            Ok(())
        }
    }
}

/// One library has a part in C, which is not checked here: `true` replaces its compiler. Rust's
/// standard library need not be optimised.
pub(super) fn command(setting: &Setting) -> Cmd {
    let folder = setting.target_dir.join("macos");
    let cargo = debian::cargo("check --locked -p aes67-net -p aes67 -p bass-plugin -p bass-ptp", TRIPLE, &folder);
    let cargo = cargo.env("CC_aarch64_apple_darwin", "true").env("AR_aarch64_apple_darwin", "true");
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("RUSTFLAGS", "-Dwarnings")
}
