//! The clock estimator for PTP exchanges, RTP arrivals and sound-card callbacks.
//!
//! Purpose: to compute a [`ClockMap`] with a realistic uncertainty from noisy pairs of timestamps
//! (host time and the other clock's time).
//!
//! Model: packets are late, never early, but the distribution of their lateness is unknown and
//! changes: sometimes it is exponential, sometimes normal. Crystals wander by unknown and changing
//! amounts, too. So samples are gathered in [blocks](super::block). Each block is reduced in two
//! ways, to its least late sample and to its mean. Each reduction feeds a [model
//! set](super::model_set) of [Kalman filters](super::kalman) that assume different process noise.
//! Within a set, the filter that predicts best is active. Of the two sets, the one with the smaller
//! uncertainty is active, with hysteresis, because the offsets of the two sets differ by the mean
//! jitter.
//!
//! A filter mistakes its own large error for noise and then corrects it slowly. So where packets
//! travel in one direction only, the offset is reacquired as soon as the
//! [envelope](super::envelope) is proven to be late. The estimator then restarts from the most
//! precise rate measured so far.
//!
//! The published uncertainty combines the covariance of the active filter, its distance from an
//! agile filter and, where the mean is active, the error caused by [unequal
//! lateness](super::excess) in the two directions. This last part is constant, so only the
//! published uncertainty includes it; the filters and detectors must not mistake it for noise.
//!
//! Assumptions: the timestamps passed to one estimator are ordered by host time, or nearly so (a
//! sample from the past is used as if it were new). A delay that differs between the two directions
//! cannot be distinguished from an offset; half the difference is an error that the uncertainty
//! does not include.

use super::block::Reduction;
use super::envelope::LateEnvelopeDetector;
use super::excess::Excess;
use super::kalman::{Estimate, Prior};
use super::map::ClockMap;
use super::model_set::ModelSet;
use super::rate_prior::{RatePrior, SteadyRate};
use super::sample::{Direction, Sample};
use super::unsteady::{GATHERED, GATHERED_KEPT, RateChange, UnsteadyDetector};
use super::wander::{PhaseWander, WanderMeter};
use crate::units::{LocalTime, Nanos, Ppb};
use core::cell::OnceCell;

/// The inactive model set becomes active when its variance is smaller than the active one's by this
/// factor. Judgement: hysteresis of 1.4 in standard deviation, so that two equal sets do not
/// alternate.
const SWITCH_FACTOR: f64 = 2.0;
/// Age of the estimate at which the variances of the model sets are first compared. Before that,
/// the variances are dominated by the error of the initial offset, which is mostly the path delay.
/// Judgement: long enough for about ten Delay_Reqs.
const SELECT_AFTER: Nanos = Nanos::from_secs(30);
/// Like [`SELECT_AFTER`], but where no delay is estimated. Judgement: long enough for hundreds of
/// packets, or about fifty callbacks.
const SELECT_AFTER_ONE_WAY: Nanos = Nanos::from_secs(1);
/// Largest bias that is kept permanently, as a multiple of the jitter. When selection moves from
/// one model set to the other, the difference between their offsets is kept as a bias so that the
/// output does not step (bumpless transfer). Judgement: if the jitter is exponentially
/// distributed, its mean lags its envelope by 1 jitter.
const BIAS_JITTERS: f64 = 1.5;
/// Time constant with which the bias beyond [`BIAS_JITTERS`] decays, s. Judgement: with this
/// time constant, an excess of 1 ms, for which [`BIAS_FAST_NS`] doubles the speed, changes the rate
/// by 67 ppm.
const BIAS_DECAY_S: f64 = 30.0;
/// Excess over [`BIAS_JITTERS`], ns, at which the bias decays twice as fast as for a small excess;
/// the speed grows linearly with the excess. Judgement: an excess of milliseconds is not jitter,
/// but an error that increases the latency.
const BIAS_FAST_NS: f64 = 1e6;
/// Memory of the jitter estimate, in samples. Judgement: 50 s of Syncs at the interval of AES67's
/// media profile.
const JITTER_SAMPLES: f64 = 400.0;
/// Lateness is clipped to this multiple of the jitter before the jitter is learnt from it. This is
/// done for PTP messages, because anybody can forge them. If the jitter is exponentially
/// distributed, one sample in ten million exceeds this multiple. Derived: with [`JITTER_SAMPLES`],
/// one message raises the jitter by at most 4 %, and the jitter of a network that has become worse
/// is learnt within a few hundred messages.
const LARGEST_LATENESS: f64 = 16.0;
/// Standard deviation of a proven change of rate as a fraction of the change, in addition to the
/// standard error of the measurement. Judgement: the line that proves the change may begin before
/// the change.
const RATE_CHANGE_SHARE: f64 = 0.5;
/// Largest standard deviation of a rate that has just changed, ppb. Judgement: no two clocks differ
/// by more (1000 ppm). Forged timestamps may seem to prove a change 10^9 times as large. If the
/// variance were of that size, the next packet would reduce it to a meaningless rounding error.
const MOST_RATE_SIGMA: f64 = 1e6;
/// Weight of the wander's standard deviation relative to the noise of packets. Judgement:
/// consecutive packets share the wander, and its size is known only to within about 50 %.
const WANDER_NOISE: f64 = 2.0;
/// Largest deviation that still counts as noise, in standard deviations of a packet or of the
/// estimate. Judgement: exceeded by chance once in 370 (normal distribution).
const NOISES: f64 = 3.0;
/// Index of the model set that is fed by the least late samples. Judgement: this set is active
/// first, because most noise is queueing noise.
const MINIMUM: usize = 0;
/// Index of the model set that is fed by the means. Definition: the other index.
const MEAN: usize = 1;

