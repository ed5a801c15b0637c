//! The reaction of the engine's playout to slips: packets that permanently arrive later or earlier.
//!
//! Model: every run has one slip, at two thirds of its time, when the clocks have settled. Either
//! the sender slips (it pauses or catches up, with contiguous timestamps), or the path does (it
//! permanently becomes longer or shorter). Depths that leave no room for a callback are omitted.
//! Runs play silence, because only positions matter.

mod measure;
mod table;

pub use measure::SlipFigures;
pub use table::{render_slip_cells, render_slip_json, render_slip_table};

use crate::receivers::stream_config;
use crate::scenario::{Audio, DepthMillis, Fault, FaultKind, Loaded, Millis, Period, Seconds, StepMillis};
use crate::world::{Control, EngineReceiver, RunError, World};
use measure::Course;
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;
use toml::Spanned;

/// Part of the depth that the lateness of callbacks and the jitter of the network may take, ms.
const ROOM_MS: f64 = 2.0;
/// The share of a run that precedes the slip.
const BEFORE_SHARE: f64 = 2.0 / 3.0;
/// How often a run looks whether it should stop, s.
const ROWS: f64 = 1.0;

/// Why a bench of slips could not be run.
#[derive(Debug, Error)]
pub enum SlipBenchError {
    /// The scenario simulates clocks only.
    #[error(
        "{path}: has no audio chain, and this bench is of playout: add [talker], [network.media], [card] and [playout]",
        path = .0.display()
    )]
    NoChain(PathBuf),
    /// A size is zero, or exceeds the time of the scenario.
    #[error("a slip of {0} ms: it must be more than 0 ms and at most {1} ms, a sixth of the scenario's time")]
    Size(f64, f64),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Kinds of slips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SlipKind {
    /// The sender pauses, and continues where it was.
    SenderLater,
    /// The sender catches up.
    SenderEarlier,
    /// The path gets longer.
    PathLonger,
    /// The path gets shorter.
    PathShorter,
}

impl SlipKind {
    /// All kinds.
    pub const ALL: &[Self] = &[Self::SenderLater, Self::SenderEarlier, Self::PathLonger, Self::PathShorter];

    /// Whether the slip makes packets later.
    fn is_later(self) -> bool {
        matches!(self, Self::SenderLater | Self::PathLonger)
    }

    /// The slip as a fault of a scenario.
    fn fault(self, at_s: f64, size_ms: f64) -> Fault {
        let seconds = |s: f64| Seconds::try_from(s).unwrap_or_default();
        let delay = FaultKind::MediaDelayMs(Millis::try_from(size_ms).unwrap_or_default());
        let slip = |ms: f64| FaultKind::TalkerSlipMs(StepMillis::try_from(ms).unwrap_or_default());
        let (from_s, for_s, what) = match self {
            Self::SenderLater => (at_s, None, slip(size_ms)),
            Self::SenderEarlier => (at_s, None, slip(-size_ms)),
            Self::PathLonger => (at_s, None, delay),
            Self::PathShorter => (0.0, Some(seconds(at_s)), delay),
        };
        Fault { at_s: Spanned::new(0..0, seconds(from_s)), for_s, every_s: None, what }
    }
}

impl fmt::Display for SlipKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SenderLater => "sender_later",
            Self::SenderEarlier => "sender_earlier",
            Self::PathLonger => "path_longer",
            Self::PathShorter => "path_shorter",
        })
    }
}

/// The plan: every combination is run.
#[derive(Clone, Debug)]
pub struct SlipPlan {
    /// The scenario.
    pub condition: Loaded,
    /// Kinds of slips.
    pub kinds: Vec<SlipKind>,
    /// Sizes, ms.
    pub sizes_ms: Vec<f64>,
    /// Target depths, ms.
    pub depths_ms: Vec<f64>,
    /// Frames of a packet.
    pub packets: Vec<u16>,
    /// Frames of a callback.
    pub callbacks: Vec<u16>,
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SlipCase {
    /// Kind of slip.
    pub kind: SlipKind,
    /// Size of the slip, ms.
    pub size_ms: f64,
    /// Target depth, ms.
    pub depth_ms: f64,
    /// Frames of a packet.
    pub packet_frames: u16,
    /// Frames of a callback.
    pub callback_frames: u16,
}

impl SlipPlan {
    /// Checks that it can be run.
    ///
    /// # Errors
    /// If the scenario has no audio chain, or a size makes no sense.
    pub fn check(&self) -> Result<(), SlipBenchError> {
        if self.condition.stream.is_none() {
            return Err(SlipBenchError::NoChain(self.condition.path.clone()));
        }
        let most_ms = self.condition.scenario.duration_s.get() * 1e3 / 6.0;
        let wrong = self.sizes_ms.iter().find(|size| !(**size > 0.0 && **size <= most_ms));
        wrong.map_or(Ok(()), |&size| Err(SlipBenchError::Size(size, most_ms)))
    }

