#![forbid(unsafe_code)]
//! The trace of a receiver: its statistics and what it played, one row a second.
//!
//! Purpose: the simulator and `aes67 play --trace`, on a real network, write the same kind of file,
//! so that the same pictures and counts can be made from both. Nothing is measured here: the
//! program that runs a receiver fills in the rows, which are written and read as CSV.

mod file;

pub use file::{TraceError, Writer, read};

use engine::clock::LockState;
use serde::Serialize;

/// The state of a receiver's PTP clock, as the receiver reports it. The names are those of the
/// engine's lock states; a receiver with fewer states uses only some of them.
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

/// One trace interval of one receiver. If only clocks were simulated, the values about playback
/// are 0 and meaningless. Unknown values, such as the true ones on a real network, are NaN here and
/// empty fields in the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TraceRow {
    /// End of the interval, in true seconds since the start of the run.
    pub time_s: f64,
    /// State of the receiver's PTP clock at the end of the interval.
    pub clock_state: ClockState,
    /// Error of the receiver's estimate of PTP time at the end of the interval (estimate - truth),
    /// if it has one.
    pub clock_error_us: Option<f64>,
    /// Standard deviation that the receiver states for this estimate, if it states one.
    pub clock_sigma_us: Option<f64>,
    /// The receiver's estimate of its host clock's rate relative to PTP time (positive if the host
    /// is faster).
    pub host_rate_ppm: Option<f64>,
    /// The true value of this rate, averaged over the interval.
    pub host_rate_truth_ppm: f64,
    /// Mean playback ratio over the interval, as deviation from 1: media frames consumed per card
    /// frame.
    pub ratio_ppm: f64,
    /// The ratio that would keep the buffer level constant: true media rate / true card rate, as
    /// deviation from 1.
    pub ratio_truth_ppm: f64,
    /// Mean buffer depth over the interval: how long the first frame of a packet that arrives
    /// without jitter waits for the callback that reads it. This is the true value, without the
    /// sawtooth that results from packets and callbacks.
    pub depth_ms: f64,
    /// Smallest fill that a callback in the interval found: the contiguous audio from the read
    /// position on.
    pub fill_min_ms: f64,
    /// Largest fill that a callback in the interval found.
    pub fill_max_ms: f64,
    /// Number of callbacks in the interval that found less audio than they had to play.
    pub underruns: u32,
    /// Number of crackles heard in the interval (audible discontinuities compared with the
    /// reference); `None` if the output was not compared with the reference.
    pub crackles: Option<u32>,
    /// Number of packets in the interval that arrived after their playout.
    pub packets_late: u32,
    /// Number of packets that the network lost in the interval, on all legs.
    pub packets_lost: u32,
    /// True latency from the sender's input to the card's output, for the frame that was played at
    /// the end of the interval; `None` while nothing is played.
    pub latency_ms: Option<f64>,
    /// Whether the receiver reported, at the end of the interval, that the sender does not follow
    /// PTP although its SDP claims it.
    pub sender_off_ptp: bool,
    /// Number of packets that the receiver missed on all legs, according to their sequence numbers;
    /// negative if more missed packets arrived late than were newly missed.
    pub packets_missed: i32,
    /// Number of packets in the interval that arrived but were not played.
    pub packets_dropped: u32,
    /// Number of datagrams in the interval that the receiver refused, because they were from
    /// another sender or on an unknown timeline.
    pub packets_refused: u32,
    /// Duration of the audio that the receiver concealed in the interval.
    pub concealed_ms: f64,
    /// Current increase of the target depth because of late packets.
    pub depth_raised_ms: f64,
    /// Error of the receiver's estimate of its sound card's rate relative to the host clock, if the
    /// receiver reports an estimate.
    pub card_rate_error_ppm: Option<f64>,
    /// Number of packets that the receiver missed on the first leg, whether or not the other leg
    /// delivered them.
    pub leg_a_lost: i32,
    /// Number of packets that the receiver missed on the second leg, whether or not the other leg
    /// delivered them.
    pub leg_b_lost: i32,
    /// How much later packets arrive on the second leg, according to the receiver; `None` until
    /// packets have arrived on both legs.
    pub leg_b_skew_ms: Option<f64>,
    /// Number of packets in the interval that a relay sent with bytes other than those received.
    pub packets_altered: u32,
    /// The largest error of the sender's timeline at any packet in the interval (its PTP time -
    /// truth).
    pub sender_error_us: Option<f64>,
    /// Standard deviation that the sender stated at this packet.
    pub sender_sigma_us: Option<f64>,
    /// Number of packets in the interval whose RTP timestamp is not exactly the frame at the true
    /// PTP time at which they were due.
    pub sender_wrong_timestamps: u32,
    /// Number of jumps of the sender's stream in the interval, and of packets that it skipped.
    pub sender_jumps: u32,
    /// Number of audible faults that began in the interval: crackles, silence in place of the
    /// programme, and any other audio that is not the programme; `None` if the output was not
    /// compared with the reference.
    pub glitches: Option<u32>,
    /// Duration of the programme that was heard in the interval; `None` if the output was not
    /// compared with the reference.
    pub heard_ms: Option<f64>,
    /// Duration of the silence in place of the programme.
    pub silent_ms: Option<f64>,
    /// Duration of other audio that was heard, whether or not the receiver reports it as concealed.
    pub wrong_ms: Option<f64>,
    /// The percentage of audio that the receiver's own display shows at the end of the interval, if
    /// it has a display.
    pub displayed_audio_percent: Option<f64>,
    /// The number of underruns that the receiver's display shows.
    pub displayed_underruns: Option<u32>,
    /// The number of jitter buffer underruns that the receiver's display shows.
    pub displayed_buffer_underruns: Option<u32>,
    /// The level of the jitter buffer, relative to its target, that the receiver's display shows.
    pub displayed_level_percent: Option<f64>,
}
