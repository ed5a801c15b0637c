use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const DELAY_NS: f64 = 100_000.0;

/// A link to a clock whose rate relative to the host's is `rate_ppb` and changes by `ramp` ppb/s
/// after 300 s.
struct Link {
    random: ChaCha8Rng,
    rate_ppb: f64,
    ramp: f64,
    /// Lateness of a packet, ns, computed from two uniform random numbers.
    lateness: fn(f64, f64) -> f64,
}

fn exponential(u: f64, _: f64) -> f64 {
    -100_000.0 * libm::log(1.0 - u)
}

fn normal(u: f64, v: f64) -> f64 {
    500_000.0 + 100_000.0 * libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(core::f64::consts::TAU * v)
}

impl Link {
    fn new(lateness: fn(f64, f64) -> f64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(5), rate_ppb: 40_000.0, ramp: 0.0, lateness }
    }

    fn uniform(&mut self) -> f64 {
        f64::from(self.random.next_u32()) / 4_294_967_296.0
    }

    fn offset_ns(&self, t_s: f64) -> f64 {
        let warm_s = (t_s - 300.0).max(0.0);
        self.rate_ppb * t_s + self.ramp * warm_s * warm_s / 2.0
    }

    fn sample(&mut self, t_s: f64, direction: Direction) -> Sample {
        let (u, v) = (self.uniform(), self.uniform());
        let late_ns = DELAY_NS + (self.lateness)(u, v);
        let at = LocalTime::ZERO + Nanos::from_secs_f64(t_s);
        Sample { at, offset_ns: self.offset_ns(t_s) + direction.sign() * late_ns, direction }
    }

    /// Sends 8 Syncs and one Delay_Req per second for `seconds`. Returns the errors at whole
    /// seconds from `from_s` on and the published standard deviations, ns.
    fn run(&mut self, estimator: &mut Estimator, seconds: u32, from_s: u32) -> Vec<(f64, f64)> {
        let mut errors = Vec::new();
        for second in 0..seconds {
            for eighth in 0..8 {
                let sample = self.sample(f64::from(second) + f64::from(eighth) / 8.0, Direction::Forward);
                estimator.update(sample);
            }
            let sample = self.sample(f64::from(second) + 0.9, Direction::Reverse);
            estimator.update(sample);
            if second >= from_s {
                let now = LocalTime::ZERO + Nanos::from_secs(i64::from(second) + 1);
                let map = estimator.map().unwrap();
                errors.push((map.offset_ns(now) - self.offset_ns(f64::from(second) + 1.0), map.sigma_ns(now)));
            }
        }
        errors
    }
}

const CONFIG: EstimatorConfig = EstimatorConfig {
    rate: Ppb::ZERO,
    rate_sigma: Ppb::from_ppm(100.0),
    jitter: Nanos::from_micros(100),
    delay: DelayModel::Estimated { sigma: Nanos::from_millis(5) },
};

fn estimator() -> Estimator {
    Estimator::new(CONFIG)
}

fn rms(errors: &[(f64, f64)]) -> f64 {
    libm::sqrt(errors.iter().map(|(error, _)| error * error).sum::<f64>() / errors.len() as f64)
}

fn covered(errors: &[(f64, f64)]) -> f64 {
    errors.iter().filter(|(error, sigma)| error.abs() <= 3.0 * sigma).count() as f64 / errors.len() as f64
}

#[test]
fn the_lower_envelope_is_followed_when_queues_make_packets_late() {
    let mut estimator = estimator();
    let errors = Link::new(exponential).run(&mut estimator, 3600, 600);
    // With 100 us of jitter, the mean over a minute would have an error of 4 us.
    assert!(rms(&errors) < 1_700.0, "{}", rms(&errors));
    assert!(covered(&errors) >= 0.99);
    assert_eq!(estimator.active, MINIMUM);
}

