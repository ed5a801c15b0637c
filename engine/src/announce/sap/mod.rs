//! Sending and receiving announcements of sessions (SAP, RFC 2974).
//!
//! [`SapPacket`] is a datagram, [`Directory`] contains the sessions of other hosts, and
//! [`Announcer`] announces ours. All are sans-IO: time and datagrams are arguments, and memory is
//! bounded.
//!
//! Destination: UDP port 9875 of the groups in [`GROUPS`]; AES67 and Dante announce on
//! 239.255.255.255. IPv6 groups (`ff0x::2:7ffe`) are not used, nor is 224.2.127.255, which belongs
//! to version 0 of the protocol and must not be used (RFC 2974, 3).

mod announcer;
mod directory;
mod session;
mod wire;

pub use announcer::{Announcer, AnnouncerConfig, Transmit};
pub use directory::{Crowd, Directory, DirectoryStats, Entry, Removal, SapEvent, named};
pub use session::SessionKey;
pub use wire::{SapError, SapPacket};

use std::net::Ipv4Addr;

/// The UDP port (RFC 2974, 3).
pub const PORT: u16 = 9875;
/// The groups in use, the most common in audio networks first. RFC 2974 (3) specifies the highest
/// address of an administrative scope, which by RFC 2365 (6) is 239.255.255.255 for the local scope
/// and 239.195.255.255 for the organisation's, and 224.2.127.254 for global scope. Two other groups
/// are customary: 224.0.0.56 in PipeWire and PulseAudio, and 224.0.0.255 in VLC for announcements
/// within one network.
pub const GROUPS: [Ipv4Addr; 5] = [
    Ipv4Addr::new(239, 255, 255, 255),
    Ipv4Addr::new(224, 2, 127, 254),
    Ipv4Addr::new(239, 195, 255, 255),
    Ipv4Addr::new(224, 0, 0, 56),
    Ipv4Addr::new(224, 0, 0, 255),
];
