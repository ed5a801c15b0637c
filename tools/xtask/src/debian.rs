//! The packages that building and testing for Windows need.

use crate::cmd::Cmd;
use crate::error::Error;

/// Packages, and a program or file that each brings.
pub(super) struct Needed {
    what: &'static str,
    packages: &'static str,
    files: &'static [&'static str],
}

pub(super) const BUILD: &Needed = &Needed {
    what: "the toolchain for Windows",
    packages: "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64",
    files: &[
        "/usr/bin/rustc",
        "/usr/bin/cargo",
        "/usr/lib/rustlib/src/rust/library/std",
        "/usr/bin/x86_64-w64-mingw32-gcc",
    ],
};

pub(super) const TEST: &Needed =
    &Needed { what: "Wine", packages: "wine wine64 python3-pip", files: &["/usr/bin/wine", "/usr/bin/python3"] };

/// Installs what is missing, and says so.
///
/// # Errors
/// If it is missing after that.
pub(super) fn ensure(needed: &Needed) -> Result<(), Error> {
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

fn is_there(needed: &Needed) -> bool {
    needed.files.iter().all(|file| std::path::Path::new(file).exists())
}
