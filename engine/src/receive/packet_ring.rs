//! The packets on their way from the control half to the audio half.
//!
//! Model: packets pass through a lock-free ring with one producer and one consumer, as pointers to
//! their memory, and a second ring returns that memory when they have been used. The memory that
//! was returned last is used first. So the few packets that wait at any one time reuse the same
//! memory, which stays in the processor's caches, although there is room for many. Memory is
//! allocated only for the largest number of packets that have waited at once. Only the producer
//! allocates, and memory is freed only with the ring.

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
}

impl PacketHeader {
    /// The RTP timestamp of the first frame.
    pub(crate) fn timestamp(&self) -> RtpTimestamp {
        RtpTimestamp::from_frames(self.position)
    }
}

/// A packet, or memory for one.
struct Packet {
    header: PacketHeader,
    /// Encoded audio.
    audio: Vec<u8>,
}

/// Creates a ring for up to `packets` packets with up to `bytes` of audio in total.
pub(super) fn packet_ring(packets: usize, bytes: usize) -> (PacketProducer, PacketConsumer) {
    let (packets_in, packets_out) = rtrb::RingBuffer::new(packets);
    let (used_in, used) = rtrb::RingBuffer::new(packets);
    let producer = PacketProducer { packets: packets_in, used, free: Vec::new(), waiting: 0, waiting_bytes: 0, bytes };
    (producer, PacketConsumer { packets: packets_out, used: used_in, bytes })
}

/// The control half's end of the ring.
pub(super) struct PacketProducer {
    packets: rtrb::Producer<Box<Packet>>,
    /// Memory that the audio half returns.
    used: rtrb::Consumer<Box<Packet>>,
    /// Memory for the next packets, the last one first.
    #[expect(clippy::vec_box, reason = "the boxes themselves pass through the rings")]
    free: Vec<Box<Packet>>,
    /// Packets that have not been returned yet, as far as is known, and the bytes of their audio.
    waiting: usize,
    waiting_bytes: usize,
    /// The most bytes that may wait.
    bytes: usize,
}

impl PacketProducer {
    /// Adds a packet with at most [`MAX_PAYLOAD`] bytes of audio. Returns whether there was room.
    pub(super) fn push(&mut self, generation: u32, position: Frames, at: LocalTime, payload: &[u8]) -> bool {
        if payload.len() > MAX_PAYLOAD {
            return false;
        }
        if self.free.is_empty() || !self.has_room(payload.len()) {
            self.take_back();
        }
        if !self.has_room(payload.len()) {
            return false;
        }
        let header = PacketHeader { generation, position, at };
        let mut packet = self.free.pop().unwrap_or_else(|| Box::new(Packet { header, audio: Vec::new() }));
        packet.header = header;
        packet.audio.clear();
        packet.audio.extend_from_slice(payload);
        self.waiting += 1;
        self.waiting_bytes += payload.len();
        let pushed = self.packets.push(packet);
        debug_assert!(pushed.is_ok(), "no more packets wait than there is room for");
        pushed.is_ok()
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.waiting < self.packets.buffer().capacity() && self.waiting_bytes + bytes <= self.bytes
    }

    /// Takes back the memory of packets that have been used.
    fn take_back(&mut self) {
        while let Ok(packet) = self.used.pop() {
            self.waiting -= 1;
            self.waiting_bytes -= packet.audio.len();
            self.free.push(packet);
        }
    }
}

/// The audio half's end of the ring.
pub(crate) struct PacketConsumer {
    packets: rtrb::Consumer<Box<Packet>>,
    used: rtrb::Producer<Box<Packet>>,
    /// The most bytes that may wait.
    bytes: usize,
}

impl PacketConsumer {
    /// The header of the first packet, which stays in the ring.
    pub(crate) fn peek(&self) -> Option<PacketHeader> {
        self.packets.peek().ok().map(|packet| packet.header)
    }

    /// Removes the first packet and passes its encoded audio to `take`; if the ring is empty,
    /// passes an empty slice.
    pub(crate) fn pop<R>(&mut self, take: impl FnOnce(&[u8]) -> R) -> R {
        let Ok(packet) = self.packets.pop() else { return take(&[]) };
        let taken = take(&packet.audio);
        let returned = self.used.push(packet);
        debug_assert!(returned.is_ok(), "there are no more packets than fit in either ring");
        taken
    }

    /// The number of packets that fit in the ring.
    pub(super) fn capacity(&self) -> usize {
        self.packets.buffer().capacity()
    }

    /// Whether more than half of the ring is free, for packets as well as for audio. Reads the
    /// length of each waiting packet.
    pub(super) fn is_half_empty(&mut self) -> bool {
        let waiting = self.packets.slots();
        let Ok(packets) = self.packets.read_chunk(waiting) else { return false };
        // The chunk is not committed, so the packets stay in the ring.
        let (first, second) = packets.as_slices();
        let bytes: usize = first.iter().chain(second).map(|packet| packet.audio.len()).sum();
        2 * waiting < self.packets.buffer().capacity() && 2 * bytes < self.bytes
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
            assert_eq!(consumer.pop(<[u8]>::to_vec), &payload[..3]);
            assert_eq!(consumer.pop(<[u8]>::to_vec), payload);
            assert!(consumer.peek().is_none() && consumer.pop(<[u8]>::is_empty));
        }
    }

    #[test]
    fn a_packet_without_room_for_its_header_or_its_audio_is_left_out_whole() {
        let (mut producer, mut consumer) = packet_ring(2, 10);
        assert!(push(&mut producer, 0, &[1; 6]));
        assert!(!push(&mut producer, 1, &[2; 6]), "no room for its audio");
        assert!(push(&mut producer, 2, &[3; 4]));
        assert_eq!(consumer.pop(<[u8]>::to_vec), [1; 6]);
        assert!(push(&mut producer, 3, &[]) && !push(&mut producer, 4, &[5]), "no room for its header");
        assert_eq!(consumer.pop(<[u8]>::to_vec), [3; 4]);
        assert!(!push(&mut producer, 5, &[0; MAX_PAYLOAD + 1]), "longer than any packet");
        assert_eq!(consumer.pop(<[u8]>::len), 0);
    }

    #[test]
    fn half_empty_counts_both_rings() {
        let (mut producer, mut consumer) = packet_ring(4, 100);
        assert!(consumer.is_half_empty());
        assert!(push(&mut producer, 0, &[0; 50]));
        assert!(!consumer.is_half_empty(), "the audio fills half");
        let (mut producer, mut consumer) = packet_ring(4, 100);
        assert!(push(&mut producer, 0, &[0]) && consumer.is_half_empty() && push(&mut producer, 1, &[0]));
        assert!(!consumer.is_half_empty(), "the headers fill half");
    }

    #[test]
    fn memory_is_used_again_and_is_that_of_the_most_packets_that_ever_waited() {
        let (mut producer, mut consumer) = packet_ring(2048, 1 << 20);
        for round in 0..1000 {
            for position in 0..3 {
                assert!(push(&mut producer, position, &[round as u8; 200]));
            }
            for _ in 0..3 {
                assert_eq!(consumer.pop(<[u8]>::to_vec), [round as u8; 200]);
            }
        }
        producer.take_back();
        assert_eq!((producer.free.len(), producer.waiting, producer.waiting_bytes), (3, 0, 0));
    }
}
