//! Files that are either whole or as they were before.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Writes a file by way of a temporary one beside it, making its folder if need be: a reader sees
/// the old contents or the new, and a full disk or Ctrl-C leaves the old ones. What is no plain
/// file, such as a pipe or a link, is written as it is.
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
        // What is not whole, or could not be put in place, is of no use.
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
        // It cannot be put in place of a folder.
        write(path.parent().unwrap(), "x").unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short");
    }
}
