//! Matches Delay_Reqs with their Delay_Resps.
//!
//! Model: t3 and t4 belong together if a Delay_Resp names our port and the sequence id of the last
//! request. One exchange is open at a time; an answer to an older request is ignored. Corrections
//! are applied here (IEEE 1588-2019, 11.3).
//!
//! Every host on the network receives a multicast Delay_Req, and can forge an answer with the
//! master's identity before the master answers. So the first answer yields the expected pair, and
//! further answers yield *alternatives*, among which a caller that already knows the time can
//! choose.

use super::counters::PortCounters;
use super::wire::CorrectionField;
use crate::clock::{Direction, TimestampPair};
use crate::units::{LocalTime, Nanos, PtpTime};

/// Maximum number of answers to one request that are used. If an attacker sends this many before
/// the master answers, no delay is measured.
const ANSWERS: usize = 32;

/// An answer, its arrival time and its logMessageInterval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Answer {
    remote: PtpTime,
    arrived: LocalTime,
    log_interval: i8,
}

/// The timestamps of an exchange, and its round-trip time, which includes the time that the master
/// took to answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) pair: TimestampPair,
    pub(super) round_trip: Nanos,
    /// logMessageInterval of the answer.
    pub(super) log_interval: i8,
    /// Whether this is the first answer to the request.
    pub(super) is_first: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct DelayExchange {
    sequence_id: u16,
    /// Whether a request is open.
    open: bool,
    sent: Option<LocalTime>,
    answers: [Option<Answer>; ANSWERS],
    /// Number of answers that have been polled.
    told: usize,
}

impl DelayExchange {
    /// Opens the next exchange and returns its sequence id.
    pub(super) fn request(&mut self) -> u16 {
        *self = Self { sequence_id: self.sequence_id.wrapping_add(1), open: true, ..Self::default() };
        self.sequence_id
    }

    /// Abandons the open request; its sequence id is not reused.
    pub(super) fn abandon(&mut self) {
        *self = Self { sequence_id: self.sequence_id, ..Self::default() };
    }

    /// Whether the open request has not been answered yet.
    pub(super) fn is_unanswered(&self) -> bool {
        self.open && self.answers[0].is_none()
    }

    /// Whether the open request has been answered, but its departure time is unknown.
    pub(super) fn is_unstamped(&self) -> bool {
        self.open && self.answers[0].is_some() && self.sent.is_none()
    }

    /// Records the departure time of the request, which may become known before or after the answer
    /// arrives.
    pub(super) fn transmitted(&mut self, sequence_id: u16, sent: LocalTime) {
        if self.open && sequence_id == self.sequence_id && self.sent.is_none() {
            self.sent = Some(sent);
        }
    }

    /// Records a Delay_Resp to our port, which arrived at `arrived`. Returns whether it contradicts
    /// an earlier answer.
    pub(super) fn response(
        &mut self,
        arrived: LocalTime,
        sequence_id: u16,
        received: PtpTime,
        correction: CorrectionField,
        log_interval: i8,
        counters: &mut PortCounters,
    ) -> bool {
        let remote = received - correction.to_nanos();
        let is_ours = self.open && sequence_id == self.sequence_id;
        let is_new = self.answers.iter().flatten().all(|answer| answer.remote != remote);
        let place = self.answers.iter_mut().find(|place| place.is_none()).filter(|_| is_ours && is_new);
        let Some(place) = place else {
            counters.stale_responses += 1;
            return false;
        };
        *place = Some(Answer { remote, arrived, log_interval });
        let contradicts = self.answers[1].is_some();
        counters.stale_responses += u64::from(contradicts);
        contradicts
    }

    /// The next answer that has not been polled yet, in order of arrival.
    pub(super) fn poll_answer(&mut self) -> Option<Answered> {
        let (sent, answer) = self.sent.zip(*self.answers.get(self.told)?)?;
        self.told += 1;
        Some(Answered {
            pair: TimestampPair { direction: Direction::Reverse, local: sent, remote: answer.remote },
            round_trip: answer.arrived - sent,
            log_interval: answer.log_interval,
            is_first: self.told == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(exchange: &mut DelayExchange, at: LocalTime, id: u16, ns: i64, counters: &mut PortCounters) -> bool {
        let correction = CorrectionField::from_scaled_nanoseconds(5 << 16);
        exchange.response(at, id, PtpTime::from_nanos(ns.into()), correction, 0, counters)
    }

    fn told(exchange: &mut DelayExchange) -> Option<i128> {
        exchange.poll_answer().map(|answered| answered.pair.remote.as_nanos())
    }

    #[test]
    fn only_the_last_request_is_answered_and_nothing_is_used_twice() {
        let t3 = LocalTime::from_nanos(50);
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        answer(&mut exchange, t3, 0, 2_000, &mut counters);
        exchange.transmitted(0, t3);
        assert_eq!(told(&mut exchange), None, "nothing was asked");
        let old = exchange.request();
        let new = exchange.request();
        exchange.transmitted(new, t3);
        answer(&mut exchange, t3, old, 2_000, &mut counters);
        assert!(exchange.is_unanswered());
        assert!(!answer(&mut exchange, t3 + Nanos::new(80), new, 2_000, &mut counters));
        let answered = exchange.poll_answer().unwrap();
        let remote = PtpTime::from_nanos(1_995);
        assert_eq!(answered.pair, TimestampPair { direction: Direction::Reverse, local: t3, remote });
        assert_eq!(answered.round_trip, Nanos::new(80));
        assert!(!answer(&mut exchange, t3, new, 2_000, &mut counters));
        assert_eq!(told(&mut exchange), None);
        assert_eq!(counters.stale_responses, 3);
        assert!(!exchange.is_unanswered() && !exchange.is_unstamped());
    }

    #[test]
    fn answers_that_contradict_each_other_are_all_told_up_to_a_bound() {
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        let id = exchange.request();
        exchange.transmitted(id, LocalTime::ZERO);
        let contradict = (1..50).map(|i| answer(&mut exchange, LocalTime::ZERO, id, 1_000 * i, &mut counters));
        assert_eq!(contradict.filter(|&contradicts| contradicts).count(), ANSWERS - 1);
        assert_eq!(std::iter::from_fn(|| told(&mut exchange)).count(), ANSWERS);
        exchange.request();
        assert_eq!(told(&mut exchange), None);
    }

    #[test]
    fn a_request_of_which_nobody_tells_when_it_left_is_not_unanswered() {
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        let id = exchange.request();
        assert!(!exchange.is_unstamped());
        answer(&mut exchange, LocalTime::ZERO, id, 0, &mut counters);
        assert_eq!(told(&mut exchange), None);
        assert!(exchange.is_unstamped() && !exchange.is_unanswered());
        exchange.transmitted(id, LocalTime::ZERO);
        assert!(told(&mut exchange).is_some());
        assert!(!exchange.is_unstamped());
    }

    #[test]
    fn an_abandoned_request_is_answered_in_vain() {
        let mut counters = PortCounters::default();
        let mut exchange = DelayExchange::default();
        let id = exchange.request();
        exchange.abandon();
        assert!(!exchange.is_unanswered());
        exchange.transmitted(id, LocalTime::ZERO);
        answer(&mut exchange, LocalTime::ZERO, id, 0, &mut counters);
        assert_eq!(told(&mut exchange), None);
        assert_eq!(exchange.request(), id + 1);
    }
}
