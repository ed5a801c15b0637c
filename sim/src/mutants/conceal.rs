//! Concealment switched off: audio that did not arrive is replaced by silence.

use engine::RtpTimestamp;
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use std::collections::VecDeque;

/// Packets that are remembered: more than any jitter buffer of a scenario holds.
const REMEMBERED: usize = 8_192;

/// The frames that arrived.
pub(super) struct Arrivals {
    config: StreamConfig,
    /// First timestamp and frames of each packet, the newest last.
    came: VecDeque<(RtpTimestamp, u32)>,
}

impl Arrivals {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self { config, came: VecDeque::with_capacity(REMEMBERED) }
    }

    pub(super) fn take(&mut self, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let Ok(frames) = self.config.format.frames_in_payload(packet.payload.len()) else { return };
        if self.came.len() == REMEMBERED {
            self.came.pop_front();
        }
        self.came.push_back((packet.header.timestamp, frames as u32));
    }

    /// Whether the frame with this timestamp arrived.
    pub(super) fn has(&self, timestamp: u32) -> bool {
        self.came.iter().rev().any(|&(first, frames)| timestamp.wrapping_sub(first.get()) < frames)
    }
}
