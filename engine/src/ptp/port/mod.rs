//! A PTP port of an ordinary clock, together with its clock. The port is a slave if there is a
//! better clock, and a master otherwise.
//!
//! Contract (sans-IO): pass every datagram received on ports 319 and 320 to
//! [`Port::handle_datagram`] with its receive timestamp and its source; after that, and whenever
//! [`Port::poll_timeout`] is due, call [`Port::handle_timeout`], then drain [`Port::poll_transmit`]
//! and [`Port::poll_event`]. If [`Transmit::timestamp`] is set, pass the departure time of the
//! message to [`Port::handle_transmitted`].
//!
//! Model: the ordinary clock of IEEE 1588-2019 with end-to-end delay (9.2, 9.3 and 11.3). The
//! intervals of other clocks are taken from their messages. The [`ClockServo`] turns timestamps
//! into time.
//!
//! Assumptions: the host's clock is never adjusted; a port that is master serves a time that a map
//! derives from the host's clock. Peers are identified by their addresses alone, because PTP's UDP
//! ports are fixed.

mod choice;
mod diagnose;
mod master;
mod master_state;
mod slave;
mod slave_state;
#[cfg(test)]
mod tests;
mod timing;
mod unicast;

use super::bmca::{Candidate, DataSet, Evidence, ForeignMasters, MAX_STEPS_REMOVED, SyncSenders};
use super::config::{PortConfig, ServedTime};
use super::counters::PortCounters;
use super::diagnosis::{Unusable, What};
use super::event::PortEvent;
use super::state::{self, PortState, Recommendation, StateCause, StateChange};
use super::time_properties::TimeProperties;
use super::timers::{Timer, Timers};
use super::transmit::{Destination, NO_INTERVAL, Outbox, PeerAddress, Transmit, TransmitToken};
use super::unicast::Negotiation;
use super::wire::{Announce, Body, Flags, Header, Message, MessageType, PortIdentity, Tlvs, WireError};
use crate::clock::{ClockReading, ClockServo, LockState, PathDelay, SlaveClock, SlaveClockConfig};
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos};
use master_state::MasterState;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use slave_state::SlaveState;
use std::ops::RangeInclusive;

/// Number of values that a 32-bit integer can have.
const TWO_POW_32: f64 = 4_294_967_296.0;
/// Maximum number of events that wait in the queue.
const MAX_EVENTS: usize = 64;
/// Accepted Announce intervals, 2^n s. With an interval longer than AES67's longest (2^4 s), a dead
/// master would be kept for too long.
const ANNOUNCE_INTERVALS: RangeInclusive<i8> = -7..=4;
/// Announce interval that is assumed if a message states none: half the default of AES67's media
/// profile (AES67-2018, A.4).
const USUAL_ANNOUNCE_INTERVAL: Nanos = Nanos::from_secs(1);

/// A PTP port with its clock. The clock servo is the engine's own unless a custom one is given for
/// comparison.
///
/// ```
/// use engine::LocalTime;
/// use engine::ptp::{Port, PortConfig, PortState, Profile};
/// use engine::ptp::wire::{ClockIdentity, PortIdentity};
///
/// let identity = PortIdentity { clock_identity: ClockIdentity([0, 27, 33, 255, 254, 10, 103, 1]), port_number: 1 };
/// let mut port = Port::new(PortConfig::new(&Profile::AES67_MEDIA, identity), LocalTime::ZERO);
/// assert_eq!(port.state(), PortState::Listening);
///
/// // Nobody announces a better clock, so this one serves.
/// let due = port.poll_timeout().unwrap();
/// port.handle_timeout(due);
/// assert_eq!(port.state(), PortState::Master);
/// assert_eq!(port.poll_transmit().map(|announce| announce.datagram.len()), Some(64));
///
/// // A datagram that is not a PTP message is refused and counted.
/// assert!(port.handle_datagram(due, [192, 0, 2, 1].into(), b"noise").is_err());
/// assert_eq!(port.counters().malformed, 1);
/// ```
pub struct Port<L = SlaveClock> {
    config: PortConfig,
    servo: L,
    state: PortState,
    masters: ForeignMasters,
    senders: SyncSenders,
    /// Time at which to become master if no other clock announces itself.
    listen_until: Option<LocalTime>,
    slave: SlaveState,
    master: MasterState,
    negotiation: Option<Negotiation>,
    signaling_id: u16,
    timers: Timers,
    spacing: ChaCha8Rng,
    outbox: Outbox,
    events: EventQueue<PortEvent, MAX_EVENTS>,
    counters: PortCounters,
    unusable: Unusable,
}

