//! Events of a Livewire clock.

use super::masters::Master;
use super::wire::MasterIdentity;
use crate::clock::LockTransition;
use std::fmt;

/// Something that happened to a Livewire clock.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClockEvent {
    /// A master is followed.
    Followed(Master),
    /// The master that was followed is silent, and there is no other.
    Silent(Master),
    /// The clock's state changed.
    Lock(LockTransition),
    /// Another sender impersonates the followed master: only packets that agree with the time that
    /// the clock holds are used.
    Contested(MasterIdentity),
    /// No other sender impersonates the master any more.
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
