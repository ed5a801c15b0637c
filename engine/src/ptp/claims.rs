//! Competing timestamps: several Syncs in one Sync interval, or several answers to one Delay_Req.
//!
//! Purpose: anybody on the network can use the name of a master, but nobody can stop the master's
//! own messages. So a single Sync in an interval is the master's, and of several at most one is.
//! These are held back for an interval, and the one that agrees best with the held time is used. If
//! no time is held, they are used if they agree with each other; otherwise none of them is.
//!
//! Breakdown point: while a time is held, an attacker's message replaces the master's only if it
//! agrees better with the held time. So he moves the clock by no more than the
//! [anchor](crate::clock::ClockServo::contest) allows, however much he sends. With one message in
//! each interval he can keep a clock that was never locked from locking. The number of messages
//! that are held back is bounded. If there are more, the master's own may be missing, and the clock
//! goes into holdover.

use super::delay_exchange::Answered;
use crate::clock::TimestampPair;
use crate::units::{LocalTime, Nanos};

/// Maximum number of timestamps that are held back in an interval. Judgement: an attack sends 100
/// to 1000 forged Syncs a second.
const HELD_BACK: usize = 128;
/// Share of a Sync interval after which the competing timestamps are judged: no master's Syncs come
/// a quarter of an interval early, and the clock counts three intervals as silence.
const WINDOW_SHARE: (i64, i64) = (3, 4);
/// A contest ends this many Sync intervals, and at least this time, after the last sign of it.
const QUIET_INTERVALS: i64 = 4;
const QUIET: Nanos = Nanos::from_secs(2);
/// Number of the last Syncs from which their rate is measured: there is another sender if these
/// came within two thirds of as many intervals.
const RATE: usize = 24;
const RATE_INTERVALS: i64 = 16;
/// Timestamps that differ by less agree with each other: the possible error of a locked clock.
pub(super) const APART: Nanos = Nanos::from_millis(1);

/// Timestamps that are held back, and when they will be judged.
#[derive(Clone, Debug)]
struct Window<T> {
    claims: Vec<T>,
    due: Option<LocalTime>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { claims: Vec::new(), due: None }
    }
}

impl<T> Window<T> {
    fn hold(&mut self, claim: T, due: LocalTime) {
        self.due.get_or_insert(due);
        if self.claims.len() < HELD_BACK {
            self.claims.push(claim);
        }
    }

    fn take(&mut self, now: LocalTime) -> Vec<T> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.due = None;
        std::mem::take(&mut self.claims)
    }
}

/// The competing timestamps in the name of one master.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    /// When the contest ends.
    until: Option<LocalTime>,
    syncs: Window<TimestampPair>,
    answers: Window<Answered>,
    /// When the last Syncs were received, in a ring.
    syncs_at: [Option<LocalTime>; RATE],
    count: usize,
    /// When the last one was received that agreed with the held time and was used.
    agreed: Option<LocalTime>,
}

impl Claims {
    /// Records a sign of another sender in the master's name. Returns whether a contest begins with
    /// it.
    pub(super) fn contest(&mut self, now: LocalTime, sync_interval: Nanos) -> bool {
        let until = now + QUIET.max(sync_interval.times(QUIET_INTERVALS));
        self.until.replace(until).is_none()
    }

    pub(super) fn is_contested(&self) -> bool {
        self.until.is_some()
    }

    /// Whether a contest has ended at `now`.
    pub(super) fn settle(&mut self, now: LocalTime) -> bool {
        let ended = self.until.is_some_and(|until| until <= now);
        if ended {
            self.until = None;
        }
        ended
    }

    /// Holds a Sync back.
    pub(super) fn hold_sync(&mut self, now: LocalTime, pair: TimestampPair, sync_interval: Nanos) {
        self.syncs.hold(pair, now + window(sync_interval));
    }

    /// Holds an answer back.
    pub(super) fn hold_answer(&mut self, now: LocalTime, answer: Answered, sync_interval: Nanos) {
        self.answers.hold(answer, now + window(sync_interval));
    }

