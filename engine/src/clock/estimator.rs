//! The one clock estimator: PTP exchanges, RTP arrivals and sound-card callbacks all go through it.
//!
//! Purpose: from noisy pairs (host time, other clock's time) to a [`ClockMap`] whose uncertainty is
//! true.
//!
//! Model: packets are late, never early, but how late is sometimes exponential, sometimes normal,
//! and changes while we listen; and crystals wander, sometimes a little, sometimes a lot. Nobody
//! tells which. So samples are gathered in [blocks](super::block), which are reduced to the least
//! late sample and, apart from that, to the mean; each reduction feeds a [bank](super::bank) of
//! [Kalman filters](super::kalman) that assume different wander. Within a bank the filter speaks
//! that predicts best; of the two banks the one with the smaller uncertainty, with hysteresis,
//! because they are apart by the mean of the jitter.
//!
//! A filter takes its own large error for noise, and then corrects it slowly. So where there is one
//! way only, [proof](super::early) that the envelope is late begins the estimate anew, from the
//! rate as it was last well known.
//!
//! The uncertainty is that of the filter that speaks, plus its distance from an agile one, plus, of
//! an average, what it is wrong by where [packets are later](super::excess) in one direction. The
//! last is published only: it is constant, and neither the filters nor what judges packets may take
//! it for noise.
//!
//! Assumptions: timestamps within one estimator come in order of host time, or nearly so (a sample
//! from the past is used as if from now). Delays that differ between the two directions cannot be
//! told from an offset by anybody; half their difference is not in the uncertainty.

use super::bank::Bank;
use super::block::Reduction;
use super::early::EarlyDetector;
use super::excess::Excess;
use super::kalman::{Kalman, Prior};
use super::map::ClockMap;
use super::unsteady::{GATHERED, GATHERED_KEPT, RateChange, UnsteadyDetector};
use super::wander::{PhaseWander, WanderMeter};
use crate::units::{LocalTime, Nanos, Ppb};

/// A challenger's variance must be smaller by this factor to take over.
const SWITCH_FACTOR: f64 = 2.0;
/// Age before the banks' variances are compared at all: earlier they hold the error of the starting
/// point, most of which is the delay.
const ELECT_FROM: Nanos = Nanos::from_secs(30);
const ELECT_FROM_ONE_WAY: Nanos = Nanos::from_secs(1);
/// What is carried from one bank to the other is at most this many jitters, or becomes that in this
/// time, s; the sooner, the more times the second figure it is too much, ns.
const CARRIED_JITTERS: f64 = 1.5;
const PUT_DOWN_S: f64 = 30.0;
const PUT_DOWN_SOON_NS: f64 = 1e6;
/// Samples over which the jitter forgets.
const JITTER_SAMPLES: f64 = 400.0;
/// Lateness of a master's messages, which anybody can send, that is this many times the jitter is
/// learnt from as if it were no more: of exponential jitter one sample in ten million is later. So
/// no single one makes the jitter larger by more than 4 %, whatever it is late by, and a network
/// that has become worse is known after some hundred.
const LARGEST_LATENESS: f64 = 16.0;
/// What a rate may have moved by since it was measured, ppb per second: a crystal that warms up.
/// And what it errs by at least, when it is needed again.
const AGEING_PPB_PER_S: f64 = 20.0;
const DISTURBED_RATE: Ppb = Ppb::from_ppm(1.0);
/// A rate is well known that is this much more exact than what was known before the first sample.
const KNOWN_SHARE: f64 = 0.2;
/// What a proven change of rate is uncertain by, as a share of it, beside its standard error: the
/// line that proves it may begin before the change.
const RATE_CHANGE_SHARE: f64 = 0.5;
/// How many times its standard deviation a wander counts beside the noise of packets.
const WANDER_NOISE: f64 = 2.0;
/// Standard deviations of a packet, or of the estimate, that are noise.
const NOISES: f64 = 3.0;
/// Index of the bank that follows the least late samples. The first to speak: queueing noise is the
/// rule.
const LEAST: usize = 0;
/// Index of the bank that follows the average.
const MEAN: usize = 1;

/// Which way a timestamped packet travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the other clock to the host: PTP Sync, RTP arrival, sound-card callback.
    Forward,
    /// From the host to the other clock: PTP Delay_Req.
    Reverse,
}

impl Direction {
    /// Sign of the path delay, and of lateness, in the offset that a packet of this direction
    /// measures.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Forward => -1.0,
            Self::Reverse => 1.0,
        }
    }

    /// Place in a table of both directions.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Forward => 0,
            Self::Reverse => 1,
        }
    }
}

