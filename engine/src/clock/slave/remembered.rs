//! What a clock that was locked keeps when it has to begin again.
//!
//! Model: crystals and networks do not change because a master or a stranger told a wrong time. So
//! the rate and the jitter of some time ago, when the clock was locked, are a better beginning than
//! nothing. They are from before the trouble, because it takes a moment to notice trouble.

use super::*;

/// Interval at which they are noted; those before the last ones are used. Judgement: a wrong time
/// that changes slowly enough to be followed is noticed within seconds.
const NOTED_EVERY: Nanos = Nanos::from_secs(10);
/// Standard deviation of the change of the rate since then. Judgement: a crystal changes its rate by
/// 1 ppm within minutes when it becomes warmer, and a master that restarts by as much.
const CHANGED: Ppb = Ppb::from_ppm(2.0);

#[derive(Clone, Copy, Debug)]
struct Noted {
    at: LocalTime,
    rate: Ppb,
    sigma: Ppb,
    jitter: Nanos,
}

/// The last two notes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remembered {
    newer: Option<Noted>,
    older: Option<Noted>,
}

impl Remembered {
    /// Notes a locked estimate when it is time to.
    pub(super) fn note(&mut self, now: LocalTime, estimator: &Estimator) {
        if self.newer.is_some_and(|noted| (now - noted.at).abs() < NOTED_EVERY) {
            return;
        }
        let Some(map) = estimator.map() else { return };
        let noted = Noted { at: now, rate: map.rate(), sigma: map.rate_sigma(), jitter: estimator.jitter() };
        self.older = self.newer.replace(noted);
    }

    /// What an estimate begins with that would otherwise begin with `config`.
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
