//! Stand-in for socket features on systems that neither stamp sent datagrams nor count dropped
//! ones.

use crate::platform::{Stamps, StampsWanted};
use std::io;
use std::net::UdpSocket;

/// # Errors
/// Always: sent datagrams are not stamped.
pub(crate) fn restart_numbers(_: &UdpSocket, _: StampsWanted) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Errors
/// Always: drops are not counted.
pub(crate) fn count_drops(_: &UdpSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Always `None`, because sent datagrams are not stamped.
pub(crate) fn transmitted(_: &UdpSocket) -> Option<(u32, Stamps)> {
    None
}
