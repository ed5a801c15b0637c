//! The port as slave of unicast masters; see [`crate::ptp::unicast`].
//!
//! Only unicast messages from the configured masters are used. Otherwise, the messages of a master
//! that also serves by multicast would be used twice.

use super::*;
use crate::ptp::unicast::{Negotiation, Service, UnicastTlv};

impl<L: ClockServo> Port<L> {
    /// Creates the negotiation that `config` requires; `None` without unicast masters.
    pub(super) fn negotiation(config: &PortConfig, now: LocalTime) -> Option<Negotiation> {
        let log_intervals = [config.log_announce_interval, config.log_sync_interval, config.log_min_delay_req_interval];
        config.unicast.map(|unicast| Negotiation::new(&unicast, log_intervals, now))
    }

    /// Cancels the grants of unicast masters, because the port will not be used any more.
    pub fn release(&mut self) {
        if let Some(negotiation) = &mut self.negotiation {
            negotiation.release();
            self.send_signals();
        }
    }

    /// Returns whether a message is to be used. If unicast masters are configured, only unicast
    /// messages from these masters are used; other messages are counted and ignored.
    pub(super) fn comes_by_unicast(&mut self, source: PeerAddress, header: &Header) -> bool {
        let Some(negotiation) = &self.negotiation else { return true };
        let counts = header.flags.contains(Flags::UNICAST) && negotiation.knows(source);
        self.counters.other_source += u64::from(!counts);
        counts
    }

    /// Records a message that was requested from a master.
    pub(super) fn heard_by_unicast(&mut self, now: LocalTime, source: PeerAddress, body: &Body) {
        let service = match body {
            Body::Announce(_) => Service::Announce,
            Body::Sync { .. } => Service::Sync,
            Body::DelayResp { .. } => Service::DelayResp,
            _ => return,
        };
        if let Some(negotiation) = &mut self.negotiation {
            negotiation.heard(now, source, service);
        }
    }

    pub(super) fn handle_signaling(
        &mut self,
        now: LocalTime,
        source: PeerAddress,
        header: &Header,
        target: PortIdentity,
        tlvs: Tlvs<'_>,
    ) {
        let for_us = target == self.config.identity || target == PortIdentity::EVERYBODY;
        let parent = self.slave.parent().map(|parent| parent.address);
        for tlv in tlvs.iter().map_while(Result::ok).filter_map(|tlv| UnicastTlv::parse(&tlv)) {
            let Some(negotiation) = self.negotiation.as_mut().filter(|_| for_us) else { return };
            let granted = negotiation.handle_tlv(now, source, header.source_port_identity, &tlv);
            // Unicast messages do not state their interval (IEEE 1588-2019, table 42).
            match granted.filter(|_| parent == Some(source)) {
                Some((Service::Sync, log2)) => self.learn_sync_interval(now, log2),
                Some((Service::DelayResp, log2)) => self.learn_delay_interval(log2),
                _ => {}
            }
        }
        self.negotiate(now);
    }

    /// The announce interval that a master has granted, because unicast Announces do not state
    /// their interval.
    pub(super) fn granted_announce_interval(&self, source: PeerAddress) -> Option<Nanos> {
        self.negotiation.as_ref()?.interval(source, Service::Announce)
    }

    /// Whether Delay_Reqs may be sent to the master.
    pub(super) fn may_request_delay(&self, master: PeerAddress) -> bool {
        let granted = |negotiation: &Negotiation| negotiation.interval(master, Service::DelayResp).is_some();
        self.negotiation.as_ref().is_none_or(granted)
    }

    /// Sends the requests that are due to the masters.
    pub(super) fn negotiate(&mut self, now: LocalTime) {
        let parent = self.slave.parent().map(|parent| parent.address);
        let Some(negotiation) = &mut self.negotiation else { return };
        negotiation.select(now, parent);
        negotiation.handle_timeout(now);
        self.timers.set(Timer::Unicast, negotiation.poll_timeout());
        while let Some(event) = self.negotiation.as_mut().and_then(Negotiation::poll_event) {
            self.events.push(PortEvent::Unicast(event));
        }
        self.send_signals();
    }

    fn send_signals(&mut self) {
        while let Some(signal) = self.negotiation.as_mut().and_then(Negotiation::poll_signal) {
            self.signaling_id = self.signaling_id.wrapping_add(1);
            let header = self.header(self.signaling_id, Flags::UNICAST, NO_INTERVAL);
            let body = Body::Signaling { target_port_identity: signal.target };
            let message = Message { header, body, tlvs: Tlvs::new(&signal.tlvs) };
            let sent = self.outbox.push(&message, Destination::Unicast(signal.to));
            self.counters.unsent += u64::from(!sent);
        }
    }
}
