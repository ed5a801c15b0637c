//! How fast a stream is played.

use engine::Ppb;
use engine::audio::{FusedRateController, RateController, RateInput};

/// The engine's controller, or none.
#[derive(Debug)]
pub(super) enum Controller {
    /// As fast as it is sent, by measured rates.
    Measured(FusedRateController),
    /// As fast as the card has it: nothing is resampled, and now and then the position jumps,
    /// crossfaded.
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
