//! Control messages of sockets: timestamps and drops.

use super::clock::system_time;
use crate::platform::Datagram;
use engine::PtpTime;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RxqOvfl, Timestamping};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, TimestampingFlag, Timestamps, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// For waiting.
pub(crate) fn waitable(socket: &UdpSocket) -> BorrowedFd<'_> {
    socket.as_fd()
}

/// What to bind to in order to hear an address: itself, a group too.
pub(crate) fn bind_address(address: SocketAddrV4) -> SocketAddrV4 {
    address
}

/// Keeps what other sockets of the host have joined from this one.
///
/// # Errors
/// If the kernel does not know how.
pub(crate) fn keep_apart(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_multicast_all_v4(false)
}

/// Lets several sockets hear the same group and port.
///
/// # Errors
/// If the system does not know how.
pub(crate) fn share_port(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Asks for timestamps of what is received and, if wanted, of what is sent. Whether what is sent is stamped.
///
/// # Errors
/// If the kernel has none.
pub(crate) fn enable_timestamps(socket: &impl AsFd, transmit: bool) -> io::Result<bool> {
    let mut flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE;
    if transmit {
        flags |= TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    }
    setsockopt(socket, Timestamping, &flags)?;
    Ok(transmit)
}

/// Has the kernel number what is sent from 0 again: it does when the option was off.
///
/// # Errors
/// If the kernel has no timestamps.
pub(crate) fn restart_numbers(socket: &impl AsFd) -> io::Result<()> {
    enable_timestamps(socket, false)?;
    enable_timestamps(socket, true).map(|_| ())
}

/// Asks for the number of datagrams dropped.
///
/// # Errors
/// If the kernel does not count them.
pub(crate) fn count_drops(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, RxqOvfl, &1)?)
}

/// The next datagram, without waiting; `None` if there is none.
///
/// # Errors
/// What the socket has to say: an interface that went down, an ICMP error.
pub(crate) fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut control = cmsg_space!(Timestamps, u32);
    let mut parts = [IoSliceMut::new(buffer)];
    let fd = socket.as_fd().as_raw_fd();
    let message = match recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
        other => other?,
    };
    let (mut stamp, mut drops) = (None, None);
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::ScmTimestampsns(times) => stamp = stamped(&times.system),
            ControlMessageOwned::RxqOvfl(count) => drops = Some(count),
            _ => {}
        }
    }
    let Some(source) = message.address else { return Ok(None) };
    let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
    let source = SocketAddrV4::new(source.ip(), source.port());
    Ok(Some(Datagram { length: message.bytes, truncated, source, destination: None, stamp, at: None, drops }))
}

/// The next timestamp of what was sent: the number of the datagram, counted from 0 since [`restart_numbers`] or timestamps were asked for, and when it left, in the system's time.
pub(crate) fn transmitted(socket: &impl AsFd) -> Option<(u32, PtpTime)> {
    let mut control = cmsg_space!(Timestamps, libc::sock_extended_err, libc::sockaddr_in);
    let mut nothing = [0; 64];
    let mut parts = [IoSliceMut::new(&mut nothing)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    // The queue also holds errors of the network; each is taken off it, and said elsewhere if it lasts.
    loop {
        let message = recvmsg::<SockaddrIn>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        let (mut number, mut stamp) = (None, None);
        for part in message.cmsgs().ok()? {
            match part {
                ControlMessageOwned::ScmTimestampsns(times) => stamp = stamped(&times.system),
                ControlMessageOwned::Ipv4RecvErr(error, _) => number = Some(error.ee_data),
                _ => {}
            }
        }
        if let (Some(number), Some(stamp)) = (number, stamp) {
            return Some((number, stamp));
        }
    }
}

/// All zeros mean that there is none.
fn stamped(time: &TimeSpec) -> Option<PtpTime> {
    (time.tv_sec() != 0).then(|| system_time(time))
}
