//! What a network path may do to packets beyond delaying them.

use super::Jitter;
use super::value::Probability;
use serde::Deserialize;

/// Loss in bursts, after Gilbert (1960) and Elliott (1963): a path is good or bad, and may change
/// with every packet. While it is good, only the path's independent loss applies.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossBurst {
    /// Probability that a burst begins with a packet that finds the path good.
    pub begins: Probability,
    /// Probability that a packet finds the burst over: bursts last 1 / `ends` packets on average.
    pub ends: Probability,
    /// Share of a burst's packets that are lost.
    #[serde(default = "all")]
    pub loss: Probability,
}

fn all() -> Probability {
    Probability::try_from(1.0).unwrap_or_default()
}

/// Duplicated packets.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    /// Share of the packets.
    pub share: Probability,
    /// How much later than the packet its copy comes, whatever else is in transit.
    #[serde(default)]
    pub later: Jitter,
}
