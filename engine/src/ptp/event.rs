//! Events of a port.

use super::bmca::DataSet;
use super::plausibility::Fault;
use super::state::{PortState, StateCause, StateChange};
use super::unicast::UnicastEvent;
use super::wire::PortIdentity;
use crate::clock::LockTransition;
use crate::units::Nanos;
use std::fmt;

/// Something that a user would want to know.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PortEvent {
    /// The port's state has changed.
    State(StateChange),
    /// The best master has changed.
    MasterSelected(DataSet),
    /// The selected master is silent, and there is no other.
    MasterLost(PortIdentity),
    /// The selected master has not answered the last Delay_Reqs.
    RequestsUnanswered {
        /// The master.
        master: PortIdentity,
        /// How many in a row.
        requests: u32,
        /// Whether they went to the master's own address, so that from now on they go to everybody.
        falls_back_to_multicast: bool,
    },
    /// A unicast master has granted, denied or ended something.
    Unicast(UnicastEvent),
    /// The selected master sends Follow_Ups to Syncs that say that there are none: the Follow_Ups
    /// are used.
    FlagContradicted(PortIdentity),
    /// The selected master's messages do not agree with each other, and are left out.
    Doubted(Fault),
    /// The selected master's messages agree with each other again.
    Trusted,
    /// Messages in the name of the selected master contradict each other: while that lasts, only
    /// those are used that agree with the time that is held.
    Contested(PortIdentity),
    /// No more contradicting messages come in the name of the selected master.
    Settled,
    /// The clock does not lock to the master's time, and another one is preferred for a while.
    PassedOver {
        /// The master.
        master: PortIdentity,
        /// For how long.
        lasts: Nanos,
    },
    /// The clock's lock state has changed.
    Lock(LockTransition),
    /// The port stays in its state, because the state machine (IEEE 1588-2019, 9.2.5) has no
    /// transition for this cause: a fault of this engine, worth a report.
    IllegalTransition {
        /// The state in which it stays.
        state: PortState,
        /// What should have changed it.
        cause: StateCause,
    },
}

impl fmt::Display for PortEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(change) => change.fmt(f),
            Self::MasterSelected(data) => write!(f, "follows grandmaster {}", data.grandmaster),
            Self::MasterLost(sender) => write!(f, "master {sender} is silent"),
            Self::RequestsUnanswered { master, requests, falls_back_to_multicast } => {
                write!(f, "master {master} has not answered {requests} Delay_Reqs")?;
                if *falls_back_to_multicast {
                    f.write_str(": asking by multicast instead of unicast")?;
                }
                Ok(())
            }
            Self::Unicast(event) => event.fmt(f),
            Self::FlagContradicted(master) => {
                write!(f, "master {master} clears twoStepFlag, but sends Follow_Ups: they are used")
            }
            Self::Doubted(fault) => write!(f, "left out: {fault}"),
            Self::Contested(master) => {
                write!(
                    f,
                    "messages in the name of master {master} contradict each other: only those are used that agree with the time held"
                )
            }
            Self::PassedOver { master, lasts } => {
                write!(f, "master {master} is passed over for {lasts}: the clock does not lock to its time")
            }
            Self::Settled => f.write_str("the messages in the master's name no longer contradict each other"),
            Self::Trusted => f.write_str("the master's messages agree again"),
            Self::Lock(transition) => write!(f, "{}: {}", transition.to, transition.cause),
            Self::IllegalTransition { state, cause } => {
                write!(f, "a fault of this program: a port that is {state} has no transition for \"{cause}\"")
            }
        }
    }
}
