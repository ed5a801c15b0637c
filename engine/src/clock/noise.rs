//! The noise of the blocks that feed a [filter](super::kalman), learnt from the blocks.
//!
//! Model: the noise in each direction is learnt from *differences of successive innovations* (half
//! their mean square: von Neumann's estimator). A filter that lags behind a drift has innovations
//! that are large and similar. If their squares were mistaken for noise, the filter would slow down
//! and lag even more, until it diverges. The differences of innovations do not contain the lag.
//!
//! A filter whose *rate* is wrong is an exception: its innovations grow from block to block. So
//! when a lag is found, the noise is limited to a multiple of the noise in the *second* differences
//! of the blocks themselves, which depend neither on the filter nor on a rate.
//!
//! Lateness is one-sided, so its mean is about as large as its standard deviation. Where the means
//! of the two directions do not cancel, they cause an error of the offset.

use super::block::{Reduced, Reduction};
use super::sample::Direction;
use crate::units::LocalTime;

/// Memory of the noise, in innovations. Judgement: short, because the first innovations contain the
/// error of the initial state.
const NOISE_MEMORY: f64 = 10.0;
/// Memory of the long-term noise variance, in innovations. Judgement: the error of a variance is
/// then about 14 %.
const SLOW_MEMORY: f64 = 100.0;
/// Largest insignificant difference between the noise of the two directions, in standard errors.
/// Judgement: exceeded by chance once in 370 (normal distribution).
const CHANCE: f64 = 3.0;
/// Relative standard error of the noise after one innovation. Derived: for a standard deviation
/// computed from squared differences of normal variables, allowing for the correlation of
/// overlapping differences.
const STANDARD_ERROR: f64 = 0.87;
/// Limit of the noise variance as a multiple of the variance in second differences; any excess is
/// attributed to lag. Judgement: this permits about three times the standard deviation that the
/// second differences show.
const TREND: f64 = 10.0;
/// Weight of the initial noise, in innovations. Judgement: almost none, because it is a guess.
const PRIOR_WEIGHT: f64 = 0.02;
/// Weight of the previous path's noise after a change of path, in innovations. Judgement: after
/// three new innovations, it no longer dominates.
const REOPENED: f64 = 3.0;
/// Limit on the squared differences from which the variance is learnt, as a multiple of the
/// variance. Judgement: one outlier must not make the filter ignore the next ten blocks.
const LARGEST_SQUARE: f64 = 100.0;
/// Smallest noise, ns. Judgement: host clocks have a resolution of 10 ns to 100 ns.
const FLOOR_NS: f64 = 30.0;

/// Noise in one direction.
#[derive(Clone, Copy, Debug)]
struct DirectionNoise {
    /// Variance of one sample: in ns^2 for the forward direction, and as a ratio to the forward
    /// variance for the reverse direction. For distributions other than exponential (minimum) or
    /// normal (mean), the variance is valid only for blocks of the current length.
    variance: f64,
    /// Last innovation, and the [gain](Noise::gain) of its block.
    last: Option<(f64, f64)>,
    count: f64,
    /// Variance with a long memory, which is used to compare the directions, and the number of
    /// innovations in it.
    slow: f64,
    slow_count: f64,
}

/// Noise estimated from three consecutive blocks: the distance of the last block from the line
/// through the other two.
#[derive(Clone, Copy, Debug, Default)]
struct SecondDifferences {
    /// Mean square of the second differences, scaled to one sample, ns^2.
    variance: f64,
    count: f64,
    last: Option<Point>,
    before_last: Option<Point>,
}

/// Time and offset of a block, and its [gain](Noise::gain).
#[derive(Clone, Copy, Debug)]
struct Point {
    at: LocalTime,
    offset_ns: f64,
    gain: f64,
}

impl SecondDifferences {
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

    /// Largest variance of a sample that noise can explain, ns^2; infinite while it is unknown.
    fn limit(&self) -> f64 {
        if self.count < NOISE_MEMORY { f64::INFINITY } else { TREND * self.variance }
    }

    fn interrupt(&mut self) {
        (self.last, self.before_last) = (None, None);
    }
}

/// Noise in both directions.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    reduction: Reduction,
    /// Noise in the forward and in the reverse direction.
    directions: [DirectionNoise; 2],
    /// Second differences of the forward blocks.
    second_differences: SecondDifferences,
}

impl Noise {
    /// Creates the initial noise, when only the jitter of a sample is known.
    pub(super) fn new(reduction: Reduction, jitter_ns: f64) -> Self {
        let variance = jitter_ns * jitter_ns;
        let forward = DirectionNoise { variance, last: None, count: 0.0, slow: variance, slow_count: 0.0 };
        Self {
            reduction,
            directions: [forward, DirectionNoise { variance: 1.0, ..forward }],
            second_differences: SecondDifferences::default(),
        }
    }

