#![forbid(unsafe_code)]
//! The trace of a receiver: its statistics and what it played, one row a second.
//!
//! Purpose: a run of the simulator and one of `aes67 play --trace` on a real network are the same
//! kind of file, so that the same pictures and counts are made of both. Nothing is measured here:
//! the program that runs a receiver fills the rows, which are written and read as CSV.

mod file;

pub use file::{TraceError, Writer, read};

use engine::clock::LockState;
use serde::Serialize;

/// The state of a receiver's PTP clock as it reports it. The names are those of the engine's lock
/// machine; a receiver with fewer states uses only some of them.
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

/// One trace interval of one receiver. Where only clocks were simulated, the values about playback
/// are 0 and meaningless. Unknown values, such as the truth on a real network, are NaN, and empty
/// fields in the file.
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
    /// The receiver's estimate of its host's rate against PTP time (positive if the host is
    /// faster).
    pub host_rate_ppm: Option<f64>,
    /// The true value of that rate, mean over the interval.
    pub host_rate_truth_ppm: f64,
    /// Mean playback ratio over the interval, as deviation from 1: media frames consumed per card
    /// frame.
    pub ratio_ppm: f64,
    /// The ratio that would keep the buffer level constant: true media rate / true card rate, as
    /// deviation from 1.
    pub ratio_truth_ppm: f64,
    /// Mean buffer depth over the interval: how long the first frame of a packet that arrives
    /// without jitter waits until the callback that reads it. The true value, without the saw-tooth
    /// of packets against callbacks.
    pub depth_ms: f64,
    /// Smallest fill found by a callback of the interval: contiguous audio from the read position
    /// on.
    pub fill_min_ms: f64,
    /// Largest fill found by a callback of the interval.
    pub fill_max_ms: f64,
    /// Callbacks of the interval that found less audio than they had to play.
    pub underruns: u32,
    /// Crackles heard in the interval (audible discontinuities against the reference); `None` where
    /// nobody listened.
    pub crackles: Option<u32>,
    /// Packets of the interval that arrived after their playout.
    pub packets_late: u32,
    /// Packets of the interval that the network lost, on all legs.
    pub packets_lost: u32,
    /// Latency from the talker's input to the card's output for the frame that was played at the
    /// end of the interval. The true value; `None` while nothing is played.
    pub latency_ms: Option<f64>,
    /// Whether the receiver reported, at the end of the interval, that the sender is not on PTP as
    /// its SDP says.
    pub sender_off_ptp: bool,
    /// Packets that the receiver missed, by their sequence numbers, on all legs; negative where
    /// more came late than were newly missed.
    pub packets_missed: i32,
    /// Packets of the interval that came but of which nothing was played.
    pub packets_dropped: u32,
    /// Datagrams of the interval that the receiver refused: another sender's, or of an unknown
    /// timeline.
    pub packets_refused: u32,
    /// Audio that the receiver concealed in the interval.
    pub concealed_ms: f64,
    /// Increase of the target depth because of late packets.
    pub depth_raised_ms: f64,
    /// Error of the receiver's estimate of its sound card's rate against its host's clock, if it
    /// reports one.
    pub card_rate_error_ppm: Option<f64>,
    /// Packets that the receiver missed on the first leg, whether the other leg delivered them or
    /// not.
    pub leg_a_lost: i32,
    /// Likewise on the second leg.
    pub leg_b_lost: i32,
    /// How much later packets come by the second leg, by the receiver's estimate; `None` until it
    /// has heard both.
    pub leg_b_skew_ms: Option<f64>,
    /// Packets of the interval that a relay sent with other bytes than it had received.
    pub packets_altered: u32,
    /// The largest error of the engine's sender's timeline at a packet of the interval (its PTP
    /// time - truth).
    pub sender_error_us: Option<f64>,
    /// Standard deviation that it claimed at that packet.
    pub sender_sigma_us: Option<f64>,
    /// Packets of the interval whose RTP timestamp is not, to the frame, the true PTP time at which
    /// they were due.
    pub sender_wrong_timestamps: u32,
    /// Jumps of the sender's stream in the interval, and packets that it left out.
    pub sender_jumps: u32,
    /// Audible faults that began in the interval: crackles, silence in place of the programme, and
    /// anything else that is not the programme; `None` where nobody listened.
    pub glitches: Option<u32>,
    /// Share of the programme that was heard in the interval; `None` where nobody listened.
    pub heard_ms: Option<f64>,
    /// How long there was silence in its place.
    pub silent_ms: Option<f64>,
    /// Duration of other audio that was heard, whether the receiver reports it as concealed or not.
    pub wrong_ms: Option<f64>,
    /// The share of audio that the receiver's own display shows at the end of the interval, if it
    /// has one.
    pub displayed_audio_percent: Option<f64>,
    /// The underruns that its display shows.
    pub displayed_underruns: Option<u32>,
    /// The underruns of the jitter buffer that its display shows.
    pub displayed_buffer_underruns: Option<u32>,
    /// The level of the jitter buffer that its display shows, relative to its target.
    pub displayed_level_percent: Option<f64>,
}
