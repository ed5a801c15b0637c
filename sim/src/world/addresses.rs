//! Source addresses of datagrams, from the blocks for documentation (RFC 5737, 3).

use std::net::Ipv4Addr;

/// The grandmaster.
pub(super) const GRANDMASTER_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The talker, or the engine's sender in its place.
pub(super) const TALKER_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
/// The second sender to the stream's group.
pub(super) const SECOND_SENDER_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 102);

/// The device that disturbs PTP.
pub(super) const DISTURBER_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 201);

/// Another master, by its number from 0.
pub(super) fn rival_address(index: usize) -> Ipv4Addr {
    // If there are more masters than addresses, addresses are reused.
    Ipv4Addr::new(192, 0, 2, 2 + (index % 99) as u8)
}

/// An address of the attacker, by its number.
pub(super) fn stranger_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, number)
}
