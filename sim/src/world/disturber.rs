//! A device on the network that disturbs PTP: when it sends, and what.

use crate::models::{MalformedPtp, TrueTime};
use crate::scenario::{FaultKind, Scenario};
use engine::Nanos;

/// The device; silent but for a fault.
pub(super) struct Disturber {
    device: MalformedPtp,
    /// From one datagram to the next, while it sends.
    every: Option<Nanos>,
    due: TrueTime,
}

impl Disturber {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { device: MalformedPtp::new(scenario.grandmaster.clone(), scenario.seed), every: None, due: 0 }
    }

    /// A fault begins or ends; returns whether it sends from now on.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) -> bool {
        let FaultKind::PtpMalformed(malformed) = what else { return false };
        self.every = begins.then(|| malformed.interval());
        self.due = now;
        begins
    }

    /// What it sends now, and when it will again; nothing if it is not due, because it has been
    /// silent meanwhile.
    pub(super) fn send(&mut self, now: TrueTime) -> Option<(Vec<u8>, TrueTime)> {
        let every = self.every.filter(|_| now == self.due)?;
        self.due = now + every.as_nanos();
        Some((self.device.datagram(now), self.due))
    }
}
