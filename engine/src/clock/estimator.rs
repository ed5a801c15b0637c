//! The one clock estimator: PTP exchanges, RTP arrivals and sound-card callbacks all go through it.
//!
//! Purpose: from noisy pairs (host time, other clock's time) to a [`ClockMap`].
//!
//! Model: packets are late, never early, but how late is sometimes exponential, sometimes normal, and changes while we listen. Samples are gathered in
//! [blocks](super::block) of up to 4 s, which are reduced in two ways, to the least late sample and to the average; a [Kalman filter](super::kalman) follows each.
//! The one whose blocks are steadier speaks, with hysteresis, because the two are apart by the mean of the jitter.
//!
//! Assumptions: timestamps within one estimator come in order of host time, or nearly so (a sample from the past is used as if from now).

use super::block::{Block, Reduction};
use super::kalman::{Kalman, Prior};
use super::map::ClockMap;
use crate::units::{LocalTime, Nanos, Ppb};

/// A challenger's noise variance must be smaller by this factor to take over.
const SWITCH_FACTOR: f64 = 4.0;
/// Age before the bank's noise figures are compared at all: earlier they hold the error of the starting point.
const ELECT_FROM: Nanos = Nanos::from_secs(60);
/// Samples over which the jitter forgets.
const JITTER_SAMPLES: f64 = 400.0;

/// How the rate between two PC crystals is assumed to wander, ppb^2 per second: 17 ppb per square root of a second. A crystal at rest does ten times better,
/// but one that warms up moves by 20 ppb every second, and the filters' memory (some 10 to 50 s at this value) must be short enough for that.
pub const WARMING_CRYSTAL: f64 = 300.0;

/// Which way a timestamped packet travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the other clock to the host: PTP Sync, RTP arrival, sound-card callback.
    Forward,
    /// From the host to the other clock: PTP Delay_Req.
    Reverse,
}

/// What is known of the path delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DelayModel {
    /// There is none, or it cannot be told from the offset and belongs to it (RTP arrivals, callbacks).
    Absorbed,
    /// Estimated from both directions; the standard deviation of what is known before the first sample.
    Estimated {
        /// Standard deviation of the delay around 0 before the first sample.
        sigma: Nanos,
    },
}

/// What an estimator assumes before it has seen a sample. All are starting points that the samples correct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimatorConfig {
    /// Standard deviation of the rate between the clocks: crystals are within +-100 ppm.
    pub rate_sigma: Ppb,
    /// How the rate wanders, as the growth of its variance in ppb^2 per second (1 = 1 ppb per square root of a second).
    pub rate_wander: f64,
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

/// Estimates a [`ClockMap`] from [`Sample`]s.
///
/// ```
/// use engine::clock::{DelayModel, Direction, Estimator, EstimatorConfig, Sample};
/// use engine::{LocalTime, Nanos, Ppb};
/// let mut estimator = Estimator::new(EstimatorConfig {
///     rate_sigma: Ppb::from_ppm(100.0), rate_wander: 1.0, jitter: Nanos::from_micros(10), delay: DelayModel::Absorbed });
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
    bank: Option<[Member; 2]>,
    /// Index of the member that speaks: [`LEAST`] or the other.
    speaker: usize,
    started_at: LocalTime,
    updated_at: LocalTime,
    samples: u64,
    jitter_ns: f64,
}

/// The bank's member that follows the least late samples. The first to speak: queueing noise is the rule.
const LEAST: usize = 0;
const REDUCTIONS: [Reduction; 2] = [Reduction::Least, Reduction::Mean];

/// A filter and the blocks that feed it: forward, reverse.
#[derive(Clone, Debug)]
struct Member {
    blocks: [Block; 2],
    filter: Kalman,
}

impl Estimator {
    /// An estimator that knows nothing but its configuration.
    #[must_use]
    pub fn new(config: EstimatorConfig) -> Self {
        Self {
            config,
            bank: None,
            speaker: LEAST,
            started_at: LocalTime::ZERO,
            updated_at: LocalTime::ZERO,
            samples: 0,
            jitter_ns: config.jitter.as_nanos().max(1) as f64,
        }
    }

