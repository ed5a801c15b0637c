//! How fast a stream is played.

use engine::Ppb;
use engine::receive::{DriftInput, DriftLaw, FusedDrift};

/// The engine's law, or none.
#[derive(Debug)]
pub(super) enum Law {
    /// As fast as it is sent, by measured rates.
    Measured(FusedDrift),
    /// As fast as the card has it: nothing is resampled, and now and then the position jumps,
    /// crossfaded.
    Free,
}

impl DriftLaw for Law {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        match self {
            Self::Measured(law) => law.ratio(input),
            Self::Free => Ppb::ZERO,
        }
    }
}
