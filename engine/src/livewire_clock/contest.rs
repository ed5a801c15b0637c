//! Packets in the name of the master that is followed, when somebody else sends some, too.
//!
//! Model: the master's own packets come all the same, and agree with the time that is held. So
//! what contradicts that by more than a locked clock may be off is left out while others agree,
//! and counts only when so many in a row contradict that none of the master's can be among them:
//! then its time has changed. Packets that are early beside others that agree, and more packets
//! than a master sends, are signs that somebody else sends. Late ones are none: any may be late.
//! Until two seconds after the last sign the law holds the time by what was
//! [known before](crate::clock::ClockLaw::contest), and only what agrees with that counts.
//!
//! Breakdown: a stranger who sends in the master's name and from its address moves the clock by no
//! more than that anchor allows. He keeps a clock that has not locked yet from locking.

use super::PACKET_INTERVAL;
use crate::clock::Agreement;
use crate::units::{LocalTime, Nanos};

/// Timestamps that contradict the held time by more are left out at first: what a locked clock may
/// be off by. The law must hear at once of less, so that it is not locked to a time that runs away.
const APART: Nanos = Nanos::from_millis(1);
/// Contradicting packets in a row that prove that the master's time has changed.
const PROOF: u32 = 8;
/// How long a contest lasts after the last sign of it.
const QUIET: Nanos = Nanos::from_secs(2);
/// Packets of which so many came within that many intervals when others send, too: half as many
/// more than the master's.
const RATE: usize = 24;
const RATE_INTERVALS: i64 = 16;

/// The contest for the place of the master.
#[derive(Clone, Debug, Default)]
pub(super) struct Contest {
    until: Option<LocalTime>,
    /// Contradicting packets in a row, and those of them that were early.
    contradicting: u32,
    early: u32,
    /// When the last packets came, in a ring.
    at: [Option<LocalTime>; RATE],
    count: usize,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the law gets it.
    pub(super) counts: bool,
    /// Whether a contest has begun.
    pub(super) begins: bool,
}

impl Contest {
    /// Judges a packet that came at `at` and is off by `early` from the time that is held, if one
    /// is.
    pub(super) fn judge(&mut self, at: LocalTime, agreement: Option<Agreement>, early: Nanos) -> Verdict {
        let oldest = self.at[self.count % RATE].replace(at);
        self.count = self.count.wrapping_add(1);
        let Some(agreement) = agreement else {
            (self.contradicting, self.early) = (0, 0);
            return Verdict { counts: true, begins: false };
        };
        let crowded = oldest.is_some_and(|oldest| at.since(oldest) < PACKET_INTERVAL.0.times(RATE_INTERVALS));
        let mut begins = crowded && self.sign(at);
        let counts = match agreement {
            Agreement::Contradicts(off) if off > APART => {
                self.contradicting = self.contradicting.saturating_add(1);
                self.early = self.early.saturating_add(u32::from(early > Nanos::ZERO));
                self.contradicting > PROOF && self.until.is_none()
            }
            Agreement::Contradicts(_) => self.until.is_none(),
            Agreement::Unclear | Agreement::Agrees(_) => {
                let beside = self.early > 0 && self.contradicting <= PROOF;
                begins |= beside && self.sign(at);
                (self.contradicting, self.early) = (0, 0);
                self.until.is_none() || matches!(agreement, Agreement::Agrees(_))
            }
        };
        Verdict { counts, begins }
    }

    /// There is a sign that somebody else sends. Returns whether it is the first.
    fn sign(&mut self, at: LocalTime) -> bool {
        self.until.replace(at + QUIET).is_none()
    }

    /// Whether a contest has ended at `now`.
    pub(super) fn settle(&mut self, now: LocalTime) -> bool {
        let ended = self.until.is_some_and(|until| until <= now);
        if ended {
            self.until = None;
        }
        ended
    }
}
