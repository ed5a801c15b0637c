//! Slips of a sender: the audio graph that feeds it pauses for a time, or makes up for lost time.
//!
//! Model: the sender's time pauses for the length of a slip, or jumps ahead by it; its rate is the
//! same before and after. Timestamps and sequence numbers continue as if nothing had happened, so
//! that after a positive slip, every packet is permanently later by its length. After a negative
//! one, every packet is earlier: the packets that the sender had left to send leave at once.

use super::crystal::TrueTime;
use crate::scenario::{FaultKind, Scenario};

/// One slip.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slip {
    /// When it begins, in the sender's time.
    at: TrueTime,
    /// How much later packets are from then on.
    later: TrueTime,
}

/// All slips of a run, in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Slips(Vec<Slip>);

impl Slips {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let duration = scenario.duration_s.nanos();
        let slips = scenario.faults.iter().filter_map(|fault| match fault.what {
            FaultKind::TalkerSlipMs(later) => Some((fault, later.nanos().as_nanos())),
            _ => None,
        });
        let mut slips: Vec<_> = slips
            .flat_map(|(fault, later)| fault.times(duration).map(move |(at, _)| Slip { at: at.as_nanos(), later }))
            .collect();
        slips.sort_by_key(|slip| slip.at);
        let mut later = 0;
        for slip in &mut slips {
            slip.at -= later;
            later += slip.later;
        }
        Self(slips)
    }

    /// The sender's time at true time `t`.
    pub(super) fn sender_time(&self, t: TrueTime) -> TrueTime {
        self.0.iter().fold(t, |time, slip| {
            let past = time - slip.at;
            if past <= 0 { time } else { slip.at + (past - slip.later).max(0) }
        })
    }

    /// The true time at which the sender's time reaches `time`.
    pub(super) fn true_time(&self, time: TrueTime) -> TrueTime {
        self.0.iter().rev().fold(time, |t, slip| {
            let past = t - slip.at;
            if past <= 0 { t } else { slip.at + (past + slip.later).max(0) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands still for 5 at 100, and leaps ahead by 20 at 200.
    fn slips() -> Slips {
        Slips(vec![Slip { at: 100, later: 5 }, Slip { at: 195, later: -20 }])
    }

    #[test]
    fn time_stands_still_and_leaps_ahead() {
        let shown = [0, 100, 103, 105, 106, 200, 201, 300].map(|t| slips().sender_time(t));
        assert_eq!(shown, [0, 100, 100, 100, 101, 195, 216, 315]);
    }

    #[test]
    fn what_the_sender_had_left_leaves_at_once() {
        let left = [0, 100, 101, 195, 196, 215, 216, 315].map(|time| slips().true_time(time));
        assert_eq!(left, [0, 100, 106, 200, 200, 200, 201, 300]);
    }
}