#[test]
fn the_average_is_followed_when_noise_is_symmetric() {
    let mut estimator = estimator();
    let errors = Link::new(normal).run(&mut estimator, 3600, 600);
    assert!(rms(&errors) < 5_000.0, "{}", rms(&errors));
    assert!(covered(&errors) >= 0.99);
    assert_eq!(estimator.active, MEAN);
}

#[test]
fn a_crystal_that_warms_up_is_followed_by_a_more_agile_filter() {
    let mut link = Link { ramp: 20.0, ..Link::new(exponential) };
    let errors = link.run(&mut estimator(), 600, 360);
    // From 300 s on, the rate changes by 20 ppb every second. The steadiest filter would lag by 1
    // ms.
    assert!(rms(&errors) < 20_000.0, "{}", rms(&errors));
}

#[test]
fn the_path_delay_is_measured() {
    let mut estimator = estimator();
    Link::new(exponential).run(&mut estimator, 600, 0);
    assert!((estimator.mean_path_delay().as_nanos_f64() - DELAY_NS).abs() < 5_000.0, "{}", estimator.mean_path_delay());
}

#[test]
fn a_single_late_packet_moves_nothing() {
    let mut estimator = estimator();
    let mut link = Link::new(exponential);
    link.run(&mut estimator, 600, 0);
    let mut late = link.sample(600.05, Direction::Forward);
    late.offset_ns -= 1e6;
    let before = estimator.map().unwrap().offset_ns(late.at);
    estimator.update(late);
    let after = estimator.map().unwrap().offset_ns(late.at);
    assert!((after - before).abs() < 1_000.0, "{}", after - before);
}

#[test]
fn a_step_keeps_the_rate_and_the_delay() {
    let mut estimator = estimator();
    Link::new(exponential).run(&mut estimator, 600, 0);
    let (before, delay) = (estimator.map().unwrap(), estimator.mean_path_delay());
    estimator.step_offset(-5e6, 4);
    let after = estimator.map().unwrap();
    let now = after.estimated_at();
    assert!((after.offset_ns(now) - before.offset_ns(now) + 5e6).abs() < 1.0);
    assert_eq!((after.rate(), estimator.mean_path_delay()), (before.rate(), delay));
    assert!(after.sigma_ns(now) > before.sigma_ns(now));
}

/// A relay that paces itself until it has PTP: its packets have no jitter at all. Then its timeline
/// changes, and so does its rate, which is corrected every two seconds.
#[test]
fn a_lag_behind_a_source_without_jitter_is_not_taken_for_its_noise() {
    let jitter = Nanos::from_micros(300);
    let (rate, rate_sigma) = (Ppb::ZERO, Ppb::from_ppm(100.0));
    let mut estimator = Estimator::new(EstimatorConfig { rate, rate_sigma, jitter, delay: DelayModel::Absorbed });
    let mut at = LocalTime::ZERO;
    let mut offset_ns = 0.0;
    for (packets, late_ns) in
        [(1800, 0), (200, 27), (2000, 29), (2000, 31), (2000, 32), (2000, 31), (2000, 30), (20_000, 30)]
    {
        for packet in 0..packets {
            at = at + Nanos::new(1_000_000 + late_ns);
            offset_ns -= late_ns as f64;
            let sample = Sample { at, offset_ns, direction: Direction::Forward };
            if packet == 0 && late_ns == 27 {
                estimator.step_offset(-estimator.lateness(&sample), 1);
            } else {
                estimator.update(sample);
            }
        }
    }
    let map = estimator.map().unwrap();
    assert!((map.rate().as_ppm() + 30.0).abs() < 0.01, "{}", map.rate());
    assert!((map.offset_ns(at) - offset_ns).abs() < 100.0);
    assert!(estimator.jitter() < Nanos::from_micros(1), "{}", estimator.jitter());
}

