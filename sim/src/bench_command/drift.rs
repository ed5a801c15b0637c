//! `sim bench drift`: runs the comparison of drift laws, and prints and writes its table.

use super::{Failure, conditions, finished, simulate, write_files};
use crate::{EXIT_FAILED, EXIT_USAGE};
use clap::{Args, ValueEnum};
use sim::bench::{self, DriftBenchError, DriftLawKind, DriftPlan};
use sim::scenario::Loaded;
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folder of the conditions, relative to the top of the workspace.
const CONDITIONS: &str = "scenarios/bench/drift";
/// The scenario that is run with every wander.
const WANDERING: &str = "scenarios/bench/drift/wander/W.toml";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Drift {
    /// Scenarios with an audio chain; if none is given, scenarios/bench/drift/*.toml and the
    /// masters that wander.
    files: Vec<PathBuf>,

    /// Which of the conditions that ship.
    #[arg(long, value_enum, default_value_t = Conditions::All, conflicts_with = "files")]
    conditions: Conditions,

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

/// Conditions that ship.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Conditions {
    /// All.
    All,
    /// scenarios/bench/drift/*.toml.
    Standard,
    /// Masters whose time wanders by 1 to 2000 us RMS over 1 to 50 s: W1_1 to W2000_50.
    Wandering,
}

const EXAMPLES: &str = "\
The other receivers' loops are written anew from what their sources say: PipeWire's see the level with what is in flight, zita's smooths the times of packets
and callbacks, Roc's and the prototype's see the plain level. Phase noise is that of a 10 kHz tone, beyond 5 Hz (2nd order). Step and xrun: how long after\na step of the grandmaster, or an xrun of the card, playout is within 0.25 ms of where it shall be, for good.

Examples:
  sim bench drift
  sim bench drift --seeds 2 --laws engine,pipewire_rtp --conditions standard
  sim bench drift --seeds 4 --laws engine --conditions wandering
  sim bench drift --seeds 4 --set grandmaster.wander.tau_s=100 scenarios/bench/drift/wander/W.toml
  sim bench drift --set duration_s=86400 --seeds 1 --laws engine scenarios/bench/drift/A.toml";

pub(super) fn run(arguments: &Drift) -> ExitCode {
    finished(plan(arguments).and_then(|plan| {
        let compare = |control: &Control| bench::compare_drift_laws(&plan, control);
        let figures = simulate("bench drift", plan.total_ms(), compare, bench::render_drift_table)?;
        let json = arguments.json.iter().map(|path| (path.clone(), bench::render_drift_json(&figures)));
        write_files(&json.collect::<Vec<_>>(), "--json")
    }))
}

fn chosen(arguments: &Drift) -> Result<Vec<Loaded>, Failure> {
    let Drift { files, conditions: which, overrides, .. } = arguments;
    let mut chosen = match which {
        Conditions::Wandering => Vec::new(),
        Conditions::All | Conditions::Standard => conditions(files, CONDITIONS, overrides)?,
    };
    if files.is_empty() && *which != Conditions::Standard {
        chosen.extend(bench::wandering_masters(Path::new(WANDERING), overrides).map_err(Failure::usage)?);
    }
    Ok(chosen)
}

fn plan(arguments: &Drift) -> Result<DriftPlan, Failure> {
    let plan = DriftPlan {
        conditions: chosen(arguments)?,
        laws: if arguments.laws.is_empty() { DriftLawKind::ALL.to_vec() } else { arguments.laws.clone() },
        seeds: arguments.seeds,
    };
    plan.check()?;
    Ok(plan)
}

impl From<DriftBenchError> for Failure {
    fn from(error: DriftBenchError) -> Self {
        let code = if matches!(error, DriftBenchError::Run(_)) { EXIT_FAILED } else { EXIT_USAGE };
        Self(code, format!("error: {error}"))
    }
}
