//! Receivers that are not part of the simulator: the examples of a clock servo and of a rate
//! controller, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/own_rate_controller.rs"]
#[expect(dead_code, reason = "the tests call what its `main` calls")]
mod own_rate_controller;
#[path = "../examples/own_servo.rs"]
#[expect(dead_code, reason = "the tests call what its `main` calls")]
mod own_servo;

use sim::receivers::Slot;
use sim::run::{ReceiverSummary, Session, run, run_with};
use sim::scenario::{Loaded, Metric};
use sim::world::Control;
use std::path::Path;

fn scenario(name: &str, overrides: &[&str]) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Loaded::read(&path, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

fn receivers(session: &Session) -> [&ReceiverSummary; 2] {
    session.summary.receivers.iter().collect::<Vec<_>>().try_into().unwrap()
}

/// Whether every expectation of the engine is one of the other receiver, too.
fn assert_same_goals(session: &Session, other: &str) {
    let of = |name: &str| {
        let own = session.summary.expectations.iter().filter(|judgement| judgement.receiver == name);
        own.map(|judgement| (judgement.check.clone(), judgement.limit.clone())).collect::<Vec<_>>()
    };
    assert!(!of("engine").is_empty());
    assert_eq!(of("engine"), of(other));
}

fn assert_written(folder: &Path, files: &[&str]) {
    for file in files {
        assert!(folder.join(file).metadata().is_ok_and(|data| data.len() > 0), "{file} is missing");
    }
}

#[test]
fn the_example_of_a_servo_follows_ptp_less_well_than_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let session = own_servo::run(folder.path()).unwrap();
    assert_written(folder.path(), &["index.html", "overview.png", "clock.png", "summary.json", "trace.csv"]);
    assert_same_goals(&session, "own_servo");
    let [engine, own] = receivers(&session);
    assert_eq!((engine.name.as_str(), own.name.as_str()), ("engine", "own_servo"));
    assert_eq!(engine.hash_wire, own.hash_wire, "they did not get the same packets");
    let error_us = |receiver: &ReceiverSummary| {
        let rows = session.trace.recordings.iter().find(|recording| recording.receiver == receiver.name).unwrap();
        let settled = rows.rows.iter().filter(|row| row.time_s > 60.0);
        settled.map(|row| row.clock_error_us.unwrap().abs()).fold(0.0, f64::max)
    };
    let (own_us, engine_us) = (error_us(own), error_us(engine));
    assert!(own_us > engine_us && own_us < 100.0, "{own_us} us, and the engine {engine_us} us");
    assert!(session.trace.recordings[1].rows.iter().all(|row| row.clock_sigma_us.is_none()), "it claims none");
}

#[test]
fn the_example_of_a_rate_controller_plays_without_glitches() {
    let folder = tempfile::tempdir().unwrap();
    let shorter =
        ["duration_s=30", "fault.0={at_s=12,for_s=10,what=\"grandmaster_lost\"}", "expect=[]"].map(str::to_owned);
    let session = own_rate_controller::run(folder.path(), &shorter).unwrap();
    let files = ["index.html", "drift.png", "audio.png", "own_controller.wav", "own_controller.difference.wav"];
    assert_written(folder.path(), &files);
    let [engine, own] = receivers(&session);
    let metric = |receiver: &ReceiverSummary, metric| receiver.metrics[&metric].unwrap();
    assert!(metric(own, Metric::HeardShare) > 0.9 && metric(own, Metric::Glitches) < 0.5, "{:?}", own.metrics);
    assert_ne!(engine.hash_audio, own.hash_audio);
}

/// A servo plugged into a scenario with audio is the clock that the engine plays by.
#[test]
fn the_engine_plays_by_a_servo_that_is_plugged_in() {
    let mut loaded = scenario("gm_loss.toml", &["duration_s=20", "fault=[]", "expect=[]", "record.audio=\"heard\""]);
    loaded.add_own("pi", "engine").unwrap();
    let make = |slot: &Slot<'_>| match slot.name() {
        "pi" => slot.clock_servo(sim::baselines::LinuxptpPi::default(), false),
        _ => slot.built_in(),
    };
    let run = || run_with(&loaded, None, &Control::default(), &make).unwrap();
    let (session, again) = (run(), run());
    let [engine, own] = receivers(&session);
    assert!(own.metrics[&Metric::HeardShare].unwrap() > 0.9, "{:?}", own.metrics);
    assert_ne!(engine.hash_timing, own.hash_timing);
    assert_eq!(own.hashes(), receivers(&again)[1].hashes());
}

#[test]
fn what_cannot_be_made_is_refused_in_a_sentence() {
    let mut loaded = scenario("thermal_ramp.toml", &["duration_s=5", "fault=[]", "expect=[]"]);
    for (name, like, reason) in [
        ("own", "nobody", "there is no receiver `nobody` to be like: there are engine"),
        ("Engine", "engine", "receiver name `Engine` is taken; choose another"),
        ("my own", "engine", "receiver name `my own`: use letters, digits, - and _"),
    ] {
        let error = loaded.add_own(name, like).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}` cannot be added: {reason}")), "{error}");
    }
    loaded.add_own("own", "engine").unwrap();
    let error = run(&loaded, None, &Control::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "receiver `own`: a receiver of kind \"own\" is brought by a program that calls sim::run::run_with; choose \
         another kind"
    );
    let controller = |slot: &Slot<'_>| match slot.name() {
        "own" => slot.rate_controller(engine::audio::FusedRateController::default()),
        _ => slot.built_in(),
    };
    let error = run_with(&loaded, None, &Control::default(), &controller).unwrap_err().to_string();
    assert!(error.starts_with("receiver `own`: a rate controller needs an audio chain"), "{error}");
}
