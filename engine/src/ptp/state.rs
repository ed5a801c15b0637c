//! States of a port, and the transitions between them (IEEE 1588-2019, 9.2.5 and 9.3.3).
//!
//! Model: an ordinary clock has one port, so the state decision compares only our own data set, D0,
//! with the best foreign data set, Erbest. State changes are the rows of two tables: one for clocks
//! that may serve time (figure 30 of the standard), and one for clocks that never serve time
//! (figure 31).
//!
//! Some states of the standard are omitted: INITIALIZING (every port that exists is initialised),
//! FAULTY and DISABLED (socket errors are handled elsewhere), and PRE_MASTER (according to
//! 9.2.6.11, an ordinary clock waits there for 0 intervals).

use super::bmca::DataSet;
use crate::units::LocalTime;
use std::cmp::Ordering;
use std::fmt;

/// Largest clockClass of clocks that never follow another clock; the smallest is 1 (IEEE 1588-2019,
/// 7.6.2.5 and 9.3.3).
const LAST_CLASS_THAT_NEVER_FOLLOWS: u8 = 127;

/// State of a port (IEEE 1588-2019, table 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortState {
    /// No master is known, and it is too early to become master.
    Listening,
    /// We serve the time.
    Master,
    /// A better clock serves the time, and our clock never follows another clock.
    Passive,
    /// A master is selected; its clock is not followed yet.
    Uncalibrated,
    /// The clock of the selected master is followed.
    Slave,
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listening => "LISTENING",
            Self::Master => "MASTER",
            Self::Passive => "PASSIVE",
            Self::Uncalibrated => "UNCALIBRATED",
            Self::Slave => "SLAVE",
        })
    }
}

/// Why a port changed its state (the events of IEEE 1588-2019, 9.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StateCause {
    /// BMC_MASTER: our data set is the best.
    BmcMaster,
    /// BMC_PASSIVE: another clock is better, but a clock with our clockClass never follows another
    /// clock.
    BmcPassive,
    /// BMC_SLAVE: another clock is better.
    BmcSlave,
    /// BMC_SLAVE, with a different master than before.
    AnotherMaster,
    /// ANNOUNCE_RECEIPT_TIMEOUT_EXPIRES.
    AnnounceReceiptTimeout,
    /// MASTER_CLOCK_SELECTED: the clock servo follows the master.
    MasterClockSelected,
    /// SYNCHRONIZATION_FAULT: the clock servo no longer regards the time as usable.
    SynchronizationFault,
}

impl fmt::Display for StateCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BmcMaster => "no other clock of the domain is better than this one",
            Self::BmcPassive => "a better clock serves the domain, and this one is a reference that never follows",
            Self::BmcSlave => "a better clock announces itself",
            Self::AnotherMaster => "another master is selected",
            Self::AnnounceReceiptTimeout => "no master announces itself",
            Self::MasterClockSelected => "the master's time is known",
            Self::SynchronizationFault => "the master's time is too uncertain",
        })
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// Time of the change.
    pub at: LocalTime,
    /// The state that was left.
    pub from: PortState,
    /// The state that was entered.
    pub to: PortState,
    /// Cause of the change.
    pub cause: StateCause,
}

impl fmt::Display for StateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.from, self.to, self.cause)
    }
}

type Row = (PortState, StateCause, PortState);

/// State transitions of clocks that may serve time (IEEE 1588-2019, figure 30).
#[rustfmt::skip]
const FULL: [Row; 15] = {
    use PortState::{Listening, Master, Passive, Slave, Uncalibrated};
    use StateCause::{AnnounceReceiptTimeout, AnotherMaster, BmcMaster, BmcSlave, MasterClockSelected, BmcPassive, SynchronizationFault};
    [
        (Listening, BmcMaster, Master),
        (Listening, BmcPassive, Passive),
        (Listening, BmcSlave, Uncalibrated),
        (Listening, AnnounceReceiptTimeout, Master),
        (Master, BmcPassive, Passive),
        (Master, BmcSlave, Uncalibrated),
        (Passive, BmcMaster, Master),
        (Passive, AnnounceReceiptTimeout, Master),
        (Uncalibrated, MasterClockSelected, Slave),
        (Uncalibrated, BmcMaster, Master),
        (Uncalibrated, AnnounceReceiptTimeout, Master),
        (Slave, AnotherMaster, Uncalibrated),
        (Slave, SynchronizationFault, Uncalibrated),
        (Slave, BmcMaster, Master),
        (Slave, AnnounceReceiptTimeout, Master),
    ]
};

