use super::*;
use crate::clock::LockState;

const SYNC: Nanos = Nanos::from_millis(125);
const DELAY: Nanos = Nanos::from_micros(50);

/// Drives a clock with noiseless exchanges, where PTP time = local time * (1 + rate) + offset.
struct Bench {
    clock: SlaveClock,
    now: LocalTime,
    rate: f64,
    offset: Nanos,
    delay: Nanos,
    answers: bool,
    round: u32,
    transitions: Vec<LockTransition>,
}

impl Bench {
    fn new(rate_ppm: f64) -> Self {
        Self {
            clock: SlaveClock::new(SlaveClockConfig::default()),
            now: LocalTime::from_nanos(1_000_000_000),
            rate: rate_ppm * 1e-6,
            offset: Nanos::from_secs(1_700_000_000),
            delay: DELAY,
            answers: true,
            round: 0,
            transitions: Vec::new(),
        }
    }

    fn ptp(&self, t: LocalTime) -> PtpTime {
        let drift = Nanos::new((t.as_nanos() as f64 * self.rate) as i64);
        PtpTime::EPOCH + Nanos::new(t.as_nanos()) + drift + self.offset
    }

    fn silence(&mut self, time: Nanos) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + SYNC;
            self.clock.advance(self.now);
            self.transitions.extend(self.clock.poll_transition());
        }
    }

    fn exchange(&mut self, time: Nanos) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + SYNC;
            self.round += 1;
            let (sent, received) = (self.ptp(self.now - self.delay), self.now);
            self.clock.observe(&TimestampPair { direction: Direction::Forward, local: received, remote: sent });
            self.transitions.extend(self.clock.poll_transition());
            if self.round.is_multiple_of(8) && !self.answers {
                self.clock.request_unanswered(self.now);
            } else if self.round.is_multiple_of(8) {
                let remote = self.ptp(self.now + self.delay);
                self.clock.observe(&TimestampPair { direction: Direction::Reverse, local: self.now, remote });
                self.transitions.extend(self.clock.poll_transition());
            }
        }
    }

    fn states(&mut self) -> Vec<LockState> {
        self.transitions.drain(..).map(|transition| transition.to).collect()
    }

    fn sigma_ns(&self) -> f64 {
        self.clock.reading(self.now).map.expect("a map").clock().sigma_ns(self.now)
    }

    fn error(&self) -> Nanos {
        self.clock.reading(self.now).map.expect("a map").ptp_at(self.now) - self.ptp(self.now)
    }
}

#[test]
fn locks_at_any_crystal_rate() {
    for rate_ppm in [-90.0, -30.0, 0.0, 30.0, 90.0, 200.0] {
        let mut bench = Bench::new(rate_ppm);
        bench.exchange(Nanos::from_secs(30));
        assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked, "at {rate_ppm} ppm");
        assert!(bench.error().abs() < Nanos::from_micros(1), "{} at {rate_ppm} ppm", bench.error());
    }
}

#[test]
fn holds_over_and_locks_again_without_losing_the_rate() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(60));
    bench.transitions.clear();
    bench.silence(Nanos::from_secs(20));
    assert_eq!(bench.clock.reading(bench.now).state, LockState::Holdover);
    assert!(bench.error().abs() < Nanos::from_micros(1), "{}", bench.error());
    bench.exchange(Nanos::from_secs(2));
    let states: Vec<_> = bench.transitions.iter().map(|t| t.to).collect();
    assert_eq!(states, [LockState::Holdover, LockState::Locked]);
}

#[test]
fn gives_up_a_holdover_that_has_become_too_uncertain() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(20));
    bench.silence(Nanos::from_secs(3600));
    let states: Vec<_> = bench.transitions.iter().map(|t| t.to).collect();
    assert!(states.ends_with(&[LockState::Holdover, LockState::Unlocked, LockState::Listening]), "{states:?}");
}

#[test]
fn proves_a_step_and_keeps_the_rate() {
    for step in [Nanos::from_millis(1), Nanos::from_secs(3600), Nanos::from_millis(-1)] {
        let mut bench = Bench::new(30.0);
        bench.exchange(Nanos::from_secs(60));
        bench.transitions.clear();
        bench.offset += step;
        bench.exchange(Nanos::from_secs(10));
        let states: Vec<_> = bench.transitions.iter().map(|t| t.to).collect();
        assert_eq!(states, [LockState::Unlocked, LockState::Acquiring, LockState::Locked], "step {step}");
        assert!(bench.error().abs() < Nanos::from_micros(5), "{} after a step of {step}", bench.error());
    }
}

