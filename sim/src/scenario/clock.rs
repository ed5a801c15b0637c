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
    /// Initial distance from the constant deviation, which is approached exponentially (warm-up).
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
    /// PTP: RTP timestamps are PTP time (`a=mediaclk:direct=0`). During an outage the talker holds
    /// PTP time by its own good oscillator.
    Grandmaster,
    /// PTP, but the time of another master: that rival, numbered from 0. It also claims that its
    /// timestamps are PTP time.
    Rival(usize),
    /// Its own crystal; timestamps are unrelated to PTP.
    Crystal(Crystal),
}
