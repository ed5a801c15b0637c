//! The Livewire clock on a real machine, followed or served.
//!
//! Model: one thread drives an [`engine::livewire_clock::LivewireClock`] on a socket of the clock's
//! group, and an [`engine::clock::Reference`] from its readings, as a PTP client does
//! ([`crate::ptp`]). What it knows is published as a [`LivewireStatus`], which any number of
//! threads load without waiting; events go to whoever subscribes. Packets are stamped by the kernel
//! if that can.
//!
//! A client that serves the clock goes on with the time that it followed last, and is silent while
//! it hears a better master. Its packets tell the time that was read right before they were handed
//! to the kernel, so that they are late by that, some 10 us on a usual machine.

mod client;
mod status;

pub use client::{LivewireClient, LivewireClockEvent, LivewireConfig};
pub use status::LivewireStatus;