#[test]
fn one_late_packet_proves_nothing() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(60));
    bench.transitions.clear();
    let late = bench.now + Nanos::from_millis(1);
    let remote = bench.ptp(bench.now - DELAY);
    bench.clock.observe(&TimestampPair { direction: Direction::Forward, local: late, remote });
    assert!(bench.error().abs() < Nanos::from_micros(1), "{}", bench.error());
    assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked);
}

#[test]
fn a_proven_step_is_relocked_within_two_seconds() {
    for step in [Nanos::from_millis(1), Nanos::from_millis(100), Nanos::from_secs(3600), Nanos::from_secs(-3600)] {
        let mut bench = Bench::new(30.0);
        bench.exchange(Nanos::from_secs(60));
        bench.offset += step;
        bench.exchange(Nanos::from_secs(2));
        assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked, "step {step}");
        assert_eq!(bench.clock.reading(bench.now).epoch, 1, "step {step}");
    }
}

#[test]
fn another_master_with_the_same_time_goes_on_without_an_unlock() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(60));
    bench.states();
    bench.clock.change_master(bench.now);
    // The path to the new master has two more switches.
    bench.delay = DELAY + Nanos::from_micros(30);
    bench.exchange(Nanos::from_secs(30));
    assert_eq!(bench.states(), []);
    assert_eq!(bench.clock.reading(bench.now).epoch, 0);
    assert!(bench.error().abs() < Nanos::from_micros(2), "{}", bench.error());
    assert!((bench.clock.mean_path_delay() - bench.delay).abs() < Nanos::from_micros(2));
}

#[test]
fn another_master_with_another_time_is_a_new_epoch_at_the_old_rate() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(60));
    bench.states();
    let rate = bench.clock.reading(bench.now).map.unwrap().clock().rate();
    bench.clock.change_master(bench.now);
    bench.offset += Nanos::from_secs(-1_000_000);
    bench.exchange(Nanos::from_secs(3));
    assert_eq!(bench.states(), [LockState::Unlocked, LockState::Acquiring, LockState::Locked]);
    let reading = bench.clock.reading(bench.now);
    assert_eq!(reading.epoch, 1);
    assert!((reading.map.unwrap().clock().rate().as_ppb() - rate.as_ppb()).abs() < 100.0);
    assert!(bench.error().abs() < Nanos::from_micros(20), "{}", bench.error());
}

#[test]
fn a_master_that_never_answers_is_followed_one_way_and_the_uncertainty_says_so() {
    // Two usual wired paths, and one that is longer than most.
    for delay in [13, 50, 400].map(Nanos::from_micros) {
        let mut bench = Bench { delay, answers: false, ..Bench::new(30.0) };
        bench.exchange(Nanos::from_secs(30));
        let reading = bench.clock.reading(bench.now);
        assert_eq!((reading.state, reading.path_delay), (LockState::Locked, PathDelay::Assumed));
        let sigma_ns = bench.sigma_ns();
        assert!((150e3..160e3).contains(&sigma_ns), "{sigma_ns} ns");
        assert!((bench.error().as_nanos_f64()).abs() < 3.0 * sigma_ns, "{} +- {sigma_ns}", bench.error());
        assert!(
            bench.error().abs() < (delay - Nanos::from_micros(75)).abs() + Nanos::from_micros(1),
            "{}",
            bench.error()
        );
        // Now the master answers.
        bench.answers = true;
        bench.exchange(Nanos::from_secs(30));
        assert_eq!(bench.clock.reading(bench.now).path_delay, PathDelay::Measured);
        assert!(bench.error().abs() < Nanos::from_micros(5), "{}", bench.error());
    }
}

/// An assumed delay is no reason to doubt a measured one.
#[test]
fn the_first_answers_after_an_assumed_delay_are_believed() {
    let mut bench = Bench { delay: Nanos::from_micros(600), answers: false, ..Bench::new(30.0) };
    bench.exchange(Nanos::from_secs(60));
    assert!(bench.error().abs() > Nanos::from_micros(400), "{}", bench.error());
    bench.answers = true;
    bench.exchange(Nanos::from_secs(8));
    assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked);
    assert!(bench.error().abs() < Nanos::from_micros(20), "{}", bench.error());
}

#[test]
fn a_round_trip_bounds_the_delay_whenever_it_is_told() {
    for told_after_s in [0, 20] {
        let mut bench = Bench { delay: Nanos::from_micros(13), answers: false, ..Bench::new(30.0) };
        bench.exchange(Nanos::from_secs(told_after_s));
        for round_trip_us in [400, 40] {
            bench.clock.round_trip(Nanos::from_micros(round_trip_us));
        }
        bench.exchange(Nanos::from_secs(30));
        let (error, sigma_ns) = (bench.error(), bench.sigma_ns());
        assert!(error.abs() < Nanos::from_micros(8), "20 us and not 13 us, {error}");
        assert!((11e3..13e3).contains(&sigma_ns), "40 us / sqrt(12), {sigma_ns} ns");
        assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked);
    }
}