/// Prior knowledge of the path delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DelayModel {
    /// There is no delay, or the delay cannot be distinguished from the offset and is included in
    /// it (RTP arrivals, callbacks).
    Absorbed,
    /// The delay is estimated from both directions.
    Estimated {
        /// Standard deviation of the delay around 0 before the first sample.
        sigma: Nanos,
    },
}

/// Assumptions of an estimator before its first sample. The samples correct all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimatorConfig {
    /// Rate of the other clock relative to the host's clock, as far as it is known.
    pub rate: Ppb,
    /// Standard deviation of the rate. Unknown crystals deviate by up to 100 ppm.
    pub rate_sigma: Ppb,
    /// Initial jitter of the timestamps.
    pub jitter: Nanos,
    /// Model of the path delay.
    pub delay: DelayModel,
}

impl EstimatorConfig {
    /// Creates the configuration for one-way timestamps with about the given jitter, from a clock
    /// with the given prior rate.
    pub(crate) fn of_one_way(prior: RatePrior, jitter: Nanos) -> Self {
        Self { rate: prior.rate, rate_sigma: prior.sigma, jitter, delay: DelayModel::Absorbed }
    }
}

/// Estimates a [`ClockMap`] from [`Sample`]s.
///
/// ```
/// use engine::clock::{DelayModel, Direction, Estimator, EstimatorConfig, Sample};
/// use engine::{LocalTime, Nanos, Ppb};
/// let mut estimator = Estimator::new(EstimatorConfig {
///     rate: Ppb::ZERO, rate_sigma: Ppb::from_ppm(100.0), jitter: Nanos::from_micros(10), delay: DelayModel::Absorbed });
/// assert!(estimator.map().is_none());
/// for i in 0..400 {
///     let at = LocalTime::from_nanos(i * 20_000_000);
///     // The other clock runs 50 ppm fast.
///     estimator.update(Sample { at, offset_ns: at.as_nanos() as f64 * 50e-6, direction: Direction::Forward });
/// }
/// let rate = estimator.map().unwrap().rate();
/// assert!((rate.as_ppm() - 50.0).abs() < 0.1, "{rate}");
/// ```
#[derive(Clone, Debug)]
pub struct Estimator {
    config: EstimatorConfig,
    /// The sets at [`MINIMUM`] and [`MEAN`]; `None` before the first sample.
    model_sets: Option<[ModelSet; 2]>,
    /// Index of the active set.
    active: usize,
    /// Cache of the active filter's estimate, predicted to the newest sample. It is filled on first
    /// use, reused until the next sample, and emptied by every change of the sets.
    predicted: OnceCell<Estimate>,
    /// Cache of the map, which is filled and emptied like `predicted`.
    mapped: OnceCell<ClockMap>,
    started_at: LocalTime,
    updated_at: LocalTime,
    samples: u64,
    jitter_ns: f64,
    late_envelope: LateEnvelopeDetector,
    /// Mean lateness of packets, where both directions are measured.
    excess: Excess,
    /// Detector of rate changes, where packets travel in one direction only. It takes the least
    /// late packet in each interval of length [`GATHERED`].
    unsteady: UnsteadyDetector<GATHERED_KEPT>,
    /// The interval that is being filled: its beginning, its least late sample, and the lateness of
    /// that sample, ns.
    gathered: Option<(LocalTime, Sample, f64)>,
    /// The most precise rate so far, allowing for its age.
    steady: Option<SteadyRate>,
    /// Bias that is added to the offset of the active set, ns, so that the output does not step
    /// when the selection changes.
    bias_ns: f64,
    /// Whether the other clock is a free-running crystal, so that its wander is not measured.
    is_crystal: bool,
    wander: WanderMeter,
    /// The wander that the filters were last configured with.
    known_wander: PhaseWander,
}

