//! The clock of statime: the Kalman filter of its crate, with default parameters.
//!
//! As in its port, every Sync is a measurement t2 - t1 and every Delay_Resp a measurement t3 - t4,
//! both taken with the clock that the filter steers; a change of master creates a new filter. The
//! filter asks to be woken if nothing arrives within its steering time. It has no lock state: here
//! it counts as locked once it steers instead of stepping.

use super::linuxptp::START_OFFSET;
use super::virtual_clock::VirtualClock;
use engine::clock::{
    ClockReading, ClockServo, Direction, LockCause, LockState, LockTransition, PathDelay, TimestampPair,
};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use statime::Clock;
use statime::config::TimePropertiesDS;
use statime::filters::{Filter, FilterUpdate, KalmanConfiguration, KalmanFilter};
use statime::port::Measurement;
use statime::time::{Duration, Time};
use std::convert::Infallible;

/// From the timestamp of a message until the program acts on it.
const PROCESSING: Nanos = Nanos::from_micros(50);

/// The clock that the filter steers, and the raw time of the current call.
#[derive(Clone, Debug)]
struct Steered {
    clock: VirtualClock,
    now: LocalTime,
    stepped: bool,
}

impl Clock for Steered {
    type Error = Infallible;

    fn now(&self) -> Time {
        time(self.clock.time_at(self.now))
    }

    fn step_clock(&mut self, offset: Duration) -> Result<Time, Infallible> {
        self.stepped = true;
        self.clock.step(self.now, Nanos::new(offset.nanos_rounded() as i64));
        Ok(self.now())
    }

    fn set_frequency(&mut self, ppm: f64) -> Result<Time, Infallible> {
        self.clock.set_frequency(self.now, Ppb::from_ppm(ppm));
        Ok(self.now())
    }

    fn set_properties(&mut self, _properties: &TimePropertiesDS) -> Result<(), Infallible> {
        Ok(())
    }
}

fn time(t: PtpTime) -> Time {
    Time::from_nanos(t.as_nanos() as u64)
}

/// A statime slave.
pub struct StatimeClock {
    filter: KalmanFilter,
    steered: Option<Steered>,
    /// When the filter wants to be woken.
    due: Option<LocalTime>,
    state: LockState,
    pending: Option<LockTransition>,
}

impl Default for StatimeClock {
    fn default() -> Self {
        Self { filter: new_filter(), steered: None, due: None, state: LockState::Listening, pending: None }
    }
}

fn new_filter() -> KalmanFilter {
    KalmanFilter::new(KalmanConfiguration::default())
}

impl StatimeClock {
    fn after(&mut self, now: LocalTime, update: &FilterUpdate) {
        if let Some(wait) = update.next_update {
            self.due = Some(now + Nanos::from_secs_f64(wait.as_secs_f64()));
        }
    }

    fn enter(&mut self, to: LockState, at: LocalTime, reason: &'static str) {
        if to != self.state {
            self.pending = Some(LockTransition { at, from: self.state, to, cause: LockCause::OtherServo(reason) });
            self.state = to;
        }
    }
}

impl ClockServo for StatimeClock {
    fn observe(&mut self, pair: &TimestampPair) {
        let steered = self.steered.get_or_insert_with(|| Steered {
            clock: VirtualClock::new(pair.local, pair.remote + START_OFFSET),
            now: pair.local,
            stepped: false,
        });
        steered.now = steered.now.max(pair.local + PROCESSING);
        let shown = steered.clock.time_at(pair.local);
        let raw_offset = Some(Duration::from_nanos((shown - pair.remote).as_nanos()));
        let event_time = time(shown);
        let measurement = match pair.direction {
            Direction::Forward => Measurement { event_time, raw_sync_offset: raw_offset, ..Measurement::default() },
            Direction::Reverse => Measurement { event_time, raw_delay_offset: raw_offset, ..Measurement::default() },
        };
        steered.stepped = false;
        let update = self.filter.measurement(measurement, steered);
        let (now, stepped) = (steered.now, steered.stepped);
        self.after(now, &update);
        if stepped {
            self.enter(LockState::Acquiring, now, "the filter has stepped the clock");
        } else {
            self.enter(LockState::Locked, now, "the filter steers the clock");
        }
    }

    fn change_master(&mut self, now: LocalTime) {
        let left = std::mem::replace(&mut self.filter, new_filter());
        if let Some(steered) = &mut self.steered {
            steered.now = steered.now.max(now);
            left.demobilize(steered);
        }
        self.due = None;
    }

    fn set_sync_interval(&mut self, _interval: Nanos) {}

    fn advance(&mut self, now: LocalTime) {
        let (Some(due), Some(steered)) = (self.due, &mut self.steered) else { return };
        if now < due {
            return;
        }
        // The timer fires at the time at which it is due, not at the time of the next call.
        steered.now = steered.now.max(due);
        self.due = None;
        let update = self.filter.update(steered);
        self.after(due, &update);
    }

    fn reading(&self, _now: LocalTime) -> ClockReading {
        ClockReading {
            state: self.state,
            map: self.steered.as_ref().map(|steered| steered.clock.map()),
            epoch: 0,
            path_delay: PathDelay::Measured,
        }
    }

    fn poll_transition(&mut self) -> Option<LockTransition> {
        self.pending.take()
    }
}
