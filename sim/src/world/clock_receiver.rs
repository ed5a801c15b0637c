//! A receiver that is nothing but a clock: the engine's PTP port around any clock law.
//!
//! So all laws see the same timestamps of the same packets, and ask for delays at the same times; what differs is the law.

use super::receiver::{Clock, RECEIVER_PORT, Receiver, feed, tell};
use engine::LocalTime;
use engine::clock::ClockLaw;
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Client, ClientConfig, Transmit};

/// A PTP port with a clock law.
pub struct ClockReceiver<L> {
    client: Client<L>,
    claims_sigma: bool,
}

impl<L: ClockLaw> ClockReceiver<L> {
    /// A port in a PTP domain. `claims_sigma`: whether the law says how uncertain it is.
    pub fn new(law: L, domain_number: u8, claims_sigma: bool) -> Self {
        let config = ClientConfig::media_profile(RECEIVER_PORT, domain_number);
        Self { client: Client::with_law(config, law), claims_sigma }
    }
}

impl<L: ClockLaw> Receiver for ClockReceiver<L> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        feed(&mut self.client, now, datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.client.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.client.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.client.poll_transmit()
    }

    fn handle_transmitted(&mut self, sequence_id: u16, sent: LocalTime) {
        self.client.handle_transmitted(sequence_id, sent);
    }

    fn clock(&self, now: LocalTime) -> Clock {
        let reading = self.client.reading(now);
        Clock { state: reading.state.into(), map: reading.map, claims_sigma: self.claims_sigma }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.client.master().map(|master| master.grandmaster)
    }

    fn poll_event(&mut self) -> Option<String> {
        self.client.poll_event().map(|event| tell(&event))
    }
}
