//! `cargo xtask interop`: `aes67` against programs of other authors, on one wire of network
//! namespaces.
//!
//! A case is one function: it makes its hosts ([`Bench::wire`]), starts peers and `aes67` on them,
//! records [figures](Bench::figure), and fails by [`Bench::check`] or a panic. To add a case, write
//! it in a file of `cases/` and name it in [`cases::ALL`]. Each case has a short form of some
//! seconds, which the test suite also runs (`tests/interop.rs`, one test per case), and a long
//! form, selected by `--long`.
//!
//! On a machine that is shared with others, claims about time prove little. [emulated] provides a
//! machine on which they can be tested.
//!
//! A case that needs something that this machine lacks is skipped, with the reason and Debian's
//! package.

pub(crate) mod bench;
mod cases;
mod counter;
mod emulated;
pub(crate) mod flood;
pub(crate) mod measure;
pub(crate) mod pauses;
pub(crate) mod peers;

use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::absolute;
use bench::{Bench, Form, Outcome, Trouble};
use cases::Case;
use clap::Args;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Examples, shown by `cargo xtask interop --help`.
const EXAMPLES: &str = "\
Examples:
  cargo xtask interop                                   every case in its short form, a few minutes
  cargo xtask interop --list                            the cases
  cargo xtask interop --long --only ptp-accuracy        one case in its long form, with its figures
  cargo xtask interop --long > figures.txt              all of them: more than an hour
  cargo xtask interop --emulated --only ffmpeg-receive  on a machine that never stands still, whatever this one does

INTEROP_KEEP=1 in the environment keeps the folders of the cases, with every log. Needs root, except with --emulated; what else a case needs it says when it is skipped.
Exit code: 0 if no case failed, 1 if one did, 77 if all were skipped.";

/// All cases were skipped; automake's tests use the same code.
pub(crate) const EXIT_SKIPPED: u8 = 77;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InteropArgs {
    /// Minutes instead of seconds for each case
    #[arg(long)]
    long: bool,

    /// List the cases without running them
    #[arg(long)]
    list: bool,

    /// Run only these cases; repeat the option or separate names with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// Run on an emulated machine, whose time stands still whenever this machine does; `cargo xtask
    /// guest-fetch` gets it
    #[arg(long, conflicts_with = "list")]
    emulated: bool,

    /// This is the emulated machine
    #[arg(long, hide = true)]
    in_guest: bool,

    /// Build and use `aes67` with full optimisation
    #[arg(long)]
    release: bool,

    /// Use this `aes67`, and the programs in the same folder, instead of building one
    #[arg(long, value_name = "FILE", conflicts_with = "release")]
    program: Option<PathBuf>,
}

/// Runs the requested cases.
pub(crate) fn run(args: &InteropArgs) -> ExitCode {
    if args.list {
        cases::ALL.iter().for_each(|case| println!("{:<18} {}", case.name, case.help));
        return ExitCode::SUCCESS;
    }
    let chosen = match select(&args.only) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            eprintln!("error: there is no case {unknown}; `cargo xtask interop --list` names them");
            return ExitCode::from(2);
        }
    };
    let named = args.program.as_deref().map(absolute);
    let done = named.map_or_else(|| build(args.release), Ok).and_then(|program| run_all(args, &program, &chosen));
    match done {
        Ok(count) => {
            println!("{count}");
            ExitCode::from(count.exit_code())
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Results of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Count {
    fn exit_code(self) -> u8 {
        match self {
            Self { failed: 1.., .. } => 1,
            Self { passed: 0, skipped: 1.., .. } => EXIT_SKIPPED,
            _ => 0,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs cases on this machine or on the emulated one.
fn run_all(args: &InteropArgs, program: &Path, cases: &[&Case]) -> Result<Count, Error> {
    if args.emulated {
        return emulated::run(program, cases, args.long);
    }
    let form = Form { long: args.long, emulated: args.in_guest };
    let mut count = Count::default();
    for case in cases {
        match tell(case, program, form) {
            Ok(()) => count.passed += 1,
            Err(Trouble::Skipped(_)) => count.skipped += 1,
            Err(Trouble::Failed(_)) => count.failed += 1,
        }
    }
    Ok(count)
}

/// Builds `aes67` and the other programs that cases use.
fn build(release: bool) -> Result<PathBuf, Error> {
    let profile = if release { "--release" } else { "" };
    Cmd::cargo("build --locked -p aes67 -p bass-plugin -p sim -p xtask").words(profile).run()?;
    Cmd::cargo("build --locked -p bass-plugin --example cpal_output").words(profile).run()?;
    Ok(target_dir().join(if release { "release" } else { "debug" }).join("aes67"))
}

fn select(only: &[String]) -> Result<Vec<&'static Case>, String> {
    if let Some(unknown) = only.iter().find(|name| cases::ALL.iter().all(|case| case.name != *name)) {
        return Err(unknown.clone());
    }
    Ok(cases::ALL.iter().filter(|case| only.is_empty() || only.iter().any(|name| name == case.name)).collect())
}

fn target_dir() -> PathBuf {
    absolute(&crate::target_folder())
}

/// Runs a case and prints its result.
#[expect(clippy::disallowed_methods, reason = "a person wants to know how long a case takes")]
fn tell(case: &Case, program: &Path, form: Form) -> Outcome {
    println!("==> {}: {}", case.name, case.help);
    let start = Instant::now();
    let done = Bench::run(program, form, case.run);
    let took_s = start.elapsed().as_secs_f64();
    match &done {
        Ok(()) => println!("    passed in {took_s:.0} s"),
        Err(Trouble::Skipped(reason)) => println!("    skipped: {reason}"),
        Err(Trouble::Failed(reason)) => {
            println!("    FAILED after {took_s:.0} s: {reason}");
            println!("    repeat it with: cargo xtask interop {}--only {}", form.options(), case.name);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_every_case_was_skipped_has_not_passed() {
        let code = |passed, failed, skipped| Count { passed, failed, skipped }.exit_code();
        assert_eq!((code(1, 0, 1), code(0, 0, 1), code(1, 1, 1), code(0, 1, 1)), (0, 77, 1, 1));
    }

    #[test]
    fn names_are_chosen_in_the_order_of_the_list() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(ToString::to_string).collect();
            select(&only).map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>())
        };
        let all = names(&[]).unwrap();
        assert_eq!(all.len(), cases::ALL.len());
        assert_eq!(names(&[all[1], all[0]]).unwrap(), all[..2]);
        assert_eq!(names(&["nothing"]), Err("nothing".to_owned()));
    }
}
