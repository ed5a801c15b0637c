//! A latency that is too short for a stream: packets come too late not once, but again and again. A
//! sender's bursts do that, for as long as it sends.

use engine::{LocalTime, Nanos};

/// Late packets that are this far apart are not one trouble.
const AGAIN: Nanos = Nanos::from_secs(2);
/// A trouble that lasts this long is told.
const PATIENCE: Nanos = Nanos::from_secs(10);

/// Watches for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LatePackets {
    count: u64,
    /// The first and the last late packets of the present trouble.
    trouble: Option<(LocalTime, LocalTime)>,
    told: bool,
}

impl LatePackets {
    /// Takes the number of late packets so far; returns whether it is to be told now, which it is
    /// once.
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

    /// The seconds in which it is told, of counts of one second each.
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
