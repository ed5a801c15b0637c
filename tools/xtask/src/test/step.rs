//! The steps of `cargo xtask test`: their order, their commands, and what their failure means.
//!
//! Cheap checks come first, the tests last. Programs that run on this machine are not built with
//! `--release`: the dev profile is already optimised, and with one profile the scenario, the
//! examples and the tests share their builds. The library for Windows shares nothing with them, so
//! it is tested as it is released.

use clap::ValueEnum;

use super::setting::{Install, Setting};
use super::{macos, windows};
use crate::cmd::Cmd;

/// The scenario that every change must pass: the bug report that started this project.
const SCENARIO: &str = "scenarios/unlock_recover.toml";
/// Additional feature: the slave `statime` for the comparison of clock laws. All steps that build
/// the workspace use the same features, so that each package is compiled only once.
const FEATURES: &str = "--features sim/statime";
/// Only one of this many pairs of a scenario and a fault is run here, because all of them take half
/// an hour. Each fault still runs with several scenarios, and each scenario with several faults. A
/// fault that none of these finds is run with the other scenarios as well.
const MUTANTS_EVERY: &str = "10";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// rustfmt and clippy are installed; optional tools that are not are named
    Tools,
    /// The sources are formatted
    Fmt,
    /// Comments and documents are no wider than 100 columns, and each constant of the loops names
    /// its source
    Text,
    /// Links and command lines in documents lead somewhere, and the page of a scenario's keys is up
    /// to date
    Docs,
    /// ALSA's headers are installed; programs, libraries and files that tests use are installed or
    /// named
    Peers,
    /// The compiler and clippy have no complaints
    Clippy,
    /// The same for `aes67` without sound cards
    Cardless,
    /// What runs on macOS is type-checked for it, without a Mac
    Macos,
    /// Licences, versions, sources and known vulnerabilities of the dependencies
    Deny,
    /// The documentation builds without warnings
    Doc,
    /// What `cargo run -p sim` builds compiles without the features that other packages turn on
    Alone,
    /// The fuzz targets, which are a workspace of their own, compile
    Fuzz,
    /// The libraries can be packaged, with what their manifests name
    Package,
    /// What the next steps run is built, with the same features for all of them
    Build,
    /// The examples in the documentation run
    Doctest,
    /// The simulator plays the unlock-and-recover scenario and its expectations hold
    Scenario,
    /// Faults that are seeded into the engine are found by the verdicts that are about them
    Mutants,
    /// The comparison of clock laws runs, with the slave that is a feature of its own, `statime`
    Bench,
    /// The BASS add-on builds for Windows, for a test that then runs it under Wine
    Windows,
    /// Unit and integration tests, with a count of those that could not run
    Test,
}

/// Every step, in the order they run.
pub(super) const ALL: [Step; 20] = [
    Step::Tools,
    Step::Fmt,
    Step::Text,
    Step::Docs,
    Step::Peers,
    Step::Clippy,
    Step::Cardless,
    Step::Macos,
    Step::Deny,
    Step::Doc,
    Step::Alone,
    Step::Fuzz,
    Step::Package,
    Step::Build,
    Step::Doctest,
    Step::Scenario,
    Step::Mutants,
    Step::Bench,
    Step::Windows,
    Step::Test,
];

/// The steps to run, each once and in the usual order; all of them if none was requested. A step
/// that runs the simulator adds the step that builds it. If installing is allowed, the tests add
/// the step that installs what they need.
pub(super) fn select(only: &[Step], install: Install) -> Vec<Step> {
    let is_asked_for = |step: &Step| {
        let with_tests = *step == Step::Peers && only.contains(&Step::Test) && install != Install::No;
        let with_runs = *step == Step::Build && only.iter().any(|step| step.runs_what_was_built());
        only.is_empty() || only.contains(step) || with_tests || with_runs
    };
    ALL.into_iter().filter(is_asked_for).collect()
}

