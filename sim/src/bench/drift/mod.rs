//! The comparison of drift laws: laws x conditions x seeds, in parallel.
//!
//! Model: every condition is a scenario with an audio chain; each run has one law in it, and plays
//! silence. The engine is the whole receiver, with its own estimators and PTP. The other laws
//! control a simple queue, each by the level that its own receiver measures: the engine's playout,
//! which jumps when its error is 2 ms, would correct them from outside. All receive the same
//! packets and callbacks. Every callback is evaluated; statistics begin after 900 s (after a
//! quarter of a run that is shorter than an hour).
//!
//! Validated: with the levels and constants of their sources, the RMS and phase noise of the other
//! laws in A and B agree with an earlier model within 15 % and 1.5 dB, and so do most settling
//! times and ranges. The exceptions are figures that grow with the number of seeds because they are
//! the worst of them, and the settling time of zita, whose mean over a minute exceeds 1 ppm again
//! after some stalls.

mod figures;
mod goals;
mod law;
mod measure;
mod table;
mod wandering;

pub use figures::DriftFigures;
pub use law::DriftLawKind;
pub use table::{render_drift_json, render_drift_table};
pub use wandering::wandering_masters;

use super::seeds::run_seeds;
use crate::receivers::stream_config;
use crate::scenario::{Audio, FaultKind, Loaded, Period, Scenario};
use crate::world::{Control, RunError, World};
use measure::{Course, Displacement, RunFigures};
use std::path::PathBuf;
use thiserror::Error;

/// When statistics begin, and in what share of a short run.
const SETTLED_S: f64 = 900.0;
const SETTLED_SHARE: f64 = 0.25;
/// How often a run looks whether it should stop.
const ROWS: f64 = 1.0;

/// Why a bench of drift laws could not be run.
#[derive(Debug, Error)]
pub enum DriftBenchError {
    /// The scenario simulates clocks only.
    #[error(
        "{path}: has no audio chain, and this bench compares playout: add [talker], [network.media], [card] and [playout]",
        path = .0.display()
    )]
    NoChain(PathBuf),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// The laws and conditions to compare.
#[derive(Clone, Debug)]
pub struct DriftPlan {
    /// The conditions.
    pub conditions: Vec<Loaded>,
    /// The laws.
    pub laws: Vec<DriftLawKind>,
    /// Seeds 1 to this.
    pub seeds: u64,
}

impl DriftPlan {
    /// Checks that it can be run.
    ///
    /// # Errors
    /// If a scenario has no audio chain.
    pub fn check(&self) -> Result<(), DriftBenchError> {
        match self.conditions.iter().find(|condition| condition.stream.is_none()) {
            Some(condition) => Err(DriftBenchError::NoChain(condition.path.clone())),
            None => Ok(()),
        }
    }

    /// Simulated time of all runs together, ms.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        let per_seed: f64 = self.conditions.iter().map(|condition| condition.scenario.duration_s.get() * 1e3).sum();
        per_seed as u64 * self.seeds * self.laws.len() as u64
    }
}

/// Runs a plan; `None` if it was stopped before its end.
///
/// # Errors
/// If a scenario has no audio chain, or an invariant was violated.
pub fn compare_drift_laws(plan: &DriftPlan, control: &Control) -> Result<Option<Vec<DriftFigures>>, DriftBenchError> {
    plan.check()?;
    let conditions = plan.conditions.iter();
    let series: Vec<(&Loaded, DriftLawKind)> =
        conditions.flat_map(|condition| plan.laws.iter().map(move |&law| (condition, law))).collect();
    let runs = run_seeds(&series, plan.seeds, |&(condition, law), seed| one(condition, law, seed, control))?;
    let figures = |runs: Vec<Vec<RunFigures>>| {
        let pooled = |(&(condition, law), runs): (&(&Loaded, DriftLawKind), &Vec<RunFigures>)| {
            DriftFigures::pooled(&condition.name, law, runs)
        };
        series.iter().zip(&runs).map(pooled).collect()
    };
    Ok(runs.map(figures))
}

/// One run; `None` if it was stopped.
fn one(
    condition: &Loaded,
    law: DriftLawKind,
    seed: u64,
    control: &Control,
) -> Result<Option<RunFigures>, DriftBenchError> {
    let mut loaded = condition.clone();
    let scenario = &mut loaded.scenario;
    scenario.seed = seed;
    scenario.record.audio = Audio::None;
    scenario.record.interval_s = Period::try_from(ROWS).unwrap_or_default();
    let Some((chain, stream)) = loaded.scenario.chain().zip(loaded.stream.as_ref()) else {
        return Err(DriftBenchError::NoChain(loaded.path));
    };
    let receiver = law.receiver(stream_config(&chain, stream), loaded.scenario.grandmaster.domain)?;
    let world = World::around(&loaded, &law.to_string(), receiver, None).keeping_callbacks();
    let outcome = world.run(control)?;
    if outcome.cancelled {
        return Ok(None);
    }
    let duration_s = loaded.scenario.duration_s.get();
    let course = Course {
        rows: &outcome.callbacks,
        block_s: f64::from(chain.card.callback_frames) / f64::from(chain.card.sample_rate_hz.get()),
        target_ms: chain.playout.target_depth_ms.get(),
        duration_s,
        settled_s: (duration_s * SETTLED_SHARE).min(SETTLED_S),
        settle_window_s: law.settle_window_s(),
        step: displacement(&loaded.scenario, |what| match what {
            FaultKind::GrandmasterStepUs(by) => Some(-by.nanos().as_secs_f64() * 1e3),
            _ => None,
        }),
        xrun: displacement(&loaded.scenario, |what| matches!(what, FaultKind::CardXrunMs(_)).then_some(0.0)),
    };
    Ok(Some(course.figures()))
}

/// The first fault of a kind that displaces playout, and by how many ms it changes the depth.
fn displacement(scenario: &Scenario, by_ms: impl Fn(&FaultKind) -> Option<f64>) -> Option<Displacement> {
    scenario.faults.iter().find_map(|fault| {
        let by_ms = by_ms(&fault.what)?;
        Some(Displacement { at_s: fault.at_s.as_ref().get(), by_ms })
    })
}
