//! `sim ab`: two settings, laws or builds in the same weather, compared seed by seed.

mod side;

use crate::library::refuse;
use crate::run_command::exit_code_of;
use crate::terminal::Progress;
use crate::{EXIT_FAILED, EXIT_USAGE, interrupt, is_out_of_space, sweep_command::shown, terminal};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use side::Side;
use sim::compare::{Duel, LEVEL, Run, Verdict};
use sim::run::{Budget, claim_folder};
use sim::sweep::Seeds;
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Widest table.
const WIDTH: u16 = 110;

#[derive(clap::Args)]
pub(crate) struct Ab {
    /// The scenario file.
    pub(crate) scenario: PathBuf,

    /// What side A sets, as --set; may be given several times.
    #[arg(long, value_name = "KEY.KEY=VALUE")]
    a: Vec<String>,

    /// What side B sets.
    #[arg(long, value_name = "KEY.KEY=VALUE")]
    b: Vec<String>,

    /// Runs side A with another build of sim.
    #[arg(long, value_name = "PROGRAM")]
    a_sim: Option<PathBuf>,

    /// Runs side B with another build of sim.
    #[arg(long, value_name = "PROGRAM")]
    b_sim: Option<PathBuf>,

    /// The seeds of both sides.
    #[arg(long, value_name = "SEEDS", default_value = "1..20")]
    seeds: Seeds,

    /// Changes a value on both sides; may be given several times.
    #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
    overrides: Vec<String>,

    /// Folder for the reports; a folder named after the scenario is made in it, with `.ab` at its
    /// end.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,

    /// How large a difference does not matter, in percent of A's median.
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, allow_negative_numbers = true)]
    equal_within: f64,

    /// Ends with exit code 1 if B is worse by any metric.
    #[arg(long)]
    fail_if_worse: bool,

    /// Runs the scenario even if a run takes weeks, or more memory than most machines have.
    #[arg(long)]
    allow_large: bool,
}

pub(crate) fn run(arguments: &Ab) -> ExitCode {
    // Threads that are started before would take the signals themselves.
    let control = Arc::new(Control::default());
    interrupt::stop(&control);
    compare(arguments, &control).unwrap_or_else(|(sentence, code)| {
        refuse(&[sentence]);
        ExitCode::from(code)
    })
}

/// A sentence and an exit code.
type Stop = (String, u8);

fn compare(arguments: &Ab, control: &Arc<Control>) -> Result<ExitCode, Stop> {
    let usage = |sentence: String| (sentence, EXIT_USAGE);
    if !arguments.equal_within.is_finite() || arguments.equal_within < 0.0 {
        return Err(usage(format!("--equal-within {} is no share: give percent, 0 or more", arguments.equal_within)));
    }
    let sides = arguments.sides(&arguments.scenario).map_err(usage)?;
    sides.iter().try_for_each(Side::check).map_err(usage)?;
    let seeds: Vec<u64> = (0..arguments.seeds.len()).filter_map(|index| arguments.seeds.get(index)).collect();
    let loaded = sides[0].load(seeds[0]).map_err(usage)?;
    let total_ms = 2 * crate::total_ms(&loaded) * seeds.len() as u64;
    let name = loaded.name;
    let folder = arguments.reports.join(format!("{name}.ab"));
    claim_folder(&folder, &arguments.scenario).map_err(|error| (error.to_string(), exit_code_of(&error)))?;
    let progress = Progress::start(&format!("{} runs", 2 * seeds.len()), total_ms, control);
    let runs = work(&sides, &seeds, control);
    progress.finish();
    if let Some(stop) = runs.iter().find_map(|run| run.as_ref()?.as_ref().err()) {
        return Err(stop.clone());
    }
    let runs: Vec<Run> = runs.into_iter().filter_map(|run| run?.ok()).collect();
    if control.cancelled.load(Ordering::Relaxed) || runs.len() < 2 * seeds.len() {
        eprintln!("interrupted: nothing was compared");
        return Ok(interrupt::exit_code());
    }
    let (a, b) = runs.split_at(seeds.len());
    let words = [0, 1].map(|index| sides[index].words());
    let margin = arguments.equal_within / 100.0;
    let duel = Duel::new(name, words, (arguments.seeds.to_string(), &seeds), [a, b], margin).map_err(usage)?;
    duel.write(&folder).map_err(|error| {
        let code = if is_out_of_space(&error) { EXIT_FAILED } else { EXIT_USAGE };
        (error.to_string(), code)
    })?;
    tell(&duel);
    terminal::say(format_args!("reports: {}", folder.display()));
    let is_worse = arguments.fail_if_worse && duel.count(Verdict::Worse) > 0;
    Ok(ExitCode::from(if is_worse { EXIT_FAILED } else { 0 }))
}

