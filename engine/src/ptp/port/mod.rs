//! A PTP slave: port and clock together.
//!
//! Contract (sans-IO): feed every datagram of ports 319 and 320 to [`Port::handle_datagram`] with its receive timestamp; after that, and
//! whenever [`Port::poll_timeout`] is due, call [`Port::handle_timeout`], then drain [`Port::poll_transmit`] and
//! [`Port::poll_event`]. Tell when an event message left the host with [`Port::handle_transmitted`].
//!
//! Model: an ordinary clock that is slave only, with end-to-end delay (IEEE 1588-2019, 9.2 and 11.3). Intervals are taken from
//! the wire. What the timestamps mean is the [`ClockLaw`]'s business.

use super::bmca::{DataSet, ForeignMasters};
use super::exchange::{DelayExchange, SyncExchange};
use super::wire::{Body, Flags, Header, Message, PortIdentity, Tlvs, WireError};
use crate::clock::{ClockLaw, ClockReading, LockTransition, SlaveClock, SlaveClockConfig, TimestampPair};
use crate::units::{LocalTime, Nanos, PtpTime};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;

/// logMessageInterval of messages that have none, or do not tell (IEEE 1588-2019, 13.3.2.14).
const NO_INTERVAL: i8 = 0x7F;
/// Scale of a 32-bit draw.
const TWO_POW_32: f64 = 4_294_967_296.0;
/// Length of a Delay_Req.
const DELAY_REQ_LENGTH: usize = 44;
/// Events that nobody has polled; older ones are dropped first.
const MAX_EVENTS: usize = 64;

/// What a slave is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// Our own port; also seeds the random spacing of Delay_Reqs.
    pub identity: PortIdentity,
    /// Messages of other domains are ignored.
    pub domain_number: u8,
    /// Announce intervals of silence after which a master is given up.
    pub announce_receipt_timeout: u8,
    /// Mean interval between Delay_Reqs until a Delay_Resp tells, 2^n s.
    pub log_min_delay_req_interval: i8,
}

impl PortConfig {
    /// The media profile's defaults (AES67-2018, annex A) for a domain.
    #[must_use]
    pub fn media_profile(identity: PortIdentity, domain_number: u8) -> Self {
        Self { identity, domain_number, announce_receipt_timeout: 3, log_min_delay_req_interval: 0 }
    }
}

/// State of the port (IEEE 1588-2019, 9.2.5; the states of a slave-only port).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// No master is qualified.
    Listening,
    /// A master is selected; its clock is not followed yet.
    Uncalibrated,
    /// The clock of the selected master is followed.
    Slave,
}

/// The timers of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The next Delay_Req.
    DelayRequest,
    /// The clock law looks at the time.
    Clock,
}

/// When each [`Timer`] is due.
#[derive(Clone, Copy, Debug, Default)]
struct Timers([Option<LocalTime>; 2]);

impl Timers {
    fn set(&mut self, timer: Timer, at: LocalTime) {
        self.0[timer as usize] = Some(at);
    }

    fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    fn next(&self) -> Option<LocalTime> {
        self.0.iter().flatten().min().copied()
    }

    /// Whether the timer is due; if so, it is stopped.
    fn take(&mut self, timer: Timer, now: LocalTime) -> bool {
        let due = self.0[timer as usize].is_some_and(|at| at <= now);
        if due {
            self.stop(timer);
        }
        due
    }
}

/// A message to be sent to the event port (319) of 224.0.1.129.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The datagram.
    pub datagram: [u8; DELAY_REQ_LENGTH],
    /// To be given to [`Port::handle_transmitted`] with the time at which the message left.
    pub sequence_id: u16,
}

impl Transmit {
    /// A Delay_Req from `port`; `None` if it could not be written, which its fixed size rules out.
    #[must_use]
    pub fn delay_req(port: PortIdentity, domain_number: u8, sequence_id: u16) -> Option<Self> {
        let header = Header {
            domain_number,
            source_port_identity: port,
            sequence_id,
            log_message_interval: NO_INTERVAL,
            ..Header::default()
        };
        let body = Body::DelayReq { origin_timestamp: PtpTime::EPOCH };
        let mut datagram = [0; DELAY_REQ_LENGTH];
        let written = Message { header, body, tlvs: Tlvs::default() }.emit(&mut datagram);
        written.ok().map(|_| Self { datagram, sequence_id })
    }
}

