//! A reader that knows its position and can look a few bytes ahead.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

/// How much there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A file with this many bytes.
    Bytes(u64),
    /// A pipe, which is read until it ends.
    Unknown,
}

impl Extent {
    /// The extent of an open file. Anything other than a regular file, such as a pipe or a
    /// terminal, has no known length.
    ///
    /// # Errors
    /// If the system does not report the file's metadata.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(if metadata.is_file() { Self::Bytes(metadata.len()) } else { Self::Unknown })
    }
}

/// Number of bytes that can be peeked at: enough for the longest chunk header (Wave64) and the
/// padding before it.
const AHEAD: usize = 32;

/// A reader that fills whole blocks, and can peek ahead.
pub(crate) struct Lookahead<R> {
    reader: R,
    extent: Extent,
    ahead: [u8; AHEAD],
    ahead_bytes: usize,
    position: u64,
}

impl<R: Read> Lookahead<R> {
    pub(crate) fn new(reader: R, extent: Extent) -> Self {
        Self { reader, extent, ahead: [0; AHEAD], ahead_bytes: 0, position: 0 }
    }

    /// Number of bytes that have been read, without those that were only peeked at.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Number of bytes from here to the end; `None` for a pipe.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self.extent {
            Extent::Bytes(bytes) => Some(bytes.saturating_sub(self.position)),
            Extent::Unknown => None,
        }
    }

    /// Returns the next bytes without consuming them, at most [`AHEAD`]. Returns fewer than
    /// requested only at the end.
    pub(crate) fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        let wanted = bytes.min(AHEAD);
        if self.ahead_bytes < wanted {
            self.ahead_bytes += fill(&mut self.reader, &mut self.ahead[self.ahead_bytes..wanted])?;
        }
        Ok(&self.ahead[..wanted.min(self.ahead_bytes)])
    }

    /// Fills `out`. Returns the number of bytes, which is smaller than requested only at the end.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let known = self.ahead_bytes.min(out.len());
        out[..known].copy_from_slice(&self.ahead[..known]);
        self.ahead.copy_within(known..self.ahead_bytes, 0);
        self.ahead_bytes -= known;
        self.position += known as u64;
        let filled = fill(&mut self.reader, &mut out[known..])?;
        self.position += filled as u64;
        Ok(known + filled)
    }

    /// Skips bytes. Returns their number, which is smaller than requested only at the end.
    pub(crate) fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let mut block = [0; 4096];
        let mut skipped = 0;
        while skipped < bytes {
            let wanted = usize::try_from(bytes - skipped).map_or(block.len(), |left| left.min(block.len()));
            let count = self.read(&mut block[..wanted])?;
            skipped += count as u64;
            if count < wanted {
                break;
            }
        }
        Ok(skipped)
    }
}

/// Reads until `out` is full or the end is reached.
fn fill(reader: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match reader.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
