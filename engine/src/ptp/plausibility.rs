//! Checks whether a master's messages are consistent: only timestamps that agree with each other
//! reach the clock servo.
//!
//! Model: between two Syncs, the master's time advances by as much as local time, except for delay
//! variation and steps. After a step, one Sync is implausible, and the following ones are plausible
//! again; a time that stands still or jumps repeatedly stays implausible. Syncs and Delay_Resps
//! carry the same time, so they differ only by path delays, and no path delay reaches a second. No
//! message stays in the network for a second either, whatever its correctionField states.
//!
//! A single implausible message is discarded, and so is every message with an impossible
//! correction. When several messages are implausible, all messages are discarded until they agree
//! again, and a [`Fault`] gives the reason. The errors that remain are smaller than a path delay,
//! and are handled by the [clock servo](crate::clock::SlaveClock).

use super::wire::CorrectionField;
use crate::clock::{Difference, Direction, TimestampPair};
use crate::units::{Nanos, PtpTime};
use std::fmt;

/// Longest path delay and residence time in a PTP domain; the estimator uses the same bound to
/// distinguish path delays from steps.
const LONGEST_DELAY: Nanos = Nanos::from_secs(1);
/// Largest deviation of the master's time from local time between two Syncs that is still
/// plausible: a delayed receiving thread makes a timestamp at most 150 ms late.
const LATEST: Nanos = Nanos::from_millis(200);
/// Number of Syncs that are remembered, one bit each. A fault begins when `SYNCS_AT_FAULT` of them
/// are implausible, and ends after `SYNCS_IN_ORDER` consecutive plausible ones.
const SYNCS: u32 = 8;
const SYNCS_AT_FAULT: u32 = 3;
const SYNCS_IN_ORDER: u32 = 4;
/// Number of consecutive implausible Delay_Resps at which a fault begins: a single response may be
/// forged, or may have been sent before a step.
const ANSWERS_AT_FAULT: u32 = 2;
/// Number of impossible corrections at which a fault begins: a single impossible correction may
/// come from a damaged message. Impossible corrections are forgotten after `CORRECTIONS_IN_ORDER`
/// messages without one, which is a few seconds of Syncs and Follow_Ups, so that an occasional
/// wrong Delay_Resp is still reported.
const CORRECTIONS_AT_FAULT: u32 = 2;
const CORRECTIONS_IN_ORDER: u32 = 64;

/// A fault in the messages of a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The master's Syncs repeat the same time.
    StandsStill {
        /// The time.
        at: PtpTime,
    },
    /// The master's time jumps repeatedly from one Sync to the next.
    Jumps {
        /// The last jump.
        by: Nanos,
    },
    /// The master's Syncs and Delay_Resps carry different times.
    Apart {
        /// Time of the Delay_Resps minus time of the Syncs.
        by: Nanos,
    },
    /// The correctionField states an impossible residence time.
    Correction {
        /// The stated time.
        by: Nanos,
    },
}

impl fmt::Display for Fault {
    #[expect(clippy::cast_precision_loss, reason = "shown with three places")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandsStill { at } => {
                write!(f, "the master's Sync time stands still at {:.3} s", at.as_nanos() as f64 / 1e9)
            }
            Self::Jumps { by } => write!(f, "the master's Sync time jumps from one Sync to the next, last by {by}"),
            Self::Apart { by } => {
                write!(f, "the master's Sync time and its Delay_Resp time are {} apart", Difference(by.abs()))
            }
            Self::Correction { by } => write!(f, "correctionField says that a message was under way for {by}"),
        }
    }
}

/// Judges the messages of one master.
#[derive(Clone, Debug, Default)]
pub(super) struct Plausibility {
    last_forward: Option<TimestampPair>,
    /// The last Syncs as bits, the newest in the lowest bit; 1 for an implausible Sync.
    unfit: u8,
    /// The last fault in the times of Syncs, while it lasts.
    sync_fault: Option<Fault>,
    /// Consecutive implausible Delay_Resps.
    unfit_answers: u32,
    apart: Nanos,
    correction: Option<Corrections>,
}

/// Impossible corrections.
#[derive(Clone, Copy, Debug)]
struct Corrections {
    newest: Nanos,
    count: u32,
    /// Number of messages since the newest impossible correction.
    since: u32,
}

