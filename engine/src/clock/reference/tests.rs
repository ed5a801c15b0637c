use super::*;
use proptest::prelude::*;

fn at(ms: i64) -> LocalTime {
    LocalTime::ZERO + Nanos::from_millis(ms)
}

fn map(offset: Nanos, ppm: f64) -> PtpMap {
    let origin = PtpTime::from_timestamp(1_790_000_000, 0) + offset;
    PtpMap::new(LocalTime::ZERO, origin, ClockMap::exact(LocalTime::ZERO, 0.0, Ppb::from_ppm(ppm)))
}

fn reading(state: LockState, map: PtpMap) -> ClockReading {
    ClockReading { state, map: Some(map), epoch: 0, path_delay: PathDelay::Measured }
}

fn ptp(map: PtpMap) -> Sources {
    Sources { ptp: Some(reading(LockState::Locked, map)), ..Sources::default() }
}

/// Advances every 100 ms over a span of ms. Returns the smallest and the largest rate of the
/// timeline (ppm) over any of these 100 ms, including steps.
fn run(reference: &mut Reference, span: std::ops::Range<i64>, sources: &Sources) -> (f64, f64) {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut last: Option<PtpTime> = None;
    for ms in span.step_by(100) {
        reference.advance(at(ms), sources);
        let Some(timeline) = reference.timeline() else { continue };
        let shown = timeline.ptp_at(at(ms));
        if let Some(last) = last {
            let ppm = ((shown - last).as_nanos_f64() / 100e6 - 1.0) * 1e6;
            (least, most) = (f64::min(least, ppm), f64::max(most, ppm));
        }
        last = Some(shown);
    }
    (least, most)
}

fn events(reference: &mut Reference) -> Vec<ReferenceEvent> {
    std::iter::from_fn(|| reference.poll_event()).collect()
}

#[test]
fn the_loss_of_ptp_is_bridged_at_its_rate_and_its_return_is_slewed() {
    let mut reference = Reference::new(ReferenceConfig::default());
    run(&mut reference, 0..10_000, &ptp(map(Nanos::ZERO, 80.0)));
    let (least, most) = run(&mut reference, 10_000..60_000, &Sources::default());
    assert!((79.9..=80.1).contains(&least) && (79.9..=80.1).contains(&most), "{least} {most}");
    assert_eq!(reference.reading().state, LockState::Holdover);
    // Meanwhile, PTP time has advanced by 500 us more than the held time.
    let (least, most) = run(&mut reference, 60_000..90_000, &ptp(map(Nanos::from_micros(500), 80.0)));
    assert!(least >= 79.9 && most <= 280.1, "{least} {most}");
    assert_eq!(reference.reading().epoch, 0, "nothing to align anew");
    assert_eq!(reference.source(), ClockMode::Ptp);
    let behind =
        map(Nanos::from_micros(500), 80.0).ptp_at(at(90_000)) - reference.timeline().unwrap().ptp_at(at(90_000));
    assert!(behind.abs() < Nanos::new(100), "{behind}");
    let expected = [
        ReferenceEvent::Followed(ClockMode::Ptp),
        ReferenceEvent::FellBack { from: ClockMode::Ptp, to: ClockMode::FreeRunning, after: Nanos::from_secs(5) },
        ReferenceEvent::Followed(ClockMode::Ptp),
    ];
    assert_eq!(events(&mut reference), expected);
}

#[test]
fn a_source_that_is_heard_in_vain_for_a_minute_leaves_no_time_to_hold() {
    let mut reference = Reference::new(ReferenceConfig::default());
    run(&mut reference, 0..10_000, &ptp(map(Nanos::ZERO, 80.0)));
    let heard = reading(LockState::Acquiring, map(Nanos::from_micros(700), 85.0));
    let heard_unusable = Sources { ptp: Some(heard), ..Sources::default() };
    run(&mut reference, 10_000..60_000, &heard_unusable);
    assert_eq!(reference.reading().state, LockState::Holdover);
    let (least, most) = run(&mut reference, 60_000..80_000, &heard_unusable);
    assert_eq!(reference.reading().state, LockState::Unlocked);
    assert!((79.9..=85.1).contains(&least) && (79.9..=85.1).contains(&most), "it goes on: {least} {most}");
    // Both the silence and the usable time are counted from the beginning again.
    run(&mut reference, 80_000..81_000, &ptp(map(Nanos::from_micros(700), 85.0)));
    run(&mut reference, 81_000..150_000, &Sources::default());
    assert_eq!(reference.reading().state, LockState::Holdover);
}

#[test]
fn a_wander_that_was_not_known_when_the_time_was_held_makes_its_rate_void() {
    let mut reference = Reference::new(ReferenceConfig::default());
    run(&mut reference, 0..10_000, &ptp(map(Nanos::ZERO, 80.0)));
    let wandering = |phase_wander_ns: f64, variance_rate: f64| {
        let origin = PtpTime::from_timestamp(1_790_000_000, 0);
        let exact = ClockMap::exact(at(10_000), 0.0, Ppb::from_ppm(77.0));
        let map = PtpMap::new(LocalTime::ZERO, origin, ClockMap { phase_wander_ns, variance_rate, ..exact });
        Sources { ptp: Some(reading(LockState::Acquiring, map)), ..Sources::default() }
    };
    run(&mut reference, 10_000..40_000, &wandering(0.0, 1e6));
    assert!((reference.timeline().unwrap().clock().rate().as_ppm() - 80.0).abs() < 0.01);
    run(&mut reference, 40_000..60_000, &wandering(3e5, 1e6));
    assert!((reference.timeline().unwrap().clock().rate().as_ppm() - 77.0).abs() < 0.01);
}

