//! The wander of a clock's time: a process of Ornstein and Uhlenbeck.
//!
//! Model: drawn on a grid of a fiftieth of its time constant, and linear between; so it does not
//! depend on who asks when.

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
    /// What is left of a value after a step.
    keeps: f64,
    stream: RandomStream,
    /// The end of the stretch that is known, and the values at its ends.
    known_to: TrueTime,
    ends: [f64; 2],
}

impl Wander {
    /// A wander that begins as it goes on.
    #[must_use]
    pub fn new(config: scenario::Wander, mut stream: RandomStream) -> Self {
        let rms_ns = config.rms_us.nanos().as_nanos() as f64;
        let step = Nanos::from_secs_f64(config.tau_s.get() / GRID).as_nanos().max(1);
        let first = rms_ns * stream.normal();
        Self { rms_ns, step, keeps: libm::exp(-1.0 / GRID), stream, known_to: 0, ends: [first; 2] }
    }

    /// How far off time is at `t`. Calls must come in order of time.
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
