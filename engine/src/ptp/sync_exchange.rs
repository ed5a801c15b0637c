//! Matches Syncs with their Follow_Ups.
//!
//! Model: a Sync and a Follow_Up match, and yield t1 and t2, if they have the same sender, source
//! address and sequence id, whichever arrives first. Corrections are applied here (IEEE 1588-2019,
//! 11.2), so that clocks receive corrected timestamps. Each Sync is used only once, and Syncs whose
//! sequence id is shortly before the last one used are ignored.
//!
//! A Follow_Up takes precedence over the twoStepFlag of its Sync, because some masters clear this
//! flag but send Follow_Ups, and their Syncs then carry no time. So the first Sync without the flag
//! is kept until the next Sync, in case a Follow_Up arrives in between.
//!
//! Anyone can forge a Sync or a Follow_Up with a master's identity and address, before or after the
//! genuine one. So, among the messages with the same sequence id, the first Sync and the first
//! Follow_Up yield the expected pair. All other messages yield *alternatives*, among which a caller
//! that already knows the time can choose. Messages that contradict each other are a *conflict*.
//! The number of open exchanges is bounded, and the oldest is dropped first: an attacker who always
//! sends more than [`OPEN`] Syncs between a Sync of the master and its Follow_Up prevents any
//! match.

use super::counters::PortCounters;
use super::transmit::PeerAddress;
use super::wire::{Flags, Header, PortIdentity};
use crate::clock::{Direction, TimestampPair};
use crate::units::{LocalTime, Nanos, PtpTime};
use std::collections::VecDeque;

/// The key that a Sync shares with its Follow_Up: sender, source address and sequence id.
type SyncKey = (PortIdentity, PeerAddress, u16);

/// A Sync is regarded as a repetition if its sequence id is behind the last one used by no more
/// than this. Syncs that are further behind come from a master that has restarted, and such a
/// master must not be ignored for long.
const REPETITIONS: u16 = 32;
/// Number of consecutive Syncs with neither twoStepFlag nor a Follow_Up after which the flag is
/// trusted again: with 5 % packet loss, four consecutive Follow_Ups are lost once in 160,000 times.
const FLAG_BELIEVED: u32 = 4;
/// Maximum number of open exchanges: a Follow_Up arrives a few ms after its Sync, 20 ms at worst,
/// so even a thousand forged Syncs per second do not displace the master's exchange.
const OPEN: usize = 24;
/// Maximum number of Syncs, and of Follow_Ups, that an exchange keeps: the first and the newest
/// ones.
const CLAIMS: usize = 4;
/// Time within which a copy of a Sync arrives over another path; a later copy comes from another
/// sender.
const DETOUR: Nanos = Nanos::from_millis(10);
/// Accepted intervals: 2^-7 s to 2^4 s.
const INTERVALS: (i8, i8) = (-7, 4);

/// The meaning of a master's Syncs without twoStepFlag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unflagged {
    /// Unknown until the next Sync or Follow_Up.
    #[default]
    Unknown,
    /// One-step Syncs, which carry the time.
    OneStep,
    /// Two-step Syncs, with the number of consecutive Syncs without a Follow_Up.
    FollowedUp(u32),
}

/// The arrival of a Sync.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    received: LocalTime,
    correction: Nanos,
    /// The time in the Sync itself.
    origin: PtpTime,
    flagged: bool,
}

/// The time and the correction of a Follow_Up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FollowUpTime {
    origin: PtpTime,
    correction: Nanos,
}

/// All messages with one key, in the order of arrival.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    key: SyncKey,
    syncs: [Option<Arrival>; CLAIMS],
    follow_ups: [Option<FollowUpTime>; CLAIMS],
}

impl Exchange {
    fn first_sync(&self) -> Option<Arrival> {
        self.syncs[0]
    }

    /// The timestamps of a Sync and a Follow_Up.
    fn pair(sync: Arrival, follow_up_time: FollowUpTime) -> TimestampPair {
        // A Follow_Up with a timestamp of zero carries no time. The Sync carries the time, as its
        // cleared twoStepFlag states.
        if !sync.flagged && follow_up_time.origin == PtpTime::EPOCH && sync.origin != PtpTime::EPOCH {
            return sync.one_step_pair();
        }
        forward(follow_up_time.origin + sync.correction + follow_up_time.correction, sync.received)
    }
}

impl Arrival {
    /// The timestamps of a one-step Sync.
    fn one_step_pair(&self) -> TimestampPair {
        forward(self.origin + self.correction, self.received)
    }
}

