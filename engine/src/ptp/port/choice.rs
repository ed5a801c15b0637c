//! Selects a master by more than its Announces: the master must send Syncs, and the clock must lock
//! to them.
//!
//! A master that sends Syncs is followed until a better master has sent Syncs, too. A master whose
//! Syncs stop is replaced by a master that sends Syncs, after 2 s at the usual Sync intervals and
//! after 8 s at the longest one. If the clock does not lock to a master's time within
//! [`RELOCK_TIMEOUT`], that master is passed over for [`PASSED_OVER`] in favour of another master
//! that sends Syncs, and may then be selected again.

use super::*;

/// How long a clock that was locked may take to lock to another master: twice the time that it
/// takes to follow a step, but at least `RELOCK_TIMEOUT_INTERVALS` Sync intervals.
const RELOCK_TIMEOUT: Nanos = Nanos::from_secs(4);
const RELOCK_TIMEOUT_INTERVALS: i64 = 16;
/// How long a clock that has never been locked may take to lock: a first lock takes this long on a
/// noisy network.
const FIRST_LOCK_TIMEOUT: Nanos = Nanos::from_secs(30);
/// How long a master is passed over.
const PASSED_OVER: Nanos = Nanos::from_secs(60);

impl<L: ClockServo> Port<L> {
    pub(super) fn best_master(&self, now: LocalTime) -> Option<Candidate> {
        self.masters.best(|of| evidence(&self.senders, self.negotiation.is_some(), now, of))
    }

    /// Passes over the selected master if the clock has not locked to it in time and another master
    /// sends Syncs.
    pub(super) fn judge_master(&mut self, now: LocalTime) {
        let Some(followed) = self.master().map(|master| master.sender) else { return };
        if self.servo.reading(now).state == LockState::Locked {
            self.slave.locked_at = Some(now);
            return;
        }
        let (senders, asks) = (&self.senders, self.negotiation.is_some());
        let other = self.masters.has_other(followed, |of| evidence(senders, asks, now, of));
        if other && self.lock_deadline().is_some_and(|end| end <= now) {
            self.masters.pass_over(followed, now + PASSED_OVER);
            self.events.push(PortEvent::PassedOver { master: followed, lasts: PASSED_OVER });
        }
    }

    fn lock_deadline(&self) -> Option<LocalTime> {
        self.master()?;
        let slave = &self.slave;
        let since = slave.locked_at.map_or(slave.since, |at| at.max(slave.since));
        let timeout = if slave.locked_at.is_some() { RELOCK_TIMEOUT } else { FIRST_LOCK_TIMEOUT };
        Some(since + timeout.max(slave.sync_interval.times(RELOCK_TIMEOUT_INTERVALS)))
    }

    /// When the choice of the master must be reconsidered.
    pub(super) fn next_judgement(&self, now: LocalTime) -> Option<LocalTime> {
        let master = self.master()?.sender;
        let silence = self.senders.next_silence(now, master);
        let end = self.lock_deadline().filter(|end| *end > now);
        silence.into_iter().chain(end).filter(|at| *at > now).min()
    }
}
