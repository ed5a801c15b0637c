//! A Kalman filter for offset, rate, path delay and drift with scalar updates: one of the filters
//! in a [`super::model_set::ModelSet`].
//!
//! Model: the state is x = [offset (ns), rate (ns/s), delay (ns), drift (ns/s^2)]. The rate is a
//! random walk. In filters for crystals whose temperature changes, the drift is a random walk on
//! top of it. As in statime's filter, each direction updates the state independently; Syncs are not
//! paired with Delay_Reqs. A forward block measures offset - delay, a reverse block offset + delay.
//! A block measures the offset at the time of its least late sample (or at its mean time), so the
//! measurement row H allows for the time between the state and that sample.
//!
//! The noise of blocks is [learnt](super::noise) from differences of innovations. A nonzero mean
//! innovation shows that the filter lags. When the lag is significant, the filter inflates its
//! covariance (fading memory) until it keeps up. So an initial uncertainty that is too small delays
//! a lock, but does not prevent it.
//!
//! A measured delay must not be trusted forever. Its variance grows in proportion to itself, which
//! limits the memory of the delay to [`DELAY_MEMORY_S`].

use super::block::{Reduced, Reduction};
use super::noise::Noise;
use super::sample::{Direction, Sample};
use super::wander::PhaseWander;
use crate::units::LocalTime;

/// Number of states. Definition: offset, rate, delay, drift.
const STATES: usize = 4;
/// Index of the drift. Definition: the last state.
const DRIFT: usize = 3;
/// Largest standard deviation of the rate, ppb. Judgement: crystals are specified for +-100 ppm.
const RATE_SIGMA: f64 = 100e3;
/// Largest standard deviation of the delay, ns. Judgement: no path of a local network has a delay
/// of 10 ms.
const DELAY_SIGMA: f64 = 10e6;
/// Smallest variance. Derived: far below 1 ns^2, and large enough that rounding cannot make it
/// negative.
const SMALLEST: f64 = 1e-12;
/// Largest standard deviation of the drift, ppb/s. Judgement: typical of a crystal that is warming
/// up.
const DRIFT_SIGMA: f64 = 20.0;
/// Memory of the mean innovation, in innovations. Judgement: about twice the memory of the noise.
const LAG_MEMORY: f64 = 24.0;
/// A mean innovation beyond this many of its standard deviations indicates a lag. Judgement:
/// exceeded by chance once in 370 (normal distribution).
const LAG_SIGMAS: f64 = 3.0;
/// Factor by which a significant lag inflates the standard deviations. Judgement: ten such
/// innovations increase them 14-fold.
const FADING: f64 = 1.3;
/// Number of standard deviations of the other clock's wander by which the limit for a significant
/// lag is widened (root sum of squares with [`LAG_SIGMAS`]). Judgement: a slow wander does not
/// average out over a few blocks.
const WANDER_SIGMAS: f64 = 2.0;
/// Fraction of the measured lag that is kept after it has inflated the covariance. Judgement: a lag
/// that persists inflates it again within a few blocks.
const EVIDENCE_LEFT: f64 = 0.7;
/// Fraction of a squared lag in the reverse direction that is added to the variances of delay and
/// offset. Judgement: paths change rarely, and with the full square the estimate would follow every
/// queueing delay.
const DELAY_FADING: f64 = 0.1;
/// Longest memory of the path delay, s. Judgement: paths last for hours.
const DELAY_MEMORY_S: f64 = 7200.0;
/// Memory of a new path's delay in a minimum filter, as a fraction of the path's age. Judgement:
/// the first blocks are short, so their minima are later than the minima of longer blocks.
const YOUNG_MEMORY: f64 = 0.25;
/// Shortest memory of the path delay, s. Judgement: ten Delay_Reqs at one per second.
const SHORTEST_MEMORY_S: f64 = 10.0;
/// Factor for the noise variance of a block that is much shorter than usual. Judgement: on average
/// such a block is late by at least its own noise.
const SHORT_BLOCK: f64 = 4.0;
/// Lower limit of the time between two blocks in one direction, as used in calculations, s.
/// Judgement: any small value avoids a division by zero.
const SHORTEST_BLOCK_S: f64 = 1e-3;
/// Largest innovation that counts fully, in standard deviations; larger ones are clipped, not
/// discarded (Huber 1964). Judgement: the limit leaves a normal distribution untouched.
const HUBER_LIMIT: f64 = 5.0;
/// A block of a minimum filter ends when its noise variance has fallen to this many times the
/// variance of the estimate. A longer block would be more precise, but slower to follow a crystal
/// that wanders. Judgement: a few precise minima are better than many imprecise ones.
const INFORMATIVE_MINIMUM: f64 = 1.0;
/// Like [`INFORMATIVE_MINIMUM`], but for a mean filter. Judgement: short blocks are no disadvantage
/// for means.
const INFORMATIVE_MEAN: f64 = 20.0;

