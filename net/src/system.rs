//! The operating system, for messages that depend on it.
//!
//! Functions that write such messages take the system as an argument, so that the messages for all
//! systems can be tested on any system.

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

    /// Whether the system counts datagrams that are dropped because they are not read in time.
    #[must_use]
    pub const fn counts_drops(self) -> bool {
        matches!(self, Self::Linux)
    }
}
