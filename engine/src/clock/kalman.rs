//! A Kalman filter for offset, rate and path delay with scalar updates: one of the filters of a [`super::bank::Bank`].
//!
//! Model: state x = [offset (ns), rate (ns/s), delay (ns)]; the rate is a random walk. Each direction of travel updates it by itself, with no pairing
//! of Syncs and Delay_Reqs (the idea of statime's filter): a forward block measures offset - delay, a reverse one offset + delay. What a block says
//! holds for the time of its least late sample (or of its mean), so H has the age of that in it.
//!
//! The noise of a direction is learnt from *differences of successive innovations* (von Neumann's estimator), half their mean square. A filter that lags
//! behind a drift has innovations that are large and alike: their squares would be taken for noise, the filter would slow down, and lag more, until
//! it is lost. Their differences are not. What is alike in them is a lag; when it is more than chance the filter forgets some of its past (a
//! fading memory), until it keeps up. So a first guess that was too sure of itself costs time and not the lock.
//!
//! A delay never measured again would be believed for ever. Its variance grows by a share of itself, which bounds its memory to [`DELAY_MEMORY_S`].

use super::block::{Reduced, Reduction};
use super::estimator::Direction;
use crate::units::LocalTime;

/// Innovations over which the noise forgets: few, because the first ones hold the error of the starting point.
const NOISE_MEMORY: f64 = 10.0;
/// Innovations over which the noise's slow figure forgets.
const SLOW_MEMORY: f64 = 100.0;
/// Difference between the noise of the two directions, in standard errors, that is chance; and the standard error of one innovation's worth of noise.
const CHANCE: f64 = 3.0;
const STANDARD_ERROR: f64 = 0.87;
/// Weight of the prior noise against one innovation.
const PRIOR_WEIGHT: f64 = 0.02;
/// One wild block must not make the filter deaf for the next ten: largest square that is learnt from, in variances.
const LARGEST_SQUARE: f64 = 100.0;
/// Innovations over which the lag forgets.
const LAG_MEMORY: f64 = 24.0;
/// A mean innovation beyond this many standard deviations is a lag. Then the covariance grows by this factor, and so much of the evidence is used up.
const LAG_SIGMAS: f64 = 3.0;
const FADING: f64 = 1.3;
const EVIDENCE_LEFT: f64 = 0.7;
/// Share of a squared lag of the reverse direction by which the variances of delay and offset grow.
const DELAY_FADING: f64 = 0.1;
/// Longest memory of the path delay, s: paths last for hours. A young one's, by least values, is this share of its age.
const DELAY_MEMORY_S: f64 = 7200.0;
const YOUNG_MEMORY: f64 = 0.25;
/// A block far shorter than usual is late in the mean by as much as its noise, or more; its noise counts this many times.
const SHORT_BLOCK: f64 = 4.0;
/// Largest influence of one innovation, in standard deviations (Huber). Larger ones are not discarded.
const HUBER_LIMIT: f64 = 5.0;
/// Smallest noise that is believed, ns: host clocks count in some 10 ns to 100 ns.
const FLOOR_NS: f64 = 30.0;
/// A block ends when its noise variance is this many times what is known already: longer ones would be more exact, and answer later to a crystal
/// that wanders. Means lose nothing by being short; of least values few and good ones are better.
const WORTH_LEAST: f64 = 1.0;
const WORTH_MEAN: f64 = 20.0;

/// What a filter is told before it has seen a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) rate_sigma_ppb: f64,
    pub(super) delay_sigma_ns: f64,
    pub(super) jitter_ns: f64,
    /// Growth of the rate's variance, ppb^2 per second.
    pub(super) rate_wander: f64,
}

