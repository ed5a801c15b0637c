//! Tests the installer: it installs all files, and its uninstaller removes them.

use super::super::release::Release;
use super::Prefix;
use crate::error::Error;
use crate::files::list;

/// Installs, checks the files, and uninstalls.
///
/// # Errors
/// If a file is missing after installing, or left after uninstalling.
pub(super) fn test(prefix: &Prefix, release: &Release) -> Result<(), Error> {
    let failed = |reason: String| Error::Wine { program: "the installer".to_owned(), reason };
    prefix.program(&release.installer).arg("/S").run()?;
    prefix.quit()?;
    let folder = prefix.folder.join("drive_c/Program Files/AES67");
    for program in super::super::PROGRAMS {
        if !folder.join("windows-x64").join(program).is_file() {
            return Err(failed(format!("there is no {program} in {}", folder.display())));
        }
    }
    let installed = list(&folder)?.len();
    // The uninstaller copies itself to another folder and continues there.
    prefix.program(&folder.join("Uninstall.exe")).arg("/S").run()?;
    prefix.quit()?;
    if folder.exists() {
        let left: Vec<String> = list(&folder)?.iter().map(|path| path.display().to_string()).collect();
        return Err(failed(format!("the uninstaller leaves {}", left.join(", "))));
    }
    println!("the installer: {installed} files and folders in C:\\Program Files\\AES67, none after the uninstaller");
    Ok(())
}
