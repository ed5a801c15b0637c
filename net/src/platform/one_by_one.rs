//! Sends and receives datagrams with one call each, for systems without calls for several
//! datagrams.

use crate::platform::{Datagram, socket};
use std::io;
use std::net::{SocketAddrV4, UdpSocket};

/// Sends all datagrams in order without blocking. Returns, for each datagram that the system
/// refused, the error.
pub(crate) fn send(socket: &UdpSocket, datagrams: &[(&[u8], SocketAddrV4)]) -> Vec<Option<io::Error>> {
    datagrams.iter().map(|(bytes, to)| socket.send_to(bytes, to).err()).collect()
}

/// Buffer for one datagram.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    datagram: Option<Datagram>,
}

impl Inbox {
    /// Maximum number of datagrams that one call reads.
    pub(crate) const CAPACITY: usize = 1;

    /// Creates a buffer for a datagram of up to `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self { buffer: vec![0; longest], datagram: None }
    }

    /// Reads the next datagram without blocking. Returns the number of datagrams read.
    ///
    /// # Errors
    /// If an error of the socket is pending, such as an interface that went down or an ICMP error.
    pub(crate) fn receive(&mut self, from: &UdpSocket, most: usize) -> io::Result<usize> {
        self.datagram = if most == 0 { None } else { socket::receive(from, &mut self.buffer)? };
        Ok(usize::from(self.datagram.is_some()))
    }

    /// A datagram from the last call, and its bytes; `None` beyond the last one.
    pub(crate) fn datagram(&self, index: usize) -> Option<(Datagram, &[u8])> {
        let datagram = self.datagram.filter(|_| index == 0)?;
        Some((datagram, &self.buffer[..datagram.length]))
    }
}
