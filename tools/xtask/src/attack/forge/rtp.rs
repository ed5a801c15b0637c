//! Forged RTP packets: copies of those of a received stream, each with a change.

use super::random::Random;
use super::{Forger, Forgery, Heard, nothing};
use crate::attack::forge::ptp::From;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The stream that is attacked, and the port of its RTCP (RFC 3550, 11).
pub(in crate::attack) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 69, 1, 1);
pub(in crate::attack) const PORT: u16 = 5004;
const RTCP_PORT: u16 = 5005;
const HEADER_BYTES: usize = 12;
/// BYE (RFC 3550, 6.6).
const BYE: u8 = 203;

/// Listens until a packet was heard.
fn beside_a_stream() -> Forgery {
    nothing(vec![(PORT, vec![GROUP])], |forger| forger.rtp.is_some())
}

/// A forged packet: initially a copy of the last packet received, with noise as its audio.
pub(in crate::attack) struct Packet {
    bytes: Vec<u8>,
}

impl Packet {
    fn of(heard: &Heard, random: &mut Random) -> Self {
        let mut packet = Self { bytes: heard.bytes.clone() };
        packet.fill(packet.bytes.len().saturating_sub(HEADER_BYTES), random);
        packet
    }

    /// Replaces the payload by `length` bytes of full-scale noise.
    pub(in crate::attack) fn fill(&mut self, length: usize, random: &mut Random) {
        self.bytes.truncate(HEADER_BYTES);
        self.bytes.extend(random.some_bytes(length));
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub(in crate::attack) fn sequence(&mut self, by: u16) {
        let sequence = self.u16_at(2).wrapping_add(by);
        self.bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
    }

    pub(in crate::attack) fn timestamp(&mut self, by: i32) {
        let timestamp = (u32::from(self.u16_at(4)) << 16 | u32::from(self.u16_at(6))).wrapping_add_signed(by);
        self.bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
    }

    pub(in crate::attack) fn ssrc(&mut self, ssrc: u32) {
        self.bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
    }

    pub(in crate::attack) fn payload_type(&mut self, payload_type: u8) {
        self.bytes[1] = payload_type;
    }

    /// The first byte: version, padding, extension, count of CSRCs.
    pub(in crate::attack) fn first(&mut self, byte: u8) {
        self.bytes[0] = byte;
    }
}

/// One forged packet for each that is heard.
pub(in crate::attack) fn packets(from: From, mut change: impl FnMut(&mut Packet, &mut Random) + 'static) -> Forgery {
    beside_a_stream().on(move |forger, heard| one(forger, heard, from, &mut change))
}

/// `rate` forged packets per second.
pub(in crate::attack) fn flood(
    rate: u32,
    from: From,
    mut change: impl FnMut(&mut Packet, &mut Random) + 'static,
) -> Forgery {
    beside_a_stream().per_second(rate, move |forger, _| {
        if let Some(heard) = forger.rtp.clone() {
            one(forger, &heard, from, &mut change);
        }
    })
}

fn one(forger: &mut Forger, heard: &Heard, from: From, change: &mut impl FnMut(&mut Packet, &mut Random)) {
    if heard.bytes.len() < HEADER_BYTES {
        return;
    }
    let mut packet = Packet::of(heard, &mut forger.random);
    change(&mut packet, &mut forger.random);
    forger.inject(heard, from, PORT, &packet.bytes);
}

/// RTCP BYE of the stream's SSRC, to the ports of RTCP and RTP.
pub(in crate::attack) fn bye(rate: u32, from: From) -> Forgery {
    beside_a_stream().per_second(rate, move |forger, n| {
        let Some(heard) = forger.rtp.clone() else { return };
        let bye = [&[0x81, BYE, 0, 1][..], &heard.bytes[8..12]].concat();
        forger.inject(&heard, from, if n % 2 == 0 { RTCP_PORT } else { PORT }, &bye);
    })
}

/// Random bytes; half of the datagrams begin like RTP.
pub(in crate::attack) fn random_bytes(rate: u32, from: From) -> Forgery {
    beside_a_stream().per_second(rate, move |forger, n| {
        let Some(heard) = forger.rtp.clone() else { return };
        let length = (forger.random.next() % 400) as usize;
        let mut bytes = forger.random.some_bytes(length);
        if let (0, [first, second, ..]) = (n % 2, &mut bytes[..]) {
            (*first, *second) = (0x80, heard.bytes[1]);
        }
        forger.inject(&heard, from, PORT, &bytes);
    })
}

impl Forger {
    /// Sends to the group of the stream. The source port is always the sender's.
    fn inject(&mut self, heard: &Heard, from: From, port: u16, bytes: &[u8]) {
        let address = if from == From::Own { self.own } else { *heard.from.ip() };
        self.send(SocketAddrV4::new(address, heard.from.port()), SocketAddrV4::new(GROUP, port), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_changed_where_they_are() {
        let bytes = vec![0x80, 96, 0xff, 0xff, 0, 0, 1, 0, 1, 2, 3, 4, 5, 6];
        let heard = Heard { from: SocketAddrV4::new(GROUP, 1), port: PORT, bytes, at_ns: 0 };
        let mut packet = Packet::of(&heard, &mut Random::new("test"));
        packet.sequence(2);
        packet.timestamp(-0x101);
        packet.payload_type(97);
        packet.ssrc(5);
        assert_eq!(packet.bytes[..12], [0x80, 97, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5]);
        assert_eq!(packet.bytes.len(), 14);
    }
}
