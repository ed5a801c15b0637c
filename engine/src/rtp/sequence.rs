//! Sequence numbers, and counts of lost, reordered and duplicate packets.
//!
//! The rules are those of RFC 3550 A.1, with three differences. A source is valid from its first
//! packet, because the sources of AES67 streams are configured, not discovered. Duplicates are
//! distinguished from late packets by a bitmap of the last 128 numbers, so that the number of lost
//! packets is never negative. And the first of the two packets that prove a restart is counted,
//! too. Memory is constant.

use std::fmt;

/// A packet that is ahead by this many packets or more is not considered the next one after a loss
/// (RFC 3550 A.1, MAX_DROPOUT).
pub(crate) const MAX_DROPOUT: u16 = 3000;
/// A packet that is behind by this many packets or more has not merely been reordered (RFC 3550
/// A.1, MAX_MISORDER).
const MAX_MISORDER: u16 = 100;
// Every packet that may count as reordered is within the bitmap.
const _: () = assert!(MAX_MISORDER as u32 <= u128::BITS);

/// The sequence number of an RTP packet (RFC 3550 5.1), which wraps at 2^16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(u16);

impl SequenceNumber {
    /// Creates a sequence number from the header field.
    #[must_use]
    pub const fn new(sequence: u16) -> Self {
        Self(sequence)
    }

    /// The value of the header field.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number of the next packet.
    ///
    /// ```
    /// use engine::rtp::sequence::SequenceNumber;
    /// assert_eq!(SequenceNumber::new(65_535).next(), SequenceNumber::new(0));
    /// ```
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many packets after `earlier` this packet was sent, modulo 2^16.
    const fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a packet's sequence number shows about its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first packet, or the one that follows the newest packet.
    InOrder,
    /// Newer than the expected packet.
    AfterGap {
        /// Number of packets that are missing before it so far.
        missing: u16,
    },
    /// Older than the newest packet, and not received before.
    Reordered,
    /// Received before.
    Duplicate,
    /// Too far away to be any of these. The packet is not counted unless the next packet follows
    /// it, which proves a restart.
    OutOfRange,
    /// The packet follows one that was out of range: the source has restarted its numbering.
    Restarted,
}

/// Totals since the start, which restarts do not reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceCounts {
    /// Packets received, without duplicates.
    pub received: u64,
    /// Packets that should have arrived but have not. Decreases when one of them arrives late.
    pub lost: u64,
    /// Packets that arrived more than once.
    pub duplicates: u64,
    /// Packets that arrived after a newer one.
    pub reordered: u64,
    /// Number of times that the source has restarted its numbering.
    pub restarts: u64,
}

/// Tracks the sequence numbers of one stream.
///
/// ```
/// use engine::rtp::sequence::{Arrival, SequenceNumber, SequenceTracker};
/// let mut tracker = SequenceTracker::default();
/// assert_eq!(tracker.insert(SequenceNumber::new(65_534)), Arrival::InOrder);
/// assert_eq!(tracker.insert(SequenceNumber::new(0)), Arrival::AfterGap { missing: 1 });
/// assert_eq!(tracker.counts().lost, 1);
/// assert_eq!(tracker.insert(SequenceNumber::new(65_535)), Arrival::Reordered);
/// assert_eq!(tracker.counts().lost, 0);
/// assert_eq!(tracker.insert(SequenceNumber::new(65_535)), Arrival::Duplicate);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SequenceTracker {
    run: Option<Run>,
    /// The number that would confirm a restart: if the last packet was out of range, the number
    /// after it.
    restart_at: Option<SequenceNumber>,
    counts: SequenceCounts,
}

/// The packets since the start or the last restart.
#[derive(Clone, Copy, Debug)]
struct Run {
    newest: SequenceNumber,
    /// Bit n is set if the packet n places before the newest one has been received.
    received: u128,
    /// Number of packets sent from the oldest received one to the newest one, inclusive.
    span: u64,
}

impl Run {
    const fn starting_at(first: SequenceNumber) -> Self {
        Self { newest: first, received: 1, span: 1 }
    }

    fn insert(&mut self, sequence: SequenceNumber) -> Arrival {
        let ahead = sequence.since(self.newest);
        let behind = self.newest.since(sequence);
        if behind < MAX_MISORDER {
            self.insert_behind(behind)
        } else if ahead < MAX_DROPOUT {
            self.insert_ahead(sequence, ahead)
        } else {
            Arrival::OutOfRange
        }
    }

