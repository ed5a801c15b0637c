//! A PTP session with one AirPlay receiver: it offers our clock, and yields to the receiver's clock
//! if that is better.
//!
//! Purpose: a sender must know the receiver's time in order to state when samples are to be played.
//! A single HomePod keeps announcing its own clock, whatever clock it is offered, and never follows
//! another clock, so the sender follows the HomePod. Other receivers follow the sender.
//!
//! Model: three Syncs with their Follow_Ups, an Announce and a Signaling message offer our clock.
//! If the peer announces a better data set within 3 s (IEEE 1588-2019, 9.3.4), we announce the end
//! of our messages and follow the peer. Otherwise, our own clock is the timeline, so the timeline
//! is known at once. The peer's Syncs yield timestamp pairs for a [`ClockServo`]. A Delay_Req is
//! sent after each Sync, although HomePods do not answer. While requests are not answered, the
//! servo assumes a path delay; once they are answered, it measures the delay. The round-trip time
//! of other packets, such as an echo, bounds the assumed delay.
//!
//! Contract (sans-IO): the same as for [`crate::ptp::Port`]. If ports 319 and 320 are in use, send
//! from any other port.
//!
//! Assumptions: the peer's clock counts uptime and not the time of day, so nothing is compared with
//! UTC. A session has one peer, which is identified by its address.

mod config;
mod messages;
mod offer;
mod serve;
#[cfg(test)]
mod tests;

pub use config::{Convergence, SyncOutcome, YieldConfig, YieldEvent, YieldState};

use super::bmca::{DataSet, MAX_STEPS_REMOVED};
use super::counters::PortCounters;
use super::delay_exchange::DelayExchange;
use super::sync_exchange::SyncExchange;
use super::timers::{Timer, Timers};
use super::transmit::{Outbox, PeerAddress, Transmit, TransmitToken};
use super::wire::{Announce, Body, ClockIdentity, Header, Message, MessageType, PortIdentity, WireError};
use crate::clock::{ClockServo, Direction, PathDelay, PtpMap, SlaveClock, SlaveClockConfig, TimestampPair};
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos};
use messages::Writer;
use offer::Offer;
use std::cmp::Ordering;

/// Time to wait for the peer's Announce.
const LISTEN: Nanos = Nanos::from_secs(3);
/// Time without an Announce after which a peer that we follow is considered gone: three announce
/// intervals of 1 s.
const ANNOUNCE_TIMEOUT: Nanos = Nanos::from_secs(3);
const SYNC_INTERVAL: Nanos = Nanos::from_log2_secs(messages::LOG_SYNC_INTERVAL);
/// Accepted Sync intervals of peers, 2^n s.
const SHORTEST_SYNC_INTERVAL: i8 = -7;
const LONGEST_SYNC_INTERVAL: i8 = 1;
const ANNOUNCE_INTERVAL: Nanos = Nanos::from_log2_secs(messages::LOG_ANNOUNCE_INTERVAL);
/// Maximum number of events that wait in the queue.
const MAX_EVENTS: usize = 64;

/// A peer that is followed.
struct Parent {
    data: DataSet,
    sync: SyncExchange,
}

/// A session with one receiver.
///
/// ```
/// use engine::ptp::bmca_yield::{Convergence, SyncOutcome, YieldConfig, YieldSession};
/// use engine::ptp::wire::{ClockIdentity, PortIdentity};
/// use engine::{LocalTime, Nanos};
///
/// let identity = PortIdentity { clock_identity: ClockIdentity([2; 8]), port_number: 1 };
/// let start = LocalTime::from_nanos(5_000_000_000);
/// let deadline = start + Nanos::from_secs(10);
/// let mut session = YieldSession::new(YieldConfig::new(identity, [192, 0, 2, 9].into()), start);
/// assert_eq!(session.sync_outcome(start, deadline), SyncOutcome::Pending);
/// assert_eq!(session.receiver_time_ns(start), None);
///
/// // A receiver without a clock of its own is silent for 3 s: it will follow ours.
/// let mut now = start;
/// while let Some(due) = session.poll_timeout().filter(|due| *due <= start + Nanos::from_secs(3)) {
///     now = due;
///     session.handle_timeout(now);
///     while session.poll_transmit().is_some() {}
/// }
/// assert_eq!(session.sync_outcome(now, deadline), SyncOutcome::Converged { by: Convergence::OwnTimeline });
/// assert_eq!(session.receiver_time_ns(now), Some(8_000_000_000));
/// ```
pub struct YieldSession<L = SlaveClock> {
    config: YieldConfig,
    servo: L,
    state: YieldState,
    offer: Offer,
    parent: Option<Parent>,
    /// Port and grandmaster of the last peer that was followed.
    last_master: Option<(PortIdentity, ClockIdentity)>,
    delay: DelayExchange,
    /// The newest Sync from the peer.
    last_sync: Option<TimestampPair>,
    /// The shortest round trip to the peer.
    round_trip: Option<Nanos>,
    timers: Timers,
    outbox: Outbox,
    events: EventQueue<YieldEvent, MAX_EVENTS>,
    counters: PortCounters,
}

