//! The sound card's clock, estimated from the times of its callbacks.
//!
//! Model: the card requests frames at the rate of its own crystal. A callback may be late, but
//! never early. As for every other clock, an [`Estimator`] relates the frames played to host time.
//!
//! * After an interruption of playback (xrun, suspend, device error), all further callbacks are
//!   late by the length of the pause. A sufficiently long run of late callbacks proves this. The
//!   offset is then moved by the smallest lateness in the run, and the rate is kept.
//! * A card may lose a single cycle. On a busy host, callbacks are often as late as that, so the
//!   loss is [detected](super::shift) from the least late callbacks.
//! * Until such a shift is proven, late callbacks are withheld from the estimator, because the
//!   scheduler may merely have delayed them for a while.
//! * Callbacks that appear early prove that the offset was moved too far.
//! * At the start, a card requests frames for its whole queue at once. No time passes between these
//!   callbacks, so the next ones appear early by the length of the queue. Therefore, a callback
//!   that appears early in the first second makes the estimator reacquire the offset.
//! * After a silence that is longer than any queue, the device was lost or the host was suspended,
//!   so the card's time restarts. The rate is kept.

use super::estimator::{Estimator, EstimatorConfig};
use super::map::MediaMap;
use super::outlier_run::{OutlierRun, Proof};
use super::rate_prior::RatePrior;
use super::sample::{Direction, Sample};
use super::shift::{Judgement, Shift, ShiftDetector};
use crate::units::{Frames, LocalTime, Nanos, Ppb, SampleRate};

/// Smallest deviation of a callback that normal scheduling cannot explain. Judgement: a scheduler
/// that is not overloaded wakes threads within 1 ms.
const SHIFTED: Nanos = Nanos::from_millis(1);
/// Allowance for usual lateness, added to [`SHIFTED`], as a multiple of the mean lateness.
/// Judgement: if the lateness is exponentially distributed, one callback in 55 exceeds this
/// multiple.
const USUAL_LATENESS: f64 = 4.0;
/// Run of callbacks that proves a shift, each of them later than [`SHIFTED`] plus the allowance for
/// usual lateness. Judgement: even a busy scheduler has recovered by then.
const PROOF: Proof = Proof { samples: 5, time: Nanos::from_millis(250) };
/// Run of callbacks that proves a shift even if each one is late by no more than a busy scheduler
/// could explain. Judgement: eight times as long as [`PROOF`].
const LONG_PROOF: Proof = Proof { samples: 64, time: Nanos::from_secs(2) };
/// Length of the start phase, in which a card fills its queue and the host is busy. Judgement:
/// longer than the queues of sound servers, which hold up to half a second.
const BEGINNING: Nanos = Nanos::from_secs(1);

/// Standard deviation of the rate before the first callback. Judgement: typical of an unknown
/// crystal.
const UNMEASURED: Ppb = Ppb::from_ppm(100.0);

/// Silence after which the card's time restarts. Judgement: no queue is this long; sound servers
/// queue up to half a second.
const AWAY: Nanos = Nanos::from_secs(1);

/// Initial jitter of callbacks. Judgement: typical of an idle host.
const JITTER: Nanos = Nanos::from_micros(100);

#[derive(Debug)]
pub(crate) struct CardClock {
    rate: SampleRate,
    known: RatePrior,
    origin: Option<LocalTime>,
    last: Option<LocalTime>,
    played: Frames,
    estimator: Estimator,
    /// Run of callbacks that are later than scheduling can explain.
    far: Option<OutlierRun>,
    /// Run of callbacks that are late by more than [`SHIFTED`]. The cause may be a busy scheduler,
    /// or a single cycle that the card has lost.
    near: Option<OutlierRun>,
    /// Detector of shifts in the least late callbacks.
    shifts: ShiftDetector,
}

impl CardClock {
    /// Creates the clock of a card with the nominal rate `rate`. `remembered` is the deviation from
    /// the nominal rate that was measured in an earlier session, if any.
    pub(crate) fn new(rate: SampleRate, remembered: Option<Ppb>) -> Self {
        let known = RatePrior::remembered(remembered);
        let estimator = Estimator::of_crystal(EstimatorConfig::of_one_way(known, JITTER));
        let shifts = ShiftDetector::default();
        Self { rate, known, origin: None, last: None, played: Frames::ZERO, estimator, far: None, near: None, shifts }
    }

