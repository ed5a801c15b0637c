//! Events of a Livewire clock.

use super::masters::Master;
use super::wire::MasterIdentity;
use crate::clock::LockTransition;
use std::fmt;

/// An event of a Livewire clock.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClockEvent {
    /// A master is followed.
    Followed(Master),
    /// The master that was followed is silent, and there is no other.
    Silent(Master),
    /// The clock's lock state has changed.
    Lock(LockTransition),
    /// Another sender is impersonating the followed master. Only packets that agree with the time
    /// that the clock holds are used.
    Contested(MasterIdentity),
    /// No other sender is impersonating the master any more.
    Settled,
}

impl fmt::Display for ClockEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Followed(master) => write!(f, "following {master}"),
            Self::Silent(master) => write!(f, "{master} is silent"),
            Self::Lock(LockTransition { to, cause, .. }) => write!(f, "{to}: {cause}"),
            Self::Contested(master) => write!(f, "somebody else sends in the name of {master}"),
            Self::Settled => f.write_str("nobody else sends in the master's name any more"),
        }
    }
}
