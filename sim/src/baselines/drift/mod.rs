//! Other receivers' drift laws: loops on the buffer's level, each around the same plain queue.

mod double_loop;
mod level_receiver;
mod prototype_p;
mod prototype_pi;
mod roc_gradual;

pub use double_loop::{PipewireAlsa, PipewireRtp, Zita};
pub use level_receiver::LevelReceiver;
pub use prototype_p::PrototypeP;
pub use prototype_pi::PrototypeDrift;
pub use roc_gradual::RocGradual;

use engine::Nanos;
use engine::receive::DriftInput;

/// Sample rate of the streams that the laws' constants are meant for.
const RATE_HZ: f64 = 48_000.0;

/// A duration in frames.
fn frames(duration: Nanos) -> f64 {
    duration.as_secs_f64() * RATE_HZ
}

/// How many frames the buffer lacks.
fn lack(input: &DriftInput) -> f64 {
    frames(input.target - input.fill)
}
