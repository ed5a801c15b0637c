//! The port as slave, which follows a master.
//!
//! Model: Syncs and Delay_Resps from the selected master become timestamp pairs for the clock
//! servo. Delay_Reqs are sent at the rate that the master's Delay_Resps state. The servo is also
//! informed of changes of the master and of unanswered requests.

use super::slave_state::key;
use super::*;
use crate::clock::{LockCause, TimestampPair};
use crate::ptp::config::DelayRequestMode;
use crate::ptp::plausibility::Fault;

/// Number of consecutive unanswered Delay_Reqs after which an event is reported and hybrid mode
/// falls back to multicast.
const UNANSWERED_LIMIT: u32 = 4;
/// Accepted Sync intervals, 2^n s.
pub(super) const SYNC_INTERVALS: (i8, i8) = (-7, 4);

impl<L: ClockServo> Port<L> {
    /// Follows `best` (S1 in the state decision).
    pub(super) fn follow(&mut self, now: LocalTime, best: Candidate) {
        let before = self.slave.parent.as_ref().map(key);
        if before == Some(key(&best)) {
            self.slave.parent = Some(best);
            return;
        }
        self.drop_parent(now);
        self.slave.parent = Some(best);
        self.slave.since = now;
        let last = self.slave.last_parent.replace(key(&best));
        if last.is_some_and(|last| last != key(&best)) {
            self.servo.change_master(now);
        }
        self.stop_serving();
        self.events.push(PortEvent::MasterSelected(best.data));
        match self.state {
            PortState::Slave => self.transition(now, StateCause::AnotherMaster),
            PortState::Uncalibrated => {}
            _ => self.transition(now, StateCause::BmcSlave),
        }
        self.schedule_delay_request(now);
        self.timers.set(Timer::Clock, now + self.slave.sync_interval);
    }

    fn drop_parent(&mut self, now: LocalTime) -> Option<Candidate> {
        if self.slave.claims.is_contested() {
            self.servo.contest(now, false);
        }
        self.timers.stop(Timer::Claims);
        self.slave.drop_parent()
    }

    /// Leaves the slave states because there is no master any more. The clock continues, at first
    /// in holdover.
    pub(super) fn lose_master(&mut self, now: LocalTime) {
        if self.stop_following(now) {
            self.transition(now, StateCause::AnnounceReceiptTimeout);
        }
    }

    /// Stops following. Returns false if no master was followed.
    pub(super) fn stop_following(&mut self, now: LocalTime) -> bool {
        let Some(lost) = self.drop_parent(now) else { return false };
        self.timers.stop(Timer::DelayRequest);
        if self.best_master(now).is_none() {
            self.events.push(PortEvent::MasterLost(lost.data.sender));
        }
        true
    }

    /// Reports each finding about the master once.
    pub(super) fn report_findings(&mut self, now: LocalTime) {
        let Some(parent) = self.slave.parent else { return };
        if self.slave.sync.contradicts_its_flag() && !std::mem::replace(&mut self.slave.contradiction, true) {
            self.events.push(PortEvent::FlagContradicted(parent.data.sender));
        }
        let kind = |fault: Fault| std::mem::discriminant(&fault);
        let fault = self.slave.plausibility.fault();
        let before = std::mem::replace(&mut self.slave.fault, fault);
        match fault {
            Some(fault) if before.map(kind) != Some(kind(fault)) => self.events.push(PortEvent::Doubted(fault)),
            None if before.is_some() => {
                if !matches!(before, Some(Fault::Correction { .. })) {
                    self.servo.reacquire(now);
                }
                self.events.push(PortEvent::Trusted);
            }
            _ => {}
        }
    }

    pub(super) fn observe(&mut self, now: LocalTime, pair: &TimestampPair) {
        self.servo.observe(pair);
        self.slave.heard = true;
        self.calibrate(now);
        self.drain_servo();
    }

