//! A Kalman filter for offset, rate, path delay and drift with scalar updates: one of the filters
//! of a [`super::bank::Bank`].
//!
//! Model: state x = [offset (ns), rate (ns/s), delay (ns), drift (ns/s^2)]; the rate is a random
//! walk, and so is the drift on top of it, in filters for crystals whose temperature changes. Each
//! direction of travel updates it by itself, with no pairing of Syncs and Delay_Reqs (the idea of
//! statime's filter): a forward block measures offset - delay, a reverse one offset + delay. What a
//! block says holds for the time of its least late sample (or of its mean), so H has the age of
//! that in it.
//!
//! How much a block errs is [learnt](super::noise) from how innovations differ. What is alike in
//! them is a lag; when it is more than chance the filter forgets some of its past (a fading
//! memory), until it keeps up. So a first guess that was too sure of itself costs time and not the
//! lock.
//!
//! A delay never measured again would be believed for ever. Its variance grows by a share of
//! itself, which bounds its memory to [`DELAY_MEMORY_S`].

use super::block::{Reduced, Reduction};
use super::estimator::{Direction, Sample};
use super::noise::Noise;
use super::wander::PhaseWander;
use crate::units::LocalTime;

/// Offset, rate, delay, drift.
const STATES: usize = 4;
const DRIFT: usize = 3;
/// Rate of a crystal of which nothing is known, ppb.
const RATE_SIGMA: f64 = 100e3;
/// Delay of a path of which nothing is known, ns.
const DELAY_SIGMA: f64 = 10e6;
/// Smallest variance: rounding takes it to nothing, and below.
const SMALLEST: f64 = 1e-12;
/// Drift of a crystal that warms up, ppb/s.
const DRIFT_SIGMA: f64 = 20.0;
/// Innovations over which the lag forgets.
const LAG_MEMORY: f64 = 24.0;
/// A mean innovation beyond this many standard deviations is a lag. Then the covariance grows by
/// this factor, and so much of the evidence is used up.
const LAG_SIGMAS: f64 = 3.0;
const FADING: f64 = 1.3;
/// And beyond so many standard deviations of the other clock's wander, whose mean over some blocks
/// is no smaller if it is slow.
const WANDER_SIGMAS: f64 = 2.0;
const EVIDENCE_LEFT: f64 = 0.7;
/// Share of a squared lag of the reverse direction by which the variances of delay and offset grow.
const DELAY_FADING: f64 = 0.1;
/// Longest memory of the path delay, s: paths last for hours. A young one's, by least values, is
/// this share of its age.
const DELAY_MEMORY_S: f64 = 7200.0;
const YOUNG_MEMORY: f64 = 0.25;
const SHORTEST_MEMORY_S: f64 = 10.0;
/// A block far shorter than usual is late in the mean by as much as its noise, or more; its noise
/// counts this many times.
const SHORT_BLOCK: f64 = 4.0;
/// Blocks of one direction that lie closer together are taken to be so far apart, s.
const SHORTEST_BLOCK_S: f64 = 1e-3;
/// Largest influence of one innovation, in standard deviations (Huber). Larger ones are not
/// discarded.
const HUBER_LIMIT: f64 = 5.0;
/// A block ends when its noise variance is this many times what is known already: longer ones would
/// be more exact, and answer later to a crystal that wanders. Means lose nothing by being short; of
/// least values few and good ones are better.
const WORTH_LEAST: f64 = 1.0;
const WORTH_MEAN: f64 = 20.0;

/// What a filter is told before it has seen a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) rate_ppb: f64,
    pub(super) rate_sigma_ppb: f64,
    pub(super) delay_sigma_ns: f64,
    pub(super) jitter_ns: f64,
}

/// What a filter takes the other clock to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wander {
    /// Growth of the rate's variance, ppb^2 per second.
    pub(super) rate: f64,
    /// Growth of the drift's variance, (ppb/s)^2 per second; 0 for a rate that does not drift.
    pub(super) drift: f64,
}

impl Wander {
    /// That of a rate that does not drift.
    pub(super) const fn of_rate(rate: f64) -> Self {
        Self { rate, drift: 0.0 }
    }

