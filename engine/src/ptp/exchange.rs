//! Matching the timestamps of one exchange that arrive in different messages.
//!
//! Model: t1 and t2 belong together if Sync and Follow_Up have the same sender, address and
//! sequence id, in whichever order they come; t3 and t4 if a Delay_Resp names our port and the
//! sequence id of the last request. One exchange of each kind is open at a time; an answer to an
//! older one is of no more use. A Sync that was used is not used again, nor are those shortly
//! before it. Corrections are applied here (IEEE 1588-2019, 11.2 and 11.3), so that clocks see
//! plain timestamps.
//!
//! A Follow_Up outweighs the flag of its Sync: a master may clear twoStepFlag and send Follow_Ups
//! all the same, and what its Syncs carry is then no time. So the first Sync without the flag waits
//! for the next one, to see whether a Follow_Up comes in between.

use super::counters::PortCounters;
use super::transmit::PeerAddress;
use super::wire::{CorrectionField, Flags, Header, PortIdentity};
use crate::clock::{Direction, TimestampPair};
use crate::units::{LocalTime, Nanos, PtpTime};

/// The key of a Sync and its Follow_Up.
type SyncKey = (PortIdentity, PeerAddress, u16);

/// Syncs up to this many before the last one used are repetitions. Farther ones are those of a master that has started anew, which must not be ignored for long.
const REPETITIONS: u16 = 32;
/// Syncs in a row without twoStepFlag and without a Follow_Up, after which the flag is believed
/// again: more Follow_Ups are not lost in a row where one in twenty is.
const FLAG_BELIEVED: u32 = 4;

/// What a master's Syncs without twoStepFlag are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unflagged {
    /// Not known: the next Sync or Follow_Up will tell.
    #[default]
    Unknown,
    /// One-step Syncs, which carry the time.
    OneStep,
    /// Two-step Syncs, of which so many in a row came without their Follow_Up.
    FollowedUp(u32),
}

/// A Sync that waits for its Follow_Up.
#[derive(Clone, Copy, Debug)]
struct OpenSync {
    key: SyncKey,
    received: LocalTime,
    correction: Nanos,
    /// What it carries itself.
    origin: PtpTime,
    flagged: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SyncExchange {
    sync: Option<OpenSync>,
    follow_up: Option<(SyncKey, PtpTime, Nanos)>,
    used: Option<SyncKey>,
    unflagged: Unflagged,
    /// Syncs in a row that waited for a Follow_Up in vain.
    unfollowed: u32,
}

impl SyncExchange {
    /// Takes a Sync that was received at `received` from `source`.
    pub(super) fn sync(
        &mut self,
        received: LocalTime,
        source: PeerAddress,
        header: &Header,
        origin: PtpTime,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        let key = (header.source_port_identity, source, header.sequence_id);
        if self.is_repeated(key) {
            counters.repeated += 1;
            return None;
        }
        let flagged = header.flags.contains(Flags::TWO_STEP);
        let correction = header.correction_field.to_nanos();
        match self.sync {
            // The first arrival is the one that was not delayed on a detour.
            Some(open) if open.key == key => counters.repeated += 1,
            open => {
                if let Some(open) = open {
                    self.give_up(&open, counters);
                }
                self.sync = Some(OpenSync { key, received, correction, origin, flagged });
            }
        }
        let has_follow_up = self.follow_up.is_some_and(|(follow_up, ..)| follow_up == key);
        if !flagged && self.unflagged == Unflagged::OneStep && !has_follow_up {
            (self.sync, self.used) = (None, Some(key));
            return Some(forward(origin + correction, received));
        }
        self.matched()
    }

    /// The next Sync has come before the Follow_Up of this one.
    fn give_up(&mut self, open: &OpenSync, counters: &mut PortCounters) {
        if open.flagged {
            counters.unmatched_syncs += 1;
            self.unfollowed = self.unfollowed.saturating_add(1);
            return;
        }
        self.unflagged = match self.unflagged {
            Unflagged::FollowedUp(without) if without + 1 < FLAG_BELIEVED => Unflagged::FollowedUp(without + 1),
            _ => Unflagged::OneStep,
        };
    }

