//! Finds network interfaces by name, address or index, and on Windows also by GUID.
//!
//! A stream is joined on one given interface only, because a wrong interface, chosen by the routing
//! table, is a common problem in audio networks.

mod listing;
mod watch;

use crate::platform;
use engine::ptp::wire::{ClockIdentity, PortIdentity};
pub use listing::Listed;
use network_interface::{Addr, NetworkInterfaceConfig};
use std::fmt;
use std::net::Ipv4Addr;
use thiserror::Error;
pub(crate) use watch::Watch;

/// An interface with an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// The system's name.
    pub name: String,
    /// The system's index.
    pub index: u32,
    /// Its first address, or the address by which it was chosen.
    pub address: Ipv4Addr,
    /// Its MAC address; none for loopback and tunnels.
    pub mac: Option<[u8; 6]>,
    /// Whether it is the loopback interface.
    pub loopback: bool,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// The state of an interface's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The interface is up, as far as the system reports.
    Up(String),
    /// The interface has no carrier, or was taken down.
    Down(String),
    /// The interface no longer exists.
    Gone(String),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(name) => write!(f, "{name} is up"),
            Self::Down(name) => write!(f, "{name} is down: is its cable plugged in?"),
            Self::Gone(name) => write!(f, "{name} is gone"),
        }
    }
}

/// Why no interface could be chosen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InterfaceError {
    /// No interface has that name or address.
    #[error("there is no network interface {wanted} with an IPv4 address; there is {}", Enumerated(.there))]
    Unknown {
        /// The requested name or address.
        wanted: String,
        /// The interfaces that exist.
        there: Vec<Interface>,
    },
    /// There are several interfaces, and none was requested.
    #[error("choose a network interface; there is {}", Enumerated(.0))]
    Several(Vec<Interface>),
    /// There is no interface besides loopback.
    #[error("this host has no network interface with an IPv4 address besides loopback")]
    None,
    /// The system does not report its interfaces.
    #[error("the system does not report its network interfaces: {0}")]
    System(String),
}

struct Enumerated<'a>(&'a [Interface]);

impl fmt::Display for Enumerated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, interface) in self.0.iter().enumerate() {
            write!(f, "{}{interface}", if index == 0 { "" } else { ", " })?;
        }
        if self.0.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

impl Interface {
    /// All interfaces with IPv4 addresses, one entry for each address.
    ///
    /// # Errors
    /// If the system does not report them.
    pub fn all() -> Result<Vec<Self>, InterfaceError> {
        let found = network_interface::NetworkInterface::show();
        let found = found.map_err(|error| InterfaceError::System(error.to_string()))?;
        let mut all: Vec<Self> = found.iter().flat_map(addresses).collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Finds the interface with this name, address, index or GUID. Without an argument, finds the
    /// only interface besides loopback. The case of a name is ignored if no interface has the exact
    /// name.
    ///
    /// # Errors
    /// If there is no such interface, or more than one to choose from; the message lists the
    /// existing interfaces.
    pub fn find(wanted: Option<&str>) -> Result<Self, InterfaceError> {
        let named = wanted.and_then(platform::link::by_identifier);
        choose(Self::all()?, named.as_deref().or(wanted))
    }

    /// Whether the interface exists and is up.
    #[must_use]
    pub fn link(&self) -> Link {
        let name = self.name.clone();
        if Self::all().is_ok_and(|all| all.iter().all(|other| other.name != name)) {
            return Link::Gone(name);
        }
        // If the system does not report the carrier, an interface with an address counts as up.
        if platform::link::has_carrier(&name) == Some(false) { Link::Down(name) } else { Link::Up(name) }
    }

    /// The identity of a PTP port on this interface. A master's identity is derived from the MAC
    /// address (IEEE 1588-2019, 7.5.2.2.2), so that slaves recognise the master. A slave's identity
    /// ends in the process ID instead, so that several programs on one host, such as another PTP
    /// daemon, are not mistaken for each other.
    #[must_use]
    pub fn port_identity(&self, slave_only: bool) -> PortIdentity {
        let [a, b, c, d, e, g] = self.mac_or_made_up();
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let octets = if slave_only { [a, b, c, d, e, g, high, low] } else { [a, b, c, 0xFF, 0xFE, d, e, g] };
        PortIdentity { clock_identity: ClockIdentity(octets), port_number: 1 }
    }

    /// The MAC address of the interface, or a locally administered one if it has none.
    pub(crate) fn mac_or_made_up(&self) -> [u8; 6] {
        let [w, x, y, z] = self.address.octets();
        self.mac.unwrap_or([0x02, 0, w, x, y, z])
    }
}

/// The current state of the interface `known`: the entry with its name, and with its address if
/// there are several such entries; otherwise the entry with its address.
fn same<'a>(all: &'a [Interface], known: &Interface) -> Option<&'a Interface> {
    let named = || all.iter().filter(|other| other.name == known.name);
    let addressed = |other: &&Interface| other.address == known.address;
    named().find(addressed).or_else(|| named().next()).or_else(|| all.iter().find(addressed))
}

