//! Packets that an attacker sends to the stream's group.
//!
//! Model: the attacker receives the stream, as anybody can who joins the group, and makes packets
//! that follow the newest one: with the same payload type, other contents, and the timestamps of
//! the attack. The contents are noise of full scale, so that playing them is audible.

use super::streams::RandomStream;
use crate::scenario::{ForgedPackets, ForgedSsrc, ForgedTimestamps};
use engine::RtpTimestamp;
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::{RtpHeader, RtpPacket, Ssrc};

/// SSRC of another stream.
const OTHER_SSRC: Ssrc = Ssrc(0x0BAD_5EED);

/// An attack on a stream that is in progress.
#[derive(Clone, Debug)]
pub struct ForgedStream {
    config: ForgedPackets,
    packet_frames: u32,
    sample_rate_hz: u32,
    random: RandomStream,
    /// The stream's newest packet, and its payload's length.
    newest: Option<(RtpHeader, usize)>,
    /// Packets sent since the newest packet of the stream.
    ahead: u32,
    /// The timestamp that goes backwards.
    backwards: Option<u32>,
}

impl ForgedStream {
    /// An attack on a stream with packets of this length and rate.
    #[must_use]
    pub fn new(config: ForgedPackets, packet_frames: u16, sample_rate_hz: u32, random: RandomStream) -> Self {
        let packet_frames = u32::from(packet_frames);
        Self { config, packet_frames, sample_rate_hz, random, newest: None, ahead: 0, backwards: None }
    }

    /// Records a packet of the stream.
    pub fn hear(&mut self, datagram: &[u8]) {
        if let Ok(packet) = RtpPacket::parse(datagram) {
            (self.newest, self.ahead) = (Some((packet.header, packet.payload.len())), 0);
        }
    }

    /// The next forged packet; `None` before a packet of the stream was recorded.
    pub fn packet(&mut self) -> Option<Vec<u8>> {
        let (newest, length) = self.newest?;
        self.ahead = self.ahead.wrapping_add(1);
        let (sequence, timestamp) = self.place(&newest);
        let header = RtpHeader {
            sequence: SequenceNumber::new(sequence),
            timestamp: RtpTimestamp::new(timestamp),
            ssrc: if self.config.ssrc == ForgedSsrc::Stream { newest.ssrc } else { OTHER_SSRC },
            ..newest
        };
        let length = self.config.payload_bytes.map_or(length, usize::from);
        let mut datagram = header.emit().to_vec();
        datagram.extend((0..length.div_ceil(4)).flat_map(|_| self.random.bits().to_le_bytes()));
        datagram.truncate(engine::rtp::wire::RTP_HEADER_LEN + length);
        Some(datagram)
    }

    /// Sequence number and timestamp of the next forged packet.
    fn place(&mut self, newest: &RtpHeader) -> (u16, u32) {
        let next = newest.sequence.get().wrapping_add(self.ahead as u16);
        let due = newest.timestamp.get().wrapping_add(self.ahead.wrapping_mul(self.packet_frames));
        match self.config.timestamps {
            ForgedTimestamps::Copied => (newest.sequence.get(), newest.timestamp.get()),
            ForgedTimestamps::OffsetMs(later) => {
                let frames = later.get() * 1e-3 * f64::from(self.sample_rate_hz);
                // Modulo 2^32, as timestamps are.
                (next, due.wrapping_add(libm::round(frames) as i64 as u32))
            }
            ForgedTimestamps::Backwards => {
                let from = self.backwards.unwrap_or(newest.timestamp.get());
                let timestamp = from.wrapping_sub(self.packet_frames);
                self.backwards = Some(timestamp);
                (next, timestamp)
            }
            ForgedTimestamps::Random => (self.random.bits() as u16, self.random.bits()),
        }
    }
}
