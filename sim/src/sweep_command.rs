//! `sim sweep` and `sim merge`: many runs of one scenario, on one machine or on several.

mod work;

use crate::library::refuse;
use crate::{EXIT_FAILED, EXIT_NOT_JUDGED, EXIT_USAGE, interrupt, is_out_of_space, terminal};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use sim::report::ReportError;
use sim::run::{Budget, claim_folder};
use sim::sweep::{Axis, Ending, Journal, JournalError, Outcome, Plan, Row, Seeds, Shard, merge, write_reports};
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Widest table, as that of one run.
const WIDTH: u16 = 100;
/// Most failing runs whose commands are printed; the files have all.
const MOST_TOLD: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Sweep {
    /// The scenario file.
    pub(crate) scenario: PathBuf,

    /// The seeds, such as 1..500 or 1,2,7; the scenario's own if none are given.
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<Seeds>,

    /// Varies a key: each of some values, or N values from LO to HI. May be given several times:
    /// then all combinations are run.
    #[arg(long, value_name = "KEY=A,B,C|KEY=LO..HI/N")]
    vary: Vec<Axis>,

    /// Changes a value in every run; may be given several times.
    #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
    overrides: Vec<String>,

    /// Folder for the reports; a folder named after the scenario is made in it, with `.sweep` at
    /// its end. Finished runs that are there already are not run again.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,

    /// Runs only part K of N. In task arrays of Slurm that is not needed.
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,

    /// Number of shards, for schedulers that only tell which one this is: HyperQueue and indexed
    /// jobs of Kubernetes.
    #[arg(long, value_name = "N", conflicts_with = "shard")]
    shards: Option<usize>,

    #[command(flatten)]
    verdict: Verdict,
}

#[derive(clap::Args)]
pub(crate) struct Merge {
    /// Folders with the shards of a sweep, and files of shards.
    #[arg(value_name = "FOLDERS|FILES", required = true)]
    places: Vec<PathBuf>,

    /// Folder for the reports of the whole; if only one folder is given, that one.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    /// Lets runs pass although some expectations could not be judged, because what they need was
    /// left out.
    #[arg(long)]
    allow_skipped: bool,
}

#[derive(clap::Args)]
struct Verdict {
    /// Runs the scenario even if a run takes weeks, or more memory than most machines have.
    #[arg(long)]
    allow_large: bool,

    /// Lets runs pass although some expectations could not be judged, because what they need was
    /// left out.
    #[arg(long)]
    allow_skipped: bool,
}

/// A sentence for the user, and the exit code.
struct Stop(String, u8);

impl Stop {
    fn usage(sentence: impl Into<String>) -> Self {
        Self(sentence.into(), EXIT_USAGE)
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        let code = if is_out_of_space(&error) { EXIT_FAILED } else { EXIT_USAGE };
        Self(error.to_string(), code)
    }
}

impl From<ReportError> for Stop {
    fn from(error: ReportError) -> Self {
        let code = if is_out_of_space(&error) { EXIT_FAILED } else { EXIT_USAGE };
        Self(error.to_string(), code)
    }
}

fn end(result: Result<ExitCode, Stop>) -> ExitCode {
    result.unwrap_or_else(|Stop(sentence, code)| {
        refuse(&[sentence]);
        ExitCode::from(code)
    })
}

pub(crate) fn run(arguments: &Sweep) -> ExitCode {
    // Threads that are started before would take the signals themselves.
    let control = Arc::new(Control::default());
    interrupt::stop(&control);
    end(sweep(arguments, &control))
}

fn sweep(arguments: &Sweep, control: &Arc<Control>) -> Result<ExitCode, Stop> {
    let environment = |name: &str| std::env::var(name).ok();
    let (shard, note) = Shard::choose(arguments.shard, arguments.shards, environment).map_err(Stop::usage)?;
    if let Some(note) = note {
        eprintln!("note: {note}");
    }
    let plan = arguments.plan(&arguments.scenario).map_err(Stop::usage)?;
    let folder = arguments.reports.join(format!("{}.sweep", plan.name()));
    claim_folder(&folder, &plan.scenario).map_err(|error| Stop::usage(error.to_string()))?;
    let journal = Journal::open(&folder, &plan, shard)?;
    let due: Vec<usize> = (0..plan.runs()).filter(|run| shard.is_none_or(|shard| shard.has(*run))).collect();
    let left: Vec<usize> = due.iter().copied().filter(|run| !journal.records().contains_key(run)).collect();
    if left.len() < due.len() {
        eprintln!("{} of {} runs are there already, in {}", due.len() - left.len(), due.len(), folder.display());
    }
    let journal = work::work(&plan, &left, journal, control)?;
    if control.cancelled.load(Ordering::Relaxed) {
        let done = journal.records().len();
        let folder = folder.display();
        eprintln!("interrupted: {done} of {} runs are kept in {folder}; the same command runs the others", due.len());
        return Ok(interrupt::exit_code());
    }
    let path = journal.path().to_owned();
    let records = journal.finish()?;
    if let Some(shard) = shard {
        let (runs, folder) = (records.len(), folder.display());
        terminal::say(format_args!("shard {shard}: {runs} runs are in {}", path.display()));
        terminal::say(format_args!("when all shards are there: sim merge {folder}"));
        return Ok(ExitCode::from(worst(records.iter().map(|record| record.ending), arguments.verdict.allow_skipped)));
    }
    let outcome = Outcome::new(plan, records).map_err(Stop::usage)?;
    conclude(&outcome, &folder, arguments.verdict.allow_skipped)
}

