//! What the jitter buffers of all forms of the prototype have in common.

use engine::MediaPosition;
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;

use super::PrototypeClock;

/// A jitter buffer and its reader.
pub(super) trait PlayoutBuffer {
    /// Takes a packet.
    fn push(&mut self, packet: &RtpPacket<'_>);
    /// Fills a callback.
    fn read(&mut self, clock: &PrototypeClock, out: &mut [f32]) -> ReadOutcome;
    /// The statistics that the buffer itself reports.
    fn report(&self) -> BufferReport;
}

/// Result of a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadOutcome {
    /// Whether some of it is silence that the buffer inserted.
    pub(super) padded: bool,
    /// Whether the position moved by more than the playback.
    pub(super) jumped: bool,
}

/// State and counts of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct BufferReport {
    /// Media position of the next frame; `None` while the buffer fills.
    pub(super) position: Option<MediaPosition>,
    /// Frames in the buffer.
    pub(super) level_frames: usize,
    /// Target number of frames.
    pub(super) target_frames: usize,
    /// The buffer's own count of underruns, option 0x20011.
    pub(super) underruns: u64,
    /// Packets that arrived after they were due.
    pub(super) late_packets: u64,
    /// Packets for which there was no room.
    pub(super) overruns: u64,
}

impl BufferReport {
    /// The level that its display shows: percent of the target, at most 200.
    pub(super) fn level_percent(&self) -> f64 {
        (100.0 * self.level_frames as f64 / self.target_frames.max(1) as f64).min(200.0)
    }
}

/// Decodes a packet; `None` if it is not of the stream's format.
pub(super) fn decode(config: &StreamConfig, packet: &RtpPacket<'_>) -> Option<Vec<f32>> {
    let frames = config.format.frames_in_payload(packet.payload.len()).ok()?;
    let mut samples = vec![0.0; frames * config.format.channels()];
    config.format.decode_into(packet.payload, &mut samples).ok()?;
    Some(samples)
}
