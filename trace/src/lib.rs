#![forbid(unsafe_code)]
//! The trace of a receiver: what it said of itself and what it played, one row a second.
//!
//! Purpose: a run of the simulator and one of `aes67 play --trace` on a real network are the same
//! kind of file, so that the same pictures and counts are made of both. Nothing here measures: the
//! rows are filled by whoever runs a receiver, and written and read as CSV.

mod file;

pub use file::{TraceError, Writer, read};

use engine::clock::LockState;
use serde::Serialize;

/// What a receiver says of its PTP clock. The names are those of the engine's lock machine; a
/// receiver with fewer states uses those that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// No master is known.
    #[default]
    Listening,
    /// A master is known; the estimate is not yet good enough.
    Acquiring,
    /// The clock follows its master.
    Locked,
    /// The master is silent; the last rate is held, and the uncertainty grows.
    Holdover,
    /// The clock has lost its master's time.
    Unlocked,
}

impl From<LockState> for ClockState {
    fn from(state: LockState) -> Self {
        match state {
            LockState::Listening => Self::Listening,
            LockState::Acquiring => Self::Acquiring,
            LockState::Locked => Self::Locked,
            LockState::Holdover => Self::Holdover,
            LockState::Unlocked => Self::Unlocked,
        }
    }
}

/// One trace interval of one receiver. Where only clocks were simulated, what concerns playback is
/// 0 and means nothing. What nobody knows, such as a truth on a real network, is NaN, and an empty
/// field of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TraceRow {
    /// End of the interval, in true seconds since the start of the run.
    pub time_s: f64,
    /// State of the receiver's PTP clock at the end of the interval.
    pub clock_state: ClockState,
    /// Error of the receiver's estimate of PTP time at the end of the interval (estimate - truth),
    /// if it has one.
    pub clock_error_us: Option<f64>,
    /// Standard deviation that the receiver claims for that estimate, if it claims one.
    pub clock_sigma_us: Option<f64>,
    /// The receiver's estimate of its host's rate against PTP time (host faster = positive).
    pub host_rate_ppm: Option<f64>,
    /// The truth of that rate, mean over the interval.
    pub host_rate_truth_ppm: f64,
    /// Mean playback ratio over the interval, as deviation from 1: media frames consumed per card
    /// frame.
    pub ratio_ppm: f64,
    /// The ratio that would keep the buffer level constant: true media rate / true card rate, as
    /// deviation from 1.
    pub ratio_truth_ppm: f64,
    /// Mean buffer depth over the interval: how long the first frame of a packet that arrives
    /// without jitter waits until the callback that reads it. Truth, free of the saw-tooth of
    /// packets against callbacks.
    pub depth_ms: f64,
    /// Smallest fill found by a callback of the interval: contiguous audio from the read position
    /// on.
    pub fill_min_ms: f64,
    /// Largest fill found by a callback of the interval.
    pub fill_max_ms: f64,
    /// Callbacks of the interval that found less audio than they had to play.
    pub underruns: u32,
    /// Crackles heard in the interval (audible discontinuities against the reference); nothing
    /// where nobody listened.
    pub crackles: Option<u32>,
    /// Packets of the interval that arrived after their playout.
    pub packets_late: u32,
    /// Packets of the interval that the network lost, on all legs.
    pub packets_lost: u32,
    /// How long before the end of the interval the frame that was played then had been captured:
    /// the latency from the talker's input to the card's output. Truth; nothing while nothing is
    /// played.
    pub latency_ms: Option<f64>,
    /// Whether the receiver said, at the end of the interval, that the sender is not on PTP as its
    /// SDP says.
    pub sender_off_ptp: bool,
    /// Packets that the receiver missed, by their sequence numbers, on all legs; negative where
    /// more came late than were missed anew.
    pub packets_missed: i32,
    /// Packets of the interval that came and of which nothing was played.
    pub packets_dropped: u32,
    /// Datagrams of the interval that the receiver refused: another sender's, or of an unknown
    /// timeline.
    pub packets_refused: u32,
    /// Audio that the receiver made up in the interval.
    pub concealed_ms: f64,
    /// By how much late packets have raised the target depth.
    pub depth_raised_ms: f64,
    /// Error of the receiver's estimate of its sound card's rate against its host's clock, if it
    /// tells.
    pub card_rate_error_ppm: Option<f64>,
    /// Packets that the receiver missed on the first leg, whether they came by the other one or
    /// not.
    pub leg_a_lost: i32,
    /// Likewise on the second leg.
    pub leg_b_lost: i32,
    /// How much later packets come by the second leg, by the receiver's estimate; nothing while it
    /// has not heard both.
    pub leg_b_skew_ms: Option<f64>,
    /// Packets of the interval that a relay sent with other bytes than those that had come in for
    /// them.
    pub packets_altered: u32,
    /// The largest error of the engine's sender's timeline at a packet of the interval (its PTP
    /// time - truth).
    pub sender_error_us: Option<f64>,
    /// Standard deviation that it claimed at that packet.
    pub sender_sigma_us: Option<f64>,
    /// Packets of the interval whose RTP timestamp is not, to the frame, the true PTP time at which
    /// they were due.
    pub sender_wrong_timestamps: u32,
    /// Times in the interval that the sender's stream jumped, and packets that it left out.
    pub sender_jumps: u32,
    /// Audible faults that began in the interval: crackles, silence in the programme's place, and
    /// anything else that is not the programme; nothing where nobody listened.
    pub glitches: Option<u32>,
    /// How much of the programme was heard in the interval; nothing where nobody listened.
    pub heard_ms: Option<f64>,
    /// How long there was silence in its place.
    pub silent_ms: Option<f64>,
    /// How long something else was heard, whether the receiver says that it made it up or not.
    pub wrong_ms: Option<f64>,
    /// The share of audio that the receiver's own display shows at the end of the interval, if it
    /// has one.
    pub displayed_audio_percent: Option<f64>,
    /// The underruns that it shows.
    pub displayed_underruns: Option<u32>,
    /// The underruns of the jitter buffer that it shows.
    pub displayed_buffer_underruns: Option<u32>,
    /// The level of the jitter buffer that it shows, of its target.
    pub displayed_level_percent: Option<f64>,
}