impl Port<SlaveClock> {
    /// Creates a port with the engine's clock servo; it begins to listen at `now`.
    #[must_use]
    pub fn new(config: PortConfig, now: LocalTime) -> Self {
        Self::with_servo(config, now, SlaveClock::new(SlaveClockConfig::default()))
    }
}

impl<L: ClockServo> Port<L> {
    /// Creates a port with a custom clock servo.
    pub fn with_servo(config: PortConfig, now: LocalTime, servo: L) -> Self {
        let identity = config.identity;
        let seed = u64::from_be_bytes(identity.clock_identity.0) ^ u64::from(identity.port_number);
        let mut port = Self {
            config,
            servo,
            state: PortState::Listening,
            masters: ForeignMasters::default(),
            senders: SyncSenders::default(),
            listen_until: None,
            slave: SlaveState::new(&config),
            master: MasterState::default(),
            negotiation: Self::negotiation(&config, now),
            signaling_id: 0,
            timers: Timers::default(),
            spacing: ChaCha8Rng::seed_from_u64(seed),
            outbox: Outbox::new(config.authentication),
            events: EventQueue::default(),
            counters: PortCounters::default(),
            unusable: Unusable::default(),
        };
        port.listen(now);
        port.negotiate(now);
        port
    }

    /// Handles a datagram from `source` that was received at `now` (its receive timestamp).
    /// Messages for others are counted and ignored.
    ///
    /// # Errors
    /// If the datagram is not a PTP message. Such a datagram is counted, and otherwise ignored.
    pub fn handle_datagram(&mut self, now: LocalTime, source: PeerAddress, datagram: &[u8]) -> Result<(), WireError> {
        let message = Message::parse(datagram).inspect_err(|error| self.refuse(now, source, *error))?;
        let header = message.header;
        if !self.accepts(now, source, &message) {
            return Ok(());
        }
        if !self.is_for_us(&header) {
            self.note_unusable(now, &message);
            return Ok(());
        }
        if !self.is_authentic(now, datagram, &message) {
            return Ok(());
        }
        if !self.comes_by_unicast(source, &header) {
            return Ok(());
        }
        self.heard_by_unicast(now, source, &message.body);
        match message.body {
            Body::Signaling { target_port_identity } => {
                self.handle_signaling(now, source, &header, target_port_identity, message.tlvs);
            }
            Body::Announce(announce) => self.handle_announce(now, source, &header, &announce),
            Body::DelayReq { .. } => self.answer(now, source, &header),
            body => self.handle_master_message(now, source, &header, &body),
        }
        self.drain_servo();
        Ok(())
    }

