//! The Livewire clock on a real machine, followed or served.
//!
//! Model: one thread drives an [`engine::livewire_clock::LivewireClock`] on a socket that has
//! joined the clock's group, and an [`engine::clock::Reference`] with the clock's readings, like a
//! PTP client ([`crate::ptp`]). It publishes its status as a [`LivewireStatus`], which any number
//! of threads can load without waiting, and sends its events to subscribers. Packets are stamped by
//! the kernel if possible.
//!
//! A client that serves the clock continues the time that it followed last, and is silent while it
//! hears a better master. The time in its packets is read directly before they are handed to the
//! kernel, so packets leave later than they state, typically by about 10 us.

mod client;
mod status;

pub use client::{LivewireClient, LivewireClockEvent, LivewireConfig};
pub use status::LivewireStatus;
