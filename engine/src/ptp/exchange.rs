//! Matching the timestamps of one exchange that arrive in different messages.
//!
//! Model: t1 and t2 belong together if Sync and Follow_Up have the same sender and sequence id, in whichever order they come; t3 and t4 if a
//! Delay_Resp names our port and the sequence id of the last request. One exchange of each kind is open at a time; an answer to an older one
//! is of no more use. A Sync that was used is not used again, nor are those shortly before it. Corrections are applied here (IEEE 1588-2019, 11.2
//! and 11.3), so that clocks see plain timestamps.

use super::counters::PortCounters;
use super::wire::{CorrectionField, Flags, Header, PortIdentity};
use crate::clock::{Direction, TimestampPair};
use crate::units::{LocalTime, Nanos, PtpTime};

/// The key of a Sync and its Follow_Up.
type SyncKey = (PortIdentity, u16);

/// Syncs up to this many before the last one used are repetitions. Farther ones are those of a master that has started anew, which must not be ignored for long.
const REPETITIONS: u16 = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct SyncExchange {
    sync: Option<(SyncKey, LocalTime, Nanos)>,
    follow_up: Option<(SyncKey, PtpTime, Nanos)>,
    used: Option<SyncKey>,
}

impl SyncExchange {
    /// Takes a Sync that was received at `received`.
    pub(super) fn sync(
        &mut self,
        received: LocalTime,
        header: &Header,
        origin: PtpTime,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        let key = (header.source_port_identity, header.sequence_id);
        if self.is_repeated(key) {
            counters.repeated += 1;
            return None;
        }
        let correction = header.correction_field.to_nanos();
        if !header.flags.contains(Flags::TWO_STEP) {
            self.used = Some(key);
            return Some(forward(origin + correction, received));
        }
        match self.sync {
            // The first arrival is the one that was not delayed on a detour.
            Some((open, ..)) if open == key => counters.repeated += 1,
            open => {
                counters.unmatched_syncs += u64::from(open.is_some());
                self.sync = Some((key, received, correction));
            }
        }
        self.matched()
    }

    /// Takes a Follow_Up.
    pub(super) fn follow_up(
        &mut self,
        header: &Header,
        precise_origin: PtpTime,
        counters: &mut PortCounters,
    ) -> Option<TimestampPair> {
        let key = (header.source_port_identity, header.sequence_id);
        if self.is_repeated(key) {
            counters.repeated += 1;
            return None;
        }
        let replaces = self.follow_up.is_some_and(|(open, ..)| open != key);
        counters.unmatched_follow_ups += u64::from(replaces);
        self.follow_up = Some((key, precise_origin, header.correction_field.to_nanos()));
        self.matched()
    }

    fn is_repeated(&self, (sender, sequence_id): SyncKey) -> bool {
        self.used
            .is_some_and(|(used_sender, used)| used_sender == sender && used.wrapping_sub(sequence_id) <= REPETITIONS)
    }