    /// Noise variance of a block of `count` samples, ns^2.
    pub(super) fn block_variance(&self, direction: Direction, count: u32) -> f64 {
        let one = self.directions[direction.index()].variance * self.unit(direction);
        (one * self.gain(count)).max(FLOOR_NS * FLOOR_NS)
    }

    /// Unit in which the variances of a direction are stored: reverse variances are stored relative
    /// to the forward variance. So both directions start with the same noise, and when a network
    /// becomes worse, the noise of the sparser direction does not lag behind.
    fn unit(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Forward => 1.0,
            Direction::Reverse => self.directions[0].variance,
        }
    }

    /// Error of the offset due to packets being later in one direction than in the other, ns. The
    /// mean lateness, which cancels only if both directions are alike, is about as large as the
    /// standard deviation. Only a significant difference counts.
    pub(super) fn asymmetry_ns(&self) -> f64 {
        let lateness = |direction: Direction| {
            let mean_ns = self.lateness_ns(direction);
            let count = self.directions[direction.index()].slow_count.max(1.0);
            (mean_ns, mean_ns * STANDARD_ERROR / libm::sqrt(count))
        };
        let [(forward, forward_error), (reverse, reverse_error)] =
            [Direction::Forward, Direction::Reverse].map(lateness);
        let chance = CHANCE * libm::sqrt(forward_error * forward_error + reverse_error * reverse_error);
        let beyond_chance = ((forward - reverse).abs() - chance).max(0.0);
        // While the blocks of minima still grow, their mean lateness cancels only partly between
        // the directions.
        let growing = if self.reduction == Reduction::Minimum { reverse } else { 0.0 };
        beyond_chance.max(growing) / 2.0
    }

    /// How far the offset may still move while blocks grow, ns: the mean lateness of the least late
    /// sample in a block.
    pub(super) fn block_bias_ns(&self) -> f64 {
        match self.reduction {
            Reduction::Minimum => self.lateness_ns(Direction::Forward),
            Reduction::Mean => 0.0,
        }
    }

    /// Mean lateness of the last block, ns: about as large as its standard deviation.
    fn lateness_ns(&self, direction: Direction) -> f64 {
        let noise = &self.directions[direction.index()];
        let gain = match self.reduction {
            Reduction::Minimum => noise.last.map_or(1.0, |(_, gain)| gain),
            Reduction::Mean => 1.0,
        };
        libm::sqrt(noise.slow * gain)
    }

    /// Noise variance of a block of `count` samples, relative to the noise variance of one sample.
    fn gain(&self, count: u32) -> f64 {
        let n = f64::from(count.max(1));
        match self.reduction {
            Reduction::Minimum => 1.0 / (n * n),
            Reduction::Mean => 1.0 / n,
        }
    }

    /// Learns from the difference between the given innovation and the previous one. `predicted` is
    /// the variance of the state, which is not noise.
    pub(super) fn learn(&mut self, residual: f64, block: &Reduced, predicted: f64) {
        let gain = self.gain(block.count);
        let unit = self.unit(block.direction);
        let noise = &mut self.directions[block.direction.index()];
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
            self.second_differences.learn(Point { at: block.at, offset_ns: block.offset_ns, gain });
        }
    }

    /// Removes a lag from the noise: whatever exceeds the limit given by the second differences is
    /// not noise. The absolute noise of the reverse direction is kept.
    pub(super) fn without_lag(&mut self) {
        let [forward, reverse] = &mut self.directions;
        let lagging = forward.variance;
        forward.variance = lagging.min(self.second_differences.limit()).max(FLOOR_NS * FLOOR_NS);
        reverse.variance *= lagging / forward.variance;
    }

    /// Prepares for a new path. All that is known about its noise is the spread `apart_ns` of the
    /// first packets' lateness. The path may be quieter or noisier than the previous one.
    pub(super) fn reopen(&mut self, apart_ns: f64) {
        let [forward, reverse] = &mut self.directions;
        let variance = forward.variance.max(apart_ns * apart_ns);
        let slow = variance.max(forward.slow);
        for one in [&mut *forward, &mut *reverse] {
            (one.count, one.slow_count) = (one.count.min(REOPENED), one.slow_count.min(REOPENED));
            one.slow = one.slow.max(slow);
        }
        forward.variance = variance;
        reverse.variance = reverse.variance.max(1.0);
    }

    /// Begins a new series of innovations for a direction: the next innovation is not compared with
    /// the last one.
    pub(super) fn interrupt(&mut self, direction: Direction) {
        self.directions[direction.index()].last = None;
        if direction == Direction::Forward {
            self.second_differences.interrupt();
        }
    }
}
