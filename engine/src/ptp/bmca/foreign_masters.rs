//! The foreign masters of a port: which clocks announce themselves, and which are qualified (IEEE
//! 1588-2019, 9.3.2.4 and 9.3.2.5).
//!
//! Model: a foreign master is *qualified* once two of its Announces have arrived within four of its
//! own announce intervals. It is removed when it has been silent for the announce receipt timeout,
//! so that no clock follows a grandmaster that has disappeared.
//!
//! Anyone can send Announces, with any identity and from any address. The size of the table and the
//! number of its entries for one address are therefore bounded. To make room, masters that have
//! never sent a [Sync](super::sync_senders) are removed first, then those that have announced
//! themselves only once, then those whose last Announce is oldest. The master that is followed is
//! never removed. A master that sends Syncs is preferred to every master that sends none, whatever
//! data sets they announce. A different data set from the same master is accepted only when the
//! previous one has not been repeated for one and a half announce intervals, so that forged
//! Announces have no effect while the master sends its own.

use super::super::time_properties::TimeProperties;
use super::super::transmit::PeerAddress;
use super::DataSet;
use super::sync_senders::Evidence;
use crate::ptp::wire::PortIdentity;
use crate::units::{LocalTime, Nanos};

/// Maximum number of foreign masters that are remembered; IEEE 1588-2019 9.3.2.4.5 requires at
/// least 5.
const CAPACITY: usize = 64;
/// Maximum number of foreign masters with the same address: a boundary clock has several ports, but
/// few of them announce on the same link.
const CAPACITY_OF_ADDRESS: usize = 8;
/// A master that has not repeated a data set for this many announce intervals (a ratio) is
/// considered to have stopped announcing it.
const NOT_REPEATED: (i64, i64) = (3, 2);
/// Maximum number of masters that are passed over at the same time.
const PASSED_OVER: usize = 16;
/// FOREIGN_MASTER_TIME_WINDOW and FOREIGN_MASTER_THRESHOLD (IEEE 1588-2019, 9.3.2.4.5): 2 Announces
/// in 4 intervals.
const WINDOW_INTERVALS: i64 = 4;
/// Announces whose stepsRemoved is at least this value are not qualified (IEEE 1588-2019, 9.3.2.5).
pub(in crate::ptp) const MAX_STEPS_REMOVED: u16 = 255;

/// A master's last Announce.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ptp) struct Candidate {
    pub(in crate::ptp) data: DataSet,
    pub(in crate::ptp) properties: TimeProperties,
    /// The source address of the master's Announces.
    pub(in crate::ptp) address: PeerAddress,
    /// The announce interval stated in the Announce.
    pub(in crate::ptp) interval: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct ForeignMaster {
    candidate: Candidate,
    last: LocalTime,
    /// Whether two Announces have arrived within the window.
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
    /// Masters that are selected only if there is no other one, each with the time until which this
    /// applies.
    passed_over: Vec<(PortIdentity, LocalTime)>,
}