/// What is learnt of one direction's noise.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// Variance of one forward sample, or of one reverse sample in terms of that: as if of the true distribution if that is exponential or normal, and in any case right for blocks as long as the last ones.
    variance: f64,
    /// Last innovation and the gain of its block.
    last: Option<(f64, f64)>,
    count: f64,
    /// The same learnt over a long time, to compare the directions: mean square and number.
    slow: f64,
    slow_count: f64,
    /// Running mean of the innovations: what the filter lags by.
    lag_ns: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Kalman {
    reduction: Reduction,
    rate_wander: f64,
    /// Variance of the delay beyond which nothing is forgotten.
    delay_prior: f64,
    at: LocalTime,
    /// Since when packets have come by the present path.
    path_since: LocalTime,
    /// Offset, rate, delay.
    x: [f64; 3],
    p: [[f64; 3]; 3],
    /// Forward, reverse.
    noise: [Noise; 2],
}

impl Kalman {
    /// A filter that begins with one measured offset.
    pub(super) fn new(reduction: Reduction, prior: Prior, at: LocalTime, offset_ns: f64, direction: Direction) -> Self {
        let delay_variance = prior.delay_sigma_ns * prior.delay_sigma_ns;
        let jitter_variance = prior.jitter_ns * prior.jitter_ns;
        let mut p = [[0.0; 3]; 3];
        // The first offset is wrong by its own jitter and by the unknown delay, with which it is correlated.
        p[0][0] = jitter_variance + delay_variance;
        p[1][1] = prior.rate_sigma_ppb * prior.rate_sigma_ppb;
        p[2][2] = delay_variance;
        p[0][2] = -direction.sign() * delay_variance;
        p[2][0] = p[0][2];
        let noise = Noise {
            variance: jitter_variance,
            last: None,
            count: 0.0,
            slow: jitter_variance,
            slow_count: 0.0,
            lag_ns: 0.0,
        };
        let reverse = Noise { variance: 1.0, ..noise };
        Self {
            reduction,
            rate_wander: prior.rate_wander,
            delay_prior: delay_variance,
            at,
            path_since: at,
            x: [offset_ns, 0.0, 0.0],
            p,
            noise: [noise, reverse],
        }
    }

    /// Offset at `at`, ns.
    pub(super) fn offset_ns(&self, at: LocalTime) -> f64 {
        self.x[0] + self.x[1] * (at - self.at).as_secs_f64()
    }

    /// How late an offset measured at `at` is, ns.
    pub(super) fn lateness(&self, at: LocalTime, offset_ns: f64, direction: Direction) -> f64 {
        let sign = direction.sign();
        sign * (offset_ns - (self.offset_ns(at) + sign * self.x[2]))
    }

    /// Variance of what a packet of this direction would measure at `now` without noise of its own, ns^2: of offset -+ delay.
    pub(super) fn variance(&self, now: LocalTime, direction: Direction) -> f64 {
        let (p, sign, dt) = (&self.p, direction.sign(), now.since(self.at).as_secs_f64());
        let at_update = p[0][0] + 2.0 * sign * p[0][2] + p[2][2];
        at_update + dt * (2.0 * (p[0][1] + sign * p[1][2]) + dt * (p[1][1] + self.rate_wander * dt / 3.0))
    }

    /// Whether a block of `count` samples says enough, beside what is known already, to be ended.
    pub(super) fn is_worth(&self, now: LocalTime, direction: Direction, count: u32) -> bool {
        let worth = match self.reduction {
            Reduction::Least => WORTH_LEAST,
            Reduction::Mean => WORTH_MEAN,
        };
        self.block_noise(direction, count) <= worth * self.variance(now, direction)
    }

    /// Noise variance of a block of `count` samples, ns^2.
    pub(super) fn block_noise(&self, direction: Direction, count: u32) -> f64 {
        let unit = if direction == Direction::Reverse { self.noise[0].variance } else { 1.0 };
        let one = self.noise[direction.index()].variance * unit;
        (one * self.gain(count)).max(FLOOR_NS * FLOOR_NS)
    }

