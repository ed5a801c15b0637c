//! A Kalman filter for offset, rate and path delay with scalar updates: one of the bank of the [`super::Estimator`].
//!
//! Model: state x = [offset (ns), rate (ns/s), delay (ns)]; the rate is a random walk. Each direction of travel updates it by itself, with no pairing
//! of Syncs and Delay_Reqs (the idea of statime's filter): a forward block measures offset - delay, a reverse one offset + delay.
//!
//! The noise of a direction is learnt from *differences of successive innovations* (von Neumann's estimator), half their mean square. A filter that lags
//! behind a drift has innovations that are large and alike: their squares would be taken for noise, the filter would slow down, and lag more, until
//! it is lost. Their differences are not. What is alike in them is a lag: it is reported as uncertainty, and when it is more than chance the filter
//! forgets some of its past (a fading memory), until it keeps up. So a first guess that was too sure of itself, or a crystal that warms up faster than
//! assumed, costs time and not the lock.

use super::estimator::Direction;

/// Innovations over which the noise forgets: few, because the first ones hold the error of the starting point.
const NOISE_MEMORY: f64 = 10.0;
/// Weight of the prior noise against one innovation.
const PRIOR_WEIGHT: f64 = 0.02;
/// Innovations over which the lag forgets.
const LAG_MEMORY: f64 = 24.0;
/// A mean innovation beyond this many standard deviations is a lag. Then the covariance grows by this factor, and so much of the evidence is used up.
const LAG_SIGMAS: f64 = 3.0;
const FADING: f64 = 1.3;
const EVIDENCE_LEFT: f64 = 0.7;
/// Largest influence of one innovation, in standard deviations (Huber). Larger ones are not discarded.
const HUBER_LIMIT: f64 = 5.0;
/// Smallest noise that is believed, ns: host clocks count in some 10 ns to 100 ns.
const FLOOR_NS: f64 = 30.0;

/// What a filter is told before it has seen a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) rate_sigma_ppb: f64,
    pub(super) delay_sigma_ns: f64,
    pub(super) jitter_ns: f64,
    pub(super) rate_wander: f64,
}

/// What is learnt of one direction's noise.
#[derive(Clone, Copy, Debug)]
struct Noise {
    variance: f64,
    last: Option<f64>,
    count: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Kalman {
    prior: Prior,
    /// Offset, rate, delay.
    x: [f64; 3],
    p: [[f64; 3]; 3],
    /// Forward, reverse.
    noise: [Noise; 2],
    /// Running mean of the innovations of the offset: what the filter lags by.
    lag_ns: f64,
}

/// Sign of the delay in what a direction measures.
fn sign(direction: Direction) -> f64 {
    match direction {
        Direction::Forward => -1.0,
        Direction::Reverse => 1.0,
    }
}

impl Kalman {
    /// A filter that begins with one measured offset.
    pub(super) fn new(prior: Prior, offset_ns: f64, direction: Direction) -> Self {
        let delay_variance = prior.delay_sigma_ns * prior.delay_sigma_ns;
        let jitter_variance = prior.jitter_ns * prior.jitter_ns;
        let mut p = [[0.0; 3]; 3];
        // The first offset is wrong by its own jitter and by the unknown delay, with which it is correlated.
        p[0][0] = jitter_variance + delay_variance;
        p[1][1] = prior.rate_sigma_ppb * prior.rate_sigma_ppb;
        p[2][2] = delay_variance;
        p[0][2] = -sign(direction) * delay_variance;
        p[2][0] = p[0][2];
        let noise = Noise { variance: jitter_variance, last: None, count: 0.0 };
        Self { prior, x: [offset_ns, 0.0, 0.0], p, noise: [noise; 2], lag_ns: 0.0 }
    }

    /// How late a measured offset is against the state `elapsed_s` later, ns.
    pub(super) fn lateness(&self, elapsed_s: f64, offset_ns: f64, direction: Direction) -> f64 {
        let sign = sign(direction);
        sign * (offset_ns - (self.x[0] + self.x[1] * elapsed_s + sign * self.x[2]))
    }

