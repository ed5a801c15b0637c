//! The first remedy in the user's notes: the rate follows the fill level.
//!
//! Law, as reported: ratio = 1 + 0.001 (fill - 0.5), where the fill is a share of a buffer of twice
//! the target. In the notes the rate is rounded to whole Hz, which are 21 ppm; here it is not
//! rounded.

use super::queue::{Queue, QueueLaw};
use engine::Ppb;

const GAIN: f64 = 0.001;

/// The proportional law.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrototypeP;

impl QueueLaw for PrototypeP {
    fn ratio(&mut self, queue: &Queue) -> Ppb {
        let share = queue.level_frames / (2.0 * queue.target_frames);
        Ppb::new(GAIN * (share - 0.5) * 1e9)
    }
}
