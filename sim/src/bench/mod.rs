//! The comparison of clock laws: laws x conditions x Sync intervals x seeds, in parallel.
//!
//! Model: every condition is a scenario without an audio chain; each run has one law in it. The
//! trace is taken ten times a second; errors are sampled at integer seconds from 600 s on (from a
//! sixth of a run that is shorter than an hour), lock times at every row. Runs are independent, and
//! their results are combined in the order of the plan, so that they do not depend on the number of
//! threads.

mod detector;
mod drift;
mod figures;
mod goals;
mod measure;
mod resamplers;
mod seeds;
mod slips;
mod soak;
mod table;

pub use detector::{DetectorFigures, PlantedFault, Programme, detector_figures, render_detector_table};
pub use drift::{
    DriftBenchError, DriftFigures, DriftLawKind, DriftPlan, compare_drift_laws, render_drift_json, render_drift_table,
    wandering_masters,
};
pub use figures::Figures;
pub use resamplers::{
    Contestant, ContestantError, ResamplerFigures, compare_resamplers, contestants, flat_to_hz, latency_ms,
    render_resampler_json, render_resampler_table, thdn_db,
};
pub use slips::{
    SlipBenchError, SlipCase, SlipFigures, SlipKind, SlipPlan, compare_slips, render_slip_cells, render_slip_json,
    render_slip_table,
};
pub use soak::{Glitched, HappeningFigures, SoakError, SoakPlan, SoakRun, render_soak_json, render_soak_table, soak};
pub use table::{render_csv, render_json, render_markdown, render_table};

use crate::receivers::Slot;
use crate::scenario::{Audio, FaultKind, Loaded, Period, ReceiverKind, Scenario, ScenarioError};
use crate::world::{Control, RunError, World};
use measure::{Course, RunFigures};
use seeds::run_seeds;
use std::path::PathBuf;
use thiserror::Error;
use toml::Spanned;

/// Interval of the trace, s.
const ROWS: f64 = 0.1;
/// When statistics begin, and in what share of a short run.
const SETTLED_S: f64 = 600.0;
const SETTLED_SHARE: f64 = 1.0 / 6.0;

/// Why a bench could not be run.
#[derive(Debug, Error)]
pub enum BenchError {
    /// A scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The scenario has an audio chain.
    #[error(
        "{path}: has an audio chain, and this bench compares clocks: leave out [talker], [network.media], [card] and [playout]",
        path = .0.display()
    )]
    NotOnlyClocks(PathBuf),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The conditions.
    pub conditions: Vec<Loaded>,
    /// Sync intervals, 2^n s; empty for each condition's own.
    pub log_sync_intervals: Vec<i8>,
    /// The laws.
    pub laws: Vec<ReceiverKind>,
    /// Seeds 1 to this.
    pub seeds: u64,
}

/// All runs of one row of the result.
struct Series<'a> {
    condition: &'a Loaded,
    log_sync_interval: i8,
    law: ReceiverKind,
}

impl Plan {
    /// Checks that it can be run.
    ///
    /// # Errors
    /// If a scenario has an audio chain.
    pub fn check(&self) -> Result<(), BenchError> {
        match self.conditions.iter().find(|condition| condition.stream.is_some()) {
            Some(condition) => Err(BenchError::NotOnlyClocks(condition.path.clone())),
            None => Ok(()),
        }
    }

    /// Simulated time of all runs together, ms.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        let per_seed: f64 = self.series().iter().map(|series| series.condition.scenario.duration_s.get() * 1e3).sum();
        per_seed as u64 * self.seeds
    }

    fn series(&self) -> Vec<Series<'_>> {
        let mut all = Vec::new();
        for condition in &self.conditions {
            let own = [condition.scenario.grandmaster.log_sync_interval];
            let intervals = if self.log_sync_intervals.is_empty() { &own[..] } else { &self.log_sync_intervals };
            for &log_sync_interval in intervals {
                all.extend(self.laws.iter().map(|&law| Series { condition, log_sync_interval, law }));
            }
        }
        all
    }
}

/// Runs a plan; `None` if it was stopped before its end.
///
/// # Errors
/// If a scenario is not of clocks only, or an invariant was violated.
pub fn run(plan: &Plan, control: &Control) -> Result<Option<Vec<Figures>>, BenchError> {
    plan.check()?;
    let series = plan.series();
    let runs = run_seeds(&series, plan.seeds, |series, seed| one(series, seed, control))?;
    Ok(runs.map(|runs| series.iter().zip(&runs).map(|(series, runs)| figures(series, runs)).collect()))
}

fn figures(series: &Series<'_>, runs: &[RunFigures]) -> Figures {
    let outage = outage(&series.condition.scenario).is_some();
    Figures::pooled(&series.condition.name, series.log_sync_interval, series.law, runs, outage)
}

/// One run; `None` if it was stopped.
fn one(series: &Series<'_>, seed: u64, control: &Control) -> Result<Option<RunFigures>, RunError> {
    let mut loaded = series.condition.clone();
    let scenario = &mut loaded.scenario;
    scenario.seed = seed;
    scenario.grandmaster.log_sync_interval = series.log_sync_interval;
    scenario.record.audio = Audio::None;
    scenario.record.interval_s = Period::try_from(ROWS).unwrap_or_default();
    scenario.receivers.truncate(1);
    for receiver in &mut scenario.receivers {
        receiver.kind = series.law;
        receiver.name = Spanned::new(0..0, series.law.to_string());
    }
    let outcome = World::with(&loaded, 0, Slot::new(&loaded, 0).built_in()?, None)?.run(control)?;
    if outcome.cancelled {
        return Ok(None);
    }
    let course = Course {
        rows: &outcome.recording.rows,
        rows_per_second: (1.0 / ROWS).round() as usize,
        settled_s: (loaded.scenario.duration_s.get() * SETTLED_SHARE).min(SETTLED_S),
        outage: outage(&loaded.scenario),
    };
    let steps = loaded.scenario.faults.iter().filter(|fault| steps_time(&fault.what)).count();
    Ok(Some(course.figures(&outcome.clock_states, steps)))
}

/// Whether a fault steps the time, so that a receiver has a reason to unlock.
fn steps_time(what: &FaultKind) -> bool {
    matches!(what, FaultKind::GrandmasterStepUs(_) | FaultKind::GrandmasterRestart(_))
}

/// The first outage that ends.
fn outage(scenario: &Scenario) -> Option<(f64, f64)> {
    let silent = |what: &FaultKind| matches!(what, FaultKind::GrandmasterLost | FaultKind::NetworkLost);
    let fault = scenario.faults.iter().find(|fault| silent(&fault.what))?;
    let from_s = fault.at_s.as_ref().get();
    Some((from_s, from_s + fault.for_s?.get()))
}