    /// Takes a Follow_Up from `source`.
    pub(super) fn follow_up(
        &mut self,
        source: PeerAddress,
        header: &Header,
        precise_origin: PtpTime,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        let key = (header.source_port_identity, source, header.sequence_id);
        if self.unflagged == Unflagged::OneStep && self.used == Some(key) && precise_origin != PtpTime::EPOCH {
            self.unflagged = Unflagged::FollowedUp(0);
            return None;
        }
        if self.is_repeated(key) {
            counters.repeated += 1;
            return None;
        }
        let replaces = self.follow_up.is_some_and(|(open, ..)| open != key);
        counters.unmatched_follow_ups += u64::from(replaces);
        self.follow_up = Some((key, precise_origin, header.correction_field.to_nanos()));
        self.matched()
    }

    /// Whether Follow_Ups are used although their Syncs say that there are none.
    pub(super) fn contradicts_its_flag(&self) -> bool {
        matches!(self.unflagged, Unflagged::FollowedUp(_))
    }

    /// Syncs in a row whose Follow_Up did not come, although they say that there is one.
    pub(super) fn unfollowed(&self) -> u32 {
        self.unfollowed
    }

    fn is_repeated(&self, (sender, source, sequence_id): SyncKey) -> bool {
        let same = |used: &SyncKey| (used.0, used.1) == (sender, source);
        self.used.filter(same).is_some_and(|(.., used)| used.wrapping_sub(sequence_id) <= REPETITIONS)
    }

    fn matched(&mut self) -> Option<TimestampPair> {
        let sync = self.sync?;
        let (key, precise_origin, follow_up_correction) = self.follow_up?;
        if sync.key != key {
            return None;
        }
        (self.sync, self.follow_up, self.used, self.unfollowed) = (None, None, Some(key), 0);
        // Nothing but zeros is no precise time where the Sync has one, and says so by its flag.
        if !sync.flagged && precise_origin == PtpTime::EPOCH && sync.origin != PtpTime::EPOCH {
            return Some(forward(sync.origin + sync.correction, sync.received));
        }
        if !sync.flagged {
            self.unflagged = Unflagged::FollowedUp(0);
        }
        Some(forward(precise_origin + sync.correction + follow_up_correction, sync.received))
    }
}

fn forward(sent: PtpTime, received: LocalTime) -> TimestampPair {
    TimestampPair { direction: Direction::Forward, local: received, remote: sent }
}

#[derive(Clone, Debug, Default)]
pub(super) struct DelayExchange {
    sequence_id: u16,
    /// Whether there is a request at all.
    open: bool,
    answered: bool,
    sent: Option<LocalTime>,
    answer: Option<PtpTime>,
    /// When the answer arrived.
    arrived: Option<LocalTime>,
    /// From the last request that was answered to its answer.
    round_trip: Option<Nanos>,
}

impl DelayExchange {
    /// Opens the next exchange and returns its sequence id.
    pub(super) fn request(&mut self) -> u16 {
        *self = Self { sequence_id: self.sequence_id.wrapping_add(1), open: true, ..Self::default() };
        self.sequence_id
    }

    /// Gives the open request up; the sequence ids go on.
    pub(super) fn abandon(&mut self) {
        *self = Self { sequence_id: self.sequence_id, ..Self::default() };
    }

    /// Whether the open request has had no answer yet.
    pub(super) fn is_unanswered(&self) -> bool {
        self.open && !self.answered
    }

    /// Whether the open request was answered, and it is not known when it left.
    pub(super) fn is_unstamped(&self) -> bool {
        self.open && self.answered
    }

    /// The request left the host at `sent`; may be told before or after the answer.
    pub(super) fn transmitted(&mut self, sequence_id: u16, sent: LocalTime) -> Option<TimestampPair> {
        if self.open && sequence_id == self.sequence_id {
            self.sent = Some(sent);
        }
        self.matched()
    }

    /// How long the pair that was matched last was under way, there and back, with the time that
    /// the master took.
    pub(super) fn round_trip(&self) -> Option<Nanos> {
        self.round_trip
    }

    /// Takes a Delay_Resp to our port, which arrived at `arrived`.
    pub(super) fn response(
        &mut self,
        arrived: LocalTime,
        sequence_id: u16,
        received: PtpTime,
        correction: CorrectionField,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        if !self.is_unanswered() || sequence_id != self.sequence_id {
            counters.stale_responses += 1;
            return None;
        }
        self.answered = true;
        self.arrived = Some(arrived);
        self.answer = Some(received - correction.to_nanos());
        self.matched()
    }

