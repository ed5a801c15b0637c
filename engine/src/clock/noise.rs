//! The noise of the blocks that feed a [filter](super::kalman), learnt from them.
//!
//! Model: the noise of a direction is learnt from *differences of successive innovations* (von
//! Neumann's estimator), half their mean square. A filter that lags behind a drift has innovations
//! that are large and alike: their squares would be taken for noise, the filter would slow down,
//! and lag more, until it is lost. Their differences are not.
//!
//! Not quite: a filter that lags by a *rate* meets every block with another innovation. So noise is
//! at most a few times what *second* differences of the blocks themselves say, in which no filter
//! has a part, and no rate.
//!
//! Lateness is one-sided, so its mean is about as large as its standard deviation; where it does
//! not cancel between the directions, it is an error of the offset.

use super::block::{Reduced, Reduction};
use super::sample::Direction;
use crate::units::LocalTime;

/// Innovations over which the noise forgets: few, because the first ones hold the error of the
/// starting point.
const NOISE_MEMORY: f64 = 10.0;
/// Innovations over which the noise's slow figure forgets.
const SLOW_MEMORY: f64 = 100.0;
/// Difference between the noise of the two directions, in standard errors, that is chance; and the
/// standard error of one innovation's worth of noise.
const CHANCE: f64 = 3.0;
const STANDARD_ERROR: f64 = 0.87;
/// Noise that is this many times that of second differences, in mean square, has a lag in it.
const TREND: f64 = 10.0;
/// Weight of the prior noise against one innovation.
const PRIOR_WEIGHT: f64 = 0.02;
/// Innovations that what is known of the last path's noise counts for on another path.
const REOPENED: f64 = 3.0;
/// One wild block must not make the filter deaf for the next ten: largest square that is learnt
/// from, in variances.
const LARGEST_SQUARE: f64 = 100.0;
/// Smallest noise that is believed, ns: host clocks count in some 10 ns to 100 ns.
const FLOOR_NS: f64 = 30.0;

/// What is learnt of one direction's noise.
#[derive(Clone, Copy, Debug)]
struct OneWay {
    /// Variance of one forward sample, or of one reverse sample in terms of that: as if of the true
    /// distribution if that is exponential or normal, and in any case right for blocks as long as
    /// the last ones.
    variance: f64,
    /// Last innovation and the gain of its block.
    last: Option<(f64, f64)>,
    count: f64,
    /// The same learnt over a long time, to compare the directions: mean square and number.
    slow: f64,
    slow_count: f64,
}

/// What three blocks in a row say of the noise: the last one's distance from the line through the
/// other two.
#[derive(Clone, Copy, Debug, Default)]
struct Bends {
    /// Mean square for one sample, ns^2.
    variance: f64,
    count: f64,
    last: Option<Point>,
    before_last: Option<Point>,
}

/// Where a block lies, and the gain of its size.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: LocalTime,
    offset_ns: f64,
    gain: f64,
}

impl Bends {
    fn learn(&mut self, point: Point) {
        let before_last = std::mem::replace(&mut self.before_last, self.last);
        let (Some(last), Some(before)) = (self.last.replace(point), before_last) else { return };
        let (step, next_step) = ((last.at - before.at).as_secs_f64(), (point.at - last.at).as_secs_f64());
        if step <= 0.0 || next_step <= 0.0 {
            return;
        }
        let ahead = next_step / step;
        let bend_ns = point.offset_ns - last.offset_ns - ahead * (last.offset_ns - before.offset_ns);
        let gain = point.gain + (1.0 + ahead) * (1.0 + ahead) * last.gain + ahead * ahead * before.gain;
        self.count = (self.count + 1.0).min(NOISE_MEMORY);
        self.variance += (bend_ns * bend_ns / gain - self.variance) / self.count;
    }

    /// Largest variance of a sample that can be noise, ns^2; infinite while that is not known.
    fn limit(&self) -> f64 {
        if self.count < NOISE_MEMORY { f64::INFINITY } else { TREND * self.variance }
    }

    fn interrupt(&mut self) {
        (self.last, self.before_last) = (None, None);
    }
}

/// The noise of both directions.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    reduction: Reduction,
    /// Forward, reverse.
    ways: [OneWay; 2],
    /// Of the forward blocks.
    bends: Bends,
}

impl Noise {
    /// Noise of which nothing is known but the jitter of a sample.
    pub(super) fn new(reduction: Reduction, jitter_ns: f64) -> Self {
        let variance = jitter_ns * jitter_ns;
        let forward = OneWay { variance, last: None, count: 0.0, slow: variance, slow_count: 0.0 };
        Self { reduction, ways: [forward, OneWay { variance: 1.0, ..forward }], bends: Bends::default() }
    }

    /// Noise variance of a block of `count` samples, ns^2.
    pub(super) fn block_variance(&self, direction: Direction, count: u32) -> f64 {
        let one = self.ways[direction.index()].variance * self.unit(direction);
        (one * self.gain(count)).max(FLOOR_NS * FLOOR_NS)
    }

