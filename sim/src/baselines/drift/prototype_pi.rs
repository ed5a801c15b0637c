//! The drift law of the plugin in the user's report.
//!
//! Law, as reported: ratio = 1 + ppm + trim. Here ppm is the rate of PTP (not of the sound card)
//! against the host, and trim = Kp e + Ki sum(e) per callback, clamped to +-20 ppm, with
//! e = (fill - target) / target, Kp = 1e-4 and Ki = 5e-5. The sum is not limited.

use super::queue::{Queue, QueueLaw};
use engine::Ppb;

const KP: f64 = 1e-4;
const KI: f64 = 5e-5;
const TRIM_LIMIT: f64 = 20e-6;

/// The prototype's drift law.
#[derive(Clone, Debug, Default)]
pub struct PrototypeDrift {
    sum: f64,
}

impl PrototypeDrift {
    /// The ratio of the next block, from PTP's rate against the host, the level and its target,
    /// both in the same unit.
    pub fn steer(&mut self, ptp_rate: Ppb, level: f64, target: f64) -> Ppb {
        let error = (level - target) / target;
        self.sum += error;
        let trim = (KP * error + KI * self.sum).clamp(-TRIM_LIMIT, TRIM_LIMIT);
        Ppb::new(ptp_rate.as_ppb() + trim * 1e9)
    }
}

/// For a host whose clock has the rate of PTP.
impl QueueLaw for PrototypeDrift {
    fn ratio(&mut self, queue: &Queue) -> Ppb {
        self.steer(Ppb::ZERO, queue.level_frames, queue.target_frames)
    }
}
