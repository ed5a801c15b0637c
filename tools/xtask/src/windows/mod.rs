//! `cargo xtask windows`: the BASS add-on for Windows, built on Linux, and a release folder with it.
//!
//! The compiler is [Debian's](crate::debian).

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
const DLL: &str = "bass_aes67.dll";
const SO: &str = "libbass_aes67.so";
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
const FILES: [(&str, &str); 9] = [
    ("bass-plugin/include/bass_aes67.h", "bass_aes67.h"),
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
  cargo xtask windows           bass_aes67.dll and libbass_aes67.so, with header, README, licences and examples
  cargo xtask windows --test    and run it under Wine in the real bass.dll; installs what is missing, and says what";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WindowsArgs {
    /// Run the library under Wine in the real bass.dll
    #[arg(long)]
    test: bool,
}

/// Builds, collects, and tests if that is wanted.
///
/// # Errors
/// If a tool is missing and cannot be installed, or a step fails.
pub(crate) fn run(args: &WindowsArgs, target: &Path) -> Result<(), Error> {
    let dll = build_dll(target)?;
    Cmd::cargo("build --locked --release -p bass-plugin").run()?;
    let release = collect(target, &dll)?;
    println!("{}", release.display());
    if args.test { wine::test(target, &dll) } else { Ok(()) }
}

/// Tools that [`prepare`] needs.
pub(crate) fn tools() -> Vec<&'static str> {
    [&TOOLCHAIN[..], &wine::TOOLS].concat()
}

/// Builds the library, and a folder in which a test runs it under Wine: its place, for
/// [`WINE_FOLDER`].
///
/// # Errors
/// As [`run`].
pub(crate) fn prepare(target: &Path) -> Result<PathBuf, Error> {
    let dll = build_dll(target)?;
    wine::prepare(target, &dll)
}

fn build_dll(target: &Path) -> Result<PathBuf, Error> {
    debian::ensure(&TOOLCHAIN)?;
    let folder = target.join("windows");
    build(&folder).run()?;
    let dll = folder.join(TRIPLE).join("release").join(DLL);
    check_imports(&dll)?;
    Ok(dll)
}

/// The command that builds the library.
pub(crate) fn build(folder: &Path) -> Cmd {
    let cargo = debian::cargo("build --locked --release -p bass-plugin", TRIPLE, folder);
    cargo.env("RUSTFLAGS", "-Dwarnings -Ctarget-feature=+crt-static")
}

/// Shows what the library needs.
///
/// # Errors
/// If that is not of the system.
fn check_imports(dll: &Path) -> Result<(), Error> {
    let listed = Cmd::new("x86_64-w64-mingw32-objdump").words("--private-headers").arg(dll).read()?;
    let mut needed: Vec<String> = imports(&listed);
    needed.sort();
    eprintln!("{DLL} needs {}", needed.join(", "));
    match needed.into_iter().find(|name| !is_of_the_system(name)) {
        Some(library) => Err(Error::ForeignLibrary { library }),
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
fn collect(target: &Path, dll: &Path) -> Result<PathBuf, Error> {
    let release = target.join("dist").join(format!("bass_aes67-{}", env!("CARGO_PKG_VERSION")));
    remove(&release)?;
    copy(dll, &release.join("windows-x64").join(DLL))?;
    copy(&target.join("release").join(SO), &release.join("linux-x64").join(SO))?;
    for (from, to) in FILES {
        copy(Path::new(from), &release.join(to))?;
    }
    let tree = Cmd::cargo(
        "tree --locked -p bass-plugin --edges normal,no-proc-macro --target all --prefix none --no-dedupe --format",
    );
    let mut parts: Vec<String> = tree.arg("{p}: {l}").read()?.lines().map(without_path).collect();
    parts.sort();
    parts.dedup();
    let list = release.join("THIRD-PARTY.txt");
    let text = format!("Libraries that are part of bass_aes67, and their licences:\n\n{}\n", parts.join("\n"));
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