    /// Growth in `dt` seconds of the variance of the offset, ns^2.
    fn offset_variance(self, dt: f64) -> f64 {
        let cube = dt * dt * dt;
        cube * (self.rate / 3.0 + self.drift * dt * dt / 20.0)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Kalman {
    reduction: Reduction,
    wander: Wander,
    /// Variance of the delay beyond which nothing is forgotten.
    delay_prior: f64,
    /// Whether the delay is not measured but presumed.
    presumed: bool,
    at: LocalTime,
    /// Since when packets have come by the present path.
    path_since: LocalTime,
    x: [f64; STATES],
    p: [[f64; STATES]; STATES],
    noise: Noise,
    /// Running means of the innovations, forward and reverse, ns: what the filter lags by.
    lags_ns: [f64; 2],
    /// How far the other clock wanders around what this model of it can do.
    phase_wander: PhaseWander,
    /// The largest wander of which it was told, as far as that made it doubt its state.
    misled_by: PhaseWander,
    /// When the last block of each direction was taken.
    taken_at: [LocalTime; 2],
}

impl Kalman {
    /// A filter that begins with one measured offset.
    pub(super) fn new(reduction: Reduction, wander: Wander, prior: Prior, sample: &Sample) -> Self {
        let delay_variance = prior.delay_sigma_ns * prior.delay_sigma_ns;
        let mut p = [[0.0; STATES]; STATES];
        // The first offset is wrong by its own jitter and by the unknown delay, with which it is
        // correlated.
        p[0][0] = prior.jitter_ns * prior.jitter_ns + delay_variance;
        p[1][1] = prior.rate_sigma_ppb * prior.rate_sigma_ppb;
        p[2][2] = delay_variance;
        p[0][2] = -sample.direction.sign() * delay_variance;
        p[2][0] = p[0][2];
        p[3][3] = drift_variance(wander);
        Self {
            reduction,
            wander,
            delay_prior: delay_variance,
            presumed: false,
            at: sample.at,
            path_since: sample.at,
            x: [sample.offset_ns, prior.rate_ppb, 0.0, 0.0],
            p,
            noise: Noise::new(reduction, prior.jitter_ns),
            lags_ns: [0.0; 2],
            phase_wander: PhaseWander::default(),
            misled_by: PhaseWander::default(),
            taken_at: [sample.at; 2],
        }
    }

    /// Offset at `at`, ns.
    pub(super) fn offset_ns(&self, at: LocalTime) -> f64 {
        let dt = (at - self.at).as_secs_f64();
        self.x[0] + dt * (self.x[1] + self.x[3] * dt / 2.0)
    }

    /// How late an offset measured at `at` is, ns.
    pub(super) fn lateness(&self, at: LocalTime, offset_ns: f64, direction: Direction) -> f64 {
        let sign = direction.sign();
        sign * (offset_ns - (self.offset_ns(at) + sign * self.x[2]))
    }

    /// Variance of the offset at `now`, ns^2.
    pub(super) fn offset_variance(&self, now: LocalTime) -> f64 {
        let dt = now.since(self.at).as_secs_f64();
        let h = [1.0, dt, 0.0, dt * dt / 2.0];
        dot(&h, &self.times(&h)) + self.wander.offset_variance(dt)
    }

    /// Variance of what a packet of this direction would measure at `now` without noise of its own,
    /// ns^2: of offset -+ delay.
    pub(super) fn variance(&self, now: LocalTime, direction: Direction) -> f64 {
        let dt = now.since(self.at).as_secs_f64();
        let h = measured(dt, direction);
        dot(&h, &self.times(&h)) + self.wander.offset_variance(dt)
    }

    /// Whether a block of `count` samples says enough, beside what is known already, to be ended.
    pub(super) fn is_worth(&self, now: LocalTime, direction: Direction, count: u32) -> bool {
        let worth = match self.reduction {
            Reduction::Least => WORTH_LEAST,
            Reduction::Mean => WORTH_MEAN,
        };
        self.noise.block_variance(direction, count) <= worth * self.variance(now, direction)
    }

    /// Moves the state on to `now`.
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
        self.wander(dt);
        // What was never measured of this path cannot be forgotten.
        if self.presumed || self.taken_at[Direction::Reverse.index()] > self.path_since {
            self.reopen_delay((self.p[2][2] * dt / memory_s).min(self.delay_prior - self.p[2][2]).max(0.0));
        }
    }

    /// Grows the covariance by what the clock may have done in `dt` seconds: white noise in the
    /// rate's and in the drift's derivative.
    fn wander(&mut self, dt: f64) {
        let Wander { rate, drift } = self.wander;
        let (dt2, dt3) = (dt * dt, dt * dt * dt);
        let p = &mut self.p;
        p[0][0] += self.wander.offset_variance(dt);
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
            // The first blocks are short, and late by much more in the mean than later ones.
            Reduction::Least => {
                (YOUNG_MEMORY * now.since(self.path_since).as_secs_f64()).clamp(SHORTEST_MEMORY_S, DELAY_MEMORY_S)
            }
        }
    }

