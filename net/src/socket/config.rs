//! What a socket is asked for.

use crate::interface::Interface;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// DSCP of PTP event messages: EF (AES67-2018, 6.2).
pub const DSCP_EF: u8 = 46;
/// DSCP of media: AF41 (AES67-2018, 6.2).
pub const DSCP_AF41: u8 = 34;

/// What a socket is for.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// By which interface.
    pub interface: Interface,
    /// Where to listen; port 0 for one that only sends.
    pub bind: SocketAddrV4,
    /// Whether `bind` is the interface's own address, whatever that is: where the interface gets
    /// another one, the socket is bound to that. Else it is an address that others were told.
    pub follows_interface: bool,
    /// Whether other sockets may have the same port; those of groups share it in any case.
    pub share_port: bool,
    /// Groups to join.
    pub groups: Vec<Ipv4Addr>,
    /// The only source to be heard.
    pub source: Option<Ipv4Addr>,
    /// Class of what is sent.
    pub dscp: u8,
    /// How many routers what is sent may pass.
    pub ttl: u8,
    /// Whether other programs of this host hear what is sent.
    pub multicast_loop: bool,
    /// Whether to tell when datagrams left, if the kernel does: not all that stamp what is received
    /// also stamp what is sent.
    pub transmit_timestamps: bool,
    /// The best timestamps to ask for. Cards stamp PTP's event messages; media is the kernel's.
    pub timestamps: Timestamping,
}

impl SocketConfig {
    /// Hears a group, or what is sent to this host itself.
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

/// Where timestamps come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamping {
    /// The network card, by its own clock: below a microsecond.
    Hardware,
    /// The kernel's network stack, by software: a microsecond. The first ms of the host's first
    /// socket excepted: until the kernel has turned its stamps on, it takes the time at which the
    /// datagram is read.
    Kernel,
    /// This program, when it came to read the datagram: some 10 us to ms.
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
