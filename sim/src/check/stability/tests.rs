use super::*;

/// Deviations of phases for a number of intervals of 1 s, without the rule about long tau.
fn of(phases: &[f64], intervals: usize) -> Deviations {
    let mut estimator = Estimator::new(intervals);
    phases.iter().for_each(|phase| estimator.push(Some(*phase)));
    estimator.finish()
}

/// Phases from fractional frequencies at intervals of 1 s.
fn phases(frequencies: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut phase = 0.0;
    let steps = frequencies.map(|frequency| {
        phase += frequency;
        phase
    });
    std::iter::once(0.0).chain(steps).collect()
}

/// Agrees to the seven digits that the tables print.
#[track_caller]
fn assert_near(value: Option<f64>, published: f64) {
    let value = value.unwrap();
    assert!((value / published - 1.0).abs() < 1e-6, "{value} and not {published}");
}

/// The data of NBS Monograph 140, with the deviations of NIST SP 1065, table 30.
#[test]
fn the_nbs14_data_have_their_published_deviations() {
    let frequencies = [892.0, 809.0, 823.0, 798.0, 671.0, 644.0, 883.0, 903.0, 677.0];
    let phases = phases(frequencies.into_iter());
    assert_near(of(&phases, 1).adev_tau, 91.22945);
    assert_near(of(&phases, 2).adev_tau.map(|adev_tau| adev_tau / 2.0), 85.95287);
    assert_near(of(&phases, 1).tdev, 52.67135);
    assert_near(of(&phases, 2).tdev, 86.35831);
}

/// The 1000-point set of NIST SP 1065, section 12.4, with the deviations of its table 31.
#[test]
fn the_1000_point_set_has_its_published_deviations() {
    let next = |number: &u64| Some(16_807 * number % 2_147_483_647);
    let numbers = std::iter::successors(Some(1_234_567_890_u64), next);
    let phases = phases(numbers.take(1000).map(|number| number as f64 / 2_147_483_647.0));
    for (intervals, adev, tdev) in
        [(1, 2.922319e-1, 1.687202e-1), (10, 9.159953e-2, 3.563623e-1), (100, 3.241343e-2, 1.253382)]
    {
        let deviations = of(&phases, intervals);
        assert_near(deviations.adev_tau.map(|adev_tau| adev_tau / intervals as f64), adev);
        assert_near(deviations.tdev, tdev);
    }
}

/// A random walk, the same everywhere, and white noise beneath it.
fn noise(count: usize) -> (Vec<f64>, Vec<f64>) {
    let next = |number: &u64| Some(16_807 * number % 2_147_483_647);
    let numbers = std::iter::successors(Some(1_234_567_890_u64), next);
    let white: Vec<f64> = numbers.take(count).map(|number| number as f64 / 2_147_483_647.0 - 0.5).collect();
    let walk = phases(white.iter().copied());
    (white, walk)
}

/// What a definition says of MTIE, window by window.
fn mtie(phases: &[f64], intervals: usize) -> f64 {
    let span = |window: &[f64]| {
        let (low, high) = window.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        high - low
    };
    phases.windows(intervals + 1).map(span).fold(0.0, f64::max)
}

#[test]
fn mtie_is_the_largest_of_all_windows() {
    let (_, walk) = noise(4000);
    for intervals in [1, 2, 7, 64, 100, 127] {
        assert_eq!(of(&walk, intervals).mtie, Some(mtie(&walk, intervals)), "{intervals}");
    }
    // Long windows are taken in steps: never too small, and at most what the next step adds.
    for intervals in [128, 512, 1000, 1536] {
        let (found, exact) = (of(&walk, intervals).mtie.unwrap(), mtie(&walk, intervals));
        assert!(found >= exact && found <= mtie(&walk, intervals + intervals / 32), "{intervals}: {found}, {exact}");
    }
    assert_eq!(of(&walk[..100], 100).mtie, None);
    // A step in the last values, which fill no block.
    let mut step = vec![0.0; 1000];
    step[999] = 5.0;
    assert_eq!(of(&step, 256).mtie, Some(5.0));
}

/// Slopes over tau of noise of known kinds (NIST SP 1065, table 8): white phase noise -1 and, of
/// TDEV, -1/2; white frequency noise -1/2 and +1/2; random walk of frequency +1/2.
#[test]
fn deviations_follow_the_power_laws() {
    let (white, walk) = noise(200_000);
    let slope = |phases: &[f64], of: fn(&ClockDeviation) -> Option<f64>| {
        let at = |intervals: usize| {
            let series = phases.iter().map(|phase| Some(*phase));
            of(&deviations(series, std::iter::once(intervals), 1.0)[0]).unwrap()
        };
        libm::log2(at(1024) / at(4)) / 8.0
    };
    let (adev, tdev) = (|point: &ClockDeviation| point.adev_ppb, |point: &ClockDeviation| point.tdev_ns);
    let (fast, slow) = (slope(&white, adev), slope(&white, tdev));
    assert!((fast + 1.0).abs() < 0.03 && (slow + 0.5).abs() < 0.05, "{fast} {slow}");
    let (fast, slow) = (slope(&walk, adev), slope(&walk, tdev));
    assert!((fast + 0.5).abs() < 0.05 && (slow - 0.5).abs() < 0.05, "{fast} {slow}");
    let fast = slope(&phases(walk.iter().copied()), adev);
    assert!((fast - 0.5).abs() < 0.15, "{fast}");
}

