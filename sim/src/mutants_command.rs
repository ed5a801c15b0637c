//! `sim mutants`: determines whether each seeded fault is found by a verdict that is meant to find
//! it.

use crate::terminal::{self, Progress};
use sim::mutants::Mutant;
use sim::run::{Fate, engines, mutant_outcomes, pairs, render_mutants};
use sim::scenario::{Loaded, ReceiverKind};
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Longest scenario that is run unless it is named, in seconds of all its engines together.
const LENGTH_S: f64 = 200.0;

#[derive(clap::Args)]
pub(crate) struct Mutants {
    /// The scenarios; all short ones of `scenarios/` if none is given.
    scenarios: Vec<PathBuf>,

    /// Only these faults; all if none is given.
    #[arg(long = "mutant", value_name = "MUTANT", value_delimiter = ',')]
    mutants: Vec<Mutant>,

    /// Only every n-th pair: each scenario then has another share of the faults. A fault that none
    /// of them finds is tried in the others.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    every: u8,

    /// Also list the verdicts that failed.
    #[arg(long)]
    verdicts: bool,
}

pub(crate) fn run(arguments: &Mutants) -> ExitCode {
    let scenarios = match load(&arguments.scenarios) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(crate::EXIT_USAGE);
        }
    };
    let mutants = if arguments.mutants.is_empty() { Mutant::ALL } else { arguments.mutants.as_slice() };
    let every = usize::from(arguments.every);
    let control = Arc::new(Control::default());
    crate::interrupt::stop(&control);
    let total_s: f64 = pairs(&scenarios, mutants, every)
        .iter()
        .map(|(loaded, mutant)| loaded.scenario.duration_s.get() * engines(loaded, *mutant) as f64)
        .sum();
    let progress = Progress::start("mutants", (total_s * 1e3) as u64, &control);
    let outcomes = mutant_outcomes(&scenarios, mutants, every, &control);
    let elapsed = progress.finish();
    if control.cancelled.load(std::sync::atomic::Ordering::Relaxed) {
        eprintln!("interrupted: nothing was judged");
        return crate::interrupt::exit_code();
    }
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(crate::EXIT_FAILED);
        }
    };
    let (table, alive) = render_mutants(&outcomes, &scenarios, mutants);
    terminal::say(table.trim_end());
    if arguments.verdicts {
        for outcome in &outcomes {
            let failed = if outcome.fate == Fate::Survived { "nothing".to_owned() } else { outcome.failed.join("; ") };
            terminal::say(format_args!("{} in {}: {failed}", outcome.mutant, outcome.scenario));
        }
    }
    terminal::say(format_args!("{} runs in {:.0} s", outcomes.len(), elapsed.as_secs_f64()));
    if alive.is_empty() {
        return ExitCode::SUCCESS;
    }
    for mutant in alive {
        eprintln!("failed: no scenario kills the mutant {mutant}: no verdict that is about such a fault fails");
        eprintln!("repeat it with: cargo run -p sim -- mutants --mutant {mutant} --verdicts");
    }
    ExitCode::from(crate::EXIT_FAILED)
}

fn load(named: &[PathBuf]) -> Result<Vec<Loaded>, String> {
    let read = |path: &PathBuf| Loaded::read(path, &[]).map_err(|error| error.to_string());
    if !named.is_empty() {
        return named.iter().map(read).collect();
    }
    let folder = Path::new("scenarios");
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}; name the scenarios", folder.display()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let loaded: Vec<Loaded> = paths.iter().map(read).collect::<Result<_, _>>()?;
    Ok(loaded.into_iter().filter(|loaded| engine_seconds(loaded) <= LENGTH_S).collect())
}

fn engine_seconds(loaded: &Loaded) -> f64 {
    let is_engine = |kind| matches!(kind, ReceiverKind::Engine | ReceiverKind::Relay);
    let engines = loaded.scenario.receivers.iter().filter(|receiver| is_engine(receiver.kind)).count();
    loaded.scenario.duration_s.get() * engines as f64
}
