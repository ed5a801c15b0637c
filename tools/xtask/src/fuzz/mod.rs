//! `cargo xtask fuzz`: searches for inputs that violate invariants, target by target.
//!
//! The targets of `fuzz/` are built with libFuzzer on the stable toolchain: counters at each edge,
//! which it requires of the compiler, are stable options. The corpus of each target is kept in the
//! repository as one file of lines, so that it can be read and reviewed; `cargo test` replays it.

mod corpus;
mod coverage;
mod targets;

use crate::cmd::Cmd;
use crate::error::Error;
use crate::files;
use clap::Args;
use std::path::Path;
use std::process::{ExitCode, Stdio};

/// Counters at each edge, comparisons, and the checks that an optimised build leaves out. As one
/// variable, because flags with spaces in them are not needed.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on \
    -Coverflow-checks=on --cfg fuzzing";
/// Only what is built for this is instrumented, not what runs while building.
const HOST: &str = "x86_64-unknown-linux-gnu";
/// An input that takes longer hangs, s; a process that holds more memory leaks, MB.
const LONGEST_INPUT_S: u32 = 10;
const MOST_MEMORY_MB: u32 = 1024;
/// Longest input, bytes: a script of some hundred steps, or a datagram.
const LONGEST_INPUT: u32 = 2048;
/// Words that a target's inputs are made of, if it has a file of them here.
const DICTIONARIES: &str = "fuzz/dictionaries";
/// For how long a target is run, if nothing is said of that.
const MINUTES: f64 = 1.0;
const MINUTES_UNTIL_ENOUGH: f64 = 240.0;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask fuzz --minutes 10                 ten minutes for each target
  cargo xtask fuzz relay receiver --minutes 60  an hour for each of two
  cargo xtask fuzz --minutes 5 --keep           add to the corpus what reaches new code
  cargo xtask fuzz --enough                     5,000,000 inputs of each parser, 1,000,000 of each
                                                state machine
  cargo xtask fuzz --coverage                   lines of the parsers that the corpus reaches")]
pub(crate) struct FuzzArgs {
    /// Only these targets: the names of fuzz/fuzz_targets
    targets: Vec<String>,

    /// Longest duration of each target's run [default: 1, with --enough 240]
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,

    /// End a target that has had as many inputs as its kind is to have
    #[arg(long)]
    enough: bool,

    /// Write inputs that reach new code into fuzz/corpus
    #[arg(long)]
    keep: bool,

    /// Instead of searching, show how many lines of each parser the inputs found so far reach
    #[arg(long, conflicts_with_all = ["minutes", "enough", "keep"])]
    coverage: bool,
}

/// The result of a target's run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    executions: u64,
    seconds: u64,
    edges: u64,
    inputs: u64,
    /// Where the input that broke it is.
    broken_by: Option<String>,
}

pub(crate) fn run(args: &FuzzArgs, target_folder: &Path) -> ExitCode {
    match fuzz(args, target_folder) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Whether all held.
fn fuzz(args: &FuzzArgs, target_folder: &Path) -> Result<bool, Error> {
    let known = targets::all()?;
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        let reason = format!("there is no target `{unknown}`; there are {}", known.join(", "));
        return Err(Error::Form { path: targets::FOLDER.into(), reason });
    }
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    let folder = files::absolute(target_folder).join("fuzz");
    if args.coverage {
        return coverage::report(chosen, &folder).map(|()| true);
    }
    build(&folder).run()?;
    let mut rows = Vec::new();
    for target in chosen {
        rows.push((target, search(target, args, &folder)?));
    }
    println!(
        "{:<18} {:<7} {:>11} {:>8} {:>8} {:>6} {:>7} {:>8}",
        "target", "kind", "executions", "seconds", "per s", "edges", "inputs", "crashes"
    );
    for (target, outcome) in &rows {
        println!("{}", outcome.row(target));
    }
    Ok(rows.iter().all(|(_, outcome)| outcome.broken_by.is_none()))
}

fn build(folder: &Path) -> Cmd {
    let cargo = Cmd::cargo("build --release --locked --manifest-path fuzz/Cargo.toml --target").arg(HOST);
    cargo.arg("--target-dir").arg(folder).env("RUSTFLAGS", FLAGS)
}

