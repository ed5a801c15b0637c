//! What can happen during a run.

use super::value::{PartsPerMillion, Seconds};
use super::{Jitter, Stall};
use serde::Deserialize;
use toml::Spanned;

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub at_s: Spanned<Seconds>,
    /// How long it lasts; to the end of the run if not given.
    pub for_s: Option<Seconds>,
    /// What it is.
    pub what: FaultKind,
}

/// What can happen.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The grandmaster is silent.
    GrandmasterLost,
    /// The network is down: every packet is lost, of every path and direction.
    NetworkLost,
    /// The host learns of packets by this lateness instead of its own.
    HostReceiveJitter(Jitter),
    /// The host's packets leave by this lateness instead of its own.
    HostTransmitJitter(Jitter),
    /// The path of the media stalls like this instead of as it does.
    MediaStall(Stall),
    /// The host's crystal changes its rate by so much, evenly over the fault's time, and keeps it: a host that warms up.
    HostClockRampPpm(PartsPerMillion),
}
