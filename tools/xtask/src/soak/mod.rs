//! `cargo xtask soak`: everything runs for hours, with random attacks and faults that depend on a
//! seed. One of these must be the cause of each glitch; the use of memory, threads and open files
//! must not grow.
//!
//! Model: two grandmasters of linuxptp, a sender of ours on PTP, a player, a recorder and a PTP
//! client of ours, a program that plays by BASS and the add-on (where BASS was fetched), a slave of
//! linuxptp, and the attacker of [`attack`](crate::attack), on one wire. There is one fault at a
//! time, followed by a quiet time in which everything must recover: a glitch after that has no
//! cause. A pause of the machine itself is also a cause.

mod account;
mod faults;
mod scene;

use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::absolute;
use account::{Account, Fault};
use clap::Args;
use faults::Schedule;
use scene::{BassHost, Programs, Scene};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Examples, shown by `cargo xtask soak --help`.
const EXAMPLES: &str = "\
Examples:
  cargo xtask soak                            two hours
  cargo xtask soak --hours 0.1 --seed 7       six minutes, of other faults
  cargo xtask soak --program other/aes67      of another build

Needs root, and ptp4l. INTEROP_KEEP=1 in the environment keeps the folder with every log.
Exit code: 0 if each glitch has a cause and all resources are flat, 1 if not, 77 if this machine cannot run it.";

/// Interval at which programs are checked.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SoakArgs {
    /// How long
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    hours: f64,

    /// The faults and their times; the same for the same number
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Use this `aes67` instead of building one; the add-on and the example `input_lab` are taken
    /// from the same build
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn run(args: &SoakArgs) -> ExitCode {
    if !(args.hours > 0.0 && args.hours <= 1000.0) {
        eprintln!("error: --hours is {}, and must be above 0 and at most 1000", args.hours);
        return ExitCode::from(2);
    }
    let programs = match programs(args) {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(error.exit_code());
        }
    };
    let wire = match netns::Wire::new(&scene::HOSTS, &["ptp4l", "chrt", "taskset"]) {
        Ok(wire) => wire,
        Err(missing) => {
            eprintln!("skipped: {missing}");
            return ExitCode::from(crate::interop::EXIT_SKIPPED);
        }
    };
    if std::env::var_os(netns::KEEP).is_some() {
        println!("logs: {}", wire.folder().display());
    }
    match soak(args, &wire, &programs) {
        Ok(account) => {
            print!("{account}");
            if account.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Finds or builds the programs of the soak.
fn programs(args: &SoakArgs) -> Result<Programs, Error> {
    let target = absolute(&crate::target_folder());
    let has_bass = crate::bass::is_there(&target);
    let aes67 = match &args.program {
        Some(program) => absolute(program),
        None => {
            Cmd::cargo("build --locked -p aes67").run()?;
            if has_bass {
                Cmd::cargo("build --locked -p bass-plugin --lib --example input_lab").run()?;
            }
            target.join("debug/aes67")
        }
    };
    if !has_bass {
        println!("without a program that plays by BASS: `cargo xtask bass-fetch` fetches BASS");
        return Ok(Programs { aes67, bass: None });
    }
    let build = aes67.parent().unwrap_or(Path::new("."));
    let bass = BassHost {
        program: build.join("examples/input_lab"),
        bass: target.join("bass/libbass.so"),
        addon: build.join("libbass_aes67.so"),
    };
    Ok(Programs { aes67, bass: Some(bass) })
}

fn soak(args: &SoakArgs, wire: &netns::Wire, programs: &Programs) -> Result<Account, String> {
    let mut scene = Scene::start(wire, programs)?;
    let mut account = Account::default();
    // A stream starts to play at a time derived from its arrivals, and jumps once when PTP time is
    // known.
    account.faults.push(Fault { name: "the start".to_owned(), begin_s: 0.0, end_s: scene.elapsed_s() });
    let mut schedule = Schedule::new(args.seed, scene.roles());
    let lasts_s = args.hours * 3600.0;
    while scene.elapsed_s() < lasts_s && crate::interrupt::check().is_ok() {
        let (wait_s, plan) = schedule.next();
        watch(&mut scene, &mut account, wait_s)?;
        if scene.elapsed_s() >= lasts_s {
            break;
        }
        let begin_s = scene.elapsed_s();
        println!("{begin_s:.0} s: {plan}");
        scene.begin(&plan)?;
        watch(&mut scene, &mut account, plan.seconds())?;
        scene.end(&plan)?;
        account.faults.push(Fault { name: plan.to_string(), begin_s, end_s: scene.elapsed_s() });
    }
    watch(&mut scene, &mut account, faults::QUIET_S)?;
    account.pauses = scene.pauses();
    Ok(account)
}

/// Checks all programs for some seconds.
fn watch(scene: &mut Scene<'_>, account: &mut Account, seconds: f64) -> Result<(), String> {
    let until = now() + Duration::from_secs_f64(seconds);
    loop {
        scene.look(account)?;
        let left = until.saturating_duration_since(now());
        if left.is_zero() || crate::interrupt::check().is_err() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}

#[expect(clippy::disallowed_methods, reason = "hours of real time are what is run")]
fn now() -> Instant {
    Instant::now()
}
