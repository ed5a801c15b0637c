//! Keeps the times of former masters, in case one of them returns.
//!
//! Model: when the clock changes to another master, the estimate of the previous master is kept. If
//! the time of the next master differs from the held time but agrees with the extrapolated time of
//! a former master, that master has returned. Then the clock continues with the kept estimate, and
//! can lock without measuring the path again. The change is still reported as a step of the time.
//! An estimate is kept only while it is precise enough to distinguish one time from another.

use super::*;

/// Number of former masters that are kept. Judgement: a network has a master and a backup.
const REMEMBERED: usize = 2;

/// The estimate of one master.
#[derive(Clone, Debug)]
pub(super) struct Former {
    estimator: Estimator,
    path_delay: PathDelay,
    delay_known: DelayKnowledge,
    answered: bool,
    presumed: Option<PresumedDelay>,
}

/// Former masters, the most recent one first. Their samples are relative to the clock's current
/// origin.
#[derive(Clone, Debug, Default)]
pub(super) struct FormerTimes(Vec<Former>);

impl SlaveClock {
    /// Keeps the estimate of the master that is no longer followed, if its time is usable.
    pub(super) fn remember_former(&mut self) {
        if !self.lock.state().is_usable() || self.new_master.is_some() {
            return;
        }
        self.former.0.truncate(REMEMBERED - 1);
        let former = Former {
            estimator: self.estimator.clone(),
            path_delay: self.path_delay,
            delay_known: self.delay_known,
            answered: self.answered,
            presumed: self.presumed,
        };
        self.former.0.insert(0, former);
    }

    /// Removes and returns the former master whose time agrees with the packets from a new master.
    pub(super) fn matching_former(&mut self, packets: &NewMaster) -> Option<Former> {
        let now = packets.samples().map(|sample| sample.at).max()?;
        let mut former = std::mem::take(&mut self.former.0);
        former.retain(|former| !self.is_adrift(&former.estimator, now));
        let tells = |former: &Former| {
            let late_ns = packets.samples().map(|sample| former.estimator.lateness(&sample));
            let least_ns = late_ns.reduce(f64::min).unwrap_or(f64::INFINITY);
            least_ns.abs() < self.noise_limit_of_ns(&former.estimator, now, Direction::Forward)
        };
        let found = former.iter().position(tells);
        let found = found.map(|index| former.remove(index));
        self.former.0 = former;
        found
    }

    /// Continues with the estimate of a former master.
    pub(super) fn resume(&mut self, former: Former, packets: &NewMaster) {
        self.estimator = former.estimator;
        (self.path_delay, self.delay_known) = (former.path_delay, former.delay_known);
        (self.answered, self.unanswered, self.presumed) = (former.answered, 0, former.presumed);
        let mut samples: Vec<Sample> = packets.samples().collect();
        samples.sort_by_key(|sample| sample.at);
        samples.into_iter().for_each(|sample| self.estimator.update(sample));
    }
}
