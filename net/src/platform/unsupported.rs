//! What sockets are not told, on systems that neither stamp what is sent nor count what is dropped.

use crate::platform::{Stamps, StampsWanted};
use std::io;
use std::net::UdpSocket;

/// # Errors
/// Always: nothing that is sent is stamped.
pub(crate) fn restart_numbers(_: &UdpSocket, _: StampsWanted) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Errors
/// Always: nobody counts them.
pub(crate) fn count_drops(_: &UdpSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing that was sent is stamped.
pub(crate) fn transmitted(_: &UdpSocket) -> Option<(u32, Stamps)> {
    None
}