    /// Changes the state from UNCALIBRATED to SLAVE when the servo reports that the time is usable,
    /// and back when the time is no longer usable.
    fn calibrate(&mut self, now: LocalTime) {
        let usable = self.servo.reading(now).state.is_usable();
        match self.state {
            PortState::Uncalibrated if usable && self.slave.heard => {
                self.transition(now, StateCause::MasterClockSelected);
            }
            PortState::Slave if !usable => self.transition(now, StateCause::SynchronizationFault),
            _ => {}
        }
    }

    pub(super) fn advance_clock(&mut self, now: LocalTime) {
        self.servo.advance(now);
        self.calibrate(now);
        self.timers.set(Timer::Clock, now + self.slave.sync_interval);
    }

    pub(super) fn request_delay(&mut self, now: LocalTime) {
        if self.slave.parent.is_some_and(|parent| !self.may_request_delay(parent.address)) {
            self.slave.delay.abandon();
            self.schedule_delay_request(now);
            return;
        }
        if self.slave.delay.is_unanswered() {
            self.counters.unanswered_requests += 1;
            self.servo.request_unanswered(now);
            self.count_unanswered(now);
        } else if self.slave.delay.is_unstamped() {
            // The servo treats this like a missing answer, because the delay cannot be measured.
            self.counters.unstamped_requests += 1;
            self.slave.unstamped = self.slave.unstamped.saturating_add(1);
            self.servo.request_unanswered(now);
        }
        let Some(parent) = self.slave.parent else { return };
        let sequence_id = self.slave.delay.request();
        let by_unicast = self.config.unicast.is_some()
            || self.config.delay_request_mode == DelayRequestMode::Hybrid && !self.slave.fell_back;
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
        let Some(parent) = self.slave.parent else { return };
        self.slave.unanswered = self.slave.unanswered.saturating_add(1);
        if self.slave.unanswered >= UNANSWERED_LIMIT {
            self.slave.plausibility.forget_answers();
            self.report_findings(now);
        }
        if self.slave.unanswered != UNANSWERED_LIMIT {
            return;
        }
        let hybrid = self.config.delay_request_mode == DelayRequestMode::Hybrid && self.config.unicast.is_none();
        let falls_back_to_multicast = hybrid && !self.slave.fell_back;
        if falls_back_to_multicast {
            (self.slave.fell_back, self.slave.unanswered) = (true, 0);
        }
        let (master, requests) = (parent.data.sender, UNANSWERED_LIMIT);
        self.events.push(PortEvent::RequestsUnanswered { master, requests, falls_back_to_multicast });
    }

    /// Schedules the next Delay_Req after 0 to 2 intervals, uniformly distributed (IEEE 1588-2019,
    /// 9.5.11.2), so that the slaves on a network do not all send at the same time.
    pub(super) fn schedule_delay_request(&mut self, now: LocalTime) {
        let share = self.draw();
        let wait = Nanos::from_secs_f64(2.0 * share * self.slave.delay_interval.as_secs_f64());
        self.timers.set(Timer::DelayRequest, now + wait);
    }

    /// Schedules the next Delay_Req at a random time within one Sync interval (uniformly
    /// distributed), because the answer shows whether an apparent step was real.
    fn hasten_delay_request(&mut self, now: LocalTime) {
        if self.slave.parent.is_some() && !self.slave.delay.is_unanswered() {
            let wait = Nanos::from_secs_f64(self.draw() * self.slave.sync_interval.as_secs_f64());
            self.timers.set(Timer::DelayRequest, now + wait);
        }
    }

    pub(super) fn drain_servo(&mut self) {
        while let Some(transition) = self.servo.poll_transition() {
            if matches!(transition.cause, LockCause::MasterStepped { .. } | LockCause::MasterChanged { .. }) {
                self.hasten_delay_request(transition.at);
            }
            self.events.push(PortEvent::Lock(transition));
        }
    }
}