/// What is known of the path delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DelayModel {
    /// There is none, or it cannot be told from the offset and belongs to it (RTP arrivals,
    /// callbacks).
    Absorbed,
    /// Estimated from both directions; the standard deviation of what is known before the first
    /// sample.
    Estimated {
        /// Standard deviation of the delay around 0 before the first sample.
        sigma: Nanos,
    },
}

/// What an estimator assumes before it has seen a sample. All are starting points that the samples
/// correct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimatorConfig {
    /// Rate of the other clock against the host's, as far as it is known.
    pub rate: Ppb,
    /// Its standard deviation: crystals of which nothing is known are within +-100 ppm of each
    /// other.
    pub rate_sigma: Ppb,
    /// First guess of the timestamps' jitter.
    pub jitter: Nanos,
    /// The path delay.
    pub delay: DelayModel,
}

/// One timestamp pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The host's timestamp.
    pub at: LocalTime,
    /// The other clock's timestamp minus the host's, both counted from the caller's origins, ns.
    pub offset_ns: f64,
    /// Which way the packet travelled.
    pub direction: Direction,
}

/// A rate that was well known.
#[derive(Clone, Copy, Debug)]
struct SteadyRate {
    at: LocalTime,
    rate_ppb: f64,
    sigma_ppb: f64,
}

impl SteadyRate {
    /// What it errs by at `now`.
    fn sigma_ppb(&self, now: LocalTime) -> f64 {
        self.sigma_ppb + AGEING_PPB_PER_S * now.since(self.at).as_secs_f64()
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
    /// [`LEAST`] and [`MEAN`].
    banks: Option<[Bank; 2]>,
    /// Index of the bank that speaks.
    speaker: usize,
    started_at: LocalTime,
    updated_at: LocalTime,
    samples: u64,
    jitter_ns: f64,
    early: EarlyDetector,
    /// Where there are two: how late packets are on average.
    excess: Excess,
    /// Where there is one way only: the least late packets, and the one of those that are still
    /// coming.
    unsteady: UnsteadyDetector<GATHERED_KEPT>,
    gathered: Option<(LocalTime, Sample, f64)>,
    /// The best that was known of the rate, as seen from now.
    steady: Option<SteadyRate>,
    /// What is added to the offsets of the bank that speaks, so that they go on where another one's
    /// ended.
    carried_ns: f64,
    /// Whether the other clock is a crystal that nobody steers; else how far it wanders, and what
    /// of that the banks were told.
    is_crystal: bool,
    wander: WanderMeter,
    told: PhaseWander,
    most_wander_ns: f64,
}

impl Estimator {
    /// An estimator that knows nothing but its configuration.
    #[must_use]
    pub fn new(config: EstimatorConfig) -> Self {
        Self {
            config,
            banks: None,
            speaker: LEAST,
            started_at: LocalTime::ZERO,
            updated_at: LocalTime::ZERO,
            samples: 0,
            jitter_ns: config.jitter.as_nanos().max(1) as f64,
            early: EarlyDetector::default(),
            excess: Excess::default(),
            unsteady: UnsteadyDetector::default(),
            gathered: None,
            steady: None,
            carried_ns: 0.0,
            is_crystal: false,
            wander: WanderMeter::default(),
            told: PhaseWander::default(),
            most_wander_ns: 0.0,
        }
    }

    /// An estimator of a crystal that nobody steers: what seems to wander is lateness.
    pub(crate) fn of_crystal(config: EstimatorConfig) -> Self {
        Self { is_crystal: true, ..Self::new(config) }
    }

    /// Takes one timestamp pair.
    pub fn update(&mut self, sample: Sample) {
        self.samples += 1;
        let Some(banks) = &mut self.banks else {
            self.banks = Some(self.begin(&sample));
            self.started_at = sample.at;
            self.updated_at = sample.at;
            return;
        };
        let elapsed_s = sample.at.since(self.updated_at).as_secs_f64().max(0.0);
        self.updated_at = self.updated_at.max(sample.at);
        for bank in banks {
            bank.take(&sample, self.updated_at);
        }
        self.measure_wander(&sample);
        let lateness_ns = self.lateness(&sample);
        self.learn_jitter(lateness_ns);
        // Of a path whose delay is measured, an early packet may tell of a shorter route; and
        // nothing is carried.
        if self.is_one_way() {
            self.catch_up(&sample, lateness_ns);
            self.watch(&sample);
        } else {
            let late_ns = self.lateness_beyond_average(&sample);
            self.excess.take(sample.direction, late_ns, self.packet_noise_ns());
        }
        self.elect();
        if self.is_one_way() {
            self.put_down(elapsed_s);
        }
        self.remember_rate();
    }