impl ForeignMasters {
    /// Records an Announce; to make room, any master but `followed` may be removed. Returns whether
    /// the Announce is accepted. It is rejected only if it contradicts other messages from its
    /// master.
    pub(in crate::ptp) fn announce(
        &mut self,
        now: LocalTime,
        candidate: Candidate,
        followed: Option<PortIdentity>,
        evidence: impl Fn(&Candidate) -> Evidence,
    ) -> bool {
        let sender = candidate.data.sender;
        if self.contradicts(now, &candidate, &evidence) {
            return false;
        }
        if candidate.data.steps_removed >= MAX_STEPS_REMOVED {
            // The master's earlier Announces are no longer valid.
            self.entries.retain(|entry| entry.sender() != sender);
            return true;
        }
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.sender() == sender) {
            let window = candidate.interval.times(WINDOW_INTERVALS);
            let qualified = entry.qualified || now.since(entry.last) <= window;
            *entry = ForeignMaster { candidate, last: now, qualified };
            return true;
        }
        let of_address = |entry: &ForeignMaster| entry.candidate.address == candidate.address;
        if self.entries.iter().filter(|entry| of_address(entry)).count() >= CAPACITY_OF_ADDRESS {
            self.forget_one(followed, &evidence, of_address);
        } else if self.entries.len() >= CAPACITY {
            self.forget_one(followed, &evidence, |_| true);
        }
        self.entries.push(ForeignMaster { candidate, last: now, qualified: false });
        true
    }

    /// Whether an Announce contradicts other messages of the master that it claims to come from:
    /// either the Announce comes from a different address than the master's Syncs, or its data set
    /// differs from the data set that the master keeps repeating.
    fn contradicts(&self, now: LocalTime, candidate: &Candidate, evidence: &impl Fn(&Candidate) -> Evidence) -> bool {
        let Some(entry) = self.entries.iter().find(|entry| entry.sender() == candidate.data.sender) else {
            return false;
        };
        let known = &entry.candidate;
        if known.address != candidate.address {
            return evidence(known) == Evidence::Sends;
        }
        let differs = known.data != candidate.data || known.interval != candidate.interval;
        let (intervals, share) = NOT_REPEATED;
        differs && entry.qualified && now.since(entry.last).times(share) < known.interval.times(intervals)
    }

    fn forget_one(
        &mut self,
        followed: Option<PortIdentity>,
        evidence: &impl Fn(&Candidate) -> Evidence,
        may_go: impl Fn(&ForeignMaster) -> bool,
    ) {
        let others = self.entries.iter().enumerate();
        let others = others.filter(|(_, entry)| Some(entry.sender()) != followed && may_go(entry));
        let worth = |entry: &ForeignMaster| (evidence(&entry.candidate), entry.qualified, entry.last);
        if let Some((index, _)) = others.min_by_key(|(_, entry)| worth(entry)) {
            self.entries.remove(index);
        }
    }

    /// Passes over the master until `until`, unless there is no other master.
    pub(in crate::ptp) fn pass_over(&mut self, sender: PortIdentity, until: LocalTime) {
        self.passed_over.retain(|(passed, _)| *passed != sender);
        if self.passed_over.len() >= PASSED_OVER {
            self.passed_over.remove(0);
        }
        self.passed_over.push((sender, until));
    }

    /// Whether a qualified master other than `sender` sends Syncs and is not passed over.
    pub(in crate::ptp) fn has_other(&self, sender: PortIdentity, evidence: impl Fn(&Candidate) -> Evidence) -> bool {
        self.entries.iter().any(|entry| {
            let candidate = &entry.candidate;
            let other = entry.qualified && candidate.data.sender != sender;
            other && !self.is_passed_over(candidate.data.sender) && evidence(candidate) == Evidence::Sends
        })
    }

    fn is_passed_over(&self, sender: PortIdentity) -> bool {
        self.passed_over.iter().any(|(passed, _)| *passed == sender)
    }

    /// Forgets masters that have been silent for `timeout` of their own announce intervals.
    pub(in crate::ptp) fn expire(&mut self, now: LocalTime, timeout: u8) {
        self.entries.retain(|entry| now < entry.expiry(timeout));
        self.passed_over.retain(|(_, until)| now < *until);
    }

    /// When the next master will have been silent for too long.
    pub(in crate::ptp) fn next_expiry(&self, timeout: u8) -> Option<LocalTime> {
        self.entries.iter().map(|entry| entry.expiry(timeout)).min()
    }

    /// A master that is not qualified yet.
    pub(in crate::ptp) fn unqualified(&self) -> Option<&DataSet> {
        self.entries.iter().find(|entry| !entry.qualified).map(|entry| &entry.candidate.data)
    }

    /// Erbest: the best qualified master. A master that is passed over or sends no Syncs is chosen
    /// only if there is no other.
    pub(in crate::ptp) fn best(&self, evidence: impl Fn(&Candidate) -> Evidence) -> Option<Candidate> {
        let qualified = self.entries.iter().filter(|entry| entry.qualified).map(|entry| entry.candidate);
        let rank = |candidate: &Candidate| (!self.is_passed_over(candidate.data.sender), evidence(candidate));
        qualified.min_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| a.data.compare(&b.data).ordering()))
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
        masters.best(|_| Evidence::None).map(|best| best.data)
    }

    #[test]
    fn two_announces_in_the_window_qualify_and_silence_disqualifies() {
        let mut masters = ForeignMasters::default();
        masters.announce(at(0), candidate(data(1)), None, |_| Evidence::None);
        assert_eq!(best(&masters), None);
        masters.announce(at(5), candidate(data(1)), None, |_| Evidence::None);
        assert_eq!(best(&masters), None, "the first one was too long ago");
        masters.announce(at(6), candidate(data(1)), None, |_| Evidence::None);
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
            masters.announce(at(second), slow, None, |_| Evidence::None);
            masters.announce(at(second), candidate(data(2)), None, |_| Evidence::None);
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
            masters.announce(now, candidate(data(identity)), Some(followed), |_| Evidence::None);
        }
        assert_eq!(masters.entries.len(), CAPACITY_OF_ADDRESS);
        assert_eq!(best(&masters), Some(data(0)));
    }

    #[test]
    fn a_master_that_moves_too_far_away_is_forgotten_at_once() {
        let mut masters = ForeignMasters::default();
        for second in 0..3 {
            masters.announce(at(second), candidate(data(1)), None, |_| Evidence::None);
        }
        masters.announce(at(3), candidate(DataSet { steps_removed: 254, ..data(1) }), None, |_| Evidence::None);
        assert!(best(&masters).is_some());
        masters.announce(at(4), candidate(DataSet { steps_removed: 255, ..data(1) }), None, |_| Evidence::None);
        assert_eq!(best(&masters), None);
    }
}
