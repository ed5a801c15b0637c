//! The wander of a clock's time: an Ornstein-Uhlenbeck process.
//!
//! Model: values are drawn on a grid of a fiftieth of the time constant and interpolated linearly,
//! so that they do not depend on the times at which they are read.

use super::crystal::TrueTime;
use super::streams::RandomStream;
use crate::scenario;
use engine::Nanos;

/// Grid points in a time constant.
const GRID: f64 = 50.0;

/// The wander.
#[derive(Clone, Debug)]
pub struct Wander {
    rms_ns: f64,
    step: TrueTime,
    /// Share of a value that remains after a grid step.
    keeps: f64,
    stream: RandomStream,
    /// The end of the current grid interval, and the values at both of its ends.
    known_to: TrueTime,
    ends: [f64; 2],
}

impl Wander {
    /// A wander whose initial value has the stationary distribution.
    #[must_use]
    pub fn new(config: scenario::Wander, mut stream: RandomStream) -> Self {
        let rms_ns = config.rms_us.nanos().as_nanos() as f64;
        let step = Nanos::from_secs_f64(config.tau_s.get() / GRID).as_nanos().max(1);
        let first = rms_ns * stream.normal();
        Self { rms_ns, step, keeps: libm::exp(-1.0 / GRID), stream, known_to: 0, ends: [first; 2] }
    }

    /// The error of the time at `t`. Calls must come in order of time.
    pub fn at(&mut self, t: TrueTime) -> Nanos {
        while self.known_to < t {
            let fresh = self.rms_ns * libm::sqrt(1.0 - self.keeps * self.keeps) * self.stream.normal();
            self.ends = [self.ends[1], self.keeps * self.ends[1] + fresh];
            self.known_to += self.step;
        }
        let left = (self.known_to - t) as f64 / self.step as f64;
        Nanos::new((self.ends[1] + (self.ends[0] - self.ends[1]) * left) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Micros, Period};

    #[test]
    fn its_size_and_its_memory_are_right() {
        let (rms_us, tau_s) = (Micros::try_from(20.0).unwrap(), Period::try_from(5.0).unwrap());
        let mut wander = Wander::new(scenario::Wander { rms_us, tau_s }, RandomStream::new(1, "test"));
        let values: Vec<f64> = (0..200_000).map(|i| wander.at(i * 1_000_000_000).as_nanos() as f64 * 1e-3).collect();
        let product = |lag: usize| {
            let products = values.iter().zip(&values[lag..]).map(|(a, b)| a * b);
            products.sum::<f64>() / (values.len() - lag) as f64
        };
        assert!((product(0) / 400.0 - 1.0).abs() < 0.03, "{}", product(0));
        assert!((product(5) / product(0) - libm::exp(-1.0)).abs() < 0.03, "{}", product(5) / product(0));
    }
}
