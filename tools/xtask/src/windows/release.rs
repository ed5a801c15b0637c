//! The release folder, a zip of it, and an installer.

use super::{LIBRARIES, PACKAGES, PROGRAMS, examples};
use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::{absolute, copy, copy_folder, list, remove, remove_file, write};
use netns::SYSTEM_PYTHON;
use std::path::{Path, PathBuf};

/// Files of the release: source and destination.
const FILES: [(&str, &str); 8] = [
    ("docs/windows.md", "windows.md"),
    ("bass-plugin/README.md", "bass_aes67.md"),
    ("bass-plugin/include/bass_aes67.h", "include/bass_aes67.h"),
    ("bass-plugin/include/bass_ptp.h", "include/bass_ptp.h"),
    ("LICENSE", "LICENSE"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("scenarios/unlock_recover.toml", "scenarios/unlock_recover.toml"),
];
/// Folders that are copied completely.
const FOLDERS: [(&str, &str); 2] = [("bass-plugin/examples", "examples"), ("scenarios/audio", "scenarios/audio")];
const INSTALLER: &str = "tools/xtask/src/windows/installer.nsi";

/// The results.
pub(super) struct Release {
    /// The release folder.
    pub(super) folder: PathBuf,
    /// Programs and libraries for Windows.
    pub(super) binaries: Vec<PathBuf>,
    /// The installer.
    pub(super) installer: PathBuf,
    /// The zip.
    pub(super) zip: PathBuf,
}

/// Collects all files of a release in a new folder, compiles the examples there, and packs it.
///
/// # Errors
/// If a file is missing, or an example does not compile.
pub(super) fn make(target: &Path, built: &Path) -> Result<Release, Error> {
    let name = format!("aes67-{}", env!("CARGO_PKG_VERSION"));
    let dist = target.join("dist");
    let folder = dist.join(&name);
    remove(&folder)?;
    let windows = folder.join("windows-x64");
    let mut binaries: Vec<PathBuf> = PROGRAMS.iter().map(|program| windows.join(program)).collect();
    for program in PROGRAMS {
        copy(&built.join(program), &windows.join(program))?;
    }
    for library in LIBRARIES {
        copy(&built.join(library.dll), &windows.join(library.dll))?;
        copy(&target.join("release").join(library.so), &folder.join("linux-x64").join(library.so))?;
        binaries.push(windows.join(library.dll));
    }
    for (from, to) in FILES {
        copy(Path::new(from), &folder.join(to))?;
    }
    for (from, to) in FOLDERS {
        copy_folder(Path::new(from), &folder.join(to))?;
    }
    write(&folder.join("THIRD-PARTY.txt"), &third_party()?)?;
    let names = examples::make_package(&folder.join("examples"))?;
    binaries.extend(examples::build(&folder, &names, target, &windows)?);
    let zip = pack(&folder, &dist.join(format!("{name}.zip")))?;
    let installer = make_installer(&folder, &dist.join(format!("{name}-setup.exe")))?;
    Ok(Release { folder, binaries, installer, zip })
}

/// The list of third-party libraries that are part of the release.
fn third_party() -> Result<String, Error> {
    let tree = Cmd::cargo("tree --locked").words(PACKAGES);
    let tree = tree.words("--edges normal,no-proc-macro --target all --prefix none --no-dedupe --format");
    let listed = tree.arg("{p}: {l}").read()?;
    let mut parts: Vec<String> = listed.lines().filter(|line| !line.is_empty()).map(without_path).collect();
    parts.sort();
    parts.dedup();
    let parts = parts.join("\n");
    Ok(format!("Libraries that are part of these programs and libraries, and their licences:\n\n{parts}\n"))
}

/// Removes the path in brackets that follows our own crates.
fn without_path(line: &str) -> String {
    match (line.find(" (/"), line.find("):")) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_owned(),
    }
}

fn pack(folder: &Path, zip: &Path) -> Result<PathBuf, Error> {
    remove_file(zip)?;
    Cmd::new(SYSTEM_PYTHON).words("-m zipfile --create").arg(zip).arg(folder).run()?;
    Ok(zip.to_owned())
}

fn make_installer(folder: &Path, installer: &Path) -> Result<PathBuf, Error> {
    let removal = installer.with_file_name("uninstall.nsh");
    write(&removal, &removal_of(folder)?)?;
    let define = |name: &str, path: &Path| format!("-D{name}={}", absolute(path).display());
    let nsis = Cmd::new("makensis").words("-V2 -WX").arg(format!("-DVERSION={}", env!("CARGO_PKG_VERSION")));
    let nsis = nsis.arg(define("FILES", folder)).arg(define("REMOVAL", &removal)).arg(define("OUTPUT", installer));
    nsis.arg(INSTALLER).run()?;
    Ok(installer.to_owned())
}

/// Instructions of the uninstaller that remove only installed files: the user may have chosen a
/// folder that contains other files.
fn removal_of(folder: &Path) -> Result<String, Error> {
    let (mut lines, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    let mut next = 0;
    while let Some(current) = folders.get(next).cloned() {
        next += 1;
        for path in list(&current)? {
            if path.is_dir() {
                folders.push(path);
            } else {
                lines.push(instruction("Delete", folder, &path));
            }
        }
    }
    lines.sort();
    // Inner folders come first; the outermost is the uninstaller's own.
    let inner = folders.iter().skip(1).rev();
    lines.extend(inner.map(|path| instruction("RMDir", folder, path)));
    Ok(lines.join("\n") + "\n")
}

fn instruction(verb: &str, folder: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path).display().to_string().replace('/', "\\");
    format!("{verb} \"$INSTDIR\\{relative}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_licences_names_no_places() {
        assert_eq!(without_path("net v0.1.0 (/home/me/net): MIT"), "net v0.1.0: MIT");
        assert_eq!(without_path("libm v0.2.16: MIT"), "libm v0.2.16: MIT");
    }

    #[test]
    fn what_was_installed_is_removed_and_folders_after_their_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["a.txt", "examples/c/b.c", "examples/d.rs"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write(&path, "").expect("a file");
        }
        let removal = removal_of(folder.path()).expect("a list");
        let expected = "Delete \"$INSTDIR\\a.txt\"\nDelete \"$INSTDIR\\examples\\c\\b.c\"\n\
                        Delete \"$INSTDIR\\examples\\d.rs\"\nRMDir \"$INSTDIR\\examples\\c\"\n\
                        RMDir \"$INSTDIR\\examples\"\n";
        assert_eq!(removal, expected);
    }
}