/// The new master never answers.
#[test]
fn a_measured_delay_stands_when_the_next_master_does_not_answer() {
    let (us, day) = (Nanos::from_micros, Nanos::from_secs(86_400));
    for (step, path, limit, sigma_us) in [
        // The new master has the same time, so its packets show how much longer its path is.
        (Nanos::ZERO, us(0), us(2), 0.0..25.0),
        (Nanos::ZERO, us(60), us(25), 1.0..80.0),
        // The new master has a different time, so its path is only known to be on the same link.
        (day, us(0), us(2), 100.0..110.0),
        (day, us(60), us(62), 100.0..110.0),
    ] {
        let mut bench = Bench::new(30.0);
        bench.exchange(Nanos::from_secs(60));
        bench.clock.change_master(bench.now);
        bench.answers = false;
        bench.offset += step;
        bench.delay = DELAY + path;
        bench.exchange(Nanos::from_secs(60));
        let reading = bench.clock.reading(bench.now);
        assert_eq!((reading.state, reading.path_delay), (LockState::Locked, PathDelay::Assumed));
        let (error, sigma_ns) = (bench.error(), bench.sigma_ns());
        assert!(error.abs() < limit, "{step}, {path}: {error}");
        assert!(sigma_us.contains(&(sigma_ns / 1e3)), "{step}, {path}: {sigma_ns} ns");
        assert!(error.as_nanos().abs() as f64 <= 3.0 * sigma_ns, "{step}, {path}: {error} +- {sigma_ns} ns");
    }
}

/// A new master that sends only Announces.
#[test]
fn a_master_whose_syncs_are_not_heard_changes_nothing() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(60));
    bench.clock.change_master(bench.now);
    for _ in 0..30 {
        bench.silence(Nanos::from_secs(1));
        bench.clock.request_unanswered(bench.now);
    }
    assert_eq!(bench.clock.reading(bench.now).state, LockState::Holdover);
    assert!(bench.error().abs() < Nanos::from_micros(2), "{}", bench.error());
    // The first master is back, but does not answer.
    bench.clock.change_master(bench.now);
    bench.answers = false;
    bench.exchange(Nanos::from_secs(60));
    assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked);
    assert!(bench.error().abs() < Nanos::from_micros(2), "{}", bench.error());
}

#[test]
fn a_master_that_stops_answering_keeps_its_measured_delay() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(30));
    bench.answers = false;
    bench.exchange(Nanos::from_secs(60));
    assert_eq!(bench.clock.reading(bench.now).path_delay, PathDelay::Measured);
    assert!(bench.error().abs() < Nanos::from_micros(1), "{}", bench.error());
    let after_a_minute_ns = bench.sigma_ns();
    bench.states();
    // The uncertainty of the delay grows for days, but not beyond that of an unknown wired path,
    // and the lock is kept.
    bench.exchange(Nanos::from_secs(3 * 86_400));
    let sigma_ns = bench.sigma_ns();
    assert!(sigma_ns > 3.0 * after_a_minute_ns && sigma_ns < 160e3, "{after_a_minute_ns} ns, then {sigma_ns} ns");
    assert!(bench.error().abs() < Nanos::from_micros(1), "{}", bench.error());
    assert_eq!(bench.states(), []);
    // The master answers again.
    bench.answers = true;
    bench.exchange(Nanos::from_secs(60));
    assert_eq!(bench.states(), [], "known better than before");
    assert!(bench.error().abs() < Nanos::from_micros(2) && bench.sigma_ns() < 10e3, "{}", bench.error());
}

#[test]
fn another_route_to_a_master_that_never_answers_is_no_reason_to_wait_for_answers() {
    let mut bench = Bench::new(30.0);
    bench.answers = false;
    bench.exchange(Nanos::from_secs(60));
    let sigma_ns = bench.clock.estimator.precision_ns(bench.now, false);
    bench.delay = DELAY + Nanos::from_micros(80);
    bench.exchange(Nanos::from_secs(120));
    let after_ns = bench.clock.estimator.precision_ns(bench.now, false);
    assert!(after_ns < 1.5 * sigma_ns + 100.0, "as exact as before, {sigma_ns} ns, and not {after_ns} ns");
    let sigma_ns = bench.sigma_ns();
    assert!(sigma_ns >= 150e3, "the delay is as little known as before, and not to {sigma_ns} ns");
}