/// Something that a user would want to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PortEvent {
    /// The best master has changed.
    MasterSelected(DataSet),
    /// The selected master is silent, and there is no other.
    MasterLost(PortIdentity),
    /// The clock's lock state has changed.
    Lock(LockTransition),
}

/// A PTP slave. The clock law is the engine's own unless another is given for comparison.
pub struct Port<L = SlaveClock> {
    config: PortConfig,
    law: L,
    masters: ForeignMasters,
    master: Option<DataSet>,
    sync: SyncExchange,
    delay: DelayExchange,
    delay_interval: Nanos,
    sync_interval: Nanos,
    timers: Timers,
    spacing: ChaCha8Rng,
    transmit: Option<Transmit>,
    events: VecDeque<PortEvent>,
    malformed: u64,
}

impl Port<SlaveClock> {
    /// A slave with the engine's clock.
    #[must_use]
    pub fn new(config: PortConfig) -> Self {
        Self::with_law(config, SlaveClock::new(SlaveClockConfig::default()))
    }
}

impl<L: ClockLaw> Port<L> {
    /// A slave with another clock law.
    pub fn with_law(config: PortConfig, law: L) -> Self {
        let port = config.identity;
        let seed = u64::from_be_bytes(port.clock_identity.0) ^ u64::from(port.port_number);
        Self {
            config,
            law,
            masters: ForeignMasters::default(),
            master: None,
            sync: SyncExchange::default(),
            delay: DelayExchange::default(),
            delay_interval: Nanos::from_log2_secs(config.log_min_delay_req_interval),
            sync_interval: SlaveClockConfig::default().sync_interval,
            timers: Timers::default(),
            spacing: ChaCha8Rng::seed_from_u64(seed),
            transmit: None,
            events: VecDeque::with_capacity(MAX_EVENTS),
            malformed: 0,
        }
    }

    /// Takes a datagram that was received at `now` (its receive timestamp). Messages that are not for us are ignored.
    ///
    /// # Errors
    /// If it is not a PTP message; it is counted, and nothing else happens.
    pub fn handle_datagram(&mut self, now: LocalTime, datagram: &[u8]) -> Result<(), WireError> {
        let message = Message::parse(datagram).inspect_err(|_| self.malformed += 1)?;
        let header = message.header;
        // AirPlay's and 802.1AS's clocks (majorSdoId 1) may share the wire.
        let ours = header.domain_number == self.config.domain_number
            && header.major_sdo_id == 0
            && header.source_port_identity.clock_identity != self.config.identity.clock_identity
            && !header.flags.contains(Flags::ALTERNATE_MASTER);
        if !ours {
            return Ok(());
        }
        if let Body::Announce(announce) = message.body {
            self.announce(now, &header, &announce);
        } else if self.is_master(header.source_port_identity) {
            self.master_message(now, &header, &message.body);
        }
        self.drain_law();
        Ok(())
    }