/// State transitions of clocks that never serve time (IEEE 1588-2019, figure 31).
#[rustfmt::skip]
const SLAVE_ONLY: [Row; 6] = {
    use PortState::{Listening, Slave, Uncalibrated};
    use StateCause::{AnnounceReceiptTimeout, AnotherMaster, BmcSlave, MasterClockSelected, SynchronizationFault};
    [
        (Listening, BmcSlave, Uncalibrated),
        (Uncalibrated, MasterClockSelected, Slave),
        (Uncalibrated, AnnounceReceiptTimeout, Listening),
        (Slave, AnotherMaster, Uncalibrated),
        (Slave, SynchronizationFault, Uncalibrated),
        (Slave, AnnounceReceiptTimeout, Listening),
    ]
};

/// The state that `cause` leads to; `None` if the table has no such transition.
pub(super) fn next(slave_only: bool, from: PortState, cause: StateCause) -> Option<PortState> {
    let table: &[Row] = if slave_only { &SLAVE_ONLY } else { &FULL };
    table.iter().find(|row| (row.0, row.1) == (from, cause)).map(|row| row.2)
}

/// The recommendation of the state decision algorithm (IEEE 1588-2019, figure 33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recommendation {
    /// Stay in LISTENING until the announce receipt timeout.
    Listen,
    /// Become master (M1 or M2).
    Master,
    /// Become passive (P1).
    Passive,
    /// Follow the best master (S1).
    Slave,
}

/// The state decision algorithm for our data set `own` (D0) and the best foreign data set (Erbest,
/// which is also Ebest, because there is only one port).
pub(super) fn recommend(slave_only: bool, own: &DataSet, best: Option<&DataSet>, state: PortState) -> Recommendation {
    let Some(best) = best else {
        let listens = slave_only || state == PortState::Listening;
        return if listens { Recommendation::Listen } else { Recommendation::Master };
    };
    if slave_only {
        return Recommendation::Slave;
    }
    let never_follows = (1..=LAST_CLASS_THAT_NEVER_FOLLOWS).contains(&own.quality.clock_class);
    match own.compare(best).ordering() {
        Ordering::Less => Recommendation::Master,
        _ if never_follows => Recommendation::Passive,
        _ => Recommendation::Slave,
    }
}

#[cfg(test)]
mod tests {
    use super::super::bmca::tests::data;
    use super::*;
    use std::fmt::Write as _;

    fn print(title: &str, table: &[Row], out: &mut String) {
        writeln!(out, "{title}").unwrap();
        for (from, cause, to) in table {
            let (from, to) = (from.to_string(), to.to_string());
            writeln!(out, "  {from:<12} -> {to:<12} {cause}").unwrap();
        }
    }

    #[test]
    fn transition_tables() {
        let mut out = String::new();
        print("may serve time", &FULL, &mut out);
        print("slave only", &SLAVE_ONLY, &mut out);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn no_row_contradicts_another_and_every_state_is_left_again() {
        for table in [&FULL[..], &SLAVE_ONLY[..]] {
            for (i, row) in table.iter().enumerate() {
                assert!(table[..i].iter().all(|other| (other.0, other.1) != (row.0, row.1)), "{row:?}");
                assert!(table.iter().any(|other| other.0 == row.2), "{row:?} leads to a dead end");
            }
        }
        assert_eq!(next(true, PortState::Listening, StateCause::BmcMaster), None, "a slave never serves");
    }

    fn with_class(identity: u8, clock_class: u8) -> DataSet {
        let mut data = data(identity);
        data.quality.clock_class = clock_class;
        data
    }

    #[test]
    fn decisions() {
        use Recommendation::{Listen, Master, Passive, Slave};
        let (ordinary, reference) = (with_class(5, 248), with_class(5, 6));
        let (better, worse) = (with_class(1, 6), with_class(9, 250));
        let cases = [
            ("nobody, listening", false, ordinary, None, PortState::Listening, Listen),
            ("nobody any more", false, ordinary, None, PortState::Slave, Master),
            ("nobody any more, slave only", true, ordinary, None, PortState::Slave, Listen),
            ("a better one", false, ordinary, Some(better), PortState::Master, Slave),
            ("a worse one", false, ordinary, Some(worse), PortState::Listening, Master),
            ("a worse one, slave only", true, ordinary, Some(worse), PortState::Listening, Slave),
            ("a better one for a reference", false, reference, Some(better), PortState::Master, Passive),
            ("a worse one for a reference", false, reference, Some(worse), PortState::Passive, Master),
            ("class 127", false, with_class(5, 127), Some(better), PortState::Listening, Passive),
            ("class 128", false, with_class(5, 128), Some(better), PortState::Listening, Slave),
        ];
        for (why, slave_only, own, best, state, expected) in cases {
            assert_eq!(recommend(slave_only, &own, best.as_ref(), state), expected, "{why}");
        }
    }

    #[test]
    fn a_change_reads_as_a_sentence() {
        let change = StateChange {
            at: LocalTime::ZERO,
            from: PortState::Slave,
            to: PortState::Listening,
            cause: StateCause::AnnounceReceiptTimeout,
        };
        assert_eq!(change.to_string(), "SLAVE -> LISTENING: no master announces itself");
    }
}
