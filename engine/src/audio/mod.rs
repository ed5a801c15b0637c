//! Audio components shared by the receiver, the capture of a sound card, and the relay.
//!
//! The path from a clock map to samples is built from the same components: a [`JitterBuffer`]
//! indexed by media position, concealment of missing audio, a [`RateController`] that turns two
//! measured rates and a phase error into the resampling ratio, and the decision whether a phase
//! error is trimmed or removed by a jump. After creation, none of them allocates, locks, or makes
//! system calls.

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
