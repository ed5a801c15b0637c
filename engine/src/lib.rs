#![forbid(unsafe_code)]
//! Sans-IO AES67 engine: PTP, clock estimation, lock and holdover, RTP, jitter buffer, drift
//! control, resampling, sending, announcements.
//!
//! The idea: a network audio stream is played by a sound card whose crystal nobody disciplines, so
//! everything here is about relating one clock to another from noisy timestamps. Each clock (PTP,
//! the sender's media clock, the sound card's) is described against the host's monotonic clock as
//! offset, rate and uncertainty: a [`clock::ClockMap`]. The rest is arithmetic on those maps.
//!
//! The engine never reads a clock, opens a socket or starts a thread: times and datagrams are
//! arguments, so that the simulator drives exactly the code that ships. Two halves face two
//! threads:
//!
//! * the control half ([`ptp::Port`], [`livewire_clock::LivewireClock`], [`receive::Ingest`],
//!   [`send::Sender`]): `handle_datagram`, `handle_timeout`, then drain the polls;
//! * the audio half ([`receive::Playout`]): `pull` fills the sound card's buffer, always, without
//!   allocating or waiting.
//!
//! Floors, each using only those below: `announce capture relay` /
//! `livewire_clock ptp receive send` / `clock resample rtp` / `text units`.

/// The examples of the package's README run with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod announce;
pub mod capture;
pub mod clock;
mod event_queue;
pub mod livewire_clock;
pub mod ptp;
pub mod receive;
pub mod relay;
pub mod resample;
pub mod rtp;
pub mod send;
pub mod text;
mod units;

pub use units::{Frames, LocalTime, MediaPosition, NANOS_PER_SECOND, Nanos, Ppb, PtpTime, RtpTimestamp, SampleRate};
