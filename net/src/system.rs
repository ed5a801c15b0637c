//! The operating system, for texts that depend on it.
//!
//! Such texts take it as an argument, so that those of every system are tested on any.

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    MacOs,
}

impl System {
    /// The system on which this program runs.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };

    /// Whether it counts the datagrams that it drops because they are not read in time.
    #[must_use]
    pub const fn counts_drops(self) -> bool {
        matches!(self, Self::Linux)
    }
}
