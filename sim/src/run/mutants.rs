//! Determines which verdicts find which seeded faults, as a table of mutants and scenarios.
//!
//! Each mutant replaces every engine of a scenario. It is killed if an expectation that concerns
//! such a fault fails or can no longer be judged. If only other expectations fail, it was found by
//! luck.

use super::{SessionError, run_with};
use crate::mutants::Mutant;
use crate::receivers::Slot;
use crate::scenario::{Audio, Loaded};
use crate::world::{Control, Receiver, RunError};
use engine::Ppb;
use engine::audio::{RateController, RateInput};
use rayon::prelude::*;
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// The result for a mutant in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A verdict that concerns such a fault failed.
    Killed,
    /// Only other verdicts failed.
    Noticed,
    /// Every verdict passed.
    Survived,
}

/// One cell of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutantOutcome {
    /// The fault.
    pub mutant: Mutant,
    /// The scenario's name.
    pub scenario: String,
    /// The result.
    pub fate: Fate,
    /// The verdicts that failed, named as in the table of a run.
    pub failed: Vec<String>,
}

/// Number of further scenarios in which a surviving mutant is tried at the same time.
const AT_ONCE: usize = 8;

/// Runs mutants in scenarios on all processors, with all pairs or every n-th one. A mutant that
/// survives is tried in further scenarios until it is killed: whether a fault has an effect depends
/// on the scenario, for example on lost packets, which the selected scenarios may lack.
///
/// # Errors
/// If a run fails.
pub fn mutant_outcomes(
    scenarios: &[Loaded],
    mutants: &[Mutant],
    every: usize,
    control: &Control,
) -> Result<Vec<MutantOutcome>, SessionError> {
    let run = |pairs: &[(&Loaded, Mutant)]| -> Result<Vec<MutantOutcome>, SessionError> {
        pairs.par_iter().map(|(loaded, mutant)| outcome(loaded, *mutant, control)).collect()
    };
    let chosen = pairs(scenarios, mutants, every);
    let mut outcomes = run(&chosen)?;
    for &mutant in mutants {
        let is_new =
            |pair: &(&Loaded, Mutant)| !chosen.iter().any(|(loaded, of)| (&loaded.name, *of) == (&pair.0.name, mutant));
        let others: Vec<_> = pairs(scenarios, &[mutant], 1).into_iter().filter(is_new).collect();
        for some in others.chunks(AT_ONCE) {
            let is_killed = |outcome: &MutantOutcome| outcome.mutant == mutant && outcome.fate == Fate::Killed;
            if outcomes.iter().any(is_killed) || control.cancelled.load(Ordering::Relaxed) {
                break;
            }
            outcomes.extend(run(some)?);
        }
    }
    Ok(outcomes)
}

/// The pairs of scenarios and mutants that are run. If `every` exceeds 1, each scenario has a
/// different share of the mutants.
#[must_use]
pub fn pairs<'a>(scenarios: &'a [Loaded], mutants: &[Mutant], every: usize) -> Vec<(&'a Loaded, Mutant)> {
    let cell = |(i, loaded): (usize, &'a Loaded)| {
        let concerns = move |mutant: &Mutant| engines(loaded, *mutant) > 0;
        let own = mutants.iter().copied().enumerate().filter(move |(j, _)| (i + j).is_multiple_of(every.max(1)));
        own.map(|(_, mutant)| mutant).filter(concerns).map(move |mutant| (loaded, mutant))
    };
    scenarios.iter().enumerate().flat_map(cell).collect()
}

/// How many receivers of a scenario a mutant replaces.
#[must_use]
pub fn engines(loaded: &Loaded, mutant: Mutant) -> usize {
    let plays = loaded.stream.is_some();
    loaded.scenario.receivers.iter().filter(|receiver| mutant.concerns(receiver.kind, plays)).count()
}

fn outcome(loaded: &Loaded, mutant: Mutant, control: &Control) -> Result<MutantOutcome, SessionError> {
    let session = run_with(&alone(loaded, mutant), None, control, &|slot| infected(slot, mutant))?;
    let failed: Vec<_> = session.summary.expectations.iter().filter(|judgement| !judgement.holds).collect();
    let is_told = failed.iter().any(|judgement| mutant.told_by().contains(&judgement.metric));
    Ok(MutantOutcome {
        mutant,
        scenario: loaded.name.clone(),
        fate: match (is_told, failed.is_empty()) {
            (true, _) => Fate::Killed,
            (false, false) => Fate::Noticed,
            (false, true) => Fate::Survived,
        },
        failed: failed.iter().map(|judgement| judgement.check.clone()).collect(),
    })
}

/// The receiver of a scenario, with a fault.
fn infected(slot: &Slot<'_>, mutant: Mutant) -> Result<Box<dyn Receiver>, RunError> {
    if mutant == Mutant::DriftControlOff {
        return slot.rate_controller(NominalRate);
    }
    let duration = slot.loaded().scenario.duration_s.nanos();
    Ok(mutant.infect(slot.built_in()?, duration, slot.stream_config().as_ref()))
}

/// A rate controller without effect: the ratio stays nominal.
#[derive(Debug)]
struct NominalRate;

impl RateController for NominalRate {
    fn ratio(&mut self, _input: &RateInput) -> Ppb {
        Ppb::ZERO
    }
}

/// The scenario with only the receivers to which the fault applies, and with its audio judged.
fn alone(loaded: &Loaded, mutant: Mutant) -> Loaded {
    let mut alone = loaded.clone();
    let plays = loaded.stream.is_some();
    let scenario = &mut alone.scenario;
    scenario.receivers.retain(|receiver| mutant.concerns(receiver.kind, plays));
    let names: Vec<String> = scenario.receivers.iter().map(|receiver| receiver.name.as_ref().clone()).collect();
    scenario.expectations.retain(|expectation| names.contains(expectation.receiver.as_ref()));
    if scenario.record.audio == Audio::Full {
        scenario.record.audio = Audio::Heard;
    }
    alone
}

/// The table: a row for each mutant, a column for each scenario, and the mutants that no scenario
/// killed.
#[must_use]
pub fn render_mutants(outcomes: &[MutantOutcome], scenarios: &[Loaded], mutants: &[Mutant]) -> (String, Vec<Mutant>) {
    let mut text = String::new();
    for (index, loaded) in scenarios.iter().enumerate() {
        let _ = writeln!(text, "{:>3}  {}", index + 1, loaded.name);
    }
    let header: String = (1..=scenarios.len()).map(|index| format!("{index:>3}")).collect();
    let _ = writeln!(text, "\n{:<20}{header}  killed of", "mutant");
    let mut alive = Vec::new();
    for &mutant in mutants {
        let own = || outcomes.iter().filter(|outcome| outcome.mutant == mutant);
        let cells: String = scenarios
            .iter()
            .map(|loaded| match own().find(|outcome| outcome.scenario == loaded.name).map(|outcome| outcome.fate) {
                Some(Fate::Killed) => "  x",
                Some(Fate::Noticed) => "  o",
                Some(Fate::Survived) => "  -",
                None => "   ",
            })
            .collect();
        let killed = own().filter(|outcome| outcome.fate == Fate::Killed).count();
        let _ = writeln!(text, "{mutant:<20}{cells}  {killed:>6} {:>2}", own().count());
        if killed == 0 {
            alive.push(mutant);
        }
    }
    text.push_str("\nx killed by the verdict that should, o failed another way only, - survived\n");
    (text, alive)
}