fn choose(all: Vec<Interface>, wanted: Option<&str>) -> Result<Interface, InterfaceError> {
    let Some(wanted) = wanted else {
        let mut others: Vec<Interface> = all.into_iter().filter(|interface| !interface.loopback).collect();
        others.dedup_by_key(|interface| interface.index);
        return match others.len() {
            0 => Err(InterfaceError::None),
            1 => Ok(others.remove(0)),
            _ => Err(InterfaceError::Several(others)),
        };
    };
    match by_any(&all, wanted).cloned() {
        Some(interface) => Ok(interface),
        None => Err(InterfaceError::Unknown { wanted: wanted.to_owned(), there: all }),
    }
}

/// Finds an interface by address, name, name in a different case, or index, in this order.
fn by_any<'a>(all: &'a [Interface], wanted: &str) -> Option<&'a Interface> {
    if let Ok(address) = wanted.parse::<Ipv4Addr>() {
        return all.iter().find(|interface| interface.address == address);
    }
    let wanted_index = wanted.parse::<u32>().ok();
    let folded = wanted.to_lowercase();
    let mut ways: [&mut dyn FnMut(&&Interface) -> bool; 3] = [
        &mut |interface| interface.name == wanted,
        &mut |interface| interface.name.to_lowercase() == folded,
        &mut |interface| Some(interface.index) == wanted_index,
    ];
    ways.iter_mut().find_map(|way| all.iter().find(|interface| way(interface)))
}

fn addresses(interface: &network_interface::NetworkInterface) -> Vec<Interface> {
    let mac = interface.mac_addr.as_deref().and_then(parse_mac).filter(|mac| *mac != [0; 6]);
    let v4 = interface.addr.iter().filter_map(|address| match address {
        Addr::V4(v4) => Some(v4.ip),
        Addr::V6(_) => None,
    });
    v4.map(|address| Interface {
        name: interface.name.clone(),
        index: interface.index,
        address,
        mac,
        loopback: interface.internal || address.is_loopback(),
    })
    .collect()
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> = text.split([':', '-']).map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    octets?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, index: u32, last: u8, loopback: bool) -> Interface {
        let mac = Some([0x02, 0, 0, 0, 0, last]);
        Interface { name: name.to_owned(), index, address: Ipv4Addr::new(192, 0, 2, last), mac, loopback }
    }

    fn three() -> Vec<Interface> {
        vec![interface("lo", 1, 1, true), interface("eth0", 2, 2, false), interface("eth1", 3, 3, false)]
    }

    #[test]
    fn an_interface_is_found_by_name_and_by_address() {
        assert_eq!(choose(three(), Some("eth1")).unwrap().index, 3);
        assert_eq!(choose(three(), Some("192.0.2.2")).unwrap().name, "eth0");
        assert_eq!(choose(three()[..2].to_vec(), None).unwrap().name, "eth0");
    }

    #[test]
    fn a_name_may_be_in_another_case_and_an_index_will_do() {
        let mut all = three();
        all.push(interface("Studio Nétz", 17, 4, false));
        all.push(interface("studio nétz", 18, 5, false));
        all.push(interface("17", 19, 6, false));
        let index = |wanted: &str| choose(all.clone(), Some(wanted)).map(|found| found.index).ok();
        assert_eq!(index("ETH1"), Some(3));
        assert_eq!(index("studio nétz"), Some(18), "its own case goes before another one");
        assert_eq!(index("STUDIO NÉTZ"), Some(17));
        assert_eq!((index("2"), index("17"), index("99")), (Some(2), Some(19), None), "a name goes before an index");
    }

    #[test]
    fn a_wrong_choice_lists_what_there_is() {
        let unknown = choose(three(), Some("eth9")).unwrap_err().to_string();
        let list = "eth0 (192.0.2.2), eth1 (192.0.2.3)";
        assert_eq!(
            unknown,
            format!("there is no network interface eth9 with an IPv4 address; there is lo (192.0.2.1), {list}")
        );
        let several = choose(three(), None).unwrap_err().to_string();
        assert_eq!(several, format!("choose a network interface; there is {list}"));
        assert!(matches!(choose(three()[..1].to_vec(), None), Err(InterfaceError::None)));
    }

    #[test]
    fn an_interface_is_the_same_by_its_name_and_then_by_its_address() {
        let [_, eth0, _] = &three()[..] else { unreachable!() };
        let moved = interface("eth0", 9, 8, false);
        let second = interface("eth0", 2, 3, false);
        let renamed = interface("lan", 2, 2, false);
        let found = |all: &[Interface]| same(all, eth0).cloned();
        assert_eq!(found(&[moved.clone(), renamed.clone()]), Some(moved), "another address and number");
        assert_eq!(found(&[second, eth0.clone()]), Some(eth0.clone()), "its own of two addresses");
        assert_eq!(found(std::slice::from_ref(&renamed)), Some(renamed), "another name");
        assert_eq!(found(&[interface("eth1", 3, 3, false)]), None);
    }

    #[test]
    fn identities_come_from_the_mac_address() {
        let master = interface("eth0", 2, 7, false).port_identity(false);
        assert_eq!(master.clock_identity.to_string(), "020000fffe000007");
        let slave = interface("eth0", 2, 7, false).port_identity(true);
        assert!(slave.clock_identity.to_string().starts_with("020000000007"), "{slave}");
        assert_eq!(parse_mac("DC:A6:32:01:02:0f"), Some([0xDC, 0xA6, 0x32, 1, 2, 15]));
        assert_eq!(parse_mac("none"), None);
    }

    #[test]
    fn this_host_has_loopback() {
        assert!(Interface::find(Some("127.0.0.1")).unwrap().loopback);
    }
}
