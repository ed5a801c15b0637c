//! Sending a stream: from audio on the media timeline to packets that leave when they should.
//!
//! Purpose: [`Packetizer`] writes packets, [`Pacer`] says when they leave, [`Sender`] joins both
//! behind the engine's usual polls. A sound card is a source by way of [`capture`].
//!
//! Model: frame n of the media timeline begins at PTP time n / rate, counted from PTP's epoch; its
//! RTP timestamp is n plus the `mediaclk` offset, modulo 2^32. Both are integer arithmetic on n, so
//! that nothing adds up over decades. A packet leaves when its last frame is over: that is the
//! earliest time at which a sound card could have captured it, and what receivers take as the start
//! of the link offset.
//!
//! Assumptions: the timeline handed in ([`crate::clock::Reference`]) does not jump without a new
//! epoch. What happens then is told at [`Sender::set_clock`].

mod capture;
mod config;
mod dither;
mod lateness;
mod pacing;
mod packetizer;
mod sender;

pub use capture::{CaptureConfig, CaptureError, CaptureInput, CaptureSource, CaptureStats, capture};
pub use config::{Dither, SenderConfig, SenderError};
pub use lateness::Lateness;
pub use pacing::{MediaTimeline, Pacer};
pub use packetizer::{Packetizer, Source};
pub use sender::{Sender, SenderStats, Transmit};
