//! The operating system, where what a person is told depends on it.
//!
//! Texts take it as an argument, so that those of every system are tested on any.

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
    /// The one that this runs on.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };

    /// Whether it counts the datagrams that it drops because nobody reads them in time.
    #[must_use]
    pub const fn counts_drops(self) -> bool {
        matches!(self, Self::Linux)
    }
}