impl Estimator {
    /// Creates an estimator without samples.
    #[must_use]
    pub fn new(config: EstimatorConfig) -> Self {
        Self {
            config,
            model_sets: None,
            active: MINIMUM,
            predicted: OnceCell::new(),
            mapped: OnceCell::new(),
            started_at: LocalTime::ZERO,
            updated_at: LocalTime::ZERO,
            samples: 0,
            jitter_ns: config.jitter.max(Nanos::new(1)).as_nanos_f64(),
            late_envelope: LateEnvelopeDetector::default(),
            excess: Excess::default(),
            unsteady: UnsteadyDetector::default(),
            gathered: None,
            steady: None,
            bias_ns: 0.0,
            is_crystal: false,
            wander: WanderMeter::default(),
            known_wander: PhaseWander::default(),
        }
    }

    /// Creates an estimator for a free-running crystal. The wander is not measured, because any
    /// apparent wander is lateness of the timestamps.
    pub(crate) fn of_crystal(config: EstimatorConfig) -> Self {
        Self { is_crystal: true, ..Self::new(config) }
    }

    /// Processes a timestamp pair.
    pub fn update(&mut self, sample: Sample) {
        self.samples += 1;
        self.outdate();
        let Some(model_sets) = &mut self.model_sets else {
            self.model_sets = Some(self.begin(&sample));
            self.started_at = sample.at;
            self.updated_at = sample.at;
            return;
        };
        let elapsed_s = sample.at.since(self.updated_at).as_secs_f64().max(0.0);
        self.updated_at = self.updated_at.max(sample.at);
        for set in model_sets {
            set.take(&sample, self.updated_at);
        }
        self.measure_wander(&sample);
        let lateness_ns = self.lateness(&sample);
        self.learn_jitter(lateness_ns);
        // Where the delay is measured, the envelope is not corrected, because an early packet may
        // have taken a shorter path.
        if self.is_one_way() {
            self.correct_envelope(&sample, lateness_ns);
            self.watch(&sample);
        } else {
            let late_ns = self.lateness_beyond_average(&sample);
            self.excess.take(sample.direction, late_ns, self.packet_noise_ns());
        }
        self.select();
        if self.is_one_way() {
            self.bleed_off(elapsed_s);
        }
        self.remember_rate();
    }

