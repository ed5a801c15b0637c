//! Configuration of unicast negotiation.

use crate::ptp::transmit::PeerAddress;

/// Maximum number of masters in a table: IEEE 1588-2019 sets no limit, and networks have two or
/// four.
const MAX_MASTERS: usize = 8;

/// The unicast master table (IEEE 1588-2019, 17.4), in the given order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnicastMasters([Option<PeerAddress>; MAX_MASTERS]);

impl UnicastMasters {
    /// Maximum number of masters in a table.
    pub const MOST: usize = MAX_MASTERS;

    /// Creates a table with the given addresses; `None` if there are none, or more than
    /// [`UnicastMasters::MOST`]. A repeated address is kept once.
    ///
    /// ```
    /// use engine::ptp::unicast::UnicastMasters;
    /// let hosts = [1, 2, 1].map(|host| [192, 0, 2, host].into());
    /// let table = UnicastMasters::new(&hosts).unwrap();
    /// assert_eq!(table.iter().count(), 2);
    /// assert_eq!(UnicastMasters::new(&[]), None);
    /// ```
    #[must_use]
    pub fn new(addresses: &[PeerAddress]) -> Option<Self> {
        let mut table = Self::default();
        let mut free = table.0.iter_mut();
        for (index, address) in addresses.iter().enumerate() {
            if !addresses[..index].contains(address) {
                *free.next()? = Some(*address);
            }
        }
        (!addresses.is_empty()).then_some(table)
    }

    /// The addresses.
    pub fn iter(&self) -> impl Iterator<Item = PeerAddress> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// Configuration of unicast negotiation. The requested intervals are the port's intervals.
///
/// ```
/// use engine::ptp::unicast::{UnicastConfig, UnicastMasters};
/// let masters = UnicastMasters::new(&[[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]).unwrap();
/// let config = UnicastConfig { duration_s: 60, ..UnicastConfig::new(masters) };
/// assert!(UnicastConfig::DURATIONS_S.contains(&config.duration_s));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnicastConfig {
    /// The masters to which requests are sent; messages from other masters are counted and ignored.
    pub masters: UnicastMasters,
    /// The requested duration of grants.
    pub duration_s: u32,
}

impl UnicastConfig {
    /// Durations that may be requested, s. ITU-T G.8265.1, table 3, allows 60 s and more; some
    /// masters grant less.
    pub const DURATIONS_S: std::ops::RangeInclusive<u32> = 10..=1000;

    /// Creates the configuration for the given masters, with the usual duration of grants (ITU-T
    /// G.8265.1, table 3).
    #[must_use]
    pub const fn new(masters: UnicastMasters) -> Self {
        Self { masters, duration_s: 300 }
    }
}
