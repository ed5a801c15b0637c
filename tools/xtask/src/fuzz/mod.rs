//! `cargo xtask fuzz`: searches for inputs that violate invariants, target by target.
//!
//! The targets of `fuzz/` are built with libFuzzer on the stable toolchain: counters at each edge,
//! which it requires of the compiler, are stable options. The corpus of each target is kept in the
//! repository as one file of lines, so that it can be read and reviewed; `cargo test` replays it.

mod corpus;

use crate::cmd::Cmd;
use crate::error::Error;
use crate::files;
use clap::Args;
use std::path::{Path, PathBuf};
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask fuzz --minutes 10                 ten minutes for each target
  cargo xtask fuzz relay receiver --minutes 60  an hour for each of two
  cargo xtask fuzz --minutes 5 --keep           add to the corpus what reaches new code")]
pub(crate) struct FuzzArgs {
    /// Only these targets: the names of fuzz/fuzz_targets
    targets: Vec<String>,

    /// Duration of each target's run
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,

    /// Write inputs that reach new code into fuzz/corpus
    #[arg(long)]
    keep: bool,
}

/// The result of a target's run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    executions: u64,
    edges: u64,
    inputs: u64,
    per_second: u64,
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
    let known = targets()?;
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        let reason = format!("there is no target `{unknown}`; there are {}", known.join(", "));
        return Err(Error::Form { path: TARGETS.into(), reason });
    }
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    let folder = files::absolute(target_folder).join("fuzz");
    build(&folder).run()?;
    let mut rows = Vec::new();
    for target in chosen {
        rows.push((target, search(target, args, &folder)?));
    }
    println!("{:<20} {:>12} {:>9} {:>7} {:>7}  broken by", "target", "executions", "per s", "edges", "inputs");
    for (target, outcome) in &rows {
        let Outcome { executions, edges, inputs, per_second, broken_by } = outcome;
        let broken_by = broken_by.as_deref().unwrap_or("-");
        println!("{target:<20} {executions:>12} {per_second:>9} {edges:>7} {inputs:>7}  {broken_by}");
    }
    Ok(rows.iter().all(|(_, outcome)| outcome.broken_by.is_none()))
}

const TARGETS: &str = "fuzz/fuzz_targets";

fn targets() -> Result<Vec<String>, Error> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut targets: Vec<String> = files::list(Path::new(TARGETS))?.iter().filter_map(stem).collect();
    targets.sort();
    Ok(targets)
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
    let seconds = (args.minutes * 60.0).max(1.0) as u64;
    let command = Cmd::new(program.clone())
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={LONGEST_INPUT_S}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY_MB}"))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .words("-print_final_stats=1 -use_value_profile=1");
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
        Self {
            executions: figure("stat::number_of_executed_units:").unwrap_or(0),
            per_second: figure("stat::average_exec_per_sec:").unwrap_or(0),
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
            edges: 262,
            inputs: 97,
            per_second: 131_075,
            broken_by: Some("broken/crash-1".to_owned()),
        };
        assert_eq!(Outcome::read(said), expected);
    }
}
