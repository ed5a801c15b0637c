#![forbid(unsafe_code)]
//! Sans-IO AES67 engine.
mod units;
pub use units::*;
