//! Errors, whose messages tell the user what to do.

use crate::interface::InterfaceError;
use crate::system::System;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use thiserror::Error;

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a network operation failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such interface.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// Ports below 1024 need privileges.
    #[error("UDP port {port} is not permitted to this program: {}", how_to_be_allowed(.program, System::HERE))]
    PortRefused {
        /// The port.
        port: u16,
        /// This program's file.
        program: String,
    },
    /// Another program uses the port and does not share it.
    #[error(
        "UDP port {port} at {address} is in use by a program that does not share it ({})",
        how_to_find(*.port, System::HERE)
    )]
    PortBusy {
        /// The port.
        port: u16,
        /// The address.
        address: Ipv4Addr,
    },
    /// The address is not a multicast group.
    #[error("{0} is not a multicast address: groups are within 224.0.0.0 and 239.255.255.255")]
    NotMulticast(Ipv4Addr),
    /// The address is neither a group nor an address of this host.
    #[error(
        "{0} is neither a multicast address nor an address of this host: a stream is sent to a group (224.0.0.0 to 239.255.255.255) or to this host"
    )]
    NotOurs(Ipv4Addr),
    /// The address is an IPv6 address, which is not supported.
    #[error("{0}: only IPv4 is supported")]
    Ipv6(std::net::IpAddr),
    /// Nobody can receive the stream.
    #[error(transparent)]
    Obstacle(#[from] engine::announce::sdp::Obstacle),
    /// A device did not return the requested description.
    #[error(transparent)]
    Rtsp(#[from] crate::rtsp::RtspError),
    /// A PTP client for this interface and domain is already running with other settings.
    #[error("PTP on {interface} in domain {domain} is in use already with other settings")]
    PtpInUse {
        /// The interface's name.
        interface: String,
        /// The domain.
        domain: u8,
    },
    /// A Livewire client for this interface is already running with other settings.
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
    /// Any other error of the system.
    #[error("{what}: {source}")]
    Io {
        /// The attempted action.
        what: String,
        /// The system's message.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Converts an error that occurred while binding a socket.
    pub(crate) fn bind(to: SocketAddrV4) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::of_bind(to, source, System::HERE)
    }

    fn of_bind(to: SocketAddrV4, source: io::Error, system: System) -> Self {
        let busy = Self::PortBusy { port: to.port(), address: *to.ip() };
        match (source.kind(), system) {
            // WSAEACCES means that another program uses the port exclusively: Windows has no
            // privileged ports.
            (io::ErrorKind::PermissionDenied, System::Windows) | (io::ErrorKind::AddrInUse, _) => busy,
            (io::ErrorKind::PermissionDenied, _) => Self::PortRefused { port: to.port(), program: program() },
            _ => Self::Io { what: format!("cannot bind to {to}"), source },
        }
    }
}

fn how_to_be_allowed(program: &str, system: System) -> String {
    match system {
        System::Linux => {
            format!("allow it once with `sudo setcap cap_net_bind_service+ep {program}`, or run it with sudo")
        }
        System::Windows => "another program has it for itself".to_owned(),
        System::MacOs => "run it with sudo".to_owned(),
    }
}

/// Advice on how to find the program that uses a port.
fn how_to_find(port: u16, system: System) -> String {
    match system {
        System::Linux => format!("to find it: `ss -ulpn 'sport = :{port}'`"),
        System::Windows => "to find it: `netstat -a -n -o -p udp` ends each line with a program's number, which Task \
                            Manager shows, too; or Windows keeps the port back: `netsh interface ipv4 show \
                            excludedportrange protocol=udp`"
            .to_owned(),
        System::MacOs => format!("to find it: `lsof -nP -iUDP:{port}`"),
    }
}

/// The path of this program, for advice in messages.
pub(crate) fn program() -> String {
    std::env::current_exe().map_or_else(|_| "<program>".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: io::ErrorKind, system: System) -> Error {
        Error::of_bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 319), kind.into(), system)
    }

    #[test]
    fn a_port_that_windows_refuses_is_another_programs() {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::AddrInUse] {
            let error = refused(kind, System::Windows);
            assert!(matches!(error, Error::PortBusy { port: 319, .. }), "{error}");
        }
        let advice = how_to_find(319, System::Windows);
        assert!(
            advice.contains("netstat") && !advice.contains("administrator") && !advice.contains("ss -"),
            "{advice}"
        );
    }

    #[test]
    fn a_port_that_linux_refuses_takes_a_permission() {
        let error = refused(io::ErrorKind::PermissionDenied, System::Linux);
        assert!(matches!(error, Error::PortRefused { port: 319, .. }), "{error}");
        assert!(how_to_be_allowed("/bin/aes67", System::Linux).contains("setcap cap_net_bind_service+ep /bin/aes67"));
        assert!(matches!(refused(io::ErrorKind::AddrInUse, System::Linux), Error::PortBusy { .. }));
        assert!(matches!(refused(io::ErrorKind::Other, System::Linux), Error::Io { .. }));
    }
}
