//! The first remedy in the user's notes: the rate follows the fill level.
//!
//! Law, as reported: ratio = 1 + 0.001 (fill - 0.5), the fill as a share of a buffer of twice the target. The notes round the rate to
//! whole Hz, which is 21 ppm; here it is not rounded.

use engine::Ppb;
use engine::receive::{DriftInput, DriftLaw};

const GAIN: f64 = 0.001;

/// The proportional law.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrototypeP;

impl DriftLaw for PrototypeP {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        let share = input.fill.as_secs_f64() / (2.0 * input.target.as_secs_f64());
        Ppb::new(GAIN * (share - 0.5) * 1e9)
    }
}
