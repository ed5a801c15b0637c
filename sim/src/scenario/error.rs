//! Errors in a scenario: what is wrong, where, and what would be right.

use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Longest part of a line that is shown.
const LONGEST_LINE: usize = 200;

/// Why a scenario cannot be run. The first line of the message names file, line and column.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}; give the path of a scenario file, such as scenarios/unlock_recover.toml", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not text, or not a scenario.
    #[error("{path}: {reason}", path = .path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// Why, and what would be right.
        reason: String,
    },
    /// Something in the file is wrong.
    #[error("{path}:{line}:{column}: {message}\n  |  {text}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong, and what would be right.
        message: String,
        /// The line itself.
        text: String,
    },
    /// A receiver cannot be added to the scenario.
    #[error("{path}: `{name}` cannot be added: {reason}", path = .path.display())]
    NotAdded {
        /// The file.
        path: PathBuf,
        /// The receiver's name.
        name: String,
        /// Why, and what would be right.
        reason: String,
    },
    /// A `--set` from the command line is wrong.
    #[error("--set {assignment}: {message}")]
    Override {
        /// As given.
        assignment: String,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl ScenarioError {
    /// An error at a place of a file's text.
    pub(super) fn at(path: &Path, text: &str, span: &Range<usize>, message: String) -> Self {
        let start = span.start.min(text.len());
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        let text = text.lines().nth(line - 1).unwrap_or_default().trim_end();
        let text = text.chars().take(LONGEST_LINE).collect();
        Self::Invalid { path: path.to_owned(), line, column, message, text }
    }
}
