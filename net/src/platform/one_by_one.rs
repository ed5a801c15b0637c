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

/// Room for some datagrams, of one socket or of several.
pub(crate) struct Inbox {
    longest: usize,
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
    capacity: usize,
}

impl Inbox {
    /// The number of datagrams that one call reads at most.
    pub(crate) const CALL: usize = 1;

    /// Creates a buffer for a datagram of up to `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self::for_calls(1, longest)
    }

    /// Room for so many of them.
    pub(crate) fn for_calls(calls: usize, longest: usize) -> Self {
        let (longest, capacity) = (longest.max(1), calls.max(1));
        Self { longest, bytes: vec![0; longest * capacity], datagrams: Vec::with_capacity(capacity), capacity }
    }

    /// Forgets all datagrams.
    pub(crate) fn clear(&mut self) {
        self.datagrams.clear();
    }

    /// The number of datagrams.
    pub(crate) fn count(&self) -> usize {
        self.datagrams.len()
    }

    /// The number of datagrams for which there is still room.
    pub(crate) fn room(&self) -> usize {
        self.capacity - self.datagrams.len()
    }

    /// Adds the next datagram of a socket, without waiting. Returns the number of datagrams read.
    ///
    /// # Errors
    /// If an error of the socket is pending, such as an interface that went down or an ICMP error.
    pub(crate) fn receive(&mut self, from: &UdpSocket, most: usize) -> io::Result<usize> {
        if most.min(self.room()) == 0 {
            return Ok(0);
        }
        let start = self.count() * self.longest;
        let read = socket::receive(from, &mut self.bytes[start..start + self.longest])?;
        self.datagrams.extend(read);
        Ok(usize::from(read.is_some()))
    }

    /// A datagram and its bytes; `None` beyond the last one.
    pub(crate) fn datagram(&self, index: usize) -> Option<(Datagram, &[u8])> {
        let datagram = *self.datagrams.get(index)?;
        let start = index * self.longest;
        Some((datagram, &self.bytes[start..start + datagram.length]))
    }
}
