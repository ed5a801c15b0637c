use super::*;

const SYNC: Nanos = Nanos::from_millis(125);

fn at(ms: i64) -> LocalTime {
    LocalTime::ZERO + Nanos::from_millis(ms)
}

/// Sends Syncs in the given time span, with a Delay_Resp every second, at a constant uncertainty.
/// Returns the transitions.
fn run(
    machine: &mut LockMachine,
    span_ms: std::ops::Range<i64>,
    sigma_ns: f64,
    two_way: bool,
    heard: bool,
) -> Vec<(i64, LockState)> {
    let mut transitions = Vec::new();
    for ms in span_ms.step_by(125) {
        if heard {
            machine.on_forward(at(ms));
        }
        if heard && two_way && ms % 1000 == 0 {
            machine.on_reverse();
        }
        machine.advance(&LockInputs {
            now: at(ms),
            sigma_ns,
            published_ns: 0.0,
            doubt: None,
            displacement_ns: 0.0,
            wander_ns: 0.0,
            most_wander_ns: 0.0,
            jitter: Nanos::ZERO,
            sync_interval: SYNC,
            two_way,
        });
        transitions.extend(machine.poll_transition().map(|transition| (ms, transition.to)));
    }
    transitions
}

#[test]
fn the_table_of_transitions() {
    let table: String = TRANSITIONS.iter().map(|(from, to)| format!("{from} -> {to}\n")).collect();
    insta::assert_snapshot!(table);
}

#[test]
fn an_illegal_transition_is_refused_counted_and_reported_once() {
    let mut machine = LockMachine::new();
    run(&mut machine, 0..3_000, 100.0, true, true);
    assert_eq!(machine.state(), LockState::Locked);
    for ms in 3_000..3_010 {
        machine.enter(LockState::Listening, at(ms), LockCause::MasterHeard);
    }
    let refused = LockTransition {
        at: at(3_000),
        from: LockState::Locked,
        to: LockState::Locked,
        cause: LockCause::IllegalTransition { to: LockState::Listening, attempts: 1 },
    };
    assert_eq!(machine.poll_transition(), Some(refused));
    assert_eq!((machine.poll_transition(), machine.state(), machine.illegal), (None, LockState::Locked, 10));
    // The machine still works: silence begins a holdover.
    let silence = run(&mut machine, 3_000..4_000, 100.0, true, false);
    assert_eq!(silence, [(3_375, LockState::Holdover)]);
    // A new run of attempts is reported again.
    machine.enter(LockState::Listening, at(4_000), LockCause::MasterHeard);
    let cause = machine.poll_transition().map(|transition| transition.cause);
    assert_eq!(cause, Some(LockCause::IllegalTransition { to: LockState::Listening, attempts: 11 }));
}

#[test]
fn a_lock_needs_syncs_delay_resps_and_certainty() {
    let mut machine = LockMachine::new();
    assert_eq!(run(&mut machine, 0..3_000, 100.0, true, true), [(0, LockState::Acquiring), (1_000, LockState::Locked)]);
    let mut uncertain = LockMachine::new();
    assert_eq!(run(&mut uncertain, 0..3_000, 6_000.0, true, true), [(0, LockState::Acquiring)]);
}

#[test]
fn a_master_that_never_answers_is_locked_to_all_the_same() {
    let mut machine = LockMachine::new();
    assert_eq!(run(&mut machine, 0..3_000, 100.0, false, true), [(0, LockState::Acquiring), (875, LockState::Locked)]);
}

#[test]
fn uncertainty_between_locking_and_unlocking_changes_nothing() {
    let mut machine = LockMachine::new();
    run(&mut machine, 0..3_000, 4_000.0, true, true);
    assert_eq!(run(&mut machine, 3_000..60_000, 19_000.0, true, true), []);
    assert_eq!(run(&mut machine, 60_000..60_500, 21_000.0, true, true)[0].1, LockState::Unlocked);
}

#[test]
fn silence_is_a_holdover_and_four_syncs_end_it() {
    let mut machine = LockMachine::new();
    run(&mut machine, 0..10_000, 100.0, true, true);
    assert_eq!(run(&mut machine, 10_000..20_000, 100.0, true, false), [(10_375, LockState::Holdover)]);
    assert_eq!(run(&mut machine, 20_000..21_000, 100.0, true, true), [(20_375, LockState::Locked)]);
}

#[test]
fn a_holdover_lasts_until_the_held_time_is_of_no_use() {
    let mut machine = LockMachine::new();
    run(&mut machine, 0..10_000, 100.0, true, true);
    assert_eq!(run(&mut machine, 10_000..11_000, 100.0, true, false), [(10_375, LockState::Holdover)]);
    assert_eq!(run(&mut machine, 11_000..20_000, 90_000.0, true, false), []);
    // The Syncs are back: the clock locks once they have made it certain enough.
    assert_eq!(run(&mut machine, 20_000..21_000, 21_000.0, true, true), []);
    assert_eq!(run(&mut machine, 21_000..21_125, 19_000.0, true, true), [(21_000, LockState::Locked)]);

    let mut silent = machine.clone();
    run(&mut silent, 21_125..23_000, 100.0, true, false);
    assert_eq!(run(&mut silent, 23_000..24_000, 110_000.0, true, false)[0], (23_000, LockState::Unlocked));
}

#[test]
fn a_proven_step_is_locked_again_within_two_seconds_without_a_delay_resp() {
    let mut machine = LockMachine::new();
    run(&mut machine, 0..10_000, 100.0, true, true);
    machine.on_step(at(10_000), Nanos::from_secs(3600));
    assert_eq!(machine.poll_transition().map(|transition| transition.to), Some(LockState::Unlocked));
    let transitions = run(&mut machine, 10_125..12_000, 100.0, true, true);
    assert_eq!(transitions, [(10_500, LockState::Acquiring), (11_000, LockState::Locked)]);
}

#[test]
fn no_state_is_left_by_uncertainty_before_its_dwell() {
    let mut machine = LockMachine::new();
    run(&mut machine, 0..1_125, 100.0, true, true);
    assert_eq!(machine.state(), LockState::Locked);
    let transitions = run(&mut machine, 1_125..2_000, 1e6, true, true);
    assert_eq!(transitions[0], (1_500, LockState::Unlocked));
}

#[test]
fn nothing_that_is_off_by_a_millisecond_is_locked() {
    let inputs = |ms: i64, sigma_ns, displacement_ns| LockInputs {
        now: at(ms),
        sigma_ns,
        published_ns: sigma_ns,
        doubt: None,
        displacement_ns,
        wander_ns: 0.0,
        most_wander_ns: 0.0,
        jitter: Nanos::from_secs(2),
        sync_interval: SYNC,
        two_way: false,
    };
    for (sigma_ns, displacement_ns, locks, stays) in
        [(0.2e6, 0.0, true, true), (0.3e6, 0.0, false, true), (1.1e6, 0.0, false, false), (0.2e6, 1.1e6, false, false)]
    {
        let mut machine = LockMachine::new();
        let mut run = |from_ms: i64, sigma_ns, displacement_ns| {
            for ms in (from_ms..from_ms + 3000).step_by(125) {
                machine.on_forward(at(ms));
                machine.advance(&inputs(ms, sigma_ns, displacement_ns));
            }
            machine.state() == LockState::Locked
        };
        assert_eq!(run(0, sigma_ns, displacement_ns), locks, "{sigma_ns} {displacement_ns}");
        assert!(run(3000, 0.0, 0.0));
        assert_eq!(run(6000, sigma_ns, displacement_ns), stays, "{sigma_ns} {displacement_ns}");
    }
}
