//! Control laws of other receivers, implemented from their descriptions, for comparison on the same
//! packets.

mod drift;
mod linuxptp;
mod linuxptp_linreg;
mod linuxptp_pi;
mod moving_median;
mod prototype;
mod remedies;
#[cfg(feature = "statime")]
mod statime_clock;
mod virtual_clock;

pub use drift::{
    LevelReceiver, PipewireAlsa, PipewireRtp, PrototypeDrift, PrototypeP, Queue, QueueLaw, RocGradual, Zita,
};
pub use linuxptp::{LinuxptpLinreg, LinuxptpPi};
pub use prototype::{PrototypeClock, PrototypeForm, PrototypeReceiver};
pub use remedies::{Direct, OptionA, OptionB, OptionC, Uncorrected};
#[cfg(feature = "statime")]
pub use statime_clock::StatimeClock;
