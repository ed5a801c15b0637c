//! Measures the mean lateness of the packets in each direction, relative to the least late ones.
//!
//! Model: the path has the same fixed delay in both directions, to which each packet adds a
//! lateness that is never negative. The mean of many packets contains the mean lateness. If the
//! mean lateness differs between the directions, half the difference is an error of the offset that
//! more packets do not reduce. The mean lateness cannot be inferred from the standard deviation,
//! because their ratio depends on the distribution: it is 1 for an exponential distribution and 1.7
//! for a uniform one. So the mean lateness is measured, as the mean of a window minus its minimum.
//! Windows hold the same number of packets in both directions, so that the lateness of their minima
//! is about the same fraction of the mean.
//!
//! A constant difference between the delays of the two directions cannot be detected.

use super::sample::Direction;

/// Number of packets in a window. Judgement: 16 s of Delay_Reqs at one per second, during which a
/// crystal wanders by less than the jitter of packets.
const WINDOW: u32 = 16;
/// Memory of the mean, in windows. Judgement: two minutes of Delay_Reqs, because networks change.
const MEMORY: f64 = 8.0;
/// The lateness of a packet is clipped to this many standard deviations. Judgement: one damaged
/// timestamp must not outweigh the others.
const LARGEST_NOISES: f64 = 5.0;

/// Mean lateness in one direction.
#[derive(Clone, Copy, Debug)]
struct DirectionExcess {
    /// Statistics of the current window.
    count: u32,
    sum_ns: f64,
    squares: f64,
    least_ns: f64,
    /// Number of earlier windows (limited by [`MEMORY`]), their mean excess, and the variance of
    /// one window's mean, ns^2.
    windows: f64,
    excess_ns: f64,
    variance: f64,
}

impl DirectionExcess {
    const NONE: Self = Self {
        count: 0,
        sum_ns: 0.0,
        squares: 0.0,
        least_ns: f64::INFINITY,
        windows: 0.0,
        excess_ns: 0.0,
        variance: 0.0,
    };

    fn take(&mut self, late_ns: f64) {
        self.count += 1;
        self.sum_ns += late_ns;
        self.squares += late_ns * late_ns;
        self.least_ns = self.least_ns.min(late_ns);
        if self.count < WINDOW {
            return;
        }
        let n = f64::from(WINDOW);
        let mean_ns = self.sum_ns / n;
        let of_mean = (self.squares / n - mean_ns * mean_ns).max(0.0) / (n - 1.0);
        self.windows = (self.windows + 1.0).min(MEMORY);
        self.excess_ns += (mean_ns - self.least_ns - self.excess_ns) / self.windows;
        self.variance += (of_mean - self.variance) / self.windows;
        self.interrupt();
    }

    /// Discards the current window.
    fn interrupt(&mut self) {
        *self = Self { windows: self.windows, excess_ns: self.excess_ns, variance: self.variance, ..Self::NONE };
    }
}

/// Mean lateness in both directions.
#[derive(Clone, Debug)]
pub(super) struct Excess {
    directions: [DirectionExcess; 2],
}

impl Default for Excess {
    fn default() -> Self {
        Self { directions: [DirectionExcess::NONE; 2] }
    }
}

impl Excess {
    /// Processes a packet that is late by `late_ns` relative to the mean; `noise_ns` is the
    /// standard deviation of a packet's lateness.
    pub(super) fn take(&mut self, direction: Direction, late_ns: f64, noise_ns: f64) {
        let limit_ns = LARGEST_NOISES * noise_ns;
        self.directions[direction.index()].take(late_ns.clamp(-limit_ns, limit_ns));
    }

    /// Discards the current windows, because the estimate that packets are compared with has been
    /// moved.
    pub(super) fn interrupt(&mut self) {
        self.directions.iter_mut().for_each(DirectionExcess::interrupt);
    }

    /// Error of the offset due to unequal mean lateness, reduced by its standard error, ns; 0 until
    /// both directions have been measured.
    pub(super) fn asymmetry_ns(&self) -> f64 {
        let [forward, reverse] = &self.directions;
        if forward.windows < 1.0 || reverse.windows < 1.0 {
            return 0.0;
        }
        let chance = libm::sqrt(forward.variance / forward.windows + reverse.variance / reverse.windows);
        ((forward.excess_ns - reverse.excess_ns).abs() - chance).max(0.0) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Measures the asymmetry of 640 forward and 160 reverse packets. Their lateness is computed
    /// from random numbers between 0 and 1.
    fn measured(forward_ns: impl Fn(f64) -> f64, reverse_ns: impl Fn(f64) -> f64) -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut share = || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
        let mut excess = Excess::default();
        for i in 0..800 {
            let (direction, late_ns) = if i % 5 == 4 {
                (Direction::Reverse, reverse_ns(share()))
            } else {
                (Direction::Forward, forward_ns(share()))
            };
            excess.take(direction, late_ns, 30_000.0);
        }
        excess.asymmetry_ns()
    }

    #[test]
    fn half_the_difference_of_the_mean_lateness_is_measured_whatever_its_distribution() {
        let uniform = |most_ns: f64| move |share: f64| most_ns * share;
        let exponential = |mean_ns: f64| move |share: f64| -mean_ns * libm::log(share);
        // A constant lateness belongs to the delay of the path.
        let delayed = |share: f64| 70_000.0 + 50_000.0 * share;
        for (asymmetry_ns, true_ns) in [
            (measured(uniform(100_000.0), uniform(50_000.0)), 12_500.0),
            (measured(uniform(100_000.0), delayed), 12_500.0),
            (measured(exponential(20_000.0), uniform(100_000.0)), 15_000.0),
        ] {
            assert!((0.6 * true_ns..1.1 * true_ns).contains(&asymmetry_ns), "{asymmetry_ns} ns of {true_ns}");
        }
        for alike_ns in [measured(uniform(1e5), uniform(1e5)), measured(exponential(2e4), exponential(2e4))] {
            assert!(alike_ns < 3_000.0, "{alike_ns}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "exact: nothing is known")]
    fn a_damaged_timestamp_says_little_and_one_direction_alone_nothing() {
        let mut excess = Excess::default();
        for i in 0..160 {
            excess.take(Direction::Forward, if i == 80 { 1e9 } else { 0.0 }, 1000.0);
        }
        assert_eq!(excess.asymmetry_ns(), 0.0);
        (0..16).for_each(|_| excess.take(Direction::Reverse, 0.0, 1000.0));
        assert!(excess.asymmetry_ns() < 1000.0);
    }
}