impl YieldSession<SlaveClock> {
    /// Creates a session with the engine's clock servo; it begins to offer our clock at `now`.
    #[must_use]
    pub fn new(config: YieldConfig, now: LocalTime) -> Self {
        Self::with_servo(config, now, SlaveClock::new(SlaveClockConfig::default()))
    }
}

impl<L: ClockServo> YieldSession<L> {
    /// Creates a session with a custom clock servo.
    pub fn with_servo(config: YieldConfig, now: LocalTime, servo: L) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Announce, now);
        timers.set(Timer::Sync, now);
        timers.set(Timer::AnnounceReceipt, now + LISTEN);
        Self {
            config,
            servo,
            state: YieldState::Offering,
            offer: Offer::new(),
            parent: None,
            last_master: None,
            delay: DelayExchange::default(),
            last_sync: None,
            round_trip: None,
            timers,
            outbox: Outbox::new(None),
            events: EventQueue::default(),
            counters: PortCounters::default(),
        }
    }

    /// Handles a datagram from `source` that was received at `now` (its receive timestamp).
    ///
    /// # Errors
    /// If the datagram is not a PTP message. Such a datagram is counted, and otherwise ignored.
    pub fn handle_datagram(&mut self, now: LocalTime, source: PeerAddress, datagram: &[u8]) -> Result<(), WireError> {
        let message = Message::parse(datagram).inspect_err(|_| self.counters.malformed += 1)?;
        let header = message.header;
        if !self.is_for_us(source, &header) {
            return Ok(());
        }
        match message.body {
            Body::Announce(announce) => self.handle_announce(now, &header, &announce),
            Body::DelayReq { .. } => self.answer(now, &header),
            body => self.handle_master_message(now, &header, &body),
        }
        self.drain_servo();
        Ok(())
    }

    /// Handles everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        if self.timers.take(Timer::AnnounceReceipt, now).is_some() {
            self.keep_own_timeline(now);
        }
        if self.timers.take(Timer::Clock, now).is_some() {
            self.servo.advance(now);
            self.timers.set(Timer::Clock, now + SYNC_INTERVAL);
        }
        if self.timers.take(Timer::Announce, now).is_some() {
            self.send_announce(now);
        }
        if self.timers.take(Timer::Sync, now).is_some() {
            self.send_sync(now);
        }
        self.drain_servo();
    }

    /// When [`YieldSession::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.timers.next()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop()
    }

    /// Records that the message identified by `token` left the host at `sent`.
    pub fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        match token.message_type {
            MessageType::Sync => self.sync_left(token.sequence_id, sent),
            MessageType::DelayReq => {
                self.delay.transmitted(token.sequence_id, sent);
                self.observe_answer();
            }
            _ => {}
        }
    }

    /// The next event that has not been polled yet.
    pub fn poll_event(&mut self) -> Option<YieldEvent> {
        self.events.pop()
    }

    /// The clock whose time the session uses.
    #[must_use]
    pub fn state(&self) -> YieldState {
        self.state
    }

    /// The session's counters.
    #[must_use]
    pub fn counters(&self) -> &PortCounters {
        &self.counters
    }

    /// The clock servo.
    #[must_use]
    pub fn servo(&self) -> &L {
        &self.servo
    }

    /// The receiver's time at our time `local`, in ns of its own timeline; `None` until the first
    /// estimate. [`YieldSession::sync_outcome`] states its quality.
    #[must_use]
    pub fn receiver_time_ns(&self, local: LocalTime) -> Option<i128> {
        self.map(local).map(|map| map.ptp_at(local).as_nanos())
    }

    /// Standard deviation of [`YieldSession::receiver_time_ns`]; zero if our own clock has been the
    /// timeline from the start.
    #[must_use]
    pub fn uncertainty(&self, local: LocalTime) -> Option<Nanos> {
        self.map(local).map(|map| Nanos::from_nanos_f64(map.clock().sigma_ns(local)))
    }

    /// Records the round-trip time of a packet to the peer and back.
    pub fn handle_round_trip(&mut self, round_trip: Nanos) {
        if round_trip > Nanos::ZERO && self.round_trip.is_none_or(|least| round_trip < least) {
            self.round_trip = Some(round_trip);
            self.servo.round_trip(round_trip);
        }
    }

    /// The shortest round-trip time to the peer: from a Sync and a Delay_Req, or from
    /// [`YieldSession::handle_round_trip`].
    #[must_use]
    pub fn round_trip(&self) -> Option<Nanos> {
        self.round_trip
    }

    /// The clock whose time is the timeline: the peer's grandmaster, or our own clock.
    #[must_use]
    pub fn clock_identity(&self) -> ClockIdentity {
        self.parent.as_ref().map_or(self.config.identity.clock_identity, |parent| parent.data.grandmaster)
    }

    /// The state of the timeline at `now`, for a caller that waits for it until `deadline` and then
    /// starts anyway.
    #[must_use]
    pub fn sync_outcome(&self, now: LocalTime, deadline: LocalTime) -> SyncOutcome {
        let reading = self.servo.reading(now);
        match self.state {
            YieldState::OwnTimeline => SyncOutcome::Converged { by: Convergence::OwnTimeline },
            YieldState::Following if reading.state.is_usable() => {
                let by = match reading.path_delay {
                    PathDelay::Measured => Convergence::TwoWay,
                    PathDelay::Assumed => Convergence::OneWay,
                };
                SyncOutcome::Converged { by }
            }
            _ if now < deadline => SyncOutcome::Pending,
            _ => SyncOutcome::TimedOut { has_estimate: self.map(now).is_some() },
        }
    }

    /// The map that [`YieldSession::receiver_time_ns`] applies.
    #[must_use]
    pub fn map(&self, now: LocalTime) -> Option<PtpMap> {
        match self.state {
            YieldState::Offering => None,
            YieldState::Following => self.servo.reading(now).map,
            YieldState::OwnTimeline => Some(self.offer.map),
        }
    }

    fn is_for_us(&mut self, source: PeerAddress, header: &Header) -> bool {
        let counters = &mut self.counters;
        let reason = if source != self.config.peer {
            &mut counters.other_source
        } else if header.major_sdo_id != messages::SDO_ID {
            &mut counters.other_sdo
        } else if header.domain_number != messages::DOMAIN_NUMBER {
            &mut counters.other_domain
        } else if header.source_port_identity.clock_identity == self.config.identity.clock_identity {
            &mut counters.own
        } else {
            return true;
        };
        *reason += 1;
        false
    }

    fn handle_announce(&mut self, now: LocalTime, header: &Header, announce: &Announce) {
        if announce.grandmaster_identity == self.config.identity.clock_identity {
            // The peer follows us, and announces our clock.
            self.counters.own += 1;
            return;
        }
        self.counters.announces += 1;
        let data = DataSet::of(header.source_port_identity, self.config.identity, announce);
        let is_better = data.compare(&self.config.data_set()).ordering() == Ordering::Less;
        if is_better && data.steps_removed < MAX_STEPS_REMOVED {
            self.follow(now, data);
        } else if self.is_master(data.sender) {
            self.keep_own_timeline(now);
        }
    }

    fn is_master(&self, sender: PortIdentity) -> bool {
        self.parent.as_ref().is_some_and(|parent| parent.data.sender == sender)
    }

    /// Yields to the peer's clock.
    fn follow(&mut self, now: LocalTime, data: DataSet) {
        self.timers.set(Timer::AnnounceReceipt, now + ANNOUNCE_TIMEOUT);
        let key = |data: &DataSet| (data.sender, data.grandmaster);
        if let Some(parent) = self.parent.as_mut().filter(|parent| key(&parent.data) == key(&data)) {
            parent.data = data;
            return;
        }
        let last = self.last_master.replace(key(&data));
        if last.is_some_and(|last| last != key(&data)) {
            self.servo.change_master(now);
            // The path is the same as before, so its round trip is still valid.
            self.round_trip.iter().for_each(|&round_trip| self.servo.round_trip(round_trip));
        }
        if self.parent.is_none() {
            self.stop_offering();
        }
        self.delay.abandon();
        self.last_sync = None;
        self.parent = Some(Parent { data, sync: SyncExchange::default() });
        self.state = YieldState::Following;
        self.timers.set(Timer::Clock, now + SYNC_INTERVAL);
        self.events.push(YieldEvent::Yielded(data));
    }

    /// Our clock becomes the timeline. If the peer's clock was followed, ours continues its time
    /// without a step.
    fn keep_own_timeline(&mut self, now: LocalTime) {
        let reading = self.servo.reading(now);
        self.state = YieldState::OwnTimeline;
        self.timers.stop(Timer::AnnounceReceipt);
        self.timers.stop(Timer::Clock);
        self.delay.abandon();
        match self.parent.take() {
            Some(lost) => {
                let held = reading.map.filter(|_| reading.state.is_usable());
                self.offer.map = held.unwrap_or_default();
                self.events.push(YieldEvent::PeerLost(lost.data.sender));
                self.timers.set(Timer::Announce, now);
            }
            None => self.events.push(YieldEvent::KeptOwnTimeline),
        }
        self.timers.set(Timer::Sync, now);
    }

    fn handle_master_message(&mut self, now: LocalTime, header: &Header, body: &Body) {
        let sender = header.source_port_identity;
        let counters = &mut self.counters;
        let Some(parent) = self.parent.as_mut().filter(|parent| parent.data.sender == sender) else {
            let timing = matches!(body, Body::Sync { .. } | Body::FollowUp { .. } | Body::DelayResp { .. });
            counters.not_the_master += u64::from(timing);
            return;
        };
        let forward = match *body {
            Body::Sync { origin_timestamp } => {
                counters.syncs += 1;
                if let log2 @ SHORTEST_SYNC_INTERVAL..=LONGEST_SYNC_INTERVAL = header.log_message_interval {
                    self.servo.set_sync_interval(Nanos::from_log2_secs(log2));
                }
                parent.sync.sync(now, self.config.peer, header, origin_timestamp, counters)
            }
            Body::FollowUp { precise_origin_timestamp } => {
                counters.follow_ups += 1;
                parent.sync.follow_up(now, self.config.peer, header, precise_origin_timestamp, counters)
            }
            Body::DelayResp { receive_timestamp, requesting_port_identity }
                if requesting_port_identity == self.config.identity =>
            {
                counters.delay_responses += 1;
                let correction = header.correction_field;
                let log2 = header.log_message_interval;
                self.delay.response(now, header.sequence_id, receive_timestamp, correction, log2, counters);
                self.observe_answer();
                return;
            }
            _ => None,
        };
        while parent.sync.poll_alternative().is_some() {}
        if let Some(pair) = forward {
            self.observe(&pair);
            self.request_delay(now);
        }
    }

    /// Requests the delay even though HomePods do not answer, because other receivers may.
    fn request_delay(&mut self, now: LocalTime) {
        if self.delay.is_unanswered() {
            self.counters.unanswered_requests += 1;
            self.servo.request_unanswered(now);
        } else if self.delay.is_unstamped() {
            self.counters.unstamped_requests += 1;
            self.servo.request_unanswered(now);
        }
        let sequence_id = self.delay.request();
        self.send(|writer| writer.delay_req(sequence_id));
    }

    /// Uses the answer to a request without looking for alternatives, because a session has only
    /// one peer.
    fn observe_answer(&mut self) {
        if let Some(answered) = self.delay.poll_answer() {
            self.observe(&answered.pair);
        }
    }

    fn observe(&mut self, pair: &TimestampPair) {
        match pair.direction {
            Direction::Forward => self.last_sync = Some(*pair),
            Direction::Reverse => self.learn_round_trip(pair),
        }
        self.servo.observe(pair);
        self.drain_servo();
    }

    /// The delays of a Sync and of the Delay_Req right after it add up to a round-trip time,
    /// whatever the offset of the clocks.
    fn learn_round_trip(&mut self, request: &TimestampPair) {
        let Some(sync) = self.last_sync.filter(|sync| (request.local - sync.local).abs() < SYNC_INTERVAL) else {
            return;
        };
        self.handle_round_trip((request.remote - sync.remote) - (request.local - sync.local));
    }

    fn drain_servo(&mut self) {
        while let Some(transition) = self.servo.poll_transition() {
            self.events.push(YieldEvent::Lock(transition));
        }
    }
}
