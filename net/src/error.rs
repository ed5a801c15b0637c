//! What can go wrong, said so that a person can mend it.

use crate::interface::InterfaceError;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use thiserror::Error;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something on the network does not work.
#[derive(Debug, Error)]
pub enum Error {
    /// No interface like that.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// Ports below 1024 are for privileged programs.
    #[error("UDP port {port} is refused to this program: {}", how_to_be_allowed(.program))]
    PortRefused {
        /// The port.
        port: u16,
        /// This program's file.
        program: String,
    },
    /// Somebody else has the port and does not share it.
    #[error(
        "UDP port {port} at {address} is in use by a program that does not share it (to find it: `{}`)",
        finder(*.port)
    )]
    PortBusy {
        /// The port.
        port: u16,
        /// The address.
        address: Ipv4Addr,
    },
    /// A group that is none.
    #[error("{0} is no multicast address: groups are within 224.0.0.0 and 239.255.255.255")]
    NotMulticast(Ipv4Addr),
    /// Neither a group nor an address of ours.
    #[error(
        "{0} is neither a multicast address nor an address of this host: a stream comes to a group (224.0.0.0 to 239.255.255.255) or to us"
    )]
    NotOurs(Ipv4Addr),
    /// IPv6.
    #[error("{0}: only IPv4 is known here so far")]
    Ipv6(std::net::IpAddr),
    /// What nobody can receive.
    #[error(transparent)]
    Obstacle(#[from] engine::announce::sdp::Obstacle),
    /// A device that was asked for a description gives none.
    #[error(transparent)]
    Rtsp(#[from] crate::rtsp::RtspError),
    /// A PTP client of that interface and domain runs already, with other settings.
    #[error("PTP on {interface} in domain {domain} is in use already with other settings")]
    PtpInUse {
        /// The interface's name.
        interface: String,
        /// The domain.
        domain: u8,
    },
    /// A client of the Livewire clock on that interface runs already, with other settings.
    #[error("the Livewire clock on {interface} is in use already with other settings")]
    LivewireInUse {
        /// The interface's name.
        interface: String,
    },
    /// The stream cannot be received as configured.
    #[error(transparent)]
    Stream(#[from] engine::receive::StreamError),
    /// The stream cannot be sent as configured.
    #[error(transparent)]
    Sender(#[from] engine::send::SenderError),
    /// The stream cannot be relayed as configured.
    #[error(transparent)]
    Relay(#[from] engine::relay::RelayError),
    /// Anything else that the system refuses.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's word.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Of binding a socket.
    pub(crate) fn bind(to: SocketAddrV4) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied => Self::PortRefused { port: to.port(), program: program() },
            io::ErrorKind::AddrInUse => Self::PortBusy { port: to.port(), address: *to.ip() },
            _ => Self::Io { what: format!("cannot bind to {to}"), source },
        }
    }
}

fn how_to_be_allowed(program: &str) -> String {
    if cfg!(target_os = "linux") {
        format!("allow it once with `sudo setcap cap_net_bind_service+ep {program}`, or run it with sudo")
    } else if cfg!(windows) {
        "run it as administrator".to_owned()
    } else {
        "run it with sudo".to_owned()
    }
}

/// A command that names the program that has a port.
fn finder(port: u16) -> String {
    if cfg!(target_os = "linux") {
        format!("ss -ulpn 'sport = :{port}'")
    } else if cfg!(windows) {
        "netstat -a -n -b -p udp".to_owned()
    } else {
        format!("lsof -nP -iUDP:{port}")
    }
}

/// This program's file, for advice.
pub(crate) fn program() -> String {
    std::env::current_exe().map_or_else(|_| "<program>".to_owned(), |path| path.display().to_string())
}
