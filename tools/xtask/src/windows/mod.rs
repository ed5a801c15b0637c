//! `cargo xtask windows`: the BASS libraries for Windows, built on Linux, and a release folder with
//! them.
//!
//! The compiler is [Debian's](crate::debian).

mod exports;
mod wine;

pub(crate) use wine::WINE_FOLDER;

use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{copy, remove, write};
use clap::Args;
use std::path::{Path, PathBuf};

const TRIPLE: &str = "x86_64-pc-windows-gnu";
const TOOLCHAIN: [&str; 2] = ["rust-src", "mingw"];
const PACKAGES: &str = "-p bass-plugin -p bass-ptp";

/// A library of a release, as Windows and Linux name it.
pub(crate) struct Library {
    dll: &'static str,
    so: &'static str,
    /// Its header, which declares what it exports.
    header: &'static str,
    /// What it exports besides: the entry points of BASS and of Windows.
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

/// Libraries of Windows itself: nothing else may be needed.
const SYSTEM_LIBRARIES: [&str; 10] = [
    "advapi32.dll",
    "bcryptprimitives.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "user32.dll",
    "userenv.dll",
    "winmm.dll",
    "ws2_32.dll",
];
/// What comes along: from, to.
const FILES: [(&str, &str); 10] = [
    ("bass-plugin/include/bass_aes67.h", "bass_aes67.h"),
    ("bass-plugin/include/bass_ptp.h", "bass_ptp.h"),
    ("bass-plugin/README.md", "README.md"),
    ("LICENSE", "LICENSE"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("bass-plugin/examples/c/test_stream.c", "examples/test_stream.c"),
    ("bass-plugin/examples/python/test_stream.py", "examples/test_stream.py"),
    ("bass-plugin/examples/test_stream.rs", "examples/test_stream.rs"),
    ("bass-plugin/examples/bass/mod.rs", "examples/bass/mod.rs"),
];

const EXAMPLES: &str = "\
Examples:
  cargo xtask windows           bass_aes67 and bass_ptp as .dll and .so, with headers, README, licences and examples
  cargo xtask windows --test    and run it under Wine in the real bass.dll; installs what is missing, and says what";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WindowsArgs {
    /// Run the libraries under Wine in the real bass.dll
    #[arg(long)]
    test: bool,
}

/// Builds, collects, and tests if that is wanted.
///
/// # Errors
/// If a tool is missing and cannot be installed, or a step fails.
pub(crate) fn run(args: &WindowsArgs, target: &Path) -> Result<(), Error> {
    let built = build_dlls(target)?;
    Cmd::cargo("build --locked --release").words(PACKAGES).run()?;
    let release = collect(target, &built)?;
    println!("{}", release.display());
    if args.test { wine::test(target, &built) } else { Ok(()) }
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
    let built = build_dlls(target)?;
    wine::prepare(target, &built)
}

/// The folder in which the libraries are.
fn build_dlls(target: &Path) -> Result<PathBuf, Error> {
    debian::ensure(&TOOLCHAIN)?;
    let folder = target.join("windows");
    build(&folder).run()?;
    let built = folder.join(TRIPLE).join("release");
    for library in LIBRARIES {
        let dll = built.join(library.dll);
        let listed = Cmd::new("x86_64-w64-mingw32-objdump").words("--private-headers").arg(dll).read()?;
        check_imports(library.dll, &listed)?;
        exports::check(&library, &listed)?;
    }
    Ok(built)
}

/// The command that builds the libraries.
pub(crate) fn build(folder: &Path) -> Cmd {
    let cargo = debian::cargo("build --locked --release", TRIPLE, folder).words(PACKAGES);
    cargo.env("RUSTFLAGS", "-Dwarnings -Ctarget-feature=+crt-static")
}

/// Shows what a library needs, of which `objdump` has listed this.
///
/// # Errors
/// If that is not of the system.
fn check_imports(dll: &str, listed: &str) -> Result<(), Error> {
    let mut needed: Vec<String> = imports(listed);
    needed.sort();
    eprintln!("{dll} needs {}", needed.join(", "));
    match needed.into_iter().find(|name| !is_of_the_system(name)) {
        Some(library) => Err(Error::ForeignLibrary { dll: dll.to_owned(), library }),
        None => Ok(()),
    }
}

fn imports(listed: &str) -> Vec<String> {
    listed.lines().filter_map(|line| line.trim().strip_prefix("DLL Name: ")).map(str::to_ascii_lowercase).collect()
}

/// API sets (`api-ms-win-...`) are names for parts of the system.
fn is_of_the_system(name: &str) -> bool {
    SYSTEM_LIBRARIES.contains(&name) || name.starts_with("api-ms-win-")
}

/// Copies all that belongs to a release into a new folder.
fn collect(target: &Path, built: &Path) -> Result<PathBuf, Error> {
    let release = target.join("dist").join(format!("bass_aes67-{}", env!("CARGO_PKG_VERSION")));
    remove(&release)?;
    for library in LIBRARIES {
        copy(&built.join(library.dll), &release.join("windows-x64").join(library.dll))?;
        copy(&target.join("release").join(library.so), &release.join("linux-x64").join(library.so))?;
    }
    for (from, to) in FILES {
        copy(Path::new(from), &release.join(to))?;
    }
    let tree = Cmd::cargo("tree --locked").words(PACKAGES);
    let tree = tree.words("--edges normal,no-proc-macro --target all --prefix none --no-dedupe --format");
    let mut parts: Vec<String> =
        tree.arg("{p}: {l}").read()?.lines().filter(|line| !line.is_empty()).map(without_path).collect();
    parts.sort();
    parts.dedup();
    let list = release.join("THIRD-PARTY.txt");
    let text =
        format!("Libraries that are part of bass_aes67 and bass_ptp, and their licences:\n\n{}\n", parts.join("\n"));
    write(&list, &text)?;
    Ok(release)
}

/// Our own crates have the place where they lie in brackets.
fn without_path(line: &str) -> String {
    match (line.find(" (/"), line.find("):")) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_that_are_needed_are_read() {
        let listed = "\tDLL Name: KERNEL32.dll\n\tvma: Hint\n\tDLL Name: libgcc_s_seh-1.dll\n";
        let needed = imports(listed);
        assert_eq!(needed, ["kernel32.dll", "libgcc_s_seh-1.dll"]);
        assert_eq!(needed.iter().filter(|name| is_of_the_system(name)).count(), 1);
    }

    #[test]
    fn the_list_of_licences_names_no_places() {
        assert_eq!(without_path("net v0.1.0 (/home/me/net): MIT"), "net v0.1.0: MIT");
        assert_eq!(without_path("libm v0.2.16: MIT"), "libm v0.2.16: MIT");
    }
}
