//! The best master clock algorithm, as far as a slave needs it (IEEE 1588-2019, 9.3).
//!
//! Model: every Announce of the domain is a candidate data set. A foreign master is *qualified* once two of its Announces came within four
//! announce intervals, and dropped when it has been silent for the announce receipt timeout. The best qualified one is followed. The
//! table is bounded: a flood of invented masters pushes out the one heard least recently, never the one that is followed.

use super::wire::{Announce, ClockIdentity, ClockQuality, PortIdentity};
use crate::units::{LocalTime, Nanos};
use std::cmp::Ordering;

/// Foreign masters remembered; IEEE 1588-2019 9.3.2.4.5 asks for at least 5.
const CAPACITY: usize = 16;
/// FOREIGN_MASTER_TIME_WINDOW and FOREIGN_MASTER_THRESHOLD (IEEE 1588-2019, 9.3.2.4.5): 2 Announces in 4 intervals.
const WINDOW_INTERVALS: i64 = 4;
/// From here on a master is too far away to be one (IEEE 1588-2019, 9.3.2.5).
const MAX_STEPS_REMOVED: u16 = 255;

/// What the comparison looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Priority that the operator gave.
    pub priority_1: u8,
    /// Class, accuracy and variance.
    pub quality: ClockQuality,
    /// Second priority that the operator gave.
    pub priority_2: u8,
    /// The grandmaster.
    pub grandmaster: ClockIdentity,
    /// Boundary clocks on the way.
    pub steps_removed: u16,
    /// The port that announces.
    pub sender: PortIdentity,
}

impl DataSet {
    /// The data set of an Announce.
    #[must_use]
    pub fn of(sender: PortIdentity, announce: &Announce) -> Self {
        Self {
            priority_1: announce.grandmaster_priority_1,
            quality: announce.grandmaster_clock_quality,
            priority_2: announce.grandmaster_priority_2,
            grandmaster: announce.grandmaster_identity,
            steps_removed: announce.steps_removed,
            sender,
        }
    }

