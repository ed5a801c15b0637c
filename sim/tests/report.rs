//! Draws every picture of runs of all sizes, down to none at all. What the pictures are made from
//! is tested where it is computed; here it matters that nothing panics and every file appears.

mod story;

use sim::record::{AudioExcerpt, Recording, RunTrace, Subjects};
use sim::report::{ReportError, write_all, write_csv};

const PICTURES: [&str; 5] = ["drift.png", "clock.png", "buffer.png", "audio.png", "overview.png"];

fn draw(trace: &RunTrace) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write_all(trace, dir.path()).expect("pictures are written");
    for name in PICTURES {
        let bytes = std::fs::read(dir.path().join(name)).expect("the picture exists");
        assert!(bytes.starts_with(b"\x89PNG"), "{name}");
        assert!(bytes.len() > 5_000, "{name} is empty: {} bytes", bytes.len());
    }
}

#[test]
fn the_story_is_drawn_for_any_number_of_receivers() {
    for receivers in [1, 2, 6] {
        draw(&story::story(receivers, 900));
    }
}

#[test]
fn a_day_and_a_second_are_drawn() {
    draw(&story::story(2, 86_400));
    draw(&story::story(2, 1));
}

/// A field trace: nobody knows a truth, and nobody listened.
#[test]
fn what_nobody_knows_is_left_out() {
    let mut trace = RunTrace { listened: false, ..story::story(2, 900) };
    for recording in &mut trace.recordings {
        recording.excerpt = None;
        for row in &mut recording.rows {
            (row.ratio_truth_ppm, row.host_rate_truth_ppm, row.clock_error_us) = (f64::NAN, f64::NAN, None);
        }
    }
    draw(&trace);
    trace.recordings.iter_mut().flat_map(|recording| &mut recording.rows).for_each(|row| row.clock_sigma_us = None);
    draw(&trace);
}

#[test]
fn every_subject_is_drawn() {
    let mut trace = story::story(3, 900);
    trace.subjects = Subjects { clock: true, sender: true, legs: true, skew: true };
    // Nothing is known of them.
    draw(&trace);
    for (index, recording) in trace.recordings.iter_mut().enumerate() {
        for row in &mut recording.rows {
            (row.sender_error_us, row.sender_sigma_us) = (Some(0.3 * row.time_s.sin()), Some(0.4));
            (row.leg_a_lost, row.leg_b_lost, row.leg_b_skew_ms) = (3, -1, Some(10.0 + 0.1 * row.time_s.cos()));
            row.latency_ms = Some(30.0 + 0.01 * index as f64 * row.time_s.sin());
        }
    }
    draw(&trace);
}

#[test]
fn nothing_is_drawn_as_nothing() {
    draw(&RunTrace { target_depth_ms: Some(50.0), ..RunTrace::default() });
    let silent = Recording { receiver: "silent".into(), ..Recording::default() };
    draw(&RunTrace { recordings: vec![silent], duration_s: 60.0, target_depth_ms: Some(50.0), ..RunTrace::default() });
}

#[test]
fn values_that_are_missing_flat_or_not_numbers_are_drawn() {
    let mut trace = story::story(2, 60);
    for row in &mut trace.recordings[0].rows {
        (row.clock_error_us, row.clock_sigma_us, row.host_rate_ppm) = (None, None, None);
        (row.ratio_ppm, row.ratio_truth_ppm, row.depth_ms) = (0.0, 0.0, 50.0);
    }
    for row in &mut trace.recordings[1].rows {
        (row.ratio_ppm, row.depth_ms, row.fill_max_ms) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
        (row.clock_error_us, row.clock_sigma_us) = (Some(f64::NAN), Some(f64::INFINITY));
    }
    trace.recordings[0].excerpt =
        Some(AudioExcerpt { start_s: 0.0, sample_rate_hz: 0, played: Vec::new(), reference: vec![f32::NAN] });
    draw(&trace);
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = write_all(&RunTrace::default(), file.path()).unwrap_err();
    assert!(matches!(&error, ReportError::Picture { path, .. } if path.ends_with("clock.png")), "{error}");
}

/// Where nothing was played there are two pictures, and playback's columns are empty.
#[test]
fn clocks_alone_have_no_pictures_of_playback() {
    let dir = tempfile::tempdir().unwrap();
    let clocks = RunTrace { target_depth_ms: None, ..story::story(1, 100) };
    write_all(&clocks, dir.path()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["clock.png", "overview.png"]);
    write_csv(&clocks, dir.path()).unwrap();
    let text = std::fs::read_to_string(dir.path().join("trace.csv")).unwrap();
    assert!(text.lines().skip(1).all(|line| line.ends_with(",,,,,,,,,")), "{text}");
}

#[test]
fn a_csv_has_a_line_for_each_row() {
    let dir = tempfile::tempdir().unwrap();
    write_csv(&story::story(2, 100), dir.path()).unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("trace.csv")).unwrap().lines().count(), 201);
}
