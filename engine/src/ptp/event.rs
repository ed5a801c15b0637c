//! Events of a port.

use super::bmca::DataSet;
use super::plausibility::Fault;
use super::state::{PortState, StateCause, StateChange};
use super::unicast::UnicastEvent;
use super::wire::PortIdentity;
use crate::clock::LockTransition;
use crate::units::Nanos;
use std::fmt;

/// An event for a user.
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
        /// Number of consecutive unanswered requests.
        requests: u32,
        /// Whether these requests were sent by unicast; if so, the next ones will be sent by
        /// multicast.
        falls_back_to_multicast: bool,
    },
    /// A unicast master has granted or denied a request, or a grant has ended.
    Unicast(UnicastEvent),
    /// The selected master sends Follow_Ups although its Syncs do not set twoStepFlag. The
    /// Follow_Ups are used nevertheless.
    FlagContradicted(PortIdentity),
    /// The selected master's messages contradict each other, so they are not used.
    Doubted(Fault),
    /// The selected master's messages agree with each other again.
    Trusted,
    /// Messages that claim to come from the selected master contradict each other. Until
    /// [`PortEvent::Settled`], only messages that agree with the time that the clock already holds
    /// are used.
    Contested(PortIdentity),
    /// Messages that claim to come from the selected master no longer contradict each other.
    Settled,
    /// The clock does not lock to the master's time, so another master is preferred for a while.
    PassedOver {
        /// The master.
        master: PortIdentity,
        /// For how long other masters are preferred.
        lasts: Nanos,
    },
    /// The clock's lock state has changed.
    Lock(LockTransition),
    /// The port stays in its current state, because the state machine (IEEE 1588-2019, 9.2.5) has
    /// no transition for this cause. This is a bug in the engine; please report it.
    IllegalTransition {
        /// The state in which the port stays.
        state: PortState,
        /// The cause of the attempted transition.
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