    fn insert_ahead(&mut self, sequence: SequenceNumber, ahead: u16) -> Arrival {
        // A gap longer than the bitmap clears it.
        self.received = self.received.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        self.newest = sequence;
        self.span += u64::from(ahead);
        if ahead == 1 { Arrival::InOrder } else { Arrival::AfterGap { missing: ahead - 1 } }
    }

    fn insert_behind(&mut self, behind: u16) -> Arrival {
        let bit = 1 << behind;
        if self.received & bit != 0 {
            return Arrival::Duplicate;
        }
        self.received |= bit;
        // The packet may be older than the first one that was received.
        self.span = self.span.max(u64::from(behind) + 1);
        Arrival::Reordered
    }
}

impl SequenceTracker {
    /// Counts a packet. Returns what its sequence number shows.
    pub fn insert(&mut self, sequence: SequenceNumber) -> Arrival {
        let Some(run) = &mut self.run else {
            self.run = Some(Run::starting_at(sequence));
            self.counts.received = 1;
            return Arrival::InOrder;
        };
        let span_before = run.span;
        let arrival = run.insert(sequence);
        let newly_expected = run.span - span_before;
        if arrival == Arrival::OutOfRange {
            return self.insert_out_of_range(sequence);
        }
        self.restart_at = None;
        self.count(arrival, newly_expected);
        arrival
    }

    /// Counts a packet that is known from other evidence to continue the source, `ahead` packets
    /// after the newest one. The packets in between count as a gap, however long, and not as a
    /// restart.
    ///
    /// ```
    /// use engine::rtp::sequence::{SequenceNumber, SequenceTracker};
    /// let mut tracker = SequenceTracker::default();
    /// tracker.insert(SequenceNumber::new(7));
    /// tracker.resume(SequenceNumber::new(8), 65_537);
    /// assert_eq!((tracker.counts().received, tracker.counts().lost), (2, 65_536));
    /// ```
    pub fn resume(&mut self, sequence: SequenceNumber, ahead: u64) {
        let Some(run) = &mut self.run else {
            self.insert(sequence);
            return;
        };
        *run = Run { newest: sequence, received: 1, span: run.span + ahead };
        self.restart_at = None;
        self.counts.received += 1;
        self.counts.lost += ahead.saturating_sub(1);
    }

    /// The totals.
    #[must_use]
    pub const fn counts(&self) -> SequenceCounts {
        self.counts
    }

    fn count(&mut self, arrival: Arrival, newly_expected: u64) {
        if arrival == Arrival::Duplicate {
            self.counts.duplicates += 1;
            return;
        }
        self.counts.received += 1;
        self.counts.reordered += u64::from(arrival == Arrival::Reordered);
        // Lost = expected - received, and exactly one packet was received.
        self.counts.lost = (self.counts.lost + newly_expected).saturating_sub(1);
    }

