//! Sends many datagrams with one call each, for systems without a call for several.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};

/// Sends all datagrams in order without waiting. Returns, for each, why the system refused it, if
/// it did.
pub(crate) fn send(socket: &UdpSocket, datagrams: &[(&[u8], SocketAddrV4)]) -> Vec<Option<io::Error>> {
    datagrams.iter().map(|(bytes, to)| socket.send_to(bytes, to).err()).collect()
}
