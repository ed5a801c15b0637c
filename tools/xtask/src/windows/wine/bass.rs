//! The libraries for Windows under Wine, in the real `bass.dll`.
//!
//! The folder that is put together here holds two programs (`host.c` and `public.c` of
//! `bass-plugin/tests/c`), BASS and our libraries; the tests `real_bass` and `public_header` send
//! them a stream and check their output.

use super::super::LIBRARIES;
use super::{compile_shim, mingw};
use crate::bass;
use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{copy, make_folder};
use std::fs;
use std::path::{Path, PathBuf};

/// Environment variable that names the folder to `real_bass` and `public_header`.
pub(crate) const WINE_FOLDER: &str = "BASS_AES67_WINE";

/// Builds the folder and runs the test.
///
/// # Errors
/// If a tool or BASS cannot be had, or the test fails.
pub(super) fn test(target: &Path, built: &Path) -> Result<(), Error> {
    let folder = prepare(target, built)?;
    let test =
        Cmd::cargo("test --locked -p bass-plugin --test real_bass --test public_header under_wine -- --nocapture");
    test.env(WINE_FOLDER, folder.display().to_string()).run()
}

/// Builds the folder.
///
/// # Errors
/// If a tool or BASS cannot be had, or something does not compile.
pub(in super::super) fn prepare(target: &Path, built: &Path) -> Result<PathBuf, Error> {
    debian::ensure(&super::TOOLS)?;
    let fetched = bass::fetch(target)?;
    let folder = target.join("windows").join("wine");
    make_folder(&folder)?;
    let folder = fs::canonicalize(&folder).map_err(|source| Error::File { path: folder, source })?;
    copy(&fetched.join("bass.dll"), &folder.join("bass.dll"))?;
    for library in LIBRARIES {
        copy(&built.join(library.dll), &folder.join(library.dll))?;
    }
    compile(&folder)?;
    Ok(folder)
}

fn compile(folder: &Path) -> Result<(), Error> {
    compile_shim(folder)?;
    let sources = PathBuf::from("bass-plugin/tests/c");
    for program in ["host", "public"] {
        let compile = mingw(&folder.join(format!("{program}.exe")));
        let compile = compile.words("-std=gnu11 -Wall -Wextra -Werror -I").arg(&sources);
        compile.arg(sources.join(format!("{program}.c"))).run()?;
    }
    Ok(())
}
