//! Configuration, state and events of a session.

use crate::clock::LockTransition;
use crate::ptp::bmca::DataSet;
use crate::ptp::config::own_data_set;
use crate::ptp::transmit::PeerAddress;
use crate::ptp::wire::{ClockQuality, PortIdentity};
use std::fmt;

/// Configuration of a session.
///
/// ```
/// use engine::ptp::bmca_yield::YieldConfig;
/// use engine::ptp::wire::{ClockIdentity, PortIdentity};
/// let identity = PortIdentity { clock_identity: ClockIdentity([2; 8]), port_number: 1 };
/// let config = YieldConfig::new(identity, [192, 0, 2, 9].into());
/// // A HomePod's priority1 is 248, and the lower one is better.
/// assert_eq!((config.priority_1, config.quality.clock_class), (250, 248));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YieldConfig {
    /// Our own port.
    pub identity: PortIdentity,
    /// The receiver's address; datagrams from other addresses are counted and ignored.
    pub peer: PeerAddress,
    /// priority1 of our clock: a HomePod's is 248.
    pub priority_1: u8,
    /// priority2 of our clock.
    pub priority_2: u8,
    /// Quality of our clock.
    pub quality: ClockQuality,
}

impl YieldConfig {
    /// Creates the configuration of a clock that yields to every HomePod: priority1 250, clockClass
    /// 248.
    #[must_use]
    pub fn new(identity: PortIdentity, peer: PeerAddress) -> Self {
        let quality = ClockQuality { clock_class: 248, clock_accuracy: 0xFE, offset_scaled_log_variance: 0x436A };
        Self { identity, peer, priority_1: 250, priority_2: 248, quality }
    }

    /// D0, our own data set.
    pub(super) fn data_set(&self) -> DataSet {
        own_data_set(self.identity, self.priority_1, self.quality, self.priority_2)
    }
}

/// The clock whose time the session uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YieldState {
    /// Not yet known: our clock is offered, and the peer's Announce is awaited.
    Offering,
    /// The peer's clock.
    Following,
    /// Our clock.
    OwnTimeline,
}

/// An event for a user.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum YieldEvent {
    /// The peer's clock is better, so it is followed.
    Yielded(DataSet),
    /// The peer has announced no clock that is better than ours, so our clock is the timeline.
    KeptOwnTimeline,
    /// The peer that was followed is silent, so our clock continues the peer's timeline.
    PeerLost(PortIdentity),
    /// The clock's lock state has changed.
    Lock(LockTransition),
}

impl fmt::Display for YieldEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yielded(data) => write!(f, "follows the receiver's clock {}", data.grandmaster),
            Self::KeptOwnTimeline => f.write_str("the receiver offers no better clock: ours is the timeline"),
            Self::PeerLost(sender) => {
                write!(f, "the receiver's clock {sender} is silent: ours carries its timeline on")
            }
            Self::Lock(transition) => write!(f, "{}: {}", transition.to, transition.cause),
        }
    }
}

/// How the timeline is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convergence {
    /// The timeline is our own clock.
    OwnTimeline,
    /// The peer does not answer Delay_Reqs, so a path delay is assumed.
    OneWay,
    /// Both directions are measured.
    TwoWay,
}

/// Whether to start the stream, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncOutcome {
    /// The timeline is not known yet, and the deadline has not passed: wait.
    Pending,
    /// The timeline is known.
    Converged {
        /// How the timeline is determined.
        by: Convergence,
    },
    /// The deadline has passed: start without the receiver's time.
    TimedOut {
        /// Whether [`super::YieldSession::receiver_time_ns`] has at least a first estimate.
        has_estimate: bool,
    },
}
