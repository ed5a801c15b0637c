//! The port as master, which serves time.
//!
//! Model: the served time is a map of the host's clock. A Sync or its Follow_Up carries the map's
//! time at the departure of the Sync, and a Delay_Resp carries the map's time at the arrival of the
//! Delay_Req. A port that has followed a grandmaster continues that grandmaster's time, so that its
//! slaves see no step; a port that has never followed a master serves the host's monotonic clock.
//!
//! Assumption: the unicastFlag of a Delay_Req shows whether it came by unicast, because the
//! destination address of a datagram is not known here.

use super::*;
use crate::clock::PtpMap;

/// The shortest interval of any profile, 2^n s. It bounds the configured intervals, so that no
/// timer fires continuously.
const SHORTEST_INTERVAL: i8 = -7;

impl<L: ClockServo> Port<L> {
    /// Becomes master (M1 and M2 in the state decision).
    pub(super) fn serve(&mut self, now: LocalTime, cause: StateCause) {
        if self.state == PortState::Master {
            return;
        }
        self.use_own_time(now);
        self.transition(now, cause);
        self.timers.set(Timer::Announce, now);
        self.timers.set(Timer::Sync, now);
    }

    /// Becomes passive (P1 in the state decision): a better clock serves the time, but our clock
    /// has a class that never follows another clock.
    pub(super) fn enter_passive(&mut self, now: LocalTime) {
        if self.state == PortState::Passive {
            return;
        }
        self.use_own_time(now);
        self.stop_sending();
        self.transition(now, StateCause::BmcPassive);
    }

    /// Stops serving, because the port follows another clock's time from now on.
    pub(super) fn stop_serving(&mut self) {
        if !matches!(self.state, PortState::Master | PortState::Passive) {
            return;
        }
        self.stop_sending();
        if !self.master.continues {
            self.master.steps = self.master.steps.wrapping_add(1);
        }
    }

    fn stop_sending(&mut self) {
        self.timers.stop(Timer::Announce);
        self.timers.stop(Timer::Sync);
        self.master.open_sync = None;
    }

    /// Begins to serve our own time, unless the port already does.
    fn use_own_time(&mut self, now: LocalTime) {
        if matches!(self.state, PortState::Master | PortState::Passive) {
            return;
        }
        let followed = self.slave.parent().map(|parent| parent.properties.held());
        self.stop_following(now);
        self.timers.stop(Timer::Clock);
        let reading = self.servo.reading(now);
        let held = reading.map.filter(|_| reading.state.is_usable());
        let (map, continues) = match (self.config.served_time, held) {
            (ServedTime::Given(map), _) => (map, false),
            (ServedTime::OwnClock, Some(held)) => (held, true),
            (ServedTime::OwnClock, None) => (PtpMap::default(), false),
        };
        let service = &mut self.master;
        (service.map, service.continues) = (map, continues);
        service.properties = followed.filter(|_| continues).unwrap_or(self.config.time_properties);
        if !continues {
            service.steps = service.steps.wrapping_add(1);
        }
    }

    pub(super) fn send_announce(&mut self, now: LocalTime, due: LocalTime) {
        let log2 = self.config.log_announce_interval;
        self.timers.set(Timer::Announce, next_in_rhythm(now, due, log2));
        self.master.announce_id = self.master.announce_id.wrapping_add(1);
        let properties = self.master.properties;
        let announce = Announce {
            origin_timestamp: crate::PtpTime::EPOCH,
            current_utc_offset: properties.current_utc_offset.unwrap_or_default(),
            grandmaster_priority_1: self.config.priority_1,
            grandmaster_clock_quality: self.config.quality,
            grandmaster_priority_2: self.config.priority_2,
            grandmaster_identity: self.config.identity.clock_identity,
            steps_removed: 0,
            time_source: properties.time_source,
        };
        let header = self.header(self.master.announce_id, properties.flags(), log2);
        self.send(header, Body::Announce(announce), Destination::Multicast);
    }

    pub(super) fn send_sync(&mut self, now: LocalTime, due: LocalTime) {
        let log2 = self.config.log_sync_interval;
        self.timers.set(Timer::Sync, next_in_rhythm(now, due, log2));
        self.master.sync_id = self.master.sync_id.wrapping_add(1);
        let sequence_id = self.master.sync_id;
        let (flags, origin_timestamp) = if self.config.two_step {
            self.master.open_sync = Some(sequence_id);
            (Flags::TWO_STEP, crate::PtpTime::EPOCH)
        } else {
            (Flags::default(), self.master.map.ptp_at(now))
        };
        let header = self.header(sequence_id, flags, log2);
        self.send(header, Body::Sync { origin_timestamp }, Destination::Multicast);
    }

    /// Records the departure time of our Sync, and sends its Follow_Up.
    pub(super) fn sync_left(&mut self, sequence_id: u16, sent: LocalTime) {
        if self.master.open_sync != Some(sequence_id) {
            return;
        }
        self.master.open_sync = None;
        let header = self.header(sequence_id, Flags::default(), self.config.log_sync_interval);
        let body = Body::FollowUp { precise_origin_timestamp: self.master.map.ptp_at(sent) };
        self.send(header, body, Destination::Multicast);
    }

    /// Answers a Delay_Req that was received at `received`, by unicast or multicast like the
    /// request.
    pub(super) fn answer(&mut self, received: LocalTime, source: PeerAddress, request: &Header) {
        if self.state != PortState::Master {
            return;
        }
        let (flags, destination) = if request.flags.contains(Flags::UNICAST) {
            (Flags::UNICAST, Destination::Unicast(source))
        } else {
            (Flags::default(), Destination::Multicast)
        };
        let body = Body::DelayResp {
            receive_timestamp: self.master.map.ptp_at(received),
            requesting_port_identity: request.source_port_identity,
        };
        // The slave must subtract the correctionField with which its request arrived here, and only
        // we know that value (IEEE 1588-2019, 11.3.2).
        let header = Header {
            correction_field: request.correction_field,
            ..self.header(request.sequence_id, flags, self.config.log_min_delay_req_interval)
        };
        self.counters.answered_requests += 1;
        self.send(header, body, destination);
    }
}

/// The next due time: one interval after the last due time, so that delays do not accumulate, or
/// one interval from now if that time has already passed.
fn next_in_rhythm(now: LocalTime, due: LocalTime, log2: i8) -> LocalTime {
    let interval = Nanos::from_log2_secs(log2.max(SHORTEST_INTERVAL));
    let next = due + interval;
    if next > now { next } else { now + interval }
}