impl Plausibility {
    /// Records the correctionField of a message. Returns whether that correction is possible.
    pub(super) fn admits_correction(&mut self, correction: CorrectionField) -> bool {
        let by = correction.to_nanos();
        if by.abs() >= LONGEST_DELAY {
            let count = self.correction.map_or(1, |before| before.count.saturating_add(1));
            self.correction = Some(Corrections { newest: by, count, since: 0 });
            return false;
        }
        self.correction = self.correction.map(|before| Corrections { since: before.since + 1, ..before });
        self.correction = self.correction.filter(|corrections| corrections.since < CORRECTIONS_IN_ORDER);
        true
    }

    /// Judges a pair of timestamps. Returns whether it may be passed to the servo.
    pub(super) fn admits(&mut self, pair: &TimestampPair) -> bool {
        let fits = match pair.direction {
            Direction::Forward => self.judge_sync(pair),
            Direction::Reverse => self.judge_answer(pair),
        };
        fits && self.contradiction().is_none()
    }

    /// Records that a pair of timestamps agrees with a time that is known from another source.
    pub(super) fn confirm(&mut self, pair: &TimestampPair) {
        match pair.direction {
            Direction::Forward => {
                self.last_forward = Some(*pair);
                self.note_sync(None);
            }
            Direction::Reverse => self.unfit_answers = 0,
        }
    }

    fn judge_sync(&mut self, pair: &TimestampPair) -> bool {
        let Some(last) = self.last_forward.replace(*pair) else { return true };
        let (passed_here, passed_there) = (pair.local - last.local, pair.remote - last.remote);
        let by = passed_there - passed_here;
        let fault = if passed_there == Nanos::ZERO && passed_here > Nanos::ZERO {
            Some(Fault::StandsStill { at: pair.remote })
        } else if by.abs() >= LATEST {
            Some(Fault::Jumps { by })
        } else {
            None
        };
        self.note_sync(fault);
        fault.is_none()
    }

    fn note_sync(&mut self, fault: Option<Fault>) {
        self.unfit = self.unfit << 1 | u8::from(fault.is_some());
        if self.unfit.count_ones() >= SYNCS_AT_FAULT {
            self.sync_fault = fault.or(self.sync_fault);
        }
        if self.unfit.trailing_zeros() >= SYNCS_IN_ORDER {
            self.sync_fault = None;
        }
    }

    fn judge_answer(&mut self, pair: &TimestampPair) -> bool {
        let Some(sync) = self.last_forward else { return true };
        self.apart = (pair.remote - sync.remote) - (pair.local - sync.local);
        let fits = self.apart.abs() < LONGEST_DELAY;
        self.unfit_answers = if fits { 0 } else { self.unfit_answers.saturating_add(1) };
        fits
    }

    /// Forgets the master's answers, because the master has stopped answering.
    pub(super) fn forget_answers(&mut self) {
        self.unfit_answers = 0;
    }

    /// The fault, if there is one.
    pub(super) fn fault(&self) -> Option<Fault> {
        let told = self.correction.filter(|corrections| corrections.count >= CORRECTIONS_AT_FAULT);
        self.contradiction().or(told.map(|corrections| Fault::Correction { by: corrections.newest }))
    }

    /// The fault that makes times contradict each other, so that none of them can be used; `None`
    /// if there is no such fault.
    fn contradiction(&self) -> Option<Fault> {
        if self.unfit_answers >= ANSWERS_AT_FAULT {
            return Some(Fault::Apart { by: self.apart });
        }
        self.sync_fault
    }
}

