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
//! Model: a network audio stream is played by a sound card whose crystal is free-running, so most
//! of the engine relates one clock to another from noisy timestamps. Each clock (PTP, the sender's
//! media clock, the sound card's clock) is described relative to the host's monotonic clock by its
//! offset, rate and uncertainty: a [`clock::ClockMap`]. Playout and sending are computed from these
//! maps.
//!
//! The engine never reads a clock, opens a socket or starts a thread: times and datagrams are
//! arguments, so that the simulator drives exactly the code that ships. The engine has two halves,
//! one for a program's network thread and one for the sound card's thread.
//!
//! # The control half
//!
//! The types of this half belong to a network thread. After every call that changes the state of
//! one of them, poll its events and datagrams until `None` is returned.
//!
//! | type | takes | is woken by | gives |
//! |---|---|---|---|
//! | [`ptp::Port`] | `handle_datagram`, `handle_timeout`, `handle_transmitted` | `poll_timeout` | `poll_transmit`, `poll_event`, `reading` |
//! | [`livewire_clock::LivewireClock`] | `handle_datagram`, `handle_timeout` | `poll_timeout` | `poll_event`, `reading` |
//! | [`clock::Reference`] | `advance`, with the readings of its sources | `poll_timeout` | `poll_event`, `reading`, `timeline` |
//! | [`receive::Ingest`] | `handle`, or `gather` and `publish`; `set_clock` | no timer | `stats` |
//! | [`send::Sender`] | `set_clock`, `handle_timeout` | `poll_timeout` | `poll_transmit`, `stats` |
//!
//! Misuse and invalid input are reported as errors or counted, never silently ignored. Elapsed
//! times are never negative ([`LocalTime::since`]), so a call with a `now` earlier than the
//! previous one triggers no timer.
//!
//! # The audio half
//!
//! [`receive::Playout::pull`] belongs to the sound card's thread. It always fills the output, and
//! never allocates, locks, logs, blocks or makes a system call. [`receive::stream`] creates a
//! [`receive::Playout`] together with its [`receive::Ingest`]; the two share a lock-free ring of
//! packets and two wait-free snapshots. [`send::CaptureInput::push`] is the counterpart of `pull`
//! for a sound card that captures.
//!
//! # Layers
//!
//! Each layer uses only the layers below it: `announce relay` / `livewire_clock ptp receive send` /
//! `audio` / `clock resample rtp` / `text units`.
//!
//! # Constants
//!
//! "Judgement:" in the comment of a constant means that its value was chosen by judgement for the
//! reason given; it is neither derived nor taken from a standard.

/// Runs the examples of the package's README as documentation tests.
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
