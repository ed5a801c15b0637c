//! A receiver that is only a clock: the engine's PTP port with any clock law.
//!
//! So all laws get the same timestamps of the same packets and request delays at the same times,
//! and only the law differs.

use super::addresses::GRANDMASTER_ADDRESS;
use super::host::HostTime;
use super::receiver::{Clock, RECEIVER_PORT, Receiver};
use crate::record::ClockState;
use engine::LocalTime;
use engine::clock::{
    ClockReading, ClockServo, LockState, Reference, ReferenceConfig, SlaveClock, SlaveClockConfig, Sources,
};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{PeerAddress, Port, PortConfig, PortEvent, Profile, Transmit, TransmitToken};
use std::net::Ipv4Addr;

/// A PTP port with a clock law.
pub struct ClockReceiver<L> {
    port: Port<L>,
    claims_sigma: bool,
}

impl<L: ClockServo> ClockReceiver<L> {
    /// A port in a PTP domain. `claims_sigma` says whether the law states its uncertainty.
    pub fn new(law: L, domain_number: u8, claims_sigma: bool) -> Self {
        let config = PortConfig::slave_only(&Profile::AES67_MEDIA, RECEIVER_PORT).in_domain(domain_number);
        Self { port: Port::with_servo(config, LocalTime::ZERO, law), claims_sigma }
    }

    fn hear(&mut self, now: LocalTime, source: Ipv4Addr, datagram: &[u8]) {
        // Refused datagrams are counted by the port.
        let _ = self.port.handle_datagram(now, PeerAddress::V4(source), datagram);
    }
}

impl<L: ClockServo> Receiver for ClockReceiver<L> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.hear(now, GRANDMASTER_ADDRESS, datagram);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.hear(now.by(self.stamp_clock()), source, datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.port.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.port.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.port.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.port.handle_transmitted(token, sent);
    }

    fn clock(&self, now: LocalTime) -> Clock {
        let reading = self.port.reading(now);
        Clock { state: reading.state.into(), map: reading.map, claims_sigma: self.claims_sigma }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.port.master().map(|master| master.grandmaster)
    }

    fn poll_event(&mut self) -> Option<String> {
        // Changes of the port's state are not reported, because they follow from the other events.
        let told = |event: &PortEvent| !matches!(event, PortEvent::State(_));
        std::iter::from_fn(|| self.port.poll_event()).find(told).map(|event| event.to_string())
    }
}

/// The engine's clock: port, servo, and the published timeline.
pub(crate) struct EngineClock<L = SlaveClock> {
    clock: ClockReceiver<L>,
    reference: Reference,
}

impl EngineClock {
    /// A slave in a PTP domain.
    pub(crate) fn new(domain_number: u8) -> Self {
        Self::with(ReferenceConfig::default(), domain_number)
    }

    /// A clock that waits for PTP without a time limit, as senders do, because a stream that began
    /// on another timeline would jump.
    pub(super) fn waiting(domain_number: u8) -> Self {
        Self::with(ReferenceConfig { fallback_after: None, ..ReferenceConfig::default() }, domain_number)
    }

    fn with(config: ReferenceConfig, domain_number: u8) -> Self {
        let clock = ClockReceiver::new(SlaveClock::new(SlaveClockConfig::default()), domain_number, true);
        Self { clock, reference: Reference::new(config) }
    }
}

impl<L: ClockServo> EngineClock<L> {
    /// The published timeline of any clock.
    pub(crate) fn of(clock: ClockReceiver<L>) -> Self {
        Self { clock, reference: Reference::new(ReferenceConfig::default()) }
    }

    /// The published timeline.
    pub(super) fn timeline(&self) -> ClockReading {
        self.reference.reading()
    }

    /// The reference, which handles fallback and return.
    pub(super) fn reference(&self) -> &Reference {
        &self.reference
    }

    fn publish(&mut self, now: LocalTime) {
        let sources = Sources { ptp: Some(self.clock.port.reading(now)), ..Sources::default() };
        self.reference.advance(now, &sources);
    }
}

impl<L: ClockServo> Receiver for EngineClock<L> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.clock.handle_ptp(now, datagram);
        self.publish(now);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.clock.handle_ptp_from(now, source, datagram);
        self.publish(now.by(self.stamp_clock()));
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.clock.handle_timeout(now);
        self.publish(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.clock.poll_timeout().into_iter().chain(self.reference.poll_timeout()).min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.clock.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.clock.handle_transmitted(token, sent);
    }

    fn clock(&self, now: LocalTime) -> Clock {
        // The state of PTP itself, for the timeline goes on without it; but a timeline that does
        // not follow PTP yet, or is far from what it says, is not locked.
        let (published, ptp) = (self.reference.reading(), self.clock.clock(now));
        let follows = published.state == LockState::Locked || ptp.state != ClockState::Locked;
        Clock { map: published.map, state: if follows { ptp.state } else { published.state.into() }, ..ptp }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.clock.grandmaster()
    }

    fn poll_event(&mut self) -> Option<String> {
        let timeline = self.reference.poll_event().map(|event| format!("timeline: {event}"));
        timeline.or_else(|| self.clock.poll_event())
    }
}
