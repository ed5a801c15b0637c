//! The port as slave: following a master.
//!
//! Model: Syncs and Delay_Resps of the selected master become timestamp pairs for the clock law.
//! Delay_Reqs are sent at the rate that the master's Delay_Resps tell. The law hears of another
//! master and of requests that were in vain, and nothing else of what happens here.

use super::*;
use crate::clock::{LockCause, TimestampPair};
use crate::ptp::claims::Claims;
use crate::ptp::config::DelayRequestMode;
use crate::ptp::intervals::SyncIntervals;
use crate::ptp::plausibility::{Fault, Plausibility};

/// Delay_Reqs without an answer, after which the user is told, and hybrid mode is given up.
const UNANSWERED_LIMIT: u32 = 4;
/// Sync and Delay_Req intervals that are believed.
pub(super) const SYNC_INTERVALS: (i8, i8) = (-7, 4);
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
    /// When the clock was locked last, to whomever.
    pub(super) locked_at: Option<LocalTime>,
    pub(super) sync: SyncExchange,
    pub(super) delay: DelayExchange,
    pub(super) claims: Claims,
    /// When the request left whose answer was used last.
    pub(super) answer_used: Option<LocalTime>,
    /// How long the exchange took that is observed next.
    pub(super) longest: Option<Nanos>,
    /// When its last Sync was received, whatever it told.
    pub(super) sync_heard: Option<LocalTime>,
    pub(super) plausibility: Plausibility,
    /// The fault that the user knows of.
    fault: Option<Fault>,
    /// Whether the user knows of Follow_Ups that contradict their flag.
    contradiction: bool,
    pub(super) intervals: SyncIntervals,
    pub(super) delay_interval: Nanos,
    pub(super) sync_interval: Nanos,
    /// As [`Pursuit::sync_interval`], by the wire alone.
    pub(super) claim_interval: Nanos,
    /// Both, when the clock was not locked last.
    pub(super) shortest: (Nanos, Nanos),
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
            locked_at: None,
            sync: SyncExchange::default(),
            delay: DelayExchange::default(),
            claims: Claims::default(),
            answer_used: None,
            longest: None,
            sync_heard: None,
            plausibility: Plausibility::default(),
            fault: None,
            contradiction: false,
            intervals: SyncIntervals::default(),
            delay_interval: Nanos::from_log2_secs(config.log_min_delay_req_interval),
            sync_interval: SlaveClockConfig::default().sync_interval,
            claim_interval: SlaveClockConfig::default().sync_interval,
            shortest: (Nanos::ZERO, Nanos::ZERO),
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
        (self.claims, self.sync_heard) = (Claims::default(), None);
        self.shortest = (Nanos::ZERO, Nanos::ZERO);
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
        self.drop_parent(now);
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

    fn drop_parent(&mut self, now: LocalTime) -> Option<Candidate> {
        if self.pursuit.claims.is_contested() {
            self.law.contest(now, false);
        }
        self.timers.stop(Timer::Claims);
        self.pursuit.drop_parent()
    }

    /// Nobody is left to be followed, and we do not serve. The clock goes on, into holdover and out
    /// of it.
    pub(super) fn give_up(&mut self, now: LocalTime) {
        if self.forsake(now) {
            self.transition(now, StateCause::AnnounceReceiptTimeout);
        }
    }

    /// Stops following; false if nobody was followed.
    pub(super) fn forsake(&mut self, now: LocalTime) -> bool {
        let Some(lost) = self.drop_parent(now) else { return false };
        self.timers.stop(Timer::DelayRequest);
        if self.best_master(now).is_none() {
            self.push_event(PortEvent::MasterLost(lost.data.sender));
        }
        true
    }

    /// Tells what is odd with the master, once.
    pub(super) fn tell_findings(&mut self, now: LocalTime) {
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
                    self.law.reacquire(now);
                }
                self.push_event(PortEvent::Trusted);
            }
            _ => {}
        }
    }

    pub(super) fn observe(&mut self, now: LocalTime, pair: &TimestampPair) {
        self.law.observe(pair);
        self.pursuit.heard = true;
        self.calibrate(now);
        self.drain_law();
    }

    /// UNCALIBRATED becomes SLAVE when the law vouches for the time, and SLAVE becomes UNCALIBRATED
    /// when it no longer does.
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

    /// Uniform over 0..2 intervals (IEEE 1588-2019, 9.5.11.2), so that the slaves of a network do
    /// not ask in chorus.
    pub(super) fn schedule_delay_request(&mut self, now: LocalTime) {
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
    pub(super) fn learn_delay_interval(&mut self, log2: i8) {
        if log2 != NO_INTERVAL {
            self.delay_interval = Nanos::from_log2_secs(log2.clamp(DELAY_REQ_INTERVALS.0, DELAY_REQ_INTERVALS.1));
        }
    }
}
