//! The log of a service: a file that does not grow without limit.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Size from which on the file is renamed, bytes. Judgement: with one line a second, the file is
/// full after a day or more, and editors can still open it.
#[cfg(windows)]
pub(super) const LARGEST: u64 = 16 << 20;

/// The log file that is being written.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// The previous file, which stays open because a thread may still be writing a line to it.
    _before: Option<File>,
}

impl Log {
    /// Opens the file for appending. Creates its folder if necessary.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self { path: path.to_owned(), file: append(path)?, _before: None })
    }

    /// The current file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// If the file has at least `largest` bytes, renames it to `NAME.old.log` and begins a new one.
    /// Returns whether this was done.
    pub(super) fn turn(&mut self, largest: u64) -> io::Result<bool> {
        if self.file.metadata()?.len() < largest {
            return Ok(false);
        }
        std::fs::rename(&self.path, self.path.with_extension("old.log"))?;
        self._before = Some(std::mem::replace(&mut self.file, append(&self.path)?));
        Ok(true)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_log_goes_on_where_it_ended_and_is_begun_anew_when_it_is_large() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new").join("studio.log");
        Log::open(&path).expect("a log").file().write_all(b"first\n").expect("a line");
        let mut log = Log::open(&path).expect("a log");
        log.file().write_all(b"second\n").expect("a line");
        assert!(!log.turn(14).expect("a size"));
        assert!(log.turn(13).expect("a size"));
        log.file().write_all(b"third\n").expect("a line");
        let text = |name: &str| std::fs::read_to_string(path.with_file_name(name)).expect("a file");
        assert_eq!((text("studio.old.log"), text("studio.log")), ("first\nsecond\n".into(), "third\n".into()));
        assert!(log.turn(1).expect("a size"));
        assert_eq!((text("studio.old.log"), text("studio.log")), ("third\n".into(), String::new()));
    }
}
