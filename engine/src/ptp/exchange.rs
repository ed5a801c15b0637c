//! Matching the timestamps of one exchange that arrive in different messages.
//!
//! Model: t1 and t2 belong together if Sync and Follow_Up have the same sender and sequence id, in whichever order they come; t3 and t4 if a
//! Delay_Resp names our port and the sequence id of the last request. One exchange of each kind is open at a time; an answer to an older one
//! is of no more use. Corrections are applied here (IEEE 1588-2019, 11.2 and 11.3), so that clocks see plain timestamps.

use super::wire::{CorrectionField, Flags, Header, PortIdentity};
use crate::clock::{Direction, TimestampPair};
use crate::units::{LocalTime, Nanos, PtpTime};

/// The key of a Sync and its Follow_Up.
type SyncKey = (PortIdentity, u16);

#[derive(Clone, Debug, Default)]
pub(super) struct SyncExchange {
    sync: Option<(SyncKey, LocalTime, Nanos)>,
    follow_up: Option<(SyncKey, PtpTime, Nanos)>,
}

impl SyncExchange {
    pub(super) fn sync(&mut self, received: LocalTime, header: &Header, origin: PtpTime) -> Option<TimestampPair> {
        let correction = header.correction_field.to_nanos();
        if !header.flags.contains(Flags::TWO_STEP) {
            return Some(forward(origin + correction, received));
        }
        self.sync = Some(((header.source_port_identity, header.sequence_id), received, correction));
        self.matched()
    }

    pub(super) fn follow_up(&mut self, header: &Header, precise_origin: PtpTime) -> Option<TimestampPair> {
        let key = (header.source_port_identity, header.sequence_id);
        self.follow_up = Some((key, precise_origin, header.correction_field.to_nanos()));
        self.matched()
    }

    fn matched(&mut self) -> Option<TimestampPair> {
        let (sync_key, received, sync_correction) = self.sync?;
        let (follow_up_key, origin, follow_up_correction) = self.follow_up?;
        if sync_key != follow_up_key {
            return None;
        }
        *self = Self::default();
        Some(forward(origin + sync_correction + follow_up_correction, received))
    }
}

fn forward(sent: PtpTime, received: LocalTime) -> TimestampPair {
    TimestampPair { direction: Direction::Forward, local: received, remote: sent }
}

#[derive(Clone, Debug, Default)]
pub(super) struct DelayExchange {
    sequence_id: u16,
    sent: Option<LocalTime>,
    answer: Option<PtpTime>,
}

impl DelayExchange {
    /// Opens the next exchange and returns its sequence id.
    pub(super) fn request(&mut self) -> u16 {
        *self = Self { sequence_id: self.sequence_id.wrapping_add(1), sent: None, answer: None };
        self.sequence_id
    }

    /// The request left the host at `sent`; may be told before or after the answer.
    pub(super) fn transmitted(&mut self, sequence_id: u16, sent: LocalTime) -> Option<TimestampPair> {
        if sequence_id == self.sequence_id {
            self.sent = Some(sent);
        }
        self.matched()
    }

    pub(super) fn response(
        &mut self,
        sequence_id: u16,
        received: PtpTime,
        correction: CorrectionField,
    ) -> Option<TimestampPair> {
        if sequence_id == self.sequence_id {
            self.answer = Some(received - correction.to_nanos());
        }
        self.matched()
    }

    fn matched(&mut self) -> Option<TimestampPair> {
        let (local, remote) = (self.sent?, self.answer?);
        (self.sent, self.answer) = (None, None);
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

    #[test]
    fn sync_and_follow_up_match_in_either_order_with_both_corrections() {
        let (t1, t2) = (PtpTime::from_nanos(1_000), LocalTime::from_nanos(77));
        let expected = Some(forward(PtpTime::from_nanos(1_012), t2));
        let (sync, follow_up) = (header(5, 10, Flags::TWO_STEP), header(5, 2, Flags::default()));
        let mut exchange = SyncExchange::default();
        assert_eq!(exchange.sync(t2, &sync, PtpTime::EPOCH), None);
        assert_eq!(exchange.follow_up(&follow_up, t1), expected);
        assert_eq!(exchange.follow_up(&follow_up, t1), None, "used up");
        assert_eq!(exchange.sync(t2, &sync, PtpTime::EPOCH), expected);
    }

    #[test]
    fn a_follow_up_of_another_sync_does_not_match() {
        let mut exchange = SyncExchange::default();
        exchange.sync(LocalTime::ZERO, &header(5, 0, Flags::TWO_STEP), PtpTime::EPOCH);
        assert_eq!(exchange.follow_up(&header(6, 0, Flags::default()), PtpTime::EPOCH), None);
    }

    #[test]
    fn a_one_step_sync_needs_no_follow_up() {
        let pair = SyncExchange::default().sync(
            LocalTime::from_nanos(9),
            &header(1, 3, Flags::default()),
            PtpTime::from_nanos(100),
        );
        assert_eq!(pair, Some(forward(PtpTime::from_nanos(103), LocalTime::from_nanos(9))));
    }

    #[test]
    fn a_request_is_answered_once_and_only_the_last_one() {
        let (t3, t4) = (LocalTime::from_nanos(50), PtpTime::from_nanos(2_000));
        let correction = CorrectionField::from_scaled_nanoseconds(5 << 16);
        let mut exchange = DelayExchange::default();
        let old = exchange.request();
        let new = exchange.request();
        assert_eq!(exchange.transmitted(new, t3), None);
        assert_eq!(exchange.response(old, t4, correction), None);
        let pair = exchange.response(new, t4, correction);
        assert_eq!(
            pair,
            Some(TimestampPair { direction: Direction::Reverse, local: t3, remote: PtpTime::from_nanos(1_995) })
        );
        assert_eq!(exchange.response(new, t4, correction), None);
    }
}
