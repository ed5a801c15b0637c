//! Expectations of a clock's stability: which clock, and for which interval of observation.

use super::value::Tau;
use super::{Expectation, Mask, MaskLimits, Metric};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A clock whose stability is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedClock {
    /// The receiver's estimate of PTP time, against that time, while it is locked or in holdover.
    Estimate,
    /// The media clock as it leaves the sound card: the latency of what is played.
    Played,
    /// The crystal of the sound card, against true time.
    Card,
    /// The clock of the host, against true time.
    Host,
    /// PTP time, against true time, by which crystals are described.
    Grandmaster,
    /// The timeline of the engine's sender, against PTP time.
    Sender,
}

impl ObservedClock {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 6] = [Self::Estimate, Self::Played, Self::Card, Self::Host, Self::Grandmaster, Self::Sender];
}

impl fmt::Display for ObservedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Estimate => "estimate",
            Self::Played => "played",
            Self::Card => "card",
            Self::Host => "host",
            Self::Grandmaster => "grandmaster",
            Self::Sender => "sender",
        })
    }
}

/// What an expectation of a clock's stability asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct StabilityWish {
    /// ADEV, TDEV or MTIE.
    pub metric: Metric,
    /// The clock.
    pub clock: ObservedClock,
    /// For which interval of observation.
    pub limit: StabilityLimit,
}

/// The interval of observation of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum StabilityLimit {
    /// This one, s.
    Tau(f64),
    /// All that a mask has limits for.
    Mask(MaskLimits),
}

impl Metric {
    /// How many times tau must be observed: 12 for TDEV (ITU-T G.8272, 6.2) and, as it is estimated
    /// alike, ADEV; 2 for MTIE, so that there is more than one window.
    pub(crate) fn least_taus(self) -> f64 {
        if self == Self::MtieNs { 2.0 } else { 12.0 }
    }
}

impl Expectation {
    /// What it asks for, if it is of a clock's stability.
    ///
    /// # Errors
    /// What is wrong with its keys, and what would be right.
    pub fn stability(&self) -> Result<Option<StabilityWish>, String> {
        let metric = *self.metric.as_ref();
        if !metric.is_of_stability() {
            let keys =
                [("clock", self.clock.is_some()), ("tau_s", self.tau_s.is_some()), ("mask", self.mask.is_some())];
            let Some((key, _)) = keys.into_iter().find(|(_, is_there)| *is_there) else { return Ok(None) };
            return Err(format!("{key} is of adev_ppb, tdev_ns and mtie_ns: leave it out for {metric}"));
        }
        let Some(clock) = self.clock else {
            let names = ObservedClock::ALL.map(|clock| clock.to_string()).join(", ");
            return Err(format!("{metric} is of a clock: write clock = \"estimate\", or one of {names}"));
        };
        let limit = match (self.tau_s.map(Tau::get), self.mask) {
            (Some(tau_s), None) => StabilityLimit::Tau(tau_s),
            (None, Some(mask)) => StabilityLimit::Mask(self.limits_of(mask)?),
            _ => return Err(format!("{metric} needs tau_s = 10, or a mask in its place, and not both")),
        };
        Ok(Some(StabilityWish { metric, clock, limit }))
    }

    fn limits_of(&self, mask: Mask) -> Result<MaskLimits, String> {
        let (metric, limits) = (*self.metric.as_ref(), mask.read()?);
        if self.min.is_some() || self.max.is_some() {
            return Err(format!("the mask {mask} is the limit: leave out `min` and `max`, or the mask"));
        }
        if limits.metric != metric {
            return Err(format!("the mask {mask} is of {}: write that, or choose another mask", limits.metric));
        }
        Ok(limits)
    }
}
