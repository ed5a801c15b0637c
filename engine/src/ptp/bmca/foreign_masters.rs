//! The foreign masters of a port: who announces, and whose Announces count (IEEE 1588-2019, 9.3.2.4 and 9.3.2.5).
//!
//! Model: a foreign master is *qualified* once two of its Announces came within four of its own announce intervals, and forgotten when it has
//! been silent for the announce receipt timeout, so that nobody follows a grandmaster that is gone. The table is bounded: a flood of invented masters
//! pushes out the one heard least recently, never the one that is followed.

use super::super::time_properties::TimeProperties;
use super::super::transmit::PeerAddress;
use super::DataSet;
use crate::ptp::wire::PortIdentity;
use crate::units::{LocalTime, Nanos};

/// Foreign masters remembered; IEEE 1588-2019 9.3.2.4.5 asks for at least 5.
const CAPACITY: usize = 16;
/// FOREIGN_MASTER_TIME_WINDOW and FOREIGN_MASTER_THRESHOLD (IEEE 1588-2019, 9.3.2.4.5): 2 Announces in 4 intervals.
const WINDOW_INTERVALS: i64 = 4;
/// From here on a master is too far away to be one (IEEE 1588-2019, 9.3.2.5).
pub(in crate::ptp) const MAX_STEPS_REMOVED: u16 = 255;

/// What a master last announced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ptp) struct Candidate {
    pub(in crate::ptp) data: DataSet,
    pub(in crate::ptp) properties: TimeProperties,
    /// Where its Announces come from.
    pub(in crate::ptp) address: PeerAddress,
    /// The announce interval that it tells.
    pub(in crate::ptp) interval: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct ForeignMaster {
    candidate: Candidate,
    last: LocalTime,
    /// Whether two Announces came within the window.
    qualified: bool,
}

impl ForeignMaster {
    fn sender(&self) -> PortIdentity {
        self.candidate.data.sender
    }

    fn expiry(&self, timeout: u8) -> LocalTime {
        self.last + self.candidate.interval.times(i64::from(timeout))
    }
}

/// The foreign masters of one port.
#[derive(Clone, Debug, Default)]
pub(in crate::ptp) struct ForeignMasters {
    entries: Vec<ForeignMaster>,
}

impl ForeignMasters {
    /// Takes an Announce; the master that is `followed` is never pushed out.
    pub(in crate::ptp) fn announce(&mut self, now: LocalTime, candidate: Candidate, followed: Option<PortIdentity>) {
        let sender = candidate.data.sender;
        if candidate.data.steps_removed >= MAX_STEPS_REMOVED {
            // What it announced before is no longer true.
            self.entries.retain(|entry| entry.sender() != sender);
            return;
        }
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.sender() == sender) {
            let window = candidate.interval.times(WINDOW_INTERVALS);
            let qualified = entry.qualified || now.since(entry.last) <= window;
            *entry = ForeignMaster { candidate, last: now, qualified };
            return;
        }
        if self.entries.len() >= CAPACITY {
            self.forget_the_stalest(followed);
        }
        self.entries.push(ForeignMaster { candidate, last: now, qualified: false });
    }

    fn forget_the_stalest(&mut self, followed: Option<PortIdentity>) {
        let others = self.entries.iter().enumerate().filter(|(_, entry)| Some(entry.sender()) != followed);
        if let Some((index, _)) = others.min_by_key(|(_, entry)| entry.last) {
            self.entries.remove(index);
        }
    }

    /// Forgets masters that have been silent for `timeout` of their own announce intervals.
    pub(in crate::ptp) fn expire(&mut self, now: LocalTime, timeout: u8) {
        self.entries.retain(|entry| now < entry.expiry(timeout));
    }

    /// When the next master will have been silent for too long.
    pub(in crate::ptp) fn next_expiry(&self, timeout: u8) -> Option<LocalTime> {
        self.entries.iter().map(|entry| entry.expiry(timeout)).min()
    }

    /// A master that is not qualified yet.
    pub(in crate::ptp) fn unqualified(&self) -> Option<&DataSet> {
        self.entries.iter().find(|entry| !entry.qualified).map(|entry| &entry.candidate.data)
    }

    /// Erbest: the best qualified master.
    pub(in crate::ptp) fn best(&self) -> Option<Candidate> {
        let qualified = self.entries.iter().filter(|entry| entry.qualified).map(|entry| entry.candidate);
        qualified.min_by(|a, b| a.data.compare(&b.data).ordering())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::data;
    use super::*;

    const SECOND: Nanos = Nanos::from_secs(1);

    fn at(second: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_secs(second)
    }

    fn candidate(data: DataSet) -> Candidate {
        let address = PeerAddress::from([192, 0, 2, 1]);
        Candidate { data, properties: TimeProperties::default(), address, interval: SECOND }
    }

    fn best(masters: &ForeignMasters) -> Option<DataSet> {
        masters.best().map(|best| best.data)
    }

    #[test]
    fn two_announces_in_the_window_qualify_and_silence_disqualifies() {
        let mut masters = ForeignMasters::default();
        masters.announce(at(0), candidate(data(1)), None);
        assert_eq!(best(&masters), None);
        masters.announce(at(5), candidate(data(1)), None);
        assert_eq!(best(&masters), None, "the first one was too long ago");
        masters.announce(at(6), candidate(data(1)), None);
        assert_eq!(best(&masters), Some(data(1)));
        assert_eq!(masters.next_expiry(3), Some(at(9)));
        masters.expire(at(9), 3);
        assert_eq!(best(&masters), None);
    }

    #[test]
    fn each_master_expires_by_its_own_interval() {
        let mut masters = ForeignMasters::default();
        let slow = Candidate { interval: Nanos::from_secs(4), ..candidate(data(1)) };
        for second in [0, 1] {
            masters.announce(at(second), slow, None);
            masters.announce(at(second), candidate(data(2)), None);
        }
        masters.expire(at(12), 3);
        assert_eq!(best(&masters), Some(data(1)));
        masters.expire(at(13), 3);
        assert_eq!(best(&masters), None);
    }

    #[test]
    fn a_flood_of_masters_is_bounded_and_spares_the_followed_one() {
        let mut masters = ForeignMasters::default();
        let followed = data(0).sender;
        for (i, identity) in [0, 0].into_iter().chain(1..=255).enumerate() {
            let now = LocalTime::ZERO + Nanos::from_millis(i as i64);
            masters.announce(now, candidate(data(identity)), Some(followed));
        }
        assert_eq!(masters.entries.len(), CAPACITY);
        assert_eq!(best(&masters), Some(data(0)));
    }

    #[test]
    fn a_master_that_moves_too_far_away_is_forgotten_at_once() {
        let mut masters = ForeignMasters::default();
        for second in 0..3 {
            masters.announce(at(second), candidate(data(1)), None);
        }
        masters.announce(at(3), candidate(DataSet { steps_removed: 254, ..data(1) }), None);
        assert!(best(&masters).is_some());
        masters.announce(at(4), candidate(DataSet { steps_removed: 255, ..data(1) }), None);
        assert_eq!(best(&masters), None);
    }
}
