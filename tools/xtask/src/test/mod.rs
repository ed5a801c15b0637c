//! `cargo xtask test`: everything that CI runs, step by step, stopping at the first failure.
//!
//! Progress is written to the error output, like cargo's. The tests come last, then the list of
//! what did not run, then one line on the standard output: how many tests passed and failed, and
//! how many tests and steps were skipped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::error::Error;
use setting::Setting;
use skips::Count;
use step::Step;
use times::Times;

mod deny;
mod macos;
mod peers;
mod runner;
mod setting;
mod skips;
mod step;
mod tally;
mod text;
mod times;
mod tools;
mod windows;

/// Examples, shown by `cargo xtask test --help`.
const EXAMPLES: &str = "\
Examples:
  cargo xtask test                          everything, as CI does it
  cargo xtask test --list                   the steps and their commands
  cargo xtask test --list --times           and how long each took when it last ran
  cargo xtask test --only fmt               one step
  cargo xtask test --only clippy,doc        some steps, in their usual order
  cargo xtask test --install                everything, with every peer: some hundred MB of packages, as root
  cargo xtask test --install --only deny    install cargo-deny first (a few minutes)
  cargo xtask test --only test -- -p aes67-net    some tests, by arguments of the test runner

Skipped:
  A test whose peer (a program, library or privilege) is missing has not passed. It is named with the reason, and the
  last line counts it: `N passed, N failed, N skipped`. Passed and failed are tests; skipped are tests, and steps or
  parts of steps (macos, deny, windows) that could not run. With CI=true in the environment everything is installed,
  and a skip that is not in tools/xtask/allowed-skips.toml fails the run.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestArgs {
    /// Run only these steps; repeat the option or separate steps with commas
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,

    /// List the steps and their commands, and run nothing
    #[arg(long)]
    list: bool,

    /// With --list: how long each step took when it last ran here
    #[arg(long, requires = "list")]
    times: bool,

    /// Install what is missing: packages of Debian's by apt-get, which takes root, BASS, readers of
    /// SDP, a guest, and cargo-deny, which takes a few minutes; with CI=true in the environment
    /// this is tried anyway
    #[arg(long)]
    install: bool,

    /// Arguments for the test runner (cargo nextest, or cargo test where that is not installed), to
    /// run some tests only
    #[arg(last = true, value_name = "ARGUMENT")]
    runner: Vec<String>,
}

/// Runs the requested steps.
pub(crate) fn run(args: &TestArgs) -> ExitCode {
    let setting = Setting::find(args.install, &args.runner);
    if args.list {
        return list(&setting, args.times);
    }
    let named = args.only.clone();
    let mut run = Run { setting, named, count: Count::default(), wine: None };
    let steps = step::select(&args.only, run.setting.install);
    let failed = steps.into_iter().find_map(|step| run.step(step).err().map(|error| (step, error)));
    run.end(failed)
}

fn list(setting: &Setting, with_times: bool) -> ExitCode {
    for step in step::ALL {
        println!("{:<9} {}", step.name(), step.help());
        if let Some(command) = step.command(setting) {
            println!("{:<9} $ {command}", "");
        }
    }
    if !with_times {
        return ExitCode::SUCCESS;
    }
    match Times::find(&setting.target_dir) {
        Ok(times) => {
            println!("\n{}", times.table(&step::ALL).join("\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A run of the steps.
struct Run {
    setting: Setting,
    /// The steps that were requested by name.
    named: Vec<Step>,
    count: Count,
    /// Folder with the library for Windows, if it was built, for the test that runs it.
    wine: Option<PathBuf>,
}

impl Run {
    #[expect(clippy::disallowed_methods, reason = "a person wants to know where the time of a test run goes")]
    fn step(&mut self, step: Step) -> Result<(), Error> {
        let command = step.command(&self.setting);
        match &command {
            Some(command) => eprintln!("==> {}: {command}", step.name()),
            None => eprintln!("==> {}: {}", step.name(), step.help()),
        }
        let start = Instant::now();
        match step {
            Step::Tools => tools::check(&self.setting)?,
            Step::Text => text::check()?,
            Step::Docs => crate::docs::check(Path::new("."))?,
            Step::Peers => peers::check(&self.setting)?,
            Step::Deny => deny::check(self.setting.install, &mut self.count)?,
            Step::Macos => macos::check(&self.setting, &mut self.count)?,
            Step::Windows if self.setting.is_ci && !self.named.contains(&step) => {
                self.count.skip_step("windows", windows::NOT_IN_CI);
            }
            Step::Windows => self.wine = windows::prepare(&self.setting, &mut self.count)?,
            Step::Test => self.test()?,
            _ => command.map_or(Ok(()), |command| command.run())?,
        }
        let took_s = start.elapsed().as_secs_f64();
        eprintln!("    {} took {took_s:.1} s", step.name());
        Times::find(&self.setting.target_dir)?.note(step, took_s)
    }

    fn test(&mut self) -> Result<(), Error> {
        let Some(mut command) = Step::Test.command(&self.setting) else { return Ok(()) };
        if let Some(folder) = &self.wine {
            command = command.env(crate::windows::WINE_FOLDER, folder.display().to_string());
        }
        let ended = runner::run(command, self.setting.nextest, &self.setting.target_dir)?;
        self.count.add_tests(&ended);
        ended.result
    }

    /// Prints what was skipped, what failed, and the counts. Returns the exit code.
    fn end(&self, failed: Option<(Step, Error)>) -> ExitCode {
        let skipped = self.count.list();
        if !skipped.is_empty() {
            eprintln!("\n{}", skipped.join("\n"));
        }
        // If a step before the tests failed, there is nothing to count.
        let is_counted = failed.is_none() || self.count.has_tests();
        let code = match failed {
            Some((step, error)) => {
                report(step, &error);
                error.exit_code()
            }
            None => self.check(),
        };
        if let Some(line) = self.count.closing_line().filter(|_| is_counted) {
            println!("{line}");
        }
        ExitCode::from(code)
    }

    /// Checks whether the skipped tests may be skipped here. Returns the exit code.
    fn check(&self) -> u8 {
        if !self.setting.is_ci {
            return 0;
        }
        match self.count.check(!self.setting.runner_arguments.is_empty()) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("\nerror: {error}");
                error.exit_code()
            }
        }
    }
}

/// Prints what failed and why. The last line is the command to repeat.
fn report(step: Step, error: &Error) {
    if matches!(error, Error::Interrupted) {
        eprintln!("\ninterrupted in step `{}`", step.name());
        return;
    }
    eprintln!("\nerror: step `{}` failed: {}", step.name(), step.hint());
    eprintln!("  because: {error}");
    eprintln!("  repeat it with: cargo xtask test --only {}", step.name());
}

/// Prints a line that a person should see, although it is not a failure.
fn note(text: &str) {
    eprintln!("    note: {text}");
}
