//! Every scenario that ships holds, and its metrics are as recorded: with somebody listening if it
//! expects something of the sound and is short, else without the audio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod golden_table;

use golden_table::Table;
use rayon::prelude::*;
use sim::check::Judgement;
use sim::run::run;
use sim::scenario::{Audio, Loaded, Metric, ReceiverKind};
use sim::world::Control;
use std::path::{Path, PathBuf};

/// Seconds of all receivers together that are listened to here; longer ones are for whoever runs
/// the scenario.
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

/// Checks that failed, and the metrics of the run.
fn outcome(loaded: &Loaded, folder: Option<&Path>) -> (Vec<String>, Table) {
    let session = run(loaded, folder, &Control::default()).unwrap_or_else(|error| panic!("{}: {error}", loaded.name));
    assert!(!session.summary.expectations.is_empty(), "{}: expects nothing", loaded.name);
    let judged = session.summary.expectations.iter().filter(|judgement| !judgement.holds && !judgement.skipped);
    let failures = judged.map(|judgement| {
        let (receiver, check, limit) = (&judgement.receiver, &judgement.check, &judgement.limit);
        let why = judgement.not_judged.as_deref().unwrap_or_default();
        format!("{}: {receiver}: {check} {limit} fails; it is {} {why}", loaded.name, judgement.measured_text())
    });
    (failures.collect(), golden_table::rows(&session.summary))
}

/// What is expected holds, and every metric is as the table in the repository has it: the same runs
/// serve both.
#[test]
fn what_is_expected_holds() {
    let silent = ["record.audio=\"none\"".to_owned()];
    let paths = shipped();
    assert!(paths.iter().any(|path| is_listened_to(path)));
    let outcomes = paths.par_iter().map(|path| {
        if !is_listened_to(path) {
            return outcome(&load(path, &silent), None);
        }
        let folder = tempfile::tempdir().unwrap();
        outcome(&load(path, &[]), Some(folder.path()))
    });
    let (failures, tables): (Vec<Vec<String>>, Vec<Table>) = outcomes.unzip();
    let failures = failures.concat();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let moved = golden_table::moved(&tables.into_iter().flatten().collect());
    assert!(moved.is_empty(), "metrics moved:\n{}\naccept that with: {}", moved.join("\n"), golden_table::ACCEPT);
}

/// What a listener hears is limited wherever the engine plays, in short scenarios and long ones.
#[test]
fn what_a_listener_hears_is_expected_of_every_engine() {
    let long = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/long")).unwrap();
    for path in shipped().into_iter().chain(long.map(|entry| entry.unwrap().path())) {
        let Loaded { scenario, stream: Some(_), .. } = load(&path, &[]) else { continue };
        assert_ne!(scenario.record.audio, Audio::None, "{}: nobody listens", path.display());
        let engines = [ReceiverKind::Engine, ReceiverKind::Relay];
        for receiver in scenario.receivers.iter().filter(|receiver| engines.contains(&receiver.kind)) {
            for metric in [Metric::HeardShare, Metric::Glitches, Metric::LongestGapMs, Metric::LatencyMs] {
                let limits = scenario.expectations.iter().any(|expectation| {
                    expectation.receiver.as_ref() == receiver.name.as_ref() && *expectation.metric.as_ref() == metric
                });
                assert!(limits, "{}: nothing limits {metric} of `{}`", path.display(), receiver.name.as_ref());
            }
        }
    }
}

/// A receiver that plays nothing at all passes nowhere: every packet of the stream is lost.
#[test]
fn a_dead_stream_fails_every_scenario() {
    let dead = |path: &Path| {
        let mut overrides = vec!["network.media.loss=1.0".to_owned(), "record.audio=\"heard\"".to_owned()];
        let scenario = load(path, &[]).scenario;
        scenario.chain()?;
        if scenario.network.media_b.is_some() {
            overrides.push("network.media_b.loss=1.0".to_owned());
        }
        for (index, receiver) in scenario.receivers.iter().enumerate() {
            if receiver.network.media.is_some() {
                overrides.push(format!("receiver.{index}.network.media.loss=1.0"));
            }
        }
        Some(load(path, &overrides))
    };
    let paths = shipped().into_par_iter().filter(|path| is_listened_to(path));
    let passed: Vec<String> = paths
        .filter_map(|path| dead(&path))
        .filter(|loaded| {
            let session =
                run(loaded, None, &Control::default()).unwrap_or_else(|error| panic!("{}: {error}", loaded.name));
            let of_engine = |judgement: &&Judgement| {
                ["heard_share", "glitches"].iter().any(|metric| judgement.check.starts_with(metric))
            };
            session.summary.passed || session.summary.expectations.iter().filter(of_engine).any(|judged| judged.holds)
        })
        .map(|loaded| loaded.name)
        .collect();
    assert_eq!(passed, Vec::<String>::new());
}

/// What a user is told of a stream, once each time that it happens.
#[test]
fn what_happens_to_a_stream_is_told() {
    let told = |name: &str, text: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{name}.toml"));
        let session = run(&load(&path, &["record.audio=\"none\"".to_owned()]), None, &Control::default()).unwrap();
        let events = &session.trace.recordings[0].events;
        events.iter().filter(|event| event.text.contains(text)).map(|event| event.time_s.round()).collect::<Vec<_>>()
    };
    assert_eq!(told("ssrc_change", "sends to the address of this stream"), [60.0]);
    assert_eq!(told("talker_restart", "its source has started anew"), [44.0, 84.0]);
    assert!(told("depth_grows", "depth raised by").first().is_some_and(|at| (40.0..41.0).contains(at)));
}