    fn matched(&mut self) -> Option<TimestampPair> {
        let (local, remote) = (self.sent?, self.answer?);
        self.round_trip = self.arrived.map(|arrived| arrived - local);
        (self.sent, self.answer, self.open) = (None, None, false);
        Some(TimestampPair { direction: Direction::Reverse, local, remote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            self.exchange.follow_up(FROM, &header(sequence_id, 0, Flags::default()), PtpTime::EPOCH, &mut self.counters)
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
        assert_eq!(exchange.follow_up(FROM, &follow_up, t1, counters), expected);
        let (sync, follow_up) = (header(6, 10, Flags::TWO_STEP), header(6, 2, Flags::default()));
        assert_eq!(exchange.follow_up(FROM, &follow_up, t1, counters), None);
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

    /// A Sync without twoStepFlag that carries `origin_ns` and is received then, too.
    fn unflagged(bench: &mut Bench, sequence_id: u16, origin_ns: i64) -> Option<i128> {
        let (received, header) = (LocalTime::from_nanos(origin_ns), header(sequence_id, 3, Flags::default()));
        let origin = PtpTime::from_nanos(origin_ns.into());
        let pair = bench.exchange.sync(received, FROM, &header, origin, &mut bench.counters);
        pair.map(|pair| pair.remote.as_nanos())
    }

    /// A Follow_Up that tells `origin_ns`.
    fn follow_up(bench: &mut Bench, sequence_id: u16, origin_ns: i64) -> Option<i128> {
        let header = header(sequence_id, 0, Flags::default());
        let origin = PtpTime::from_nanos(origin_ns.into());
        let pair = bench.exchange.follow_up(FROM, &header, origin, &mut bench.counters);
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
        // Follow_Ups that come first, and some that are lost.
        assert_eq!(follow_up(&mut bench, 4, 100), None);
        assert_eq!(unflagged(&mut bench, 4, 0), Some(103));
        assert_eq!([5, 6, 7].map(|i| unflagged(&mut bench, i, 0)), [None; 3]);
        assert_eq!(follow_up(&mut bench, 7, 100), Some(103));
        // It sends none any more: its Syncs carry the time.
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
        assert_eq!(exchange.follow_up(elsewhere, &header, PtpTime::EPOCH, counters), None);
        assert!(bench.follow_up(5).is_some());
    }

    #[test]
    fn nothing_is_used_twice() {
        // The first one-step Sync only shows that there is no Follow_Up.
        for (flags, expected) in [(Flags::TWO_STEP, 6), (Flags::default(), 5)] {
            let mut bench = Bench::default();
            let mut pairs = 0;
            // In order, then all of it again, then the master starts anew.
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

    #[test]
    fn a_request_is_answered_once_and_only_the_last_one() {
        let (t3, t4) = (LocalTime::from_nanos(50), PtpTime::from_nanos(2_000));
        let correction = CorrectionField::from_scaled_nanoseconds(5 << 16);
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        assert_eq!(exchange.response(t3, 0, t4, correction, &mut counters), None, "nothing was asked");
        assert_eq!(exchange.transmitted(0, t3), None);
        let old = exchange.request();
        let new = exchange.request();
        assert_eq!(exchange.transmitted(new, t3), None);
        assert_eq!(exchange.response(t3, old, t4, correction, &mut counters), None);
        assert!(exchange.is_unanswered());
        let pair = exchange.response(t3, new, t4, correction, &mut counters);
        assert_eq!(
            pair,
            Some(TimestampPair { direction: Direction::Reverse, local: t3, remote: PtpTime::from_nanos(1_995) })
        );
        assert_eq!(exchange.response(t3, new, t4, correction, &mut counters), None);
        assert_eq!(counters.stale_responses, 3);
        assert!(!exchange.is_unanswered() && !exchange.is_unstamped());
    }

    #[test]
    fn a_request_of_which_nobody_tells_when_it_left_is_not_unanswered() {
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        let id = exchange.request();
        assert!(!exchange.is_unstamped());
        assert_eq!(
            exchange.response(LocalTime::ZERO, id, PtpTime::EPOCH, CorrectionField::default(), &mut counters),
            None
        );
        assert!(exchange.is_unstamped() && !exchange.is_unanswered());
        assert!(exchange.transmitted(id, LocalTime::ZERO).is_some());
        assert!(!exchange.is_unstamped());
    }

    #[test]
    fn an_abandoned_request_is_answered_in_vain() {
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        let id = exchange.request();
        exchange.abandon();
        assert!(!exchange.is_unanswered());
        assert_eq!(exchange.transmitted(id, LocalTime::ZERO), None);
        assert_eq!(
            exchange.response(LocalTime::ZERO, id, PtpTime::EPOCH, CorrectionField::default(), &mut counters),
            None
        );
        assert_eq!(exchange.request(), id + 1);
    }
}
