//! What depends on the operating system: reading clocks, control messages of sockets, waiting, priorities.
//!
//! Each system has a folder with the same modules: `batch`, `clock`, `sleep`, `socket`, `thread`, `wait`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{batch, clock, sleep, socket, thread, wait};
#[cfg(windows)]
pub(crate) use windows::{batch, clock, sleep, socket, thread, wait};

/// A socket that is waited for.
#[cfg(target_os = "linux")]
pub(crate) type Waitable<'a> = std::os::fd::BorrowedFd<'a>;
/// A socket that is waited for.
#[cfg(windows)]
pub(crate) type Waitable<'a> = std::os::windows::io::BorrowedSocket<'a>;
