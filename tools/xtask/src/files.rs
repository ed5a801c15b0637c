//! Files and folders, with errors that name them.

use crate::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The absolute path, for programs that run in another folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Copies a file.
///
/// # Errors
/// With the name of what is missing.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::copy(from, to).map(drop).map_err(|source| Error::File { path: from.to_path_buf(), source })
}

/// Removes a folder if it is there.
///
/// # Errors
/// If it cannot be removed.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(|source| Error::File { path: folder.to_path_buf(), source })
}

/// Removes a file if it is there.
///
/// # Errors
/// If it cannot be removed.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| Error::File { path: path.to_owned(), source }),
    }
}

/// Creates a folder and its parents.
///
/// # Errors
/// With its name.
pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Writes a file.
///
/// # Errors
/// With its name.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Reads a text file.
///
/// # Errors
/// With its name.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// The paths of everything in a folder.
///
/// # Errors
/// With its name.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let told = |source| Error::File { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(told)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(told)).collect()
}

/// Copies a folder with its contents.
///
/// # Errors
/// With the name of what is missing.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    for path in list(from)? {
        let copied = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy_folder(&path, &copied)? } else { copy(&path, &copied)? }
    }
    Ok(())
}
