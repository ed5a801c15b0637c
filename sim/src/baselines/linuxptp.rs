//! The clock of linuxptp's ptp4l, with its defaults for software timestamps.
//!
//! Model, from its documentation and published sources: with t1 and t2 of the last Sync and the
//! servo's estimate r of the rate ratio, the path delay is the moving median of half the sum of
//! (t2 - t3) r and t4 - t1. Once a delay is known, every Sync yields the offset t2 - t1 - delay.
//! The servo responds with a frequency and, once at its start, with a step. All timestamps are
//! taken with the clock that the servo steers. Requests in transit at the step are discarded, and
//! so are all delays when the master changes.
//!
//! Not implemented: sanity checks of the frequency, which only trigger far outside the conditions
//! compared here, and the master role of `ptp4l`.

use super::linuxptp_linreg::LinregServo;
use super::linuxptp_pi::PiServo;
use super::moving_median::MovingMedian;
use super::virtual_clock::VirtualClock;
use engine::clock::{
    ClockReading, ClockServo, Direction, LockCause, LockState, LockTransition, PathDelay, TimestampPair,
};
use engine::{LocalTime, Nanos, Ppb, PtpTime};

/// Initial error of the clocks of the comparison's slaves.
pub(super) const START_OFFSET: Nanos = Nanos::from_millis(10);
/// `first_step_threshold`, default 20 us; `step_threshold` is 0, so the clock is stepped only once.
pub(super) const FIRST_STEP_THRESHOLD_NS: f64 = 20_000.0;
/// `max_frequency`, default.
pub(super) const MAX_FREQUENCY_PPB: f64 = 900_000_000.0;

/// Input of a servo for a Sync.
#[derive(Clone, Copy, Debug)]
pub struct ServoSample {
    /// Raw host time of its arrival.
    pub raw: LocalTime,
    /// Time of its arrival by the clock that is steered.
    pub local: PtpTime,
    /// How far that clock is ahead of the master.
    pub offset: Nanos,
}

/// Output of a servo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ServoAnswer {
    /// Wait.
    Unlocked,
    /// Step the clock by the offset, then run it faster than the raw clock by this rate.
    Jump(Ppb),
    /// Run the clock faster than the raw clock by this rate.
    Locked(Ppb),
}

/// A servo.
pub trait Servo {
    /// Sets the interval between Syncs, s.
    fn set_interval(&mut self, interval_s: f64);
    /// A Sync.
    fn sample(&mut self, sample: &ServoSample) -> ServoAnswer;
    /// Rate of the master against the steered clock.
    fn rate_ratio(&self) -> f64 {
        1.0
    }
}

/// ptp4l with one of its servos.
#[derive(Clone, Debug, Default)]
pub struct Ptp4l<S> {
    servo: S,
    clock: Option<VirtualClock>,
    /// t1 and t2 of the last Sync.
    sync: Option<(PtpTime, PtpTime)>,
    delays: MovingMedian,
    stepped_at: Option<LocalTime>,
    state: Option<LockState>,
    pending: Option<LockTransition>,
}

/// ptp4l with its default PI servo.
pub type LinuxptpPi = Ptp4l<PiServo>;
/// ptp4l with `clock_servo linreg`.
pub type LinuxptpLinreg = Ptp4l<LinregServo>;

impl<S: Servo> Ptp4l<S> {
    fn sync(&mut self, pair: &TimestampPair) {
        let clock = self.clock.get_or_insert_with(|| VirtualClock::new(pair.local, pair.remote + START_OFFSET));
        let t2 = clock.time_at(pair.local);
        self.sync = Some((pair.remote, t2));
        let Some(delay_ns) = self.delays.median() else { return };
        let offset = (t2 - pair.remote) - Nanos::new(libm::round(delay_ns) as i64);
        match self.servo.sample(&ServoSample { raw: pair.local, local: t2, offset }) {
            ServoAnswer::Unlocked => self.enter(LockState::Acquiring, pair.local, "the servo is unlocked"),
            ServoAnswer::Jump(rate) => {
                clock.set_frequency(pair.local, rate);
                clock.step(pair.local, -offset);
                self.sync = None;
                self.stepped_at = Some(pair.local);
                self.enter(LockState::Acquiring, pair.local, "the servo has stepped the clock");
            }
            ServoAnswer::Locked(rate) => {
                clock.set_frequency(pair.local, rate);
                self.enter(LockState::Locked, pair.local, "the servo is locked");
            }
        }
    }

