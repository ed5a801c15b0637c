//! Transmit stamps of the host: when a message left, as the program learns it from the network card
//! or its driver; and what goes wrong with that.

use super::host::HostTime;
use crate::models::RandomStream;
use crate::scenario::FaultKind;
use engine::Nanos;
use engine::ptp::TransmitToken;
use std::collections::VecDeque;

/// What becomes of a stamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stamp {
    /// The program has it at once.
    Now,
    /// It has it after so long.
    After(Nanos),
    /// It never gets it.
    Never,
}

/// The stamps of one host.
#[derive(Debug)]
pub(super) struct Stamps {
    /// Share that is missing.
    missing: f64,
    late: Nanos,
    stream: RandomStream,
    /// Those that are on their way to the program, the earliest first.
    waiting: VecDeque<(TransmitToken, HostTime)>,
}

impl Stamps {
    pub(super) fn new(stream: RandomStream) -> Self {
        Self { missing: 0.0, late: Nanos::ZERO, stream, waiting: VecDeque::new() }
    }

    /// What becomes of the next one.
    pub(super) fn next(&mut self) -> Stamp {
        if self.stream.uniform() < self.missing {
            return Stamp::Never;
        }
        if self.late > Nanos::ZERO { Stamp::After(self.late) } else { Stamp::Now }
    }

    /// Holds one back.
    pub(super) fn hold(&mut self, token: TransmitToken, stamped: HostTime) {
        self.waiting.push_back((token, stamped));
    }

    /// Takes the earliest of those that were held back.
    pub(super) fn take(&mut self) -> Option<(TransmitToken, HostTime)> {
        self.waiting.pop_front()
    }

    /// A fault begins or ends.
    pub(super) fn fault(&mut self, what: &FaultKind, begins: bool) {
        match *what {
            FaultKind::TransmitStampsMissing(stamps) => self.missing = if begins { stamps.share.get() } else { 0.0 },
            FaultKind::TransmitStampsLateUs(late) => self.late = if begins { late.nanos() } else { Nanos::ZERO },
            _ => {}
        }
    }
}
