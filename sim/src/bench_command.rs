//! `sim bench`: the common parts of its commands, and `sim bench clocks`, which compares clock laws
//! and writes and prints its tables. The other benches are modules below.

mod detector;
mod drift;
mod resamplers;
mod slips;
mod soak;

use crate::{EXIT_FAILED, EXIT_USAGE, interrupt, terminal};
use clap::{Args, Subcommand};
use sim::bench::{self, BenchError, Figures, Plan};
use sim::report::write_atomically;
use sim::run::Budget;
use sim::scenario::{Loaded, ReceiverKind};
use sim::world::Control;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Folder of the conditions, relative to the top of the workspace.
const CONDITIONS: &str = "scenarios/bench/clocks";
/// Sync intervals of the conditions in that folder.
const LOG_SYNC_INTERVALS: [i8; 2] = [-3, 0];

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Compares clock laws on the same packets.
    Clocks(Clocks),
    /// Compares drift laws on the same packets and callbacks.
    Drift(drift::Drift),
    /// Plants faults in programmes that the judge was not tuned on, and reports how many it
    /// detects.
    Detector(detector::Detector),
    /// Shifts the packets of senders and paths for good, and reports how playout follows.
    Slips(slips::Slips),
    /// Simulates hours of clocks and streams with random faults and attacks, and finds the cause of
    /// each glitch.
    Soak(soak::Soak),
    /// Compares resamplers: noise and distortion, flatness, latency, speed.
    Resamplers(resamplers::Resamplers),
}

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Clocks {
    /// Scenarios without an audio chain; scenarios/bench/clocks/*.toml if none is given.
    files: Vec<PathBuf>,

    /// Runs of each: seeds 1 to this.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,

    /// The laws to compare; all if not given.
    #[arg(long, value_delimiter = ',', value_name = "LAW")]
    laws: Vec<ReceiverKind>,

    /// Sync intervals, 2^n s; -3 and 0 if not given, or those of the files that were.
    #[arg(long, value_delimiter = ',', value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(i8).range(-7..=4))]
    log_sync: Vec<i8>,

    /// Changes a value of every scenario; may be given several times.
    #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
    overrides: Vec<String>,

    /// Also writes the result to this file, for scripts.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Folder for the reports; a folder bench_clocks is made in it.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  sim bench clocks
  sim bench clocks --seeds 4 --laws engine,linuxptp_pi --log-sync -3
  sim bench clocks --set duration_s=86400 --seeds 1 --laws engine
  sim bench clocks --laws engine --json engine.json scenarios/bench/clocks/a.toml";

pub(crate) fn run(command: &Bench) -> ExitCode {
    match command {
        Bench::Clocks(arguments) => clocks(arguments),
        Bench::Drift(arguments) => drift::run(arguments),
        Bench::Detector(arguments) => detector::run(arguments),
        Bench::Resamplers(arguments) => resamplers::run(arguments),
        Bench::Slips(arguments) => slips::run(arguments),
        Bench::Soak(arguments) => soak::run(arguments),
    }
}

fn clocks(arguments: &Clocks) -> ExitCode {
    finished(plan(arguments).and_then(|plan| {
        let compare = |control: &Control| bench::run(&plan, control);
        let figures = simulate("bench clocks", plan.total_ms(), compare, bench::render_table)?;
        write(arguments, &figures)
    }))
}

fn plan(arguments: &Clocks) -> Result<Plan, Failure> {
    let intervals = if arguments.files.is_empty() { LOG_SYNC_INTERVALS.to_vec() } else { Vec::new() };
    let plan = Plan {
        conditions: conditions(&arguments.files, CONDITIONS, &arguments.overrides)?,
        log_sync_intervals: if arguments.log_sync.is_empty() { intervals } else { arguments.log_sync.clone() },
        laws: if arguments.laws.is_empty() { ReceiverKind::CLOCK_LAWS.to_vec() } else { arguments.laws.clone() },
        seeds: arguments.seeds,
    };
    plan.check()?;
    Ok(plan)
}

fn write(arguments: &Clocks, figures: &[Figures]) -> Result<(), Failure> {
    let folder = arguments.reports.join("bench_clocks");
    let mut files = vec![
        (folder.join("clocks.md"), bench::render_markdown(figures)),
        (folder.join("clocks.csv"), bench::render_csv(figures)),
    ];
    files.extend(arguments.json.iter().map(|path| (path.clone(), bench::render_json(figures))));
    write_files(&files, "--reports or --json")?;
    terminal::say(format_args!("reports: {}", folder.display()));
    Ok(())
}

/// Why a bench ended early: the exit code, and the message.
struct Failure(u8, String);

impl Failure {
    fn usage(what: impl fmt::Display) -> Self {
        Self(EXIT_USAGE, format!("error: {what}"))
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let code = if matches!(error, BenchError::Run(_)) { EXIT_FAILED } else { EXIT_USAGE };
        Self(code, format!("error: {error}"))
    }
}

fn finished(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, text)) => {
            eprintln!("{text}");
            ExitCode::from(code)
        }
    }
}

/// The conditions that were given, or otherwise all those in `folder`.
fn conditions(given: &[PathBuf], folder: &str, overrides: &[String]) -> Result<Vec<Loaded>, Failure> {
    let files = if given.is_empty() { shipped(Path::new(folder))? } else { given.to_vec() };
    let read = |file: &PathBuf| {
        let loaded = Loaded::read(file, overrides).map_err(Failure::usage)?;
        Budget::of(&loaded).check(&loaded).map_err(Failure::usage)?;
        Ok(loaded)
    };
    files.iter().map(read).collect()
}

/// Runs a comparison with a progress bar, which Ctrl-C ends. Prints the table and the speed of the
/// simulation.
fn simulate<F, E: Into<Failure>>(
    name: &str,
    total_ms: u64,
    compare: impl FnOnce(&Control) -> Result<Option<Vec<F>>, E>,
    render: impl FnOnce(&[F]) -> String,
) -> Result<Vec<F>, Failure> {
    let control = Arc::new(Control::default());
    interrupt::stop(&control);
    let progress = terminal::Progress::start(name, total_ms, &control);
    let result = compare(&control);
    let wall_s = progress.finish().as_secs_f64();
    let figures = result.map_err(Into::into)?;
    let figures =
        figures.ok_or_else(|| Failure(interrupt::raw_exit_code(), "interrupted: nothing was written".to_owned()))?;
    terminal::say(render(&figures));
    let simulated_s = total_ms as f64 * 1e-3;
    let times = simulated_s / wall_s.max(1e-3);
    terminal::say(format_args!("{simulated_s:.0} s simulated in {wall_s:.1} s: {times:.0} times real time"));
    Ok(figures)
}

/// Writes results; `options` names the command-line options that choose their place, for error
/// messages.
fn write_files(files: &[(PathBuf, String)], options: &str) -> Result<(), Failure> {
    let write = |(path, text): &(PathBuf, String)| {
        let failed = |error| format!("{}: {error}; choose another place with {options}", path.display());
        write_atomically(path, text).map_err(|error| Failure::usage(failed(error)))
    };
    files.iter().try_for_each(write)
}

/// The scenario files of a folder, in order.
fn shipped(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |what: &dyn fmt::Display| {
        let right = "run it at the top of the workspace, or give scenario files";
        Failure::usage(format!("{}: {what}; {right}", folder.display()))
    };
    let entries = std::fs::read_dir(folder).map_err(|error| failed(&error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    if files.is_empty() { Err(failed(&"there is no scenario")) } else { Ok(files) }
}
