//! The times of former masters, for when one of them returns.
//!
//! Model: when another master is followed, what was known of the last one's time, rate and path is
//! kept. If the time of the next master differs from the one that is held then, and is the one that
//! a former master's would be by now, it is that master's again: the clock goes on by what was
//! known of it, and needs no second look at the path before it is locked. It is a step of the time
//! all the same. Nothing is kept for longer than it is precise enough to tell one time from
//! another.

use super::*;

/// Former masters that are remembered: a network has a master and a spare one.
const REMEMBERED: usize = 2;

/// What was known of a master.
#[derive(Clone, Debug)]
pub(super) struct Former {
    estimator: Estimator,
    path_delay: PathDelay,
    delay_known: DelayKnowledge,
    answered: bool,
    presumed: Option<PresumedDelay>,
}

/// Former masters, the last one first. Their samples are counted from the clock's present origin.
#[derive(Clone, Debug, Default)]
pub(super) struct FormerTimes(Vec<Former>);

impl SlaveClock {
    /// Keeps what is known of the master that is followed no more, if its time is held.
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

    /// Takes out the former master whose time the packets of a new one tell.
    pub(super) fn former_that_told(&mut self, packets: &NewMaster) -> Option<Former> {
        let now = packets.samples().map(|sample| sample.at).max()?;
        let mut former = std::mem::take(&mut self.former.0);
        former.retain(|former| !self.is_adrift(&former.estimator, now));
        let tells = |former: &Former| {
            let late_ns = packets.samples().map(|sample| former.estimator.lateness(&sample));
            let least_ns = late_ns.reduce(f64::min).unwrap_or(f64::INFINITY);
            least_ns.abs() < self.noise_limit_of_ns(&former.estimator, now)
        };
        let found = former.iter().position(tells);
        let found = found.map(|index| former.remove(index));
        self.former.0 = former;
        found
    }

    /// Goes on by what is known of a former master.
    pub(super) fn resume(&mut self, former: Former, packets: &NewMaster) {
        self.estimator = former.estimator;
        (self.path_delay, self.delay_known) = (former.path_delay, former.delay_known);
        (self.answered, self.unanswered, self.presumed) = (former.answered, 0, former.presumed);
        let mut samples: Vec<Sample> = packets.samples().collect();
        samples.sort_by_key(|sample| sample.at);
        samples.into_iter().for_each(|sample| self.estimator.update(sample));
    }
}
