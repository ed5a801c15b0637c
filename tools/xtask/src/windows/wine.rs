//! The libraries for Windows under Wine, in the real `bass.dll`.
//!
//! The folder that is put together here holds two programs (`host.c` and `public.c` of
//! `bass-plugin/tests/c`), BASS and our libraries; the tests `real_bass` and `public_header` send
//! them a stream and look at what they say.

use super::LIBRARIES;
use crate::bass;
use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{copy, make_folder, write};
use std::fs;
use std::path::{Path, PathBuf};

/// What running the library needs.
pub(super) const TOOLS: [&str; 2] = ["wine", "python3-pip"];

/// Names the folder to `real_bass` and `public_header`.
pub(crate) const WINE_FOLDER: &str = "BASS_AES67_WINE";

/// Wine 8 lacks `bcryptprimitives.dll`, which Rust's library needs for random numbers. For tests only.
const SHIM: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
";

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
pub(super) fn prepare(target: &Path, built: &Path) -> Result<PathBuf, Error> {
    debian::ensure(&TOOLS)?;
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
    let shim = folder.join("shim.c");
    write(&shim, SHIM)?;
    let gcc = |output: &str| Cmd::new("x86_64-w64-mingw32-gcc").words("-O1 -o").arg(folder.join(output));
    gcc("bcryptprimitives.dll").arg("-shared").arg(shim).arg("-ladvapi32").run()?;
    let sources = PathBuf::from("bass-plugin/tests/c");
    for program in ["host", "public"] {
        let compile = gcc(&format!("{program}.exe")).words("-std=gnu11 -Wall -Wextra -Werror -I").arg(&sources);
        compile.arg(sources.join(format!("{program}.c"))).run()?;
    }
    Ok(())
}