    /// Takes a block.
    pub(super) fn update(&mut self, block: &Reduced, is_short: bool, now: LocalTime) {
        self.predict(now);
        let h = measured((block.at - self.at).as_secs_f64(), block.direction);
        let ph = self.times(&h);
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
        self.mend_rounding();
    }

    /// Variance of a block by the other clock's wander, ns^2. Blocks that follow each other err
    /// alike, so each counts for as much as white noise that averages out in the same time.
    fn wander_variance(&mut self, block: &Reduced) -> f64 {
        let taken_at = std::mem::replace(&mut self.taken_at[block.direction.index()], block.at);
        let since_s = block.at.since(taken_at).as_secs_f64().max(SHORTEST_BLOCK_S);
        let PhaseWander { rms_ns, density, .. } = self.phase_wander;
        (density / since_s).max(rms_ns * rms_ns)
    }

    /// The other clock is found to wander by so much. If that is much more than was known before,
    /// the filter has followed it, and offset and rate are in doubt by what it makes of them.
    pub(super) fn set_phase_wander(&mut self, wander: PhaseWander) {
        if wander.exceeds(&self.misled_by) {
            self.p[0][0] += wander.rms_ns * wander.rms_ns;
            self.p[1][1] = (self.p[1][1] + wander.rate_ppb * wander.rate_ppb).min(RATE_SIGMA * RATE_SIGMA);
            self.misled_by = wander;
        }
        self.phase_wander = wander;
    }