    /// The Syncs that are to be judged now.
    pub(super) fn take_syncs(&mut self, now: LocalTime) -> Vec<TimestampPair> {
        self.syncs.take(now)
    }

    /// The answers that are to be judged now.
    pub(super) fn take_answers(&mut self, now: LocalTime) -> Vec<Answered> {
        self.answers.take(now)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<LocalTime> {
        [self.until, self.syncs.due, self.answers.due].into_iter().flatten().min()
    }

    /// Records the arrival of a Sync. Returns whether more Syncs come than the master sends.
    pub(super) fn note(&mut self, received: LocalTime, sync_interval: Nanos) -> bool {
        let oldest = self.syncs_at[self.count % RATE].replace(received);
        self.count += 1;
        oldest.is_some_and(|oldest| received.since(oldest) < sync_interval.times(RATE_INTERVALS))
    }

    /// Whether a Sync that was received at this time came so soon after the last one that only one
    /// of them can be the master's.
    pub(super) fn is_crowded(&self, received: LocalTime, sync_interval: Nanos) -> bool {
        let last = self.count.checked_sub(1).and_then(|last| self.syncs_at[last % RATE]);
        last.is_some_and(|last| (received - last).abs().times(2) < sync_interval)
    }

    /// Records that a Sync was used because it agrees with the held time.
    pub(super) fn note_agreed(&mut self, received: LocalTime) {
        self.agreed = Some(received);
    }

    /// Whether a Sync that agrees with the held time was already used in the interval of one
    /// received at this time.
    pub(super) fn is_taken(&self, received: LocalTime, sync_interval: Nanos) -> bool {
        self.agreed.is_some_and(|at| (received - at).abs().times(2) < sync_interval)
    }
}

fn window(sync_interval: Nanos) -> Nanos {
    Nanos::new(sync_interval.as_nanos() * WINDOW_SHARE.0 / WINDOW_SHARE.1)
}

/// Whether these may all be of one master: two in a row belong to the same Sync, or were sent an
/// interval apart and received together after a stall of this host. The newest then has the time.
pub(super) fn may_be_of_one(pairs: &[TimestampPair], sync_interval: Nanos) -> bool {
    pairs.windows(2).all(|two| {
        let apart = two[1].local - two[0].local;
        let waited_longer = (two[1].remote - two[0].remote) - apart;
        apart == Nanos::ZERO || waited_longer.times(2) >= sync_interval
    })
}

/// Whether timestamps agree with each other.
pub(super) fn agree(pairs: &[TimestampPair]) -> bool {
    let Some(first) = pairs.first() else { return true };
    let offset = |pair: &TimestampPair| (pair.remote - first.remote) - (pair.local - first.local);
    let least = pairs.iter().map(offset).min();
    let most = pairs.iter().map(offset).max();
    least.zip(most).is_none_or(|(least, most)| most - least < APART)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Direction;
    use crate::units::PtpTime;

    /// Timestamps of arrival and of the master, ms.
    fn pairs(ms: &[(i64, i64)]) -> Vec<TimestampPair> {
        let nanos = |ms: i64| ms * 1_000_000;
        let pair = |&(local, remote): &(i64, i64)| TimestampPair {
            direction: Direction::Forward,
            local: LocalTime::from_nanos(nanos(local)),
            remote: PtpTime::from_nanos(nanos(remote).into()),
        };
        ms.iter().map(pair).collect()
    }

    #[test]
    fn what_has_waited_together_may_be_of_one_master_and_a_flood_may_not() {
        let interval = Nanos::from_millis(125);
        for (ms, expected) in [
            (&[(1000, 500), (1000, 625), (1001, 750)][..], true),
            (&[(1000, 997), (1000, 1000)], true),
            (&[(1000, 1005), (1002, 1007), (1004, 1009)], false),
            (&[(1000, 1005), (1060, 1065)], false),
            (&[(1000, 500), (1000, 625), (1060, 685)], false),
        ] {
            assert_eq!(may_be_of_one(&pairs(ms), interval), expected, "{ms:?}");
        }
    }
}