    /// What the offset may be wrong by because packets are late by more in one direction than in the other, ns: the mean lateness, which only cancels
    /// if it is the same, is about as large as the standard deviation. Only what is more than chance counts.
    pub(super) fn asymmetry_ns(&self) -> f64 {
        let lateness = |noise: &Noise| {
            let gain = match self.reduction {
                Reduction::Least => noise.last.map_or(1.0, |(_, gain)| gain),
                Reduction::Mean => 1.0,
            };
            let mean_ns = libm::sqrt(noise.slow * gain);
            (mean_ns, mean_ns * STANDARD_ERROR / libm::sqrt(noise.slow_count.max(1.0)))
        };
        let [(forward, forward_error), (reverse, reverse_error)] = [lateness(&self.noise[0]), lateness(&self.noise[1])];
        let chance = CHANCE * libm::sqrt(forward_error * forward_error + reverse_error * reverse_error);
        let beyond_chance = ((forward - reverse).abs() - chance).max(0.0);
        // Nor do least values cancel to less than a part of themselves while their blocks still grow.
        let growing = if self.reduction == Reduction::Least { reverse } else { 0.0 };
        beyond_chance.max(growing) / 2.0
    }

    /// Noise variance of a block of `count` samples in terms of that of one.
    fn gain(&self, count: u32) -> f64 {
        let n = f64::from(count.max(1));
        match self.reduction {
            Reduction::Least => 1.0 / (n * n),
            Reduction::Mean => 1.0 / n,
        }
    }

    /// Moves the state on to `now`.
    pub(super) fn predict(&mut self, now: LocalTime) {
        let (dt, q) = (now.since(self.at).as_secs_f64(), self.rate_wander);
        let memory_s = self.delay_memory_s(now);
        self.at = self.at.max(now);
        self.x[0] += self.x[1] * dt;
        let p = &mut self.p;
        // P <- F P F' with F = [[1 dt 0] [0 1 0] [0 0 1]].
        p[0][0] += dt * (2.0 * p[0][1] + dt * p[1][1]) + q * dt * dt * dt / 3.0;
        p[0][1] += dt * p[1][1] + q * dt * dt / 2.0;
        p[0][2] += dt * p[1][2];
        p[1][1] += q * dt;
        p[1][0] = p[0][1];
        p[2][0] = p[0][2];
        self.reopen_delay((self.p[2][2] * dt / memory_s).min(self.delay_prior - self.p[2][2]).max(0.0));
    }

    /// Memory of the delay, s.
    fn delay_memory_s(&self, now: LocalTime) -> f64 {
        match self.reduction {
            Reduction::Mean => DELAY_MEMORY_S,
            // The first blocks are short, and late by much more in the mean than later ones.
            Reduction::Least => (YOUNG_MEMORY * now.since(self.path_since).as_secs_f64()).clamp(10.0, DELAY_MEMORY_S),
        }
    }

    /// Takes a block.
    pub(super) fn update(&mut self, block: &Reduced, now: LocalTime) {
        self.predict(now);
        let sign = block.direction.sign();
        let age_s = (self.at - block.at).as_secs_f64();
        let h = [1.0, -age_s, sign];
        let ph: [f64; 3] = std::array::from_fn(|i| (0..3).map(|j| self.p[i][j] * h[j]).sum());
        let predicted = (0..3).map(|i| h[i] * ph[i]).sum::<f64>().max(0.0);
        let residual = block.offset_ns - (self.offset_ns(block.at) + sign * self.x[2]);
        self.learn_noise(residual, block, predicted);
        let r = self.block_noise(block.direction, block.count) * if block.is_short { SHORT_BLOCK } else { 1.0 };
        let s = predicted + r;
        let limit = HUBER_LIMIT * libm::sqrt(s);
        let innovation = residual.clamp(-limit, limit);
        for i in 0..3 {
            self.x[i] += ph[i] / s * innovation;
            for j in 0..3 {
                self.p[i][j] -= ph[i] * ph[j] / s;
            }
        }
        self.fade(innovation, r, block.direction);
        // Rounding must not make a variance negative over years of updates.
        for i in 0..3 {
            self.p[i][i] = self.p[i][i].max(1e-12);
        }
    }

