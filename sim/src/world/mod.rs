//! One receiver's life in the simulated world: the event queue, the run, and what it leaves behind.

mod addresses;
mod adversary;
mod capture;
mod chain;
mod clock_receiver;
mod disturber;
mod hash;
mod host;
mod legs;
mod livewire_receiver;
mod make;
mod masters;
mod measure;
mod positions;
mod queue;
mod receiver;
mod reception;
mod relay;
mod run;
mod sender;
mod snooping;
mod stamps;
mod yield_receiver;

pub(crate) use capture::scaled;
pub use capture::{Capture, CaptureError, Reference, excerpt, reference};
pub(crate) use chain::{card_clock, target_latency};
pub use clock_receiver::ClockReceiver;
pub use hash::TrajectoryHash;
pub use host::{HostTime, StampClock};
pub use make::{receiver_of, stream_config, uncontrolled};
pub use measure::CallbackRow;
pub(crate) use receiver::RECEIVER_PORT;
pub use receiver::{Clock, Display, EngineReceiver, Playback, Receiver};
pub use reception::{LegReception, Reception};
pub use run::{Control, Outcome, RunError, World};
pub use sender::SenderNodeError;