/// Adds a message, and returns its index. If there is no room, the new message replaces the second
/// oldest one. The newest messages are always kept, so the master's own message is kept however
/// many forged messages precede it.
fn add<T>(claims: &mut [Option<T>; CLAIMS], claim: T) -> usize {
    let place = claims.iter().position(Option::is_none).unwrap_or_else(|| {
        claims[1..].rotate_left(1);
        CLAIMS - 1
    });
    claims[place] = Some(claim);
    place
}

fn forward(sent: PtpTime, received: LocalTime) -> TimestampPair {
    TimestampPair { direction: Direction::Forward, local: received, remote: sent }
}

#[derive(Clone, Debug, Default)]
pub(super) struct SyncExchange {
    /// Open exchanges, the oldest first.
    open: VecDeque<Exchange>,
    /// The newest Sync that waits for its Follow_Up (`waiting`), and the newest Follow_Up that
    /// waits for its Sync (`early`).
    waiting: Option<SyncKey>,
    early: Option<SyncKey>,
    used: Option<SyncKey>,
    unflagged: Unflagged,
    /// Number of consecutive Syncs whose Follow_Up has not arrived.
    unfollowed: u32,
    alternatives: VecDeque<TimestampPair>,
    conflict: bool,
}

impl SyncExchange {
    /// Handles a Sync from `source` that was received at `received`.
    pub(super) fn sync(
        &mut self,
        received: LocalTime,
        source: PeerAddress,
        header: &Header,
        origin: PtpTime,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        let key = (header.source_port_identity, source, header.sequence_id);
        let flagged = header.flags.contains(Flags::TWO_STEP);
        let arrival = Arrival { received, correction: header.correction_field.to_nanos(), origin, flagged };
        let interval = Nanos::from_log2_secs(header.log_message_interval.clamp(INTERVALS.0, INTERVALS.1));
        let repeated = self.is_repeated(key);
        let again = self.add_sync(key, arrival, interval) || repeated;
        if again {
            counters.repeated += 1;
        }
        if repeated {
            return None;
        }
        if !again {
            if let Some(waiting) = self.waiting.filter(|waiting| *waiting != key) {
                self.give_up(waiting, counters);
            }
            self.waiting = Some(key);
        }
        let has_follow_up = self.exchange(key).is_some_and(|exchange| exchange.follow_ups[0].is_some());
        if !flagged && !again && !has_follow_up {
            if self.unflagged == Unflagged::OneStep {
                (self.waiting, self.used) = (None, Some(key));
                return Some(arrival.one_step_pair());
            }
            self.suggest(arrival.one_step_pair());
        }
        self.matched(key)
    }

    /// Adds the arrival of a Sync to its exchange. If it is not the first, the pairs that it forms
    /// with the Follow_Ups of the exchange become alternatives. Returns whether the exchange
    /// already had an arrival.
    fn add_sync(&mut self, key: SyncKey, arrival: Arrival, interval: Nanos) -> bool {
        let exchange = self.exchange_or_new(key);
        let place = add(&mut exchange.syncs, arrival);
        let (first, follow_ups) = (exchange.syncs[0], exchange.follow_ups);
        let Some(first) = first.filter(|_| place > 0) else { return false };
        let apart = arrival.received.since(first.received);
        let content = |arrival: &Arrival| (arrival.correction, arrival.origin, arrival.flagged);
        let differs = content(&first) != content(&arrival) || apart > DETOUR;
        self.conflict |= differs && apart < interval;
        for follow_up_time in follow_ups.into_iter().flatten() {
            self.suggest(Exchange::pair(arrival, follow_up_time));
        }
        if !arrival.flagged && follow_ups[0].is_none() {
            self.suggest(arrival.one_step_pair());
        }
        true
    }

    /// Abandons an exchange whose Follow_Up did not arrive before the next Sync.
    fn give_up(&mut self, key: SyncKey, counters: &mut PortCounters) {
        let Some(sync) = self.exchange(key).and_then(|exchange| exchange.first_sync()) else { return };
        if sync.flagged {
            counters.unmatched_syncs += 1;
            self.unfollowed = self.unfollowed.saturating_add(1);
            return;
        }
        self.unflagged = match self.unflagged {
            Unflagged::FollowedUp(without) if without + 1 < FLAG_BELIEVED => Unflagged::FollowedUp(without + 1),
            _ => Unflagged::OneStep,
        };
    }