    /// Over years of updates, rounding must not make a variance negative; nor the covariance
    /// lopsided, because forgetting makes that grow without end.
    fn mend_rounding(&mut self) {
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

    /// Follows the mean innovation; grows the covariance while that is more than chance.
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
                self.forget();
            }
            // What the Syncs say of offset - delay stands.
            Direction::Reverse => self.reopen_delay(DELAY_FADING * square),
        }
    }

    /// Forgets a part of the past: every variance grows, but none beyond what is known of any
    /// clock.
    fn forget(&mut self) {
        // A delay that belongs to the offset has no variance of its own, and must not get one from
        // rounding.
        let delay = if self.delay_prior > 0.0 && !self.presumed { DELAY_SIGMA * DELAY_SIGMA } else { 0.0 };
        let most = [f64::INFINITY, RATE_SIGMA * RATE_SIGMA, delay, drift_variance(self.wander)];
        // What lags where Syncs alone are measured is offset - delay, and tells nothing of the
        // delay.
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

    /// Makes of the offset's covariance that of offset + `factor` * delay.
    fn add_delay_to_offset(&mut self, factor: f64) {
        for j in 0..STATES {
            self.p[0][j] += factor * self.p[2][j];
        }
        for row in &mut self.p {
            row[0] += factor * row[2];
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

    /// After a proven step: moves the offset; what forward packets measure, offset - delay, is then
    /// known to `sigma_ns`. Rate and delay are kept.
    pub(super) fn step(&mut self, step_ns: f64, sigma_ns: f64) {
        self.x[0] += step_ns;
        let delay = self.p[2][2];
        for i in [0, 2] {
            self.uncouple(i);
        }
        self.p[0][0] = sigma_ns * sigma_ns + delay;
        (self.p[0][2], self.p[2][0]) = (delay, delay);
        self.forget_innovations();
    }

    /// After a proven change of the rate of a filter that was [adopted](Self::adopt): moves offset
    /// and rate, which are then known to the standard deviations given. The delay is kept.
    pub(super) fn change_rate(&mut self, moved_ns: f64, sigma_ns: f64, rate_ppb: f64, rate_sigma_ppb: f64) {
        self.x[0] += moved_ns;
        self.x[1] += rate_ppb;
        self.p[0][0] += sigma_ns * sigma_ns;
        self.uncouple(1);
        self.p[1][1] = rate_sigma_ppb * rate_sigma_ppb;
        self.forget_innovations();
    }

    /// The delay is now known only as `mean_ns` +- `sigma_ns`, and so is the offset; what forward
    /// packets measure, offset - delay, stands. With time the standard deviation grows up to
    /// `most_ns`.
    pub(super) fn assume_delay(&mut self, mean_ns: f64, sigma_ns: f64, most_ns: f64) {
        let forward = self.variance(self.at, Direction::Forward);
        let [with_rate, with_drift] = [1, DRIFT].map(|i| self.p[0][i] - self.p[2][i]);
        self.x[0] += mean_ns - self.x[2];
        self.x[2] = mean_ns;
        let delay = sigma_ns * sigma_ns;
        self.bound_delay(most_ns);
        self.presumed = true;
        self.uncouple(2);
        self.p[0] = [forward + delay, with_rate, delay, with_drift];
        for i in 1..STATES {
            self.p[i][0] = self.p[0][i];
        }
        self.p[2][2] = delay;
        self.noise.interrupt(Direction::Reverse);
        self.path_since = self.at;
    }

    /// With time the standard deviation of the delay grows up to `most_ns`.
    pub(super) fn bound_delay(&mut self, most_ns: f64) {
        self.delay_prior = most_ns * most_ns;
    }

    /// Another path to the same time: forgets the delay to within `sigma_ns`, the offset a little.
    pub(super) fn change_path(&mut self, delay_sigma_ns: f64, offset_sigma_ns: f64) {
        self.p[0][0] += offset_sigma_ns * offset_sigma_ns;
        self.p[2][2] += delay_sigma_ns * delay_sigma_ns;
        self.path_since = self.at;
        self.forget_innovations();
    }

    /// Of the noise of packets by another path is known only that some were apart by `apart_ns`.
    pub(super) fn reopen_noise(&mut self, apart_ns: f64) {
        self.noise.reopen(apart_ns);
    }

    /// Forgets how the error of one part of the state goes with those of the others.
    fn uncouple(&mut self, i: usize) {
        for j in (0..STATES).filter(|&j| j != i) {
            (self.p[i][j], self.p[j][i]) = (0.0, 0.0);
        }
    }

    fn forget_innovations(&mut self) {
        self.noise.interrupt(Direction::Forward);
        self.noise.interrupt(Direction::Reverse);
        self.lags_ns = [0.0; 2];
    }

    /// Continues from another filter's state.
    pub(super) fn adopt(&mut self, other: &Self) {
        (self.at, self.x, self.p) = (other.at, other.x, other.p);
        self.uncouple(DRIFT);
        self.x[DRIFT] = 0.0;
        self.p[DRIFT][DRIFT] = drift_variance(self.wander);
        self.lags_ns = [0.0; 2];
    }

    /// What is learnt of the blocks.
    pub(super) fn noise(&self) -> &Noise {
        &self.noise
    }

    /// When the state was computed.
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

    /// How many standard deviations the drift is from nothing; infinite for a rate that does not
    /// drift.
    pub(super) fn drift_sigmas(&self) -> f64 {
        let variance = self.p[DRIFT][DRIFT];
        if variance > 0.0 { self.x[DRIFT].abs() / libm::sqrt(variance) } else { f64::INFINITY }
    }

    pub(super) fn rate_wander(&self) -> f64 {
        self.wander.rate
    }

    /// P times a vector.
    fn times(&self, h: &[f64; STATES]) -> [f64; STATES] {
        std::array::from_fn(|i| dot(&self.p[i], h))
    }
}

/// What a packet measures of the state that is `dt` seconds older than it.
fn measured(dt: f64, direction: Direction) -> [f64; STATES] {
    [1.0, dt, direction.sign(), dt * dt / 2.0]
}

fn dot(a: &[f64; STATES], b: &[f64; STATES]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Variance of a drift of which nothing is known.
fn drift_variance(wander: Wander) -> f64 {
    if wander.drift > 0.0 { DRIFT_SIGMA * DRIFT_SIGMA } else { 0.0 }
}
