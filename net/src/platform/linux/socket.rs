//! Socket options and control messages of Linux: timestamps and drops.

use super::clock::system_time;
use crate::platform::{Stamps, StampsWanted};
use engine::PtpTime;
use nix::cmsg_space;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, RxqOvfl, Timestamping};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, TimestampingFlag, Timestamps, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The socket in the form that `Waker::wait` needs.
pub(crate) fn waitable(socket: &UdpSocket) -> BorrowedFd<'_> {
    socket.as_fd()
}

/// Whether a socket receives its groups from all interfaces. Here, it receives only groups that it
/// has joined itself, on the interface on which it joined them (`IP_MULTICAST_ALL` is off).
pub(crate) const HEARS_ALL_INTERFACES: bool = false;

/// The address to bind to in order to receive on `address`: the address itself, even for a group.
pub(crate) fn bind_address(address: SocketAddrV4) -> SocketAddrV4 {
    address
}

/// Excludes groups that only other sockets on the host have joined.
///
/// # Errors
/// If the kernel does not support it.
pub(crate) fn keep_apart(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_multicast_all_v4(false)
}

/// Lets several sockets receive the same group and port.
///
/// # Errors
/// If the system does not support it.
pub(crate) fn share_port(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Requests kernel timestamps for received datagrams and, if wanted, for sent ones, and also
/// timestamps by the card. Returns whether sent datagrams are stamped.
///
/// # Errors
/// If the kernel does not provide timestamps.
pub(crate) fn enable_timestamps(socket: &impl AsFd, wanted: StampsWanted) -> io::Result<bool> {
    let mut flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE;
    if wanted.hardware {
        flags |= TimestampingFlag::SOF_TIMESTAMPING_RAW_HARDWARE | TimestampingFlag::SOF_TIMESTAMPING_RX_HARDWARE;
        // The interface on which a datagram arrived determines the clock that stamped it.
        setsockopt(socket, Ipv4PacketInfo, &true)?;
    }
    if wanted.transmit {
        flags |= TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    }
    if wanted.transmit && wanted.hardware {
        flags |= TimestampingFlag::SOF_TIMESTAMPING_TX_HARDWARE;
    }
    setsockopt(socket, Timestamping, &flags)?;
    Ok(wanted.transmit)
}

/// Makes the kernel restart its numbering of sent datagrams at 0, by switching the option off and
/// on again.
///
/// # Errors
/// If the kernel does not provide timestamps.
pub(crate) fn restart_numbers(socket: &impl AsFd, wanted: StampsWanted) -> io::Result<()> {
    enable_timestamps(socket, StampsWanted { transmit: false, ..wanted })?;
    enable_timestamps(socket, wanted).map(|_| ())
}

/// Requests that the kernel reports the number of dropped datagrams.
///
/// # Errors
/// If the kernel does not count them.
pub(crate) fn count_drops(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, RxqOvfl, &1)?)
}

/// Returns the next timestamp of a sent datagram: the number of the datagram, counted from 0 since
/// [`restart_numbers`] or since timestamps were requested, and its departure time.
pub(crate) fn transmitted(socket: &impl AsFd) -> Option<(u32, Stamps)> {
    let mut control = cmsg_space!(Timestamps, libc::sock_extended_err, libc::sockaddr_in);
    let mut nothing = [0; 64];
    let mut parts = [IoSliceMut::new(&mut nothing)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    // The queue also contains network errors. They are removed here, and are reported elsewhere if
    // they persist.
    loop {
        let message = recvmsg::<SockaddrIn>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        let (mut number, mut stamps) = (None, None);
        for part in message.cmsgs().ok()? {
            match part {
                ControlMessageOwned::ScmTimestampsns(times) => stamps = Some(told(&times)),
                ControlMessageOwned::Ipv4RecvErr(error, _) => number = Some(error.ee_data),
                _ => {}
            }
        }
        if let Some(told) = number.zip(stamps) {
            return Some(told);
        }
    }
}

fn told(times: &Timestamps) -> Stamps {
    Stamps { host: None, system: stamped(&times.system), hardware: stamped(&times.hw_raw) }
}

/// Converts a stamp. All zeros mean that there is no stamp. Zero seconds alone do not, because a
/// card's clock may be in its first second.
fn stamped(time: &TimeSpec) -> Option<PtpTime> {
    (time.tv_sec() != 0 || time.tv_nsec() != 0).then(|| system_time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_stamp_and_the_cards_are_told_apart() {
        let none = TimeSpec::new(0, 0);
        let times = |system, hw_raw| told(&Timestamps { system, hw_trans: none, hw_raw });
        let (kernel, card) = (TimeSpec::new(1_795_000_000, 5), TimeSpec::new(0, 7));
        let (in_system, in_card) = (PtpTime::from_timestamp(1_795_000_000, 5), PtpTime::from_timestamp(0, 7));
        assert_eq!(times(none, none), Stamps::default());
        assert_eq!(times(kernel, none), Stamps { system: Some(in_system), ..Stamps::default() });
        assert_eq!(
            times(kernel, card),
            Stamps { system: Some(in_system), hardware: Some(in_card), ..Stamps::default() }
        );
    }
}