/// A clock whose rate keeps changing: the filter is found to lag thousands of times, and inflates
/// its covariance each time.
#[test]
fn forgetting_ever_so_often_does_not_lose_the_offset() {
    for delay in [DelayModel::Absorbed, DelayModel::Estimated { sigma: Nanos::from_millis(1) }] {
        let (rate, rate_sigma) = (Ppb::ZERO, Ppb::from_ppm(100.0));
        let jitter = Nanos::from_micros(100);
        let mut estimator = Estimator::new(EstimatorConfig { rate, rate_sigma, jitter, delay });
        let (mut at, mut offset_ns) = (LocalTime::ZERO, 0.0);
        for second in 0..3_600 {
            // Every four seconds, the rate changes by more than a crystal's could.
            let late_ns = if second % 8 < 4 { 5 } else { -5 };
            for _ in 0..100 {
                at = at + Nanos::new(10_000_000 + 10 * late_ns);
                offset_ns -= 10.0 * late_ns as f64;
                estimator.update(Sample { at, offset_ns, direction: Direction::Forward });
            }
            let sample = Sample { at, offset_ns, direction: Direction::Forward };
            let late_ns = estimator.lateness(&sample);
            assert!(late_ns.abs() < 500_000.0, "{delay:?}, {second} s: {late_ns} ns late");
            let map = estimator.map().unwrap();
            assert!(map.rate().as_ppm().abs() < 100.0 && map.sigma_ns(at).is_finite(), "{second} s: {map:?}");
            if delay == DelayModel::Absorbed {
                let error_ns = map.offset_ns(at) - offset_ns;
                assert!(error_ns.abs() < 500_000.0, "{second} s: off by {error_ns} ns");
            }
        }
    }
}

#[test]
fn an_assumed_delay_moves_the_offset_with_it_and_is_admitted() {
    let mut estimator = estimator();
    Link::new(exponential).run(&mut estimator, 60, 0);
    let sample = |estimator: &Estimator| {
        estimator.lateness(&Sample { at: LocalTime::ZERO, offset_ns: 0.0, direction: Direction::Forward })
    };
    let before = sample(&estimator);
    estimator.assume_delay(Nanos::from_micros(500), Nanos::from_millis(1), Nanos::from_millis(1));
    assert!((sample(&estimator) - before).abs() < 1.0, "Syncs are where they were");
    let now = LocalTime::ZERO + Nanos::from_secs(60);
    assert!(estimator.map().unwrap().sigma_ns(now) >= 1e6);
    assert!(estimator.precision_ns(now, false) < 50_000.0);
}

/// An estimator takes ten kB for any input: two sets of six filters, and the wander meter.
const _: () = assert!(size_of::<Estimator>() <= 11 * 1024);

proptest! {
    #[test]
    fn no_samples_make_the_estimate_anything_but_a_number(
        samples in proptest::collection::vec((0i64..20_000_000_000, -1e18f64..1e18, any::<bool>()), 1..200),
        one_way in any::<bool>(),
    ) {
        let delay = if one_way { DelayModel::Absorbed } else { CONFIG.delay };
        let mut estimator = Estimator::new(EstimatorConfig { delay, ..CONFIG });
        for (at_ns, offset_ns, reverse) in samples {
            let direction = if reverse { Direction::Reverse } else { Direction::Forward };
            estimator.update(Sample { at: LocalTime::from_nanos(at_ns), offset_ns, direction });
            let map = estimator.map().unwrap();
            let now = map.estimated_at();
            prop_assert!(map.offset_ns(now).is_finite() && map.rate().as_ppb().is_finite());
            prop_assert!(map.sigma_ns(now).is_finite() && estimator.precision_ns(now, true).is_finite());
        }
    }
}

