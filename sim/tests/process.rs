//! Receivers that are programs of their own: the examples in Python and C play without a glitch and
//! always the same, and one that does not keep to the protocol ends the run with a sentence.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use sim::run::{ReceiverSummary, Session, run};
use sim::scenario::{Loaded, Metric};
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::Command;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/process")
}

fn session(overrides: &[String]) -> Session {
    let loaded = Loaded::read(&examples().join("process.toml"), overrides).unwrap_or_else(|error| panic!("{error}"));
    run(&loaded, None, &Control::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn receiver<'a>(session: &'a Session, name: &str) -> &'a ReceiverSummary {
    session.summary.receivers.iter().find(|receiver| receiver.name == name).unwrap()
}

#[track_caller]
fn assert_passes(session: &Session) {
    if let Some(judgement) = session.summary.expectations.iter().find(|judgement| !judgement.holds) {
        panic!("{} {}: {}", judgement.receiver, judgement.check, judgement.measured_text());
    }
}

const HEARD: &str = "record.audio=\"heard\"";

#[test]
fn the_receiver_in_python_plays_and_always_the_same() {
    if let Err(missing) = netns::require("python3") {
        return skips::tell(missing);
    }
    let overrides = [HEARD.to_owned()];
    let (first, second) = (session(&overrides), session(&overrides));
    assert_passes(&first);
    let [first, second] =
        [&first, &second].map(|session| receiver(session, "python").hashes().map(|h| h.map(str::to_owned)));
    assert!(first.iter().all(Option::is_some));
    assert_eq!(first, second);
}

#[test]
fn the_receiver_in_c_plays_in_phase_and_always_the_same() {
    if let Err(missing) = netns::require("cc") {
        return skips::tell(missing);
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("receiver");
    let source = examples().join("receiver.c");
    let warnings = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-o"];
    let built = Command::new("cc").args(warnings).args([&program, &source]).status().unwrap();
    assert!(built.success());
    let expect = |metric: &str, limits: &str| format!("{{receiver=\"c\",metric=\"{metric}\",from_s=15,{limits}}}");
    let overrides = [
        HEARD.to_owned(),
        format!("receiver.1={{name=\"c\",kind=\"process\",process.command=[{:?}]}}", program.to_str().unwrap()),
        format!(
            "expect=[{}]",
            [
                expect("heard_share", "min=0.999"),
                expect("glitches", "max=0"),
                expect("latency_ms", "min=20,max=22"),
                expect("locked_share", "min=1"),
                expect("clock_error_us", "max=100"),
            ]
            .join(",")
        ),
    ];
    let (first, second) = (session(&overrides), session(&overrides));
    assert_passes(&first);
    let own = receiver(&first, "c");
    assert!(own.metrics[&Metric::TimeToAudioS].unwrap() < 15.0, "{:?}", own.metrics);
    assert_eq!(own.hashes(), receiver(&second, "c").hashes());
}

/// What `sim` says of a receiver whose program is `words`, and its exit code.
fn refusal(words: &[&str], limit_s: f64) -> (String, Option<i32>) {
    let reports = tempfile::tempdir().unwrap();
    let set = format!("receiver.1.process={{command={words:?},answer_limit_s={limit_s}}}");
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .arg(examples().join("process.toml"))
        .args(["--set", "duration_s=1", "--set", "expect=[]", "--set", "record.audio=\"none\"", "--set", &set])
        .arg("--reports")
        .arg(reports.path())
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

/// Each fault, and what is said of it.
const FAULTS: &[(&str, &str)] = &[
    ("exits", "ended (exit status: 3) instead of answering PULL"),
    ("cut", "ended (exit status: 0) instead of answering PULL"),
    ("floods", "answered PULL with more than 1000 messages"),
    ("prints", "sent a message of 1819043176 bytes, more than the 20000000 that one may have"),
    ("unknown", "sent a message of kind 0x99, which the protocol does not have"),
    ("no_audio", "answered a PULL without AUDIO"),
    ("too_much", "sent 3844 bytes of audio, and 480 frames of 3840 bytes were asked for"),
    ("too_little", "sent 3836 bytes of audio, and 480 frames of 3840 bytes were asked for"),
    ("twice", "answered PULL with an AUDIO too many"),
    ("nan", "sent NaN, which is not a sample"),
    ("position", "plays at frame 9223372036854775807 + 0, which is no position"),
    ("fraction", "plays at frame 0 + inf, which is no position"),
    ("counts", "sent a count of jumps, underruns, late packets or overruns that is less than before"),
    ("state", "says that its clock is in state 9, and there are 0 to 4"),
    ("future", "which is not between 0 and now"),
    ("rate", "sent a clock map with a rate of NaN ppb, which no clock has"),
    ("no_ptp", "sent no PTP message: "),
    ("not_utf8", "sent an EVENT that is not UTF-8"),
    ("long_done", "sent a DONE that is 1 bytes too long"),
    ("short_clock", "sent a CLOCK of 5 bytes, which is too short"),
    ("restless", "asked to be woken or sent PTP messages more than 100000 times in a second"),
    ("miscounts", "ended its answer to message "),
    ("version", "speaks version 2 of the protocol, and this is version 1"),
    ("no_hello", "answered the HELLO without one"),
    ("says_more", "sent more after its answer to END"),
    ("fails", "ended with exit status: 4 after END, and not with success"),
];

#[test]
fn a_program_that_breaks_the_protocol_ends_the_run_with_a_sentence() {
    if let Err(missing) = netns::require("python3") {
        return skips::tell(missing);
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/faulty.py");
    let mut wrong = Vec::new();
    for (fault, right) in FAULTS {
        let (said, code) = refusal(&["python3", program.to_str().unwrap(), fault], 30.0);
        let begin = "error: receiver `python`: its program `python3 ";
        let is_one = said.lines().count() == 1 && said.starts_with(begin) && said.contains(right);
        if !is_one || code != Some(2) {
            wrong.push(format!("{fault}: exit code {code:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_program_that_hangs_is_ended() {
    if let Err(missing) = netns::require("python3") {
        return skips::tell(missing);
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/faulty.py");
    for (fault, right) in [
        ("hangs", "did not answer PULL within process.answer_limit_s and was ended"),
        ("stays", "did not end within process.answer_limit_s after END and was ended"),
    ] {
        let (said, code) = refusal(&["python3", program.to_str().unwrap(), fault], 2.0);
        assert!(said.contains(right) && said.lines().count() == 1, "{fault}: {said}");
        assert_eq!(code, Some(2));
    }
}

#[test]
fn a_program_that_cannot_be_started_is_told() {
    let (said, code) = refusal(&["./no-such-program"], 30.0);
    let begin = "error: receiver `python`: `./no-such-program` cannot be started in ";
    assert!(said.starts_with(begin) && said.trim_end().ends_with("check process.command"), "{said}");
    assert_eq!(code, Some(2));
    let (said, code) = refusal(&[], 30.0);
    assert!(said.contains("`command` names no program: write one, and its arguments"), "{said}");
    assert_eq!(code, Some(2));
}