fn search(target: &str, args: &FuzzArgs, folder: &Path) -> Result<Outcome, Error> {
    let program = folder.join(HOST).join("release").join(target);
    let corpus = folder.join("corpus").join(target);
    let broken = folder.join("broken").join(target);
    files::make_folder(&broken)?;
    corpus::unpack(target, &corpus)?;
    let minutes = args.minutes.unwrap_or(if args.enough { MINUTES_UNTIL_ENOUGH } else { MINUTES });
    let seconds = (minutes * 60.0).max(1.0) as u64;
    let dictionary = files::absolute(&Path::new(DICTIONARIES).join(target).with_extension("dict"));
    let command = Cmd::new(program.clone())
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={LONGEST_INPUT_S}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY_MB}"))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .words("-print_final_stats=1");
    // Which constants an input is compared with matters to a parser. The scripts of a state machine
    // are choices, and are searched faster without.
    let command = if targets::is_parser(target) { command.arg("-use_value_profile=1") } else { command };
    let command = if args.enough { command.arg(format!("-runs={}", targets::enough(target))) } else { command };
    let command = if dictionary.exists() { command.arg(format!("-dict={}", dictionary.display())) } else { command };
    eprintln!("$ {command}");
    crate::interrupt::check()?;
    let start = |source| Error::Start { command: command.to_string(), source };
    let output = command.process().stderr(Stdio::piped()).output().map_err(start)?;
    crate::interrupt::check()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut outcome = Outcome::read(&said);
    if !output.status.success() && outcome.broken_by.is_none() {
        return Err(Error::Unread { command: command.to_string(), reason: last_lines(&said) });
    }
    if outcome.broken_by.is_some() {
        eprintln!("{}", last_lines(&said));
    }
    if args.keep {
        outcome.inputs = corpus::keep(target, &program, &corpus, &folder.join("merged").join(target))?;
    }
    Ok(outcome)
}

impl Outcome {
    /// Its line of the table.
    fn row(&self, target: &str) -> String {
        let Self { executions, seconds, edges, inputs, broken_by } = self;
        let kind = if targets::is_parser(target) { "parser" } else { "machine" };
        let per_second = executions / seconds.max(&1);
        let crashes = u32::from(broken_by.is_some());
        let by = broken_by.as_ref().map_or_else(String::new, |input| format!("  {input}"));
        format!(
            "{target:<18} {kind:<7} {executions:>11} {seconds:>8} {per_second:>8} {edges:>6} {inputs:>7} {crashes:>8}{by}"
        )
    }

    /// From what libFuzzer says.
    fn read(said: &str) -> Self {
        let figure = |name: &str| {
            let rest = said.lines().find_map(|line| line.strip_prefix(name))?;
            rest.trim().parse().ok()
        };
        let word_after = |word: &str| {
            let line = said.lines().rfind(|line| line.starts_with('#') && line.contains(word))?;
            let mut words = line.split_whitespace().skip_while(|other| *other != word);
            words.nth(1)?.split('/').next()?.parse().ok()
        };
        let executions = figure("stat::number_of_executed_units:").unwrap_or(0);
        let done = said.lines().rfind(|line| line.starts_with("Done "));
        let told = done.and_then(|line| line.split_whitespace().rev().nth(1)?.parse().ok());
        // One that broke is not done, and tells its mean only.
        let seconds = told.unwrap_or_else(|| executions / figure("stat::average_exec_per_sec:").unwrap_or(1).max(1));
        Self {
            executions,
            seconds,
            edges: word_after("cov:").unwrap_or(0),
            inputs: word_after("corp:").unwrap_or(0),
            broken_by: said.lines().find_map(|line| line.split("Test unit written to ").nth(1)).map(str::to_owned),
        }
    }
}

/// The end of what was said.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_read() {
        let said = "\
INFO: seed corpus: files: 3
#4 INITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 31Mb
#524288 pulse  cov: 262 ft: 1212 corp: 97/20Kb lim: 4096 exec/s: 131072 rss: 31Mb
artifact_prefix='broken/'; Test unit written to broken/crash-1
stat::number_of_executed_units: 524300
stat::average_exec_per_sec:     131075
";
        let expected = Outcome {
            executions: 524_300,
            seconds: 4,
            edges: 262,
            inputs: 97,
            broken_by: Some("broken/crash-1".to_owned()),
        };
        assert_eq!(Outcome::read(said), expected);
        let done = "Done 9000 runs in 31 second(s)\nstat::number_of_executed_units: 9000\n";
        assert_eq!(Outcome::read(done).seconds, 31);
        let words = |row: String| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let row = words(expected.row("sdp_text"));
        assert_eq!(row, ["sdp_text", "parser", "524300", "4", "131075", "262", "97", "1", "broken/crash-1"]);
        assert_eq!(words(Outcome::default().row("relay")), ["relay", "machine", "0", "0", "0", "0", "0", "0"]);
    }
}