    /// In what a direction's noise is told: the reverse one's is relative to the forward one's.
    /// Until told otherwise both are alike, and when a network becomes worse the sparser direction
    /// is not the last to know.
    fn unit(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Forward => 1.0,
            Direction::Reverse => self.ways[0].variance,
        }
    }

    /// What the offset may be wrong by because packets are late by more in one direction than in
    /// the other, ns: the mean lateness, which only cancels if it is the same, is about as large as
    /// the standard deviation. Only what is more than chance counts.
    pub(super) fn asymmetry_ns(&self) -> f64 {
        let lateness = |direction: Direction| {
            let mean_ns = self.lateness_ns(direction);
            let count = self.ways[direction.index()].slow_count.max(1.0);
            (mean_ns, mean_ns * STANDARD_ERROR / libm::sqrt(count))
        };
        let [(forward, forward_error), (reverse, reverse_error)] =
            [Direction::Forward, Direction::Reverse].map(lateness);
        let chance = CHANCE * libm::sqrt(forward_error * forward_error + reverse_error * reverse_error);
        let beyond_chance = ((forward - reverse).abs() - chance).max(0.0);
        // Nor do least values cancel to less than a part of themselves while their blocks still
        // grow.
        let growing = if self.reduction == Reduction::Least { reverse } else { 0.0 };
        beyond_chance.max(growing) / 2.0
    }

    /// What the offset may still move by while blocks grow, ns: the mean lateness of a block of
    /// least values.
    pub(super) fn growing_ns(&self) -> f64 {
        match self.reduction {
            Reduction::Least => self.lateness_ns(Direction::Forward),
            Reduction::Mean => 0.0,
        }
    }

    /// Mean lateness of the last block, ns: about as large as its standard deviation.
    fn lateness_ns(&self, direction: Direction) -> f64 {
        let noise = &self.ways[direction.index()];
        let gain = match self.reduction {
            Reduction::Least => noise.last.map_or(1.0, |(_, gain)| gain),
            Reduction::Mean => 1.0,
        };
        libm::sqrt(noise.slow * gain)
    }

    /// Noise variance of a block of `count` samples in terms of that of one.
    fn gain(&self, count: u32) -> f64 {
        let n = f64::from(count.max(1));
        match self.reduction {
            Reduction::Least => 1.0 / (n * n),
            Reduction::Mean => 1.0 / n,
        }
    }

    /// Learns from the difference to the last innovation, as far as it is noise and not the state's
    /// own error, of which `predicted` is the variance.
    pub(super) fn learn(&mut self, residual: f64, block: &Reduced, predicted: f64) {
        let gain = self.gain(block.count);
        let unit = self.unit(block.direction);
        let noise = &mut self.ways[block.direction.index()];
        if let Some((last, last_gain)) = noise.last.replace((residual, gain)) {
            let expected = noise.variance * unit * gain;
            let trust = expected / (expected + predicted);
            let difference = residual - last;
            let square = (difference * difference / (gain + last_gain) / unit).min(LARGEST_SQUARE * noise.variance);
            noise.count = (noise.count + trust).min(NOISE_MEMORY);
            noise.variance += trust * (square - noise.variance) / (noise.count + PRIOR_WEIGHT);
            noise.slow_count = (noise.slow_count + trust).min(SLOW_MEMORY);
            noise.slow += trust * (square * unit - noise.slow) / (noise.slow_count + PRIOR_WEIGHT);
        }
        noise.variance = noise.variance.max(FLOOR_NS * FLOOR_NS / unit);
        if block.direction == Direction::Forward {
            self.bends.learn(Point { at: block.at, offset_ns: block.offset_ns, gain });
        }
    }

    /// The filter is found to lag: what its forward innovations say beyond the second differences
    /// is not noise. The reverse ones' stays what it is.
    pub(super) fn without_lag(&mut self) {
        let [forward, reverse] = &mut self.ways;
        let lagging = forward.variance;
        forward.variance = lagging.min(self.bends.limit()).max(FLOOR_NS * FLOOR_NS);
        reverse.variance *= lagging / forward.variance;
    }

    /// The packets come by another path, and of its noise is known only that some of them were
    /// apart by `apart_ns`. The path may be quieter or noisier than the last one.
    pub(super) fn reopen(&mut self, apart_ns: f64) {
        let [forward, reverse] = &mut self.ways;
        let variance = forward.variance.max(apart_ns * apart_ns);
        let slow = variance.max(forward.slow);
        for one in [&mut *forward, &mut *reverse] {
            (one.count, one.slow_count) = (one.count.min(REOPENED), one.slow_count.min(REOPENED));
            one.slow = one.slow.max(slow);
        }
        forward.variance = variance;
        reverse.variance = reverse.variance.max(1.0);
    }

    /// The next innovation of a direction has nothing to do with the last one.
    pub(super) fn interrupt(&mut self, direction: Direction) {
        self.ways[direction.index()].last = None;
        if direction == Direction::Forward {
            self.bends.interrupt();
        }
    }
}