    /// Measures the wander of the other clock and configures the filters with it.
    fn measure_wander(&mut self, sample: &Sample) {
        if self.is_crystal || sample.direction == Direction::Reverse {
            return;
        }
        let Some(model_sets) = &mut self.model_sets else { return };
        let rate_ppb = model_sets[MINIMUM].active().state()[1];
        let Some(wander) = self.wander.take(sample, rate_ppb) else { return };
        if wander.differs_from(&self.known_wander) {
            if wander.exceeds(&self.known_wander) {
                // The steady rate was measured while the filters followed the wander, so it is
                // discarded.
                self.steady = None;
            }
            self.known_wander = wander;
            (self.predicted, self.mapped) = (OnceCell::new(), OnceCell::new());
            model_sets.iter_mut().for_each(|set| set.set_phase_wander(wander));
        }
    }

    /// Standard deviation of the other clock's wander around the estimate, ns.
    #[must_use]
    pub(crate) fn wander_ns(&self) -> f64 {
        self.known_wander.rms_ns
    }

    /// Upper limit of [`Estimator::wander_ns`], ns.
    pub(super) fn most_wander_ns(&self) -> f64 {
        self.wander.most_ns()
    }

    fn is_one_way(&self) -> bool {
        self.config.delay == DelayModel::Absorbed
    }

    fn remember_rate(&mut self) {
        let Some(model_sets) = &self.model_sets else { return };
        let filter = model_sets[self.active].active();
        let (at, rate_ppb, sigma_ppb) = (filter.at(), filter.state()[1], libm::sqrt(filter.covariance()[1][1]));
        self.steady = SteadyRate::better(self.steady, at, rate_ppb, sigma_ppb, self.config.rate_sigma);
    }

    /// Passes a sample to the detector of rate changes only. [`Estimator::update`] does this itself
    /// where packets travel in one direction only; call it for samples that are withheld from
    /// `update`.
    pub(crate) fn watch(&mut self, sample: &Sample) {
        let late_ns = self.lateness(sample);
        let (since, least, least_ns) = *self.gathered.get_or_insert((sample.at, *sample, late_ns));
        if late_ns < least_ns {
            self.gathered = Some((since, *sample, late_ns));
        }
        if sample.at.since(since) < GATHERED {
            return;
        }
        self.gathered = None;
        let sigma_ns = self.precision_ns(sample.at, false);
        self.unsteady.take(least, least_ns, sigma_ns);
        let late_ns = |sample: &Sample| self.lateness(sample);
        let limit_ns = (NOISES * self.packet_noise_ns()).max(NOISES * sigma_ns);
        if let Some(change) = self.unsteady.rate_change(late_ns, limit_ns, true) {
            self.change_rate(&change);
        }
    }

    /// Reacquires the offset if the envelope is proven to be late.
    fn correct_envelope(&mut self, sample: &Sample, lateness_ns: f64) {
        let wander_ns = NOISES * self.known_wander.rms_ns;
        if let Some(earliest) = self.late_envelope.judge(sample, lateness_ns + wander_ns) {
            self.reacquire();
            self.update(earliest);
        }
    }

    /// Discards everything but the most precise rate so far and the measured wander. The next
    /// sample sets the new offset. The current rate is not kept, because the disturbance has made
    /// it noisy.
    pub(crate) fn reacquire(&mut self) {
        let wander = std::mem::take(&mut self.wander);
        *self = Self { steady: self.steady, is_crystal: self.is_crystal, wander, ..Self::new(self.config) };
    }

    /// Discards everything, including the rate, and begins again with `config`. The measured wander
    /// is kept, because it does not depend on the estimated time. `now` is the time at which the
    /// clock may have stepped.
    pub(super) fn forget(&mut self, now: LocalTime, config: EstimatorConfig) {
        let mut wander = std::mem::take(&mut self.wander);
        wander.interrupt(now);
        *self = Self { is_crystal: self.is_crystal, wander, ..Self::new(config) };
    }

    /// Informs the wander meter that offsets will be smaller by `less_ns` from now on, because they
    /// have a new origin or belong to another clock. This difference is not wander.
    pub(super) fn rebase_wander(&mut self, less_ns: f64) {
        self.wander.rebase(less_ns);
    }