impl Step {
    /// Whether it starts a program that [`Build`](Self::Build) builds.
    fn runs_what_was_built(self) -> bool {
        matches!(self, Self::Scenario | Self::Mutants | Self::Bench)
    }

    /// The name that `--only` takes.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// One line about the step, the same as in `--help`.
    pub(super) fn help(self) -> String {
        self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The step's command; `None` if it depends on the state of the machine.
    pub(super) fn command(self, setting: &Setting) -> Option<Cmd> {
        let cmd = match self {
            Self::Tools | Self::Text | Self::Docs | Self::Peers | Self::Deny => return None,
            Self::Fmt => Cmd::cargo("fmt --all --check"),
            Self::Clippy => Cmd::cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings"),
            Self::Cardless => Cmd::cargo("clippy -p aes67 --no-default-features --all-targets --locked -- -D warnings"),
            Self::Macos => macos::command(setting),
            Self::Doc => Cmd::cargo("doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-Dwarnings"),
            Self::Alone => Cmd::cargo("check -p sim --locked"),
            Self::Fuzz => fuzz(setting),
            Self::Package => package(),
            Self::Build => Cmd::cargo("test --locked --no-run --workspace").words(FEATURES),
            Self::Doctest => Cmd::cargo("test --locked --doc --workspace").words(FEATURES),
            Self::Scenario => scenario(setting),
            Self::Mutants => simulator(setting).words("mutants --every").arg(MUTANTS_EVERY),
            Self::Bench => bench(setting),
            Self::Windows => windows::command(setting),
            Self::Test => tests(setting),
        };
        Some(cmd)
    }

    /// The meaning of a failure of this step, and how to repair it, if that is known.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Tools => "this toolchain lacks something that the other steps need",
            Self::Peers => "a package is missing without which the workspace does not build",
            Self::Fmt => "some files are not formatted; `cargo fmt --all` repairs them",
            Self::Text => "some lines are too wide to read beside others, or a constant names no source of its value",
            Self::Clippy | Self::Cardless => "the compiler or clippy has complaints, listed above",
            Self::Docs => "a document leads nowhere, or `cargo xtask docs` was not run after a change of the schema",
            Self::Macos => "what is built for macOS only has errors or warnings, listed above",
            Self::Deny => "a dependency breaks a rule of deny.toml, or cargo-deny did not run; see above",
            Self::Doc => "the documentation has warnings, listed above",
            Self::Alone => "the simulator does not build by itself, as in `cargo run -p sim`",
            Self::Fuzz => "a fuzz target does not compile, or fuzz/Cargo.lock is not up to date",
            Self::Package => "a library cannot be packaged: its manifest or what it depends on",
            Self::Build => "a program or a test does not compile",
            Self::Doctest => "an example in the documentation does not compile or fails",
            Self::Scenario => "the simulator stopped, or an expectation of the scenario does not hold",
            Self::Mutants => "a fault that was seeded into the engine was found by no verdict that is about it",
            Self::Bench => "the comparison of clock laws stopped",
            Self::Windows => "the add-on or the program that tests it does not build for Windows",
            Self::Test => "a test does not compile or fails, or the end of the run could not be read",
        }
    }
}

fn scenario(setting: &Setting) -> Cmd {
    let reports = setting.target_dir.join("xtask-reports");
    simulator(setting).arg(SCENARIO).arg("--reports").arg(reports)
}

/// The simulator that step `build` has built. `cargo run -p sim` would build it and the engine a
/// second time, because the features of some dependencies differ between a package and the
/// workspace.
fn simulator(setting: &Setting) -> Cmd {
    Cmd::new(setting.target_dir.join("debug/sim"))
}

