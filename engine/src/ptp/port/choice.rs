//! Which master is chosen, besides what Announces say: one that sends its time, and whose time is
//! one.
//!
//! A master is not followed before it has sent some Syncs, as long as another one does send: until
//! then that is followed. One whose Syncs end loses to one that sends, after 2 s at the usual
//! intervals and 8 s at the longest. One whose time the clock does not lock to in [`PATIENCE`] is
//! passed over for [`PASSED_OVER`], in favour of another one that sends, and then gets another
//! chance.

use super::*;

/// How long a clock that was locked waits to be locked to another master: twice what it takes to
/// follow a step. And how many Sync intervals, where these are long.
const PATIENCE: Nanos = Nanos::from_secs(4);
const PATIENCE_INTERVALS: i64 = 16;
/// How long one waits that was never locked: a first lock may take this long on a noisy network.
const FIRST_PATIENCE: Nanos = Nanos::from_secs(30);
/// How long a master is passed over.
const PASSED_OVER: Nanos = Nanos::from_secs(60);

impl<L: ClockLaw> Port<L> {
    pub(super) fn best_master(&self, now: LocalTime) -> Option<Candidate> {
        self.masters.best(|of| evidence(&self.senders, self.negotiation.is_some(), now, of))
    }

    /// Passes over the master that is followed, if the clock is not locked to it for too long.
    pub(super) fn judge_master(&mut self, now: LocalTime) {
        let Some(followed) = self.master().map(|master| master.sender) else { return };
        if self.law.reading(now).state == LockState::Locked {
            self.pursuit.locked_at = Some(now);
            return;
        }
        let (senders, asks) = (&self.senders, self.negotiation.is_some());
        let other = self.masters.has_other(followed, |of| evidence(senders, asks, now, of));
        if other && self.patience_ends().is_some_and(|end| end <= now) {
            self.masters.pass_over(followed, now + PASSED_OVER);
            self.push_event(PortEvent::PassedOver { master: followed, lasts: PASSED_OVER });
        }
    }

    fn patience_ends(&self) -> Option<LocalTime> {
        self.master()?;
        let pursuit = &self.pursuit;
        let since = pursuit.locked_at.map_or(pursuit.since, |at| at.max(pursuit.since));
        let patience = if pursuit.locked_at.is_some() { PATIENCE } else { FIRST_PATIENCE };
        Some(since + patience.max(pursuit.sync_interval.times(PATIENCE_INTERVALS)))
    }

    /// When the choice is to be looked at again.
    pub(super) fn next_judgement(&self, now: LocalTime) -> Option<LocalTime> {
        let master = self.master()?.sender;
        let silence = self.senders.next_silence(now, master);
        let end = self.patience_ends().filter(|end| *end > now);
        silence.into_iter().chain(end).filter(|at| *at > now).min()
    }
}
