//! `sim bench clocks`: runs the comparison of clock laws, and writes and prints its tables. The other benches are modules below.

mod drift;
mod resamplers;

use crate::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, terminal};
use clap::{Args, Subcommand};
use sim::bench::{self, BenchError, Figures, Plan};
use sim::report::write_atomically;
use sim::scenario::{Loaded, ReceiverKind};
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Where the conditions are, seen from the top of the workspace.
const CONDITIONS: &str = "scenarios/bench/clocks";
/// Sync intervals of the conditions there.
const LOG_SYNC_INTERVALS: [i8; 2] = [-3, 0];

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Compares clock laws on the same packets.
    Clocks(Clocks),
    /// Compares drift laws on the same packets and callbacks.
    Drift(drift::Drift),
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
        Bench::Resamplers(arguments) => resamplers::run(arguments),
    }
}

fn clocks(arguments: &Clocks) -> ExitCode {
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let control = Arc::new(Control::default());
    terminal::stop_on_ctrl_c(&control);
    let progress = terminal::Progress::start("bench clocks", plan.total_ms(), &control);
    let result = bench::run(&plan, &control);
    let elapsed = progress.finish();
    match result {
        Ok(Some(figures)) => {
            println!("{}", bench::render_table(&figures));
            let simulated_s = plan.total_ms() as f64 * 1e-3;
            let wall_s = elapsed.as_secs_f64();
            println!(
                "{simulated_s:.0} s simulated in {wall_s:.1} s: {:.0} times real time",
                simulated_s / wall_s.max(1e-3)
            );
            write(arguments, &figures)
        }
        Ok(None) => {
            eprintln!("interrupted: nothing was written");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error, BenchError::Run(_)) { EXIT_FAILED } else { EXIT_USAGE })
        }
    }
}

fn plan(arguments: &Clocks) -> Result<Plan, String> {
    let (files, intervals) = if arguments.files.is_empty() {
        (shipped(Path::new(CONDITIONS))?, LOG_SYNC_INTERVALS.to_vec())
    } else {
        (arguments.files.clone(), Vec::new())
    };
    let conditions: Result<Vec<_>, _> = files.iter().map(|file| Loaded::read(file, &arguments.overrides)).collect();
    let plan = Plan {
        conditions: conditions.map_err(|error| error.to_string())?,
        log_sync_intervals: if arguments.log_sync.is_empty() { intervals } else { arguments.log_sync.clone() },
        laws: if arguments.laws.is_empty() { ReceiverKind::CLOCK_LAWS.to_vec() } else { arguments.laws.clone() },
        seeds: arguments.seeds,
    };
    plan.check().map_err(|error| error.to_string())?;
    Ok(plan)
}

/// The scenario files of a folder, in order.
fn shipped(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let right = "run it at the top of the workspace, or give scenario files";
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}; {right}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    if files.is_empty() { Err(format!("{}: there is no scenario; {right}", folder.display())) } else { Ok(files) }
}

fn write(arguments: &Clocks, figures: &[Figures]) -> ExitCode {
    let folder = arguments.reports.join("bench_clocks");
    let mut files = vec![
        (folder.join("clocks.md"), bench::render_markdown(figures)),
        (folder.join("clocks.csv"), bench::render_csv(figures)),
    ];
    files.extend(arguments.json.iter().map(|path| (path.clone(), bench::render_json(figures))));
    for (path, text) in &files {
        if let Err(error) = write_atomically(path, text) {
            eprintln!("error: {}: {error}; choose another place with --reports or --json", path.display());
            return ExitCode::from(EXIT_USAGE);
        }
    }
    println!("reports: {}", folder.display());
    ExitCode::SUCCESS
}
