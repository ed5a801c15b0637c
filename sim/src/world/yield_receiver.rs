//! The engine's session with one AirPlay receiver ([`engine::ptp::bmca_yield`]) in the place of a
//! PTP port: the scenario's grandmaster is the peer.

use super::addresses::GRANDMASTER_ADDRESS;
use super::host::HostTime;
use super::receiver::{Clock, RECEIVER_PORT, Receiver};
use crate::record::ClockState;
use engine::LocalTime;
use engine::clock::ClockServo as _;
use engine::ptp::bmca_yield::{YieldConfig, YieldSession, YieldState};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{PeerAddress, Transmit, TransmitToken};
use std::net::Ipv4Addr;

/// The AirPlay receiver's address.
const PEER: PeerAddress = PeerAddress::V4(GRANDMASTER_ADDRESS);

/// An AirPlay sender, which begins its session when it is switched on.
#[derive(Default)]
pub(crate) struct YieldReceiver {
    session: Option<YieldSession>,
}

impl YieldReceiver {
    fn hear(&mut self, now: LocalTime, source: PeerAddress, datagram: &[u8]) {
        if let Some(session) = &mut self.session {
            // Refused datagrams are counted by the session.
            let _ = session.handle_datagram(now, source, datagram);
        }
    }
}

impl Receiver for YieldReceiver {
    fn begin(&mut self, now: LocalTime) -> bool {
        self.session = Some(YieldSession::new(YieldConfig::new(RECEIVER_PORT, PEER), now));
        true
    }

    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.hear(now, PEER, datagram);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.hear(now.by(self.stamp_clock()), PeerAddress::V4(source), datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        if let Some(session) = &mut self.session {
            session.handle_timeout(now);
        }
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.session.as_ref()?.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.session.as_mut()?.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        if let Some(session) = &mut self.session {
            session.handle_transmitted(token, sent);
        }
    }

    fn clock(&self, now: LocalTime) -> Clock {
        let Some(session) = &self.session else {
            return Clock { state: ClockState::Listening, map: None, claims_sigma: true };
        };
        let state = match session.state() {
            YieldState::Offering => ClockState::Listening,
            YieldState::Following => session.servo().reading(now).state.into(),
            // Our clock defines the time, so it is always locked.
            YieldState::OwnTimeline => ClockState::Locked,
        };
        Clock { state, map: session.map(now), claims_sigma: true }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.session.as_ref().map(YieldSession::clock_identity)
    }

    fn poll_event(&mut self) -> Option<String> {
        self.session.as_mut()?.poll_event().map(|event| event.to_string())
    }
}
