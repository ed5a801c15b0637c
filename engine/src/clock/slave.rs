//! The engine's clock law: estimator, lock machine and proof of steps.
//!
//! Model: one [`Estimator`] with the path delay as a state, fed by Syncs and Delay_Reqs independently. The state machine judges its
//! uncertainty. In holdover nothing is done at all: the map simply goes on at the last *estimated* rate (never the last noisy
//! command), and its uncertainty grows by itself.
//!
//! A step of the master makes the packets of one direction arrive impossibly early. Several such packets in a row that
//! agree with each other prove it; then the offset starts anew, and the rate, which is the crystals' and not the
//! master's, is kept. Late packets prove nothing.

use super::estimator::{DelayModel, Direction, Estimator, EstimatorConfig, Sample, WARMING_CRYSTAL};
use super::law::{ClockLaw, ClockReading, PathDelay, TimestampPair};
use super::lock::{LockInputs, LockMachine, LockTransition};
use super::map::PtpMap;
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};

/// Consecutive early packets of one direction that prove a step.
const STEP_PROOF: usize = 4;
/// How early, in multiples of the envelope's noise and of the estimate's own uncertainty.
const STEP_NOISES: f64 = 10.0;
const STEP_SIGMAS: f64 = 6.0;
/// Steps below this are followed by the filter itself.
const STEP_FLOOR_NS: f64 = 20_000.0;

/// What a [`SlaveClock`] assumes before it has heard a master.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlaveClockConfig {
    /// Starting point of the estimator.
    pub estimator: EstimatorConfig,
    /// Sync interval until the wire tells it.
    pub sync_interval: Nanos,
}

impl Default for SlaveClockConfig {
    fn default() -> Self {
        Self {
            estimator: EstimatorConfig {
                // PC crystals: +-50 ppm typical, +-100 ppm worst.
                rate_sigma: Ppb::from_ppm(100.0),
                rate_wander: WARMING_CRYSTAL,
                jitter: Nanos::from_micros(100),
                delay: DelayModel::Estimated { sigma: Nanos::from_millis(5) },
            },
            // logSyncInterval -3, the default of AES67's media profile (AES67-2018, A.4).
            sync_interval: Nanos::from_log2_secs(-3),
        }
    }
}

/// Consecutive impossible packets of one direction.
#[derive(Clone, Debug, Default)]
struct StepEvidence {
    early_by_ns: [f64; STEP_PROOF],
    count: usize,
}

impl StepEvidence {
    /// The size of the step once it is proven, ns.
    fn add(&mut self, early_by_ns: f64, limit_ns: f64) -> Option<f64> {
        if early_by_ns < limit_ns {
            self.count = 0;
            return None;
        }
        self.early_by_ns[self.count] = early_by_ns;
        self.count += 1;
        if self.count < STEP_PROOF {
            return None;
        }
        self.count = 0;
        let least = self.early_by_ns.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.early_by_ns.iter().copied().fold(0.0, f64::max);
        // Packets that disagree by as much as they are early are a storm, not a step.
        (most - least < 0.5 * most).then_some(most)
    }
}

/// PTP time as a slave sees it.
#[derive(Clone, Debug)]
pub struct SlaveClock {
    estimator: Estimator,
    lock: LockMachine,
    origin: Option<(LocalTime, PtpTime)>,
    sync_interval: Nanos,
    evidence: [StepEvidence; 2],
    epoch: u32,
}

impl SlaveClock {
    /// A clock that has heard nothing yet.
    #[must_use]
    pub fn new(config: SlaveClockConfig) -> Self {
        Self {
            estimator: Estimator::new(config.estimator),
            lock: LockMachine::new(),
            origin: None,
            sync_interval: config.sync_interval,
            evidence: Default::default(),
            epoch: 0,
        }
    }

    /// Estimated one-way delay to the master.
    #[must_use]
    pub fn mean_path_delay(&self) -> Nanos {
        self.estimator.mean_path_delay()
    }

    /// Running size of the timestamps' jitter.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        self.estimator.jitter()
    }

    fn sample(&mut self, pair: &TimestampPair) -> Sample {
        let (local, remote) = *self.origin.get_or_insert((pair.local, pair.remote));
        let offset = (pair.remote - remote) - (pair.local - local);
        Sample { at: pair.local, offset_ns: offset.as_nanos() as f64, direction: pair.direction }
    }

    /// The signed step of the offset, once this sample proves one.
    fn proven_step(&mut self, sample: &Sample) -> Option<f64> {
        let sigma_ns = self.estimator.map()?.sigma_ns(sample.at);
        let limit = (STEP_NOISES * self.estimator.envelope_noise_ns()).max(STEP_SIGMAS * sigma_ns).max(STEP_FLOOR_NS);
        let early_by = -self.estimator.lateness(sample);
        let (evidence, sign) = match sample.direction {
            Direction::Forward => (&mut self.evidence[0], 1.0),
            Direction::Reverse => (&mut self.evidence[1], -1.0),
        };
        evidence.add(early_by, limit).map(|step| sign * step)
    }
}

impl ClockLaw for SlaveClock {
    fn observe(&mut self, pair: &TimestampPair) {
        let sample = self.sample(pair);
        if let Some(step_ns) = self.proven_step(&sample) {
            let jitter_ns = self.estimator.jitter().as_nanos() as f64;
            self.estimator.step_offset(step_ns, jitter_ns);
            self.lock.on_step(pair.local, Nanos::new(step_ns as i64));
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.estimator.update(sample);
        match pair.direction {
            Direction::Forward => self.lock.on_forward(pair.local),
            Direction::Reverse => self.lock.on_reverse(),
        }
        self.advance(pair.local);
    }

    fn set_sync_interval(&mut self, interval: Nanos) {
        self.sync_interval = interval;
    }

    fn advance(&mut self, now: LocalTime) {
        let Some(map) = self.estimator.map() else { return };
        let inputs = LockInputs {
            now,
            sigma_ns: map.sigma_ns(now.max(map.estimated_at())),
            jitter: self.estimator.jitter(),
            sync_interval: self.sync_interval,
        };
        self.lock.advance(&inputs);
    }

    fn reading(&self, _now: LocalTime) -> ClockReading {
        let map = self.origin.zip(self.estimator.map()).map(|((local, remote), map)| PtpMap::new(local, remote, map));
        ClockReading { state: self.lock.state(), map, epoch: self.epoch, path_delay: PathDelay::Measured }
    }

    fn poll_transition(&mut self) -> Option<LockTransition> {
        self.lock.poll_transition()
    }
}

#[cfg(test)]
mod tests;