    fn begin(&self, sample: &Sample) -> [ModelSet; 2] {
        let told = (self.config.rate.as_ppb(), self.config.rate_sigma.as_ppb());
        let (rate_ppb, rate_sigma_ppb) = self.steady.map_or(told, |steady| steady.as_prior(sample.at));
        let prior = Prior {
            rate_ppb,
            rate_sigma_ppb,
            delay_sigma_ns: match self.config.delay {
                DelayModel::Absorbed => 0.0,
                DelayModel::Estimated { sigma } => sigma.as_nanos_f64(),
            },
            jitter_ns: self.jitter_ns,
        };
        [Reduction::Minimum, Reduction::Mean].map(|reduction| ModelSet::new(reduction, prior, sample))
    }

    /// Host time of the newest sample.
    pub(super) fn updated_at(&self) -> Option<LocalTime> {
        self.model_sets.is_some().then_some(self.updated_at)
    }

    /// Lateness of a sample relative to the envelope of the samples so far, ns; negative if the
    /// sample is early. Zero before the first sample.
    #[must_use]
    pub(crate) fn lateness(&self, sample: &Sample) -> f64 {
        self.lateness_by(MINIMUM, sample)
    }

    /// Lateness of a sample relative to the mean of the samples so far, ns. Zero before the first
    /// sample.
    pub(super) fn lateness_beyond_average(&self, sample: &Sample) -> f64 {
        self.lateness_by(MEAN, sample)
    }

    fn lateness_by(&self, set: usize, sample: &Sample) -> f64 {
        let filter = self.model_sets.as_ref().map(|model_sets| model_sets[set].active());
        filter.map_or(0.0, |filter| filter.lateness(sample.at, sample.offset_ns, sample.direction))
    }

    #[expect(clippy::cast_precision_loss, reason = "only the first few hundred samples count")]
    fn learn_jitter(&mut self, lateness_ns: f64) {
        let gain = 1.0 / (self.samples as f64 + 1.0).min(JITTER_SAMPLES);
        let largest_ns = match self.config.delay {
            DelayModel::Estimated { .. } => LARGEST_LATENESS * self.jitter_ns,
            DelayModel::Absorbed => f64::INFINITY,
        };
        let late_ns = lateness_ns.abs().min(largest_ns);
        self.jitter_ns += gain * (late_ns - self.jitter_ns);
    }

    fn select(&mut self) {
        let Some(model_sets) = &self.model_sets else { return };
        let from = if self.is_one_way() { SELECT_AFTER_ONE_WAY } else { SELECT_AFTER };
        let (active, candidate) = (self.active, MINIMUM + MEAN - self.active);
        let grown_up = self.updated_at.since(self.started_at) >= from;
        if !grown_up || model_sets[candidate].variance() * SWITCH_FACTOR >= model_sets[active].variance() {
            return;
        }
        // If the delay is part of the offset, it may be either the minimum or the mean delay, but
        // the offset must not step between the two.
        if self.is_one_way() {
            let offset_ns = |set: usize| model_sets[set].active().offset_ns(self.updated_at);
            self.bias_ns += offset_ns(active) - offset_ns(candidate);
        }
        self.active = candidate;
        self.outdate();
    }

    /// Slowly reduces the bias to [`BIAS_JITTERS`], because the mean is little more than one jitter
    /// later than the minimum.
    fn bleed_off(&mut self, elapsed_s: f64) {
        let Some(model_sets) = &self.model_sets else { return };
        let offset_ns = |set: usize| model_sets[set].active().offset_ns(self.updated_at);
        let away_ns = offset_ns(self.active) + self.bias_ns - offset_ns(MINIMUM);
        let limit_ns = BIAS_JITTERS * self.jitter_ns;
        let excess_ns = away_ns - away_ns.clamp(-limit_ns, limit_ns);
        let urgency = 1.0 + excess_ns.abs() / BIAS_FAST_NS;
        self.bias_ns -= excess_ns * (urgency * elapsed_s / BIAS_DECAY_S).min(1.0);
        self.mapped.take();
    }

