//! The engine's Livewire clock ([`engine::livewire_clock`]) in place of a PTP port, with the
//! published timeline.

use super::addresses::GRANDMASTER_ADDRESS;
use super::host::HostTime;
use super::receiver::{Clock, Receiver};
use crate::record::ClockState;
use engine::LocalTime;
use engine::clock::{ClockMode, LockState, Reference, ReferenceConfig, Sources};
use engine::livewire_clock::LivewireClock;
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Transmit, TransmitToken};
use std::net::Ipv4Addr;

/// A host that follows the Livewire clock.
pub(crate) struct LivewireReceiver {
    clock: LivewireClock,
    reference: Reference,
}

impl Default for LivewireReceiver {
    fn default() -> Self {
        let config = ReferenceConfig { mode: ClockMode::Livewire, ..ReferenceConfig::default() };
        Self { clock: LivewireClock::new(), reference: Reference::new(config) }
    }
}

impl LivewireReceiver {
    fn hear(&mut self, now: LocalTime, source: Ipv4Addr, datagram: &[u8]) {
        // Refused datagrams are counted by the clock.
        let _ = self.clock.handle_datagram(now, source, datagram);
        self.publish(now);
    }

    fn publish(&mut self, now: LocalTime) {
        let livewire = Some(self.clock.reading(now));
        self.reference.advance(now, &Sources { livewire, ..Sources::default() });
    }
}

impl Receiver for LivewireReceiver {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.hear(now, GRANDMASTER_ADDRESS, datagram);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.hear(now.by(self.stamp_clock()), source, datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.clock.handle_timeout(now);
        self.publish(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.clock.poll_timeout().into_iter().chain(self.reference.poll_timeout()).min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    fn handle_transmitted(&mut self, _token: TransmitToken, _sent: LocalTime) {}

    fn clock(&self, now: LocalTime) -> Clock {
        // As for PTP, the state is that of the clock, but a timeline that is far from the clock's
        // time is not locked.
        let (published, clock) = (self.reference.reading(), self.clock.reading(now));
        let follows = published.state == LockState::Locked || clock.state != LockState::Locked;
        let state = if follows { clock.state } else { published.state };
        Clock { state: ClockState::from(state), map: published.map, claims_sigma: true }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        let [a, b, c, d, e, f] = self.clock.master()?.identity.mac.0;
        Some(ClockIdentity([a, b, c, 0xFF, 0xFE, d, e, f]))
    }

    fn poll_event(&mut self) -> Option<String> {
        let timeline = self.reference.poll_event().map(|event| format!("timeline: {event}"));
        timeline.or_else(|| self.clock.poll_event().map(|event| event.to_string()))
    }
}
