//! The rate at which a stream is played.

use engine::Ppb;
use engine::audio::{FusedRateController, RateController, RateInput};

/// The engine's rate controller, or none.
#[derive(Debug)]
pub(super) enum Controller {
    /// At the sender's rate, from measured rates.
    Measured(FusedRateController),
    /// At the card's rate: nothing is resampled, and the position jumps now and then, crossfaded.
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
