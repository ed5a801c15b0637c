//! What was built for Windows, run under Wine.
//!
//! Wine is no Windows: its network is Linux's, its sound card what ALSA has, and it neither
//! throttles nor boosts threads. What runs here are the calls that the programs make, and all that
//! they compute.
//!
//! Each call of a socket asks Wine's server, which is another process. On two processors at a load
//! of 11 such a call took 0.1 to 1 ms, where it takes less than 0.02 ms without Wine. A stream of
//! 1000 packets a second is too much then, and most of its first seconds comes too late. So runs
//! with audio need an idle machine. `discover` hears of a session when that is announced again,
//! which is every 30 s.

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

/// What running the libraries needs.
pub(super) const TOOLS: [&str; 2] = ["wine", "python3-pip"];
/// What running the programs needs besides: a sound card.
const SOUND_CARD: [&str; 1] = ["jackd"];

/// Wine 8 lacks `bcryptprimitives.dll`, which Rust's library needs for random numbers. For tests
/// only.
const SHIM: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
";

/// Runs all of it, and says what each run showed.
///
/// # Errors
/// If a tool or BASS cannot be had, or a run does not show what it should.
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

/// A Windows of Wine's.
struct Prefix {
    folder: PathBuf,
}

impl Prefix {
    fn make(&self) -> Result<(), Error> {
        // Without its readers of HTML and .NET, which it would fetch.
        self.set(Cmd::new("wineboot").arg("--init")).env("WINEDLLOVERRIDES", "mscoree,mshtml=").run()?;
        // Without a display Wine makes windows, by which programs hear that they are to end, only
        // if it is told to show them nowhere.
        let nowhere = r"reg add HKCU\Software\Wine\Drivers /v Graphics /d null /f";
        self.set(Cmd::new("wine").words(nowhere)).run()?;
        self.quit()
    }

    /// A program in it, to be given its arguments.
    fn program(&self, path: &Path) -> Cmd {
        self.set(Cmd::new("wine").arg(path))
    }

    fn set(&self, command: Cmd) -> Cmd {
        command.env("WINEPREFIX", self.folder.display().to_string()).env("WINEDEBUG", "-all")
    }

    /// Waits until nothing runs in it any more: its server keeps the network that it was started
    /// in.
    fn quit(&self) -> Result<(), Error> {
        self.set(Cmd::new("wineserver").arg("--wait")).run()
    }
}

/// A compiler for Windows, to be given its sources.
fn mingw(output: &Path) -> Cmd {
    Cmd::new("x86_64-w64-mingw32-gcc").words("-O1 -o").arg(output)
}

fn compile_shim(folder: &Path) -> Result<(), Error> {
    let shim = folder.join("shim.c");
    write(&shim, SHIM)?;
    mingw(&folder.join("bcryptprimitives.dll")).arg("-shared").arg(shim).arg("-ladvapi32").run()
}