    /// Looks how far the other clock wanders, and lets the filters know of it.
    fn measure_wander(&mut self, sample: &Sample) {
        if self.is_crystal || sample.direction == Direction::Reverse {
            return;
        }
        let Some(banks) = &mut self.banks else { return };
        let rate_ppb = banks[LEAST].speaker().state()[1];
        let Some(wander) = self.wander.take(sample, rate_ppb) else { return };
        self.most_wander_ns = wander.most_ns;
        if wander.differs_from(&self.told) {
            if wander.exceeds(&self.told) {
                // It was measured while the filters followed the wander.
                self.steady = None;
            }
            self.told = wander;
            banks.iter_mut().for_each(|bank| bank.set_phase_wander(wander));
        }
    }

    /// How far the other clock wanders around what the estimate takes it to do: standard deviation,
    /// ns.
    #[must_use]
    pub fn wander_ns(&self) -> f64 {
        self.told.rms_ns
    }

    /// What [`Estimator::wander_ns`] may be at most, by what was measured.
    pub(super) fn most_wander_ns(&self) -> f64 {
        self.most_wander_ns
    }

    fn is_one_way(&self) -> bool {
        self.config.delay == DelayModel::Absorbed
    }

    fn remember_rate(&mut self) {
        let Some(banks) = &self.banks else { return };
        let filter = banks[self.speaker].speaker();
        let (at, rate_ppb, sigma_ppb) = (filter.at(), filter.state()[1], libm::sqrt(filter.covariance()[1][1]));
        let known = sigma_ppb < KNOWN_SHARE * self.config.rate_sigma.as_ppb();
        if known && self.steady.is_none_or(|steady| sigma_ppb <= steady.sigma_ppb(at)) {
            self.steady = Some(SteadyRate { at, rate_ppb, sigma_ppb });
        }
    }

    /// Looks whether the rate has changed at once: of a clock that is seen one way only,
    /// [`Estimator::update`] does. For those samples that are kept from it.
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

    /// Moves an envelope that is proven to be late.
    fn catch_up(&mut self, sample: &Sample, lateness_ns: f64) {
        let wander_ns = NOISES * self.told.rms_ns;
        if let Some(earliest) = self.early.judge(sample, lateness_ns + wander_ns) {
            self.begin_anew();
            self.update(earliest);
        }
    }

    /// Forgets all but the rate, and that it forgets to what it was before the troubles: their
    /// noise is the error of the envelope, and so is what they made of the rate. The next sample is
    /// where the offset begins.
    pub fn begin_anew(&mut self) {
        let wander = std::mem::take(&mut self.wander);
        *self = Self { steady: self.steady, is_crystal: self.is_crystal, wander, ..Self::new(self.config) };
    }

    /// Forgets all but how far the other clock wanders, which is so whatever its time is taken to
    /// be. What made it forget, at `now`, may have been a step.
    pub(super) fn forget(&mut self, now: LocalTime) {
        let mut wander = std::mem::take(&mut self.wander);
        wander.interrupt(now);
        *self = Self { is_crystal: self.is_crystal, wander, ..Self::new(self.config) };
    }

    /// Offsets are counted from another origin from now on, or are another clock's, and less by so
    /// much: that is no wander.
    pub(super) fn rebase_wander(&mut self, less_ns: f64) {
        self.wander.rebase(less_ns);
    }

    fn begin(&self, sample: &Sample) -> [Bank; 2] {
        let told = (self.config.rate.as_ppb(), self.config.rate_sigma.as_ppb());
        let measured = |steady: SteadyRate| (steady.rate_ppb, steady.sigma_ppb(sample.at).max(DISTURBED_RATE.as_ppb()));
        let (rate_ppb, rate_sigma_ppb) = self.steady.map_or(told, measured);
        let prior = Prior {
            rate_ppb,
            rate_sigma_ppb,
            delay_sigma_ns: match self.config.delay {
                DelayModel::Absorbed => 0.0,
                DelayModel::Estimated { sigma } => sigma.as_nanos() as f64,
            },
            jitter_ns: self.jitter_ns,
        };
        [Reduction::Least, Reduction::Mean].map(|reduction| Bank::new(reduction, prior, sample))
    }

    /// When the newest sample was taken.
    pub(super) fn updated_at(&self) -> Option<LocalTime> {
        self.banks.is_some().then_some(self.updated_at)
    }

    /// Lateness of a sample against the envelope of the samples so far: positive is late. Zero
    /// before the first sample.
    #[must_use]
    pub fn lateness(&self, sample: &Sample) -> f64 {
        self.lateness_by(LEAST, sample)
    }

