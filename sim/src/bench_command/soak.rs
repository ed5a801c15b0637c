//! `sim bench soak`: many hours with faults and attacks at random, as a table by kind of cause.

use super::{Failure, finished, simulate, write_files};
use crate::{EXIT_FAILED, EXIT_USAGE, terminal};
use clap::Args;
use sim::bench::{self, HappeningFigures, SoakError, SoakPlan, SoakRun};
use sim::world::Control;
use std::path::PathBuf;
use std::process::ExitCode;

/// File of the programme, relative to the top of the workspace.
const PROGRAMME: &str = "scenarios/audio/speech_and_music.wav";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Soak {
    /// Hours to simulate, one in each run; one in 50 has a stream that is listened to
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    hours: u64,

    /// Seed of all random events
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Run only this run, by its number
    #[arg(long, value_name = "N", conflicts_with = "hours")]
    run: Option<u64>,

    /// Also write the scenario of that run to this file, to run it with `sim FILE`
    #[arg(long, value_name = "FILE", requires = "run")]
    scenario: Option<PathBuf>,

    /// The programme of the streams
    #[arg(long, value_name = "WAV", default_value = PROGRAMME)]
    programme: PathBuf,

    /// Also write all events to this file, for scripts
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Every one to three minutes something happens: an attack on PTP or on the stream, a lying or a flapping master, a lost network. A glitch has what happens for its cause until
10 s after its end (2 s where it befell the stream).

Exit code: 1 if a clock was locked and more than 1 ms off, was not locked again 10 s after an attack, or a glitch has no cause.

Examples:
  sim bench soak --hours 1000 --seed 7
  sim bench soak --seed 7 --run 50 --scenario run_50.toml";

pub(super) fn run(arguments: &Soak) -> ExitCode {
    finished(soak(arguments))
}

fn soak(arguments: &Soak) -> Result<(), Failure> {
    let plan = SoakPlan {
        runs: arguments.run.map_or_else(|| (0..arguments.hours).collect(), |run| vec![run]),
        seed: arguments.seed,
        programme: arguments.programme.clone(),
    };
    if let (Some(run), Some(path)) = (arguments.run, &arguments.scenario) {
        write_files(&[(path.clone(), plan.scenario(run)?)], "--scenario")?;
    }
    let go = |control: &Control| bench::soak(&plan, control);
    let render = |runs: &[SoakRun]| bench::render_soak_table(runs, plan.seed);
    let runs = simulate("bench soak", plan.total_ms(), go, render)?;
    let json = arguments.json.iter().map(|path| (path.clone(), bench::render_soak_json(&runs)));
    write_files(&json.collect::<Vec<_>>(), "--json")?;
    if arguments.run.is_some() {
        runs.iter().flat_map(|run| &run.happenings).for_each(|happening| terminal::say(course(happening)));
    }
    let wrong = runs.iter().flat_map(|run| &run.happenings).filter(|happening| !happening.is_good()).count();
    if wrong == 0 { Ok(()) } else { Err(Failure(EXIT_FAILED, format!("failed: something was wrong {wrong} times"))) }
}

/// An event and its consequences as text.
fn course(happening: &HappeningFigures) -> String {
    let HappeningFigures { cause, from_s, to_s, locked_error_us, recovery_s, glitches, uncaused, .. } = happening;
    let recovery = recovery_s.map_or_else(|| "not locked again".to_owned(), |s| format!("locked again after {s:.1} s"));
    let caused = if glitches.is_empty() { String::new() } else { format!(", {} glitches", glitches.len()) };
    let without = if uncaused.is_empty() { String::new() } else { format!(", {} without a cause", uncaused.len()) };
    format!(
        "{from_s:>8.1} to {to_s:>6.1} s: {cause}: {recovery}, locked error {locked_error_us:.1} us{caused}{without}"
    )
}

impl From<SoakError> for Failure {
    fn from(error: SoakError) -> Self {
        let code = if matches!(error, SoakError::Programme { .. }) { EXIT_USAGE } else { EXIT_FAILED };
        Self(code, format!("error: {error}"))
    }
}
