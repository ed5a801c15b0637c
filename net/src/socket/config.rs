//! The settings of a socket.

use crate::interface::Interface;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// DSCP for PTP event messages: EF (AES67-2018, 6.2).
pub const DSCP_EF: u8 = 46;
/// DSCP for media: AF41 (AES67-2018, 6.2).
pub const DSCP_AF41: u8 = 34;

/// The settings of a socket.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// The interface.
    pub interface: Interface,
    /// The address to listen on; port 0 for a socket that only sends.
    pub bind: SocketAddrV4,
    /// Whether `bind` is the interface's own address. If so, the socket is bound again when the
    /// interface gets another address. Otherwise, `bind` is an address that other hosts have been
    /// given, so it is kept.
    pub follows_interface: bool,
    /// Whether other sockets may use the same port. Sockets that join groups always share it.
    pub share_port: bool,
    /// Groups to join.
    pub groups: Vec<Ipv4Addr>,
    /// The only source that is accepted.
    pub source: Option<Ipv4Addr>,
    /// DSCP of sent datagrams.
    pub dscp: u8,
    /// TTL of sent datagrams.
    pub ttl: u8,
    /// Whether other programs on this host receive the multicast datagrams that are sent.
    pub multicast_loop: bool,
    /// Whether departure times are requested. Not every kernel that stamps received datagrams also
    /// stamps sent ones.
    pub transmit_timestamps: bool,
    /// The best timestamps to request. Cards stamp PTP event messages; media packets are stamped by
    /// the kernel.
    pub timestamps: Timestamping,
}

impl SocketConfig {
    /// Settings for receiving a group, or datagrams sent to this host.
    #[must_use]
    pub fn receive(interface: Interface, destination: SocketAddrV4, source: Option<Ipv4Addr>) -> Self {
        let group = *destination.ip();
        let groups = if group.is_multicast() { vec![group] } else { Vec::new() };
        Self { bind: destination, follows_interface: false, groups, source, ..Self::send(interface) }
    }

    /// Settings for sending media.
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
    /// The network card, with its own clock: accurate to less than a microsecond.
    Hardware,
    /// The kernel's network stack, in software: accurate to about a microsecond, except in the
    /// first few ms of the host's first socket. Until the kernel has enabled its stamps, it uses
    /// the time at which the datagram is read.
    Kernel,
    /// This program, when it reads the datagram: late by 10 us to a few ms.
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
