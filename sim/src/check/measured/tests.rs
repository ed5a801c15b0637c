use super::*;
use crate::check::{
    Circumstances, Crackle, CrackleKind, CrackleReport, FrameTimes, Gap, Heard, HeardHop, HeardTimeline, Waypoint,
};

/// Ten quiet seconds: locked from 2 s on, playing as asked.
fn quiet() -> Recording {
    let row = |second: u32| TraceRow {
        time_s: f64::from(second),
        clock_state: if second < 2 { ClockState::Acquiring } else { ClockState::Locked },
        clock_error_us: (second > 1).then_some(3.0),
        clock_sigma_us: Some(5.0),
        host_rate_ppm: Some(10.0),
        host_rate_truth_ppm: 10.0,
        ratio_ppm: -20.0,
        ratio_truth_ppm: -20.0,
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

const LOCKED_FROM_2: &[(f64, ClockState)] =
    &[(0.0, ClockState::Listening), (0.5, ClockState::Acquiring), (2.0, ClockState::Locked)];

/// Playback begins at 0.5 s.
const PLAYING: [(f64, bool); 2] = [(0.0, false), (0.5, true)];

fn evidence<'a>(recording: &'a Recording, clock_states: &'a [(f64, ClockState)]) -> Evidence<'a> {
    Evidence {
        recording,
        others: Vec::new(),
        clock_states,
        locked_errors: &[(3.0, 4.0), (4.0, 90.0), (6.0, 2.0)],
        grandmasters: &[],
        playing: &PLAYING,
        heard: None,
        target_depth_ms: Some(30.0),
        target_latency_ms: Some(35.0),
        duration_s: 10.0,
    }
}

fn span(from_s: f64, to_s: f64) -> Span {
    Span { from_s, to_s }
}

const WHOLE: Span = Span { from_s: 0.0, to_s: 10.0 };

#[track_caller]
fn assert_measures(evidence: &Evidence<'_>, metric: Metric, span: Span, expected: Option<f64>) {
    let measured = evidence.measure(metric, span).value();
    let near = match (measured, expected) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq() || (a - b).abs() < 1e-9,
        (a, b) => a.is_none() && b.is_none(),
    };
    assert!(near, "{metric} over {span:?} is {measured:?}, not {expected:?}");
}

#[test]
fn a_quiet_run_measures_nothing_bad() {
    let recording = quiet();
    let evidence = evidence(&recording, LOCKED_FROM_2);
    let expected = [
        (Metric::HeardShare, None),
        (Metric::Glitches, None),
        (Metric::LatencyMs, None),
        (Metric::TimeToAudioS, None),
        (Metric::SilentS, None),
        (Metric::WrongS, None),
        (Metric::ResidualDbfs, None),
        (Metric::Crackles, None),
        (Metric::LongestGapMs, None),
        (Metric::Underruns, Some(0.0)),
        (Metric::PacketsLate, Some(0.0)),
        (Metric::Unlocks, Some(0.0)),
        (Metric::LockedShare, Some(0.8)),
        (Metric::HoldoverShare, Some(0.0)),
        (Metric::LockTimeS, Some(2.0)),
        (Metric::RatioErrorPpm, Some(0.0)),
        (Metric::DepthErrorMs, Some(0.0)),
        (Metric::ClockErrorUs, Some(3.0)),
        (Metric::LockedErrorUs, Some(90.0)),
        (Metric::ClockStepUs, Some(0.0)),
        (Metric::Coverage3Sigma, Some(1.0)),
        (Metric::RelockTimeS, Some(2.0)),
        (Metric::GrandmasterChanges, None),
        (Metric::SkewUs, None),
        (Metric::SkewRmsUs, None),
        (Metric::SenderOffPtpShare, Some(0.0)),
        (Metric::CracklesPerMin, None),
        (Metric::PacketsMissed, Some(0.0)),
        (Metric::PacketsDropped, Some(0.0)),
        (Metric::PacketsRefused, Some(0.0)),
        (Metric::ConcealedMs, Some(0.0)),
        (Metric::ReplayTimeS, Some(0.5)),
        (Metric::DepthRaisedMs, Some(0.0)),
        (Metric::CardRateErrorPpm, None),
        (Metric::LegALost, Some(0.0)),
        (Metric::LegBLost, Some(0.0)),
        (Metric::LegSkewMs, None),
        (Metric::PacketsAltered, Some(0.0)),
        (Metric::SenderErrorUs, None),
        (Metric::SenderStepUs, None),
        (Metric::SenderErrorSigmas, None),
        (Metric::SenderWrongTimestamps, None),
        (Metric::SenderJumps, None),
        (Metric::DisplayedAudioPercent, None),
        (Metric::DisplayedUnderruns, None),
    ];
    assert_eq!(expected.len(), Metric::ALL.len());
    for (metric, value) in expected {
        assert_measures(&evidence, metric, WHOLE, value);
        // A report would show the sign of a negative zero.
        assert!(evidence.measure(metric, WHOLE).value().is_none_or(f64::is_sign_positive), "{metric}");
    }
}

/// One bad second, the fifth, changes each metric of the rows: in a span with it, and in no other.
#[test]
fn a_row_counts_in_the_spans_that_hold_its_whole_interval() {
    type Change = fn(&mut TraceRow);
    let bad: [(Metric, Change, f64, f64); 15] = [
        (Metric::Underruns, |row| row.underruns = 2, 2.0, 0.0),
        (Metric::PacketsLate, |row| row.packets_late = 3, 3.0, 0.0),
        (Metric::RatioErrorPpm, |row| row.ratio_ppm = -27.5, 7.5, 0.0),
        (Metric::DepthErrorMs, |row| row.depth_ms = 26.0, 4.0, 0.0),
        (Metric::ClockErrorUs, |row| row.clock_error_us = Some(-90.0), 90.0, 3.0),
        (Metric::PacketsMissed, |row| row.packets_missed = -2, -2.0, 0.0),
        (Metric::PacketsDropped, |row| row.packets_dropped = 4, 4.0, 0.0),
        (Metric::PacketsRefused, |row| row.packets_refused = 5, 5.0, 0.0),
        (Metric::ConcealedMs, |row| row.concealed_ms = 1.5, 1.5, 0.0),
        (Metric::LegALost, |row| row.leg_a_lost = 7, 7.0, 0.0),
        (Metric::LegBLost, |row| row.leg_b_lost = 8, 8.0, 0.0),
        (Metric::PacketsAltered, |row| row.packets_altered = 9, 9.0, 0.0),
        (Metric::DepthRaisedMs, |row| row.depth_raised_ms = 6.0, 6.0, 0.0),
        (Metric::SenderWrongTimestamps, |row| row.sender_wrong_timestamps = 10, 10.0, 0.0),
        (Metric::SenderJumps, |row| row.sender_jumps = 11, 11.0, 0.0),
    ];
    for (metric, change, with, without) in bad {
        let mut recording = quiet();
        recording.rows.iter_mut().for_each(|row| row.sender_error_us = Some(0.0));
        change(&mut recording.rows[4]);
        let evidence = evidence(&recording, LOCKED_FROM_2);
        assert_measures(&evidence, metric, WHOLE, Some(with));
        assert_measures(&evidence, metric, span(4.0, 5.0), Some(with));
        assert_measures(&evidence, metric, span(1.0, 4.0), Some(without));
        assert_measures(&evidence, metric, span(5.0, 10.0), Some(without));
        // Half of the bad second is not the bad second; what else the span holds counts.
        assert_measures(&evidence, metric, span(4.5, 6.0), Some(without));
        assert_measures(&evidence, metric, span(3.0, 4.5), Some(without));
        // A span without a whole interval has nothing to measure, which is not the same as nothing
        // bad.
        assert_measures(&evidence, metric, span(4.2, 4.8), None);
    }
}

/// A clock that is wrong while it is locked is so between the rows, too.
#[test]
fn the_error_of_a_locked_clock_is_the_largest_of_its_span() {
    let recording = quiet();
    let evidence = evidence(&recording, LOCKED_FROM_2);
    let cases =
        [(WHOLE, Some(90.0)), (span(3.0, 4.0), Some(90.0)), (span(0.0, 3.0), Some(4.0)), (span(4.0, 10.0), Some(2.0))];
    for (span, expected) in cases {
        assert_measures(&evidence, Metric::LockedErrorUs, span, expected);
    }
    // It was not locked.
    assert_measures(&evidence, Metric::LockedErrorUs, span(7.0, 10.0), None);
}

#[test]
fn an_estimate_that_never_was_has_no_error() {
    let mut recording = quiet();
    recording.rows.iter_mut().for_each(|row| row.clock_error_us = None);
    assert_measures(&evidence(&recording, LOCKED_FROM_2), Metric::ClockErrorUs, WHOLE, None);
}

#[test]
fn a_value_that_is_not_a_number_is_the_largest() {
    let mut recording = quiet();
    recording.rows[4].ratio_ppm = f64::NAN;
    recording.rows[6].ratio_ppm = 1e9;
    let measured = evidence(&recording, LOCKED_FROM_2).measure(Metric::RatioErrorPpm, WHOLE).value();
    assert!(measured.is_some_and(f64::is_nan), "{measured:?}");
}

/// Ten seconds of a listener at 1000 frames a second, in hops of 10: what was heard from each
/// second on.
fn listening(heard: [Heard; 10], crackles: &[u64], gaps: Vec<Gap>, concealed: std::ops::Range<u64>) -> Listening {
    let hop = |heard| HeardHop { heard, residual_dbfs: (heard == Heard::Right).then_some(-90) };
    let waypoints = (0..100).map(|n| Waypoint {
        frame: f64::from(n * 100 + 5),
        position: engine::MediaPosition::at_frame(engine::Frames::new(i64::from(n * 100 + 5))),
    });
    let report = CrackleReport {
        crackles: crackles
            .iter()
            .map(|&at_frame| Crackle { at_frame, kind: CrackleKind::Dropout, duration_frames: 10 })
            .collect(),
        timeline: HeardTimeline {
            hop_frames: 10,
            hops: heard.into_iter().flat_map(|heard| [hop(heard); 100]).collect(),
            gaps,
            waypoints: waypoints.collect(),
        },
        longest_gap_ms: 0.0,
        pitch_deviation_cents: 0.0,
        tracked_share: 1.0,
    };
    let times = FrameTimes::new(10_000, 1000, |frame| frame as f64 * 1e-3);
    let latency = |at_s, _| if at_s < 5.0 { 34.0 } else { 35.5 };
    Listening::new(
        &report,
        Circumstances { times, card_gaps: &[], concealed: std::slice::from_ref(&concealed) },
        latency,
    )
}

#[test]
fn what_was_heard_is_the_listeners() {
    use Heard::{Quiet, Right, Silent, Wrong};
    let recording = quiet();
    let heard = listening(
        [Silent, Right, Right, Right, Quiet, Wrong, Right, Wrong, Right, Right],
        &[1_000, 4_000, 4_500],
        vec![Gap { at_frame: 0, frames: 1000 }, Gap { at_frame: 8_000, frames: 12 }],
        7_000..8_000,
    );
    let heard = Evidence { heard: Some(&heard), ..evidence(&recording, LOCKED_FROM_2) };
    assert_measures(&heard, Metric::Crackles, WHOLE, Some(3.0));
    // The start belongs to a span, the end does not.
    assert_measures(&heard, Metric::Crackles, span(1.0, 4.0), Some(1.0));
    assert_measures(&heard, Metric::CracklesPerMin, span(1.0, 4.0), Some(20.0));
    assert_measures(&heard, Metric::Crackles, span(3.0, 5.0), Some(2.0));
    assert_measures(&heard, Metric::HeardShare, WHOLE, Some(6.0 / 9.0));
    assert_measures(&heard, Metric::SilentS, WHOLE, Some(1.0));
    // What the receiver says that it made up is not the programme, and not counted as something
    // else either.
    assert_measures(&heard, Metric::WrongS, WHOLE, Some(1.0));
    assert_measures(&heard, Metric::Glitches, WHOLE, Some(5.0));
    assert_measures(&heard, Metric::Glitches, span(5.5, 6.0), Some(1.0));
    assert_eq!(heard.parts(Metric::Glitches, WHOLE).as_deref(), Some("3 crackle, 1 concealment, 1 wrong"));
    assert_measures(&heard, Metric::TimeToAudioS, WHOLE, Some(1.0));
    assert_measures(&heard, Metric::ResidualDbfs, WHOLE, Some(-90.0));
    // A late start is told by the time to audio; the gap is the one after it.
    assert_measures(&heard, Metric::LongestGapMs, WHOLE, Some(12.0));
    assert_measures(&heard, Metric::LatencyMs, WHOLE, Some(34.0));
    assert_measures(&heard, Metric::LatencyMs, span(5.0, 10.0), Some(35.5));
}

#[test]
fn a_dead_stream_has_a_gap_and_nothing_else_is_judged() {
    let recording = quiet();
    let dead = listening([Heard::Silent; 10], &[], vec![Gap { at_frame: 40, frames: 9_960 }], 40..10_000);
    let dead = Evidence { heard: Some(&dead), ..evidence(&recording, LOCKED_FROM_2) };
    assert_measures(&dead, Metric::HeardShare, WHOLE, Some(0.0));
    // Its word that it made up silence excuses nothing.
    assert_measures(&dead, Metric::SilentS, WHOLE, Some(10.0));
    assert_measures(&dead, Metric::LongestGapMs, WHOLE, Some(9_960.0));
    assert_measures(&dead, Metric::TimeToAudioS, WHOLE, Some(f64::INFINITY));
    for metric in [Metric::Crackles, Metric::CracklesPerMin, Metric::Glitches, Metric::LatencyMs, Metric::ResidualDbfs]
    {
        assert_measures(&dead, metric, WHOLE, None);
    }
}

#[test]
fn a_count_of_crackles_in_what_was_hardly_heard_is_a_lower_bound() {
    use Heard::{Right, Silent};
    let recording = quiet();
    let heard = listening(
        [Right, Right, Right, Silent, Silent, Silent, Silent, Silent, Silent, Silent],
        &[1_500],
        Vec::new(),
        0..0,
    );
    let evidence = Evidence { heard: Some(&heard), ..evidence(&recording, LOCKED_FROM_2) };
    assert!(matches!(evidence.measure(Metric::Crackles, WHOLE), Measurement::AtLeast { .. }));
    assert_measures(&evidence, Metric::Crackles, span(0.0, 5.0), Some(1.0));
    assert_measures(&evidence, Metric::Glitches, WHOLE, Some(2.0));
    // The silence goes on into the second half.
    assert_measures(&evidence, Metric::Glitches, span(5.0, 10.0), Some(1.0));
}

#[test]
fn a_receiver_that_plays_nothing_has_counted_nothing() {
    let mut recording = quiet();
    recording.rows.iter_mut().take(6).for_each(|row| row.latency_ms = None);
    let evidence = evidence(&recording, LOCKED_FROM_2);
    for metric in Metric::ALL.into_iter().filter(|metric| metric.needs_playout()) {
        assert_measures(&evidence, metric, WHOLE, None);
    }
    assert_measures(&evidence, Metric::Underruns, span(5.0, 10.0), Some(0.0));
}

#[test]
fn unlocks_and_shares_are_of_the_span() {
    use ClockState::{Acquiring, Holdover, Listening, Locked, Unlocked};
    let recording = quiet();
    let states = [
        (0.0, Listening),
        (1.0, Locked),
        (4.0, Unlocked),
        (5.0, Acquiring),
        (6.0, Locked),
        (7.0, Holdover),
        (9.0, Unlocked),
    ];
    let evidence = evidence(&recording, &states);
    assert_measures(&evidence, Metric::Unlocks, WHOLE, Some(2.0));
    assert_measures(&evidence, Metric::Unlocks, span(4.0, 9.0), Some(1.0));
    assert_measures(&evidence, Metric::Unlocks, span(4.1, 9.0), Some(0.0));
    assert_measures(&evidence, Metric::LockedShare, WHOLE, Some(0.4));
    assert_measures(&evidence, Metric::LockedShare, span(2.0, 4.0), Some(1.0));
    assert_measures(&evidence, Metric::LockedShare, span(3.0, 7.0), Some(0.5));
    assert_measures(&evidence, Metric::LockedShare, span(4.0, 6.0), Some(0.0));
    assert_measures(&evidence, Metric::HoldoverShare, WHOLE, Some(0.2));
    assert_measures(&evidence, Metric::HoldoverShare, span(7.0, 8.5), Some(1.0));
    assert_measures(&evidence, Metric::HoldoverShare, span(0.0, 7.0), Some(0.0));
}

#[test]
fn lock_time_is_until_a_lock_that_lasts_a_second() {
    use ClockState::{Acquiring, Listening, Locked};
    let recording = quiet();
    let chattering = [(0.0, Listening), (1.0, Locked), (1.9, Acquiring), (3.0, Locked), (4.0, Acquiring)];
    let evidence_of = |states| evidence(&recording, states);
    assert_measures(&evidence_of(&chattering), Metric::LockTimeS, WHOLE, Some(3.0));
    // From the start of the span; a lock that is there already counts from there.
    assert_measures(&evidence_of(&chattering), Metric::LockTimeS, span(2.0, 10.0), Some(1.0));
    assert_measures(&evidence_of(LOCKED_FROM_2), Metric::LockTimeS, span(5.0, 10.0), Some(0.0));
    // Only 0.9 s of the lock are left, or it comes too late, or never.
    assert_measures(&evidence_of(&chattering), Metric::LockTimeS, span(3.1, 10.0), Some(f64::INFINITY));
    assert_measures(&evidence_of(LOCKED_FROM_2), Metric::LockTimeS, span(0.0, 2.9), Some(f64::INFINITY));
    assert_measures(&evidence_of(&[(0.0, Listening)]), Metric::LockTimeS, WHOLE, Some(f64::INFINITY));
}

#[test]
fn a_span_is_the_whole_run_unless_it_is_given() {
    let recording = quiet();
    let evidence = evidence(&recording, LOCKED_FROM_2);
    let span_of = |keys: &str| {
        let text = format!("receiver = \"engine\"\nmetric = \"underruns\"\nmax = 0\n{keys}");
        evidence.span_of(&toml::from_str(&text).unwrap())
    };
    assert_eq!(span_of(""), WHOLE);
    assert_eq!(span_of("from_s = 3"), span(3.0, 10.0));
    assert_eq!(span_of("to_s = 3"), span(0.0, 3.0));
    assert_eq!(span_of("from_s = 3\nto_s = 4"), span(3.0, 4.0));
}

#[test]
fn a_clock_relocks_when_it_stays_locked() {
    use ClockState::{Holdover, Locked, Unlocked};
    let states = &[(0.0, Locked), (2.0, Unlocked), (3.0, Locked), (5.0, Unlocked), (6.5, Locked)];
    let recording = quiet();
    let evidence_of = |states| evidence(&recording, states);
    let from_4 = Span { from_s: 4.0, to_s: 10.0 };
    assert_measures(&evidence_of(states), Metric::RelockTimeS, WHOLE, Some(6.5));
    assert_measures(&evidence_of(states), Metric::RelockTimeS, from_4, Some(2.5));
    assert_measures(&evidence_of(states), Metric::RelockTimeS, Span { from_s: 7.0, to_s: 10.0 }, Some(0.0));
    let lost = &[(0.0, Locked), (8.0, Holdover)];
    assert_measures(&evidence_of(lost), Metric::RelockTimeS, WHOLE, Some(f64::INFINITY));
}

#[test]
fn changes_of_grandmaster_are_counted_after_the_first() {
    let recording = quiet();
    let followed = [(1.0, ClockIdentity([1; 8])), (4.0, ClockIdentity([2; 8])), (8.0, ClockIdentity([1; 8]))];
    let evidence = Evidence { grandmasters: &followed, ..evidence(&recording, LOCKED_FROM_2) };
    assert_measures(&evidence, Metric::GrandmasterChanges, WHOLE, Some(2.0));
    assert_measures(&evidence, Metric::GrandmasterChanges, Span { from_s: 0.0, to_s: 5.0 }, Some(1.0));
}

#[test]
fn a_step_and_an_overconfident_sigma_are_seen() {
    let mut recording = quiet();
    recording.rows[5].clock_error_us = Some(-50.0);
    recording.rows[5].clock_sigma_us = Some(1.0);
    let before = recording.rows[4].clock_error_us.unwrap();
    let evidence = evidence(&recording, LOCKED_FROM_2);
    assert_measures(&evidence, Metric::ClockStepUs, WHOLE, Some(before + 50.0));
    assert_measures(&evidence, Metric::Coverage3Sigma, WHOLE, Some(8.0 / 9.0));
}

#[test]
fn skew_is_between_receivers_that_both_play() {
    let (recording, mut other, mut silent) = (quiet(), quiet(), quiet());
    for row in &mut other.rows {
        row.latency_ms = Some(35.0 + if row.time_s < 6.0 { 0.5 } else { -0.01 });
    }
    silent.rows[4].latency_ms = None;
    let evidence = Evidence { others: vec![(&other, None)], ..evidence(&recording, LOCKED_FROM_2) };
    assert_measures(&evidence, Metric::SkewUs, WHOLE, Some(500.0));
    assert_measures(&evidence, Metric::SkewUs, span(5.0, 10.0), Some(10.0));
    assert_measures(&evidence, Metric::SkewRmsUs, span(5.0, 10.0), Some(10.0));
    let half = libm::sqrt((500.0 * 500.0 + 10.0 * 10.0) / 2.0);
    assert_measures(&evidence, Metric::SkewRmsUs, span(4.0, 6.0), Some(half));
    // Of three, the pair that is farthest apart counts, and none if one of them is silent.
    let evidence = Evidence { others: vec![(&other, None), (&silent, None)], ..evidence };
    assert_measures(&evidence, Metric::SkewUs, span(5.0, 10.0), Some(10.0));
    assert_measures(&evidence, Metric::SkewUs, WHOLE, None);
}

#[test]
fn playback_is_back_when_it_stays() {
    let recording = quiet();
    let of = |playing| Evidence { playing, ..evidence(&recording, LOCKED_FROM_2) };
    let stuttering = &[(0.5, true), (3.0, false), (3.5, true), (4.0, false), (4.25, true)];
    assert_measures(&of(stuttering), Metric::ReplayTimeS, span(3.0, 10.0), Some(1.25));
    assert_measures(&of(stuttering), Metric::ReplayTimeS, span(5.0, 10.0), Some(0.0));
    assert_measures(&of(stuttering), Metric::ReplayTimeS, span(3.0, 4.1), Some(f64::INFINITY));
    assert_measures(&of(&[]), Metric::ReplayTimeS, WHOLE, Some(f64::INFINITY));
}

#[test]
fn what_a_receiver_says_of_card_and_legs_is_taken_by_its_size() {
    let mut recording = quiet();
    recording.rows[3].card_rate_error_ppm = Some(-2.0);
    recording.rows[4].leg_b_skew_ms = Some(-10.0);
    let evidence = evidence(&recording, LOCKED_FROM_2);
    assert_measures(&evidence, Metric::CardRateErrorPpm, WHOLE, Some(2.0));
    assert_measures(&evidence, Metric::LegSkewMs, WHOLE, Some(10.0));
}

#[test]
fn a_display_is_read_at_the_end_of_the_span() {
    let mut recording = quiet();
    let without = evidence(&recording, LOCKED_FROM_2);
    assert_measures(&without, Metric::DisplayedAudioPercent, WHOLE, None);
    assert_measures(&without, Metric::DisplayedUnderruns, WHOLE, None);
    for row in &mut recording.rows {
        row.displayed_audio_percent = Some(100.0 - row.time_s);
        row.displayed_underruns = Some(if row.time_s > 8.0 { 7 } else { 0 });
    }
    let shown = evidence(&recording, LOCKED_FROM_2);
    assert_measures(&shown, Metric::DisplayedAudioPercent, WHOLE, Some(90.0));
    assert_measures(&shown, Metric::DisplayedAudioPercent, span(2.0, 6.0), Some(94.0));
    assert_measures(&shown, Metric::DisplayedUnderruns, span(0.0, 8.0), Some(0.0));
    assert_measures(&shown, Metric::DisplayedUnderruns, WHOLE, Some(7.0));
}
