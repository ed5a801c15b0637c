//! The soak: many simulated hours of clocks and streams with random faults and attacks, in which
//! each glitch must have a cause.
//!
//! Model: each run is an hour of a scenario that is drawn by seed and number: a network, a
//! computer, masters, and every one to three minutes one of the events of [`draw`]. So a run is
//! reproduced by its seed and number alone, whatever else is run. One in [`STREAM_EVERY`] runs has
//! a stream, whose sound is judged; the others have clocks only.
//!
//! An event counts as the cause of glitches until it has ended, and for as long after that as a
//! receiver may take to recover. A later glitch counts as having no cause. A clock that claims to
//! be locked with an error of more than [`WRONG_US`] is wrong whatever the cause.

mod account;
mod draw;
mod scene;
mod table;
#[cfg(test)]
mod tests;

pub use account::{Glitched, HappeningFigures, SoakRun};
pub use table::{render_soak_json, render_soak_table};

use crate::run::{SessionError, live};
use crate::scenario::{Loaded, ScenarioError};
use crate::world::Control;
use draw::Drawn;
use rayon::prelude::*;
use std::path::PathBuf;
use thiserror::Error;

/// Largest error of a clock that may claim to be locked, us.
const WRONG_US: f64 = 1000.0;
/// Time after an attack within which the clock must be locked again, s.
const RECOVERY_S: f64 = 10.0;
/// Length of a run.
const RUN_S: u32 = 3600;
/// One in this many runs has a stream, because these take some hundred times as long to simulate.
const STREAM_EVERY: u64 = 50;

/// Why a soak could not be run.
#[derive(Debug, Error)]
pub enum SoakError {
    /// The programme file is missing.
    #[error("{path}: {source}; run it at the top of the workspace, or give the programme with --programme", path = .path.display())]
    Programme {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The drawn scenario is invalid: a defect of the soak.
    #[error("run {run}: {error}")]
    Drawn {
        /// The run.
        run: u64,
        /// Why.
        error: ScenarioError,
    },
    /// A run failed.
    #[error("run {run}: {error}")]
    Run {
        /// The run.
        run: u64,
        /// Why.
        error: SessionError,
    },
}

/// What is run.
#[derive(Clone, Debug)]
pub struct SoakPlan {
    /// The runs, by number.
    pub runs: Vec<u64>,
    /// Seed of all of them.
    pub seed: u64,
    /// The programme of those with a stream.
    pub programme: PathBuf,
}

impl SoakPlan {
    /// Simulated time of all runs together, ms.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        self.runs.len() as u64 * u64::from(RUN_S) * 1000
    }

    /// The scenario of one run, as the text of a file.
    ///
    /// # Errors
    /// If the programme is missing.
    pub fn scenario(&self, run: u64) -> Result<String, SoakError> {
        Ok(self.drawn(run)?.text)
    }

    fn drawn(&self, run: u64) -> Result<Drawn, SoakError> {
        let programme = std::fs::canonicalize(&self.programme)
            .map_err(|source| SoakError::Programme { path: self.programme.clone(), source })?;
        Ok(draw::draw(self.seed, run, has_stream(run), &programme))
    }
}

/// Whether a run has a stream.
fn has_stream(run: u64) -> bool {
    run.is_multiple_of(STREAM_EVERY)
}

/// Runs a plan; `None` if it was stopped before its end.
///
/// # Errors
/// If the programme is missing, or if a run failed.
pub fn soak(plan: &SoakPlan, control: &Control) -> Result<Option<Vec<SoakRun>>, SoakError> {
    // Those with a stream first: they take longest.
    let mut order = plan.runs.clone();
    order.sort_by_key(|&run| (!has_stream(run), run));
    let runs: Vec<Option<SoakRun>> =
        order.into_par_iter().map(|run| one(plan, run, control)).collect::<Result<_, _>>()?;
    let runs: Option<Vec<SoakRun>> = runs.into_iter().collect();
    Ok(runs.map(|mut runs| {
        runs.sort_by_key(|run| run.run);
        runs
    }))
}

/// One run; `None` if it was stopped.
fn one(plan: &SoakPlan, run: u64, control: &Control) -> Result<Option<SoakRun>, SoakError> {
    let drawn = plan.drawn(run)?;
    let path = PathBuf::from(format!("soak_{}_{run}.toml", plan.seed));
    let loaded = Loaded::from_text(&path, &drawn.text).map_err(|error| SoakError::Drawn { run, error })?;
    let (outcome, heard) = live(&loaded, 0, control).map_err(|error| SoakError::Run { run, error })?;
    if outcome.cancelled {
        return Ok(None);
    }
    let course = account::Course { outcome: &outcome, heard: heard.as_ref(), duration_s: f64::from(RUN_S) };
    Ok(Some(course.account(run, has_stream(run), &drawn.happenings)))
}