    /// Handles a Follow_Up from `source` that arrived at `now`.
    pub(super) fn follow_up(
        &mut self,
        now: LocalTime,
        source: PeerAddress,
        header: &Header,
        precise_origin: PtpTime,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        let key = (header.source_port_identity, source, header.sequence_id);
        let follow_up_time = FollowUpTime { origin: precise_origin, correction: header.correction_field.to_nanos() };
        let interval = Nanos::from_log2_secs(header.log_message_interval.clamp(INTERVALS.0, INTERVALS.1));
        let one_step = self.unflagged == Unflagged::OneStep && self.used == Some(key);
        let repeated = self.is_repeated(key);
        let again = self.add_follow_up(key, follow_up_time, now, interval);
        if one_step && precise_origin != PtpTime::EPOCH {
            self.unflagged = Unflagged::FollowedUp(0);
            return None;
        }
        if repeated || again {
            counters.repeated += 1;
            return None;
        }
        let pair = self.matched(key);
        if pair.is_none() {
            let replaces = self.early.replace(key).is_some_and(|early| early != key);
            counters.unmatched_follow_ups += u64::from(replaces);
        }
        pair
    }

    /// Adds a Follow_Up to its exchange. The pairs that it forms with the Syncs of the exchange
    /// become alternatives, except the expected pair. Returns whether the exchange already had a
    /// Follow_Up.
    fn add_follow_up(&mut self, key: SyncKey, follow_up_time: FollowUpTime, now: LocalTime, interval: Nanos) -> bool {
        let exchange = self.exchange_or_new(key);
        if exchange.follow_ups.contains(&Some(follow_up_time)) {
            return true;
        }
        let place = add(&mut exchange.follow_ups, follow_up_time);
        let syncs = exchange.syncs;
        if place == 0 && syncs[1].is_none() {
            return false;
        }
        let is_fresh = syncs[0].is_none_or(|sync| now.since(sync.received) < interval);
        self.conflict |= place > 0 && is_fresh;
        // The first Sync and the first Follow_Up form the expected pair, which is not an
        // alternative.
        for sync in syncs.into_iter().flatten().skip(usize::from(place == 0)) {
            self.suggest(Exchange::pair(sync, follow_up_time));
        }
        place > 0
    }

    /// Whether Follow_Ups are used although their Syncs do not set twoStepFlag.
    pub(super) fn contradicts_its_flag(&self) -> bool {
        matches!(self.unflagged, Unflagged::FollowedUp(_))
    }

    /// Number of consecutive Syncs that announced a Follow_Up that has not arrived.
    pub(super) fn unfollowed(&self) -> u32 {
        self.unfollowed
    }

    /// Removes and returns the next alternative pair; `None` if there is none.
    pub(super) fn poll_alternative(&mut self) -> Option<TimestampPair> {
        self.alternatives.pop_front()
    }

    /// Returns whether messages have contradicted each other since the last call.
    pub(super) fn take_conflict(&mut self) -> bool {
        std::mem::take(&mut self.conflict)
    }

    fn suggest(&mut self, pair: TimestampPair) {
        if self.alternatives.len() < CLAIMS * CLAIMS {
            self.alternatives.push_back(pair);
        }
    }

    fn exchange(&self, key: SyncKey) -> Option<&Exchange> {
        self.open.iter().rev().find(|exchange| exchange.key == key)
    }

    fn exchange_or_new(&mut self, key: SyncKey) -> &mut Exchange {
        let index = self.open.iter().rposition(|exchange| exchange.key == key).unwrap_or_else(|| {
            if self.open.len() == OPEN {
                self.open.pop_front();
            }
            self.open.push_back(Exchange { key, syncs: [None; CLAIMS], follow_ups: [None; CLAIMS] });
            self.open.len() - 1
        });
        &mut self.open[index]
    }

    fn is_repeated(&self, (sender, source, sequence_id): SyncKey) -> bool {
        let same = |used: &SyncKey| (used.0, used.1) == (sender, source);
        self.used.filter(same).is_some_and(|(.., used)| used.wrapping_sub(sequence_id) <= REPETITIONS)
    }