    fn matched(&mut self) -> Option<TimestampPair> {
        let (sync_key, received, sync_correction) = self.sync?;
        let (follow_up_key, origin, follow_up_correction) = self.follow_up?;
        if sync_key != follow_up_key {
            return None;
        }
        *self = Self { used: Some(sync_key), ..Self::default() };
        Some(forward(origin + sync_correction + follow_up_correction, received))
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

    /// Takes a Delay_Resp to our port.
    pub(super) fn response(
        &mut self,
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
        self.answer = Some(received - correction.to_nanos());
        self.matched()
    }

    fn matched(&mut self) -> Option<TimestampPair> {
        let (local, remote) = (self.sent?, self.answer?);
        (self.sent, self.answer, self.open) = (None, None, false);
        Some(TimestampPair { direction: Direction::Reverse, local, remote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            self.exchange.sync(LocalTime::ZERO, &header, PtpTime::EPOCH, &mut self.counters)
        }

        fn follow_up(&mut self, sequence_id: u16) -> Option<TimestampPair> {
            self.exchange.follow_up(&header(sequence_id, 0, Flags::default()), PtpTime::EPOCH, &mut self.counters)
        }
    }

    #[test]
    fn sync_and_follow_up_match_in_either_order_with_both_corrections() {
        let (t1, t2) = (PtpTime::from_nanos(1_000), LocalTime::from_nanos(77));
        let expected = Some(forward(PtpTime::from_nanos(1_012), t2));
        let mut bench = Bench::default();
        let Bench { exchange, counters } = &mut bench;
        let (sync, follow_up) = (header(5, 10, Flags::TWO_STEP), header(5, 2, Flags::default()));
        assert_eq!(exchange.sync(t2, &sync, PtpTime::EPOCH, counters), None);
        assert_eq!(exchange.follow_up(&follow_up, t1, counters), expected);
        let (sync, follow_up) = (header(6, 10, Flags::TWO_STEP), header(6, 2, Flags::default()));
        assert_eq!(exchange.follow_up(&follow_up, t1, counters), None);
        assert_eq!(exchange.sync(t2, &sync, PtpTime::EPOCH, counters), expected);
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

    #[test]
    fn a_one_step_sync_needs_no_follow_up() {
        let mut bench = Bench::default();
        let pair = bench.exchange.sync(
            LocalTime::from_nanos(9),
            &header(1, 3, Flags::default()),
            PtpTime::from_nanos(100),
            &mut bench.counters,
        );
        assert_eq!(pair, Some(forward(PtpTime::from_nanos(103), LocalTime::from_nanos(9))));
    }

    #[test]
    fn nothing_is_used_twice() {
        for flags in [Flags::TWO_STEP, Flags::default()] {
            let mut bench = Bench::default();
            let mut pairs = 0;
            // In order, then all of it again, then the master starts anew.
            for sequence_id in [65_534, 65_535, 0, 1, 65_534, 65_535, 0, 1, 30_000, 30_001] {
                let sync = bench.sync(sequence_id, flags);
                pairs += u32::from(sync.or_else(|| bench.follow_up(sequence_id)).is_some());
            }
            assert_eq!(pairs, 6, "{flags:?}");
            assert!(bench.counters.repeated >= 4);
        }
    }

    #[test]
    fn a_sync_that_comes_again_before_its_follow_up_counts_from_its_first_arrival() {
        let mut bench = Bench::default();
        let two_step = header(5, 0, Flags::TWO_STEP);
        let Bench { exchange, counters } = &mut bench;
        for received in [10, 99] {
            exchange.sync(LocalTime::from_nanos(received), &two_step, PtpTime::EPOCH, counters);
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
        assert_eq!(exchange.response(0, t4, correction, &mut counters), None, "nothing was asked");
        assert_eq!(exchange.transmitted(0, t3), None);
        let old = exchange.request();
        let new = exchange.request();
        assert_eq!(exchange.transmitted(new, t3), None);
        assert_eq!(exchange.response(old, t4, correction, &mut counters), None);
        assert!(exchange.is_unanswered());
        let pair = exchange.response(new, t4, correction, &mut counters);
        assert_eq!(
            pair,
            Some(TimestampPair { direction: Direction::Reverse, local: t3, remote: PtpTime::from_nanos(1_995) })
        );
        assert_eq!(exchange.response(new, t4, correction, &mut counters), None);
        assert_eq!(counters.stale_responses, 3);
        assert!(!exchange.is_unanswered() && !exchange.is_unstamped());
    }

    #[test]
    fn a_request_of_which_nobody_tells_when_it_left_is_not_unanswered() {
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        let id = exchange.request();
        assert!(!exchange.is_unstamped());
        assert_eq!(exchange.response(id, PtpTime::EPOCH, CorrectionField::default(), &mut counters), None);
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
        assert_eq!(exchange.response(id, PtpTime::EPOCH, CorrectionField::default(), &mut counters), None);
        assert_eq!(exchange.request(), id + 1);
    }
}
