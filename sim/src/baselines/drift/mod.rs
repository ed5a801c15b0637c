//! Drift laws of other receivers: control loops on the buffer level, each with the same simple
//! queue.

mod double_loop;
mod level_receiver;
mod pipewire;
mod prototype_p;
mod prototype_pi;
mod queue;
mod roc_gradual;
mod zita;

pub use level_receiver::LevelReceiver;
pub use pipewire::{PipewireAlsa, PipewireRtp};
pub use prototype_p::PrototypeP;
pub use prototype_pi::PrototypeDrift;
pub use queue::{Queue, QueueLaw};
pub use roc_gradual::RocGradual;
pub use zita::Zita;

/// Sample rate of the streams that the laws' constants are meant for.
const RATE_HZ: f64 = 48_000.0;
