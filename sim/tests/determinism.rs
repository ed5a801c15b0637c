//! The same scenario and seed give the same bytes; and one knob turns one thing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod short;

use short::{SCENARIO, write};
use sim::record::TraceRow;
use sim::run::{Session, Summary, first_difference, run};
use sim::scenario::{Loaded, Metric};
use sim::world::Control;
use std::path::Path;

/// Runs the short scenario; the reports go into `reports` if that is given.
fn session(overrides: &[&str], reports: Option<&Path>) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), SCENARIO);
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let loaded = Loaded::read(&path, &overrides).unwrap();
    run(&loaded, reports, &Control::default()).unwrap()
}

fn hashes(session: &Session) -> [String; 3] {
    session.summary.receivers[0].hashes().map(|hash| hash.unwrap().to_owned())
}

#[test]
fn two_runs_are_the_same_to_the_byte() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (session(&[], Some(one.path())), session(&[], Some(two.path())));
    assert_eq!(first_difference(&a, &b), None);
    assert_eq!(hashes(&a), hashes(&b));
    let names: Vec<_> = std::fs::read_dir(one.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() == 13, "{names:?}");
    for name in names {
        let bytes = |folder: &Path| std::fs::read(folder.join(&name)).unwrap();
        assert!(bytes(one.path()) == bytes(two.path()), "{name:?} differs");
    }
}

#[test]
fn another_seed_is_another_run() {
    let (a, b) = (session(&[], None), session(&["seed=4"], None));
    for (one, two) in hashes(&a).iter().zip(&hashes(&b)) {
        assert_ne!(one, two);
    }
    let told = first_difference(&a, &b).unwrap();
    assert!(told.starts_with("receiver `engine` differs on level wire, first in the row at "), "{told}");
}

/// Ratio and depth differ from the first second on; the network does not.
fn weather(session: &Session) -> Vec<(u32, u64, u64)> {
    let rows = &session.trace.recordings[0].rows;
    rows.iter()
        .map(|row| (row.packets_lost, row.host_rate_truth_ppm.to_bits(), row.ratio_truth_ppm.to_bits()))
        .collect()
}

/// Whoever plays, and however late, the packets on the wire are the same: the engine's Delay_Reqs
/// do not depend on its card.
#[test]
fn the_card_does_not_change_the_weather() {
    let loss = "network.media.loss=0.01";
    let calm = session(&[loss], None);
    for knob in
        ["card.callback_jitter={exponential={mean_us=900}}", "card.callback_frames=960", "playout.target_depth_ms=40"]
    {
        let other = session(&[loss, knob], None);
        let ([wire, timing, audio], [other_wire, other_timing, other_audio]) = (hashes(&calm), hashes(&other));
        assert_eq!(wire, other_wire, "{knob}");
        assert!(timing != other_timing && audio != other_audio, "{knob}");
        assert_eq!(weather(&calm), weather(&other), "{knob}");
    }
    // More loss is other weather.
    assert_ne!(hashes(&calm)[0], hashes(&session(&["network.media.loss=0.02"], None))[0]);
}

/// Where playback was in every interval, and what was missing.
fn played(session: &Session) -> Vec<(u64, u64, u64, u32, u64)> {
    let rows = &session.trace.recordings[0].rows;
    let of = |row: &TraceRow| {
        let [ratio, depth, fill, concealed] =
            [row.ratio_ppm, row.depth_ms, row.fill_min_ms, row.concealed_ms].map(f64::to_bits);
        (ratio, depth, fill, row.underruns, concealed)
    };
    rows.iter().map(of).collect()
}

/// What is listened to is not what happens.
#[test]
fn recording_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (silent, heard) = (session(&["record.audio=\"none\""], None), session(&[], Some(folder.path())));
    assert_eq!(first_difference(&silent, &heard), None);
    let told = |session: &Session| session.summary.receivers[0].hashes().map(|hash| hash.is_some());
    assert_eq!((told(&silent), told(&heard)), ([true, true, false], [true; 3]));
    assert_eq!(weather(&silent), weather(&heard));
    assert_eq!(played(&silent), played(&heard));
}

/// What is only listened to is judged as what is kept, and leaves no WAV files.
#[test]
fn what_is_heard_is_what_a_file_would_tell() {
    let losses = "fault=[{ at_s = 8, for_s = 0.08, what = \"media_lost\" }]";
    let gap = |summary: &Summary| summary.receivers[0].metrics[&Metric::LongestGapMs];
    let judged = |audio: &str| {
        let folder = tempfile::tempdir().unwrap();
        let session = session(&[&format!("record.audio=\"{audio}\""), losses], Some(folder.path()));
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let wavs = names.filter(|path| path.extension().is_some_and(|extension| extension == "wav")).count();
        (gap(&session.summary), wavs)
    };
    let (kept, heard) = (judged("full"), judged("heard"));
    assert!(kept.0.is_some_and(|gap_ms| gap_ms > 10.0), "{kept:?}");
    assert_eq!(heard, (kept.0, 0));
    assert_eq!(kept.1, 3, "the receiver, the reference, and their difference");
}

/// Every receiver of a scenario meets the same media packets, whatever stands beside it.
#[test]
fn a_second_receiver_changes_nothing_for_the_first() {
    let alone = session(&[], None);
    let folder = tempfile::tempdir().unwrap();
    let text = short::with("[[fault]]", "[[receiver]]\nname = \"prototype\"\nkind = \"prototype\"\n\n[[fault]]");
    let loaded = Loaded::read(&write(folder.path(), &text), &[]).unwrap();
    let both = run(&loaded, None, &Control::default()).unwrap();
    assert_eq!(both.summary.receivers.len(), 2);
    assert_eq!(hashes(&alone), hashes(&both));
}
