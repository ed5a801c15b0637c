//! Determines the interval between a master's Syncs.
//!
//! Model: the interval stated in logMessageInterval is used if Syncs arrive at about that interval.
//! Some masters state one interval and use another, and the actual interval is needed to detect
//! silence. So if the two differ, the interval is measured from the last few distances between
//! Syncs: it is the median distance or, if the median is shorter than the stated interval, the
//! second longest distance. As a result, forged Syncs that directly follow the master's Syncs do
//! not make the rest of the interval look like silence.

use crate::units::{LocalTime, Nanos};

/// Number of distances between Syncs that are kept. Their median is correct while fewer than half
/// of them are wrong because of a lost packet or a delayed thread.
const INTERVALS_KEPT: usize = 5;
/// A measured interval that differs from the stated one by less than this factor confirms it.
const AGREEMENT: i64 = 2;

#[derive(Clone, Debug, Default)]
pub(super) struct SyncIntervals {
    last: Option<LocalTime>,
    intervals: [Nanos; INTERVALS_KEPT],
    /// Number of distances measured so far.
    count: usize,
}

impl SyncIntervals {
    /// Records the arrival of a Sync.
    pub(super) fn heard(&mut self, at: LocalTime) {
        if let Some(last) = self.last.replace(at) {
            self.intervals[self.count % INTERVALS_KEPT] = at.since(last);
            self.count += 1;
        }
    }

    /// The interval that the master uses; `announced` is the one stated in its messages.
    pub(super) fn interval(&self, announced: Nanos) -> Nanos {
        let agrees = |measured: Nanos| measured <= announced.times(AGREEMENT) && announced <= measured.times(AGREEMENT);
        let Some(measured) = self.ranked(INTERVALS_KEPT / 2).filter(|&middle| !agrees(middle)) else {
            return announced;
        };
        if measured > announced {
            return measured;
        }
        self.ranked(INTERVALS_KEPT - 2).filter(|&long| !agrees(long)).map_or(announced, |long| long.min(announced))
    }

    /// The median of the last few distances.
    pub(super) fn measured(&self) -> Option<Nanos> {
        self.ranked(INTERVALS_KEPT / 2)
    }

    /// The element at index `shorter` of the last few distances in ascending order; `None` until
    /// enough of them have been measured.
    fn ranked(&self, shorter: usize) -> Option<Nanos> {
        let mut sorted = self.intervals;
        sorted.sort_unstable();
        (self.count >= INTERVALS_KEPT).then_some(sorted[shorter])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(distances_ms: &[i64]) -> i64 {
        let mut intervals = SyncIntervals::default();
        let mut now = LocalTime::ZERO;
        intervals.heard(now);
        for &ms in distances_ms {
            now = now + Nanos::from_millis(ms);
            intervals.heard(now);
        }
        intervals.interval(Nanos::from_millis(125)).as_nanos() / 1_000_000
    }

    #[test]
    fn what_is_told_counts_unless_the_wire_says_otherwise() {
        assert_eq!(interval(&[1000; 4]), 125, "too few");
        assert_eq!(interval(&[1000; 5]), 1000);
        assert_eq!(interval(&[8; 5]), 8);
        assert_eq!(interval(&[8, 8, 125, 8, 8]), 8, "one was lost");
        assert_eq!(interval(&[9, 116, 9, 116, 9]), 125, "somebody else sends close behind");
        assert_eq!(interval(&[63, 249, 63, 249, 125]), 125);
        assert_eq!(interval(&[125, 900, 125, 1, 125]), 125, "the median of five withstands two");
    }
}
