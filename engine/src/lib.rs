#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_lossless,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]
//! Sans-IO AES67 engine: PTP, clock estimation, lock and holdover, RTP, jitter buffer, drift
//! control, resampling, sending, announcements.
//!
//! The idea: a network audio stream is played by a sound card whose crystal nobody disciplines, so
//! everything here is about relating one clock to another from noisy timestamps. Each clock (PTP,
//! the sender's media clock, the sound card's) is described against the host's monotonic clock as
//! offset, rate and uncertainty: a [`clock::ClockMap`]. The rest is arithmetic on those maps.
//!
//! The engine never reads a clock, opens a socket or starts a thread: times and datagrams are
//! arguments, so that the simulator drives exactly the code that ships. It has two halves, because
//! a program has two threads.
//!
//! # The control half
//!
//! It belongs to a network thread. After every call that changes its state, poll until `None`.
//!
//! | type | takes | is woken by | gives |
//! |---|---|---|---|
//! | [`ptp::Port`] | `handle_datagram`, `handle_timeout`, `handle_transmitted` | `poll_timeout` | `poll_transmit`, `poll_event`, `reading` |
//! | [`livewire_clock::LivewireClock`] | `handle_datagram`, `handle_timeout` | `poll_timeout` | `poll_event`, `reading` |
//! | [`clock::Reference`] | `advance`, with the readings of its sources | `poll_timeout` | `poll_event`, `reading`, `timeline` |
//! | [`receive::Ingest`] | `handle` or `handle_datagram`, `set_clock` | nothing: packets carry its time | `stats`, and packets for the audio half |
//! | [`send::Sender`] | `set_clock`, `handle_timeout` | `poll_timeout` | `poll_transmit`, `stats` |
//!
//! Misuse and bad input are errors of the call, or counted, never silent. Elapsed times are never
//! negative ([`LocalTime::since`]), so a `now` before the last one makes no timer run.
//!
//! # The audio half
//!
//! [`receive::Playout::pull`] belongs to the sound card's thread. It always fills the output, and
//! never allocates, locks, logs, waits or calls the system. It shares with [`receive::Ingest`] a
//! lock-free ring of packets and two wait-free snapshots; [`receive::stream`] makes both.
//! [`send::CaptureInput::push`] is its counterpart for a sound card that is a source.
//!
//! # Floors
//!
//! Each uses only those below it: `announce relay` / `livewire_clock ptp receive send` / `audio` /
//! `clock resample rtp` / `text units`.

/// The examples of the package's README run with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod announce;
pub mod audio;
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
