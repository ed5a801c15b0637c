//! The tools of a case: hosts, programs, figures.

use super::measure::{number, objects};
use super::pauses::{self, Watch};
use netns::{Missing, Running, Stopped, Wire};
use serde_json::Value;
use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// The reason why a case did not pass.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This machine lacks something that the case needs.
    Skipped(String),
    /// The case failed.
    Failed(String),
}

/// The result of a case.
pub(super) type Outcome = Result<(), Trouble>;

/// The form in which a case is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Runs for minutes instead of seconds.
    pub(super) long: bool,
    /// Runs in an emulated machine.
    pub(super) emulated: bool,
}

impl Form {
    /// The command line options for this form, each followed by a space.
    pub(super) fn options(self) -> String {
        [(self.emulated, "--emulated "), (self.long, "--long ")]
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, text)| *text)
            .collect()
    }
}

/// A case's bench.
pub(super) struct Bench {
    program: PathBuf,
    form: Form,
}

impl Bench {
    /// Runs a case with this `aes67`; its panics are failures.
    pub(super) fn run(program: &Path, form: Form, case: fn(&Self) -> Outcome) -> Outcome {
        let bench = Self { program: program.to_owned(), form };
        catch_unwind(AssertUnwindSafe(|| case(&bench))).unwrap_or_else(|panic| Err(Trouble::Failed(words(&*panic))))
    }

    /// Creates hosts, and checks that the programs that they need in addition to `aes67` are
    /// installed.
    pub(super) fn wire(&self, hosts: &[char], tools: &[&str]) -> Result<Wire, Trouble> {
        Wire::new(hosts, tools).map_err(|missing| match missing {
            // In the emulated machine, everything is permitted.
            Missing::Refused(reason) if self.form.emulated => Trouble::Failed(reason),
            Missing::Tool(reason) | Missing::Refused(reason) => Trouble::Skipped(reason),
        })
    }

    /// Whether the long form was asked for.
    pub(super) fn is_long(&self) -> bool {
        self.form.long
    }

    /// Whether this machine is emulated.
    pub(super) fn is_emulated(&self) -> bool {
        self.form.emulated
    }

    /// Whether the case runs alone on the machine. Only then may it fail because of a claim about
    /// time.
    pub(super) fn is_alone(&self) -> bool {
        self.form.long || self.form.emulated
    }

    /// Selects the duration of the short or the long form, s.
    pub(super) fn seconds(&self, short: u32, long: u32) -> u32 {
        if self.form.long { long } else { short }
    }

    /// The `aes67` under test.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// `aes67` on a host, with arguments that have no spaces.
    pub(super) fn aes67(&self, wire: &Wire, host: char, arguments: &str) -> Command {
        let mut command = wire.command(host, &self.program);
        command.args(arguments.split_whitespace());
        command
    }

    /// Starts it.
    pub(super) fn start(&self, wire: &Wire, host: char, arguments: &str) -> Running {
        wire.start(self.aes67(wire, host, arguments))
    }

    /// Another program or library of the workspace, built beside `aes67`; libraries that were built
    /// for tests are in `deps`.
    pub(super) fn beside(&self, name: &str) -> Result<PathBuf, Trouble> {
        let places = ["deps", ""].map(|folder| self.program.with_file_name(folder).join(name));
        let missing = || Trouble::Skipped(format!("{} is not built (cargo build)", places[1].display()));
        places.iter().find(|place| place.is_file()).cloned().ok_or_else(missing)
    }

    /// Runs the simulator in the folder of the hosts.
    pub(super) fn simulator(&self, wire: &Wire, arguments: &[&str]) -> Result<Stopped, Trouble> {
        let mut command = Command::new(self.beside("sim")?);
        command.args(arguments).current_dir(wire.folder());
        Ok(wire.start(command).wait(120))
    }

    /// Records a measured value.
    pub(super) fn figure(&self, name: &str, value: impl Display) {
        println!("    {name}: {value}");
    }

    /// Fails if a claim does not hold.
    pub(super) fn check(&self, holds: bool, claim: impl Display) -> Outcome {
        if holds { Ok(()) } else { Err(Trouble::Failed(claim.to_string())) }
    }

    /// Pauses of the machine, as [`pauses::of`] returns them. An emulated machine has none: if a
    /// program waits there, a program of the case causes it.
    pub(super) fn disturbances(&self, watch: &Watch) -> Vec<(f64, f64)> {
        if self.form.emulated { Vec::new() } else { pauses::of(watch) }
    }