    /// Restarts the card's time and returns true if the callback at `now` is the first one after an
    /// absence of the card.
    pub(crate) fn restarts_at(&mut self, now: LocalTime) -> bool {
        let away = self.last.replace(now).is_some_and(|last| now.since(last) >= AWAY);
        if away {
            (self.origin, self.played) = (None, Frames::ZERO);
            (self.far, self.near) = (None, None);
            self.estimator.reacquire();
            self.shifts.reacquire();
        }
        away
    }

    /// Processes a callback at `now` that requests `frames` frames. Returns the time of the
    /// callback without its jitter.
    pub(crate) fn callback(&mut self, now: LocalTime, frames: usize) -> LocalTime {
        self.observe(now, frames);
        let smoothed = self.map().map_or(now, |map| map.local_at(self.played));
        self.played += Frames::of(frames);
        smoothed
    }

    /// Processes a callback at `now` that delivers `frames` frames captured before `now`.
    pub(crate) fn captured(&mut self, now: LocalTime, frames: usize) {
        if self.origin.is_some() {
            self.played += Frames::of(frames);
        } else {
            // Frame 0 of the clock is the first captured frame.
            self.origin = Some(now - self.rate.duration(Frames::of(frames)));
            self.played = Frames::of(frames);
        }
        self.observe(now, frames);
    }

    fn observe(&mut self, now: LocalTime, frames: usize) {
        let origin = *self.origin.get_or_insert(now);
        let offset = self.rate.duration(self.played) - (now - origin);
        let sample = Sample { at: now, offset_ns: offset.as_nanos_f64(), direction: Direction::Forward };
        if now - origin < BEGINNING && self.estimator.lateness(&sample) < -(SHIFTED.as_nanos_f64()) {
            self.estimator.reacquire();
            self.shifts.reacquire();
        }
        let callback = self.rate.duration(Frames::of(frames));
        let map = self.estimator.map();
        self.known.learn(map);
        let estimated_ns = map.map_or(0.0, |map| map.offset_ns(now) - sample.offset_ns);
        if self.belongs(&sample, estimated_ns, callback) {
            self.estimator.update(sample);
        } else {
            self.estimator.watch(&sample);
        }
    }

    /// Judges a sample that is late by `estimated_ns` relative to the map, and moves the offset if
    /// the sample proves a shift. Returns whether the estimator may use the sample. The allowance
    /// for jitter is limited to the length of a callback. Without this limit, an estimator that is
    /// far off would mistake its own error for jitter and stay wrong for minutes.
    fn belongs(&mut self, sample: &Sample, estimated_ns: f64, callback: Nanos) -> bool {
        let envelope_ns = self.estimator.lateness(sample);
        let late_ns = estimated_ns.max(envelope_ns);
        let jitter_ns = USUAL_LATENESS * self.estimator.jitter().as_nanos_f64();
        let callback_ns = callback.as_nanos_f64();
        let shifted_ns = SHIFTED.as_nanos_f64();
        let limit_ns = shifted_ns + jitter_ns.min(callback_ns);
        self.far = (late_ns >= limit_ns).then(|| OutlierRun::extended(self.far, sample, late_ns));
        self.near = (estimated_ns >= shifted_ns).then(|| OutlierRun::extended(self.near, sample, estimated_ns));
        let judgement = self.shifts.judge(sample, envelope_ns);
        let far = self.far.filter(|run| run.proves(sample.at, PROOF));
        let near = self.near.filter(|run| run.proves(sample.at, LONG_PROOF));
        let Some(run) = far.or(near) else {
            if let Judgement::Shift(shift) = judgement {
                self.shift(&shift, callback_ns);
                return false;
            }
            return late_ns < limit_ns && judgement == Judgement::Take;
        };
        (self.far, self.near) = (None, None);
        self.shifts.forget();
        if jitter_ns < callback_ns {
            self.estimator.step_offset(-run.best_rank_ns, run.samples);
        } else {
            // The disturbance has lasted so long that the estimator has learnt it as jitter.
            self.estimator.reacquire();
            self.estimator.update(run.best);
        }
        true
    }

