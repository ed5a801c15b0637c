//! Announcing sessions and hearing of them (SAP, RFC 2974).
//!
//! [`SapPacket`] is a datagram, [`Directory`] what others announce, [`Announcer`] what we do. All are sans-IO: time and datagrams are handed in, and memory is bounded.
//!
//! Where to: UDP port 9875; AES67 and Dante on 239.255.255.255, sessions of global scope on 224.2.127.254 ([`GROUPS`]).

mod announcer;
mod directory;
mod wire;

pub use announcer::{Announcer, AnnouncerConfig, Transmit};
pub use directory::{Directory, DirectoryStats, Entry, Removal, SapEvent, SessionKey};
pub use wire::{SapError, SapPacket};

use std::net::Ipv4Addr;

/// The UDP port (RFC 2974, 3).
pub const PORT: u16 = 9875;
/// The groups in use, most common in audio networks first.
pub const GROUPS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(239, 255, 255, 255), Ipv4Addr::new(224, 2, 127, 254), Ipv4Addr::new(239, 195, 255, 255)];
