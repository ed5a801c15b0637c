//! `sim run`: many scenarios, in parallel, with one table at the end.

mod junit;
mod table;

use crate::changes::Changes;
use crate::library::{self, Library};
use crate::terminal::{self, Progress};
use crate::{EXIT_FAILED, EXIT_NOT_JUDGED, EXIT_USAGE, interrupt, is_out_of_space};
use serde::Serialize;
use sim::report::{write_atomically, write_index};
use sim::run::{Budget, Output, SessionError, Summary, claim_folder, command, folder_name, run_into};
use sim::scenario::Loaded;
use sim::world::{Control, RunError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Version of what `--json` prints.
const JSON_VERSION: u32 = 1;

#[derive(clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    library: Library,

    #[command(flatten)]
    changes: Changes,

    /// Also write the verdicts as JUnit's XML, which CI services show.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Print the summaries as JSON in the place of the table.
    #[arg(long)]
    json: bool,

    /// Draw no pictures and write no page: numbers, verdicts and audio only.
    #[arg(long)]
    no_pictures: bool,

    /// Runs scenarios even if they take weeks, or more memory than most machines have.
    #[arg(long)]
    allow_large: bool,

    /// Lets a run pass although some expectations could not be judged, because what they need was
    /// left out.
    #[arg(long)]
    allow_skipped: bool,
}

/// How a scenario's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    /// Every expectation holds.
    Passed,
    /// None fails, and some were skipped.
    Skipped,
    /// One fails, or could not be judged.
    Failed,
    /// The run came to grief.
    Error,
    /// It was stopped.
    Interrupted,
    /// It was not even started, because the command was stopped before.
    NotStarted,
}

/// What came of a scenario.
#[derive(Serialize)]
struct Report {
    scenario: String,
    file: PathBuf,
    folder: PathBuf,
    ending: Ending,
    #[serde(skip)]
    exit_code: u8,
    /// The command that repeats it.
    command: String,
    error: Option<String>,
    summary: Option<Summary>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Reports<'a> {
    version: u32,
    exit_code: u8,
    runs: &'a [Report],
}

pub(crate) fn run(arguments: &Run) -> ExitCode {
    // Threads that are started before would take the signals themselves.
    let control = Arc::new(Control::default());
    interrupt::stop(&control);
    let loaded = match prepare(arguments) {
        Ok(loaded) => loaded,
        Err(wrong) => return library::refuse(&wrong),
    };
    let reports = simulate(arguments, &loaded, &control);
    let cancelled = control.cancelled.load(Ordering::Relaxed);
    let exit_code = if cancelled { interrupt::raw_exit_code() } else { worst(&reports) };
    if arguments.json {
        match serde_json::to_string_pretty(&Reports { version: JSON_VERSION, exit_code, runs: &reports }) {
            Ok(json) => terminal::say(json),
            Err(error) => eprintln!("error: {error}"),
        }
    } else {
        terminal::say(table::render(&reports));
    }
    table::print_failures(&reports);
    if cancelled {
        eprintln!("interrupted: not all scenarios were run to their end");
    }
    let index = write_index(&arguments.changes.reports).map_err(|error| error.to_string());
    let written = arguments.junit.as_ref().map_or(Ok(()), |path| {
        let failed = |error| format!("{}: {error}; choose another file with --junit", path.display());
        write_atomically(path, junit::xml(&reports)).map_err(failed)
    });
    match index.and(written) {
        Err(error) if !cancelled => library::refuse(&[error]),
        _ => ExitCode::from(exit_code),
    }
}

/// Reads all scenarios and takes their folders, before any is run.
fn prepare(arguments: &Run) -> Result<Vec<Loaded>, Vec<String>> {
    let loaded = arguments.library.load(&arguments.changes.overrides())?;
    let mut wrong = Vec::new();
    for one in loaded.iter().filter(|_| !arguments.allow_large) {
        let refused = Budget::of(one).check(one).err();
        wrong.extend(refused.map(|error| format!("{error}; --allow-large runs it all the same")));
    }
    for one in loaded.iter().filter(|_| wrong.is_empty()).collect::<Vec<_>>() {
        let claimed = claim_folder(&arguments.changes.reports.join(folder_name(one)), &one.path);
        wrong.extend(claimed.err().map(|error| error.to_string()));
    }
    if wrong.is_empty() { Ok(loaded) } else { Err(wrong) }
}

