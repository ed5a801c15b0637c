//! Packets whose source address is chosen: IPv4 and UDP headers are written here, so that a packet
//! can claim to come from anybody.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

/// `IPPROTO_RAW` of Linux: the program writes the IP header itself (raw(7)).
const RAW: i32 = 255;
const IP_HEADER_BYTES: usize = 20;
const UDP_HEADER_BYTES: usize = 8;
const UDP: u8 = 17;
/// Packets stay on the wire that they are sent to.
const TTL: u8 = 1;

/// A socket that sends packets with any source address, and counts sent and refused ones.
pub(super) struct Wire {
    socket: Socket,
    pub(super) sent: u64,
    /// Packets that the system did not take, because its queues were full.
    pub(super) refused: u64,
}

impl Wire {
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
        // The attacker's own sockets must not receive the forged packets.
        socket.set_multicast_loop_v4(false)?;
        Ok(Self { socket, sent: 0, refused: 0 })
    }

    /// Sends a datagram with the source address `from`.
    pub(super) fn send(&mut self, from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) {
        let packet = packet(from, to, payload);
        match self.socket.send_to(&packet, &to.into()) {
            Ok(_) => self.sent += 1,
            Err(_) => self.refused += 1,
        }
    }
}

/// The kernel fills in what is 0: the header's checksum, its identification and, in host order or
/// not, its length.
fn packet(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let length = (IP_HEADER_BYTES + UDP_HEADER_BYTES + payload.len()) as u16;
    let mut packet = Vec::with_capacity(usize::from(length));
    packet.extend([0x45, 0]);
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, TTL, UDP, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend((UDP_HEADER_BYTES as u16 + payload.len() as u16).to_be_bytes());
    // Without a checksum (RFC 768).
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// A socket that receives from a port and groups on a host's interface.
pub(super) fn listen(own: Ipv4Addr, port: u16, groups: &[Ipv4Addr]) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    for group in groups {
        socket.join_multicast_v4(group, &own)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_standards() {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 319);
        let to = SocketAddrV4::new(Ipv4Addr::new(224, 0, 1, 129), 320);
        let packet = packet(from, to, b"abc");
        assert_eq!(packet.len(), 31);
        assert_eq!(packet[2..4], [0, 31]);
        assert_eq!(packet[12..28], [10, 0, 0, 1, 224, 0, 1, 129, 1, 63, 1, 64, 0, 11, 0, 0]);
        assert_eq!(&packet[28..], b"abc");
    }
}