/// Assumptions of a filter before its first sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) rate_ppb: f64,
    pub(super) rate_sigma_ppb: f64,
    pub(super) delay_sigma_ns: f64,
    pub(super) jitter_ns: f64,
}

/// Process noise that a filter assumes for the other clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessNoise {
    /// Growth of the rate's variance, ppb^2 per second.
    pub(super) rate: f64,
    /// Growth of the drift's variance, (ppb/s)^2 per second; 0 turns the drift state off.
    pub(super) drift: f64,
}

impl ProcessNoise {
    /// Creates process noise of the rate only.
    pub(super) const fn of_rate(rate: f64) -> Self {
        Self { rate, drift: 0.0 }
    }

    /// Variance of the quantity that the row `h` measures, `dt` seconds after the time of the
    /// covariance `p`.
    fn along(self, p: &[[f64; STATES]; STATES], h: &[f64; STATES], dt: f64) -> f64 {
        dot(h, &times(p, h)) + self.offset_variance(dt)
    }

    /// Growth of the offset's variance in `dt` seconds, ns^2.
    fn offset_variance(self, dt: f64) -> f64 {
        let cube = dt * dt * dt;
        cube * (self.rate / 3.0 + self.drift * dt * dt / 20.0)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Kalman {
    reduction: Reduction,
    process_noise: ProcessNoise,
    /// Limit up to which the variance of the delay grows, ns^2.
    delay_prior: f64,
    /// Whether the delay is assumed instead of measured.
    presumed: bool,
    at: LocalTime,
    /// When the current path was first used.
    path_since: LocalTime,
    x: [f64; STATES],
    p: [[f64; STATES]; STATES],
    noise: Noise,
    /// Running means of the innovations, forward and reverse, ns.
    lags_ns: [f64; 2],
    /// Wander of the other clock around this filter's model.
    phase_wander: PhaseWander,
    /// The largest wander for which the covariance has been inflated.
    inflated_for: PhaseWander,
    /// Time of the last block in each direction.
    taken_at: [LocalTime; 2],
}

impl Kalman {
    /// Creates a filter that starts from one measured offset.
    pub(super) fn new(reduction: Reduction, process_noise: ProcessNoise, prior: Prior, sample: &Sample) -> Self {
        let delay_variance = prior.delay_sigma_ns * prior.delay_sigma_ns;
        let mut p = [[0.0; STATES]; STATES];
        // The error of the first offset consists of its jitter and the unknown delay, so offset and
        // delay are correlated.
        p[0][0] = prior.jitter_ns * prior.jitter_ns + delay_variance;
        p[1][1] = prior.rate_sigma_ppb * prior.rate_sigma_ppb;
        p[2][2] = delay_variance;
        p[0][2] = -sample.direction.sign() * delay_variance;
        p[2][0] = p[0][2];
        p[3][3] = drift_variance(process_noise);
        Self {
            reduction,
            process_noise,
            delay_prior: delay_variance,
            presumed: false,
            at: sample.at,
            path_since: sample.at,
            x: [sample.offset_ns, prior.rate_ppb, 0.0, 0.0],
            p,
            noise: Noise::new(reduction, prior.jitter_ns),
            lags_ns: [0.0; 2],
            phase_wander: PhaseWander::default(),
            inflated_for: PhaseWander::default(),
            taken_at: [sample.at; 2],
        }
    }

    /// Offset at `at`, ns.
    pub(super) fn offset_ns(&self, at: LocalTime) -> f64 {
        let dt = (at - self.at).as_secs_f64();
        self.x[0] + dt * (self.x[1] + self.x[3] * dt / 2.0)
    }

    /// Lateness of an offset measured at `at`, ns.
    pub(super) fn lateness(&self, at: LocalTime, offset_ns: f64, direction: Direction) -> f64 {
        let sign = direction.sign();
        sign * (offset_ns - (self.offset_ns(at) + sign * self.x[2]))
    }

    /// Variance of the current estimate; see [`Estimate::variance`].
    pub(super) fn variance(&self, now: LocalTime, direction: Direction) -> f64 {
        // Without a copy of the estimate: every filter computes this for every sample.
        let dt = now.since(self.at).as_secs_f64();
        self.process_noise.along(&self.p, &measured(dt, direction), dt)
    }

    fn estimate(&self) -> Estimate {
        Estimate { at: self.at, x: self.x, p: self.p, process_noise: self.process_noise }
    }

    /// The estimate, predicted to `now`.
    pub(super) fn predicted(&self, now: LocalTime) -> Estimate {
        let mut filter = self.clone();
        filter.predict(now);
        filter.estimate()
    }

    /// Whether a block of `count` samples holds enough information to be ended.
    pub(super) fn is_informative(&self, now: LocalTime, direction: Direction, count: u32) -> bool {
        let worth = match self.reduction {
            Reduction::Minimum => INFORMATIVE_MINIMUM,
            Reduction::Mean => INFORMATIVE_MEAN,
        };
        self.noise.block_variance(direction, count) <= worth * self.variance(now, direction)
    }

    /// Advances the state to `now`.
    pub(super) fn predict(&mut self, now: LocalTime) {
        let dt = now.since(self.at).as_secs_f64();
        let memory_s = self.delay_memory_s(now);
        self.at = self.at.max(now);
        let half = dt * dt / 2.0;
        self.x[0] += dt * self.x[1] + half * self.x[3];
        self.x[1] += dt * self.x[3];
        // P <- F P F' with F = [[1 dt 0 dt^2/2] [0 1 0 dt] [0 0 1 0] [0 0 0 1]].
        let p = &mut self.p;
        let [offset, rate, _, drift] = p;
        for ((offset, rate), drift) in offset.iter_mut().zip(rate).zip(drift) {
            *offset += dt * *rate + half * *drift;
            *rate += dt * *drift;
        }
        for row in p.iter_mut() {
            row[0] += dt * row[1] + half * row[3];
            row[1] += dt * row[3];
        }
        self.add_process_noise(dt);
        // The variance of the delay grows only if the delay was measured or assumed on this path.
        // Otherwise it already has the variance of an unknown delay.
        if self.presumed || self.taken_at[Direction::Reverse.index()] > self.path_since {
            self.inflate_delay_variance((self.p[2][2] * dt / memory_s).min(self.delay_prior - self.p[2][2]).max(0.0));
        }
    }

    /// Adds the process noise of `dt` seconds: white noise in the derivatives of rate and drift.
    fn add_process_noise(&mut self, dt: f64) {
        let ProcessNoise { rate, drift } = self.process_noise;
        let (dt2, dt3) = (dt * dt, dt * dt * dt);
        let p = &mut self.p;
        p[0][0] += self.process_noise.offset_variance(dt);
        p[1][1] += rate * dt + drift * dt3 / 3.0;
        p[3][3] += drift * dt;
        for (i, j, grown) in
            [(0, 1, rate * dt2 / 2.0 + drift * dt2 * dt2 / 8.0), (0, 3, drift * dt3 / 6.0), (1, 3, drift * dt2 / 2.0)]
        {
            p[i][j] += grown;
            p[j][i] += grown;
        }
    }

    /// Memory of the delay, s.
    fn delay_memory_s(&self, now: LocalTime) -> f64 {
        match self.reduction {
            Reduction::Mean => DELAY_MEMORY_S,
            // The first blocks are short, so their minima are later than the minima of longer
            // blocks.
            Reduction::Minimum => {
                (YOUNG_MEMORY * now.since(self.path_since).as_secs_f64()).clamp(SHORTEST_MEMORY_S, DELAY_MEMORY_S)
            }
        }
    }

    /// Updates the state with a block.
    pub(super) fn update(&mut self, block: &Reduced, is_short: bool, now: LocalTime) {
        self.predict(now);
        let h = measured((block.at - self.at).as_secs_f64(), block.direction);
        let ph = times(&self.p, &h);
        let predicted = dot(&h, &ph).max(0.0);
        let residual = block.direction.sign() * self.lateness(block.at, block.offset_ns, block.direction);
        self.noise.learn(residual, block, predicted);
        self.presumed &= block.direction == Direction::Forward;
        let r = self.noise.block_variance(block.direction, block.count) * if is_short { SHORT_BLOCK } else { 1.0 };
        let r = r + self.wander_variance(block);
        let s = predicted + r;
        let limit = HUBER_LIMIT * libm::sqrt(s);
        let innovation = residual.clamp(-limit, limit);
        for i in 0..STATES {
            self.x[i] += ph[i] / s * innovation;
            for j in 0..STATES {
                self.p[i][j] -= ph[i] * ph[j] / s;
            }
        }
        self.fade(innovation, r, block.direction);
        self.symmetrise();
    }

    /// Variance that the other clock's wander adds to a block, ns^2. Consecutive blocks share the
    /// wander, so each is given the variance of white noise that has the same effect on a long
    /// average.
    fn wander_variance(&mut self, block: &Reduced) -> f64 {
        let taken_at = std::mem::replace(&mut self.taken_at[block.direction.index()], block.at);
        let since_s = block.at.since(taken_at).as_secs_f64().max(SHORTEST_BLOCK_S);
        let PhaseWander { rms_ns, density, .. } = self.phase_wander;
        (density / since_s).max(rms_ns * rms_ns)
    }

    /// Sets the measured wander of the other clock. If the wander is much larger than the filter
    /// has assumed so far, the filter has followed the wander, so the covariance is inflated by the
    /// effect of the wander on offset and rate.
    pub(super) fn set_phase_wander(&mut self, wander: PhaseWander) {
        if wander.exceeds(&self.inflated_for) {
            self.p[0][0] += wander.rms_ns * wander.rms_ns;
            self.p[1][1] = (self.p[1][1] + wander.rate_ppb * wander.rate_ppb).min(RATE_SIGMA * RATE_SIGMA);
            self.inflated_for = wander;
        }
        self.phase_wander = wander;
    }

    /// Removes the effects of rounding: over years of updates, a variance must not become negative,
    /// and the covariance must not become asymmetric, because inflation amplifies any asymmetry
    /// without limit.
    fn symmetrise(&mut self) {
        for i in 0..STATES {
            for j in 0..i {
                let mean = (self.p[i][j] + self.p[j][i]) / 2.0;
                (self.p[i][j], self.p[j][i]) = (mean, mean);
            }
        }
        for i in 0..DRIFT {
            self.p[i][i] = self.p[i][i].max(SMALLEST);
        }
    }

    /// Updates the mean innovation, and inflates the covariance while the mean is significant.
    fn fade(&mut self, innovation: f64, r: f64, direction: Direction) {
        let lag_ns = &mut self.lags_ns[direction.index()];
        *lag_ns += (innovation - *lag_ns) / LAG_MEMORY;
        let square = *lag_ns * *lag_ns;
        let wander_ns = WANDER_SIGMAS * self.phase_wander.rms_ns;
        if square <= LAG_SIGMAS * LAG_SIGMAS * r / (2.0 * LAG_MEMORY) + wander_ns * wander_ns {
            return;
        }
        *lag_ns *= EVIDENCE_LEFT;
        match direction {
            Direction::Forward => {
                self.noise.without_lag();
                self.inflate_covariance();
            }
            // The quantity that Syncs measure, offset - delay, is still valid.
            Direction::Reverse => self.inflate_delay_variance(DELAY_FADING * square),
        }
    }

    /// Inflates every variance, at most to its value for an unknown clock.
    fn inflate_covariance(&mut self) {
        // A delay that is part of the offset has no variance, and rounding must not introduce one.
        let delay = if self.delay_prior > 0.0 && !self.presumed { DELAY_SIGMA * DELAY_SIGMA } else { 0.0 };
        let most = [f64::INFINITY, RATE_SIGMA * RATE_SIGMA, delay, drift_variance(self.process_noise)];
        // Where only Syncs are received, it is offset - delay that lags, so the lag contains no
        // information about the delay.
        if self.presumed {
            self.add_delay_to_offset(-1.0);
        }
        let grown: [f64; STATES] =
            std::array::from_fn(|i| libm::sqrt((most[i] / self.p[i][i].max(SMALLEST)).clamp(1.0, FADING)));
        for i in 0..STATES {
            for j in 0..STATES {
                self.p[i][j] *= grown[i] * grown[j];
            }
        }
        if self.presumed {
            self.add_delay_to_offset(1.0);
        }
    }

    /// Replaces the offset by offset + `factor` * delay in the covariance matrix.
    fn add_delay_to_offset(&mut self, factor: f64) {
        for j in 0..STATES {
            self.p[0][j] += factor * self.p[2][j];
        }
        for row in &mut self.p {
            row[0] += factor * row[2];
        }
    }

    /// Adds `variance` to the delay and to the offset, fully correlated, so that the variance of
    /// offset - delay does not change.
    fn inflate_delay_variance(&mut self, variance: f64) {
        for i in [0, 2] {
            for j in [0, 2] {
                self.p[i][j] += variance;
            }
        }
    }

    /// Moves the offset after a proven step. Afterwards offset - delay, which forward packets
    /// measure, has the standard deviation `sigma_ns`. Rate and delay are kept.
    pub(super) fn step(&mut self, step_ns: f64, sigma_ns: f64) {
        self.x[0] += step_ns;
        let delay = self.p[2][2];
        for i in [0, 2] {
            self.decorrelate(i);
        }
        self.p[0][0] = sigma_ns * sigma_ns + delay;
        (self.p[0][2], self.p[2][0]) = (delay, delay);
        self.forget_innovations();
    }

    /// Moves offset and rate after a proven change of the rate. `sigma_ns` is added to the
    /// uncertainty of the offset, and `rate_sigma_ppb` becomes the uncertainty of the rate. The
    /// delay is kept. The filter must have [adopted](Self::adopt) the active filter's state.
    pub(super) fn change_rate(&mut self, moved_ns: f64, sigma_ns: f64, rate_ppb: f64, rate_sigma_ppb: f64) {
        self.x[0] += moved_ns;
        self.x[1] += rate_ppb;
        self.p[0][0] += sigma_ns * sigma_ns;
        self.decorrelate(1);
        self.p[1][1] = rate_sigma_ppb * rate_sigma_ppb;
        self.forget_innovations();
    }

    /// Sets the delay to `mean_ns` with standard deviation `sigma_ns`, and the offset accordingly;
    /// offset - delay, which forward packets measure, is kept. The standard deviation grows with
    /// time, up to `most_ns`.
    pub(super) fn assume_delay(&mut self, mean_ns: f64, sigma_ns: f64, most_ns: f64) {
        let forward = self.variance(self.at, Direction::Forward);
        let [with_rate, with_drift] = [1, DRIFT].map(|i| self.p[0][i] - self.p[2][i]);
        self.x[0] += mean_ns - self.x[2];
        self.x[2] = mean_ns;
        let delay = sigma_ns * sigma_ns;
        self.bound_delay(most_ns);
        self.presumed = true;
        self.decorrelate(2);
        self.p[0] = [forward + delay, with_rate, delay, with_drift];
        for i in 1..STATES {
            self.p[i][0] = self.p[0][i];
        }
        self.p[2][2] = delay;
        self.noise.interrupt(Direction::Reverse);
        self.path_since = self.at;
    }

    /// Limits the growth of the delay's standard deviation to `most_ns`.
    pub(super) fn bound_delay(&mut self, most_ns: f64) {
        self.delay_prior = most_ns * most_ns;
    }

    /// Prepares for a new path to a clock with the same time. `delay_sigma_ns` is added to the
    /// uncertainty of the delay, and `offset_sigma_ns` to the uncertainty of the offset.
    pub(super) fn change_path(&mut self, delay_sigma_ns: f64, offset_sigma_ns: f64) {
        self.p[0][0] += offset_sigma_ns * offset_sigma_ns;
        self.p[2][2] += delay_sigma_ns * delay_sigma_ns;
        self.path_since = self.at;
        self.forget_innovations();
    }

    /// Prepares for packets over a new path. All that is known about the noise of these packets is
    /// the spread `apart_ns` of the first packets' lateness.
    pub(super) fn reopen_noise(&mut self, apart_ns: f64) {
        self.noise.reopen(apart_ns);
    }

    /// Sets the covariances of one state with the others to zero.
    fn decorrelate(&mut self, i: usize) {
        for j in (0..STATES).filter(|&j| j != i) {
            (self.p[i][j], self.p[j][i]) = (0.0, 0.0);
        }
    }

    fn forget_innovations(&mut self) {
        self.noise.interrupt(Direction::Forward);
        self.noise.interrupt(Direction::Reverse);
        self.lags_ns = [0.0; 2];
    }

    /// Takes over another filter's state, without drift.
    pub(super) fn adopt(&mut self, other: &Self) {
        (self.at, self.x, self.p) = (other.at, other.x, other.p);
        self.decorrelate(DRIFT);
        self.x[DRIFT] = 0.0;
        self.p[DRIFT][DRIFT] = drift_variance(self.process_noise);
        self.lags_ns = [0.0; 2];
    }

    /// The noise statistics of the blocks.
    pub(super) fn noise(&self) -> &Noise {
        &self.noise
    }

    /// Time of the state.
    pub(super) fn at(&self) -> LocalTime {
        self.at
    }

    /// Offset (ns), rate (ns/s), delay (ns), drift (ns/s^2).
    pub(super) fn state(&self) -> &[f64; STATES] {
        &self.x
    }

    pub(super) fn covariance(&self) -> &[[f64; STATES]; STATES] {
        &self.p
    }

    /// Magnitude of the drift, in standard deviations; infinite for a filter without a drift state.
    pub(super) fn drift_sigmas(&self) -> f64 {
        let variance = self.p[DRIFT][DRIFT];
        if variance > 0.0 { self.x[DRIFT].abs() / libm::sqrt(variance) } else { f64::INFINITY }
    }
}

/// State and covariance of a filter, without its noise statistics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// Time of the state.
    pub(super) at: LocalTime,
    /// State vector, as in [`Kalman::state`].
    pub(super) x: [f64; STATES],
    /// Covariance matrix of the state.
    pub(super) p: [[f64; STATES]; STATES],
    process_noise: ProcessNoise,
}

impl Estimate {
    /// Variance of the offset at `now`, ns^2.
    pub(super) fn offset_variance(&self, now: LocalTime) -> f64 {
        let dt = now.since(self.at).as_secs_f64();
        let h = [1.0, dt, 0.0, dt * dt / 2.0];
        self.process_noise.along(&self.p, &h, dt)
    }

