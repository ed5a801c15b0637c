//! The port as slave: following a master.
//!
//! Model: Syncs and Delay_Resps of the selected master become timestamp pairs for the clock law.
//! Delay_Reqs are sent at the rate that the master's Delay_Resps tell. The law hears of another
//! master and of requests that were in vain, and nothing else of what happens here.

use super::*;
use crate::clock::{Direction, LockCause, TimestampPair};
use crate::ptp::config::DelayRequestMode;
use crate::ptp::intervals::SyncIntervals;
use crate::ptp::plausibility::{Fault, Plausibility};

/// Delay_Reqs without an answer, after which the user is told, and hybrid mode is given up.
const UNANSWERED_LIMIT: u32 = 4;
/// Sync and Delay_Req intervals that are believed.
const SYNC_INTERVALS: (i8, i8) = (-7, 4);
const DELAY_REQ_INTERVALS: (i8, i8) = (-7, 5);

/// A master is another one if its port or its grandmaster is.
type MasterKey = (PortIdentity, ClockIdentity);

fn key(master: &Candidate) -> MasterKey {
    (master.data.sender, master.data.grandmaster)
}

/// What the port as slave remembers.
pub(super) struct Pursuit {
    parent: Option<Candidate>,
    /// The last parent, also after it was lost.
    last_parent: Option<MasterKey>,
    /// Whether the parent's time has been heard since it was selected.
    heard: bool,
    /// When it was selected.
    pub(super) since: LocalTime,
    pub(super) sync: SyncExchange,
    delay: DelayExchange,
    pub(super) plausibility: Plausibility,
    /// The fault that the user knows of.
    fault: Option<Fault>,
    /// Whether the user knows of Follow_Ups that contradict their flag.
    contradiction: bool,
    pub(super) intervals: SyncIntervals,
    delay_interval: Nanos,
    pub(super) sync_interval: Nanos,
    /// Delay_Reqs in a row that the parent did not answer.
    pub(super) unanswered: u32,
    /// Delay_Reqs in a row that it answered, and of which nobody told when they left.
    pub(super) unstamped: u32,
    /// Whether the parent's address was given up for multicast.
    fell_back: bool,
}

impl Pursuit {
    pub(super) fn new(config: &PortConfig) -> Self {
        Self {
            parent: None,
            last_parent: None,
            heard: false,
            since: LocalTime::ZERO,
            sync: SyncExchange::default(),
            delay: DelayExchange::default(),
            plausibility: Plausibility::default(),
            fault: None,
            contradiction: false,
            intervals: SyncIntervals::default(),
            delay_interval: Nanos::from_log2_secs(config.log_min_delay_req_interval),
            sync_interval: SlaveClockConfig::default().sync_interval,
            unanswered: 0,
            unstamped: 0,
            fell_back: false,
        }
    }

    pub(super) fn parent(&self) -> Option<&Candidate> {
        self.parent.as_ref()
    }

    /// Forgets what was open with the parent; false if there was none.
    fn drop_parent(&mut self) -> Option<Candidate> {
        self.sync = SyncExchange::default();
        self.delay.abandon();
        (self.plausibility, self.fault) = (Plausibility::default(), None);
        (self.intervals, self.contradiction) = (SyncIntervals::default(), false);
        (self.heard, self.fell_back) = (false, false);
        (self.unanswered, self.unstamped) = (0, 0);
        self.parent.take()
    }
}

impl<L: ClockLaw> Port<L> {
    /// S1 of the state decision: follows `best`.
    pub(super) fn follow(&mut self, now: LocalTime, best: Candidate) {
        let before = self.pursuit.parent.as_ref().map(key);
        if before == Some(key(&best)) {
            self.pursuit.parent = Some(best);
            return;
        }
        self.pursuit.drop_parent();
        self.pursuit.parent = Some(best);
        self.pursuit.since = now;
        let last = self.pursuit.last_parent.replace(key(&best));
        if last.is_some_and(|last| last != key(&best)) {
            self.law.change_master(now);
        }
        self.stop_serving();
        self.push_event(PortEvent::MasterSelected(best.data));
        match self.state {
            PortState::Slave => self.transition(now, StateCause::AnotherMaster),
            PortState::Uncalibrated => {}
            _ => self.transition(now, StateCause::BetterClock),
        }
        self.schedule_delay_request(now);
        self.timers.set(Timer::Clock, now + self.pursuit.sync_interval);
    }

    /// Nobody is left to be followed, and we do not serve. The clock goes on, into holdover and out of it.
    pub(super) fn give_up(&mut self, now: LocalTime) {
        if self.forsake() {
            self.transition(now, StateCause::AnnounceReceiptTimeout);
        }
    }

    /// Stops following; false if nobody was followed.
    pub(super) fn forsake(&mut self) -> bool {
        let Some(lost) = self.pursuit.drop_parent() else { return false };
        self.timers.stop(Timer::DelayRequest);
        if self.masters.best().is_none() {
            self.push_event(PortEvent::MasterLost(lost.data.sender));
        }
        true
    }

