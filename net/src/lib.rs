//! The engine on a real machine: sockets, kernel timestamps, clocks and threads.
//!
//! Model: every thread in this crate owns a control half of the engine and its sockets, waits for
//! datagrams or for the next timeout of that half, and publishes its status. The time is read from
//! the host's undisciplined crystal ([`clock`]); the kernel's packet timestamps are converted to
//! this time. This crate does not play audio: the caller gets the audio half
//! ([`engine::receive::Playout`]), and the sound card's callback pulls audio from it.
//!
//! | module | what |
//! |---|---|
//! | [`clock`] | the host's clock, and the system's as a reference |
//! | [`interface`] | network interfaces, by name or address |
//! | [`socket`] | UDP with multicast, DSCP, and timestamps by the network card or the kernel |
//! | [`ptp`] | the PTP client that all streams of an interface and domain share |
//! | [`livewire_clock`] | the Livewire clock, followed or served |
//! | [`timeline`] | the source of the time of streams |
//! | [`stream`] | receives a stream |
//! | [`send`] | sends streams |
//! | [`relay`] | receives a stream and sends it on |
//! | [`sap`] | receives and sends announcements |
//! | [`rtsp`] | asks a device for the description of a stream |
//! | [`livewire`] | receives the advertisements of Livewire nodes |
//! | [`process`] | requests to the system while this process plays, sends or records |
//! | [`system`] | the operating system, for texts that depend on it |
//! | [`timer`] | calls at the pace of a clock |
//! | [`interval_timer`] | calls at an interval, at the rate of a clock while there is one |
//!
//! Assumptions: IPv4. Code that depends on the operating system is in `platform`: Linux, Windows
//! and macOS. The systems report the following times of a packet:
//!
//! | system | when it came | when it left |
//! |---|---|---|
//! | Linux | stamp of the kernel | stamp of the kernel |
//! | macOS | stamp of the kernel | the middle of the call that sends it |
//! | Windows | stamp of the driver (build 20348 on), or when it was read | the middle of the call that sends it |
//!
//! The macOS code is type-checked, but has never run on a Mac.

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("net supports Linux, macOS and Windows; another system needs its own `platform` module");

pub mod clock;
mod error;
pub mod interface;
pub mod interval_timer;
pub mod livewire;
pub mod livewire_clock;
mod platform;
mod prediction;
pub mod process;
pub mod ptp;
pub mod relay;
pub mod rtsp;
pub mod sap;
pub mod send;
pub mod socket;
pub mod stream;
mod subscribers;
pub mod system;
pub mod timeline;
pub mod timer;
mod worker;

pub use error::{Error, Result};
pub use worker::{Context, Scheduling, Urgency, Worker, ask_for_real_time};
