//! What depends on the operating system: reading clocks, control messages of sockets, carriers,
//! waiting, priorities.
//!
//! Each system has a folder with the same modules: `batch`, `clock`, `hardware`, `link`, `process`,
//! `sleep`, `socket`, `thread`, `wait`.

use engine::{LocalTime, PtpTime};
use std::net::{Ipv4Addr, SocketAddrV4};

#[cfg(target_os = "linux")]
mod linux;
// What needs no Mac is tested everywhere.
#[cfg(any(target_os = "macos", test))]
mod macos;
#[cfg(not(target_os = "linux"))]
pub(crate) mod no_hardware;
#[cfg(unix)]
pub(crate) mod no_process;
#[cfg(not(target_os = "linux"))]
pub(crate) mod one_by_one;
#[cfg(not(target_os = "linux"))]
pub(crate) mod untold;
#[cfg(windows)]
mod windows;
// What needs no Windows is tested everywhere.
#[cfg(any(windows, test))]
mod windows_control;

#[cfg(target_os = "linux")]
pub(crate) use linux::{batch, clock, hardware, link, process, sleep, socket, thread, wait};
#[cfg(target_os = "macos")]
pub(crate) use macos::{batch, clock, hardware, link, process, sleep, socket, thread, wait};
#[cfg(windows)]
pub(crate) use windows::{batch, clock, hardware, link, process, sleep, socket, thread, wait};

/// A datagram, as the system tells of it.
pub(crate) struct Datagram {
    pub(crate) length: usize,
    /// Longer than the buffer: the rest is lost.
    pub(crate) truncated: bool,
    pub(crate) source: SocketAddrV4,
    /// Where it was sent to, if the socket might hear what is for others.
    pub(crate) destination: Option<Ipv4Addr>,
    /// The index of the interface that it came by, if that is told.
    pub(crate) interface: Option<u32>,
    /// When it came.
    pub(crate) stamps: Stamps,
    /// Datagrams that the socket has dropped so far because nobody read them, if the system counts
    /// them.
    pub(crate) drops: Option<u32>,
}

/// When a datagram came or left, as far as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// By the system, in the host's time: then nothing has to be converted.
    pub(crate) host: Option<LocalTime>,
    /// By the system, in its time.
    pub(crate) system: Option<PtpTime>,
    /// By the network card, in the time of its own clock.
    pub(crate) hardware: Option<PtpTime>,
}

/// The stamps that a socket asks for, besides those of what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StampsWanted {
    /// Of what is sent.
    pub(crate) transmit: bool,
    /// By the card.
    pub(crate) hardware: bool,
}

/// A network card's clock, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HardwareReading {
    pub(crate) device: PtpTime,
    pub(crate) beside: Beside,
}

/// The moments before and after a clock was read, on a clock of the host.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(any(target_os = "linux", test)), expect(dead_code, reason = "other systems show no clocks of cards"))]
pub(crate) enum Beside {
    /// On the one that nobody steers.
    Host { before: LocalTime, after: LocalTime },
    /// On the system's.
    System { before: PtpTime, after: PtpTime },
}

/// A socket that is waited for.
#[cfg(unix)]
pub(crate) type Waitable<'a> = std::os::fd::BorrowedFd<'a>;
/// A socket that is waited for.
#[cfg(windows)]
pub(crate) type Waitable<'a> = std::os::windows::io::BorrowedSocket<'a>;