    /// Sync, Follow_Up and Delay_Resp count only from the selected master.
    pub(super) fn handle_master_message(&mut self, now: LocalTime, source: PeerAddress, header: &Header, body: &Body) {
        let timing = matches!(body, Body::Sync { .. } | Body::FollowUp { .. } | Body::DelayResp { .. });
        if !timing {
            return;
        }
        if self.master().is_none_or(|master| master.sender != header.source_port_identity) {
            self.counters.not_the_master += 1;
            if self.master().is_none() && matches!(body, Body::Sync { .. }) {
                self.unusable.hear(now, What::Unannounced(header.source_port_identity), None);
            }
            return;
        }
        let admitted = self.pursuit.plausibility.admits_correction(header.correction_field);
        self.counters.implausible += u64::from(!admitted);
        // An answer is one, also if it is of no use.
        if admitted || matches!(body, Body::DelayResp { .. }) {
            let pair = self.timestamp_pair(now, source, header, body);
            if let Some(pair) = pair.filter(|_| admitted) {
                self.judge(now, &pair);
            }
        }
        self.tell_findings(now);
    }

    fn timestamp_pair(
        &mut self,
        now: LocalTime,
        source: PeerAddress,
        header: &Header,
        body: &Body,
    ) -> Option<TimestampPair> {
        let (pursuit, counters) = (&mut self.pursuit, &mut self.counters);
        match *body {
            Body::Sync { origin_timestamp } => {
                counters.syncs += 1;
                let repeated = counters.repeated;
                let pair = pursuit.sync.sync(now, source, header, origin_timestamp, counters);
                if counters.repeated == repeated {
                    pursuit.intervals.heard(now);
                }
                self.learn_sync_interval(header.log_message_interval);
                pair
            }
            Body::FollowUp { precise_origin_timestamp } => {
                counters.follow_ups += 1;
                pursuit.sync.follow_up(source, header, precise_origin_timestamp, counters)
            }
            Body::DelayResp { receive_timestamp, requesting_port_identity }
                if requesting_port_identity == self.config.identity =>
            {
                counters.delay_responses += 1;
                pursuit.learn_delay_interval(header.log_message_interval);
                let (sequence_id, correction) = (header.sequence_id, header.correction_field);
                let pair = pursuit.delay.response(now, sequence_id, receive_timestamp, correction, counters);
                if !pursuit.delay.is_unanswered() {
                    pursuit.unanswered = 0;
                }
                pair
            }
            _ => None,
        }
    }

    pub(super) fn learn_delay_interval(&mut self, log2: i8) {
        self.pursuit.learn_delay_interval(log2);
    }

    pub(super) fn learn_sync_interval(&mut self, log2: i8) {
        let told = match log2 {
            NO_INTERVAL => self.pursuit.sync_interval,
            log2 => Nanos::from_log2_secs(log2.clamp(SYNC_INTERVALS.0, SYNC_INTERVALS.1)),
        };
        // A host's clock that stands still measures nothing.
        let believed = Nanos::from_log2_secs(SYNC_INTERVALS.0)..=Nanos::from_log2_secs(SYNC_INTERVALS.1);
        self.pursuit.sync_interval = self.pursuit.intervals.interval(told).clamp(*believed.start(), *believed.end());
        self.law.set_sync_interval(self.pursuit.sync_interval);
    }

    /// The law gets what agrees with the rest.
    fn judge(&mut self, now: LocalTime, pair: &TimestampPair) {
        if !self.pursuit.plausibility.admits(pair) {
            self.counters.implausible += 1;
            return;
        }
        if pair.direction == Direction::Reverse {
            self.pursuit.unstamped = 0;
            if let Some(longest) = self.pursuit.delay.round_trip() {
                self.law.exchange_took(longest);
            }
        }
        self.observe(now, pair);
    }

    /// Tells what is odd with the master, once.
    fn tell_findings(&mut self, now: LocalTime) {
        let Some(parent) = self.pursuit.parent else { return };
        if self.pursuit.sync.contradicts_its_flag() && !std::mem::replace(&mut self.pursuit.contradiction, true) {
            self.push_event(PortEvent::FlagContradicted(parent.data.sender));
        }
        let kind = |fault: Fault| std::mem::discriminant(&fault);
        let fault = self.pursuit.plausibility.fault();
        let before = std::mem::replace(&mut self.pursuit.fault, fault);
        match fault {
            Some(fault) if before.map(kind) != Some(kind(fault)) => self.push_event(PortEvent::Doubted(fault)),
            None if before.is_some() => {
                if !matches!(before, Some(Fault::Correction { .. })) {
                    self.law.begin_anew(now);
                }
                self.push_event(PortEvent::Trusted);
            }
            _ => {}
        }
    }

    fn observe(&mut self, now: LocalTime, pair: &TimestampPair) {
        self.law.observe(pair);
        self.pursuit.heard = true;
        self.calibrate(now);
        self.drain_law();
    }