    /// The active model set, and the estimate of its active filter at the newest sample.
    fn active_estimate(&self) -> Option<(&ModelSet, &Estimate)> {
        let set = &self.model_sets.as_ref()?[self.active];
        Some((set, self.predicted.get_or_init(|| set.active().predicted(self.updated_at))))
    }

    /// The estimate; `None` before the first sample.
    #[must_use]
    pub fn map(&self) -> Option<ClockMap> {
        let (set, estimate) = self.active_estimate()?;
        Some(*self.mapped.get_or_init(|| self.map_of(set, estimate)))
    }

    fn map_of(&self, set: &ModelSet, estimate: &Estimate) -> ClockMap {
        let Estimate { at, x, p, .. } = *estimate;
        // Unequal mean lateness in the two directions shifts the offset of the mean filter. The
        // minimum of a block contains almost no lateness, so that filter needs no correction.
        let asymmetry_ns = if self.active == MEAN { self.excess.asymmetry_ns() } else { 0.0 };
        ClockMap {
            at,
            offset_ns: x[0] + self.bias_ns,
            rate_ppb: x[1],
            variance_offset: p[0][0] + set.unmodelled_variance(self.updated_at) + asymmetry_ns * asymmetry_ns,
            covariance: p[0][1],
            variance_rate: p[1][1],
            rate_wander: estimate.rate_wander(),
            phase_wander_ns: self.known_wander.rms_ns,
        }
    }

    /// Standard deviation at `now` of the varying part of the error, ns; infinite before the first
    /// sample. It excludes the constant error caused by unequal lateness in the two directions and,
    /// unless the delay is measured (`two_way`), the uncertainty of the delay.
    #[must_use]
    pub(crate) fn precision_ns(&self, now: LocalTime, two_way: bool) -> f64 {
        let Some((set, estimate)) = self.active_estimate() else { return f64::INFINITY };
        let variance = if two_way { estimate.offset_variance(now) } else { estimate.variance(now, Direction::Forward) };
        let variance = variance + set.lag_variance(now);
        if variance.is_nan() { f64::INFINITY } else { libm::sqrt(variance.max(0.0)) }
    }

    /// Standard deviation at `now` of the prediction for a packet in the given direction, excluding
    /// the noise of the packet itself, ns; infinite before the first sample.
    pub(super) fn prediction_ns(&self, now: LocalTime, direction: Direction) -> f64 {
        let Some((set, estimate)) = self.active_estimate() else { return f64::INFINITY };
        let variance = estimate.variance(now, direction) + set.lag_variance(now);
        if variance.is_nan() { f64::INFINITY } else { libm::sqrt(variance.max(0.0)) }
    }

    /// Estimated one-way path delay. It is meaningful only with [`DelayModel::Estimated`].
    #[must_use]
    pub fn mean_path_delay(&self) -> Nanos {
        let delay_ns = self.model_sets.as_ref().map_or(0.0, |model_sets| model_sets[self.active].active().state()[2]);
        Nanos::from_nanos_rounded(delay_ns)
    }

    /// Standard deviation of [`Estimator::mean_path_delay`].
    #[must_use]
    pub(crate) fn path_delay_sigma(&self) -> Nanos {
        let variance = self.active_estimate().map_or(0.0, |(_, estimate)| estimate.p[2][2]);
        Nanos::from_nanos_f64(libm::sqrt(variance.max(0.0)))
    }