    /// The data set comparison algorithm (IEEE 1588-2019, 9.3.4): `Less` is better. Two ways to the same grandmaster are told
    /// apart by distance and sender, different grandmasters by their attributes.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        if self.grandmaster == other.grandmaster {
            return (self.steps_removed, self.sender).cmp(&(other.steps_removed, other.sender));
        }
        self.attributes().cmp(&other.attributes())
    }

    fn attributes(&self) -> (u8, u8, u8, u16, u8, ClockIdentity) {
        let quality = &self.quality;
        (
            self.priority_1,
            quality.clock_class,
            quality.clock_accuracy,
            quality.offset_scaled_log_variance,
            self.priority_2,
            self.grandmaster,
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct ForeignMaster {
    data: DataSet,
    interval: Nanos,
    last: LocalTime,
    /// Whether two Announces came within the window.
    qualified: bool,
}

/// The foreign masters of one port.
#[derive(Clone, Debug, Default)]
pub(super) struct ForeignMasters {
    entries: Vec<ForeignMaster>,
}

impl ForeignMasters {
    /// Takes an Announce; `interval` is the announce interval that it told.
    pub(super) fn announce(&mut self, now: LocalTime, data: DataSet, interval: Nanos, followed: Option<PortIdentity>) {
        if data.steps_removed >= MAX_STEPS_REMOVED {
            return;
        }
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.data.sender == data.sender) {
            let window = interval.times(WINDOW_INTERVALS);
            let qualified = entry.qualified || now.since(entry.last) <= window;
            *entry = ForeignMaster { data, interval, last: now, qualified };
            return;
        }
        if self.entries.len() == CAPACITY {
            let oldest = self
                .entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| Some(entry.data.sender) != followed)
                .min_by_key(|(_, entry)| entry.last);
            if let Some((index, _)) = oldest {
                self.entries.remove(index);
            }
        }
        self.entries.push(ForeignMaster { data, interval, last: now, qualified: false });
    }

    /// Forgets masters that have been silent for `timeout` announce intervals.
    pub(super) fn expire(&mut self, now: LocalTime, timeout: i64) {
        self.entries.retain(|entry| now.since(entry.last) < entry.interval.times(timeout));
    }

    /// When the next master will have been silent for too long.
    pub(super) fn next_expiry(&self, timeout: i64) -> Option<LocalTime> {
        self.entries.iter().map(|entry| entry.last + entry.interval.times(timeout)).min()
    }

    /// The best qualified master.
    pub(super) fn best(&self) -> Option<DataSet> {
        let qualified = self.entries.iter().filter(|entry| entry.qualified).map(|entry| entry.data);
        qualified.min_by(DataSet::compare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(identity: u8) -> DataSet {
        let clock_identity = ClockIdentity([identity; 8]);
        DataSet {
            priority_1: 128,
            quality: ClockQuality { clock_class: 248, clock_accuracy: 0xFE, offset_scaled_log_variance: 0xFFFF },
            priority_2: 128,
            grandmaster: clock_identity,
            steps_removed: 0,
            sender: PortIdentity { clock_identity, port_number: 1 },
        }
    }

    #[test]
    fn attributes_count_in_the_standards_order() {
        let worse = data(1);
        let better: [fn(&mut DataSet); 5] = [
            |d| d.priority_1 = 127,
            |d| d.quality.clock_class = 6,
            |d| d.quality.clock_accuracy = 0x21,
            |d| d.quality.offset_scaled_log_variance = 0x4E5D,
            |d| d.priority_2 = 127,
        ];
        for (i, improve) in better.iter().enumerate() {
            // Identity 2 loses the tie, so the attribute alone decides; every earlier attribute outweighs it.
            let mut candidate = data(2);
            improve(&mut candidate);
            assert_eq!(candidate.compare(&worse), Ordering::Less, "attribute {i}");
            for stronger in &better[..i] {
                let mut rival = worse;
                stronger(&mut rival);
                assert_eq!(candidate.compare(&rival), Ordering::Greater, "attribute {i}");
            }
        }
        assert_eq!(data(1).compare(&data(2)), Ordering::Less, "the identity decides a tie");
    }

    #[test]
    fn the_same_grandmaster_is_chosen_by_distance() {
        let near = DataSet { sender: PortIdentity { port_number: 9, ..data(1).sender }, ..data(1) };
        let far = DataSet { steps_removed: 1, priority_1: 1, ..data(1) };
        assert_eq!(near.compare(&far), Ordering::Less);
    }

    #[test]
    fn two_announces_in_the_window_qualify_and_silence_disqualifies() {
        let second = Nanos::from_secs(1);
        let at = |s: i64| LocalTime::ZERO + Nanos::from_secs(s);
        let mut masters = ForeignMasters::default();
        masters.announce(at(0), data(1), second, None);
        assert!(masters.best().is_none());
        masters.announce(at(5), data(1), second, None);
        assert!(masters.best().is_none(), "the first one was too long ago");
        masters.announce(at(6), data(1), second, None);
        assert_eq!(masters.best(), Some(data(1)));
        assert_eq!(masters.next_expiry(3), Some(at(9)));
        masters.expire(at(9), 3);
        assert!(masters.best().is_none());
    }

    #[test]
    fn a_flood_of_masters_is_bounded_and_spares_the_followed_one() {
        let mut masters = ForeignMasters::default();
        let followed = data(0).sender;
        for (i, identity) in [0, 0].into_iter().chain(1..=255).enumerate() {
            let now = LocalTime::ZERO + Nanos::from_millis(i as i64);
            masters.announce(now, data(identity), Nanos::from_secs(1), Some(followed));
        }
        assert_eq!(masters.entries.len(), CAPACITY);
        assert_eq!(masters.best(), Some(data(0)));
    }

    #[test]
    fn masters_too_far_away_are_ignored() {
        let mut masters = ForeignMasters::default();
        for second in 0..3 {
            let now = LocalTime::ZERO + Nanos::from_secs(second);
            masters.announce(now, DataSet { steps_removed: 255, ..data(1) }, Nanos::from_secs(1), None);
        }
        assert!(masters.best().is_none());
    }
}