    /// Variance at `now` of the quantity that a noiseless packet in this direction would measure
    /// (offset - delay if forward, offset + delay if reverse), ns^2.
    pub(super) fn variance(&self, now: LocalTime, direction: Direction) -> f64 {
        let dt = now.since(self.at).as_secs_f64();
        self.process_noise.along(&self.p, &measured(dt, direction), dt)
    }

    /// Growth of the rate's variance, ppb^2 per second.
    pub(super) fn rate_wander(&self) -> f64 {
        self.process_noise.rate
    }
}

/// P times a vector.
#[inline]
fn times(p: &[[f64; STATES]; STATES], h: &[f64; STATES]) -> [f64; STATES] {
    let [offset, rate, delay, drift] = p;
    [dot(offset, h), dot(rate, h), dot(delay, h), dot(drift, h)]
}

/// Measurement row H of a packet, for a state that is `dt` seconds older than the packet.
fn measured(dt: f64, direction: Direction) -> [f64; STATES] {
    [1.0, dt, direction.sign(), dt * dt / 2.0]
}

#[inline]
fn dot(a: &[f64; STATES], b: &[f64; STATES]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
}

/// Variance of an unknown drift.
fn drift_variance(process_noise: ProcessNoise) -> f64 {
    if process_noise.drift > 0.0 { DRIFT_SIGMA * DRIFT_SIGMA } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    /// Creates a filter that has measured a path of 50 us in both directions for 60 s.
    fn settled() -> Kalman {
        let first = Sample { at: LocalTime::ZERO, offset_ns: -50e3, direction: Direction::Forward };
        let prior = Prior { rate_ppb: 0.0, rate_sigma_ppb: 100e3, delay_sigma_ns: 5e6, jitter_ns: 1e3 };
        let mut filter = Kalman::new(Reduction::Minimum, ProcessNoise::of_rate(1.0), prior, &first);
        for i in 1..480 {
            let at = LocalTime::ZERO + Nanos::from_millis(125 * i);
            for direction in [Direction::Forward, Direction::Reverse] {
                let offset_ns = direction.sign() * 50e3;
                filter.update(&Reduced { at, offset_ns, direction, count: 1 }, false, at);
            }
        }
        filter
    }

    #[test]
    fn the_delay_of_a_path_that_was_not_measured_yet_does_not_widen_the_offset() {
        let mut filter = settled();
        let (at, before) = (filter.at(), libm::sqrt(filter.covariance()[0][0]));
        filter.change_path(100e3, 0.0);
        filter.predict(at + Nanos::from_secs(2));
        let after = libm::sqrt(filter.covariance()[0][0]);
        assert!(after < before + 1e3, "{before} ns became {after} ns");
    }
}
