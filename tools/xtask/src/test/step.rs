//! The steps of `cargo xtask test`: their order, their commands, and what their failure means.
//!
//! Cheap checks come first, the tests last. Nothing here uses `--release`: the dev profile is already optimised, and
//! one profile means that the scenario, the examples and the tests share what they build.

use clap::ValueEnum;

use super::macos;
use super::setting::Setting;
use crate::cmd::Cmd;

/// The scenario every change must still pass: the report that started this project.
const SCENARIO: &str = "scenarios/unlock_recover.toml";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// rustfmt, clippy and ALSA's headers are installed; optional tools that are not are named
    Tools,
    /// The sources are formatted
    Fmt,
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
    /// The examples in the documentation run
    Doctest,
    /// The simulator plays the unlock-and-recover scenario and its expectations hold
    Scenario,
    /// The comparison of clock laws runs, with the slave that is a feature of its own
    Bench,
    /// Unit and integration tests
    Test,
}

/// Every step, in the order they run.
pub(super) const ALL: [Step; 11] = [
    Step::Tools,
    Step::Fmt,
    Step::Clippy,
    Step::Cardless,
    Step::Macos,
    Step::Deny,
    Step::Doc,
    Step::Doctest,
    Step::Scenario,
    Step::Bench,
    Step::Test,
];

/// The steps to run, each once and in the usual order; all of them if none was asked for.
pub(super) fn select(only: &[Step]) -> Vec<Step> {
    ALL.into_iter().filter(|step| only.is_empty() || only.contains(step)).collect()
}

impl Step {
    /// The name that `--only` takes.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// One line about the step, the same as in `--help`.
    pub(super) fn help(self) -> String {
        self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The step's command, or nothing if it has to look at the machine first.
    pub(super) fn command(self, setting: &Setting) -> Option<Cmd> {
        let cmd = match self {
            Self::Tools | Self::Deny => return None,
            Self::Fmt => Cmd::cargo("fmt --all --check"),
            Self::Clippy => Cmd::cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings"),
            Self::Cardless => Cmd::cargo("clippy -p aes67 --no-default-features --all-targets --locked -- -D warnings"),
            Self::Macos => macos::command(setting),
            Self::Doc => Cmd::cargo("doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-Dwarnings"),
            Self::Doctest => Cmd::cargo("test --workspace --doc --locked"),
            Self::Scenario => scenario(setting),
            Self::Bench => bench(setting),
            Self::Test if setting.nextest => Cmd::cargo("nextest run --workspace --locked"),
            // `--tests` leaves out the documentation's examples, which had their own step.
            Self::Test => Cmd::cargo("test --workspace --locked --tests"),
        };
        Some(cmd)
    }

    /// What a failure of this step means, and its repair where there is one.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Tools => "this toolchain lacks something that the other steps need",
            Self::Fmt => "some files are not formatted; `cargo fmt --all` repairs them",
            Self::Clippy | Self::Cardless => "the compiler or clippy has complaints, listed above",
            Self::Macos => "what is built for macOS only has errors or warnings, listed above",
            Self::Deny => "a dependency breaks a rule of deny.toml, or cargo-deny did not run; see above",
            Self::Doc => "the documentation has warnings, listed above",
            Self::Doctest => "an example in the documentation does not compile or fails",
            Self::Scenario => "the simulator stopped, or an expectation of the scenario does not hold",
            Self::Bench => "the feature `statime` does not build, or the comparison of clock laws stopped",
            Self::Test => "a test does not compile or fails",
        }
    }
}

fn scenario(setting: &Setting) -> Cmd {
    let reports = setting.target_dir.join("xtask-reports");
    Cmd::cargo("run --locked -p sim --").arg(SCENARIO).arg("--reports").arg(reports)
}

/// One seed of the quietest condition: enough to see that every law locks.
fn bench(setting: &Setting) -> Cmd {
    let reports = setting.target_dir.join("xtask-reports");
    let sim = Cmd::cargo("run --locked -p sim --features statime -- bench clocks --seeds 1 --reports").arg(reports);
    sim.arg("scenarios/bench/clocks/a.toml")
}

#[cfg(test)]
mod tests {
    use super::super::setting::Install;
    use super::*;

    fn command(step: Step, nextest: bool) -> String {
        let setting = Setting { nextest, install: Install::No, target_dir: "out dir".into() };
        step.command(&setting).expect("this step has a command").to_string()
    }

    #[test]
    fn all_is_every_step_once_and_the_tests_come_last() {
        assert_eq!(Step::value_variants(), ALL);
        assert_eq!(select(&[]).last(), Some(&Step::Test));
    }

    #[test]
    fn chosen_steps_run_once_and_in_the_usual_order() {
        assert_eq!(select(&[Step::Test, Step::Fmt, Step::Test]), [Step::Fmt, Step::Test]);
    }

    #[test]
    fn tests_run_with_nextest_where_it_is_installed() {
        assert_eq!(command(Step::Test, true), "cargo nextest run --workspace --locked");
        assert_eq!(command(Step::Test, false), "cargo test --workspace --locked --tests");
    }

    #[test]
    fn the_scenario_writes_into_the_target_folder() {
        assert_eq!(
            command(Step::Scenario, false),
            "cargo run --locked -p sim -- scenarios/unlock_recover.toml --reports 'out dir/xtask-reports'"
        );
    }

    #[test]
    fn warnings_in_the_documentation_are_errors() {
        assert_eq!(command(Step::Doc, false), "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked");
    }
}
