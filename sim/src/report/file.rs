//! Files that are either complete or absent.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file by way of a temporary one next to it, so that a reader sees either the old
/// contents or the new. Creates the folder if necessary.
///
/// # Errors
/// If the folder cannot be made, or the file not written.
pub fn write_atomically(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    write_atomically_by(path, |file| file.write_all(contents.as_ref()))
}

/// The same, piece by piece: for what is long.
pub(super) fn write_atomically_by<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().map(OsString::from).ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write_to = |file: File| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush()?;
        drop(file);
        Ok(std::fs::rename(&temporary, path)?)
    };
    let written = File::create(&temporary).map_err(E::from).and_then(write_to);
    written.inspect_err(|_| {
        // A file that is incomplete, or could not be moved into place, is useless.
        let _ = std::fs::remove_file(&temporary);
    })
}
