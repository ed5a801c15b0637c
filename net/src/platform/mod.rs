//! Code that depends on the operating system: clocks, control messages of sockets, link state,
//! waiting, and thread priorities.
//!
//! Each system has a folder with the same modules: `batch`, `clock`, `hardware`, `link`, `process`,
//! `sleep`, `socket`, `thread`, `wait`.

use engine::{LocalTime, PtpTime};
use std::net::{Ipv4Addr, SocketAddrV4};

#[cfg(any(target_os = "linux", windows, test))]
mod control;
#[cfg(target_os = "linux")]
mod linux;
// Code that needs no Mac is tested on all systems.
#[cfg(any(target_os = "macos", test))]
mod macos;
#[cfg(not(target_os = "linux"))]
pub(crate) mod no_hardware;
#[cfg(unix)]
pub(crate) mod no_process;
#[cfg(not(target_os = "linux"))]
pub(crate) mod one_by_one;
#[cfg(not(target_os = "linux"))]
pub(crate) mod unsupported;
#[cfg(windows)]
mod windows;
// Code that does not need Windows is tested on all systems.
#[cfg(any(windows, test))]
mod windows_control;

#[cfg(target_os = "linux")]
pub(crate) use linux::{batch, clock, hardware, link, process, sleep, socket, thread, wait};
#[cfg(target_os = "macos")]
pub(crate) use macos::{batch, clock, hardware, link, process, sleep, socket, thread, wait};
#[cfg(windows)]
pub(crate) use windows::{batch, clock, hardware, link, process, sleep, socket, thread, wait};

/// A datagram, as the system reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) length: usize,
    /// Whether the datagram was longer than the buffer, so that the rest is lost.
    pub(crate) truncated: bool,
    pub(crate) source: SocketAddrV4,
    /// The datagram's destination, if the socket may receive datagrams for other sockets.
    pub(crate) destination: Option<Ipv4Addr>,
    /// The index of the interface on which the datagram arrived, if it is reported.
    pub(crate) interface: Option<u32>,
    /// When the datagram arrived.
    pub(crate) stamps: Stamps,
    /// Number of datagrams that the socket has dropped so far because they were not read in time,
    /// if the system counts them.
    pub(crate) drops: Option<u32>,
}

/// When a datagram arrived or left, if known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// Stamped by the system in host time, which needs no conversion.
    pub(crate) host: Option<LocalTime>,
    /// Stamped by the system in system time.
    pub(crate) system: Option<PtpTime>,
    /// Stamped by the network card in the time of its own clock.
    pub(crate) hardware: Option<PtpTime>,
}

/// The stamps that a socket requests, in addition to kernel stamps for received datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StampsWanted {
    /// Stamps for sent datagrams.
    pub(crate) transmit: bool,
    /// Stamps by the card.
    pub(crate) hardware: bool,
}

/// A reading of a network card's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HardwareReading {
    pub(crate) device: PtpTime,
    pub(crate) bracket: Bracket,
}

/// The times before and after a clock was read, on one of the host's clocks.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(any(target_os = "linux", test)), expect(dead_code, reason = "other systems show no clocks of cards"))]
pub(crate) enum Bracket {
    /// On the host clock.
    Host { before: LocalTime, after: LocalTime },
    /// On the system clock.
    System { before: PtpTime, after: PtpTime },
}

/// A socket for which a thread can wait.
#[cfg(unix)]
pub(crate) type Waitable<'a> = std::os::fd::BorrowedFd<'a>;
/// A socket for which a thread can wait.
#[cfg(windows)]
pub(crate) type Waitable<'a> = std::os::windows::io::BorrowedSocket<'a>;