    /// Does whatever is due at `now`.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        self.masters.expire(now, i64::from(self.config.announce_receipt_timeout));
        self.select(now);
        if self.timers.take(Timer::DelayRequest, now) {
            self.request_delay(now);
        }
        if self.timers.take(Timer::Clock, now) {
            self.law.advance(now);
            self.timers.set(Timer::Clock, now + self.sync_interval);
        }
        self.drain_law();
    }

    /// When [`Port::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        let expiry = self.masters.next_expiry(i64::from(self.config.announce_receipt_timeout));
        self.timers.next().into_iter().chain(expiry).min()
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmit.take()
    }

    /// A message left the host at `sent`.
    pub fn handle_transmitted(&mut self, sequence_id: u16, sent: LocalTime) {
        if let Some(pair) = self.delay.transmitted(sequence_id, sent) {
            self.observe(&pair);
        }
    }

    /// The next event that was not yet told.
    pub fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    /// What the clock says at `now`.
    #[must_use]
    pub fn reading(&self, now: LocalTime) -> ClockReading {
        self.law.reading(now)
    }

    /// The clock law.
    #[must_use]
    pub fn law(&self) -> &L {
        &self.law
    }

    /// The master that is followed.
    #[must_use]
    pub fn master(&self) -> Option<&DataSet> {
        self.master.as_ref()
    }

    /// State of the port.
    #[must_use]
    pub fn port_state(&self, now: LocalTime) -> PortState {
        match self.master {
            None => PortState::Listening,
            Some(_) if self.law.reading(now).state.is_usable() => PortState::Slave,
            Some(_) => PortState::Uncalibrated,
        }
    }

    /// Datagrams that were not PTP messages.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    fn is_master(&self, port: PortIdentity) -> bool {
        self.master.is_some_and(|master| master.sender == port)
    }

    fn announce(&mut self, now: LocalTime, header: &Header, announce: &super::wire::Announce) {
        let data = DataSet::of(header.source_port_identity, announce);
        let interval = match header.log_message_interval {
            // An announce interval beyond AES67's longest (2^4 s) would keep a dead master for long.
            log2 @ -7..=4 => Nanos::from_log2_secs(log2),
            _ => Nanos::from_secs(1),
        };
        self.masters.announce(now, data, interval, self.master.map(|master| master.sender));
        self.select(now);
    }

    /// State decision: follow the best master (IEEE 1588-2019, 9.3.3).
    fn select(&mut self, now: LocalTime) {
        let best = self.masters.best();
        let sender = |data: Option<DataSet>| data.map(|data| (data.sender, data.grandmaster));
        let changed = sender(best) != sender(self.master);
        let lost = self.master.filter(|_| best.is_none());
        self.master = best;
        if !changed {
            return;
        }
        self.sync = SyncExchange::default();
        match (best, lost) {
            (Some(data), _) => {
                self.push_event(PortEvent::MasterSelected(data));
                self.schedule_delay_request(now);
                self.timers.set(Timer::Clock, now + self.sync_interval);
            }
            (None, Some(lost)) => {
                self.timers.stop(Timer::DelayRequest);
                self.push_event(PortEvent::MasterLost(lost.sender));
            }
            (None, None) => {}
        }
    }

    fn master_message(&mut self, now: LocalTime, header: &Header, body: &Body) {
        let pair = match *body {
            Body::Sync { origin_timestamp } => {
                self.learn_sync_interval(header.log_message_interval);
                self.sync.sync(now, header, origin_timestamp)
            }
            Body::FollowUp { precise_origin_timestamp } => self.sync.follow_up(header, precise_origin_timestamp),
            Body::DelayResp { receive_timestamp, requesting_port_identity }
                if requesting_port_identity == self.config.identity =>
            {
                if header.log_message_interval != NO_INTERVAL {
                    self.delay_interval = Nanos::from_log2_secs(header.log_message_interval.clamp(-7, 5));
                }
                self.delay.response(header.sequence_id, receive_timestamp, header.correction_field)
            }
            _ => None,
        };
        if let Some(pair) = pair {
            self.observe(&pair);
        }
    }

    fn learn_sync_interval(&mut self, log2: i8) {
        if log2 == NO_INTERVAL {
            return;
        }
        self.sync_interval = Nanos::from_log2_secs(log2.clamp(-7, 4));
        self.law.set_sync_interval(self.sync_interval);
    }

    fn observe(&mut self, pair: &TimestampPair) {
        self.law.observe(pair);
        self.drain_law();
    }

    fn request_delay(&mut self, now: LocalTime) {
        if self.master.is_none() {
            return;
        }
        let sequence_id = self.delay.request();
        self.transmit = Transmit::delay_req(self.config.identity, self.config.domain_number, sequence_id);
        self.schedule_delay_request(now);
    }

    /// Uniform over 0..2 intervals (IEEE 1588-2019, 9.5.11.2), so that the slaves of a network do not ask in chorus.
    fn schedule_delay_request(&mut self, now: LocalTime) {
        let share = f64::from(self.spacing.next_u32()) / TWO_POW_32;
        let wait = Nanos::from_secs_f64(2.0 * share * self.delay_interval.as_secs_f64());
        self.timers.set(Timer::DelayRequest, now + wait);
    }

    fn drain_law(&mut self) {
        while let Some(transition) = self.law.poll_transition() {
            self.push_event(PortEvent::Lock(transition));
        }
    }

    fn push_event(&mut self, event: PortEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests;
