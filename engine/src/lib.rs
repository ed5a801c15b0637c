#![forbid(unsafe_code)]
//! Sans-IO AES67 engine.
pub mod clock;
pub mod ptp;
pub mod receive;
pub mod resample;
pub mod rtp;
mod units;
pub use units::*;