    /// Moves the state on by `elapsed_s`.
    pub(super) fn predict(&mut self, elapsed_s: f64) {
        let (dt, q) = (elapsed_s, self.prior.rate_wander);
        self.x[0] += self.x[1] * dt;
        let p = &mut self.p;
        // P <- F P F' with F = [[1 dt 0] [0 1 0] [0 0 1]].
        p[0][0] += dt * (2.0 * p[0][1] + dt * p[1][1]) + q * dt * dt * dt / 3.0;
        p[0][1] += dt * p[1][1] + q * dt * dt / 2.0;
        p[0][2] += dt * p[1][2];
        p[1][1] += q * dt;
        p[1][0] = p[0][1];
        p[2][0] = p[0][2];
    }

    /// Takes the reduced lateness of a block.
    pub(super) fn update(&mut self, lateness_ns: f64, direction: Direction) {
        let sign = sign(direction);
        // H = [1, 0, sign].
        let ph: [f64; 3] = std::array::from_fn(|i| self.p[i][0] + sign * self.p[i][2]);
        let predicted = (ph[0] + sign * ph[2]).max(0.0);
        let r = self.learn_noise(lateness_ns, direction, predicted);
        let s = predicted + r;
        let limit = HUBER_LIMIT * libm::sqrt(s);
        let innovation = sign * lateness_ns.clamp(-limit, limit);
        self.fade(innovation, r);
        for i in 0..3 {
            self.x[i] += ph[i] / s * innovation;
            for j in 0..3 {
                self.p[i][j] -= ph[i] * ph[j] / s;
            }
        }
        // Rounding must not make a variance negative over years of updates.
        for i in 0..3 {
            self.p[i][i] = self.p[i][i].max(1e-12);
        }
    }

    /// Follows the mean innovation; grows the covariance while that is more than chance.
    fn fade(&mut self, innovation: f64, r: f64) {
        self.lag_ns += (innovation - self.lag_ns) / LAG_MEMORY;
        if self.lag_ns * self.lag_ns > LAG_SIGMAS * LAG_SIGMAS * r / (2.0 * LAG_MEMORY) {
            self.lag_ns *= EVIDENCE_LEFT;
            self.p.iter_mut().flatten().for_each(|element| *element *= FADING);
        }
    }

    /// Learns from the difference to the last innovation, as far as it is noise and not the state's own error, of which `predicted` is the variance.
    fn learn_noise(&mut self, lateness_ns: f64, direction: Direction, predicted: f64) -> f64 {
        let [forward, reverse] = &mut self.noise;
        if reverse.count < 1.0 {
            // Until told otherwise, both directions are alike.
            reverse.variance = forward.variance;
        }
        let noise = if direction == Direction::Reverse { reverse } else { forward };
        if let Some(last) = noise.last.replace(lateness_ns) {
            let trust = noise.variance / (noise.variance + predicted);
            noise.count = (noise.count + trust).min(NOISE_MEMORY);
            let difference = lateness_ns - last;
            // One wild block must not make the filter deaf for the next ten.
            let square = (0.5 * difference * difference).min(100.0 * noise.variance);
            noise.variance += trust * (square - noise.variance) / (noise.count + PRIOR_WEIGHT);
        }
        noise.variance = noise.variance.max(FLOOR_NS * FLOOR_NS);
        noise.variance
    }

    /// Learnt noise of a direction's blocks, ns^2.
    pub(super) fn noise_variance(&self, direction: Direction) -> f64 {
        self.noise[usize::from(direction == Direction::Reverse)].variance
    }

    /// After a proven step: moves the offset, and forgets what was known of it; rate and delay are kept.
    pub(super) fn step(&mut self, step_ns: f64, sigma_ns: f64) {
        self.x[0] += step_ns;
        for i in 1..3 {
            self.p[0][i] = 0.0;
            self.p[i][0] = 0.0;
        }
        self.p[0][0] = sigma_ns * sigma_ns;
        self.lag_ns = 0.0;
        for noise in &mut self.noise {
            noise.last = None;
        }
    }

    pub(super) fn state(&self) -> &[f64; 3] {
        &self.x
    }

    pub(super) fn covariance(&self) -> &[[f64; 3]; 3] {
        &self.p
    }

    /// What the filter seems to lag by, ns, beyond what its noise explains.
    pub(super) fn lag_ns(&self) -> f64 {
        let chance = libm::sqrt(self.noise[0].variance / (2.0 * LAG_MEMORY));
        (self.lag_ns.abs() - 2.0 * chance).max(0.0)
    }
}
