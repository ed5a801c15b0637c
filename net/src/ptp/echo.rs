//! Measures round-trip times to a host by ICMP echo, for paths whose delay is not measured
//! otherwise.
//!
//! Model: every measured round trip is at least as long as the path there and back, so the shortest
//! of several round trips is the most accurate. Hosts answer in their kernels, and therefore
//! quickly. Some systems allow any program to open such a socket, others only privileged programs;
//! if the socket is refused, there is no echo.

use crate::clock;
use crate::interface::Interface;
use crate::platform::{self, Waitable};
use engine::{LocalTime, Nanos};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

/// Interval between the first requests, and their number.
const SOON: Nanos = Nanos::from_millis(125);
const FIRST: u16 = 16;
/// Interval between later requests.
const LATER: Nanos = Nanos::from_secs(10);
/// Types of messages (RFC 792).
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
/// Length of type, code, checksum, identifier and sequence number, bytes.
const HEADER: usize = 8;
/// Length of a message, bytes, with a payload by which we recognise the answers to our own
/// requests.
const LENGTH: usize = HEADER + 8;

/// Sends requests to one host and receives its answers.
#[derive(Debug)]
pub(super) struct Echo {
    /// An ICMP socket. It has this type because a thread can wait for it.
    socket: UdpSocket,
    next: LocalTime,
    /// The newest request, and when it was sent.
    sent: Option<([u8; LENGTH], LocalTime)>,
    sequence: u16,
}

impl Echo {
    /// Opens a socket for requests to `peer`; `None` if the system refuses it.
    pub(super) fn open(interface: &Interface, peer: Ipv4Addr) -> Option<Self> {
        let open = |kind: Type| {
            let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4))?;
            socket.set_nonblocking(true)?;
            socket.bind(&SocketAddrV4::new(interface.address, 0).into())?;
            socket.connect(&SocketAddrV4::new(peer, 0).into())?;
            Ok::<_, std::io::Error>(socket)
        };
        let socket = open(Type::DGRAM).or_else(|_| open(Type::RAW));
        let socket = socket.inspect_err(|error| tracing::debug!("no echo of {peer}: {error}")).ok()?;
        Some(Self { socket: socket.into(), next: clock::now(), sent: None, sequence: 0 })
    }

    /// The socket to wait for.
    pub(super) fn waitable(&self) -> Waitable<'_> {
        platform::socket::waitable(&self.socket)
    }

    /// When the next request is due.
    pub(super) fn poll_timeout(&self) -> LocalTime {
        self.next
    }

    /// Handles answers and sends a request if one is due. Returns the round trip of an answer.
    pub(super) fn drive(&mut self) -> Option<Nanos> {
        let mut round_trip = None;
        let mut buffer = [0; 128];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let now = clock::now();
            let answered = self.sent.filter(|(request, _)| is_answer(&buffer[..length], request));
            if let Some((_, at)) = answered {
                (self.sent, round_trip) = (None, Some(now - at));
            }
        }
        let now = clock::now();
        if now >= self.next {
            self.next = now + if self.sequence < FIRST { SOON } else { LATER };
            self.sequence = self.sequence.saturating_add(1);
            let request = request(self.sequence, now);
            // Errors are ignored, because PTP itself detects that a host is unreachable.
            self.sent = self.socket.send(&request).ok().map(|_| (request, now));
        }
        round_trip
    }
}

fn request(sequence: u16, now: LocalTime) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    message[0] = ECHO_REQUEST;
    message[6..HEADER].copy_from_slice(&sequence.to_be_bytes());
    message[HEADER..].copy_from_slice(&now.as_nanos().to_be_bytes());
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The Internet checksum (RFC 1071) of a message with an even number of bytes.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = words.sum::<u32>();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !((folded & 0xFFFF) + (folded >> 16)) as u16
}

/// Whether a datagram is the answer to a request. Some sockets deliver the IP header as well. The
/// identifier is not compared, because some systems set it themselves.
fn is_answer(datagram: &[u8], request: &[u8; LENGTH]) -> bool {
    let header = match datagram.first() {
        Some(first) if first >> 4 == 4 => usize::from(first & 0x0F) * 4,
        _ => 0,
    };
    let Some(message) = datagram.get(header..).and_then(|message| message.get(..LENGTH)) else { return false };
    message[..2] == [ECHO_REPLY, 0] && message[6..] == request[6..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &[u8; LENGTH]) -> [u8; LENGTH] {
        let mut answer = *request;
        answer[0] = ECHO_REPLY;
        // The identifier that a system has assigned.
        answer[4] = 0x77;
        answer
    }

    #[test]
    fn a_request_has_a_checksum_that_makes_its_sum_zero() {
        let message = request(7, LocalTime::from_nanos(0x1234_5678_9ABC));
        assert_eq!(checksum(&message), 0);
    }

    #[test]
    fn an_answer_is_known_with_and_without_its_ip_header() {
        let request = request(7, LocalTime::from_nanos(99));
        let answer = answer(&request);
        assert!(is_answer(&answer, &request));
        let with_header = [&[0x46; 24][..], &answer].concat();
        assert!(is_answer(&with_header, &request));
        assert!(!is_answer(&request, &request), "our own, heard by a raw socket");
        let other = super::request(8, LocalTime::from_nanos(99));
        assert!(!is_answer(&answer, &other));
        for length in 0..with_header.len() {
            assert!(!is_answer(&with_header[..length], &request), "cut to {length}");
        }
        assert!(!is_answer(&[0x4F; 20], &request), "a header longer than the datagram");
    }
}
