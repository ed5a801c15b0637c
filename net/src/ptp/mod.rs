//! The PTP client that all streams of an interface and domain share.
//!
//! Model: a thread drives [`engine::ptp::Port`] on UDP ports 319 and 320. From the port's readings
//! and those of the system's clock it drives an [`engine::clock::Reference`]. It publishes its
//! status as a [`PtpStatus`], which any number of threads can load without waiting, and sends its
//! events to subscribers.
//!
//! Event messages are stamped at both ends by the network card if it has a clock, by the kernel if
//! that can, and otherwise by this program; see [`PtpStatus::timestamping`].

mod announces;
mod client;
mod echo;
mod pending_timestamps;
mod status;
mod yielding;

pub use announces::{AnnounceListener, HeardMaster};
pub use client::{PtpClient, PtpConfig, PtpEvent};
pub use status::PtpStatus;
pub use yielding::{YieldClient, YieldStatus};

use std::net::Ipv4Addr;

/// Longer than any message of the profiles in use.
const LONGEST_MESSAGE: usize = 1500;

/// The group of all messages but those of peer delay (IEEE 1588-2019, C.3).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 129);
