//! Packages of Debian that building and testing for other systems need, its compiler among them.
//!
//! Debian's `rustc-web` brings the sources of Rust's library, which is built along with ours for another system; the compiler that rustup gives may have it ready,
//! but needs a download that is not to be had everywhere.

use crate::cmd::Cmd;
use crate::error::Error;
use std::path::Path;

/// Packages, and a program or file that each brings.
pub(crate) struct Needed {
    pub(crate) what: &'static str,
    pub(crate) packages: &'static str,
    pub(crate) files: &'static [&'static str],
}

/// A cargo command for another system, whose library is built along.
pub(crate) fn cargo(words: &str, triple: &str, folder: &Path) -> Cmd {
    let cargo = Cmd::new("/usr/bin/cargo").env("RUSTC_BOOTSTRAP", "1").env("RUSTC", "/usr/bin/rustc").words(words);
    let cargo = cargo.words("-Z build-std=std,panic_unwind --target").arg(triple);
    cargo.arg("--target-dir").arg(folder)
}

/// Installs what is missing, and says so.
///
/// # Errors
/// If it is missing after that.
pub(crate) fn ensure(needed: &Needed) -> Result<(), Error> {
    if is_there(needed) {
        return Ok(());
    }
    let command = Cmd::new("apt-get").words("install --yes --no-install-recommends").words(needed.packages);
    eprintln!("installing {}: {command}", needed.what);
    match command.run() {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(error) => eprintln!("that did not work: {error}"),
        Ok(()) => {}
    }
    if is_there(needed) {
        return Ok(());
    }
    Err(Error::MissingSystem { what: needed.what, packages: needed.packages })
}

/// Whether nothing is missing.
pub(crate) fn is_there(needed: &Needed) -> bool {
    needed.files.iter().all(|file| Path::new(file).exists())
}