    fn insert_out_of_range(&mut self, sequence: SequenceNumber) -> Arrival {
        let restarted = self.restart_at == Some(sequence);
        self.restart_at = Some(sequence.next());
        if !restarted {
            return Arrival::OutOfRange;
        }
        let mut run = Run::starting_at(SequenceNumber(sequence.0.wrapping_sub(1)));
        run.insert_ahead(sequence, 1);
        self.run = Some(run);
        self.restart_at = None;
        self.counts.received += 2;
        self.counts.restarts += 1;
        Arrival::Restarted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn insert_all(tracker: &mut SequenceTracker, numbers: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
        numbers.into_iter().map(|number| tracker.insert(SequenceNumber::new(number))).collect()
    }

    #[test]
    fn nothing_is_lost_in_order_through_the_wrap() {
        let mut tracker = SequenceTracker::default();
        let arrivals = insert_all(&mut tracker, (0..200_000u32).map(|n| (n + 65_000) as u16));
        assert!(arrivals.iter().all(|&arrival| arrival == Arrival::InOrder));
        assert_eq!(tracker.counts(), SequenceCounts { received: 200_000, ..SequenceCounts::default() });
    }

    #[test]
    fn a_packet_before_the_first_one_was_expected_too() {
        let mut tracker = SequenceTracker::default();
        assert_eq!(insert_all(&mut tracker, [10, 7, 8]), [Arrival::InOrder, Arrival::Reordered, Arrival::Reordered]);
        assert_eq!(
            tracker.counts(),
            SequenceCounts { received: 3, lost: 1, reordered: 2, ..SequenceCounts::default() }
        );
    }

    #[test]
    fn the_limits_are_those_of_the_rfc() {
        let cases = [
            (5000 + 2999, Arrival::AfterGap { missing: 2998 }),
            (5000 + 3000, Arrival::OutOfRange),
            (5000 - 99, Arrival::Reordered),
            (5000 - 100, Arrival::OutOfRange),
            (5000, Arrival::Duplicate),
        ];
        for (number, arrival) in cases {
            let mut tracker = SequenceTracker::default();
            assert_eq!(insert_all(&mut tracker, [5000, number]), [Arrival::InOrder, arrival], "{number}");
        }
    }

    #[test]
    fn a_gap_longer_than_the_bitmap_clears_it() {
        for gap in [127, 128, 129, 1000] {
            let mut tracker = SequenceTracker::default();
            insert_all(&mut tracker, [0, gap]);
            let late = insert_all(&mut tracker, (1..MAX_MISORDER).map(|behind| gap - behind));
            assert!(late.iter().all(|&arrival| arrival == Arrival::Reordered), "gap {gap}: {late:?}");
            let counts =
                SequenceCounts { received: 101, lost: u64::from(gap) - 100, reordered: 99, ..Default::default() };
            assert_eq!(tracker.counts(), counts);
        }
    }

    #[test]
    fn two_packets_in_a_row_confirm_a_restart() {
        let mut tracker = SequenceTracker::default();
        let arrivals = insert_all(&mut tracker, [0, 1, 40_000, 2, 40_001, 40_002, 40_003, 40_001]);
        let expected = [
            Arrival::InOrder,
            Arrival::InOrder,
            Arrival::OutOfRange,
            Arrival::InOrder,
            Arrival::OutOfRange,
            Arrival::Restarted,
            Arrival::InOrder,
            Arrival::Duplicate,
        ];
        assert_eq!(arrivals, expected);
        assert_eq!(tracker.counts(), SequenceCounts { received: 6, duplicates: 1, restarts: 1, ..Default::default() });
    }

    #[test]
    fn a_restart_repeated_packet_by_packet_is_not_confirmed_by_its_copy() {
        let mut tracker = SequenceTracker::default();
        let arrivals = insert_all(&mut tracker, [0, 40_000, 40_000, 40_001]);
        assert_eq!(arrivals[1..], [Arrival::OutOfRange, Arrival::OutOfRange, Arrival::Restarted]);
    }

    proptest! {
        /// Every packet arrives 0 to 3 times, displaced by less than the misorder limit: the totals
        /// are the same as for a set.
        #[test]
        fn totals_match_a_set_of_numbers(start in any::<u16>(), packets in proptest::collection::vec((0u32..60, 0u8..4), 1..600)) {
            let mut order: Vec<(u32, u32)> = Vec::new();
            for (number, &(delay, copies)) in packets.iter().enumerate() {
                order.extend((0..u32::from(copies)).map(|copy| (number as u32 + delay + copy, number as u32)));
            }
            order.sort_unstable();
            let mut tracker = SequenceTracker::default();
            insert_all(&mut tracker, order.iter().map(|&(_, number)| start.wrapping_add(number as u16)));

            let seen: BTreeSet<u32> = order.iter().map(|&(_, number)| number).collect();
            let expected = seen.last().zip(seen.first()).map_or(0, |(last, first)| last - first + 1);
            let counts = tracker.counts();
            prop_assert_eq!(counts.received, seen.len() as u64);
            prop_assert_eq!(counts.lost, u64::from(expected) - seen.len() as u64);
            prop_assert_eq!(counts.duplicates, (order.len() - seen.len()) as u64);
            prop_assert_eq!(counts.restarts, 0);
        }

        #[test]
        fn any_numbers_are_counted_once(numbers in proptest::collection::vec(any::<u16>(), 0..500)) {
            let mut tracker = SequenceTracker::default();
            let arrivals = insert_all(&mut tracker, numbers.iter().copied());
            let out_of_range = arrivals.iter().filter(|&&arrival| arrival == Arrival::OutOfRange).count() as u64;
            let counts = tracker.counts();
            // A restart also counts the packet that preceded it, which was out of range.
            prop_assert_eq!(counts.received + counts.duplicates + out_of_range - counts.restarts, numbers.len() as u64);
        }
    }
}
