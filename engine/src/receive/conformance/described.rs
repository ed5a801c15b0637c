//! The description that packets must match.

use crate::rtp::format::StreamFormat;

/// The parts of a description that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Encoding, rate and channels.
    pub format: StreamFormat,
    /// Payload type; `None` if unknown.
    pub payload_type: Option<u8>,
    /// Frames per packet, from the packet time; `None` if unknown.
    pub packet_frames: Option<u32>,
}
