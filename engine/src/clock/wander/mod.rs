//! Measures how far a clock's time, or a target, wanders beyond what an offset and a rate explain.
//!
//! Both parts measure second differences of a series at several intervals: the distance of a value
//! from the line through its neighbours, to which neither a constant offset nor a constant rate
//! contributes. [`WanderMeter`] measures a clock against the host's clock, so it must allow for the
//! noise of packets and for the drift of crystals. [`TargetMotion`] measures the setpoint of
//! playout against playout itself, so the host's clock is not involved, and neither allowance is
//! needed.

mod meter;
mod motion;

pub(super) use meter::{PhaseWander, WanderMeter};
pub(crate) use motion::TargetMotion;