#[test]
fn a_host_that_is_slewed_is_followed_without_an_unlock_and_never_claimed_to_be_right_while_it_is_wrong() {
    for slew_ppm in [50.0, 500.0, -50.0, -500.0] {
        let mut bench = Bench::new(30.0);
        bench.exchange(Nanos::from_secs(60));
        bench.states();
        // PTP time continues, but has a different rate from here on.
        let before = bench.ptp(bench.now);
        bench.rate -= slew_ppm * 1e-6;
        bench.offset += before - bench.ptp(bench.now);
        for second in 0..60 {
            bench.exchange(Nanos::from_secs(1));
            let sigma_ns = bench.clock.reading(bench.now).map.unwrap().clock().sigma_ns(bench.now);
            let error_ns = bench.error().as_nanos().abs() as f64;
            assert!(
                second < 2 || error_ns < 3.0 * sigma_ns + 1e3,
                "{slew_ppm} ppm, {second} s: {error_ns} +- {sigma_ns}"
            );
        }
        assert!(bench.error().abs() < Nanos::from_micros(5), "{slew_ppm} ppm: {}", bench.error());
        assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked, "{slew_ppm} ppm");
        assert_eq!(bench.clock.reading(bench.now).epoch, 0, "{slew_ppm} ppm");
    }
}

impl Bench {
    /// Suspends the host and its clocks for `time`. The Syncs that arrive meanwhile are timestamped
    /// together when the host resumes. Returns the largest error while locked in the following
    /// `seconds`.
    fn pause(&mut self, time: Nanos, seconds: i64) -> Nanos {
        let before = self.offset;
        while self.offset + SYNC < before + time {
            self.offset += SYNC;
            let remote = self.ptp(self.now - self.delay);
            self.clock.observe(&TimestampPair { direction: Direction::Forward, local: self.now, remote });
        }
        self.offset = before + time;
        self.worst_while_locked(seconds)
    }

    fn worst_while_locked(&mut self, seconds: i64) -> Nanos {
        let mut worst = Nanos::ZERO;
        for _ in 0..8 * seconds {
            self.exchange(SYNC);
            if self.clock.reading(self.now).state == LockState::Locked {
                worst = worst.max(self.error().abs());
            }
        }
        worst
    }
}

#[test]
fn a_paused_host_is_right_again_within_seconds() {
    for ms in [250, 300, 500, 750, 1000, 1250, 1500, 1750, 5000] {
        let mut bench = Bench::new(30.0);
        bench.exchange(Nanos::from_secs(60));
        bench.pause(Nanos::from_millis(ms), 3);
        assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked, "{ms} ms");
        let worst = bench.worst_while_locked(60);
        assert!(worst < Nanos::from_micros(50), "{ms} ms: {worst} off while locked");
    }
}

#[test]
fn a_host_clock_that_steps_back_is_followed_within_seconds() {
    for ms in [100, 250, 1000, 5000] {
        let mut bench = Bench::new(30.0);
        bench.exchange(Nanos::from_secs(60));
        let back = Nanos::from_millis(ms);
        (bench.now, bench.offset) = (bench.now - back, bench.offset + back);
        bench.worst_while_locked(3 + (ms + 999) / 1000);
        assert_eq!(bench.clock.reading(bench.now).state, LockState::Locked, "{ms} ms");
        let worst = bench.worst_while_locked(60);
        assert!(worst < Nanos::from_micros(50), "{ms} ms: {worst} off while locked");
    }
}

#[test]
fn two_damaged_timestamps_in_a_row_do_not_unlock() {
    let mut bench = Bench::new(30.0);
    bench.exchange(Nanos::from_secs(60));
    bench.transitions.clear();
    for bits in [[24, 27], [30, 22], [21, 21]] {
        for bit in bits {
            bench.now = bench.now + SYNC;
            let remote = bench.ptp(bench.now - bench.delay) + Nanos::new(1 << bit);
            bench.clock.observe(&TimestampPair { direction: Direction::Forward, local: bench.now, remote });
            bench.transitions.extend(bench.clock.poll_transition());
        }
        bench.exchange(Nanos::from_secs(5));
    }
    assert_eq!(bench.states(), []);
    assert!(bench.error().abs() < Nanos::from_micros(1), "{}", bench.error());
}

#[test]
fn an_answer_that_is_not_believed_is_no_measurement_of_the_delay() {
    let mut bench = Bench { answers: false, ..Bench::new(30.0) };
    bench.exchange(Nanos::from_secs(2));
    let remote = bench.ptp(bench.now) - Nanos::from_secs(10);
    bench.clock.observe(&TimestampPair { direction: Direction::Reverse, local: bench.now, remote });
    bench.exchange(Nanos::from_secs(30));
    let reading = bench.clock.reading(bench.now);
    assert_eq!((reading.state, reading.path_delay), (LockState::Locked, PathDelay::Assumed));
    assert!((150e3..160e3).contains(&bench.sigma_ns()), "{} ns", bench.sigma_ns());
}