impl Sweep {
    /// The runs. The scenario is read at every point, so that a wrong value is refused before
    /// anything is run.
    ///
    /// # Errors
    /// With a sentence about what is wrong.
    pub(crate) fn plan(&self, scenario: &Path) -> Result<Plan, String> {
        let plan = Plan::new(scenario, &self.overrides, self.seeds.clone(), self.vary.clone())?;
        for point in 0..plan.points() {
            let loaded = plan.load(point * plan.seeds.len())?;
            if !self.verdict.allow_large {
                let refused = |error| format!("{error}; --allow-large runs it all the same");
                Budget::of(&loaded).check(&loaded).map_err(refused)?;
            }
        }
        Ok(plan)
    }
}

/// `sim merge`: the shards of a sweep become the whole, as if one machine had run all.
pub(crate) fn run_merge(arguments: &Merge) -> ExitCode {
    end(merged(arguments))
}

fn merged(arguments: &Merge) -> Result<ExitCode, Stop> {
    let folder = match (&arguments.into, &arguments.places[..]) {
        (Some(folder), _) => folder,
        (None, [folder]) if folder.is_dir() || !folder.exists() => folder,
        _ => return Err(Stop::usage("say with --into in which folder the whole is to be written")),
    };
    let (plan, records) = merge(&arguments.places, folder)?;
    let outcome = Outcome::new(plan, records).map_err(Stop::usage)?;
    conclude(&outcome, folder, arguments.allow_skipped)
}

fn conclude(outcome: &Outcome, folder: &Path, allow_skipped: bool) -> Result<ExitCode, Stop> {
    write_reports(outcome, folder)?;
    terminal::say(table(outcome));
    let count = |ending| outcome.count(ending);
    terminal::say(format_args!(
        "{} runs: {} passed, {} failed, {} skipped in part, {} not run to the end",
        outcome.records.len(),
        count(Ending::Passed),
        count(Ending::Failed),
        count(Ending::Skipped),
        count(Ending::Error),
    ));
    terminal::say(format_args!("reports: {}", folder.display()));
    tell_failures(outcome, folder);
    let code = worst(outcome.records.iter().map(|record| record.ending), allow_skipped);
    if code == EXIT_NOT_JUDGED {
        eprintln!("not judged: expectations were skipped; --allow-skipped takes that for a pass");
    }
    Ok(ExitCode::from(code))
}

/// Says which expectations fail in how many runs, and how failing runs are repeated.
fn tell_failures(outcome: &Outcome, folder: &Path) {
    for unmet in outcome.unmet() {
        eprintln!("failed in {} runs: {}", unmet.runs, unmet.what);
    }
    for record in outcome.failing().take(MOST_TOLD) {
        if let Some(error) = &record.error {
            eprintln!("{}: {error}", outcome.settings(record.run));
        }
        eprintln!("reproduce with: {}", outcome.command(record.run));
    }
    let more = outcome.failing().count().saturating_sub(MOST_TOLD);
    if more > 0 {
        eprintln!("{more} more failing runs are in {}", folder.join("runs.csv").display());
    }
}

/// Every metric over all runs.
fn table(outcome: &Outcome) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(presets::NOTHING.row_separator));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["receiver", "metric", "runs", "p50", "p95", "worst", "worst seed"]);
    for Row { receiver, metric, stats, .. } in outcome.rows.iter().filter(|row| row.point.is_none()) {
        let figures = [stats.p50, stats.p95, stats.worst].map(shown);
        let seed = outcome.plan.seed_of(stats.worst_run).to_string();
        let start = [receiver.clone(), metric.clone(), stats.runs.to_string()];
        table.add_row(start.into_iter().chain(figures).chain([seed]));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A number with three decimals at most, and what never happened in a word.
pub(crate) fn shown(value: f64) -> String {
    if value.is_infinite() {
        return "never".to_owned();
    }
    let text = format!("{:.3}", value + 0.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The exit code of the worst run.
fn worst(endings: impl Iterator<Item = Ending>, allow_skipped: bool) -> u8 {
    match endings.max() {
        Some(Ending::Failed | Ending::Error) => EXIT_FAILED,
        Some(Ending::Skipped) if !allow_skipped => EXIT_NOT_JUDGED,
        _ => 0,
    }
}
