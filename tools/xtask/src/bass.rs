//! `cargo xtask bass-fetch`: the BASS binaries that the add-on's tests load.
//!
//! BASS is proprietary, free for non-commercial use, and must not be redistributed: it comes from a
//! Python package that contains it, is checked by its checksum, and stays in cargo's target folder.

use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{copy, remove, write};
use netns::SYSTEM_PYTHON;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "sound_lib==0.83";
const WHEEL: &str = "sound_lib-0.83-py2.py3-none-any.whl";
/// Files of the package and their SHA-256 checksums: BASS 2.4.16.7.
const FILES: [(&str, &str); 2] = [
    ("libbass.so", "e4f98e9357c28db012fa991273a1106e8d9554081994f0a5bbe04ee0f6ea731e"),
    ("bass.dll", "4bbb323f48fa7ea549abd59ecfc30e71b574d20f52e295b7e3ebf19f07f53efe"),
];

/// Fetches missing files. Returns the folder.
///
/// # Errors
/// If the package cannot be fetched, or has another checksum than expected.
pub(crate) fn fetch(target: &Path) -> Result<PathBuf, Error> {
    let folder = target.join("bass");
    if !is_there(target) {
        let unpacked = folder.join("package");
        debian::ensure(&["python3-pip"])?;
        let pip = Cmd::new(SYSTEM_PYTHON).words("-m pip download --quiet --disable-pip-version-check --no-deps");
        pip.arg(PACKAGE).arg("--dest").arg(&folder).run()?;
        Cmd::new(SYSTEM_PYTHON).words("-m zipfile --extract").arg(folder.join(WHEEL)).arg(&unpacked).run()?;
        for (file, _) in FILES {
            copy(&unpacked.join("sound_lib/lib/x64").join(file), &folder.join(file))?;
        }
        // Only the libraries of the package are needed.
        remove(&unpacked)?;
    }
    check(&folder)?;
    Ok(folder)
}

/// Whether it was fetched.
pub(crate) fn is_there(target: &Path) -> bool {
    FILES.iter().all(|(file, _)| target.join("bass").join(file).is_file())
}

/// # Errors
/// If a file has another checksum than expected.
fn check(folder: &Path) -> Result<(), Error> {
    let list: String = FILES.iter().map(|(file, sum)| format!("{sum}  {}\n", folder.join(file).display())).collect();
    let sums = folder.join("sha256sums");
    write(&sums, &list)?;
    Cmd::new("sha256sum").words("--check --strict --quiet").arg(sums).run()
}
