//! Runs the programs for Windows under Wine.
//!
//! Wine differs from Windows: it uses Linux's network and ALSA's sound card, and neither throttles
//! nor boosts threads. So this only tests the system calls of the programs and their computations.
//!
//! Each call of a socket asks Wine's server, which is another process. On two processors at a load
//! of 11 such a call took 0.1 to 1 ms, where it takes less than 0.02 ms without Wine. This is too
//! slow for a stream of 1000 packets per second, and most packets of its first seconds arrive too
//! late. So runs with audio need an idle machine. `discover` finds a session when it is announced
//! again, which is every 30 s.

mod bass;
mod setup;
mod simulator;
mod tool;

pub(crate) use bass::WINE_FOLDER;
pub(super) use bass::prepare;

use super::release::Release;
use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{copy, make_folder, write};
use std::fs;
use std::path::{Path, PathBuf};

/// Tools for running the libraries.
pub(super) const TOOLS: [&str; 2] = ["wine", "python3-pip"];
/// Additional tool for running the programs: a sound card.
const SOUND_CARD: [&str; 1] = ["jackd"];

/// Wine 8 lacks `bcryptprimitives.dll`, which Rust's library needs for random numbers. For tests
/// only.
const SHIM: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
";

/// Runs all tests, and prints the result of each.
///
/// # Errors
/// If a tool or BASS cannot be had, or a run has a wrong result.
pub(super) fn test(target: &Path, built: &Path, release: &Release) -> Result<(), Error> {
    debian::ensure(&TOOLS)?;
    debian::ensure(&SOUND_CARD)?;
    let folder = target.join("windows").join("wine-tools");
    make_folder(&folder)?;
    let folder = fs::canonicalize(&folder).map_err(|source| Error::File { path: folder, source })?;
    compile_shim(&folder)?;
    for program in super::PROGRAMS {
        copy(&release.folder.join("windows-x64").join(program), &folder.join(program))?;
    }
    let prefix = Prefix { folder: folder.join("prefix") };
    prefix.make()?;
    simulator::test(&prefix, &folder)?;
    setup::test(&prefix, release)?;
    tool::test(&prefix, &folder)?;
    bass::test(target, built)
}

/// A Wine prefix, which contains one Windows installation.
struct Prefix {
    folder: PathBuf,
}

impl Prefix {
    fn make(&self) -> Result<(), Error> {
        // Without HTML and .NET, which Wine would download.
        self.set(Cmd::new("wineboot").arg("--init")).env("WINEDLLOVERRIDES", "mscoree,mshtml=").run()?;
        // Programs are asked to end through a window. Without a display, Wine creates windows only
        // with this setting.
        let nowhere = r"reg add HKCU\Software\Wine\Drivers /v Graphics /d null /f";
        self.set(Cmd::new("wine").words(nowhere)).run()?;
        self.quit()
    }

    /// The command of a program in this prefix, without arguments.
    fn program(&self, path: &Path) -> Cmd {
        self.set(Cmd::new("wine").arg(path))
    }

    fn set(&self, command: Cmd) -> Cmd {
        command.env("WINEPREFIX", self.folder.display().to_string()).env("WINEDEBUG", "-all")
    }

    /// Waits until all programs in this prefix have ended, including Wine's server, which would
    /// keep the network namespace in which it was started.
    fn quit(&self) -> Result<(), Error> {
        self.set(Cmd::new("wineserver").arg("--wait")).run()
    }
}

/// The command of a compiler for Windows, without sources.
fn mingw(output: &Path) -> Cmd {
    Cmd::new("x86_64-w64-mingw32-gcc").words("-O1 -o").arg(output)
}

fn compile_shim(folder: &Path) -> Result<(), Error> {
    let shim = folder.join("shim.c");
    write(&shim, SHIM)?;
    mingw(&folder.join("bcryptprimitives.dll")).arg("-shared").arg(shim).arg("-ladvapi32").run()
}
