//! A link with limited capacity: packets queue in front of it, and those that arrive at a full
//! queue are dropped.

use super::crystal::TrueTime;
use crate::scenario::RateLimit;

/// Overhead of a datagram on the wire: UDP 8, IPv4 20, Ethernet header 14 and frame check sequence
/// 4, preamble 8, gap 12.
const OVERHEAD_BYTES: i64 = 66;

/// The link of one path.
#[derive(Clone, Debug, Default)]
pub(super) struct Bottleneck {
    limit: Option<RateLimit>,
    /// When the last accepted packet has left the link.
    free_at: TrueTime,
}

impl Bottleneck {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, free_at: 0 }
    }

    /// Sets the capacity of the link. Packets that are already waiting leave as scheduled.
    pub(super) fn set(&mut self, limit: Option<RateLimit>) {
        self.limit = limit;
    }

    /// When a datagram of this length that arrives at `at` has left the link; `None` if the queue
    /// is full. Calls must come in order of time.
    pub(super) fn pass(&mut self, at: TrueTime, bytes: usize) -> Option<TrueTime> {
        let Some(limit) = self.limit else { return Some(at.max(self.free_at)) };
        let bits = (bytes as i64 + OVERHEAD_BYTES) as f64 * 8.0;
        let ns_per_bit = 1e3 / limit.mbit_per_s.get();
        let waiting_bits = (self.free_at - at).max(0) as f64 / ns_per_bit;
        if waiting_bits + bits > f64::from(limit.queue_bytes.get()) * 8.0 {
            return None;
        }
        self.free_at = at.max(self.free_at) + libm::round(bits * ns_per_bit) as TrueTime;
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{MegabitsPerSecond, QueueBytes};

    const MS: TrueTime = 1_000_000;

    /// A datagram that is 500 bytes on the wire: 4 ms at 1 Mbit/s.
    const BYTES: usize = 434;

    fn bottleneck(queue_bytes: u32) -> Bottleneck {
        let mbit_per_s = MegabitsPerSecond::try_from(1.0).unwrap();
        Bottleneck::new(Some(RateLimit { mbit_per_s, queue_bytes: QueueBytes::try_from(queue_bytes).unwrap() }))
    }

    #[test]
    fn packets_wait_for_each_other_and_the_last_are_dropped() {
        let mut link = bottleneck(2_000);
        let left: Vec<_> = (0..6).map(|_| link.pass(0, BYTES)).collect();
        assert_eq!(left, [Some(4 * MS), Some(8 * MS), Some(12 * MS), Some(16 * MS), None, None]);
        // There is room for one again once the first has left.
        assert_eq!((link.pass(4 * MS, BYTES), link.pass(4 * MS, BYTES)), (Some(20 * MS), None));
        // An idle link takes as long as the packet does.
        assert_eq!(link.pass(100 * MS, BYTES), Some(104 * MS));
    }

    #[test]
    fn what_is_more_than_the_rate_is_lost() {
        // 500 bytes each 3 ms are 4/3 of the rate.
        let mut link = bottleneck(10_000);
        let lost = (0..10_000).filter(|&i| link.pass(i * 3 * MS, BYTES).is_none()).count();
        assert!((2_470..=2_500).contains(&lost), "{lost}");
    }

    #[test]
    fn a_wide_link_keeps_the_order_of_what_waited() {
        let mut link = bottleneck(2_000);
        link.pass(0, BYTES);
        link.set(None);
        assert_eq!((link.pass(MS, BYTES), link.pass(5 * MS, BYTES)), (Some(4 * MS), Some(5 * MS)));
    }
}