#[test]
fn a_disciplined_system_clock_lends_its_rate_slowly_and_keeps_the_phase() {
    let mut reference = Reference::new(ReferenceConfig::default());
    let system = Some(reading(LockState::Locked, map(Nanos::from_secs(-37), 20.0)));
    run(&mut reference, 0..10_000, &Sources { system, ..ptp(map(Nanos::ZERO, 80.0)) });
    let (least, most) = run(&mut reference, 10_000..40_000, &Sources { system, ..Sources::default() });
    assert!(least >= 19.9 && most <= 80.1, "{least} {most}: 37 s would have been a step");
    assert!((reference.timeline().unwrap().clock().rate().as_ppm() - 20.0).abs() < 1e-6);
    assert_eq!(reference.source(), ClockMode::System);
}

#[test]
fn without_a_fallback_time_the_clock_that_was_asked_for_is_waited_for() {
    let mut reference = Reference::new(ReferenceConfig { fallback_after: None, ..ReferenceConfig::default() });
    run(&mut reference, 0..100_000, &Sources::default());
    assert_eq!((reference.source(), reference.timeline()), (ClockMode::Ptp, None));
}

#[test]
fn a_timeline_of_its_own_is_no_ptp_time_until_ptp_is_met() {
    let mut reference = Reference::new(ReferenceConfig::default());
    run(&mut reference, 0..10_000, &Sources::default());
    assert!(reference.timeline().is_some(), "it paces senders");
    assert_eq!(reference.reading().map, None);
    run(&mut reference, 10_000..12_000, &ptp(map(Nanos::ZERO, 0.0)));
    assert!(reference.reading().map.is_some());
    let stepped = events(&mut reference).into_iter().any(|event| matches!(event, ReferenceEvent::Stepped(_)));
    assert!(stepped && reference.reading().epoch == 1);
}

#[test]
fn arrivals_pace_a_timeline_but_tell_no_ptp_time() {
    let mut reference = Reference::new(ReferenceConfig { mode: ClockMode::Arrivals, ..ReferenceConfig::default() });
    let arrivals = Some(reading(LockState::Locked, map(Nanos::ZERO, -30.0)));
    run(&mut reference, 0..5_000, &Sources { arrivals, ..Sources::default() });
    assert!((reference.timeline().unwrap().clock().rate().as_ppm() + 30.0).abs() < 0.1);
    assert_eq!(reference.reading().map, None);
}

#[test]
fn a_source_that_flaps_is_not_returned_to() {
    let mut reference = Reference::new(ReferenceConfig::default());
    run(&mut reference, 0..2_000, &ptp(map(Nanos::ZERO, 0.0)));
    run(&mut reference, 2_000..8_000, &Sources::default());
    for s in 8..20 {
        run(&mut reference, s * 1000..s * 1000 + 500, &ptp(map(Nanos::from_millis(2), 0.0)));
        run(&mut reference, s * 1000 + 500..s * 1000 + 1000, &Sources::default());
    }
    assert_eq!(reference.source(), ClockMode::FreeRunning);
}

#[test]
fn a_timeline_that_is_held_for_too_long_says_so() {
    let mut reference = Reference::new(ReferenceConfig::default());
    let clock = ClockMap { rate_wander: 1.0, ..ClockMap::default() };
    let source = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(100, 0), clock);
    run(&mut reference, 0..2_000, &ptp(source));
    run(&mut reference, 2_000..3_600_000, &Sources::default());
    assert_eq!(reference.reading().state, LockState::Holdover);
    run(&mut reference, 3_600_000..20_000_000, &Sources::default());
    assert_eq!(reference.reading().state, LockState::Unlocked);
}

proptest! {
    #[test]
    fn whatever_the_sources_do_the_timeline_does_not_run_backwards_within_an_epoch(
        states in proptest::collection::vec((0u8..4, -8i64..8, -100.0f64..100.0), 1..60),
    ) {
        let mut reference = Reference::new(ReferenceConfig { fallback_after: Some(Nanos::from_millis(700)), ..ReferenceConfig::default() });
        let mut last = None;
        for (i, (kind, offset_ms, ppm)) in states.into_iter().enumerate() {
            let source = reading(LockState::Locked, map(Nanos::from_millis(offset_ms), ppm));
            let sources = match kind {
                0 => Sources::default(),
                1 => Sources { system: Some(source), ..Sources::default() },
                _ => ptp(map(Nanos::from_millis(offset_ms), ppm)),
            };
            let now = at(500 * i as i64);
            reference.advance(now, &sources);
            let Some(timeline) = reference.timeline() else { continue };
            let shown = (reference.slew.epoch(), timeline.ptp_at(now));
            if let Some((epoch, before)) = last {
                prop_assert!(epoch != shown.0 || shown.1 > before);
            }
            last = Some(shown);
        }
    }
}

#[test]
fn a_timeline_is_not_locked_while_it_is_more_than_a_millisecond_from_its_source() {
    let mut reference = Reference::new(ReferenceConfig::default());
    run(&mut reference, 0..10_000, &ptp(map(Nanos::ZERO, 0.0)));
    let moved = map(Nanos::from_millis(5), 0.0);
    let mut unlocked = 0;
    for ms in (10_000..60_000).step_by(100) {
        reference.advance(at(ms), &ptp(moved));
        let behind = moved.ptp_at(at(ms)) - reference.timeline().unwrap().ptp_at(at(ms));
        let state = reference.reading().state;
        unlocked += i32::from(state == LockState::Unlocked);
        assert!(state == LockState::Unlocked || behind <= Nanos::from_millis(1), "{state} at {behind}");
    }
    // 4 ms at 200 ppm take 20 s.
    assert!((200..=203).contains(&unlocked), "{unlocked}");
    assert_eq!(reference.reading().state, LockState::Locked);
}
