//! Audio parts that receiving, capturing and relaying share.
//!
//! Between a clock map and samples there are always the same parts: a [`JitterBuffer`] by media
//! position, concealment of missing audio, a [`RateController`] that turns two measured rates and a
//! phase error into the resampling ratio, and the decision whether a phase error is trimmed or
//! jumped over. None of them allocates after its creation, locks, or calls the system.

mod alignment;
mod channel_map;
mod conceal;
mod jitter_buffer;
mod linear_prediction;
mod rate_control;
mod reader;

pub(crate) use alignment::{Alignment, Correction, Setpoint};
pub(crate) use channel_map::Decoder;
pub use channel_map::{ChannelMap, ChannelMapError};
pub(crate) use jitter_buffer::NO_FRAME;
pub use jitter_buffer::{Insertion, JitterBuffer};
pub use rate_control::{FusedRateController, RateController, RateInput};
pub(crate) use reader::Reader;
