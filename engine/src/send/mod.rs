//! Sending a stream: from audio on the media timeline to packets that leave at the right time.
//!
//! Purpose: [`Packetizer`] writes packets, [`Pacer`] determines when they leave, and [`Sender`]
//! combines both with the engine's polling interface. [`capture`] turns a sound card into a source.
//!
//! Model: frame n of the media timeline begins at PTP time n / rate, counted from PTP's epoch; its
//! RTP timestamp is n plus the `mediaclk` offset, modulo 2^32. Both are computed from n in integer
//! arithmetic, so that no error accumulates over decades. A packet leaves when its last frame has
//! ended, which is the earliest time at which a sound card could have captured that frame.
//! Receivers assume this time when they compute their link offset.
//!
//! Assumption: the given timeline ([`crate::clock::Reference`]) does not jump without a new epoch.
//! [`Sender::set_clock`] describes the effect of such a step.

mod capture;
mod config;
mod dither;
mod lateness;
mod pacing;
mod packetizer;
mod sender;

pub use capture::{CaptureConfig, CaptureError, CaptureInput, CaptureSource, CaptureStats, capture};
pub use config::{Dither, SenderConfig, SenderError};
pub use lateness::LatenessHistogram;
pub use pacing::{MediaTimeline, Pacer};
pub use packetizer::{Packetizer, Source};
pub use sender::{Sender, SenderStats, Transmit};
