//! The list of interfaces from which a user can choose.

use super::{InterfaceError, parse_mac};
use crate::platform::link;
use network_interface::{Addr, NetworkInterface, NetworkInterfaceConfig};
use std::net::Ipv4Addr;

/// An interface, with or without addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The system's name.
    pub name: String,
    /// The system's index.
    pub index: u32,
    /// Its IPv4 addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Its MAC address; none for loopback and tunnels.
    pub mac: Option<[u8; 6]>,
    /// Whether it is the loopback interface.
    pub loopback: bool,
    /// Whether it carries multicast; `None` if the system does not report it.
    pub multicast: Option<bool>,
    /// Whether it has a carrier and is up; `None` if the system does not report it.
    pub carrier: Option<bool>,
}

impl Listed {
    /// All interfaces, ordered by index.
    ///
    /// # Errors
    /// If the system does not report them.
    pub fn all() -> Result<Vec<Self>, InterfaceError> {
        let found = NetworkInterface::show().map_err(|error| InterfaceError::System(error.to_string()))?;
        let mut all = merge(&found);
        for listed in &mut all {
            listed.multicast = link::has_multicast(&listed.name);
            listed.carrier = link::has_carrier(&listed.name);
        }
        Ok(all)
    }
}

/// Merges the entries with the same index, because some systems report each address in a separate
/// entry.
fn merge(found: &[NetworkInterface]) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for interface in found {
        let v4 = interface.addr.iter().filter_map(|address| match address {
            Addr::V4(v4) => Some(v4.ip),
            Addr::V6(_) => None,
        });
        let mac = interface.mac_addr.as_deref().and_then(parse_mac).filter(|mac| *mac != [0; 6]);
        let listed = match all.iter_mut().find(|listed| listed.index == interface.index) {
            Some(listed) => listed,
            None => {
                let (name, index) = (interface.name.clone(), interface.index);
                let (loopback, addresses) = (interface.internal, Vec::new());
                all.push(Listed { name, index, addresses, mac, loopback, multicast: None, carrier: None });
                let last = all.len() - 1;
                &mut all[last]
            }
        };
        listed.mac = listed.mac.or(mac);
        listed.addresses.extend(v4);
        listed.loopback |= listed.addresses.iter().any(Ipv4Addr::is_loopback);
    }
    for listed in &mut all {
        listed.addresses.sort_unstable();
        listed.addresses.dedup();
    }
    all.sort_by_key(|listed| listed.index);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_interface_are_one() {
        let entry = |name: &str, index: u32, address: [u8; 4]| {
            let interface =
                NetworkInterface::new_afinet(name, address.into(), Some([255, 255, 255, 0].into()), None, index, false);
            interface.with_mac_addr(Some("02:00:00:00:00:07".to_owned()))
        };
        let entries = [entry("b", 7, [192, 0, 2, 9]), entry("lo", 1, [127, 0, 0, 1]), entry("b", 7, [192, 0, 2, 1])];
        let all = merge(&entries);
        assert_eq!(all.iter().map(|listed| listed.index).collect::<Vec<_>>(), [1, 7]);
        assert_eq!(all[1].addresses, [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9)]);
        assert_eq!((all[1].mac, all[1].loopback, all[0].loopback), (Some([2, 0, 0, 0, 0, 7]), false, true));
    }

    #[test]
    fn this_host_lists_loopback() {
        let all = Listed::all().unwrap();
        let loopback = all.iter().find(|listed| listed.loopback).unwrap();
        assert!(loopback.addresses.contains(&Ipv4Addr::LOCALHOST), "{loopback:?}");
    }
}
