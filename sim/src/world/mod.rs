//! One receiver's life in the simulated world: the event queue, the run, and what it leaves behind.

mod capture;
mod hash;
mod measure;
mod queue;
mod receiver;
mod run;

pub use capture::{Capture, CaptureError, Reference, excerpt, reference};
pub use hash::TrajectoryHash;
pub(crate) use receiver::RECEIVER_PORT;
pub use receiver::{Clock, EngineReceiver, Playback, Receiver};
pub use run::{Control, Outcome, RunError, World};
pub(crate) use run::{card_clock, target_latency};
