//! `cargo xtask test`: everything that CI runs, step by step, stopping at the first failure.
//!
//! Progress goes to the error output, where cargo's own goes. The tests come last and nothing is written after them
//! when they pass: the runner's closing lines and its exit code are the command's.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::error::Error;
use setting::Setting;
use step::Step;

mod deny;
mod macos;
mod setting;
mod step;
mod tools;

/// Examples, shown by `cargo xtask test --help`.
const EXAMPLES: &str = "\
Examples:
  cargo xtask test                          everything, as CI does it
  cargo xtask test --list                   the steps and their commands
  cargo xtask test --only fmt               one step
  cargo xtask test --only clippy,doc        some steps, in their usual order
  cargo xtask test --install --only deny    install cargo-deny first (a few minutes)";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestArgs {
    /// Run only these steps; repeat the option or separate steps with commas
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,

    /// List the steps and their commands, and run nothing
    #[arg(long)]
    list: bool,

    /// Install cargo-deny, which takes a few minutes, and ALSA's headers if they are missing; with CI=true in the
    /// environment this is tried anyway
    #[arg(long)]
    install: bool,
}

/// Runs the steps that were asked for.
pub(crate) fn run(args: &TestArgs) -> ExitCode {
    let setting = Setting::find(args.install);
    if args.list {
        list(&setting);
        return ExitCode::SUCCESS;
    }
    for step in step::select(&args.only) {
        if let Err(error) = run_step(step, &setting) {
            report(step, &error);
            return ExitCode::from(error.exit_code());
        }
    }
    ExitCode::SUCCESS
}

fn list(setting: &Setting) {
    for step in step::ALL {
        println!("{:<9} {}", step.name(), step.help());
        if let Some(command) = step.command(setting) {
            println!("{:<9} $ {command}", "");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a person wants to know where the time of a test run goes")]
fn run_step(step: Step, setting: &Setting) -> Result<(), Error> {
    match step.command(setting) {
        Some(command) => eprintln!("==> {}: {command}", step.name()),
        None => eprintln!("==> {}: {}", step.name(), step.help()),
    }
    let start = Instant::now();
    match step {
        Step::Tools => tools::check(setting)?,
        Step::Deny => deny::check(setting.install)?,
        Step::Macos => macos::check(setting)?,
        _ => step.command(setting).map_or(Ok(()), |command| command.run())?,
    }
    // The test runner prints its own time, and its closing lines are to stay the last ones.
    if step != Step::Test {
        eprintln!("    {} took {:.1} s", step.name(), start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Says what failed and why; the last line is the one to copy.
fn report(step: Step, error: &Error) {
    if matches!(error, Error::Interrupted) {
        eprintln!("\ninterrupted in step `{}`", step.name());
        return;
    }
    eprintln!("\nerror: step `{}` failed: {}", step.name(), step.hint());
    eprintln!("  because: {error}");
    eprintln!("  repeat it with: cargo xtask test --only {}", step.name());
}

/// One line that a person should see without it being a failure.
fn note(text: &str) {
    eprintln!("    note: {text}");
}
