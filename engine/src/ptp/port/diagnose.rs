//! Determines why the port has no clock; see [`Diagnosis`].

use super::*;
use crate::ptp::diagnosis::{Diagnosis, Instead, Trouble};

/// Number of Sync intervals without a Sync after which the master is assumed to send no Syncs, and
/// number of Syncs without a Follow_Up after which it is assumed to send no Follow_Ups: with 5 %
/// packet loss, four consecutive messages are lost once in 160,000 times.
const MISSING: u32 = 4;
/// Sync interval above which the eight Syncs that a lock needs take longer than a user is willing
/// to wait.
const SELDOM: Nanos = Nanos::from_secs(2);

impl<L: ClockServo> Port<L> {
    /// Why the clock is unusable at `now`; `None` if it is usable, if we serve the time ourselves,
    /// or if the lock merely takes time.
    #[must_use]
    pub fn diagnosis(&self, now: LocalTime) -> Option<Diagnosis> {
        let serves = matches!(self.state, PortState::Master | PortState::Passive);
        if serves || self.servo.reading(now).state == LockState::Locked {
            return None;
        }
        match self.slave.parent() {
            Some(parent) => {
                let trouble = self.slave.trouble(now).or_else(|| self.servo.obstacle().map(Trouble::Servo));
                let trouble = trouble.or_else(|| self.slave.slowness());
                trouble.map(|trouble| Diagnosis::Master { grandmaster: parent.data.grandmaster, trouble })
            }
            None => {
                let once = self.masters.unqualified().map(|data| Instead::OneAnnounce(data.grandmaster));
                let once = once.or_else(|| self.negotiation.as_ref().and_then(Negotiation::obstacle));
                let instead = once.or_else(|| self.unusable.told(now)).unwrap_or(Instead::Nothing);
                Some(Diagnosis::NoMaster { domain: self.config.domain_number, instead })
            }
        }
    }

    /// Records a datagram that is not a PTP message.
    pub(super) fn refuse(&mut self, now: LocalTime, source: PeerAddress, error: WireError) {
        if let WireError::UnsupportedVersion { version: 1 } = error {
            self.counters.version_1 += 1;
            self.unusable.hear(now, What::Version1(source), None);
        } else {
            self.counters.malformed += 1;
        }
    }

    /// Returns whether the user accepts the sender of a message; a message that is not accepted is
    /// counted.
    pub(super) fn accepts(&mut self, now: LocalTime, source: PeerAddress, message: &Message<'_>) -> bool {
        let sender = message.header.source_port_identity;
        let of_master = !matches!(message.body, Body::DelayReq { .. } | Body::Signaling { .. });
        let refused = if !self.config.accept_sources.accepts(&source) {
            &mut self.counters.refused_sources
        } else if of_master && !self.config.accept_masters.accepts(&sender.clock_identity) {
            &mut self.counters.refused_masters
        } else {
            return true;
        };
        *refused += 1;
        let is_ours = sender.clock_identity == self.config.identity.clock_identity;
        if matches!(message.body, Body::Announce(_)) && !is_ours {
            self.unusable.hear(now, What::Refused { sender, source }, None);
        }
        false
    }

    /// Records a message that is not for us, because it may explain why there is no master.
    pub(super) fn note_unusable(&mut self, now: LocalTime, message: &Message<'_>) {
        let header = &message.header;
        if header.source_port_identity.clock_identity == self.config.identity.clock_identity {
            return;
        }
        if header.major_sdo_id != self.config.sdo_id {
            let (sender, major_sdo_id) = (header.source_port_identity, header.major_sdo_id);
            self.unusable.hear(now, What::OtherSdo { sender, major_sdo_id }, None);
            return;
        }
        let Body::Announce(announce) = message.body else { return };
        let (grandmaster, domain) = (announce.grandmaster_identity, header.domain_number);
        let what = if domain == self.config.domain_number {
            What::AlternateMaster(grandmaster)
        } else {
            What::OtherDomain { grandmaster, domain }
        };
        self.unusable.hear(now, what, Some(announce_interval(header).unwrap_or(USUAL_ANNOUNCE_INTERVAL)));
    }
}

impl SlaveState {
    /// The problem with the selected master.
    fn trouble(&self, now: LocalTime) -> Option<Trouble> {
        let heard = self.sync_heard.unwrap_or(self.since);
        if now.since(heard) > self.sync_interval.times(i64::from(MISSING)) {
            return Some(Trouble::NoSync);
        }
        if self.sync.unfollowed() >= MISSING {
            return Some(Trouble::NoFollowUp);
        }
        if let Some(fault) = self.plausibility.fault() {
            return Some(Trouble::Fault(fault));
        }
        if self.unanswered >= MISSING {
            return Some(Trouble::NoAnswer { requests: self.unanswered });
        }
        (self.unstamped >= MISSING).then_some(Trouble::NoTransmitTimestamp)
    }

    fn slowness(&self) -> Option<Trouble> {
        (self.sync_interval >= SELDOM).then_some(Trouble::FewSyncs { interval: self.sync_interval })
    }
}
