//! The typed trace of a run.
//!
//! A [`Recording`] holds one [`TraceRow`] per trace interval (1 s unless the scenario says
//! otherwise), so its size grows with simulated time divided by the interval and not with packets.
//! True values come from the simulator's own clocks; all others are the receiver's statistics or
//! its output.

use super::{ClockStability, ShownMask, TruePhases};
use serde::Serialize;
pub use trace::{ClockState, TraceRow};

/// An event, for markers in plots and cues in WAV files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceEvent {
    /// When, in true seconds since the start of the run.
    pub time_s: f64,
    /// What happened, in words for a person: `"unlocked: drift of 57 ppm exceeds 50 ppm"`.
    pub text: String,
}

/// A few hundred milliseconds of what a receiver played and of what it should have played, first
/// channel only. The moment for which it was cut is in the middle.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioExcerpt {
    /// Start, in true seconds since the start of the run.
    pub start_s: f64,
    /// Sample rate of both series, in Hz.
    pub sample_rate_hz: u32,
    /// Samples that left the sound card, full scale = 1.
    pub played: Vec<f32>,
    /// Samples that a perfect receiver with the same card and latency would have played.
    pub reference: Vec<f32>,
}

/// An event that affected the receivers: a fault of the scenario, or one in a trace from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Incident {
    /// What happened, in words for a person: `"leg A lost"`.
    pub text: String,
    /// Whether it silences the grandmaster.
    pub silences_master: bool,
    /// Each time that it happens, in order of time; at least one.
    pub times: Vec<Occurrence>,
}

/// One time that something happens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Occurrence {
    /// Start, in true seconds since the start of the run.
    pub from_s: f64,
    /// End, in true seconds since the start of the run; `None` if it happens in an instant or lasts
    /// until the end.
    pub to_s: Option<f64>,
}

/// The subjects of a scenario in addition to playback, for its overview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    /// The receivers' clocks.
    pub clock: bool,
    /// The engine's sender.
    pub sender: bool,
    /// The two networks of a redundant stream.
    pub legs: bool,
    /// How far apart receivers play the same frame.
    pub skew: bool,
}

/// The trace of one receiver in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The receiver's name in the scenario.
    pub receiver: String,
    /// One row per trace interval.
    pub rows: Vec<TraceRow>,
    /// The true time errors of clocks at the ends of the rows; none if nobody knows them.
    pub phases: Vec<TruePhases>,
    /// How stable the receiver's clocks are.
    pub stability: Vec<ClockStability>,
    /// What happened, in order of time.
    pub events: Vec<TraceEvent>,
    /// Grandmasters that it followed, by their identity, and the time from which each was.
    pub grandmasters: Vec<TraceEvent>,
    /// The receiver's worst moment (the start of its first crackle, or the middle of the run where
    /// there was none).
    pub excerpt: Option<AudioExcerpt>,
}

impl Recording {
    /// An empty recording with room for `rows` rows, so that those of a long run are never copied.
    pub(crate) fn named(receiver: &str, rows: usize) -> Self {
        Self {
            receiver: receiver.to_owned(),
            rows: Vec::with_capacity(rows),
            phases: Vec::with_capacity(rows),
            ..Self::default()
        }
    }
}

/// The traces of all receivers of one run, and the events that affected them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunTrace {
    /// Name of the scenario: its file name without the extension.
    pub scenario: String,
    /// The scenario's title, one line.
    pub title: String,
    /// Length of the run in seconds.
    pub duration_s: f64,
    /// The requested buffer depth; `None` if only clocks were simulated, and nothing was played.
    pub target_depth_ms: Option<f64>,
    /// Whether the played audio was judged. If not, nothing is known about crackles.
    pub listened: bool,
    /// The subjects of the scenario.
    pub subjects: Subjects,
    /// The masks by which clocks are judged, each once.
    pub masks: Vec<ShownMask>,
    /// The faults that affected the receivers, in order of time.
    pub incidents: Vec<Incident>,
    /// One recording per receiver, in the scenario's order.
    pub recordings: Vec<Recording>,
}
