#![forbid(unsafe_code)]
//! Command line of the simulator: `sim scenarios/unlock_recover.toml`.

mod ab_command;
mod bench_command;
mod changes;
mod history_command;
mod interrupt;
mod library;
mod mutants_command;
mod run_command;
mod sweep_command;
mod terminal;

use bench_command::Bench;
use changes::Changes;
use clap::{CommandFactory, Parser, Subcommand};
use library::Library;
use run_command::exit_code_of;
use sim::replay;
use sim::report::{render_table, write_index};
use sim::run::{Budget, Session, SessionError, claim_folder, command, first_difference, folder_name, run};
use sim::scenario::{Audio, Keys, Loaded, ScenarioError};
use sim::signal::programme;
use sim::world::{Control, RunError};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use terminal::Progress;

/// A failed expectation, a violated invariant, or a run that could not be finished.
const EXIT_FAILED: u8 = 1;
/// Every expectation that was judged holds, and some were skipped.
const EXIT_NOT_JUDGED: u8 = 3;
/// Bad input.
const EXIT_USAGE: u8 = 2;

/// Simulates a whole network audio chain, and reports what a listener would have heard.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    scenario: ScenarioArguments,
}

const EXAMPLES: &str = "\
Examples:
  sim scenarios/unlock_recover.toml
  sim scenarios/unlock_recover.toml --seed 7 --set card.callback_frames=480
  sim scenarios/unlock_recover.toml --set 'record.audio=\"none\"' --check-determinism
  sim run --junit verdicts.xml                      all of scenarios/, one table
  sim history unlock_recover --metric latency_ms    trends of earlier runs
  sim sweep scenarios/gm_switch.toml --seeds 1..100 --vary card.callback_frames=48,240,480
  sim ab scenarios/gm_switch.toml --a card.callback_frames=48 --b card.callback_frames=480
  sim explain card.callback_frames                  what a key of a scenario means
  sim replay field.csv                              a trace of `aes67 play --trace field.csv`
  sim bench clocks --seeds 4
  sim bench resamplers
  sim mutants --mutant gain --verdicts scenarios/wrap.toml
  sim make-programme speech_and_music.wav