    /// Lateness of a sample against the average of the samples so far. Zero before the first
    /// sample.
    pub(super) fn lateness_beyond_average(&self, sample: &Sample) -> f64 {
        self.lateness_by(MEAN, sample)
    }

    fn lateness_by(&self, bank: usize, sample: &Sample) -> f64 {
        let filter = self.banks.as_ref().map(|banks| banks[bank].speaker());
        filter.map_or(0.0, |filter| filter.lateness(sample.at, sample.offset_ns, sample.direction))
    }

    fn learn_jitter(&mut self, lateness_ns: f64) {
        let gain = 1.0 / (self.samples as f64 + 1.0).min(JITTER_SAMPLES);
        let largest_ns = match self.config.delay {
            DelayModel::Estimated { .. } => LARGEST_LATENESS * self.jitter_ns,
            DelayModel::Absorbed => f64::INFINITY,
        };
        let late_ns = lateness_ns.abs().min(largest_ns);
        self.jitter_ns += gain * (late_ns - self.jitter_ns);
    }

    fn elect(&mut self) {
        let Some(banks) = &self.banks else { return };
        let from = if self.is_one_way() { ELECT_FROM_ONE_WAY } else { ELECT_FROM };
        let (speaker, challenger) = (self.speaker, LEAST + MEAN - self.speaker);
        let grown_up = self.updated_at.since(self.started_at) >= from;
        if !grown_up || banks[challenger].variance() * SWITCH_FACTOR >= banks[speaker].variance() {
            return;
        }
        // Of a delay that belongs to the offset, nobody can say whether its least or its mean is
        // meant; but it must not jump.
        if self.is_one_way() {
            let offset_ns = |bank: usize| banks[bank].speaker().offset_ns(self.updated_at);
            self.carried_ns += offset_ns(speaker) - offset_ns(challenger);
        }
        self.speaker = challenger;
    }

    /// Gives up, slowly, what was carried over from a bank that was lost at that time: no average
    /// is late by much more than a jitter.
    fn put_down(&mut self, elapsed_s: f64) {
        let Some(banks) = &self.banks else { return };
        let offset_ns = |bank: usize| banks[bank].speaker().offset_ns(self.updated_at);
        let away_ns = offset_ns(self.speaker) + self.carried_ns - offset_ns(LEAST);
        let limit_ns = CARRIED_JITTERS * self.jitter_ns;
        let excess_ns = away_ns - away_ns.clamp(-limit_ns, limit_ns);
        let urgency = 1.0 + excess_ns.abs() / PUT_DOWN_SOON_NS;
        self.carried_ns -= excess_ns * (urgency * elapsed_s / PUT_DOWN_S).min(1.0);
    }

    /// The bank that speaks, and what its filter says as of the newest sample.
    fn spoken(&self) -> Option<(&Bank, Kalman)> {
        let bank = &self.banks.as_ref()?[self.speaker];
        let mut filter = bank.speaker().clone();
        filter.predict(self.updated_at);
        Some((bank, filter))
    }

    /// The estimate; `None` before the first sample.
    #[must_use]
    pub fn map(&self) -> Option<ClockMap> {
        let (bank, filter) = self.spoken()?;
        let (x, p) = (filter.state(), filter.covariance());
        // Least values are late by little, in either direction.
        let asymmetry_ns = if self.speaker == MEAN { self.excess.asymmetry_ns() } else { 0.0 };
        Some(ClockMap {
            at: filter.at(),
            offset_ns: x[0] + self.carried_ns,
            rate_ppb: x[1],
            variance_offset: p[0][0] + bank.hidden_variance(self.updated_at) + asymmetry_ns * asymmetry_ns,
            covariance: p[0][1],
            variance_rate: p[1][1],
            rate_wander: filter.rate_wander(),
            phase_wander_ns: self.told.rms_ns,
        })
    }

    /// Standard deviation at `now` of that part of the error that changes, ns: without what a
    /// constant difference between the two directions may hide and, if the delay is not measured,
    /// without the delay's. Infinite before the first sample.
    #[must_use]
    pub fn precision_ns(&self, now: LocalTime, two_way: bool) -> f64 {
        let Some((bank, filter)) = self.spoken() else { return f64::INFINITY };
        let variance = if two_way { filter.offset_variance(now) } else { filter.variance(now, Direction::Forward) };
        let variance = variance + bank.lag_variance(now);
        if variance.is_nan() { f64::INFINITY } else { libm::sqrt(variance.max(0.0)) }
    }

