//! Sockets on macOS: timestamps and destinations of received datagrams.
//!
//! The kernel stamps a datagram with Mach absolute time (`SO_TIMESTAMP_MONOTONIC`) when it queues
//! it on the socket. This is after the network card's driver and the network stack, so perhaps 10
//! us after the arrival, but before any scheduling delay. The older `SO_TIMESTAMP` gives the same
//! moment in whole microseconds of the system clock, which may be slewed. Sent datagrams are not
//! stamped.

use super::clock::{self, timebase};
pub(crate) use crate::platform::unsupported::{count_drops, restart_numbers, transmitted};
use crate::platform::{Datagram, Stamps, StampsWanted};
use engine::LocalTime;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::Ipv4RecvDstAddr;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, UnknownCmsg, recvmsg, setsockopt};
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// `SCM_TIMESTAMP_MONOTONIC` (`sys/socket.h`): ticks of Mach absolute time, 8 bytes.
const SCM_TIMESTAMP_MONOTONIC: libc::c_int = 4;

/// The socket in the form that `Waker::wait` needs.
pub(crate) fn waitable(socket: &UdpSocket) -> BorrowedFd<'_> {
    socket.as_fd()
}

/// Whether a socket receives its groups from all interfaces. Here, it receives a group only from
/// the interface on which it joined it.
pub(crate) const HEARS_ALL_INTERFACES: bool = false;

/// The address to bind to in order to receive on `address`: the address itself, even for a group.
pub(crate) fn bind_address(address: SocketAddrV4) -> SocketAddrV4 {
    address
}

/// Requests the destination of each datagram, so that datagrams for other sockets can be ignored.
///
/// # Errors
/// If the system does not support it.
pub(crate) fn keep_apart(socket: &socket2::Socket) -> io::Result<()> {
    Ok(setsockopt(socket, Ipv4RecvDstAddr, &true)?)
}

/// Lets several sockets receive the same group and port. BSD requires the second option if they are
/// bound to every address of the host.
///
/// # Errors
/// If the system does not support it.
pub(crate) fn share_port(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)
}

/// Requests timestamps for received datagrams. Returns whether sent datagrams are stamped: never.
///
/// # Errors
/// If the kernel does not provide timestamps.
pub(crate) fn enable_timestamps(socket: &UdpSocket, _: StampsWanted) -> io::Result<bool> {
    let on: libc::c_int = 1;
    // SAFETY: the socket is open, and the option is an integer that lives through the call.
    let code = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMP_MONOTONIC,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    Errno::result(code)?;
    Ok(false)
}

/// Reads the next datagram without blocking; `None` if there is none.
///
/// # Errors
/// If an error of the socket is pending, such as an interface that went down.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut control = cmsg_space!(u64, libc::in_addr);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        match recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            other => other?,
        };
    let (mut at, mut destination) = (None, None);
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::Ipv4RecvDstAddr(address) => {
                destination = Some(Ipv4Addr::from(address.s_addr.to_ne_bytes()));
            }
            ControlMessageOwned::Unknown(part) => at = at.or_else(|| stamp(&part)),
            _ => {}
        }
    }
    let Some(source) = message.address else { return Ok(None) };
    Ok(Some(Datagram {
        length: message.bytes,
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        source: SocketAddrV4::new(source.ip(), source.port()),
        destination,
        interface: None,
        stamps: Stamps { host: at, ..Stamps::default() },
        drops: None,
    }))
}

fn stamp(part: &UnknownCmsg) -> Option<LocalTime> {
    let header = &part.cmsg_header;
    let is_stamp = header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == SCM_TIMESTAMP_MONOTONIC;
    is_stamp.then(|| timebase().stamp(&part.data_bytes, clock::now())).flatten()
}
