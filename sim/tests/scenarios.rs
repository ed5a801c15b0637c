//! Every scenario that ships holds, without the audio.
//!
//! What a user would want is written down as an expectation before it can be met; those are listed here, and leave the list when they hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rayon::prelude::*;
use sim::run::run;
use sim::scenario::Loaded;
use sim::world::Control;
use std::path::{Path, PathBuf};

/// Expectations that are not met yet: scenario and check.
const PENDING: &[(&str, &str)] = &[
    ("asymmetry_step", "clock_error_us from 20 s"),
    ("asymmetry_step", "clock_error_us from 180 s"),
    ("asymmetry_step", "clock_step_us from 30 s"),
    ("gm_loss", "coverage_3sigma from 20 s"),
    ("thermal_ramp", "clock_error_us from 20 s"),
    ("thermal_ramp", "coverage_3sigma from 20 s"),
];

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Checks that failed, and pending ones that did not.
fn surprises(path: &Path) -> Vec<String> {
    let loaded = Loaded::read(path, &["record.audio=\"none\"".to_owned()]).unwrap_or_else(|error| panic!("{error}"));
    let session = run(&loaded, None, &Control::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!session.summary.expectations.is_empty(), "{}: expects nothing", path.display());
    let pending = |check: &str| PENDING.contains(&(loaded.name.as_str(), check));
    let judged = session.summary.expectations.iter();
    let surprising = judged.filter(|judgement| judgement.holds == pending(&judgement.check));
    surprising
        .map(|judgement| {
            let what = if judgement.holds { "holds: strike it off PENDING" } else { "fails" };
            let (receiver, check, limit) = (&judgement.receiver, &judgement.check, &judgement.limit);
            format!("{}: {receiver}: {check} {limit} {what}; it is {}", loaded.name, judgement.measured_text())
        })
        .collect()
}

#[test]
fn what_is_expected_holds() {
    let surprises: Vec<String> = shipped().par_iter().flat_map(|path| surprises(path)).collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn pending_expectations_are_of_scenarios_that_exist() {
    let names: Vec<_> = shipped().iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    assert!(PENDING.iter().all(|(name, _)| names.iter().any(|other| other == name)));
}