impl Ab {
    /// Both sides, whose scenarios are valid.
    ///
    /// # Errors
    /// With a sentence about what is wrong.
    pub(crate) fn sides(&self, scenario: &Path) -> Result<[Side; 2], String> {
        let side = |settings: &[String], program: &Option<PathBuf>| Side {
            scenario: scenario.to_owned(),
            settings: self.overrides.iter().chain(settings).cloned().collect(),
            own: settings.to_vec(),
            program: program.clone(),
        };
        let sides = [side(&self.a, &self.a_sim), side(&self.b, &self.b_sim)];
        if sides[0].settings == sides[1].settings && sides[0].program == sides[1].program {
            return Err("both sides are the same: say with --b or --b-sim what is otherwise".to_owned());
        }
        for side in &sides {
            let loaded = side.load(self.seeds.get(0).unwrap_or_default())?;
            if !self.allow_large {
                let refused = |error| format!("{error}; --allow-large runs it all the same");
                Budget::of(&loaded).check(&loaded).map_err(refused)?;
            }
        }
        Ok(sides)
    }
}

/// All runs of A in the order of the seeds, then those of B; none of those that were not finished.
fn work(sides: &[Side; 2], seeds: &[u64], control: &Arc<Control>) -> Vec<Option<Result<Run, Stop>>> {
    let count = 2 * seeds.len();
    let (next, runs) = (AtomicUsize::new(0), Mutex::new((0..count).map(|_| None).collect::<Vec<_>>()));
    let one = || {
        loop {
            // The sides take turns, so that what is wrong with either is found early.
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || control.cancelled.load(Ordering::Relaxed) {
                break;
            }
            let (seed, side) = (number / 2, number % 2);
            let mut run = sides[side].run(seeds[seed], control).map_err(|sentence| (sentence, EXIT_USAGE)).transpose();
            // Ctrl-C ends another build, too, which then has no results.
            if matches!(run, Some(Err(_))) && control.cancelled.swap(true, Ordering::Relaxed) {
                run = None;
            }
            runs.lock().unwrap_or_else(PoisonError::into_inner)[side * seeds.len() + seed] = run;
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(one))));
    runs.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The table of differences; metrics that are equal are only counted.
fn tell(duel: &Duel) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(presets::NOTHING.row_separator));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["receiver", "metric", "A", "B", "B - A", "95 % of the seeds", "p", "B is"]);
    for line in duel.lines.iter().filter(|line| line.comparison.verdict != Verdict::Equal) {
        let one = &line.comparison;
        table.add_row([
            line.receiver.clone(),
            line.metric.clone(),
            shown(one.a),
            shown(one.b),
            shown(one.difference),
            format!("{} to {}", shown(one.band[0]), shown(one.band[1])),
            one.p.map_or_else(String::new, |p| format!("{p:.1e}")),
            one.verdict.word().to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal::say(format_args!("A: {}\nB: {}", duel.sides[0], duel.sides[1]));
    terminal::say(table.trim_fmt());
    let count = |verdict| duel.count(verdict);
    terminal::say(format_args!(
        "B against A, seeds {}: {} metrics better, {} worse, {} equal, {} undecided",
        duel.seeds,
        count(Verdict::Better),
        count(Verdict::Worse),
        count(Verdict::Equal),
        count(Verdict::Undecided),
    ));
    terminal::say(format_args!(
        "(Wilcoxon's signed-rank test of the differences of each seed, two-sided, corrected by Holm: p < {LEVEL}; equal: within {} %)",
        shown(100.0 * duel.margin)
    ));
}