    /// Follows the mean innovation; grows the covariance while that is more than chance.
    fn fade(&mut self, innovation: f64, r: f64, direction: Direction) {
        let lag_ns = &mut self.noise[direction.index()].lag_ns;
        *lag_ns += (innovation - *lag_ns) / LAG_MEMORY;
        let square = *lag_ns * *lag_ns;
        if square <= LAG_SIGMAS * LAG_SIGMAS * r / (2.0 * LAG_MEMORY) {
            return;
        }
        *lag_ns *= EVIDENCE_LEFT;
        match direction {
            Direction::Forward => self.p.iter_mut().flatten().for_each(|element| *element *= FADING),
            // What the Syncs say of offset - delay stands.
            Direction::Reverse => self.reopen_delay(DELAY_FADING * square),
        }
    }

    /// Adds `variance` to what is known of the delay, and of the offset as far as it depends on it.
    fn reopen_delay(&mut self, variance: f64) {
        for i in [0, 2] {
            for j in [0, 2] {
                self.p[i][j] += variance;
            }
        }
    }

    /// Learns from the difference to the last innovation, as far as it is noise and not the state's own error, of which `predicted` is the variance.
    fn learn_noise(&mut self, residual: f64, block: &Reduced, predicted: f64) {
        let gain = self.gain(block.count);
        // The reverse noise is learnt relative to the forward one: until told otherwise both are alike, and when a network becomes worse the sparser
        // direction is not the last to know.
        let unit = match block.direction {
            Direction::Forward => 1.0,
            Direction::Reverse => self.noise[0].variance,
        };
        let noise = &mut self.noise[block.direction.index()];
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
    }

    /// After a proven step: moves the offset; what forward packets measure, offset - delay, is then known to `sigma_ns`. Rate and delay are kept.
    pub(super) fn step(&mut self, step_ns: f64, sigma_ns: f64) {
        self.x[0] += step_ns;
        let (rate, delay) = (self.p[1][1], self.p[2][2]);
        self.p = [[sigma_ns * sigma_ns + delay, 0.0, delay], [0.0, rate, 0.0], [delay, 0.0, delay]];
        self.forget_innovations();
    }

    /// The delay is now known only as `mean_ns` +- `sigma_ns`, and so is the offset; what forward packets measure, offset - delay, stands.
    pub(super) fn assume_delay(&mut self, mean_ns: f64, sigma_ns: f64) {
        let forward = self.variance(self.at, Direction::Forward);
        let with_rate = self.p[0][1] - self.p[1][2];
        self.x[0] += mean_ns - self.x[2];
        self.x[2] = mean_ns;
        let delay = sigma_ns * sigma_ns;
        self.delay_prior = delay;
        self.p = [[forward + delay, with_rate, delay], [with_rate, self.p[1][1], 0.0], [delay, 0.0, delay]];
        self.noise[Direction::Reverse.index()].last = None;
        self.path_since = self.at;
    }

    /// Another path to the same time: forgets the delay to within `sigma_ns`, the offset a little.
    pub(super) fn change_path(&mut self, delay_sigma_ns: f64, offset_sigma_ns: f64) {
        self.p[0][0] += offset_sigma_ns * offset_sigma_ns;
        self.p[2][2] += delay_sigma_ns * delay_sigma_ns;
        self.path_since = self.at;
        self.forget_innovations();
    }

    fn forget_innovations(&mut self) {
        for noise in &mut self.noise {
            noise.last = None;
            noise.lag_ns = 0.0;
        }
    }

    /// Continues from another filter's state.
    pub(super) fn adopt(&mut self, other: &Self) {
        (self.at, self.x, self.p) = (other.at, other.x, other.p);
        for noise in &mut self.noise {
            noise.lag_ns = 0.0;
        }
    }

    /// When the state was computed.
    pub(super) fn at(&self) -> LocalTime {
        self.at
    }

    /// Offset (ns), rate (ns/s), delay (ns).
    pub(super) fn state(&self) -> &[f64; 3] {
        &self.x
    }

    pub(super) fn covariance(&self) -> &[[f64; 3]; 3] {
        &self.p
    }

    pub(super) fn rate_wander(&self) -> f64 {
        self.rate_wander
    }
}
