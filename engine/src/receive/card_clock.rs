//! The sound card's clock, from the times of its callbacks.
//!
//! Model: the card asks for frames at its own crystal's rate; a callback is late, never early. The same [`Estimator`] as for every
//! other clock relates frames played to host time. A card that was stopped (suspend, device error) comes back late by the length of the stop for good:
//! several callbacks that agree on that restart the offset and keep the rate.

use super::known_rate::KnownRate;
use crate::clock::{Direction, Estimator, MediaMap, Sample};
use crate::units::{Frames, LocalTime, Nanos, Ppb, SampleRate};

/// A callback this late is more than scheduling.
const STOPPED: Nanos = Nanos::from_millis(100);
/// Callbacks in a row that prove a stop.
const STOP_PROOF: u32 = 5;

/// First guess of how late callbacks are.
const JITTER: Nanos = Nanos::from_micros(100);

#[derive(Debug)]
pub(super) struct CardClock {
    rate: SampleRate,
    known: KnownRate,
    origin: Option<LocalTime>,
    played: Frames,
    estimator: Estimator,
    stopped: u32,
}

impl CardClock {
    /// A card of a nominal rate, and of the true one as far as that is remembered.
    pub(super) fn new(rate: SampleRate, remembered: Option<Ppb>) -> Self {
        let known = KnownRate::remembered(remembered);
        let estimator = Estimator::new(known.estimator(JITTER));
        Self { rate, known, origin: None, played: Frames::ZERO, estimator, stopped: 0 }
    }

    /// A callback came at `now` and will play `frames`. Returns when it would have come without jitter.
    pub(super) fn callback(&mut self, now: LocalTime, frames: usize) -> LocalTime {
        let origin = *self.origin.get_or_insert(now);
        let offset = self.rate.duration(self.played) - (now - origin);
        let sample = Sample { at: now, offset_ns: offset.as_nanos() as f64, direction: Direction::Forward };
        self.detect_stop(&sample);
        self.estimator.update(sample);
        let smoothed = self.map().map_or(now, |map| map.local_at(self.played));
        self.played += Frames::new(frames as i64);
        smoothed
    }

    fn detect_stop(&mut self, sample: &Sample) {
        let late_ns = self.estimator.lateness(sample);
        self.stopped = if late_ns > STOPPED.as_nanos() as f64 { self.stopped + 1 } else { 0 };
        if self.stopped >= STOP_PROOF {
            self.estimator.step_offset(-late_ns, 1);
            self.stopped = 0;
        }
    }

    fn map(&self) -> Option<MediaMap> {
        Some(MediaMap::new(self.origin?, Frames::ZERO, self.rate, self.estimator.map()?))
    }

    /// Rate of the card against the host's clock.
    pub(super) fn rate(&self) -> Ppb {
        self.known.or_measured(self.estimator.map())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Callbacks that are late by exponential jitter of 100 us; returns when the last would have come without.
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
