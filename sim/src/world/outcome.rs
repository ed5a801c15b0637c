//! What a run gives, how it is observed and stopped, and why it fails.

use super::capture::CaptureError;
use super::hash::TrajectoryHash;
use super::measure::CallbackRow;
use super::reception::Reception;
use super::sender::SenderNodeError;
use crate::check::CrackleReport;
use crate::record::{ClockState, Recording};
use engine::ptp::wire::ClockIdentity;
use engine::receive::StreamError;
use engine::relay::RelayError;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use thiserror::Error;

/// Lets other threads observe and stop a run.
#[derive(Debug, Default)]
pub struct Control {
    /// Simulated ms so far, of all runs together.
    pub progress_ms: AtomicU64,
    /// Simulated ms that the most advanced run has reached.
    pub reached_ms: AtomicU64,
    /// Set to stop before the next event.
    pub cancelled: AtomicBool,
}

/// Why a run failed: the machine (its disk), or a defect of the simulator or of a receiver.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file could not be written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The receiver refused its configuration.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The relay refused its configuration.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The sender refused its configuration.
    #[error(transparent)]
    Sender(#[from] SenderNodeError),
    /// A receiver cannot be made, or failed.
    #[error("receiver `{receiver}`: {reason}")]
    Receiver {
        /// Its name.
        receiver: String,
        /// Why, and what would be right.
        reason: String,
    },
    /// An invariant was violated.
    #[error("invariant violated at {at_s:.6} s by receiver `{receiver}`: {what}")]
    Invariant {
        /// When.
        at_s: f64,
        /// Who.
        receiver: String,
        /// What.
        what: String,
    },
}

/// The results of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The trace.
    pub recording: Recording,
    /// What a listener heard, if the audio was judged.
    pub heard: Option<CrackleReport>,
    /// Card frames at the end of every row.
    pub row_frames: Vec<u64>,
    /// Card frames in which the card itself was silent.
    pub card_gaps: Vec<Range<u64>>,
    /// Card frames of callbacks in which the receiver concealed audio.
    pub concealed: Vec<Range<u64>>,
    /// Every grandmaster that was followed after another one, and the time from which it was (true
    /// seconds).
    pub grandmasters: Vec<(f64, ClockIdentity)>,
    /// Every change of the clock's state: when (true seconds), and to what.
    pub clock_states: Vec<(f64, ClockState)>,
    /// Trace intervals in which the clock said that it was locked: when each ended (true seconds),
    /// and the largest |error of PTP time| while it said so, us.
    pub locked_errors: Vec<(f64, f64)>,
    /// Every change between playing what was sent and anything else: when (true seconds), and
    /// whether it was played from then on.
    pub playing: Vec<(f64, bool)>,
    /// The receiver's counts of packets at the end.
    pub reception: Reception,
    /// Every callback, if they were kept.
    pub callbacks: Vec<CallbackRow>,
    /// Hashes of the trajectory.
    pub hash: TrajectoryHash,
    /// Events that were processed.
    pub events: u64,
    /// Whether it was stopped before its end.
    pub cancelled: bool,
}
