//! The rate controller of a stream.

use engine::Ppb;
use engine::audio::{FusedRateController, RateController, RateInput};

/// The engine's rate controller, or none.
#[derive(Debug)]
pub(super) enum Controller {
    /// Plays at the sender's rate, from measured rates.
    Measured(FusedRateController),
    /// Plays at the card's rate: nothing is resampled, and the position jumps from time to time,
    /// with a crossfade.
    Free,
}

impl RateController for Controller {
    fn ratio(&mut self, input: &RateInput) -> Ppb {
        match self {
            Self::Measured(controller) => controller.ratio(input),
            Self::Free => Ppb::ZERO,
        }
    }
}
