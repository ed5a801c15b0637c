//! Every scenario that ships holds, without the audio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rayon::prelude::*;
use sim::run::run;
use sim::scenario::Loaded;
use sim::world::Control;
use std::path::{Path, PathBuf};

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Checks that failed.
fn failures(path: &Path) -> Vec<String> {
    let loaded = Loaded::read(path, &["record.audio=\"none\"".to_owned()]).unwrap_or_else(|error| panic!("{error}"));
    let session = run(&loaded, None, &Control::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!session.summary.expectations.is_empty(), "{}: expects nothing", path.display());
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
    let failures: Vec<String> = shipped().par_iter().flat_map(|path| failures(path)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
