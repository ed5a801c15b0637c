//! A receiver that is nothing but a clock: the engine's PTP port around any clock law.
//!
//! So all laws see the same timestamps of the same packets, and ask for delays at the same times; what differs is the law.

use super::receiver::{Clock, GRANDMASTER_ADDRESS, RECEIVER_PORT, Receiver};
use engine::LocalTime;
use engine::clock::{ClockLaw, ClockReading};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Port, PortConfig, PortEvent, Profile, Transmit, TransmitToken};

/// A PTP port with a clock law.
pub struct ClockReceiver<L> {
    port: Port<L>,
    claims_sigma: bool,
}

impl<L: ClockLaw> ClockReceiver<L> {
    /// A port in a PTP domain. `claims_sigma`: whether the law says how uncertain it is.
    pub fn new(law: L, domain_number: u8, claims_sigma: bool) -> Self {
        let config = PortConfig::slave_only(&Profile::AES67_MEDIA, RECEIVER_PORT).in_domain(domain_number);
        Self { port: Port::with_law(config, LocalTime::ZERO, law), claims_sigma }
    }

    /// What the law says.
    pub fn reading(&self, now: LocalTime) -> ClockReading {
        self.port.reading(now)
    }
}

impl<L: ClockLaw> Receiver for ClockReceiver<L> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        // Refused datagrams are counted by the port; the simulated network sends none.
        let _ = self.port.handle_datagram(now, GRANDMASTER_ADDRESS, datagram);
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
        // The state of the port follows from the other events.
        let told = |event: &PortEvent| !matches!(event, PortEvent::State(_));
        std::iter::from_fn(|| self.port.poll_event()).find(told).map(|event| event.to_string())
    }
}
