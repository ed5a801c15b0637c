//! The interval at which a master's Syncs come.
//!
//! Model: logMessageInterval tells it, and is believed where the Syncs come at about that interval.
//! Some masters tell one and send at another; what is silence must be known all the same, so where
//! the two differ it is the middle of the last few distances that counts.

use crate::units::{LocalTime, Nanos};

/// Distances that are looked at. Their median is right while less than half of them are off, by
/// loss or by a thread that was held up.
const DISTANCES: usize = 5;
/// A measured interval that differs from the told one by less than this factor confirms it.
const AGREEMENT: i64 = 2;

#[derive(Clone, Debug, Default)]
pub(super) struct SyncIntervals {
    last: Option<LocalTime>,
    distances: [Nanos; DISTANCES],
    /// Distances ever measured.
    count: usize,
}

impl SyncIntervals {
    /// A Sync was received.
    pub(super) fn heard(&mut self, at: LocalTime) {
        if let Some(last) = self.last.replace(at) {
            self.distances[self.count % DISTANCES] = at.since(last);
            self.count += 1;
        }
    }

    /// The interval, where `told` is what the messages say.
    pub(super) fn interval(&self, told: Nanos) -> Nanos {
        let Some(measured) = self.measured() else { return told };
        let agrees = measured <= told.times(AGREEMENT) && told <= measured.times(AGREEMENT);
        if agrees { told } else { measured }
    }

    /// The middle of the last few distances.
    pub(super) fn measured(&self) -> Option<Nanos> {
        let mut sorted = self.distances;
        sorted.sort_unstable();
        (self.count >= DISTANCES).then_some(sorted[DISTANCES / 2])
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
        assert_eq!(interval(&[63, 249, 63, 249, 125]), 125);
        assert_eq!(interval(&[125, 900, 125, 1, 125]), 125, "the median of five withstands two");
    }
}