    /// Handles everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        self.decide(now);
        if self.timers.take(Timer::DelayRequest, now).is_some() {
            self.request_delay(now);
        }
        if self.timers.take(Timer::Claims, now).is_some() {
            self.judge_claims(now);
        }
        if self.timers.take(Timer::Clock, now).is_some() {
            self.advance_clock(now);
        }
        if let Some(due) = self.timers.take(Timer::Announce, now) {
            self.send_announce(now, due);
        }
        if let Some(due) = self.timers.take(Timer::Sync, now) {
            self.send_sync(now, due);
        }
        self.drain_servo();
    }

    /// When [`Port::handle_timeout`] is due next.
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
            MessageType::DelayReq => self.request_left(token.sequence_id, sent),
            MessageType::Sync => self.sync_left(token.sequence_id, sent),
            _ => {}
        }
    }

    /// The next event that has not been polled yet.
    pub fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop()
    }

    /// The clock's reading at `now`: in MASTER and PASSIVE, the time that we serve; in other
    /// states, the servo's reading.
    #[must_use]
    pub fn reading(&self, now: LocalTime) -> ClockReading {
        let servo = self.servo.reading(now);
        let epoch = servo.epoch.wrapping_add(self.master.steps());
        match self.state {
            PortState::Master | PortState::Passive => ClockReading {
                state: LockState::Locked,
                map: Some(*self.master.map()),
                epoch,
                path_delay: PathDelay::Measured,
            },
            _ => ClockReading { epoch, ..servo },
        }
    }

    /// The clock servo.
    #[must_use]
    pub fn servo(&self) -> &L {
        &self.servo
    }

    /// The master that is followed.
    #[must_use]
    pub fn master(&self) -> Option<&DataSet> {
        self.slave.parent().map(|parent| &parent.data)
    }

    /// Properties of the timescale of [`Port::reading`]: in MASTER and PASSIVE, our own; in other
    /// states, the properties that the master announces.
    #[must_use]
    pub fn time_properties(&self) -> Option<&TimeProperties> {
        match self.state {
            PortState::Master | PortState::Passive => Some(self.master.properties()),
            _ => self.slave.parent().map(|parent| &parent.properties),
        }
    }

    /// State of the port.
    #[must_use]
    pub fn state(&self) -> PortState {
        self.state
    }

    /// The port's counters.
    #[must_use]
    pub fn counters(&self) -> &PortCounters {
        &self.counters
    }

    /// Returns whether the message belongs to our domain, comes from another clock, and does not
    /// come from an alternate master. Any other message is counted.
    fn is_for_us(&mut self, header: &Header) -> bool {
        let counters = &mut self.counters;
        let reason = if header.major_sdo_id != self.config.sdo_id {
            &mut counters.other_sdo
        } else if header.domain_number != self.config.domain_number {
            &mut counters.other_domain
        } else if header.source_port_identity.clock_identity == self.config.identity.clock_identity {
            &mut counters.own
        } else if header.flags.contains(Flags::ALTERNATE_MASTER) {
            &mut counters.alternate_master
        } else {
            return true;
        };
        *reason += 1;
        false
    }

    /// Returns whether the message is signed with one of our keys, or authentication is off. A
    /// message that fails this check is counted.
    fn is_authentic(&mut self, now: LocalTime, datagram: &[u8], message: &Message<'_>) -> bool {
        let Some(authentication) = &self.config.authentication else { return true };
        let Err(reason) = authentication.verify(datagram, message) else { return true };
        self.counters.unauthenticated += 1;
        let sender = message.header.source_port_identity;
        self.unusable.hear(now, What::Unauthenticated { sender, reason }, None);
        false
    }

    fn handle_announce(&mut self, now: LocalTime, source: PeerAddress, header: &Header, announce: &Announce) {
        if announce.grandmaster_identity == self.config.identity.clock_identity {
            // A boundary clock announces our own clock to us, or an attacker forges such Announces.
            self.counters.own += 1;
            return;
        }
        self.counters.announces += 1;
        let granted = || self.granted_announce_interval(source);
        let interval = announce_interval(header).or_else(granted).unwrap_or(USUAL_ANNOUNCE_INTERVAL);
        if announce.steps_removed >= MAX_STEPS_REMOVED {
            let (grandmaster, steps_removed) = (announce.grandmaster_identity, announce.steps_removed);
            self.unusable.hear(now, What::TooFar { grandmaster, steps_removed }, Some(interval));
        }
        let candidate = Candidate {
            data: DataSet::of(header.source_port_identity, self.config.identity, announce),
            properties: TimeProperties::of(header.flags, announce),
            address: source,
            interval,
        };
        let followed = self.master().map(|master| master.sender);
        let (senders, asks) = (&self.senders, self.negotiation.is_some());
        let counts = self.masters.announce(now, candidate, followed, |of| evidence(senders, asks, now, of));
        self.counters.contested += u64::from(!counts);
        self.decide(now);
    }

    /// Begins to listen for the announce receipt timeout plus a random fraction of one more
    /// interval (IEEE 1588-2019, 9.2.6.12), so that the clocks on a network do not all become
    /// master at once.
    fn listen(&mut self, now: LocalTime) {
        if self.config.slave_only {
            return;
        }
        let interval = Nanos::from_log2_secs(self.config.log_announce_interval);
        let timeout = interval.times(i64::from(self.config.announce_receipt_timeout));
        let more = Nanos::from_secs_f64(self.draw() * interval.as_secs_f64());
        self.listen_until = Some(now + timeout + more);
        self.timers.set(Timer::AnnounceReceipt, self.listen_until);
    }

    /// The state decision (IEEE 1588-2019, 9.3.3): removes silent masters, and changes the state
    /// according to the best remaining master.
    fn decide(&mut self, now: LocalTime) {
        self.masters.expire(now, self.config.announce_receipt_timeout);
        self.judge_master(now);
        let best = self.best_master(now);
        let own = self.config.data_set();
        let data = best.as_ref().map(|best| &best.data);
        match (state::recommend(self.config.slave_only, &own, data, self.state), best) {
            (Recommendation::Slave, Some(best)) => self.follow(now, best),
            (Recommendation::Passive, _) => self.enter_passive(now),
            (Recommendation::Master, Some(_)) => self.serve(now, StateCause::BmcMaster),
            (Recommendation::Master, None) => self.serve(now, StateCause::AnnounceReceiptTimeout),
            _ if self.listen_until.is_some_and(|end| end <= now) => {
                self.serve(now, StateCause::AnnounceReceiptTimeout);
            }
            _ => self.lose_master(now),
        }
        let expiry = self.masters.next_expiry(self.config.announce_receipt_timeout);
        let others = [self.listen_until, self.next_judgement(now)].into_iter().flatten();
        self.timers.set(Timer::AnnounceReceipt, expiry.into_iter().chain(others).min());
        self.negotiate(now);
    }

    /// Changes the state according to the state table.
    fn transition(&mut self, now: LocalTime, cause: StateCause) {
        let next = state::next(self.config.slave_only, self.state, cause);
        let Some(to) = next else {
            self.events.push(PortEvent::IllegalTransition { state: self.state, cause });
            return;
        };
        let from = std::mem::replace(&mut self.state, to);
        self.listen_until = None;
        self.events.push(PortEvent::State(StateChange { at: now, from, to, cause }));
    }

    /// Draws a random number that is uniformly distributed over [0, 1).
    fn draw(&mut self) -> f64 {
        f64::from(self.spacing.next_u32()) / TWO_POW_32
    }

    /// Creates the header of one of our messages.
    fn header(&self, sequence_id: u16, flags: Flags, log_message_interval: i8) -> Header {
        Header {
            major_sdo_id: self.config.sdo_id,
            domain_number: self.config.domain_number,
            flags,
            source_port_identity: self.config.identity,
            sequence_id,
            log_message_interval,
            ..Header::default()
        }
    }

    fn send(&mut self, header: Header, body: Body, destination: Destination) {
        let sent = self.outbox.push(&Message { header, body, tlvs: Tlvs::default() }, destination);
        self.counters.unsent += u64::from(!sent);
    }
}

/// Whether a master sends Syncs. A unicast master sends none until they are requested, so it is
/// assumed to send them.
fn evidence(senders: &SyncSenders, asks: bool, now: LocalTime, of: &Candidate) -> Evidence {
    if asks { Evidence::Sends } else { senders.evidence(now, of.data.sender, of.address) }
}

/// The announce interval that the header states, if it is accepted.
fn announce_interval(header: &Header) -> Option<Nanos> {
    let log2 = header.log_message_interval;
    ANNOUNCE_INTERVALS.contains(&log2).then(|| Nanos::from_log2_secs(log2))
}
