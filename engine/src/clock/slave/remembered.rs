//! Rate and jitter that a clock saves while it is locked, to start from when it has to reacquire.
//!
//! Model: a wrong time from the master or from an attacker changes neither the crystals nor the
//! network. So the rate and the jitter estimated while the clock was locked are better initial
//! values than the defaults. Values saved some time before the loss of the lock are used, because a
//! wrong time is detected only after a while.

use super::*;

/// Interval at which rate and jitter are saved; the second newest values are used. Judgement: a
/// wrong time that changes slowly enough to be followed is detected within seconds.
const NOTED_EVERY: Nanos = Nanos::from_secs(10);
/// Standard deviation of the change that a rate may have undergone since it was saved. Judgement: a
/// crystal changes its rate by 1 ppm within minutes when it becomes warmer, and a restart may
/// change a master's rate by as much.
const CHANGED: Ppb = Ppb::from_ppm(2.0);

#[derive(Clone, Copy, Debug)]
struct Noted {
    at: LocalTime,
    rate: Ppb,
    sigma: Ppb,
    jitter: Nanos,
}

/// The last two saved values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remembered {
    newer: Option<Noted>,
    older: Option<Noted>,
}

impl Remembered {
    /// Saves rate and jitter of a locked estimate, at intervals of [`NOTED_EVERY`].
    pub(super) fn note(&mut self, now: LocalTime, estimator: &Estimator) {
        if self.newer.is_some_and(|noted| (now - noted.at).abs() < NOTED_EVERY) {
            return;
        }
        let Some(map) = estimator.map() else { return };
        let noted = Noted { at: now, rate: map.rate(), sigma: map.rate_sigma(), jitter: estimator.jitter() };
        self.older = self.newer.replace(noted);
    }

    /// The initial values for a new estimate: `config`, with the saved rate and jitter, if any.
    pub(super) fn prior(&self, config: EstimatorConfig) -> EstimatorConfig {
        let Some(noted) = self.older else { return config };
        let sigma_ppb = libm::hypot(noted.sigma.as_ppb(), CHANGED.as_ppb());
        EstimatorConfig { rate: noted.rate, rate_sigma: Ppb::new(sigma_ppb), jitter: noted.jitter, ..config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_some_time_ago_is_the_beginning() {
        let config = SlaveClockConfig::default().estimator;
        let mut remembered = Remembered::default();
        for second in 0..40 {
            let at = LocalTime::ZERO + Nanos::from_secs(second);
            let prior = EstimatorConfig { rate: Ppb::from_ppm(second as f64), jitter: Nanos::from_micros(7), ..config };
            let mut estimator = Estimator::new(prior);
            estimator.update(Sample { at, offset_ns: 0.0, direction: Direction::Forward });
            remembered.note(at, &estimator);
            let prior = remembered.prior(config);
            if second < 10 {
                assert_eq!(prior, config);
            } else {
                assert_eq!(prior.jitter, Nanos::from_micros(7));
                assert_eq!(prior.rate.as_ppm() as i64, (second / 10 - 1) * 10);
            }
        }
    }
}
