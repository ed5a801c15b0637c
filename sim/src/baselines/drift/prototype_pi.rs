//! The drift law of the plugin in the user's report.
//!
//! Law, as reported: ratio = 1 + ppm + trim, the ppm being PTP's against the host (not the sound card's), and trim = Kp e + Ki sum(e) per callback, clamped
//! to +-20 ppm, with e = (fill - target) / target, Kp = 1e-4 and Ki = 5e-5. The sum is not limited.

use engine::Ppb;
use engine::receive::{DriftInput, DriftLaw};

const KP: f64 = 1e-4;
const KI: f64 = 5e-5;
const TRIM_LIMIT: f64 = 20e-6;

/// The prototype's drift law. It takes [`DriftInput::media_rate`] to be PTP's rate against the host.
#[derive(Clone, Debug, Default)]
pub struct PrototypeDrift {
    sum: f64,
}

impl DriftLaw for PrototypeDrift {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        let error = (input.fill - input.target).as_secs_f64() / input.target.as_secs_f64();
        self.sum += error;
        let trim = (KP * error + KI * self.sum).clamp(-TRIM_LIMIT, TRIM_LIMIT);
        Ppb::new(input.media_rate.as_ppb() + trim * 1e9)
    }
}