    /// Takes one timestamp pair.
    pub fn update(&mut self, sample: Sample) {
        self.samples += 1;
        let elapsed_s = sample.at.since(self.updated_at).as_secs_f64();
        let age = sample.at.since(self.started_at);
        let Some(bank) = &mut self.bank else {
            self.bank = Some(self.begin(&sample));
            self.started_at = sample.at;
            self.updated_at = sample.at;
            return;
        };
        let index = usize::from(sample.direction == Direction::Reverse);
        for member in bank.iter_mut() {
            let lateness_ns = member.filter.lateness(elapsed_s, sample.offset_ns, sample.direction);
            member.filter.predict(elapsed_s);
            if let Some(reduced_ns) = member.blocks[index].add(&sample, lateness_ns, age) {
                member.filter.update(reduced_ns, sample.direction);
            }
        }
        self.updated_at = self.updated_at.max(sample.at);
        self.learn_jitter(&sample);
        self.elect(age);
    }

    fn begin(&self, sample: &Sample) -> [Member; 2] {
        let prior = Prior {
            rate_sigma_ppb: self.config.rate_sigma.as_ppb(),
            delay_sigma_ns: match self.config.delay {
                DelayModel::Absorbed => 0.0,
                DelayModel::Estimated { sigma } => sigma.as_nanos() as f64,
            },
            jitter_ns: self.jitter_ns,
            rate_wander: self.config.rate_wander,
        };
        REDUCTIONS.map(|reduction| Member {
            blocks: [Block::new(reduction); 2],
            filter: Kalman::new(prior, sample.offset_ns, sample.direction),
        })
    }

    /// Lateness of a sample against the envelope of the samples so far: positive is late. Zero before the first sample.
    #[must_use]
    pub fn lateness(&self, sample: &Sample) -> f64 {
        let elapsed_s = sample.at.since(self.updated_at).as_secs_f64();
        let least = self.bank.as_ref().map(|bank| &bank[LEAST].filter);
        least.map_or(0.0, |filter| filter.lateness(elapsed_s, sample.offset_ns, sample.direction))
    }

    fn learn_jitter(&mut self, sample: &Sample) {
        let gain = 1.0 / (self.samples as f64 + 1.0).min(JITTER_SAMPLES);
        self.jitter_ns += gain * (self.lateness(sample).abs() - self.jitter_ns);
    }

    fn elect(&mut self, age: Nanos) {
        let Some(bank) = &self.bank else { return };
        let noise = |member: &Member| member.filter.noise_variance(Direction::Forward);
        if age >= ELECT_FROM && noise(&bank[1 - self.speaker]) * SWITCH_FACTOR < noise(&bank[self.speaker]) {
            self.speaker = 1 - self.speaker;
        }
    }

    /// The estimate; `None` before the first sample.
    #[must_use]
    pub fn map(&self) -> Option<ClockMap> {
        let filter = &self.bank.as_ref()?[self.speaker].filter;
        let (x, p) = (filter.state(), filter.covariance());
        let lag_ns = filter.lag_ns();
        Some(ClockMap {
            at: self.updated_at,
            offset_ns: x[0],
            rate_ppb: x[1],
            variance_offset: p[0][0] + lag_ns * lag_ns,
            covariance: p[0][1],
            variance_rate: p[1][1],
            rate_wander: self.config.rate_wander,
        })
    }

    /// Estimated one-way path delay; meaningful with [`DelayModel::Estimated`] only.
    #[must_use]
    pub fn mean_path_delay(&self) -> Nanos {
        let delay_ns = self.bank.as_ref().map_or(0.0, |bank| bank[self.speaker].filter.state()[2]);
        Nanos::new(libm::round(delay_ns) as i64)
    }

    /// Running size of the timestamps' jitter: mean lateness against the envelope.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        Nanos::new(self.jitter_ns as i64)
    }

    /// Standard deviation of the envelope's blocks: how early a packet may be that queueing never makes early, ns.
    #[must_use]
    pub(super) fn envelope_noise_ns(&self) -> f64 {
        let variance = self.bank.as_ref().map_or(0.0, |bank| bank[LEAST].filter.noise_variance(Direction::Forward));
        libm::sqrt(variance)
    }

    /// After a proven step of the other clock: moves the offset by `step_ns`, knowing it then to `sigma_ns`; keeps rate and delay.
    pub fn step_offset(&mut self, step_ns: f64, sigma_ns: f64) {
        for (member, reduction) in self.bank.iter_mut().flatten().zip(REDUCTIONS) {
            member.filter.step(step_ns, sigma_ns);
            member.blocks = [Block::new(reduction); 2];
        }
    }
}
