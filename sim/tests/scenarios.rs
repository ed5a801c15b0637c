//! Every scenario that ships holds: with somebody listening if it expects something of the sound and is short, else without the audio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rayon::prelude::*;
use sim::run::run;
use sim::scenario::Loaded;
use sim::world::Control;
use std::path::{Path, PathBuf};

/// Seconds of all receivers together that are listened to here; longer ones are for whoever runs the scenario.
const LISTENED_S: f64 = 400.0;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn load(path: &Path, overrides: &[String]) -> Loaded {
    Loaded::read(path, overrides).unwrap_or_else(|error| panic!("{error}"))
}

fn is_listened_to(path: &Path) -> bool {
    let scenario = load(path, &[]).scenario;
    let needs_audio = scenario.expectations.iter().any(|expectation| expectation.metric.as_ref().needs_audio());
    needs_audio && scenario.duration_s.get() * scenario.receivers.len() as f64 <= LISTENED_S
}

/// Checks that failed.
fn failures(loaded: &Loaded, folder: Option<&Path>) -> Vec<String> {
    let session = run(loaded, folder, &Control::default()).unwrap_or_else(|error| panic!("{}: {error}", loaded.name));
    assert!(!session.summary.expectations.is_empty(), "{}: expects nothing", loaded.name);
    let judged = session.summary.expectations.iter().filter(|judgement| !judgement.holds);
    judged
        .map(|judgement| {
            let (receiver, check, limit) = (&judgement.receiver, &judgement.check, &judgement.limit);
            format!("{}: {receiver}: {check} {limit} fails; it is {}", loaded.name, judgement.measured_text())
        })
        .collect()
}

#[test]
fn what_is_expected_holds() {
    let silent = ["record.audio=\"none\"".to_owned()];
    let paths = shipped().into_par_iter().filter(|path| !is_listened_to(path));
    let failures: Vec<String> = paths.flat_map_iter(|path| failures(&load(&path, &silent), None)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_expected_is_heard() {
    let paths: Vec<PathBuf> = shipped().into_iter().filter(|path| is_listened_to(path)).collect();
    assert!(!paths.is_empty());
    let heard = paths.par_iter().flat_map_iter(|path| {
        let folder = tempfile::tempdir().unwrap();
        failures(&load(path, &[]), Some(folder.path()))
    });
    let failures: Vec<String> = heard.collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