    /// Moves the offset after a proven shift of the least late callbacks. If callbacks scattered by
    /// more than one callback length even before the shift, the offset is reacquired instead.
    fn shift(&mut self, shift: &Shift, callback_ns: f64) {
        (self.far, self.near) = (None, None);
        if shift.noise_ns < callback_ns {
            self.estimator.step_offset(-shift.later_ns, shift.packets);
        } else {
            self.estimator.reacquire();
            self.estimator.update(shift.least);
        }
    }

    /// Whether callbacks are early, or late as after an xrun, while a shift has not been proven
    /// yet. The cause may also be that the host's clock has been set, which makes packets appear
    /// late or early, too.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.far.is_some_and(|run| run.samples >= PROOF.samples) || self.shifts.is_in_doubt()
    }

    /// Map from host time to the frames played or captured.
    pub(crate) fn map(&self) -> Option<MediaMap> {
        Some(MediaMap::new(self.origin?, Frames::ZERO, self.rate, self.estimator.map()?))
    }

    /// Standard deviation of the card's rate relative to the host's clock.
    pub(crate) fn rate_sigma(&self) -> Ppb {
        self.estimator.map().map_or(UNMEASURED, |map| map.rate_sigma())
    }

    /// The card's rate relative to the host's clock.
    pub(crate) fn rate(&self) -> Ppb {
        self.known.or_measured(self.estimator.map())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Makes callbacks that are late by exponential jitter of 100 us. Returns the time of the last
    /// one without jitter.
    fn run(clock: &mut CardClock, from: LocalTime, callbacks: i64, ppm: f64) -> LocalTime {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let period_ns = 20_000_000.0 / (1.0 + ppm * 1e-6);
        let mut smoothed = from;
        for i in 0..callbacks {
            let ideal = from + Nanos::new((i as f64 * period_ns) as i64);
            let uniform = (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
            smoothed = clock.callback(ideal + Nanos::new((-100_000.0 * libm::log(uniform)) as i64), 960);
        }
        smoothed
    }

    #[test]
    fn callbacks_give_the_cards_rate() {
        let mut clock = CardClock::new(SampleRate::HZ_48000, None);
        run(&mut clock, LocalTime::ZERO, 3000, 120.0);
        assert!((clock.rate().as_ppm() - 120.0).abs() < 0.2, "{}", clock.rate());
    }

    /// The error of a callback's smoothed time, after an xrun of the given length and this many
    /// callbacks.
    fn error_after_xrun(xrun: Nanos, callbacks: i64) -> (Nanos, CardClock) {
        let mut clock = CardClock::new(SampleRate::HZ_48000, None);
        run(&mut clock, LocalTime::ZERO, 3000, 120.0);
        let period_ns = 20_000_000.0 / (1.0 + 120.0 * 1e-6);
        let resumed = LocalTime::ZERO + Nanos::new((3000.0 * period_ns) as i64) + xrun;
        let smoothed = run(&mut clock, resumed, callbacks, 120.0);
        (smoothed - (resumed + Nanos::new(((callbacks - 1) as f64 * period_ns) as i64)), clock)
    }

    #[test]
    fn an_xrun_is_found_within_half_a_second_and_the_rate_kept() {
        for ms in [2, 5, 12, 40, 90, 300] {
            let (error, clock) = error_after_xrun(Nanos::from_millis(ms), 25);
            assert!(error.abs() < Nanos::from_micros(200), "{ms} ms: {error}");
            assert!((clock.rate().as_ppm() - 120.0).abs() < 1.0, "{ms} ms: {}", clock.rate());
        }
    }

    #[test]
    fn a_card_that_was_away_begins_anew_and_keeps_its_rate() {
        let period_ns = 20_000_000.0 / (1.0 + 120.0 * 1e-6);
        for (away_s, anew) in [(0.9, false), (1.1, true), (60.0, true)] {
            let mut clock = CardClock::new(SampleRate::HZ_48000, None);
            let at = |i: i64| LocalTime::ZERO + Nanos::new((i as f64 * period_ns) as i64);
            for i in 0..3000 {
                assert!(!clock.restarts_at(at(i)));
                clock.callback(at(i), 960);
            }
            let back = at(2999) + Nanos::from_secs_f64(away_s);
            assert_eq!(clock.restarts_at(back), anew, "{away_s} s");
            // If the card's time restarts, it is right from the first callback, before a shift
            // could be proven.
            let error = clock.callback(back, 960) - back;
            assert_eq!(error.abs() < Nanos::from_micros(10), anew, "{away_s} s: {error}");
            assert!((clock.rate().as_ppm() - 120.0).abs() < 0.2, "{away_s} s: {}", clock.rate());
        }
    }

    #[test]
    fn callbacks_that_were_held_up_change_nothing() {
        let mut clock = CardClock::new(SampleRate::HZ_48000, None);
        run(&mut clock, LocalTime::ZERO, 3000, 120.0);
        let period_ns = 20_000_000.0 / (1.0 + 120.0 * 1e-6);
        let at = |i: i64| LocalTime::ZERO + Nanos::new((i as f64 * period_ns) as i64);
        // Callbacks are held up for 60 ms, about four times per second.
        for i in 3000..3400 {
            let smoothed = clock.callback(at(i).max(at(i / 12 * 12 + 3)), 960);
            assert!((smoothed - at(i)).abs() < Nanos::from_micros(100), "{i}: {}", smoothed - at(i));
        }
        assert!((clock.rate().as_ppm() - 120.0).abs() < 0.3, "{}", clock.rate());
    }

    #[test]
    fn what_was_taken_for_an_xrun_is_taken_back() {
        let mut clock = CardClock::new(SampleRate::HZ_48000, None);
        run(&mut clock, LocalTime::ZERO, 3000, 120.0);
        let period_ns = 20_000_000.0 / (1.0 + 120.0 * 1e-6);
        let at = |i: i64| LocalTime::ZERO + Nanos::new((i as f64 * period_ns) as i64);
        // For half a second, the host is so busy that every callback is late.
        let late = |i: i64| if i < 3025 { Nanos::from_millis(6) } else { Nanos::ZERO };
        let smoothed = (3000..3060).map(|i| clock.callback(at(i) + late(i), 960)).last().unwrap();
        assert!((smoothed - at(3059)).abs() < Nanos::from_micros(200), "{}", smoothed - at(3059));
    }

    /// A card first requests as many periods as its queue holds, and then one at a time.
    #[test]
    fn a_queue_that_is_filled_at_the_start_is_no_time_that_passed() {
        for periods in [2, 4, 16] {
            for held_up_ms in [0, 3] {
                let mut clock = CardClock::new(SampleRate::HZ_48000, None);
                let at = |i: i64| LocalTime::ZERO + Nanos::from_millis(10 * (i - periods).max(0));
                // The first callbacks may also be late, because the host is still busy.
                let late = |i: i64| Nanos::from_millis(if i > periods && i < periods + 8 { held_up_ms } else { 0 });
                for i in 0..300 {
                    let smoothed = clock.callback(at(i) + late(i), 480);
                    let error = smoothed - at(i);
                    assert!(i < 25 || error.abs() < Nanos::from_micros(100), "{periods} periods, {i}: {error}");
                }
                assert!(clock.estimator.jitter() < Nanos::from_micros(100), "{}", clock.estimator.jitter());
            }
        }
    }

    /// On a busy host, callbacks of 256 frames are late by 1.5 ms on average, and occasionally by
    /// more. The card loses a cycle every three seconds.
    #[test]
    fn lost_cycles_are_found_within_a_second_on_a_busy_host() {
        const PERIOD_NS: f64 = 5_333_333.0;
        for seed in 1..5 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut clock = CardClock::new(SampleRate::HZ_48000, None);
            let (mut lost, mut lost_at) = (0, 0);
            for i in 0..24_000_i64 {
                if i > 3_000 && i % 563 == 0 {
                    (lost, lost_at) = (lost + 1, i);
                }
                let ideal = LocalTime::ZERO + Nanos::new(((i + lost) as f64 * PERIOD_NS) as i64);
                let uniform = (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
                let late_ms = -1.5 * libm::log(uniform) + if random.next_u32() % 20 == 0 { 4.0 } else { 0.0 };
                let error = clock.callback(ideal + Nanos::new((late_ms * 1e6) as i64), 256) - ideal;
                let since_s = (i - lost_at) as f64 * PERIOD_NS * 1e-9;
                let is_right = error.as_secs_f64().abs() < 0.5e-9 * PERIOD_NS;
                assert!(is_right || i < 1_000 || since_s < 1.0, "seed {seed}, {since_s:.2} s after: {error}");
            }
            assert!((clock.rate().as_ppm()).abs() < 5.0, "{}", clock.rate());
        }
    }

    /// For 20 s, a host stalls at random, for `stall_ms` on average every `every_ms`. The card's
    /// queue holds `periods` callbacks of 256 frames, and runs empty. Returns the error of the
    /// callbacks' times in each of the following seconds.
    fn errors_after_stalls(periods: i64, stall_ms: f64, every_ms: f64, seed: u64) -> Vec<Nanos> {
        const PERIOD: Nanos = Nanos::new(5_333_333);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut exponential = |mean_ns: f64| {
            let uniform = (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
            Nanos::new((-mean_ns * libm::log(uniform)) as i64)
        };
        let mut clock = CardClock::new(SampleRate::HZ_48000, None);
        let troubles = LocalTime::ZERO + Nanos::from_secs(20)..LocalTime::ZERO + Nanos::from_secs(40);
        let (mut stall, mut started) = (troubles.start, LocalTime::ZERO);
        let mut errors = vec![Nanos::ZERO; 10];
        for written in 0.. {
            // The times at which the queue has room for another period, and at which it is empty.
            let room = started + PERIOD.times((written + 1 - periods).max(0));
            let empty = started + PERIOD.times(written);
            let mut now = room + exponential(20_000.0);
            if now >= stall && stall < troubles.end {
                let over = stall + exponential(stall_ms * 1e6);
                now = now.max(over);
                stall = over + exponential(every_ms * 1e6);
            }
            let starved = if now > empty && written > 0 { now - empty } else { Nanos::ZERO };
            started = started + starved;
            let smoothed = clock.callback(now, 256);
            let second = (now - troubles.end).as_nanos().div_euclid(1_000_000_000);
            let Ok(second) = usize::try_from(second) else { continue };
            let Some(error) = errors.get_mut(second) else { break };
            *error = smoothed - room;
        }
        errors
    }

    #[test]
    fn a_host_that_stood_still_often_leaves_less_than_a_callback() {
        let hosts = [(20.0, 300.0), (60.0, 100.0), (150.0, 100.0)];
        for (seed, (stall_ms, every_ms)) in (0..20).flat_map(|seed| hosts.map(|host| (seed, host))) {
            for periods in [2, 3, 8] {
                let errors = errors_after_stalls(periods, stall_ms, every_ms, seed);
                // A shift that is hardly larger than the usual lateness of a callback is corrected
                // slowly.
                let late = errors.iter().skip(2).find(|error| error.abs() > Nanos::from_millis(3));
                assert_eq!(late, None, "seed {seed}, {periods} periods, {stall_ms} ms every {every_ms}: {errors:?}");
            }
        }
    }

    /// A rate measured before a disturbance is better than one remembered from an earlier session.
    #[test]
    fn a_measured_rate_outlives_troubles_also_if_another_one_was_remembered() {
        let mut clock = CardClock::new(SampleRate::HZ_48000, Some(Ppb::from_ppm(115.0)));
        run(&mut clock, LocalTime::ZERO, 3000, 120.0);
        assert!((clock.rate().as_ppm() - 120.0).abs() < 0.3, "{}", clock.rate());
        clock.estimator.reacquire();
        let resumed = LocalTime::ZERO + Nanos::from_secs(61);
        for callbacks in [1, 5, 50] {
            run(&mut clock, resumed, callbacks, 120.0);
            assert!((clock.rate().as_ppm() - 120.0).abs() < 3.0, "{callbacks}: {}", clock.rate());
        }
    }

    #[test]
    fn a_stopped_card_keeps_its_rate() {
        let mut clock = CardClock::new(SampleRate::HZ_48000, None);
        run(&mut clock, LocalTime::ZERO, 3000, 120.0);
        let resumed = LocalTime::ZERO + Nanos::from_secs(120);
        let period_ns = 20_000_000.0 / (1.0 + 120.0 * 1e-6);
        let smoothed = run(&mut clock, resumed, 500, 120.0);
        assert!((clock.rate().as_ppm() - 120.0).abs() < 2.0, "{}", clock.rate());
        let ideal = resumed + Nanos::new((499.0 * period_ns) as i64);
        assert!((smoothed - ideal).abs() < Nanos::from_millis(1), "{}", smoothed - ideal);
    }
}
