//! The packets on their way from the control half to the audio half.
//!
//! Model: two lock-free rings with one producer and one consumer each, one for the headers and one
//! for the encoded audio. So a packet takes memory and copying time in proportion to its audio. The
//! audio is written before its header, so once a header is visible, its audio can be read.

use crate::rtp::format::MAX_PAYLOAD;
use crate::units::{Frames, LocalTime, RtpTimestamp};

/// A packet without its audio. A packet that is longer than AES67 allows is split into parts, each
/// with its own header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketHeader {
    /// The media timeline that its position refers to.
    pub(super) generation: u32,
    /// The position of its first frame on the unwrapped media timeline.
    pub(super) position: Frames,
    /// Host time of its arrival.
    pub(super) at: LocalTime,
    /// Size of its encoded audio, bytes.
    length: usize,
}

impl PacketHeader {
    /// The RTP timestamp of the first frame.
    pub(crate) fn timestamp(&self) -> RtpTimestamp {
        RtpTimestamp::from_frames(self.position)
    }
}

/// Creates a ring for up to `packets` packets with up to `bytes` bytes of audio in total.
pub(super) fn packet_ring(packets: usize, bytes: usize) -> (PacketProducer, PacketConsumer) {
    let (headers_in, headers) = rtrb::RingBuffer::new(packets);
    let (audio_in, audio) = rtrb::RingBuffer::new(bytes);
    let producer = PacketProducer { headers: headers_in, audio: audio_in };
    (producer, PacketConsumer { headers, audio, payload: [0; MAX_PAYLOAD] })
}

/// The control half's end of the ring.
pub(super) struct PacketProducer {
    headers: rtrb::Producer<PacketHeader>,
    audio: rtrb::Producer<u8>,
}

impl PacketProducer {
    /// Adds a packet with at most [`MAX_PAYLOAD`] bytes of audio. Returns whether there was room.
    pub(super) fn push(&mut self, generation: u32, position: Frames, at: LocalTime, payload: &[u8]) -> bool {
        let header = PacketHeader { generation, position, at, length: payload.len() };
        let has_room = payload.len() <= MAX_PAYLOAD && !self.headers.is_full();
        has_room && self.audio.push_entire_slice(payload).is_ok() && self.headers.push(header).is_ok()
    }
}

/// The audio half's end of the ring.
pub(crate) struct PacketConsumer {
    headers: rtrb::Consumer<PacketHeader>,
    audio: rtrb::Consumer<u8>,
    payload: [u8; MAX_PAYLOAD],
}

impl PacketConsumer {
    /// The header of the first packet, which stays in the ring.
    pub(crate) fn peek(&self) -> Option<PacketHeader> {
        self.headers.peek().ok().copied()
    }

    /// Removes the first packet. Returns its encoded audio, which is empty if there is no packet.
    pub(crate) fn pop(&mut self) -> &[u8] {
        let Ok(header) = self.headers.pop() else { return &[] };
        let payload = &mut self.payload[..header.length];
        let is_read = self.audio.pop_entire_slice(payload).is_ok();
        debug_assert!(is_read, "the audio is written before its header");
        payload
    }

    /// The number of packets that fit in the ring.
    pub(super) fn capacity(&self) -> usize {
        self.headers.buffer().capacity()
    }

    /// Whether more than half of the ring is free, for headers as well as for audio.
    pub(super) fn is_half_empty(&self) -> bool {
        let audio_slots = self.audio.slots();
        2 * self.headers.slots() < self.capacity() && 2 * audio_slots < self.audio.buffer().capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(producer: &mut PacketProducer, position: i64, payload: &[u8]) -> bool {
        producer.push(1, Frames::new(position), LocalTime::ZERO, payload)
    }

    #[test]
    fn packets_come_out_whole_and_in_order_also_across_the_end_of_the_ring() {
        let (mut producer, mut consumer) = packet_ring(4, 10);
        for position in 0..100 {
            let payload = [position as u8; 7];
            assert!(push(&mut producer, position, &payload[..3]) && push(&mut producer, position, &payload));
            assert_eq!(consumer.peek().map(|header| header.position), Some(Frames::new(position)));
            assert_eq!(consumer.pop(), &payload[..3]);
            assert_eq!(consumer.pop(), payload);
            assert!(consumer.peek().is_none() && consumer.pop().is_empty());
        }
    }

    #[test]
    fn a_packet_without_room_for_its_header_or_its_audio_is_left_out_whole() {
        let (mut producer, mut consumer) = packet_ring(2, 10);
        assert!(push(&mut producer, 0, &[1; 6]));
        assert!(!push(&mut producer, 1, &[2; 6]), "no room for its audio");
        assert!(push(&mut producer, 2, &[3; 4]));
        assert_eq!(consumer.pop(), [1; 6]);
        assert!(push(&mut producer, 3, &[]) && !push(&mut producer, 4, &[5]), "no room for its header");
        assert_eq!(consumer.pop(), [3; 4]);
        assert!(!push(&mut producer, 5, &[0; MAX_PAYLOAD + 1]), "longer than any packet");
        assert_eq!(consumer.peek().map(|header| header.length), Some(0));
    }

    #[test]
    fn half_empty_counts_both_rings() {
        let (mut producer, consumer) = packet_ring(4, 100);
        assert!(consumer.is_half_empty());
        assert!(push(&mut producer, 0, &[0; 50]));
        assert!(!consumer.is_half_empty(), "the audio fills half");
        let (mut producer, consumer) = packet_ring(4, 100);
        assert!(push(&mut producer, 0, &[0]) && consumer.is_half_empty() && push(&mut producer, 1, &[0]));
        assert!(!consumer.is_half_empty(), "the headers fill half");
    }
}
