//! Clocks of a scenario.

use super::value::{PartsPerMillion, Seconds, SinePeriod, WanderPpb};
use serde::Deserialize;

/// A free-running crystal.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Crystal {
    /// Constant deviation from nominal.
    pub offset_ppm: PartsPerMillion,
    /// Random walk of the frequency, per square root of a second.
    pub random_walk_ppb: WanderPpb,
    /// Amplitude of a sine (air conditioning).
    pub sine_ppm: PartsPerMillion,
    /// Period of that sine.
    pub sine_period_s: SinePeriod,
    /// Exponential approach to the constant deviation from this far away (warm-up).
    pub warm_up_ppm: PartsPerMillion,
    /// Time constant of the warm-up.
    pub warm_up_s: Seconds,
}

/// The host's monotonic clock: a crystal.
pub type HostClock = Crystal;

/// What the talker's media clock follows.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TalkerClock {
    /// PTP: RTP timestamps are PTP time (`a=mediaclk:direct=0`). A talker keeps PTP time over an
    /// outage by a good oscillator of its own.
    Grandmaster,
    /// PTP, but the time of another master: that rival, from 0. It says as well that its timestamps
    /// are PTP time.
    Rival(usize),
    /// A crystal of its own; timestamps have nothing to do with PTP.
    Crystal(Crystal),
}
