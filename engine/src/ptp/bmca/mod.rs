//! The best master clock algorithm of an ordinary clock (IEEE 1588-2019, 9.3), which decides which
//! data set is better.
//!
//! Model: every Announce in the domain provides a candidate data set; our own clock provides one
//! more, D0. Different grandmasters are compared by their attributes, and two paths to the same
//! grandmaster are compared by topology. `foreign_masters` determines the candidates, and `state`
//! determines what follows for the port.

mod foreign_masters;
mod sync_senders;

pub(super) use foreign_masters::{Candidate, ForeignMasters, MAX_STEPS_REMOVED};
pub(super) use sync_senders::{Evidence, SyncSenders};

use super::wire::{Announce, ClockIdentity, ClockQuality, PortIdentity};
use std::cmp::Ordering;

/// The data that the comparison uses (IEEE 1588-2019, table 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// priority1, which the operator sets.
    pub priority_1: u8,
    /// Class, accuracy and variance.
    pub quality: ClockQuality,
    /// priority2, which the operator sets.
    pub priority_2: u8,
    /// The grandmaster.
    pub grandmaster: ClockIdentity,
    /// stepsRemoved: the number of boundary clocks on the path.
    pub steps_removed: u16,
    /// The port that announces.
    pub sender: PortIdentity,
    /// The port on which the Announce was received.
    pub receiver: PortIdentity,
}

/// Outcome of comparing A with B (IEEE 1588-2019, 9.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// A is better.
    Better,
    /// A and B describe the same grandmaster, and A's path to it is preferred.
    BetterByTopology,
    /// A and B are the same message (error-2 in the standard).
    Same,
    /// A and B describe the same grandmaster, and B's path to it is preferred.
    WorseByTopology,
    /// B is better.
    Worse,
}

impl Comparison {
    /// The outcome as an ordering: `Less` is better, by quality or by topology.
    #[must_use]
    pub const fn ordering(self) -> Ordering {
        match self {
            Self::Better | Self::BetterByTopology => Ordering::Less,
            Self::Same => Ordering::Equal,
            Self::WorseByTopology | Self::Worse => Ordering::Greater,
        }
    }
}

impl DataSet {
    /// Creates the data set from an Announce that `sender` sent and our port `receiver` received.
    #[must_use]
    pub fn of(sender: PortIdentity, receiver: PortIdentity, announce: &Announce) -> Self {
        Self {
            priority_1: announce.grandmaster_priority_1,
            quality: announce.grandmaster_clock_quality,
            priority_2: announce.grandmaster_priority_2,
            grandmaster: announce.grandmaster_identity,
            steps_removed: announce.steps_removed,
            sender,
            receiver,
        }
    }

    /// Compares `self` (A) with `other` (B) by the data set comparison algorithm (IEEE 1588-2019,
    /// 9.3.4, figures 34 and 35).
    ///
    /// ```
    /// use engine::ptp::wire::{Announce, ClockIdentity, PortIdentity};
    /// use engine::ptp::{Comparison, DataSet};
    ///
    /// let port = |id| PortIdentity { clock_identity: ClockIdentity([id; 8]), port_number: 1 };
    /// let announce = |id, grandmaster_priority_1| Announce {
    ///     grandmaster_priority_1, grandmaster_identity: ClockIdentity([id; 8]), ..Announce::default()
    /// };
    /// let a = DataSet::of(port(1), port(9), &announce(1, 128));
    /// let b = DataSet::of(port(2), port(9), &announce(2, 127));
    /// assert_eq!(a.compare(&b), Comparison::Worse);
    /// ```
    #[must_use]
    pub fn compare(&self, other: &Self) -> Comparison {
        if self.grandmaster == other.grandmaster {
            return self.compare_topology(other);
        }
        match self.attributes().cmp(&other.attributes()) {
            Ordering::Less => Comparison::Better,
            Ordering::Equal => Comparison::Same,
            Ordering::Greater => Comparison::Worse,
        }
    }

    /// The attributes by which different grandmasters are compared (part 1 of the comparison), in
    /// order of precedence.
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

