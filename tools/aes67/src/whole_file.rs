//! Writes files so that they are either complete or unchanged.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Writes a file through a temporary file in the same folder, which is created if necessary. A
/// reader sees either the old or the new contents, and a full disk or Ctrl-C leaves the old
/// contents. Anything other than a regular file, such as a pipe or a link, is written directly.
pub(crate) fn write(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::symlink_metadata(path).is_ok_and(|known| !known.is_file()) {
        return std::fs::write(path, contents);
    }
    let mut name = path.file_name().map(OsString::from).ok_or(io::ErrorKind::InvalidInput)?;
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = std::fs::write(&temporary, contents).and_then(|()| std::fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // A temporary file that is incomplete, or could not be renamed, is useless.
        let _ = std::fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_a_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sdp/studio.sdp");
        for contents in ["longer contents", "short"] {
            write(&path, contents).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), contents);
        }
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing temporary is left");
        // It cannot replace a folder.
        write(path.parent().unwrap(), "x").unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short");
    }
}