    /// Simulated time of all runs together, ms.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        (self.condition.scenario.duration_s.get() * 1e3) as u64 * self.cases().len() as u64
    }

    /// Every combination that leaves room for a callback.
    fn cases(&self) -> Vec<SlipCase> {
        let rate_khz =
            self.condition.scenario.chain().map_or(48.0, |chain| f64::from(chain.card.sample_rate_hz.get()) / 1e3);
        let mut cases = Vec::new();
        for &kind in &self.kinds {
            for &size_ms in &self.sizes_ms {
                for &depth_ms in &self.depths_ms {
                    for &packet_frames in &self.packets {
                        let fits = |frames: u16| f64::from(frames) / rate_khz + ROOM_MS <= depth_ms;
                        cases.extend(self.callbacks.iter().filter(|&&frames| fits(frames)).map(|&callback_frames| {
                            SlipCase { kind, size_ms, depth_ms, packet_frames, callback_frames }
                        }));
                    }
                }
            }
        }
        cases
    }
}

/// Runs a plan; `None` if it was stopped before its end.
///
/// # Errors
/// If the plan makes no sense, or an invariant was violated.
pub fn compare_slips(plan: &SlipPlan, control: &Control) -> Result<Option<Vec<SlipFigures>>, SlipBenchError> {
    plan.check()?;
    let one = |case: &SlipCase| one(&plan.condition, *case, control);
    plan.cases().par_iter().map(one).collect()
}

/// One run; `None` if it was stopped.
fn one(condition: &Loaded, case: SlipCase, control: &Control) -> Result<Option<SlipFigures>, SlipBenchError> {
    let mut loaded = condition.clone();
    let scenario = &mut loaded.scenario;
    let duration_s = scenario.duration_s.get();
    let at_s = duration_s * BEFORE_SHARE;
    scenario.record.audio = Audio::None;
    scenario.record.interval_s = Period::try_from(ROWS).unwrap_or_default();
    scenario.faults.push(case.kind.fault(at_s, case.size_ms));
    if let Some(talker) = &mut scenario.talker {
        talker.packet_frames = case.packet_frames;
    }
    if let Some(card) = &mut scenario.card {
        card.callback_frames = case.callback_frames;
    }
    if let Some(playout) = &mut scenario.playout {
        playout.target_depth_ms = DepthMillis::try_from(case.depth_ms).unwrap_or_default();
    }
    let Some((chain, stream)) = loaded.scenario.chain().zip(loaded.stream.as_ref()) else {
        return Err(SlipBenchError::NoChain(loaded.path));
    };
    let block_s = f64::from(case.callback_frames) / f64::from(chain.card.sample_rate_hz.get());
    let domain = loaded.scenario.grandmaster.domain;
    let receiver = EngineReceiver::silent(stream_config(&chain, stream), domain).map_err(RunError::from)?;
    let world = World::around(&loaded, "engine", Box::new(receiver), None).keeping_callbacks();
    let outcome = world.run(control)?;
    if outcome.cancelled {
        return Ok(None);
    }
    let missing_s = if case.kind.is_later() { case.size_ms / 1e3 } else { 0.0 };
    // Packets that are in transit when a path becomes shorter still arrive by the longer path.
    let steady_again_s = if case.kind == SlipKind::SenderEarlier { at_s } else { at_s + case.size_ms / 1e3 };
    let events = outcome.recording.events.iter().filter(|event| event.text.contains("anew")).count();
    let course = Course { rows: &outcome.callbacks, block_s, at_s, steady_again_s, missing_s };
    Ok(Some(course.figures(case, events)))
}
