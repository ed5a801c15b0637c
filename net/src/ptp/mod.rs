//! The PTP client, which all streams on an interface and domain share.
//!
//! Model: a thread drives an [`engine::ptp::Port`] on UDP ports 319 and 320, and an
//! [`engine::clock::Reference`] with the readings of the port and of the system clock. It publishes
//! its status as a [`PtpStatus`], which any number of threads can load without waiting, and sends
//! its events to subscribers.
//!
//! Received and sent event messages are stamped by the network card if it has a clock, by the
//! kernel if possible, and otherwise by this program; see [`PtpStatus::timestamping`].

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

/// Maximum length of a message, which is longer than any message in the profiles in use.
const LONGEST_MESSAGE: usize = 1500;

/// The group to which all messages except peer-delay messages are sent (IEEE 1588-2019, C.3).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 129);