/// Offsets of time and frequency change neither ADEV nor TDEV, not even at 200 ppm for ten days.
#[test]
fn an_offset_of_frequency_changes_nothing() {
    let (white, _) = noise(864_000);
    let fast: Vec<f64> = (0..).zip(&white).map(|(second, x)| 1e9 + 2e5 * f64::from(second) + x).collect();
    for intervals in [1, 64, 4096, 65_536] {
        let (plain, offset) = (of(&white, intervals), of(&fast, intervals));
        let near = |one: Option<f64>, two: Option<f64>| (one.unwrap() / two.unwrap() - 1.0).abs() < 1e-2;
        assert!(
            near(plain.adev_tau, offset.adev_tau) && near(plain.tdev, offset.tdev),
            "{intervals}: {plain:?} {offset:?}"
        );
    }
}

#[test]
fn nothing_is_compared_across_a_gap() {
    let mut estimator = Estimator::new(2);
    let (calm, gap) = ([Some(1.0); 20], [None]);
    let far = [Some(1e9); 20];
    calm.into_iter().chain(gap).chain(far).for_each(|x| estimator.push(x));
    assert_eq!(estimator.finish(), Deviations { adev_tau: Some(0.0), tdev: Some(0.0), mtie: Some(0.0) });
}

/// A first-order filter of 0.1 Hz passes a slow sine, and a fast one at a sixth.
#[test]
fn a_filter_passes_what_is_slow() {
    let largest = |period_s: f64| {
        let sine = (0..4000).map(|step| Some(libm::sin(TAU * f64::from(step) * 0.1 / period_s)));
        let passed: Vec<f64> = low_passed(sine, Some(0.1), 0.1).flatten().skip(1000).collect();
        passed.into_iter().fold(0.0, f64::max)
    };
    assert!((largest(200.0) - 1.0).abs() < 0.01, "{}", largest(200.0));
    assert!((largest(10.0) - 0.707).abs() < 0.03, "{}", largest(10.0));
    assert!(largest(1.6) < 0.2, "{}", largest(1.6));
}

/// A clock whose time error is a staircase of 100 ns every 30 s, and a card 10 ppm fast.
fn recording() -> Recording {
    let row = |second: u32| TraceRow {
        time_s: f64::from(second),
        clock_state: ClockState::Locked,
        clock_error_us: Some(0.1 * f64::from(second / 30)),
        host_rate_truth_ppm: 2.0,
        latency_ms: Some(20.0),
        ..TraceRow::default()
    };
    let phase = |second: u32| TruePhases { card_ns: Some(1e4 * f64::from(second)), grandmaster_ns: 0.0 };
    let (rows, phases) = ((1..=300).map(row).collect(), (1..=300).map(phase).collect());
    Recording { receiver: "engine".into(), rows, phases, ..Recording::default() }
}

#[test]
fn clocks_of_a_run_are_told_unless_they_are_perfect() {
    let curves = of_recording(&recording());
    let clocks: Vec<ObservedClock> = curves.iter().map(|curve| curve.clock).collect();
    assert_eq!(clocks, [ObservedClock::Estimate, ObservedClock::Card, ObservedClock::Host]);
    // 16 s of 10 ppm and of 2 ppm; ADEV only up to a twelfth of the run.
    let at = |curve: usize, tau_s: f64| {
        *curves[curve].points.iter().find(|point| point.tau_s.total_cmp(&tau_s).is_eq()).unwrap()
    };
    assert!((at(1, 16.0).mtie_ns.unwrap() - 16e4).abs() < 1e-3 && (at(2, 16.0).mtie_ns.unwrap() - 32e3).abs() < 1e-3);
    assert!(at(1, 16.0).adev_ppb.unwrap() < 1e-3 && at(1, 128.0).adev_ppb.is_none());
    assert_eq!(curves[0].points.last().map(|point| point.tau_s), Some(128.0));
    assert!((at(0, 32.0).mtie_ns.unwrap() - 200.0).abs() < 1e-6);
}

#[test]
fn a_clock_is_judged_for_a_tau_and_by_a_mask() {
    let recording = recording();
    let wish = |limit| StabilityWish { metric: Metric::MtieNs, clock: ObservedClock::Estimate, limit };
    let whole = Span { from_s: 0.0, to_s: 300.0 };
    let (value, _) = measure(&recording, &wish(StabilityLimit::Tau(64.0)), whole);
    assert!((value.value().unwrap() - 300.0).abs() < 1e-6, "{value:?}");
    let mask = crate::scenario::Mask::G8272PrtcAMtie.read().unwrap();
    let (share, parts) = measure(&recording, &wish(StabilityLimit::Mask(mask)), whole);
    // 500 ns at 128 s, where 60.2 ns are permitted.
    assert!((share.value().unwrap() - 500.0 / 60.2).abs() < 1e-3, "{share:?}");
    assert_eq!(parts.unwrap(), "most at tau = 128 s, of 1 to 128 s");
}

#[test]
fn what_has_gaps_or_is_short_is_not_judged() {
    let mut recording = recording();
    let wish =
        StabilityWish { metric: Metric::TdevNs, clock: ObservedClock::Estimate, limit: StabilityLimit::Tau(25.0) };
    let measured = |recording: &Recording, to_s: f64| measure(recording, &wish, Span { from_s: 0.0, to_s }).0;
    assert!(measured(&recording, 300.0).value().is_some());
    assert!(matches!(measured(&recording, 299.0), Measurement::Nothing(reason) if reason.contains("12 times")));
    assert!(matches!(measured(&recording, 0.5), Measurement::Nothing(_)));
    recording.rows[100].clock_state = ClockState::Unlocked;
    assert!(matches!(measured(&recording, 300.0), Measurement::Nothing(reason) if reason.contains("1 of 300")));
}
