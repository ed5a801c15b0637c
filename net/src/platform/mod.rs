//! What depends on the operating system: reading clocks, control messages of sockets, carriers, waiting, priorities.
//!
//! Each system has a folder with the same modules: `batch`, `clock`, `link`, `sleep`, `socket`, `thread`, `wait`.

use engine::{LocalTime, PtpTime};
use std::net::{Ipv4Addr, SocketAddrV4};

#[cfg(target_os = "linux")]
mod linux;
// What needs no Mac is tested everywhere.
#[cfg(any(target_os = "macos", test))]
mod macos;
#[cfg(not(target_os = "linux"))]
pub(crate) mod one_by_one;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{batch, clock, link, sleep, socket, thread, wait};
#[cfg(target_os = "macos")]
pub(crate) use macos::{batch, clock, link, sleep, socket, thread, wait};
#[cfg(windows)]
pub(crate) use windows::{batch, clock, link, sleep, socket, thread, wait};

/// A datagram, as the system tells of it.
pub(crate) struct Datagram {
    pub(crate) length: usize,
    /// Longer than the buffer: the rest is lost.
    pub(crate) truncated: bool,
    pub(crate) source: SocketAddrV4,
    /// Where it was sent to, if the socket might hear what is for others.
    pub(crate) destination: Option<Ipv4Addr>,
    /// When it came, in the system's time, if that tells.
    pub(crate) stamp: Option<PtpTime>,
    /// When it came, in the host's time, if the system tells it by that: then nothing has to be converted.
    pub(crate) at: Option<LocalTime>,
    /// Datagrams that the socket has dropped so far because nobody read them, if the system counts them.
    pub(crate) drops: Option<u32>,
}

/// A socket that is waited for.
#[cfg(unix)]
pub(crate) type Waitable<'a> = std::os::fd::BorrowedFd<'a>;
/// A socket that is waited for.
#[cfg(windows)]
pub(crate) type Waitable<'a> = std::os::windows::io::BorrowedSocket<'a>;