    fn delay(&mut self, pair: &TimestampPair) {
        let (Some(clock), Some((t1, t2))) = (&self.clock, self.sync) else { return };
        if self.stepped_at.is_some_and(|stepped| pair.local < stepped) {
            return;
        }
        let (t3, t4) = (clock.time_at(pair.local), pair.remote);
        let t23_ns = (t2 - t3).as_nanos() as f64 * self.servo.rate_ratio();
        self.delays.push((t23_ns + (t4 - t1).as_nanos() as f64) / 2.0);
    }

    fn enter(&mut self, to: LockState, at: LocalTime, reason: &'static str) {
        let from = self.state.unwrap_or(LockState::Listening);
        if to != from {
            self.pending = Some(LockTransition { at, from, to, cause: LockCause::OtherServo(reason) });
            self.state = Some(to);
        }
    }
}

impl<S: Servo> ClockServo for Ptp4l<S> {
    fn observe(&mut self, pair: &TimestampPair) {
        match pair.direction {
            Direction::Forward => self.sync(pair),
            Direction::Reverse => self.delay(pair),
        }
    }

    fn change_master(&mut self, _now: LocalTime) {
        self.sync = None;
        self.delays.reset();
    }

    fn set_sync_interval(&mut self, interval: Nanos) {
        self.servo.set_interval(interval.as_secs_f64());
    }

    fn advance(&mut self, _now: LocalTime) {}

    fn reading(&self, _now: LocalTime) -> ClockReading {
        ClockReading {
            state: self.state.unwrap_or(LockState::Listening),
            map: self.clock.as_ref().map(VirtualClock::map),
            epoch: 0,
            path_delay: PathDelay::Measured,
        }
    }

    fn poll_transition(&mut self) -> Option<LockTransition> {
        self.pending.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges without noise: a slave 40 ppm fast, 8 Syncs and 1 request per second, a path of 50
    /// us.
    fn run<S: Servo + Default>(seconds: i64) -> Ptp4l<S> {
        let mut law = Ptp4l::<S>::default();
        law.set_sync_interval(Nanos::from_millis(125));
        let local = |true_ns: i64| LocalTime::from_nanos(true_ns + true_ns / 25_000);
        let delay = 50_000;
        for i in 0..seconds * 8 {
            let sent = i * 125_000_000;
            let remote = PtpTime::from_nanos(i128::from(sent));
            law.observe(&TimestampPair { direction: Direction::Forward, local: local(sent + delay), remote });
            if i % 8 == 3 {
                let sent = sent + 60_000_000;
                let remote = PtpTime::from_nanos(i128::from(sent + delay));
                law.observe(&TimestampPair { direction: Direction::Reverse, local: local(sent), remote });
            }
        }
        law
    }

    fn assert_settled<S: Servo + Default>() {
        let law = run::<S>(600);
        let true_ns = 600_000_000_000i64;
        let reading = law.reading(LocalTime::ZERO);
        let shown = reading.map.unwrap().ptp_at(LocalTime::from_nanos(true_ns + true_ns / 25_000));
        assert!((shown - PtpTime::from_nanos(i128::from(true_ns))).abs() < Nanos::new(50), "{shown:?}");
        assert_eq!(reading.state, LockState::Locked);
    }

    #[test]
    fn both_servos_settle_where_there_is_no_noise() {
        assert_settled::<PiServo>();
        assert_settled::<LinregServo>();
    }
}
