//! Explains to the user, in one sentence, why there is no clock.

use super::masters::{HEARD, Master};
use super::wire::ClockPacketError;
use super::{GROUP, PORT};
use crate::clock::LockCause;
use crate::units::Nanos;
use std::fmt;

/// Why a Livewire clock is not locked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClockDiagnosis {
    /// Nothing has been received.
    Nothing,
    /// Only datagrams that are not packets of the clock have been received.
    NoClock(ClockPacketError),
    /// Too few packets from a master have been received so far.
    Few {
        /// The master.
        master: Master,
        /// Number of packets that agree with each other.
        packets: u32,
    },
    /// The followed master is silent.
    Silent {
        /// The master.
        master: Master,
        /// Duration of the silence.
        silent_for: Nanos,
    },
    /// The master's packets jitter so much that the path delay may exceed the permitted error of a
    /// locked clock.
    Jitter {
        /// The master.
        master: Master,
        /// How late packets are on average.
        jitter: Nanos,
    },
    /// The clock servo rejects the master's time.
    Servo {
        /// The master.
        master: Master,
        /// The reason.
        cause: LockCause,
    },
}

impl fmt::Display for ClockDiagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(
                f,
                "no Livewire clock was heard on {GROUP}:{PORT}: no device of this network is its master, or a switch \
                 or firewall keeps the group from this host"
            ),
            Self::NoClock(error) => {
                write!(f, "what is heard on {GROUP}:{PORT} is no Livewire clock: {error}")
            }
            Self::Few { master, packets } => {
                write!(
                    f,
                    "{master} is heard, but only {packets} of its packets fit each other so far; it takes {HEARD}"
                )
            }
            Self::Silent { master, silent_for } => {
                write!(f, "{master} has been silent on {GROUP}:{PORT} for {silent_for}, and there is no other master")
            }
            Self::Jitter { master, jitter } => {
                write!(f, "packets of {master} are late by {jitter} on average: the time is not known to a millisecond")
            }
            Self::Servo { master, cause } => write!(f, "{master}: {cause}"),
        }
    }
}
