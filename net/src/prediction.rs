//! The prediction error of a clock: the figure that other devices display as their offset.

use engine::clock::ClockReading;
use engine::{LocalTime, Nanos};
use std::collections::VecDeque;

/// How far ahead the time is predicted.
const PREDICTION: Nanos = Nanos::from_secs(1);
/// Interval between the readings that are kept.
const INTERVAL: Nanos = Nanos::from_millis(125);

/// Readings of the last second.
#[derive(Debug, Default)]
pub(crate) struct Prediction(VecDeque<(LocalTime, ClockReading)>);

impl Prediction {
    /// Compares the current time with its prediction from a second ago. Returns how far the current
    /// time is ahead of the prediction; `None` in the first second and after a step.
    pub(crate) fn error(&mut self, now: LocalTime, clock: ClockReading) -> Option<Nanos> {
        let past = &mut self.0;
        let newest = past.back().map(|&(at, _)| at);
        if newest.is_none_or(|at| now - at >= INTERVAL) {
            past.push_back((now, clock));
        }
        while past.get(1).is_some_and(|&(at, _)| now - at >= PREDICTION) {
            past.pop_front();
        }
        let &(at, then) = past.front()?;
        let comparable = now - at >= PREDICTION && then.epoch == clock.epoch;
        let (then, present) = then.map.zip(clock.map).filter(|_| comparable)?;
        Some(present.ptp_at(now) - then.ptp_at(now))
    }
}
