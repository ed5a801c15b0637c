//! Files that are either complete or absent.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Writes a file by way of a temporary one next to it, so that a reader sees either the old
/// contents or the new. Creates the folder if necessary.
///
/// # Errors
/// If the folder cannot be made, or the file not written.
pub fn write_atomically(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().map(OsString::from).ok_or(io::ErrorKind::InvalidInput)?;
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = std::fs::write(&temporary, contents).and_then(|()| std::fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // A file that is incomplete, or could not be moved into place, is useless.
        let _ = std::fs::remove_file(&temporary);
    })
}