    /// Marks an exchange as used if it is complete, and returns the expected pair: its first Sync
    /// and its first Follow_Up.
    fn matched(&mut self, key: SyncKey) -> Option<TimestampPair> {
        let exchange = *self.exchange(key)?;
        let (sync, follow_up_time) = exchange.syncs[0].zip(exchange.follow_ups[0])?;
        (self.used, self.unfollowed) = (Some(key), 0);
        self.waiting = self.waiting.filter(|waiting| *waiting != key);
        self.early = self.early.filter(|early| *early != key);
        for follow_up_time in exchange.follow_ups.into_iter().flatten().skip(1) {
            self.conflict = true;
            self.suggest(Exchange::pair(sync, follow_up_time));
        }
        let zeros = follow_up_time.origin == PtpTime::EPOCH && sync.origin != PtpTime::EPOCH;
        if !sync.flagged && !zeros {
            self.unflagged = Unflagged::FollowedUp(0);
        }
        Some(Exchange::pair(sync, follow_up_time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptp::wire::CorrectionField;

    const FROM: PeerAddress = PeerAddress::V4(std::net::Ipv4Addr::LOCALHOST);

    fn header(sequence_id: u16, correction_ns: i64, flags: Flags) -> Header {
        let correction_field = CorrectionField::from_scaled_nanoseconds(correction_ns << 16);
        Header { sequence_id, correction_field, flags, ..Header::default() }
    }

    /// A Sync exchange and its counters.
    #[derive(Default)]
    struct Bench {
        exchange: SyncExchange,
        counters: PortCounters,
    }

    impl Bench {
        fn sync(&mut self, sequence_id: u16, flags: Flags) -> Option<TimestampPair> {
            let header = header(sequence_id, 0, flags);
            self.exchange.sync(LocalTime::ZERO, FROM, &header, PtpTime::EPOCH, &mut self.counters)
        }

        fn follow_up(&mut self, sequence_id: u16) -> Option<TimestampPair> {
            self.exchange.follow_up(
                LocalTime::ZERO,
                FROM,
                &header(sequence_id, 0, Flags::default()),
                PtpTime::EPOCH,
                &mut self.counters,
            )
        }
    }

    #[test]
    fn sync_and_follow_up_match_in_either_order_with_both_corrections() {
        let (t1, t2) = (PtpTime::from_nanos(1_000), LocalTime::from_nanos(77));
        let expected = Some(forward(PtpTime::from_nanos(1_012), t2));
        let mut bench = Bench::default();
        let Bench { exchange, counters } = &mut bench;
        let (sync, follow_up) = (header(5, 10, Flags::TWO_STEP), header(5, 2, Flags::default()));
        assert_eq!(exchange.sync(t2, FROM, &sync, PtpTime::EPOCH, counters), None);
        assert_eq!(exchange.follow_up(t2, FROM, &follow_up, t1, counters), expected);
        let (sync, follow_up) = (header(6, 10, Flags::TWO_STEP), header(6, 2, Flags::default()));
        assert_eq!(exchange.follow_up(t2, FROM, &follow_up, t1, counters), None);
        assert_eq!(exchange.sync(t2, FROM, &sync, PtpTime::EPOCH, counters), expected);
        assert_eq!(*counters, PortCounters::default());
    }

    #[test]
    fn a_follow_up_of_another_sync_does_not_match() {
        let mut bench = Bench::default();
        bench.sync(5, Flags::TWO_STEP);
        assert_eq!(bench.follow_up(6), None);
        assert_eq!(bench.follow_up(7), None);
        bench.sync(8, Flags::TWO_STEP);
        assert_eq!((bench.counters.unmatched_follow_ups, bench.counters.unmatched_syncs), (1, 1));
    }

    /// A Sync without twoStepFlag that carries `origin_ns` and is received at the same time.
    fn unflagged(bench: &mut Bench, sequence_id: u16, origin_ns: i64) -> Option<i128> {
        let (received, header) = (LocalTime::from_nanos(origin_ns), header(sequence_id, 3, Flags::default()));
        let origin = PtpTime::from_nanos(origin_ns.into());
        let pair = bench.exchange.sync(received, FROM, &header, origin, &mut bench.counters);
        pair.map(|pair| pair.remote.as_nanos())
    }

    /// A Follow_Up with the time `origin_ns`.
    fn follow_up(bench: &mut Bench, sequence_id: u16, origin_ns: i64) -> Option<i128> {
        let header = header(sequence_id, 0, Flags::default());
        let origin = PtpTime::from_nanos(origin_ns.into());
        let pair = bench.exchange.follow_up(LocalTime::ZERO, FROM, &header, origin, &mut bench.counters);
        pair.map(|pair| pair.remote.as_nanos())
    }

    #[test]
    fn a_one_step_sync_needs_no_follow_up_once_the_first_had_none() {
        let mut bench = Bench::default();
        let pairs = [1, 2, 3].map(|i| unflagged(&mut bench, i, 100 * i64::from(i)));
        assert_eq!(pairs, [None, Some(203), Some(303)]);
        assert_eq!(bench.counters, PortCounters::default());
        assert!(!bench.exchange.contradicts_its_flag());
    }

    #[test]
    fn a_follow_up_outweighs_the_flag_of_its_sync() {
        let mut bench = Bench::default();
        for i in 1..4 {
            assert_eq!(unflagged(&mut bench, i, 0), None);
            assert_eq!(follow_up(&mut bench, i, 100), Some(103));
            assert!(bench.exchange.contradicts_its_flag());
        }
        // Some Follow_Ups arrive first, and some are lost.
        assert_eq!(follow_up(&mut bench, 4, 100), None);
        assert_eq!(unflagged(&mut bench, 4, 0), Some(103));
        assert_eq!([5, 6, 7].map(|i| unflagged(&mut bench, i, 0)), [None; 3]);
        assert_eq!(follow_up(&mut bench, 7, 100), Some(103));
        // The master stops sending Follow_Ups, so its Syncs carry the time.
        let pairs = [8, 9, 10, 11, 12].map(|i| unflagged(&mut bench, i, 50));
        assert_eq!(pairs, [None, None, None, None, Some(53)]);
        assert!(!bench.exchange.contradicts_its_flag());
    }

    #[test]
    fn a_follow_up_of_which_the_first_was_lost_is_used_from_then_on() {
        let mut bench = Bench::default();
        assert_eq!([1, 2].map(|i| unflagged(&mut bench, i, 50)), [None, Some(53)]);
        assert_eq!(follow_up(&mut bench, 2, 100), None, "the Sync was used");
        assert_eq!(unflagged(&mut bench, 3, 50), None);
        assert_eq!(follow_up(&mut bench, 3, 100), Some(103));
    }

    #[test]
    fn a_follow_up_of_zeros_to_a_one_step_sync_tells_nothing() {
        let mut bench = Bench::default();
        assert_eq!(unflagged(&mut bench, 1, 50), None);
        assert_eq!(follow_up(&mut bench, 1, 0), Some(53));
        assert!(!bench.exchange.contradicts_its_flag());
        assert_eq!(unflagged(&mut bench, 2, 50), None);
        assert_eq!(unflagged(&mut bench, 3, 50), Some(53));
        assert_eq!(follow_up(&mut bench, 3, 0), None);
        assert_eq!(unflagged(&mut bench, 4, 50), Some(53));
    }

    #[test]
    fn a_follow_up_from_elsewhere_is_not_that_of_a_sync() {
        let mut bench = Bench::default();
        bench.sync(5, Flags::TWO_STEP);
        let (elsewhere, header) = (PeerAddress::from([192, 0, 2, 66]), header(5, 0, Flags::default()));
        let Bench { exchange, counters } = &mut bench;
        assert_eq!(exchange.follow_up(LocalTime::ZERO, elsewhere, &header, PtpTime::EPOCH, counters), None);
        assert!(bench.follow_up(5).is_some());
    }

    #[test]
    fn nothing_is_used_twice() {
        // The first one-step Sync only shows that there is no Follow_Up.
        for (flags, expected) in [(Flags::TWO_STEP, 6), (Flags::default(), 5)] {
            let mut bench = Bench::default();
            let mut pairs = 0;
            // The Syncs arrive in order, then all of them are repeated, and then the master
            // restarts.
            for sequence_id in [65_534, 65_535, 0, 1, 65_534, 65_535, 0, 1, 30_000, 30_001] {
                let mut pair = bench.sync(sequence_id, flags);
                if flags == Flags::TWO_STEP {
                    pair = pair.or_else(|| bench.follow_up(sequence_id));
                }
                pairs += u32::from(pair.is_some());
            }
            assert_eq!(pairs, expected, "{flags:?}");
            assert!(bench.counters.repeated >= 3);
        }
    }

    #[test]
    fn a_sync_that_comes_again_before_its_follow_up_counts_from_its_first_arrival() {
        let mut bench = Bench::default();
        let two_step = header(5, 0, Flags::TWO_STEP);
        let Bench { exchange, counters } = &mut bench;
        for received in [10, 99] {
            exchange.sync(LocalTime::from_nanos(received), FROM, &two_step, PtpTime::EPOCH, counters);
        }
        let pair = bench.follow_up(5).unwrap();
        assert_eq!(pair.local, LocalTime::from_nanos(10));
    }
}
