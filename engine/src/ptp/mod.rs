//! PTP, the Precision Time Protocol (IEEE 1588 version 2), as far as an AES67 device needs it: the
//! port follows the best clock in a domain, or is the best clock itself.
//!
//! Sans-IO: times and datagrams are passed in and out, and nothing here reads a clock or opens a
//! socket.

mod acceptable;
pub mod authentication;
mod bmca;
pub mod bmca_yield;
mod claims;
mod config;
mod counters;
mod delay_exchange;
mod diagnosis;
mod event;
mod intervals;
mod plausibility;
mod port;
mod profile;
mod state;
mod sync_exchange;
mod time_properties;
mod timers;
mod transmit;
pub mod unicast;
pub mod wire;

pub use acceptable::Acceptable;
pub use bmca::{Comparison, DataSet};
pub use config::{DelayRequestMode, PortConfig, ServedTime};
pub use counters::PortCounters;
pub use diagnosis::{Diagnosis, Instead, Trouble};
pub use event::PortEvent;
pub use plausibility::Fault;
pub use port::Port;
pub use profile::{Parameter, Profile, ProfileError};
pub use state::{PortState, StateCause, StateChange};
pub use time_properties::TimeProperties;
pub use transmit::{Datagram, Destination, MessageClass, PeerAddress, Transmit, TransmitToken};
