//! A device on the network that disturbs PTP: when it sends, and what.

use crate::models::{MalformedPtp, TrueTime};
use crate::scenario::{FaultKind, Scenario};
use engine::Nanos;

/// The device, which is silent except during a fault.
pub(super) struct Disturber {
    device: MalformedPtp,
    /// Interval between datagrams while it sends.
    every: Option<Nanos>,
    due: TrueTime,
}

impl Disturber {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { device: MalformedPtp::new(scenario.grandmaster.clone(), scenario.seed), every: None, due: 0 }
    }

    /// Begins or ends a fault. Returns whether the device sends from now on.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) -> bool {
        let FaultKind::PtpMalformed(malformed) = what else { return false };
        self.every = begins.then(|| malformed.interval());
        self.due = now;
        begins
    }

    /// The datagram that it sends now, and when it sends next; `None` if it has been silenced in
    /// the meantime.
    pub(super) fn send(&mut self, now: TrueTime) -> Option<(Vec<u8>, TrueTime)> {
        let every = self.every.filter(|_| now == self.due)?;
        self.due = now + every.as_nanos();
        Some((self.device.datagram(now), self.due))
    }
}
