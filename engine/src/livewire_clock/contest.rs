//! Distinguishes the master's own packets from forged packets that carry the master's identity.
//!
//! Model: nobody can suppress the master's own packets, and these agree with the time that the
//! clock holds (the *held time*). So packets that contradict the held time by more than the
//! possible error of a locked clock are ignored while other packets agree with it. They are used
//! only after more than [`PROOF`] consecutive contradictions: the master's own packets must then be
//! among them, so the master's time has changed. Packets that are early while others agree, and
//! more packets than one master sends, are evidence of another sender. Late packets are no
//! evidence, because any packet may be late. From the first evidence until two seconds after the
//! last (a *contest*), the servo keeps the time with an [earlier
//! estimate](crate::clock::ClockServo::contest), and only packets that agree with this estimate are
//! used.
//!
//! Breakdown point: an attacker who uses the master's identity and address can move the clock by no
//! more than the earlier estimate allows, but can keep a clock that has never been locked from
//! locking.

use super::PACKET_INTERVAL;
use crate::clock::Agreement;
use crate::units::{LocalTime, Nanos};

/// Contradiction above which a packet is ignored at first: the possible error of a locked clock.
/// Smaller contradictions are passed to the servo at once. Otherwise, the servo would stay locked
/// to the held time while the master's time drifts away.
const APART: Nanos = Nanos::from_millis(1);
/// Number of consecutive contradicting packets above which the master's time must have changed.
const PROOF: u32 = 8;
/// How long a contest lasts after the last evidence of another sender.
const QUIET: Nanos = Nanos::from_secs(2);
/// Number of recent packets over which the packet rate is measured. If they arrived within
/// `RATE_INTERVALS` packet intervals, which is two thirds of the time that one master takes to send
/// them, there is another sender.
const RATE: usize = 24;
const RATE_INTERVALS: i64 = 16;

/// State of the checks for forged packets with the master's identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Contest {
    until: Option<LocalTime>,
    /// Number of consecutive contradicting packets, and how many of them were early.
    contradicting: u32,
    early: u32,
    /// Ring buffer of the last arrival times.
    at: [Option<LocalTime>; RATE],
    count: usize,
}

/// The decision on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the packet is passed to the servo.
    pub(super) counts: bool,
    /// Whether a contest has begun.
    pub(super) begins: bool,
}

impl Contest {
    /// Judges a packet that arrived at `at` by its agreement with the held time, if there is one.
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

    /// Records evidence of another sender. Returns whether this begins a contest.
    fn sign(&mut self, at: LocalTime) -> bool {
        self.until.replace(at + QUIET).is_none()
    }

    /// Ends the contest if it is over by `now`. Returns whether the contest has ended.
    pub(super) fn settle(&mut self, now: LocalTime) -> bool {
        let ended = self.until.is_some_and(|until| until <= now);
        if ended {
            self.until = None;
        }
        ended
    }
}
