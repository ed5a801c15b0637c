//! Detects that the latency is too short for a stream, because packets are late again and again. A
//! bursty sender has this effect for as long as it sends.

use engine::{LocalTime, Nanos};

/// Late packets that are further apart than this belong to separate disturbances.
const AGAIN: Nanos = Nanos::from_secs(2);
/// A disturbance that lasts at least this long is reported.
const PATIENCE: Nanos = Nanos::from_secs(10);

/// The detector for late packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LatePackets {
    count: u64,
    /// When the first and the last late packet of the current disturbance arrived.
    trouble: Option<(LocalTime, LocalTime)>,
    told: bool,
}

impl LatePackets {
    /// Processes the number of late packets so far. Returns whether to report the disturbance now,
    /// which is true only once.
    pub(super) fn look(&mut self, now: LocalTime, count: u64) -> bool {
        let more = count > self.count;
        self.count = count;
        self.trouble = self.trouble.filter(|(_, last)| now.since(*last) <= AGAIN);
        if more {
            let (first, _) = self.trouble.unwrap_or((now, now));
            self.trouble = Some((first, now));
        }
        let lasting = self.trouble.is_some_and(|(first, last)| last.since(first) >= PATIENCE);
        lasting && !std::mem::replace(&mut self.told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds in which a report is due, for the given counts of each second.
    fn told(counts: impl Iterator<Item = u64>) -> Vec<i64> {
        let mut late = LatePackets::default();
        let mut look = |second: i64, count| late.look(LocalTime::ZERO + Nanos::from_secs(second), count);
        (0..).zip(counts).filter_map(|(second, count)| look(second, count).then_some(second)).collect()
    }

    #[test]
    fn what_goes_on_is_told_once() {
        assert_eq!(told((0..60).map(|second| second / 2)), [12]);
    }

    #[test]
    fn what_ends_is_not_told() {
        assert!(told((0..60).map(|second| second.min(9))).is_empty());
        assert!(told((0..60).map(|second| second / 4)).is_empty());
    }
}
