//! The Livewire clock on a real machine, followed or served.
//!
//! Model: one thread drives an [`engine::livewire_clock::LivewireClock`] on a socket of the clock's
//! group, and an [`engine::clock::Reference`] from its readings, as a PTP client does
//! ([`crate::ptp`]). It publishes its status as a [`LivewireStatus`], which any number of threads
//! can load without waiting, and sends its events to subscribers. Packets are stamped by the kernel
//! if possible.
//!
//! A client that serves the clock continues the time that it followed last, and is silent while it
//! hears a better master. The time in its packets was read directly before they were handed to the
//! kernel, so they are late by the duration of that, some 10 us on a usual machine.

mod client;
mod status;

pub use client::{LivewireClient, LivewireClockEvent, LivewireConfig};
pub use status::LivewireStatus;
