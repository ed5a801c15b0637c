//! `cargo xtask windows`: everything for Windows, built on Linux, and a release folder with it, as
//! a zip and as an installer.
//!
//! The compiler is [Debian's](crate::debian).

mod binary;
mod examples;
mod exports;
mod release;
mod wine;

pub(crate) use wine::WINE_FOLDER;

use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use binary::Binary;
use clap::Args;
use std::path::{Path, PathBuf};

const TRIPLE: &str = "x86_64-pc-windows-gnu";
const TOOLCHAIN: [&str; 2] = ["rust-src", "mingw"];
/// Additional tools for packing a release.
const PACKING: [&str; 2] = ["nsis", "python3"];
const LIBRARY_PACKAGES: &str = "-p bass-plugin -p bass-ptp";
const PACKAGES: &str = "-p bass-plugin -p bass-ptp -p aes67 -p sim";
/// The C library is linked statically; names of functions are kept for the messages of panics.
const RUSTFLAGS: &str = "-Dwarnings -Ctarget-feature=+crt-static -Cstrip=debuginfo";
const PROGRAMS: [&str; 2] = ["aes67.exe", "sim.exe"];

/// A library of a release, as Windows and Linux name it.
pub(crate) struct Library {
    dll: &'static str,
    so: &'static str,
    /// Its header, which declares what it exports.
    header: &'static str,
    /// Other exports: the entry points of BASS and of Windows.
    entry: &'static [&'static str],
}

const LIBRARIES: [Library; 2] = [
    Library {
        dll: "bass_aes67.dll",
        so: "libbass_aes67.so",
        header: "bass-plugin/include/bass_aes67.h",
        entry: &["BASSplugin", "DllMain"],
    },
    Library { dll: "bass_ptp.dll", so: "libbass_ptp.so", header: "bass-plugin/include/bass_ptp.h", entry: &[] },
];

const EXAMPLES: &str = "\
Examples:
  cargo xtask windows           aes67.exe, sim.exe, the BASS libraries and their examples: folder, zip and installer
  cargo xtask windows --test    and run them under Wine; installs what is missing, and says what";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WindowsArgs {
    /// Run the programs and libraries under Wine: beside their Linux versions, and in the real
    /// bass.dll
    #[arg(long)]
    test: bool,
}

/// Builds everything, collects the release, and tests it if requested.
///
/// # Errors
/// If a tool is missing and cannot be installed, or a step fails.
pub(crate) fn run(args: &WindowsArgs, target: &Path) -> Result<(), Error> {
    debian::ensure(&TOOLCHAIN)?;
    debian::ensure(&PACKING)?;
    let folder = target.join("windows");
    cross(&folder, PACKAGES).words("--lib --bins").run()?;
    Cmd::cargo("build --locked --release").words(LIBRARY_PACKAGES).run()?;
    let built = built_in(&folder);
    check_libraries(&built)?;
    let release = release::make(target, &built)?;
    let binaries: Vec<Binary> = release.binaries.iter().map(|path| Binary::read(path)).collect::<Result<_, _>>()?;
    println!("{}", binary::table(&binaries));
    for made in [&release.folder, &release.zip, &release.installer] {
        println!("{}", made.display());
    }
    if args.test { wine::test(target, &built, &release) } else { Ok(()) }
}

/// Tools that [`prepare`] needs.
pub(crate) fn tools() -> Vec<&'static str> {
    [&TOOLCHAIN[..], &wine::TOOLS].concat()
}

/// Builds the libraries, and a folder in which tests run them under Wine: its place, for
/// [`WINE_FOLDER`].
///
/// # Errors
/// As [`run`].
pub(crate) fn prepare(target: &Path) -> Result<PathBuf, Error> {
    debian::ensure(&TOOLCHAIN)?;
    let folder = target.join("windows");
    build(&folder).run()?;
    let built = built_in(&folder);
    check_libraries(&built)?;
    wine::prepare(target, &built)
}

/// The command that builds the libraries.
pub(crate) fn build(folder: &Path) -> Cmd {
    cross(folder, LIBRARY_PACKAGES)
}

fn cross(folder: &Path, packages: &str) -> Cmd {
    debian::cargo("build --locked --release", TRIPLE, folder).words(packages).env("RUSTFLAGS", RUSTFLAGS)
}

fn built_in(folder: &Path) -> PathBuf {
    folder.join(TRIPLE).join("release")
}

/// Compares the libraries with their headers.
fn check_libraries(built: &Path) -> Result<(), Error> {
    for library in LIBRARIES {
        exports::check(&library, &Binary::read(&built.join(library.dll))?.listed)?;
    }
    Ok(())
}