    /// UNCALIBRATED becomes SLAVE when the law vouches for the time, and SLAVE becomes UNCALIBRATED when it no longer does.
    fn calibrate(&mut self, now: LocalTime) {
        let usable = self.law.reading(now).state.is_usable();
        match self.state {
            PortState::Uncalibrated if usable && self.pursuit.heard => self.transition(now, StateCause::ClockFollowed),
            PortState::Slave if !usable => self.transition(now, StateCause::SynchronizationFault),
            _ => {}
        }
    }

    pub(super) fn advance_clock(&mut self, now: LocalTime) {
        self.law.advance(now);
        self.calibrate(now);
        self.timers.set(Timer::Clock, now + self.pursuit.sync_interval);
    }

    /// Our Delay_Req left.
    pub(super) fn request_left(&mut self, sequence_id: u16, sent: LocalTime) {
        if let Some(pair) = self.pursuit.delay.transmitted(sequence_id, sent) {
            self.judge(sent, &pair);
            self.tell_findings(sent);
        }
    }

    pub(super) fn request_delay(&mut self, now: LocalTime) {
        if self.pursuit.parent.is_some_and(|parent| !self.may_request_delay(parent.address)) {
            self.pursuit.delay.abandon();
            self.schedule_delay_request(now);
            return;
        }
        if self.pursuit.delay.is_unanswered() {
            self.counters.unanswered_requests += 1;
            self.law.request_unanswered(now);
            self.count_unanswered(now);
        } else if self.pursuit.delay.is_unstamped() {
            // To the law it is the same: the delay cannot be measured.
            self.counters.unstamped_requests += 1;
            self.pursuit.unstamped = self.pursuit.unstamped.saturating_add(1);
            self.law.request_unanswered(now);
        }
        let Some(parent) = self.pursuit.parent else { return };
        let sequence_id = self.pursuit.delay.request();
        let by_unicast = self.config.unicast.is_some()
            || self.config.delay_request_mode == DelayRequestMode::Hybrid && !self.pursuit.fell_back;
        let (flags, destination) = if by_unicast {
            (Flags::UNICAST, Destination::Unicast(parent.address))
        } else {
            (Flags::default(), Destination::Multicast)
        };
        let header = self.header(sequence_id, flags, NO_INTERVAL);
        self.send(header, Body::DelayReq { origin_timestamp: crate::PtpTime::EPOCH }, destination);
        self.schedule_delay_request(now);
    }

    fn count_unanswered(&mut self, now: LocalTime) {
        let Some(parent) = self.pursuit.parent else { return };
        self.pursuit.unanswered = self.pursuit.unanswered.saturating_add(1);
        if self.pursuit.unanswered >= UNANSWERED_LIMIT {
            self.pursuit.plausibility.forget_answers();
            self.tell_findings(now);
        }
        if self.pursuit.unanswered != UNANSWERED_LIMIT {
            return;
        }
        let hybrid = self.config.delay_request_mode == DelayRequestMode::Hybrid && self.config.unicast.is_none();
        let falls_back_to_multicast = hybrid && !self.pursuit.fell_back;
        if falls_back_to_multicast {
            (self.pursuit.fell_back, self.pursuit.unanswered) = (true, 0);
        }
        let (master, requests) = (parent.data.sender, UNANSWERED_LIMIT);
        self.push_event(PortEvent::RequestsUnanswered { master, requests, falls_back_to_multicast });
    }

    /// Uniform over 0..2 intervals (IEEE 1588-2019, 9.5.11.2), so that the slaves of a network do not ask in chorus.
    fn schedule_delay_request(&mut self, now: LocalTime) {
        let share = self.draw();
        let wait = Nanos::from_secs_f64(2.0 * share * self.pursuit.delay_interval.as_secs_f64());
        self.timers.set(Timer::DelayRequest, now + wait);
    }

    /// Whether a step was one, an answer tells: so it is asked for within a Sync interval,
    /// uniformly for the same reason.
    fn hasten_delay_request(&mut self, now: LocalTime) {
        if self.pursuit.parent.is_some() && !self.pursuit.delay.is_unanswered() {
            let wait = Nanos::from_secs_f64(self.draw() * self.pursuit.sync_interval.as_secs_f64());
            self.timers.set(Timer::DelayRequest, now + wait);
        }
    }

    pub(super) fn drain_law(&mut self) {
        while let Some(transition) = self.law.poll_transition() {
            if matches!(transition.cause, LockCause::MasterStepped { .. } | LockCause::MasterChanged { .. }) {
                self.hasten_delay_request(transition.at);
            }
            self.push_event(PortEvent::Lock(transition));
        }
    }
}

impl Pursuit {
    fn learn_delay_interval(&mut self, log2: i8) {
        if log2 != NO_INTERVAL {
            self.delay_interval = Nanos::from_log2_secs(log2.clamp(DELAY_REQ_INTERVALS.0, DELAY_REQ_INTERVALS.1));
        }
    }
}
