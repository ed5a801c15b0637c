//! `sim bench drift`: runs the comparison of drift laws, and prints and writes its table.

use super::shipped;
use crate::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, terminal};
use clap::Args;
use sim::bench::{self, DriftBenchError, DriftFigures, DriftLawKind, DriftPlan};
use sim::report::write_atomically;
use sim::scenario::Loaded;
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Where the conditions are, seen from the top of the workspace.
const CONDITIONS: &str = "scenarios/bench/drift";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Drift {
    /// Scenarios with an audio chain; scenarios/bench/drift/*.toml if none is given.
    files: Vec<PathBuf>,

    /// Runs of each: seeds 1 to this.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,

    /// The laws to compare; all if not given.
    #[arg(long, value_delimiter = ',', value_name = "LAW")]
    laws: Vec<DriftLawKind>,

    /// Changes a value of every scenario; may be given several times.
    #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
    overrides: Vec<String>,

    /// Also writes the result to this file, for scripts.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
The other receivers' loops are written anew from what their sources say: PipeWire's see the level with what is in flight, zita's smooths the times of packets
and callbacks, Roc's and the prototype's see the plain level. Phase noise is that of a 10 kHz tone, beyond 5 Hz (2nd order).

Examples:
  sim bench drift
  sim bench drift --seeds 2 --laws engine,pipewire_rtp
  sim bench drift --set duration_s=86400 --seeds 1 --laws engine scenarios/bench/drift/A.toml";

pub(super) fn run(arguments: &Drift) -> ExitCode {
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let control = Arc::new(Control::default());
    terminal::stop_on_ctrl_c(&control);
    let progress = terminal::Progress::start("bench drift", plan.total_ms(), &control);
    let result = bench::compare_drift_laws(&plan, &control);
    let wall_s = progress.finish().as_secs_f64();
    match result {
        Ok(Some(figures)) => {
            println!("{}", bench::render_drift_table(&figures));
            let simulated_s = plan.total_ms() as f64 * 1e-3;
            let times = simulated_s / wall_s.max(1e-3);
            println!("{simulated_s:.0} s simulated in {wall_s:.1} s: {times:.0} times real time");
            write(arguments, &figures)
        }
        Ok(None) => {
            eprintln!("interrupted: nothing was written");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error, DriftBenchError::Run(_)) { EXIT_FAILED } else { EXIT_USAGE })
        }
    }
}

fn plan(arguments: &Drift) -> Result<DriftPlan, String> {
    let files = if arguments.files.is_empty() { shipped(Path::new(CONDITIONS))? } else { arguments.files.clone() };
    let conditions: Result<Vec<_>, _> = files.iter().map(|file| Loaded::read(file, &arguments.overrides)).collect();
    let plan = DriftPlan {
        conditions: conditions.map_err(|error| error.to_string())?,
        laws: if arguments.laws.is_empty() { DriftLawKind::ALL.to_vec() } else { arguments.laws.clone() },
        seeds: arguments.seeds,
    };
    plan.check().map_err(|error| error.to_string())?;
    Ok(plan)
}

fn write(arguments: &Drift, figures: &[DriftFigures]) -> ExitCode {
    if let Some(path) = &arguments.json
        && let Err(error) = write_atomically(path, &bench::render_drift_json(figures))
    {
        eprintln!("error: {}: {error}; choose another place with --json", path.display());
        return ExitCode::from(EXIT_USAGE);
    }
    ExitCode::SUCCESS
}