/// All tests run even if one fails, because otherwise those that did not run would have to be
/// counted as well.
fn tests(setting: &Setting) -> Cmd {
    let which = if setting.runner_arguments.is_empty() { "--workspace" } else { "" };
    let features = if setting.runner_arguments.is_empty() { FEATURES } else { "" };
    let runner = if setting.nextest {
        // The counts are read from nextest's default output, so settings in the environment are
        // overridden.
        Cmd::cargo("nextest run --locked --no-fail-fast")
            .words("--status-level pass --final-status-level fail --failure-output immediate")
            .arg("--test-threads")
            .arg(setting.tests_at_once.to_string())
    } else {
        // `--tests` excludes the documentation's examples, which have a separate step.
        Cmd::cargo("test --locked --no-fail-fast --tests")
    };
    let runner = runner.words(which).words(features);
    setting.runner_arguments.iter().fold(runner, |command, argument| command.arg(argument))
}

/// Checks that the fuzz targets compile, without the counters for libFuzzer, which would require a
/// separate build of all dependencies.
fn fuzz(setting: &Setting) -> Cmd {
    Cmd::cargo("check --locked --manifest-path fuzz/Cargo.toml --target-dir").arg(setting.target_dir.join("fuzz-check"))
}

/// Packages all libraries with one command, because they depend on each other. They are not built
/// from the packages, which would take minutes. The network is not used, because all dependencies
/// were fetched before.
fn package() -> Cmd {
    Cmd::cargo("package --locked --offline --no-verify --allow-dirty -p aes67-engine -p aes67-net -p aes67-trace")
}

/// Runs one seed of the quietest condition, which is enough to check that every law locks.
fn bench(setting: &Setting) -> Cmd {
    let reports = setting.target_dir.join("xtask-reports");
    simulator(setting).words("bench clocks --seeds 1 --reports").arg(reports).arg("scenarios/bench/clocks/a.toml")
}

#[cfg(test)]
mod tests {
    use super::super::setting::Install;
    use super::*;

    fn command(step: Step, nextest: bool) -> String {
        step.command(&setting(nextest)).expect("this step has a command").to_string()
    }

    fn setting(nextest: bool) -> Setting {
        let runner_arguments = Vec::new();
        Setting {
            nextest,
            tests_at_once: 3,
            install: Install::No,
            is_ci: false,
            target_dir: "out dir".into(),
            runner_arguments,
        }
    }

    #[test]
    fn all_is_every_step_once_and_the_tests_come_last() {
        assert_eq!(Step::value_variants(), ALL);
        assert_eq!(select(&[], Install::No).last(), Some(&Step::Test));
    }

    #[test]
    fn chosen_steps_run_once_and_in_the_usual_order() {
        assert_eq!(select(&[Step::Test, Step::Fmt, Step::Test], Install::No), [Step::Fmt, Step::Test]);
        assert_eq!(select(&[Step::Test, Step::Fmt], Install::Try), [Step::Fmt, Step::Peers, Step::Test]);
    }

    #[test]
    fn tests_run_with_nextest_where_it_is_installed() {
        assert_eq!(
            command(Step::Test, true),
            "cargo nextest run --locked --no-fail-fast --status-level pass --final-status-level fail \
             --failure-output immediate --test-threads 3 --workspace --features sim/statime"
        );
        assert_eq!(
            command(Step::Test, false),
            "cargo test --locked --no-fail-fast --tests --workspace --features sim/statime"
        );
        let chosen = Setting { runner_arguments: vec!["-p".into(), "net".into()], ..setting(false) };
        assert_eq!(tests(&chosen).to_string(), "cargo test --locked --no-fail-fast --tests -p net");
    }

    #[test]
    fn the_scenario_writes_into_the_target_folder() {
        assert_eq!(
            command(Step::Scenario, false),
            "'out dir/debug/sim' scenarios/unlock_recover.toml --reports 'out dir/xtask-reports'"
        );
    }

    #[test]
    fn what_the_simulator_is_run_for_has_it_built_first() {
        assert_eq!(select(&[Step::Mutants], Install::No), [Step::Build, Step::Mutants]);
        assert_eq!(select(&[Step::Doc], Install::No), [Step::Doc]);
    }

    #[test]
    fn warnings_in_the_documentation_are_errors() {
        assert_eq!(command(Step::Doc, false), "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked");
    }
}