    /// Jitter of the timestamps: running mean of the lateness relative to the envelope.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        Nanos::from_nanos_f64(self.jitter_ns)
    }

    /// Standard deviation of the noise of a single forward packet, ns. It includes [`WANDER_NOISE`]
    /// times the wander.
    #[must_use]
    pub(super) fn packet_noise_ns(&self) -> f64 {
        let variance = self
            .model_sets
            .as_ref()
            .map_or(0.0, |model_sets| model_sets[MEAN].active().noise().block_variance(Direction::Forward, 1));
        libm::hypot(libm::sqrt(variance), WANDER_NOISE * self.known_wander.rms_ns)
    }

    /// Moves the offset by `step_ns` after `count` packets have proven a step of the other clock.
    /// Rate and delay are kept.
    pub(crate) fn step_offset(&mut self, step_ns: f64, count: u32) {
        // The measured step contains the mean lateness of a few packets, which adds to the
        // uncertainty.
        self.each(|set| {
            set.change(|filter| {
                filter.step(step_ns, 2.0 * libm::sqrt(filter.noise().block_variance(Direction::Forward, count)));
            });
        });
    }

    /// Moves offset and rate after a proven change of the rate. The uncertainty of the rate becomes
    /// the uncertainty of the change; earlier knowledge of the rate is discarded.
    pub(super) fn change_rate(&mut self, change: &RateChange) {
        let rate_sigma_ppb = (RATE_CHANGE_SHARE * change.rate_ppb.abs() + change.error_ppb).min(MOST_RATE_SIGMA);
        self.steady = None;
        self.updated_at = self.updated_at.max(change.at);
        self.wander.interrupt(change.at);
        self.each(|set| {
            set.restart(|filter| {
                filter.change_rate(change.moved_ns, change.sigma_ns, change.rate_ppb, rate_sigma_ppb);
            });
        });
    }

    /// Prepares for packets that arrive over a new path, perhaps from another source with the same
    /// time. The delay may differ from the old one by about `delay_sigma`, and the time by about
    /// `offset_sigma`. The rate is kept. `two_way` states whether the reverse direction is
    /// measured.
    pub(crate) fn change_path(&mut self, delay_sigma: Nanos, offset_sigma: Nanos, two_way: bool) {
        let (delay_ns, offset_ns) = (delay_sigma.as_nanos_f64(), offset_sigma.as_nanos_f64());
        self.each(|set| set.change_delay(two_way, |filter| filter.change_path(delay_ns, offset_ns)));
    }

    /// Prepares for packets from another source. All that is known about the noise of these packets
    /// is the spread `apart` of the first packets' lateness.
    pub(super) fn reopen_noise(&mut self, apart: Nanos) {
        let apart_ns = apart.as_nanos_f64();
        self.each(|set| set.change(|filter| filter.reopen_noise(apart_ns)));
    }

    /// Assumes a delay of `mean` with standard deviation `sigma`, because the reverse direction is
    /// not measured. The offset inherits that uncertainty. As no measurement renews this knowledge,
    /// the standard deviation grows with time, up to `most`.
    pub(crate) fn assume_delay(&mut self, mean: Nanos, sigma: Nanos, most: Nanos) {
        let [mean_ns, sigma_ns, most_ns] = [mean, sigma, most].map(|nanos| nanos.as_nanos_f64());
        self.each(|set| set.change_delay(false, |filter| filter.assume_delay(mean_ns, sigma_ns, most_ns)));
    }

    /// Keeps the last known delay, because the reverse direction is no longer measured. Its
    /// standard deviation grows with time, up to `most`.
    pub(crate) fn hold_delay(&mut self, most: Nanos) {
        self.outdate();
        for set in self.model_sets.iter_mut().flatten() {
            set.bound_delay(most.as_nanos_f64());
        }
    }

    /// Empties the caches.
    fn outdate(&mut self) {
        self.predicted.take();
        self.mapped.take();
    }

    fn each(&mut self, change: impl Fn(&mut ModelSet)) {
        self.outdate();
        // These detectors hold packets that were compared with the previous estimate.
        self.late_envelope = LateEnvelopeDetector::default();
        self.excess.interrupt();
        self.unsteady.forget();
        self.gathered = None;
        let now = self.updated_at;
        for set in self.model_sets.iter_mut().flatten() {
            set.predict(now);
            change(set);
        }
    }
}

#[cfg(test)]
mod tests;
