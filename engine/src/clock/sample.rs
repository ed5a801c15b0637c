//! One timestamp pair, and the direction in which its packet travelled.

use crate::units::LocalTime;

/// Direction in which a timestamped packet travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the other clock to the host: PTP Sync, RTP arrival, sound-card callback.
    Forward,
    /// From the host to the other clock: PTP Delay_Req.
    Reverse,
}

impl Direction {
    /// Sign with which path delay and lateness enter the offset measured by a packet that travels
    /// in this direction.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Forward => -1.0,
            Self::Reverse => 1.0,
        }
    }

    /// Index into an array of both directions.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Forward => 0,
            Self::Reverse => 1,
        }
    }
}

/// One timestamp pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The host's timestamp.
    pub at: LocalTime,
    /// The other clock's timestamp minus the host's timestamp, both counted from the caller's
    /// origins, ns.
    pub offset_ns: f64,
    /// Direction in which the packet travelled.
    pub direction: Direction,
}
