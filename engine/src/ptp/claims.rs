//! Resolves competing timestamps: several Syncs in one Sync interval, or several answers to one
//! Delay_Req.
//!
//! Purpose: anyone on the network can impersonate a master, but nobody can suppress the master's
//! own messages. So a single Sync in an interval is genuine, and among several Syncs, at most one
//! is genuine. Several Syncs are held back for most of an interval, and the Sync that agrees best
//! with the time that the clock already holds (the *held time*) is used. If the clock holds no
//! time, the Syncs are used only if they agree with each other. A *contest* lasts from the first
//! evidence of another sender until some time after the last evidence.
//!
//! Breakdown point: while a time is held, an attacker's message replaces the master's only if it
//! agrees better with the held time. So an attacker can move the clock by no more than the
//! [anchor](crate::clock::ClockServo::contest) allows, however many messages are sent. With one
//! message per interval, an attacker can keep a clock that was never locked from locking. The
//! number of messages that are held back is bounded. If there are more, the master's own message
//! may not be among them, and the clock goes into holdover.

use super::delay_exchange::Answered;
use crate::clock::TimestampPair;
use crate::units::{LocalTime, Nanos};

/// Maximum number of timestamps that are held back in an interval. Judgement: an attack sends 100
/// to 1000 forged Syncs a second.
const HELD_BACK: usize = 128;
/// Fraction of a Sync interval for which competing timestamps are held back before one is chosen:
/// no genuine Sync is a quarter of an interval early, and the clock assumes silence only after
/// three intervals.
const WINDOW_SHARE: (i64, i64) = (3, 4);
/// A contest ends this many Sync intervals after the last evidence of another sender, but not
/// before `QUIET` has passed.
const QUIET_INTERVALS: i64 = 4;
const QUIET: Nanos = Nanos::from_secs(2);
/// Number of recent Syncs over which the rate of Syncs is measured. If they arrived within
/// `RATE_INTERVALS` Sync intervals, which is two thirds of the time that one master takes to send
/// them, there is another sender.
const RATE: usize = 24;
const RATE_INTERVALS: i64 = 16;
/// Timestamps agree with each other if they differ by less than this, the possible error of a
/// locked clock.
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

/// Competing timestamps that claim to come from one master.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    /// When the contest ends.
    until: Option<LocalTime>,
    syncs: Window<TimestampPair>,
    answers: Window<Answered>,
    /// Ring buffer of the arrival times of the last Syncs.
    syncs_at: [Option<LocalTime>; RATE],
    count: usize,
    /// Arrival time of the last Sync that was used because it agreed with the held time.
    agreed: Option<LocalTime>,
}

impl Claims {
    /// Records evidence that another sender impersonates the master. Returns whether this begins a
    /// contest.
    pub(super) fn contest(&mut self, now: LocalTime, sync_interval: Nanos) -> bool {
        let until = now + QUIET.max(sync_interval.times(QUIET_INTERVALS));
        self.until.replace(until).is_none()
    }

    pub(super) fn is_contested(&self) -> bool {
        self.until.is_some()
    }

    /// Ends the contest if it is over by `now`. Returns whether the contest has ended.
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

    /// Takes the Syncs that are to be judged now.
    pub(super) fn take_syncs(&mut self, now: LocalTime) -> Vec<TimestampPair> {
        self.syncs.take(now)
    }

    /// Takes the answers that are to be judged now.
    pub(super) fn take_answers(&mut self, now: LocalTime) -> Vec<Answered> {
        self.answers.take(now)
    }

    /// When timestamps are to be judged or the contest ends, whichever comes first.
    pub(super) fn due(&self) -> Option<LocalTime> {
        [self.until, self.syncs.due, self.answers.due].into_iter().flatten().min()
    }

    /// Records the arrival of a Sync. Returns whether Syncs arrive more often than the master sends
    /// them.
    pub(super) fn note(&mut self, received: LocalTime, sync_interval: Nanos) -> bool {
        let oldest = self.syncs_at[self.count % RATE].replace(received);
        self.count += 1;
        oldest.is_some_and(|oldest| received.since(oldest) < sync_interval.times(RATE_INTERVALS))
    }

    /// Whether a Sync received at `received` came so soon after the last one that only one of them
    /// can be genuine.
    pub(super) fn is_crowded(&self, received: LocalTime, sync_interval: Nanos) -> bool {
        let last = self.count.checked_sub(1).and_then(|last| self.syncs_at[last % RATE]);
        last.is_some_and(|last| (received - last).abs().times(2) < sync_interval)
    }

    /// Records that a Sync was used because it agrees with the held time.
    pub(super) fn note_agreed(&mut self, received: LocalTime) {
        self.agreed = Some(received);
    }

    /// Whether a Sync that agrees with the held time has already been used within half a Sync
    /// interval of `received`.
    pub(super) fn is_taken(&self, received: LocalTime, sync_interval: Nanos) -> bool {
        self.agreed.is_some_and(|at| (received - at).abs().times(2) < sync_interval)
    }
}

fn window(sync_interval: Nanos) -> Nanos {
    Nanos::new(sync_interval.as_nanos() * WINDOW_SHARE.0 / WINDOW_SHARE.1)
}

/// Whether all these pairs may come from one master. This is so if any two successive pairs either
/// belong to the same Sync, or were sent an interval apart and received together because this host
/// had stalled. After a stall, the newest pair is the most accurate, because it waited least.
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

    /// Pairs of arrival times and the master's timestamps, ms.
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