Exit code: 0 if every expectation holds, 1 if one fails or rests on too little to be judged, 2 for bad input, 3 if none fails and some were
skipped (as with record.audio=\"none\") without --allow-skipped, 130 after Ctrl-C, 143 after SIGTERM.";

#[derive(Subcommand)]
enum Command {
    /// Runs scenarios in parallel, with one table at the end; the exit code is that of the worst.
    Run(run_command::Run),
    /// Runs a scenario with many seeds and values of keys, and tells how every metric varies.
    ///
    /// Finished runs are kept in the folder for the reports: after Ctrl-C the same command goes on.
    Sweep(sweep_command::Sweep),
    /// Puts the shards of a sweep together, which several machines have run.
    Merge(sweep_command::Merge),
    /// Compares two settings, laws or builds in the same weather: which is better, by which metric.
    Ab(ab_command::Ab),
    /// Says whether scenario files are valid, and runs nothing.
    Check {
        #[command(flatten)]
        library: Library,

        /// Changes a value of every scenario; may be given several times.
        #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Lists scenarios with length, number of receivers and title.
    List {
        #[command(flatten)]
        library: Library,
    },
    /// Explains the keys of a scenario, faults and metrics included: unit, range, default, meaning.
    Explain {
        /// The key, such as `callback_frames` or `card.callback_frames`; all if none is given.
        key: Option<String>,

        /// Print a JSON Schema instead, by which editors complete and check scenario files.
        #[arg(long, conflicts_with = "key")]
        json_schema: bool,
    },
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes the synthetic speech-and-music programme of the scenarios.
    MakeProgramme {
        /// The WAV file to write.
        file: PathBuf,
    },
    /// Shows a trace of `aes67 play --trace` in the same way as the simulator's own.
    Replay {
        /// The trace: a CSV file.
        file: PathBuf,

        /// Folder for the pictures; a folder named after the trace is made in it.
        #[arg(long, value_name = "DIR", default_value = "reports")]
        reports: PathBuf,
    },
    /// Seeds faults into the engine, and requires that the verdicts about them fail.
    Mutants(mutants_command::Mutants),
    /// Shows how the main metrics of runs changed from one run to the next, and writes
    /// `history.html`.
    History(history_command::History),
    /// Compares control laws in many runs.
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(clap::Args)]
struct ScenarioArguments {
    /// The scenario file.
    scenario: Option<PathBuf>,

    #[command(flatten)]
    changes: Changes,

    /// Runs the scenario twice and compares the trajectories.
    #[arg(long)]
    check_determinism: bool,

    /// Runs the scenario even if it takes weeks, or more memory than most machines have.
    #[arg(long)]
    allow_large: bool,

    /// Lets a run pass although some expectations could not be judged, because what they need was
    /// left out.
    #[arg(long)]
    allow_skipped: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match (arguments.command, &arguments.scenario.scenario) {
        (Some(Command::Run(arguments)), _) => run_command::run(&arguments),
        (Some(Command::Sweep(arguments)), _) => sweep_command::run(&arguments),
        (Some(Command::Merge(arguments)), _) => sweep_command::run_merge(&arguments),
        (Some(Command::Ab(arguments)), _) => ab_command::run(&arguments),
        (Some(Command::Check { library, overrides }), _) => library::check(&library, &overrides),
        (Some(Command::List { library }), _) => library::list(&library),
        (Some(Command::Explain { key, json_schema }), _) => explain(key.as_deref(), json_schema),
        (Some(Command::Completions { shell }), _) => completions(shell),
        (Some(Command::MakeProgramme { file }), _) => make_programme(&file),
        (Some(Command::Replay { file, reports }), _) => replay(&file, &reports),
        (Some(Command::Mutants(arguments)), _) => mutants_command::run(&arguments),
        (Some(Command::History(arguments)), _) => history_command::run(&arguments),
        (Some(Command::Bench { what }), _) => bench_command::run(&what),
        (None, Some(path)) => simulate(path, &arguments.scenario),
        (None, None) => {
            eprintln!("error: give a scenario file, such as scenarios/unlock_recover.toml");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn explain(key: Option<&str>, json_schema: bool) -> ExitCode {
    let told = Keys::read().map_err(|error| error.to_string()).and_then(|keys| match key {
        _ if json_schema => serde_json::to_string_pretty(&keys.json_schema()).map_err(|error| error.to_string()),
        Some(key) => keys.explain(key),
        None => Ok(keys.all()),
    });
    match told {
        Ok(text) => {
            terminal::say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => library::refuse(&[error]),
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    // Into memory first: the generator panics where nobody reads to the end.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "sim", &mut script);
    terminal::say(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

fn make_programme(file: &Path) -> ExitCode {
    match programme::write(file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", file.display());
            ExitCode::from(if is_out_of_space(&error) { EXIT_FAILED } else { EXIT_USAGE })
        }
    }
}

/// Whether the cause of an error is a full disk, which is not bad input.
fn is_out_of_space(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    let is_full =
        |error: &std::io::Error| matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero);
    let mut next = Some(error);
    while let Some(error) = next {
        let full = match (error.downcast_ref(), error.downcast_ref()) {
            (Some(io), _) | (_, Some(hound::Error::IoError(io))) => is_full(io),
            _ => false,
        };
        if full {
            return true;
        }
        next = error.source();
    }
    false
}

fn replay(file: &Path, reports: &Path) -> ExitCode {
    let shown = replay::load(file).and_then(|trace| {
        let folder = reports.join(&trace.scenario);
        replay::draw(&trace, &folder)?;
        Ok((trace, folder))
    });
    match shown {
        Ok((trace, folder)) => {
            terminal::say(&trace.title);
            terminal::say(render_table(&replay::sums(&trace), false));
            for recording in &trace.recordings {
                for event in &recording.events {
                    terminal::say(format_args!("{}: {} s: {}", recording.receiver, event.time_s, event.text));
                }
            }
            terminal::say(format_args!("reports: {}", folder.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if is_out_of_space(&error) { EXIT_FAILED } else { EXIT_USAGE })
        }
    }
}

fn simulate(path: &Path, arguments: &ScenarioArguments) -> ExitCode {
    let refused = |error: &dyn Error, right: &str| {
        eprintln!("error: {error}{right}");
        ExitCode::from(EXIT_USAGE)
    };
    let loaded = match load(path, arguments) {
        Ok(loaded) => loaded,
        Err(error) => return refused(&error, ""),
    };
    match Budget::of(&loaded).check(&loaded) {
        Err(error) if !arguments.allow_large => refused(&error, "; --allow-large runs it all the same"),
        _ => report(&loaded, arguments),
    }
}

fn load(path: &Path, arguments: &ScenarioArguments) -> Result<Loaded, ScenarioError> {
    Loaded::read(path, &arguments.changes.overrides())
}

fn report(loaded: &Loaded, arguments: &ScenarioArguments) -> ExitCode {
    let control = Arc::new(Control::default());
    interrupt::stop(&control);
    let folder = arguments.changes.reports.join(folder_name(loaded));
    if let Err(error) = claim_folder(&folder, &loaded.path) {
        eprintln!("error: {error}");
        return ExitCode::from(EXIT_USAGE);
    }
    let progress = Progress::start(&loaded.name, total_ms(loaded), &control);
    let session = run(loaded, Some(&folder), &control);
    let session = session.and_then(|session| {
        write_index(&arguments.changes.reports)?;
        Ok(session)
    });
    let elapsed = progress.finish();
    match session {
        Ok(session) if session.cancelled => {
            eprintln!("interrupted: what was simulated so far is in {}", folder.display());
            interrupt::exit_code()
        }
        Ok(session) => {
            terminal::print(loaded, &session, &folder, elapsed);
            if !arguments.check_determinism {
                return conclude(loaded, arguments, &session, true);
            }
            match is_deterministic(loaded, &session, &control) {
                Some(deterministic) => conclude(loaded, arguments, &session, deterministic),
                None => {
                    eprintln!("interrupted: the second run was not compared");
                    interrupt::exit_code()
                }
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            if let SessionError::Run(RunError::Stream(_) | RunError::Invariant { .. }) = error {
                eprintln!("reproduce with: {}", repeat(loaded, arguments));
            }
            ExitCode::from(exit_code_of(&error))
        }
    }
}

/// Simulated time of all receivers together.
fn total_ms(loaded: &Loaded) -> u64 {
    (loaded.scenario.duration_s.get() * loaded.scenario.receivers.len() as f64 * 1e3) as u64
}

fn conclude(loaded: &Loaded, arguments: &ScenarioArguments, session: &Session, deterministic: bool) -> ExitCode {
    let skipped = session.summary.skipped;
    let fails = session.summary.expectations.iter().any(|judgement| !judgement.holds && !judgement.skipped);
    if deterministic && !fails && (skipped == 0 || arguments.allow_skipped) {
        return ExitCode::SUCCESS;
    }
    if deterministic && !fails {
        terminal::print_skipped(session);
        eprintln!("not judged: {skipped} expectations were skipped; --allow-skipped takes that for a pass");
        return ExitCode::from(EXIT_NOT_JUDGED);
    }
    terminal::print_failures(session);
    eprintln!("reproduce with: {}", repeat(loaded, arguments));
    ExitCode::from(EXIT_FAILED)
}

/// The command that repeats a run.
fn repeat(loaded: &Loaded, arguments: &ScenarioArguments) -> String {
    let check = if arguments.check_determinism { " --check-determinism" } else { "" };
    command(loaded, Some(&arguments.changes.reports)) + check
}

/// Whether a second run without files follows the same trajectory; `None` if it was stopped.
fn is_deterministic(loaded: &Loaded, first: &Session, control: &Control) -> Option<bool> {
    let mut again = loaded.clone();
    // Without a folder, nobody listens either; but the same is played.
    if again.scenario.record.audio != Audio::None {
        again.scenario.record.audio = Audio::Full;
    }
    let second = match run(&again, None, control) {
        Ok(second) if second.cancelled => return None,
        Ok(second) => second,
        Err(error) => {
            eprintln!("error: {error}");
            return Some(false);
        }
    };
    let difference = first_difference(first, &second);
    match &difference {
        Some(difference) => eprintln!("not deterministic: {difference}"),
        None => terminal::say("deterministic: two runs, the same trajectory"),
    }
    Some(difference.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also that the scenarios are valid with what a document changes of them.
    #[test]
    fn every_command_line_in_the_documents_is_one_of_ours() {
        let root = documents::root().expect("tests run within a checkout");
        let commands = documents::commands_of(documents::Program::Sim).expect("the documents can be read");
        assert!(commands.len() > 20, "{} commands are not all that the documents have", commands.len());
        for documents::CommandLine { place, arguments, .. } in commands {
            let words = std::iter::once("sim".to_owned()).chain(arguments);
            let arguments = Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{place}: {error}"));
            let wrong = match &arguments.command {
                Some(Command::Sweep(sweep)) => sweep.plan(&root.join(&sweep.scenario)).err(),
                Some(Command::Ab(ab)) => ab.sides(&root.join(&ab.scenario)).err(),
                _ => None,
            };
            assert_eq!(wrong, None, "{place}");
            let scenario = arguments.scenario.scenario.as_ref().map(|path| root.join(path));
            if let Some(path) = scenario.filter(|path| path.exists())
                && let Err(error) = load(&path, &arguments.scenario)
            {
                panic!("{place}: {error}");
            }
        }
    }
}