const _: () = assert!(SYNCS == u8::BITS && SYNCS_IN_ORDER <= SYNCS && SYNCS_AT_FAULT <= SYNCS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::LocalTime;

    const START: PtpTime = PtpTime::from_timestamp(1_790_000_000, 0);

    fn pair(direction: Direction, local_ms: i64, remote: PtpTime) -> TimestampPair {
        TimestampPair { direction, local: LocalTime::ZERO + Nanos::from_millis(local_ms), remote }
    }

    fn later(ms: i64) -> PtpTime {
        START + Nanos::from_millis(ms)
    }

    /// Judges Syncs with these local and master times; returns whether each is admitted.
    fn syncs(judge: &mut Plausibility, times: &[(i64, PtpTime)]) -> Vec<bool> {
        times.iter().map(|&(ms, remote)| judge.admits(&pair(Direction::Forward, ms, remote))).collect()
    }

    #[test]
    fn a_step_costs_one_sync_and_is_no_fault() {
        let mut judge = Plausibility::default();
        let there = |i: i64| if i < 3 { later(125 * i) } else { later(125 * i + 3_600_000) };
        let times: Vec<_> = (0..8).map(|i| (125 * i, there(i))).collect();
        assert_eq!(syncs(&mut judge, &times), [true, true, true, false, true, true, true, true]);
        assert_eq!(judge.fault(), None);
    }

    #[test]
    fn a_time_that_stands_still_is_left_out_until_it_runs() {
        let mut judge = Plausibility::default();
        let still: Vec<_> = (0..8).map(|i| (125 * i, PtpTime::EPOCH)).collect();
        assert_eq!(syncs(&mut judge, &still).iter().filter(|&&admitted| admitted).count(), 1);
        assert_eq!(judge.fault().unwrap().to_string(), "the master's Sync time stands still at 0.000 s");
        let running: Vec<_> = (8..20).map(|i| (125 * i, later(125 * i))).collect();
        let admitted = syncs(&mut judge, &running);
        assert_eq!(admitted.iter().position(|&admitted| admitted), Some(SYNCS_IN_ORDER as usize));
        assert_eq!(judge.fault(), None);
    }

    #[test]
    fn a_time_that_jumps_about_is_left_out() {
        let mut judge = Plausibility::default();
        let times: Vec<_> = (0..20).map(|i| (125 * i, later(i * i * i * 777_777 % 1_000_003))).collect();
        assert!(!syncs(&mut judge, &times).contains(&true) || judge.fault().is_some());
        assert!(judge.fault().unwrap().to_string().contains("jumps from one Sync to the next"));
    }

    #[test]
    fn a_free_running_epoch_is_as_good_as_any() {
        let mut judge = Plausibility::default();
        let times: Vec<_> = (0..20).map(|i| (125 * i, PtpTime::EPOCH + Nanos::from_millis(125 * i))).collect();
        assert!(!syncs(&mut judge, &times).contains(&false));
        assert!(judge.admits(&pair(Direction::Reverse, 2_500, PtpTime::EPOCH + Nanos::from_millis(2_500))));
    }

    #[test]
    fn syncs_and_delay_resps_tell_one_time() {
        let cases = [
            (PtpTime::EPOCH, "the master's Sync time and its Delay_Resp time are 1790000000.2 s apart"),
            (
                later(250 - 37_000),
                "the master's Sync time and its Delay_Resp time are 37.0 s (TAI and UTC are mixed) apart",
            ),
        ];
        for (answer, sentence) in cases {
            let mut judge = Plausibility::default();
            syncs(&mut judge, &[(0, later(0)), (125, later(125)), (250, later(250))]);
            assert!(!judge.admits(&pair(Direction::Reverse, 250, answer)));
            assert_eq!(judge.fault(), None, "one may be a stranger's");
            assert!(judge.admits(&pair(Direction::Forward, 375, later(375))));
            assert!(!judge.admits(&pair(Direction::Reverse, 250, answer)));
            assert_eq!(judge.fault().unwrap().to_string(), sentence);
            assert!(!judge.admits(&pair(Direction::Forward, 500, later(500))), "which of them is true?");
            assert!(judge.admits(&pair(Direction::Reverse, 500, later(500))));
            assert!(judge.admits(&pair(Direction::Forward, 625, later(625))));
        }
    }

    #[test]
    fn one_impossible_correction_is_a_damaged_message_and_no_fault() {
        let mut judge = Plausibility::default();
        assert!(!judge.admits_correction(CorrectionField::from_scaled_nanoseconds(i64::MAX)));
        assert_eq!((judge.fault(), syncs(&mut judge, &[(0, later(0)), (125, later(125))])), (None, vec![true; 2]));
        assert!(!judge.admits_correction(CorrectionField::from_scaled_nanoseconds(i64::MAX)));
        assert!(judge.fault().is_some(), "told");
        assert_eq!(syncs(&mut judge, &[(250, later(250))]), [true], "the others are no worse for it");
    }

    #[test]
    fn no_message_is_under_way_for_a_second() {
        let correction = |ns: i64| CorrectionField::from_scaled_nanoseconds(ns << 16);
        let mut judge = Plausibility::default();
        assert!(judge.admits_correction(correction(999_999_999)));
        for absurd in [i64::MAX, i64::MIN, 5 << 46, -(5 << 46)] {
            assert!(!judge.admits_correction(CorrectionField::from_scaled_nanoseconds(absurd)));
        }
        assert!(judge.fault().unwrap().to_string().starts_with("correctionField says"));
        assert!((0..CORRECTIONS_IN_ORDER).all(|_| judge.admits_correction(correction(0))));
        assert_eq!(judge.fault(), None);
    }
}
