//! Why a command ended without success, and with which exit code.

use std::fmt;

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command failed, in one sentence.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request is invalid: exit code 2.
    Input(String),
    /// The request was valid, but failed: exit code 1.
    Run(String),
}

impl Failure {
    pub(crate) fn input(what: impl fmt::Display) -> Self {
        Self::Input(what.to_string())
    }

    pub(crate) fn run(what: impl fmt::Display) -> Self {
        Self::Run(what.to_string())
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Run(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(what) | Self::Run(what) => f.write_str(what),
        }
    }
}

impl From<net::Error> for Failure {
    /// Errors of `net` are treated as invalid input, which the user can correct, except those that
    /// only quote the system.
    fn from(error: net::Error) -> Self {
        match error {
            net::Error::Io { .. } => Self::run(error),
            _ => Self::input(error),
        }
    }
}

impl From<net::interface::InterfaceError> for Failure {
    fn from(error: net::interface::InterfaceError) -> Self {
        net::Error::from(error).into()
    }
}
