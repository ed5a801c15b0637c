//! Errors while a report is written.

use std::path::PathBuf;

/// A report could not be written. Every variant names the file and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture could not be encoded or written.
    #[error("cannot write the picture {}: {reason}; check that its directory exists, is writable and has space", path.display())]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// The message of the encoder or the file system.
        reason: String,
    },
    /// The rows of the trace could not be written.
    #[error("cannot write the rows {}: {source}; check that its directory exists, is writable and has space", path.display())]
    Csv {
        /// The CSV file.
        path: PathBuf,
        /// The error of the writer.
        source: csv::Error,
    },
    /// A page or the history of a run could not be read or written.
    #[error("{}: {source}; check that its directory exists, is writable and has space", path.display())]
    Page {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The font that is compiled in cannot be read, so no picture can have labels.
    #[error("the built-in font cannot be read; rebuild from a clean checkout with the locked dependencies")]
    Font,
}
