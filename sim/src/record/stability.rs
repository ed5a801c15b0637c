//! True time errors of clocks, and how stable they are.

use crate::scenario::{Mask, MaskLimits, ObservedClock};
use serde::Serialize;

/// Time errors of clocks against true time, at the end of a trace interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TruePhases {
    /// The sound card's crystal, ns; `None` if there is none.
    pub card_ns: Option<f64>,
    /// The grandmaster, since its first reading, ns.
    pub grandmaster_ns: f64,
}

/// How stable a clock is over a whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClockStability {
    /// The clock.
    pub clock: ObservedClock,
    /// A point for each interval of observation, the shortest first.
    pub points: Vec<ClockDeviation>,
}

/// A mask by which a clock is judged, for plots.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownMask {
    /// The clock.
    pub clock: ObservedClock,
    /// The mask.
    pub mask: Mask,
    /// Its limits.
    pub limits: MaskLimits,
}

/// Deviations of a clock for one interval of observation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClockDeviation {
    /// The interval of observation, s.
    pub tau_s: f64,
    /// Overlapping Allan deviation, ppb; `None` beyond a twelfth of what was observed.
    pub adev_ppb: Option<f64>,
    /// Time deviation, ns; likewise.
    pub tdev_ns: Option<f64>,
    /// Maximum time interval error, ns; `None` beyond half of what was observed.
    pub mtie_ns: Option<f64>,
}
