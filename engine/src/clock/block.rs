//! Reduces a block of samples to a single sample.
//!
//! Model: packets are late, never early. If the lateness of N packets is exponential with mean J,
//! the least late packet is late by J / N on average, whereas the mean of the N packets has a
//! standard error of J / sqrt(N). If the lateness is normal, the mean is better. So each block is
//! reduced in both ways, and the estimator selects the result with the smaller uncertainty.
//!
//! Both reductions are late on average. This mean lateness cancels between the two directions if
//! their blocks hold the same number of samples and the lateness has the same distribution in both
//! directions, whatever its shape.

use super::sample::{Direction, Sample};
use crate::units::{LocalTime, Nanos};

/// How a block is reduced to one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    /// The least late sample: best for queueing noise.
    Minimum,
    /// The mean: best for symmetric noise.
    Mean,
}

/// A block, reduced to one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reduced {
    pub(super) at: LocalTime,
    pub(super) offset_ns: f64,
    pub(super) direction: Direction,
    pub(super) count: u32,
}

/// A block that is being filled with samples from one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    reduction: Reduction,
    direction: Direction,
    count: u32,
    /// Time and offset of the first sample. The fields below are relative to them.
    start: LocalTime,
    base_ns: f64,
    /// Time and offset of the least late sample (minimum), or the sums of the times and offsets of
    /// all samples (mean).
    time_s: f64,
    offset_ns: f64,
}

impl Block {
    pub(super) fn new(reduction: Reduction, direction: Direction) -> Self {
        Self { reduction, direction, count: 0, start: LocalTime::ZERO, base_ns: 0.0, time_s: 0.0, offset_ns: 0.0 }
    }

    /// Adds a sample and returns the number of samples in the block. `rate_ppb` is the rate at
    /// which the offset is known to change; its effect is removed before samples taken at different
    /// times are compared.
    pub(super) fn add(&mut self, sample: &Sample, rate_ppb: f64) -> u32 {
        if self.count == 0 {
            (self.start, self.base_ns) = (sample.at, sample.offset_ns);
            (self.time_s, self.offset_ns) = (0.0, 0.0);
        } else {
            let time_s = (sample.at - self.start).as_secs_f64();
            self.reduce(time_s, sample.offset_ns - self.base_ns, rate_ppb);
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    fn reduce(&mut self, time_s: f64, offset_ns: f64, rate_ppb: f64) {
        match self.reduction {
            Reduction::Mean => {
                self.time_s += time_s;
                self.offset_ns += offset_ns;
            }
            Reduction::Minimum => {
                let above = (offset_ns - self.offset_ns) - rate_ppb * (time_s - self.time_s);
                if self.direction.sign() * above < 0.0 {
                    (self.time_s, self.offset_ns) = (time_s, offset_ns);
                }
            }
        }
    }

    /// Time from the first sample to `now`; zero if the block is empty.
    pub(super) fn length(&self, now: LocalTime) -> Nanos {
        if self.count == 0 { Nanos::ZERO } else { now.since(self.start) }
    }

    /// Discards the samples.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Ends the block and returns its reduction.
    pub(super) fn take(&mut self) -> Reduced {
        let n = match self.reduction {
            Reduction::Mean => f64::from(self.count.max(1)),
            Reduction::Minimum => 1.0,
        };
        let at = self.start + Nanos::from_secs_f64(self.time_s / n);
        let offset_ns = self.base_ns + self.offset_ns / n;
        let reduced = Reduced { at, offset_ns, direction: self.direction, count: self.count };
        self.clear();
        reduced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reduces samples of a clock with a rate of 1000 ppb, one per second, late by the given
    /// amounts.
    fn reduce(reduction: Reduction, direction: Direction, late_ns: &[f64]) -> Reduced {
        let mut block = Block::new(reduction, direction);
        for (i, late) in late_ns.iter().enumerate() {
            let at = LocalTime::ZERO + Nanos::from_secs(i as i64);
            let offset_ns = 1000.0 * i as f64 + direction.sign() * late;
            assert_eq!(block.add(&Sample { at, offset_ns, direction }, 1000.0), i as u32 + 1);
        }
        block.take()
    }

    #[test]
    fn the_least_late_sample_of_a_block_is_found_in_both_directions_despite_drift() {
        for direction in [Direction::Forward, Direction::Reverse] {
            let reduced = reduce(Reduction::Minimum, direction, &[50.0, 40.0, 7.0, 90.0]);
            assert_eq!(reduced.at, LocalTime::ZERO + Nanos::from_secs(2), "{direction:?}");
            assert!((reduced.offset_ns - (2000.0 + direction.sign() * 7.0)).abs() < 1e-9, "{direction:?}");
            assert_eq!(reduced.count, 4);
        }
    }

    #[test]
    fn the_mean_is_that_of_times_and_offsets() {
        let reduced = reduce(Reduction::Mean, Direction::Reverse, &[10.0, 20.0, 60.0]);
        assert_eq!(reduced.at, LocalTime::ZERO + Nanos::from_secs(1));
        assert!((reduced.offset_ns - 1030.0).abs() < 1e-9);
    }

    #[test]
    fn a_block_begins_anew_after_it_was_taken() {
        let mut block = Block::new(Reduction::Minimum, Direction::Forward);
        let sample = Sample { at: LocalTime::from_nanos(5), offset_ns: 3.0, direction: Direction::Forward };
        block.add(&sample, 0.0);
        block.take();
        assert_eq!(block.length(LocalTime::from_nanos(500)), Nanos::ZERO);
        assert_eq!(block.add(&sample, 0.0), 1);
    }
}
