//! Transmit timestamps of the host, as the network card or its driver reports them to the program,
//! and their faults.

use super::host::HostTime;
use crate::models::RandomStream;
use crate::scenario::FaultKind;
use engine::Nanos;
use engine::ptp::TransmitToken;
use std::collections::VecDeque;

/// The fate of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stamp {
    /// The program gets it at once.
    Now,
    /// The program gets it after this time.
    After(Nanos),
    /// It never gets it.
    Never,
}

/// The timestamps of one host.
#[derive(Debug)]
pub(super) struct Stamps {
    /// Share of the timestamps that is missing.
    missing: f64,
    late: Nanos,
    stream: RandomStream,
    /// Timestamps that have not reached the program yet, the earliest first.
    waiting: VecDeque<(TransmitToken, HostTime)>,
}

impl Stamps {
    pub(super) fn new(stream: RandomStream) -> Self {
        Self { missing: 0.0, late: Nanos::ZERO, stream, waiting: VecDeque::new() }
    }

    /// The fate of the next timestamp.
    pub(super) fn next(&mut self) -> Stamp {
        if self.stream.uniform() < self.missing {
            return Stamp::Never;
        }
        if self.late > Nanos::ZERO { Stamp::After(self.late) } else { Stamp::Now }
    }

    /// Delays a timestamp.
    pub(super) fn hold(&mut self, token: TransmitToken, stamped: HostTime) {
        self.waiting.push_back((token, stamped));
    }

    /// Takes the earliest delayed timestamp.
    pub(super) fn take(&mut self) -> Option<(TransmitToken, HostTime)> {
        self.waiting.pop_front()
    }

    /// Begins or ends a fault.
    pub(super) fn fault(&mut self, what: &FaultKind, begins: bool) {
        match *what {
            FaultKind::TransmitStampsMissing(stamps) => self.missing = if begins { stamps.share.get() } else { 0.0 },
            FaultKind::TransmitStampsLateUs(late) => self.late = if begins { late.nanos() } else { Nanos::ZERO },
            _ => {}
        }
    }
}