/// A sender that is 20 ppm fast sends a packet every millisecond. From 20 s to 24 s, its host
/// stalls at random, each time for up to `longest_s`. In the middle of that, a late packet is
/// mistaken for the first one of a new timeline. Returns the errors of offset (ns) and rate (ppm) 2
/// s and 10 s after the stalls.
fn errors_after_stalls(seed: u64, every_s: f64, longest_s: f64) -> [(f64, f64); 2] {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
    let mut estimator = Estimator::new(EstimatorConfig { delay: DelayModel::Absorbed, ..CONFIG });
    let (mut stall_s, mut over_s, mut arrival_s) = (20.0, 0.0_f64, 0.0_f64);
    let mut moved = false;
    let mut errors = Vec::new();
    for i in 0..=34_000 {
        let due_s = f64::from(i) * 1e-3;
        while stall_s < due_s && stall_s < 24.0 {
            over_s = stall_s + longest_s * uniform();
            stall_s = over_s - every_s * libm::log(uniform());
        }
        let held_up_s = if due_s < over_s { over_s } else { 0.0 };
        arrival_s = (due_s - 100e-6 * libm::log(uniform())).max(held_up_s).max(arrival_s + 10e-6);
        let offset_ns = 20_000.0 * arrival_s - (arrival_s - due_s) * 1e9;
        let at = LocalTime::ZERO + Nanos::from_secs_f64(arrival_s);
        let sample = Sample { at, offset_ns, direction: Direction::Forward };
        if !moved && due_s > 22.0 && arrival_s - due_s > 0.7 * longest_s {
            estimator.step_offset(-estimator.lateness(&sample), 1);
            moved = true;
        }
        estimator.update(sample);
        if i == 26_000 || i == 34_000 {
            let map = estimator.map().unwrap();
            errors.push((map.offset_ns(at) - 20_000.0 * arrival_s, map.rate().as_ppm() - 20.0));
        }
    }
    errors.try_into().unwrap()
}

/// No packet can be early, so an envelope that was moved too far returns to the samples, whatever
/// the estimator has learnt from its own error.
#[test]
fn what_a_host_that_stood_still_often_has_taught_is_forgotten() {
    for (every_s, longest_s) in [(0.1, 0.2), (0.02, 0.05), (0.02, 0.2), (0.005, 0.2)] {
        for seed in 0..20 {
            let [soon, later] = errors_after_stalls(seed, every_s, longest_s);
            let told = format!("seed {seed}, {longest_s} s every {every_s} s: {soon:?} {later:?}");
            assert!(soon.0.abs() < 2e6 && soon.1.abs() < 10.0, "{told}");
            assert!(later.0.abs() < 2e6 && later.1.abs() < 5.0, "{told}");
        }
    }
}

/// The prediction is cached between samples, so whatever changes the filters must discard it.
#[test]
fn answers_are_those_of_the_present_filters_whatever_has_happened() {
    type Change = fn(&mut Estimator);
    let changes: [Change; 7] = [
        |estimator| estimator.step_offset(3e4, 5),
        |estimator| estimator.change_path(Nanos::from_millis(1), Nanos::from_micros(20), true),
        |estimator| estimator.reopen_noise(Nanos::from_micros(300)),
        |estimator| estimator.assume_delay(Nanos::from_micros(80), Nanos::from_micros(30), Nanos::from_millis(1)),
        |estimator| estimator.hold_delay(Nanos::from_micros(200)),
        |estimator| {
            estimator.change_rate(&RateChange {
                rate_ppb: 500.0,
                error_ppb: 30.0,
                at: estimator.updated_at + Nanos::from_millis(10),
                moved_ns: 700.0,
                sigma_ns: 90.0,
            });
        },
        Estimator::reacquire,
    ];
    for lateness in [exponential, normal] {
        let (mut link, mut estimator) = (Link::new(lateness), estimator());
        let check = |estimator: &Estimator| {
            let fresh = Estimator { predicted: OnceCell::new(), ..estimator.clone() };
            assert_eq!(format!("{:?}", estimator.map()), format!("{:?}", fresh.map()));
        };
        for n in 0..2000 {
            let direction = if n % 9 == 8 { Direction::Reverse } else { Direction::Forward };
            estimator.update(link.sample(f64::from(n) / 9.0, direction));
            check(&estimator);
            if n % 250 == 249 {
                changes[n as usize / 250 % changes.len()](&mut estimator);
                check(&estimator);
            }
        }
    }
}