    /// Estimated one-way path delay; meaningful with [`DelayModel::Estimated`] only.
    #[must_use]
    pub fn mean_path_delay(&self) -> Nanos {
        let delay_ns = self.banks.as_ref().map_or(0.0, |banks| banks[self.speaker].speaker().state()[2]);
        Nanos::new(libm::round(delay_ns) as i64)
    }

    /// Standard deviation of [`Estimator::mean_path_delay`].
    #[must_use]
    pub fn path_delay_sigma(&self) -> Nanos {
        let variance = self.spoken().map_or(0.0, |(_, filter)| filter.covariance()[2][2]);
        Nanos::new(libm::sqrt(variance.max(0.0)) as i64)
    }

    /// Running size of the timestamps' jitter: mean lateness against the envelope.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        Nanos::new(self.jitter_ns as i64)
    }

    /// Standard deviation of a single forward packet, ns. A wander counts twice: packets that
    /// follow each other are off by it together, and its size is known to a half only.
    #[must_use]
    pub(super) fn packet_noise_ns(&self) -> f64 {
        let variance = self
            .banks
            .as_ref()
            .map_or(0.0, |banks| banks[MEAN].speaker().noise().block_variance(Direction::Forward, 1));
        libm::hypot(libm::sqrt(variance), WANDER_NOISE * self.told.rms_ns)
    }

    /// After a step of the other clock that `count` packets prove: moves the offset by `step_ns`;
    /// keeps rate and delay.
    pub fn step_offset(&mut self, step_ns: f64, count: u32) {
        // A few packets are late by their mean lateness, too.
        self.each(|bank| {
            bank.change(|filter| {
                filter.step(step_ns, 2.0 * libm::sqrt(filter.noise().block_variance(Direction::Forward, count)));
            });
        });
    }

    /// After a proven change of the other clock's rate against the host's: moves offset and rate,
    /// which are then as well known as the change. What was known of the rate before is void.
    pub(super) fn change_rate(&mut self, change: &RateChange) {
        let rate_sigma_ppb = RATE_CHANGE_SHARE * change.rate_ppb.abs() + change.error_ppb;
        self.steady = None;
        self.updated_at = self.updated_at.max(change.at);
        self.wander.interrupt(change.at);
        self.each(|bank| {
            bank.restart(|filter| {
                filter.change_rate(change.moved_ns, change.sigma_ns, change.rate_ppb, rate_sigma_ppb);
            });
        });
    }

    /// The packets now come by another path, perhaps from another source of the same time: their
    /// delay differs from the old one by something like `delay_sigma`, the time by something like
    /// `offset_sigma`. The rate is kept. `two_way`: whether anything is measured in the reverse
    /// direction.
    pub fn change_path(&mut self, delay_sigma: Nanos, offset_sigma: Nanos, two_way: bool) {
        let (delay_ns, offset_ns) = (delay_sigma.as_nanos() as f64, offset_sigma.as_nanos() as f64);
        self.each(|bank| bank.change_delay(two_way, |filter| filter.change_path(delay_ns, offset_ns)));
    }

    /// The packets now come from somebody else, by a path of its own: some of them were apart by
    /// `apart` in lateness, and that is what is known of their noise.
    pub(super) fn reopen_noise(&mut self, apart: Nanos) {
        let apart_ns = apart.as_nanos() as f64;
        self.each(|bank| bank.change(|filter| filter.reopen_noise(apart_ns)));
    }

    /// Nothing is measured in the reverse direction: the delay is taken to be `mean`, give or take
    /// `sigma`, and the offset is as uncertain as that. As nothing renews what is known, the
    /// uncertainty grows, up to `most`.
    pub fn assume_delay(&mut self, mean: Nanos, sigma: Nanos, most: Nanos) {
        let [mean_ns, sigma_ns, most_ns] = [mean, sigma, most].map(|nanos| nanos.as_nanos() as f64);
        self.each(|bank| bank.change_delay(false, |filter| filter.assume_delay(mean_ns, sigma_ns, most_ns)));
    }

    /// Nothing is measured in the reverse direction any more: the delay stands, and the standard
    /// deviation of what is known of it grows no further than to `most`.
    pub fn hold_delay(&mut self, most: Nanos) {
        for bank in self.banks.iter_mut().flatten() {
            bank.bound_delay(most.as_nanos() as f64);
        }
    }

    fn each(&mut self, change: impl Fn(&mut Bank)) {
        // What was early is not of the course that follows.
        self.early = EarlyDetector::default();
        self.excess.interrupt();
        self.unsteady.forget();
        self.gathered = None;
        let now = self.updated_at;
        for bank in self.banks.iter_mut().flatten() {
            bank.predict(now);
            change(bank);
        }
    }
}

#[cfg(test)]
mod tests;
