//! Settings of a socket.

use crate::interface::Interface;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// DSCP of PTP event messages: EF (AES67-2018, 6.2).
pub const DSCP_EF: u8 = 46;
/// DSCP of media: AF41 (AES67-2018, 6.2).
pub const DSCP_AF41: u8 = 34;

/// The settings of a socket.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// The interface.
    pub interface: Interface,
    /// The address to listen on; port 0 for a socket that only sends.
    pub bind: SocketAddrV4,
    /// Whether `bind` is the interface's own address. If the interface gets another address, the
    /// socket is then bound to that. Otherwise `bind` is an address that others were told.
    pub follows_interface: bool,
    /// Whether other sockets may have the same port. Sockets of groups always share it.
    pub share_port: bool,
    /// Groups to join.
    pub groups: Vec<Ipv4Addr>,
    /// The only source that is accepted.
    pub source: Option<Ipv4Addr>,
    /// Class of what is sent.
    pub dscp: u8,
    /// TTL of what is sent.
    pub ttl: u8,
    /// Whether other programs of this host receive what is sent.
    pub multicast_loop: bool,
    /// Whether departure times are reported, if the kernel can: not every kernel that stamps
    /// received datagrams also stamps sent ones.
    pub transmit_timestamps: bool,
    /// The best timestamps to be requested. Cards stamp PTP event messages; media is stamped by the
    /// kernel.
    pub timestamps: Timestamping,
}

impl SocketConfig {
    /// Receives a group, or what is sent to this host.
    #[must_use]
    pub fn receive(interface: Interface, destination: SocketAddrV4, source: Option<Ipv4Addr>) -> Self {
        let group = *destination.ip();
        let groups = if group.is_multicast() { vec![group] } else { Vec::new() };
        Self { bind: destination, follows_interface: false, groups, source, ..Self::send(interface) }
    }

    /// Sends media.
    #[must_use]
    pub fn send(interface: Interface) -> Self {
        Self {
            bind: SocketAddrV4::new(interface.address, 0),
            interface,
            follows_interface: true,
            share_port: false,
            groups: Vec::new(),
            source: None,
            dscp: DSCP_AF41,
            ttl: 32,
            multicast_loop: true,
            transmit_timestamps: false,
            timestamps: Timestamping::Kernel,
        }
    }
}

/// Origin of timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamping {
    /// The network card, by its own clock: below a microsecond.
    Hardware,
    /// The kernel's network stack, by software: accurate to a microsecond, except for the first ms
    /// of the host's first socket. Until the kernel has turned its stamps on, it takes the time at
    /// which the datagram is read.
    Kernel,
    /// This program, when it reads the datagram: late by 10 us to some ms.
    #[default]
    UserSpace,
}

impl fmt::Display for Timestamping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hardware => "hardware",
            Self::Kernel => "kernel",
            Self::UserSpace => "user space",
        })
    }
}