/// Runs all, as many at a time as there are processors, the longest first.
fn simulate(arguments: &Run, loaded: &[Loaded], control: &Arc<Control>) -> Vec<Report> {
    let controls: Vec<Arc<Control>> = loaded.iter().map(|_| Arc::new(Control::default())).collect();
    let mut order: Vec<usize> = (0..loaded.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(crate::total_ms(&loaded[index])));
    let total_ms = loaded.iter().map(crate::total_ms).sum();
    let progress = {
        let (controls, control) = (controls.clone(), Arc::clone(control));
        Progress::follow(&format!("{} scenarios", loaded.len()), total_ms, move || {
            let is_cancelled = control.cancelled.load(Ordering::Relaxed);
            let stop = |one: &Arc<Control>| {
                one.cancelled.fetch_or(is_cancelled, Ordering::Relaxed);
                one.progress_ms.load(Ordering::Relaxed)
            };
            controls.iter().map(stop).sum()
        })
    };
    let reports = Mutex::new(loaded.iter().map(|_| None).collect::<Vec<Option<Report>>>());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if control.cancelled.load(Ordering::Relaxed) {
                break;
            }
            let report = report(arguments, &loaded[index], &controls[index]);
            reports.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(report);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(loaded.len());
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    progress.finish();
    let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    let not_started = |one| {
        let exit_code = interrupt::raw_exit_code();
        Report { ending: Ending::NotStarted, exit_code, ..Report::of(arguments, one) }
    };
    reports.into_iter().zip(loaded).map(|(report, one)| report.unwrap_or_else(|| not_started(one))).collect()
}

impl Report {
    /// That of a run of which nothing is known yet.
    fn of(arguments: &Run, loaded: &Loaded) -> Self {
        Self {
            scenario: loaded.name.clone(),
            file: loaded.path.clone(),
            folder: arguments.changes.reports.join(folder_name(loaded)),
            ending: Ending::Passed,
            exit_code: 0,
            command: command(loaded, Some(&arguments.changes.reports)),
            error: None,
            summary: None,
        }
    }
}

fn report(arguments: &Run, loaded: &Loaded, control: &Control) -> Report {
    let folder = arguments.changes.reports.join(folder_name(loaded));
    let session = run_into(loaded, Output { folder: &folder, pictures: !arguments.no_pictures }, control);
    let (ending, exit_code, error, summary) = match session {
        Ok(session) => {
            let (ending, code) = ending(&session.summary, session.cancelled, arguments.allow_skipped);
            (ending, code, None, Some(session.summary))
        }
        Err(error) => (Ending::Error, exit_code_of(&error), Some(error.to_string()), None),
    };
    Report { folder, ending, exit_code, error, summary, ..Report::of(arguments, loaded) }
}

fn ending(summary: &Summary, cancelled: bool, allow_skipped: bool) -> (Ending, u8) {
    let fails = summary.expectations.iter().any(|judgement| !judgement.holds && !judgement.skipped);
    match (cancelled, fails, summary.skipped > 0) {
        (true, ..) => (Ending::Interrupted, interrupt::raw_exit_code()),
        (_, true, _) => (Ending::Failed, EXIT_FAILED),
        (_, _, true) => (Ending::Skipped, if allow_skipped { 0 } else { EXIT_NOT_JUDGED }),
        _ => (Ending::Passed, 0),
    }
}

/// The exit code of a run that came to grief: a folder or file that cannot be written is the user's
/// to mend, but for a disk that is full.
pub(crate) fn exit_code_of(error: &SessionError) -> u8 {
    let failed = matches!(error, SessionError::Run(RunError::Stream(_) | RunError::Invariant { .. }));
    if failed || is_out_of_space(error) { EXIT_FAILED } else { EXIT_USAGE }
}

/// The exit code of the worst run: bad input, then a failure, then what was skipped.
fn worst(reports: &[Report]) -> u8 {
    let rank = |code: &u8| [0, EXIT_NOT_JUDGED, EXIT_FAILED, EXIT_USAGE].iter().position(|other| other == code);
    reports.iter().map(|report| report.exit_code).max_by_key(|code| rank(code)).unwrap_or(0)
}

/// The path of a file as links and commands write it.
fn shown(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}
