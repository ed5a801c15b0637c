//! Detects addresses that no receiver can receive from. Receivers use these checks to refuse such
//! addresses, and the SDP parser uses them to report such addresses in a description.

use super::LegDescription;
use std::net::{IpAddr, Ipv4Addr};
use thiserror::Error;

/// Why a leg cannot be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// The destination is an IPv6 address.
    #[error("{0} is an IPv6 address, and streams are received by IPv4 only; right would be c=IN IP4 <group>/<ttl>")]
    Ipv6(IpAddr),
    /// The destination is the unspecified address, or broadcast.
    #[error(
        "nothing is sent to {0}; right would be a multicast group (224.0.0.0 to 239.255.255.255) or the address of the receiver"
    )]
    NoDestination(IpAddr),
    /// The only accepted sender is a group, the unspecified address or broadcast.
    #[error("nothing can come from {0}, which is no host's address; right would be the address of the sender")]
    NoSender(IpAddr),
}

impl Obstacle {
    /// Checks that packets can have this source address.
    ///
    /// # Errors
    /// [`Obstacle::NoSender`] if they cannot.
    pub fn check_sender(address: IpAddr) -> Result<(), Self> {
        let is_host = !address.is_multicast() && !address.is_unspecified() && address != BROADCAST;
        if is_host { Ok(()) } else { Err(Self::NoSender(address)) }
    }
}

const BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

impl LegDescription {
    /// Checks that this leg can be received on a host that has its address or can join its group.
    ///
    /// # Errors
    /// If the leg cannot be received; the error states the reason.
    pub fn check(&self) -> Result<(), Obstacle> {
        if self.destination.is_unspecified() || self.destination == BROADCAST {
            return Err(Obstacle::NoDestination(self.destination));
        }
        let v6 = [Some(self.destination), self.source].into_iter().flatten().find(IpAddr::is_ipv6);
        v6.map_or(Ok(()), |address| Err(Obstacle::Ipv6(address)))?;
        self.source.map_or(Ok(()), Obstacle::check_sender)
    }
}
