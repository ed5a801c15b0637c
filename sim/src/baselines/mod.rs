//! Other receivers' laws, written anew from their descriptions, to compare with on the same packets.

mod prototype;
mod prototype_clock;
mod prototype_drift;

pub use prototype::PrototypeReceiver;
pub use prototype_clock::PrototypeClock;
pub use prototype_drift::PrototypeDrift;
