use super::*;
use crate::record::{ClockState, Recording, TraceRow};

const LOCKED: &[(f64, ClockState)] = &[(0.0, ClockState::Locked)];
const LISTENING: &[(f64, ClockState)] = &[(0.0, ClockState::Listening)];

/// Ten seconds in which every ratio was wrong by `ppm`.
fn recording(ppm: f64) -> Recording {
    let row = |second: u32| TraceRow {
        time_s: f64::from(second),
        clock_state: ClockState::Locked,
        clock_error_us: None,
        clock_sigma_us: None,
        host_rate_ppm: None,
        host_rate_truth_ppm: 0.0,
        ratio_ppm: ppm,
        ratio_truth_ppm: 0.0,
        depth_ms: 30.0,
        fill_min_ms: 20.0,
        fill_max_ms: 30.0,
        underruns: 0,
        packets_late: 0,
        packets_lost: 0,
        latency_ms: Some(35.0),
        ..TraceRow::default()
    };
    Recording { receiver: "engine".into(), rows: (1..=10).map(row).collect(), ..Recording::default() }
}

fn judge_of(ppm: f64, states: &[(f64, ClockState)], metric: &str, limits: &str) -> Judgement {
    let text = format!("receiver = \"engine\"\nmetric = \"{metric}\"\n{limits}");
    let recording = recording(ppm);
    let evidence = Evidence {
        recording: &recording,
        others: Vec::new(),
        clock_states: states,
        locked_errors: &[],
        grandmasters: &[],
        playing: &[],
        heard: None,
        target_depth_ms: Some(30.0),
        target_latency_ms: Some(31.2),
        duration_s: 10.0,
    };
    Judgement::of(&toml::from_str(&text).unwrap(), &evidence)
}

fn judge(ppm: f64, limits: &str) -> Judgement {
    judge_of(ppm, LOCKED, "ratio_error_ppm", limits)
}

#[test]
fn a_limit_holds_up_to_its_own_value_and_is_missed_by_the_rest() {
    let cases = [
        (2.0, "max = 2", 0.0),
        (2.0, "max = 1.5", 0.5),
        (2.0, "min = 2", 0.0),
        (2.0, "min = 2.25", 0.25),
        (2.0, "min = 1\nmax = 3", 0.0),
        (2.0, "min = 3\nmax = 4", 1.0),
        (2.0, "min = 0\nmax = 1", 1.0),
        (2.0, "min = 2\nmax = 2", 0.0),
        (2.5, "min = 2\nmax = 2", 0.5),
    ];
    for (measured, limits, missed_by) in cases {
        let judgement = judge(measured, limits);
        assert_eq!(judgement.holds, missed_by <= 0.0, "{measured} against {limits}");
        assert!((judgement.missed_by - missed_by).abs() < 1e-12, "{measured} against {limits}: {judgement:?}");
        assert_eq!(judgement.measured, Some(measured));
    }
}

#[test]
fn a_number_that_is_none_is_within_no_limit() {
    for limits in ["max = 1", "min = 1", "min = 0\nmax = 1e9"] {
        let judgement = judge(f64::NAN, limits);
        assert!(!judgement.holds && judgement.missed_by.total_cmp(&f64::INFINITY).is_eq(), "{judgement:?}");
    }
}

#[test]
fn what_was_not_measured_is_within_no_limit() {
    for metric in ["crackles", "longest_gap_ms", "clock_error_us"] {
        let judgement = judge_of(0.0, LOCKED, metric, "min = 0\nmax = 1e9");
        assert!(!judgement.holds && judgement.measured.is_none(), "{judgement:?}");
        assert_eq!(judgement.measured_text(), "not measured");
    }
}

#[test]
fn a_lock_that_never_was_took_longer_than_any_limit() {
    let judgement = judge_of(0.0, LISTENING, "lock_time_s", "max = 1e9");
    assert!(!judgement.holds, "{judgement:?}");
    assert_eq!(judgement.measured_text(), "never");
    assert!(judge_of(0.0, LOCKED, "lock_time_s", "max = 0").holds);
    // Known of a receiver that does not lock, and asserted.
    assert_eq!(judge_of(0.0, LISTENING, "lock_time_s", "min = 60").verdict(), Verdict::Pass);
}

#[test]
fn a_known_failure_is_expected_and_its_absence_is_a_surprise() {
    assert_eq!(judge(2.0, "max = 3").verdict(), Verdict::Pass);
    assert_eq!(judge(4.0, "max = 3").verdict(), Verdict::Fail);
    assert_eq!(judge(4.0, "min = 3\nknown_failure = true").verdict(), Verdict::ExpectedFailure);
    let surprise = judge(2.0, "min = 3\nknown_failure = true");
    assert_eq!(surprise.verdict(), Verdict::UnexpectedPass);
    // Someone must look at it: the baseline is no longer what it was.
    assert!(!surprise.holds);
}

#[test]
fn checks_and_limits_are_written_as_people_do() {
    let texts = |limits: &str| {
        let judgement = judge(2.0, limits);
        (judgement.check, judgement.limit)
    };
    let of = |check: &str, limit: &str| (check.to_owned(), limit.to_owned());
    assert_eq!(texts("max = 0.5"), of("ratio_error_ppm", "<= 0.5"));
    assert_eq!(texts("min = 20\nfrom_s = 2"), of("ratio_error_ppm from 2 s", ">= 20"));
    assert_eq!(texts("min = 1\nmax = 1.25\nto_s = 5"), of("ratio_error_ppm, 0 to 5 s", "1 to 1.25"));
    assert_eq!(texts("min = 2\nmax = 2\nfrom_s = 2.5\nto_s = 5"), of("ratio_error_ppm, 2.5 to 5 s", "= 2"));
    assert_eq!(judge(123.456, "max = 0").measured_text(), "123.5");
    let small = judge(0.000_012, "max = 0");
    assert_eq!((small.measured_text(), small.missed_text()), ("1.2e-5".to_owned(), Some("1.2e-5".to_owned())));
    assert_eq!(judge(-0.0, "max = 0").measured_text(), "0");
    assert_eq!(judge(2.5, "max = 0.25").missed_text().as_deref(), Some("2.25"));
    assert_eq!(judge(2.5, "max = 3").missed_text(), None);
    assert_eq!(judge_of(0.0, LISTENING, "lock_time_s", "max = 5").missed_text(), None);
}
