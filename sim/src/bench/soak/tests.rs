use super::account::Course;
use super::draw::draw;
use super::*;
use crate::record::{ClockState, Recording};
use crate::world::{Outcome, Reception, TrajectoryHash};
use std::collections::BTreeSet;
use std::path::Path;

fn programme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/audio/speech_and_music.wav")
}

/// Each kind comes up, each scenario can be run, and everything has time to be over before the
/// next.
#[test]
fn what_is_drawn_can_be_run() {
    let mut causes = BTreeSet::new();
    for run in 0..60 {
        let drawn = draw(1, run, run < 10, &programme());
        let loaded = Loaded::from_text(Path::new("soak.toml"), &drawn.text);
        loaded.unwrap_or_else(|error| panic!("run {run}: {error}"));
        for pair in drawn.happenings.windows(2) {
            let settled_s = pair[0].to_s + pair[0].settles_s;
            assert!(pair[1].from_s >= settled_s.max(pair[0].to_s + RECOVERY_S), "{pair:?}");
        }
        causes.extend(drawn.happenings.iter().map(|happening| happening.cause));
    }
    assert_eq!(causes.len(), 27, "{causes:?}");
}

#[test]
fn a_run_is_drawn_by_seed_and_number_alone() {
    let text = |seed, run| draw(seed, run, false, &programme()).text;
    assert_eq!(text(1, 7), text(1, 7));
    assert_ne!(text(1, 7), text(1, 8));
    assert_ne!(text(1, 7), text(2, 7));
}

fn outcome(clock_states: Vec<(f64, ClockState)>, locked_errors: Vec<(f64, f64)>) -> Outcome {
    Outcome {
        recording: Recording::default(),
        heard: None,
        row_frames: Vec::new(),
        card_gaps: Vec::new(),
        concealed: Vec::new(),
        grandmasters: Vec::new(),
        clock_states,
        locked_errors,
        playing: Vec::new(),
        reception: Reception::default(),
        callbacks: Vec::new(),
        hash: TrajectoryHash::default(),
        events: 0,
        cancelled: false,
    }
}

/// The first attack of a run in which the clock does this after its end.
fn after_attack(back_after_s: Option<f64>, error_us: f64) -> HappeningFigures {
    let runs = (0..).map(|run| draw(1, run, false, &programme()));
    let happenings = runs.map(|drawn| drawn.happenings).find(|happenings| happenings[1].is_attack).unwrap();
    let (from_s, to_s) = (happenings[1].from_s, happenings[1].to_s);
    let mut states =
        vec![(0.0, ClockState::Listening), (3.0, ClockState::Locked), (from_s + 1.0, ClockState::Unlocked)];
    states.extend(back_after_s.map(|after_s| (to_s + after_s, ClockState::Locked)));
    let outcome = outcome(states, vec![(from_s - 1.0, 5000.0), (from_s + 1.0, error_us)]);
    let course = Course { outcome: &outcome, heard: None, duration_s: f64::from(RUN_S) };
    course.account(1, false, &happenings).happenings.remove(1)
}

#[test]
fn a_lock_that_is_wrong_or_late_is_found_and_belongs_to_its_cause() {
    let good = after_attack(Some(9.5), 900.0);
    assert!(good.is_good() && (good.recovery_s.unwrap() - 9.5).abs() < 1e-6, "{good:?}");
    let wrong = after_attack(Some(9.5), 1001.0);
    assert!(wrong.is_wrong_lock() && !wrong.is_late(), "{wrong:?}");
    let late = after_attack(Some(10.5), 900.0);
    assert!(late.is_late() && !late.is_wrong_lock(), "{late:?}");
    assert!(after_attack(None, 0.0).is_late());
    let run = SoakRun { run: 1, has_stream: false, hours: 1.0, happenings: vec![good, wrong, late] };
    let text = render_soak_table(&[run], 7);
    assert!(text.contains("locked and 1001 us off; reproduce with: sim bench soak --seed 7 --run 1"), "{text}");
    assert!(text.contains("locked again after 10.5 s; reproduce with: "), "{text}");
}