    /// Fails if a claim about time does not hold although the machine had no pause. A short form
    /// that runs in parallel with other tests only reports this.
    pub(super) fn check_undisturbed(&self, watch: &Watch, holds: bool, claim: impl Display) -> Outcome {
        if holds {
            return Ok(());
        }
        let pauses = self.disturbances(watch);
        let longest_ms = pauses.iter().map(|pause| pause.1).fold(0.0, f64::max);
        if pauses.is_empty() && self.is_alone() {
            return Err(Trouble::Failed(claim.to_string()));
        }
        self.figure(
            "not held",
            format_args!("{claim}; the machine stood still {} times, {longest_ms:.0} ms at most", pauses.len()),
        );
        Ok(())
    }

    /// Fails if a claim does not hold that holds on any machine but one that stands still for at
    /// least so long at once: then it only says so.
    pub(super) fn check_unless_paused(
        &self,
        watch: &Watch,
        pause_ms: f64,
        holds: bool,
        claim: impl Display,
    ) -> Outcome {
        let longest_ms = self.disturbances(watch).iter().map(|pause| pause.1).fold(0.0, f64::max);
        if holds || longest_ms < pause_ms {
            return self.check(holds, claim);
        }
        self.figure("not held", format_args!("{claim}; the machine stood still for {longest_ms:.0} ms"));
        Ok(())
    }

    /// Fails if something took longer than `limit_s`, and longer by more than the machine stood
    /// still in all.
    pub(super) fn check_within(&self, watch: &Watch, took_s: f64, limit_s: f64, what: &str) -> Outcome {
        let paused_s = self.disturbances(watch).iter().map(|pause| pause.1 / 1e3).sum::<f64>();
        self.check(
            took_s < limit_s + paused_s,
            format!("{what} took {took_s:.2} s, not {limit_s} s, and the machine stood still for {paused_s:.2} s"),
        )
    }

    /// What the JSON lines of a program that began `began_s` after the watch count under `name`,
    /// with a line a second for each of so many streams, in the seconds in which the machine did
    /// not stand still, and no other disturbance is known: nothing, or a case that is alone fails.
    pub(super) fn check_quiet_seconds(
        &self,
        (watch, others): (&Watch, &[(f64, f64)]),
        (began_s, log): (f64, &str),
        streams: usize,
        name: &str,
    ) -> Outcome {
        let row = |lines: &[Value]| {
            let count = lines.iter().map(|line| number(line, name)).sum();
            (lines.first().map_or(0.0, |line| number(line, "elapsed_s")), count)
        };
        let lines = objects(log);
        let rows = std::iter::once((0.0, 0.0)).chain(lines.chunks_exact(streams).map(row));
        let rows: Vec<(f64, f64)> = rows.collect();
        let all_s = rows.last().map_or(0.0, |row| row.0);
        let disturbances = [&self.disturbances(watch)[..], others].concat();
        let quiet = pauses::between(&disturbances, began_s, &rows);
        self.figure(
            &format!("{name} while nothing stood still"),
            format_args!("{} in {:.0} of {all_s:.0} s", quiet.counted, quiet.seconds),
        );
        let holds = quiet.counted == 0.0 || !self.is_alone();
        self.check(holds, format!("{} {name} that no pause of the machine explains", quiet.counted))
    }
}

/// Runs a program of a host to its end, with arguments that have no spaces.
pub(super) fn output(wire: &Wire, host: char, program: &str, arguments: &str, seconds: u32) -> Stopped {
    let mut command = wire.command(host, program);
    command.args(arguments.split_whitespace());
    wire.start(command).wait(seconds)
}

/// Reads a file that a program should have written; `said` is the program's other output, for the
/// error message.
pub(super) fn read(path: &Path, said: &str) -> Result<Vec<u8>, Trouble> {
    std::fs::read(path).map_err(|error| Trouble::Failed(format!("{}: {error}\n{said}", path.display())))
}

/// Writes a file that programs will read.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Outcome {
    std::fs::write(path, bytes).map_err(|error| Trouble::Failed(format!("{}: {error}", path.display())))
}

/// Waits.
pub(super) fn pause(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds));
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "it panicked".to_owned())
}
