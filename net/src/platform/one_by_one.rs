//! Sends and receives datagrams with one call each, for systems without a call for several.

use crate::platform::{Datagram, socket};
use std::io;
use std::net::{SocketAddrV4, UdpSocket};

/// Sends all datagrams in order without waiting. Returns, for each, why the system refused it, if
/// it did.
pub(crate) fn send(socket: &UdpSocket, datagrams: &[(&[u8], SocketAddrV4)]) -> Vec<Option<io::Error>> {
    datagrams.iter().map(|(bytes, to)| socket.send_to(bytes, to).err()).collect()
}

/// Room for one datagram.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    datagram: Option<Datagram>,
}

impl Inbox {
    /// The number of datagrams that one call reads at most.
    pub(crate) const CAPACITY: usize = 1;

    /// Room for a datagram of up to `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self { buffer: vec![0; longest], datagram: None }
    }

    /// Reads the next datagram without waiting. Returns the number of datagrams read.
    ///
    /// # Errors
    /// A pending error of the socket: an interface that went down, an ICMP error.
    pub(crate) fn receive(&mut self, from: &UdpSocket, most: usize) -> io::Result<usize> {
        self.datagram = if most == 0 { None } else { socket::receive(from, &mut self.buffer)? };
        Ok(usize::from(self.datagram.is_some()))
    }

    /// A datagram of the last call, and its bytes; `None` beyond the last one.
    pub(crate) fn datagram(&self, index: usize) -> Option<(Datagram, &[u8])> {
        let datagram = self.datagram.filter(|_| index == 0)?;
        Some((datagram, &self.buffer[..datagram.length]))
    }
}
