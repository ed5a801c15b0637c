//! `cargo xtask attack`: what a stranger on the network can do to streams, to announcements, and to
//! our clocks, compared with a client of linuxptp under the same attack.
//!
//! Each row of the table is one attack, in hosts of its own: see [`clock`] and [`stream`] for the
//! measurement and the criteria, and [`rows`] for the list, to which a new attack is added. Some
//! rows run at once: their programs sleep most of the time.

mod clock;
pub(crate) mod forge;
mod judge;
mod rows;
mod sound;
mod stream;
mod table;

use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::absolute;
use clap::Args;
pub(crate) use forge::Random;
use rows::{Row, Target};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;
use table::{Line, Outcome};

/// Examples, shown by `cargo xtask attack --help`.
const EXAMPLES: &str = "\
Examples:
  cargo xtask attack                                    the table, about 10 minutes
  cargo xtask attack --list                             the attacks
  cargo xtask attack --only replay-500,gm-flaps-1s      two of them
  cargo xtask attack --only followup                    all whose name begins so
  cargo xtask attack --program other/aes67 --json f     of another build, and the figures in a file

A row fails if a clock says LOCKED or HOLDOVER while it is more than 1 ms off, leaves both although it was locked, or is not locked and within 100 us 10 s after the end of
the attack. Where a client starts during an attack, it has to lock within 10 s.
Needs root, and ptp4l. INTEROP_KEEP=1 in the environment keeps the folders with every log.
Exit code: 0 if no row failed, 1 if one did, 77 if this machine cannot run them.";

/// A measured value, or the reason why it could not be measured.
type Result<T> = std::result::Result<T, String>;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AttackArgs {
    /// List the attacks without running them
    #[arg(long)]
    list: bool,

    /// Run only the attacks whose names are or begin with these; repeat the option or separate
    /// names with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// Duration of each attack, instead of its default
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,

    /// Number of rows that run at once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=16))]
    at_once: u8,

    /// Number of our clients under each attack
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    clients: u8,

    /// Options for our clients, such as a list of acceptable masters
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    client_options: String,

    /// Use this `aes67` instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// Also write the table to this file, as JSON with one object per row
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Options for all rows.
struct Options {
    program: PathBuf,
    seconds: Option<f64>,
    clients: usize,
    client_options: String,
}

/// Runs the requested attacks.
pub(crate) fn run(args: &AttackArgs) -> ExitCode {
    let chosen = match select(&args.only) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            eprintln!("error: no attack's name begins with {unknown}; `cargo xtask attack --list` names them");
            return ExitCode::from(2);
        }
    };
    if args.list {
        chosen.iter().for_each(|row| println!("{:<30} {}", row.name, row.help));
        return ExitCode::SUCCESS;
    }
    if let Err(missing) = netns::Wire::new(&['a', 'b', 'c'], &["ptp4l", "chrt"]) {
        eprintln!("skipped: {missing}");
        return ExitCode::from(crate::interop::EXIT_SKIPPED);
    }
    match program(args).and_then(|program| run_all(args, program, &chosen)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The requested rows, by their names or beginnings of names; all if none are given.
fn select(only: &[String]) -> std::result::Result<Vec<&'static Row>, String> {
    let is_name = |name: &str| rows::all().any(|row| row.name == name);
    let is_meant = |row: &Row, name: &str| row.name == name || row.name.starts_with(name) && !is_name(name);
    if let Some(unknown) = only.iter().find(|name| !rows::all().any(|row| is_meant(row, name))) {
        return Err(unknown.clone());
    }
    Ok(rows::all().filter(|row| only.is_empty() || only.iter().any(|name| is_meant(row, name))).collect())
}

/// The `aes67` that is attacked.
fn program(args: &AttackArgs) -> std::result::Result<PathBuf, Error> {
    if let Some(program) = &args.program {
        return Ok(absolute(program));
    }
    Cmd::cargo("build --locked -p aes67").run()?;
    Ok(absolute(&crate::target_folder()).join("debug/aes67"))
}

/// Runs rows, some at once. Returns how many failed.
fn run_all(args: &AttackArgs, program: PathBuf, rows: &[&'static Row]) -> std::result::Result<usize, Error> {
    let options = Options {
        program,
        seconds: args.seconds,
        clients: args.clients.into(),
        client_options: args.client_options.clone(),
    };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..args.at_once {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if crate::interrupt::check().is_err() {
                        return;
                    }
                    let line = one(row, &options);
                    println!("{line}");
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
                }
            });
        }
    });
    crate::interrupt::check()?;
    let mut lines = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    lines.sort_by_key(|line| rows.iter().position(|row| row.name == line.row.name));
    let failed = lines.iter().filter(|line| line.has_failed()).count();
    for target in [Target::Clock, Target::Stream, Target::Announcement] {
        let part: Vec<&Line> = lines.iter().filter(|line| line.row.target == target).collect();
        if !part.is_empty() {
            println!("\n{}", table::head(target));
            part.iter().for_each(|line| println!("{line}"));
        }
    }
    println!("{} passed, {failed} failed{}", lines.len() - failed, load());
    if let Some(path) = &args.json {
        table::write(path, &lines)?;
    }
    Ok(failed)
}

/// Runs a row. Its errors, including a panic, are its result.
fn one(row: &'static Row, options: &Options) -> Line {
    let run = || -> Result<Box<dyn Outcome + Send>> {
        Ok(match row.target {
            Target::Clock => Box::new(clock::run(row, options)?),
            Target::Stream | Target::Announcement => Box::new(stream::run(row, options)?),
        })
    };
    let measured = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    let measured = measured.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| "the measurement panicked".to_owned()))
    });
    Line::new(row, measured)
}

/// The names of the rows in which packets are forged by an attacker alone.
pub(crate) fn forged_names() -> Vec<&'static str> {
    let is_forged = |row: &&Row| matches!(row.attack, rows::Attack::Forged(_)) && !row.name.starts_with(rows::CONTROL);
    rows::all().filter(is_forged).map(|row| row.name).collect()
}

/// A warning if the machine is busy: if the load exceeds the number of processors, measurements of
/// sound include disturbances of the machine.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let last_minutes = text.split(' ').nth(1).map(|load| format!("; load of the last 5 minutes: {load}"));
    last_minutes.unwrap_or_default()
}

/// Prints where a row's files are, if they are kept.
fn tell_folder(row: &Row, wire: &netns::Wire) {
    if std::env::var_os(netns::KEEP).is_some() {
        println!("    {}: {}", row.name, wire.folder().display());
    }
}

#[expect(clippy::disallowed_methods, reason = "an attack and what follows it are measured by time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name_or_by_its_begin() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(ToString::to_string).collect();
            select(&only).map(|rows| rows.iter().map(|row| row.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["replay-500"]).unwrap(), ["replay-500"]);
        assert_eq!(names(&["replay-5"]).unwrap(), ["replay-500", "replay-500-spoofed"]);
        assert_eq!(names(&["nothing"]), Err("nothing".to_owned()));
    }

    #[test]
    fn names_are_not_used_twice() {
        let all = select(&[]).unwrap();
        assert_eq!(all.len(), rows::all().count());
        assert!(all.iter().all(|row| all.iter().filter(|other| other.name == row.name).count() == 1));
    }
}
