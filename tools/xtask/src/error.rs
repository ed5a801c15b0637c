//! Errors of the commands of `xtask`, and their exit codes.

use std::io;
use std::path::PathBuf;

/// Exit code of a program that was ended by Ctrl-C, as shells define it: 128 + SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cargo did not say where the workspace is; call this program as `cargo xtask`")]
    NotThroughCargo,

    #[error("cannot enter the workspace's root {}: {source}", root.display())]
    Root { root: PathBuf, source: io::Error },

    #[error("cannot listen for Ctrl-C: {0}")]
    Listen(#[from] ctrlc::Error),

    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: io::Error },

    /// `code` is absent if a signal ended the command.
    #[error("`{command}` {}", ending(*code))]
    Failed { command: String, code: Option<i32> },

    #[error("{components} missing, and there is no rustup to add them; on Debian: apt-get install {packages}")]
    Missing { components: String, packages: String },

    #[error("{what} is missing, and was not installed; on Debian: apt-get install {packages}")]
    MissingSystem { what: String, packages: String },

    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },

    #[error("{0}")]
    Text(String),

    #[error("{dll} needs {library}, which is not of Windows itself")]
    ForeignLibrary { dll: String, library: String },

    #[error("{dll} lacks [{missing}] of its header, and exports [{undeclared}] besides")]
    Exports { dll: String, missing: String, undeclared: String },

    #[error("{program} under Wine: {reason}")]
    Wine { program: String, reason: String },

    #[error("the guest needs the kernel of Debian 12 (6.1), and this system's packages have {release}")]
    Kernel { release: String },

    #[error("the emulated machine did not come to its end; it said:\n{said}")]
    Guest { said: String },

    #[error("{} is where the emulated machine has files of its own, so it cannot see it; give it another place", path.display())]
    Hidden { path: PathBuf },

    #[error("the end of `{command}` cannot be read, so nobody knows which tests ran: {reason}")]
    Unread { command: String, reason: String },

    #[error("{}: {reason}", path.display())]
    Form { path: PathBuf, reason: String },

    #[error("{count} skipped in CI and not in tools/xtask/allowed-skips.toml: {names}")]
    Skipped { count: usize, names: String },

    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The exit code of `xtask`: that of the failed command if it has one.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { code: Some(code), .. } => u8::try_from(*code).unwrap_or(1),
            Self::Interrupted => EXIT_INTERRUPTED,
            _ => 1,
        }
    }
}

fn ending(code: Option<i32>) -> String {
    code.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("ended with exit code {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_is_the_failed_commands_own() {
        let failed = |code| Error::Failed { command: "cargo nextest run".to_owned(), code };
        assert_eq!(failed(Some(100)).exit_code(), 100);
        assert_eq!(failed(Some(-1)).exit_code(), 1, "a code that does not fit still means failure");
        assert_eq!(failed(None).exit_code(), 1);
        assert_eq!(Error::Interrupted.exit_code(), 130);
    }
}