    /// Compares two paths to the same grandmaster (part 2 of the comparison).
    fn compare_topology(&self, other: &Self) -> Comparison {
        match (self.steps_removed, other.steps_removed) {
            (a, b) if a > b.saturating_add(1) => Comparison::Worse,
            (a, b) if b > a.saturating_add(1) => Comparison::Better,
            (a, b) if a > b && self.receiver_below_sender() => Comparison::Worse,
            (a, b) if a > b => Comparison::WorseByTopology,
            (a, b) if a < b && other.receiver_below_sender() => Comparison::Better,
            (a, b) if a < b => Comparison::BetterByTopology,
            _ => self.compare_senders(other),
        }
    }

    /// Whether the receiver's identity is lower than the sender's. Equal identities (error-1 in the
    /// standard: a message that came back to its own port) cannot occur here, because our own
    /// messages are dropped on receipt.
    fn receiver_below_sender(&self) -> bool {
        self.receiver < self.sender
    }

    fn compare_senders(&self, other: &Self) -> Comparison {
        let key = |data: &Self| (data.sender, data.receiver.port_number);
        match key(self).cmp(&key(other)) {
            Ordering::Less => Comparison::BetterByTopology,
            Ordering::Equal => Comparison::Same,
            Ordering::Greater => Comparison::WorseByTopology,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const OURS: PortIdentity = PortIdentity { clock_identity: ClockIdentity([5; 8]), port_number: 1 };

    pub(in crate::ptp) fn data(identity: u8) -> DataSet {
        let clock_identity = ClockIdentity([identity; 8]);
        DataSet {
            priority_1: 128,
            quality: ClockQuality { clock_class: 248, clock_accuracy: 0xFE, offset_scaled_log_variance: 0xFFFF },
            priority_2: 128,
            grandmaster: clock_identity,
            steps_removed: 0,
            sender: PortIdentity { clock_identity, port_number: 1 },
            receiver: OURS,
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
            // Identity 2 loses the tie, so the attribute alone decides; every earlier attribute
            // outweighs it.
            let mut candidate = data(2);
            improve(&mut candidate);
            assert_eq!(candidate.compare(&worse), Comparison::Better, "attribute {i}");
            for stronger in &better[..i] {
                let mut rival = worse;
                stronger(&mut rival);
                assert_eq!(candidate.compare(&rival), Comparison::Worse, "attribute {i}");
            }
        }
        assert_eq!(data(1).compare(&data(2)), Comparison::Better, "the identity decides a tie");
    }

    /// A path to grandmaster 1 from sender `sender` over `steps_removed` boundary clocks.
    fn way(sender: u8, steps_removed: u16) -> DataSet {
        DataSet { sender: data(sender).sender, steps_removed, ..data(1) }
    }

    #[test]
    fn the_same_grandmaster_is_chosen_by_topology() {
        use Comparison::{Better, BetterByTopology, Same, Worse, WorseByTopology};
        // Our identity is 5: compared with it, sender 9 is above, and senders 2 and 3 are below.
        let cases = [
            (way(9, 0), way(2, 2), Better, "two steps nearer, whoever sends"),
            (way(2, 7), way(9, 5), Worse, "two steps farther"),
            (way(9, 3), way(2, 2), Worse, "one step farther, receiver below sender"),
            (way(2, 3), way(9, 2), WorseByTopology, "one step farther, receiver above sender"),
            (way(2, 2), way(9, 3), Better, "one step nearer, the other's receiver below its sender"),
            (way(9, 2), way(2, 3), BetterByTopology, "one step nearer, the other's receiver above its sender"),
            (way(2, 2), way(3, 2), BetterByTopology, "equally near, lower sender"),
            (way(3, 2), way(2, 2), WorseByTopology, "equally near, higher sender"),
            (way(2, 2), way(2, 2), Same, "the same message"),
            (way(2, 0), way(2, u16::MAX), Better, "no overflow"),
        ];
        for (a, b, expected, why) in cases {
            assert_eq!(a.compare(&b), expected, "{why}");
            assert_eq!(b.compare(&a).ordering(), expected.ordering().reverse(), "{why}, the other way round");
        }
        let attributes_do_not_matter = DataSet { priority_1: 255, ..way(2, 0) };
        assert_eq!(attributes_do_not_matter.compare(&way(2, 2)), Better);
    }
}
