//! Properties of network interfaces.

use socket2::{Domain, Socket, Type};
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

/// `struct ifmediareq` (`net/if.h`).
#[repr(C, packed(4))]
struct MediaRequest {
    name: [u8; libc::IFNAMSIZ],
    current: libc::c_int,
    mask: libc::c_int,
    status: libc::c_int,
    active: libc::c_int,
    count: libc::c_int,
    list: *mut libc::c_int,
}

/// The size of the structure is part of the request number.
const _: () = assert!(size_of::<MediaRequest>() as libc::c_ulong == libc::SIOCGIFMEDIA >> 16 & 0x1FFF);
/// `IFM_AVALID` and `IFM_ACTIVE` (`net/if_media.h`): the status is known, and there is a carrier.
const VALID: libc::c_int = 1;
const ACTIVE: libc::c_int = 2;

/// Whether an interface has a carrier; `None` if the system does not report it, for example for
/// interfaces without a cable.
pub(crate) fn has_carrier(name: &str) -> Option<bool> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    let mut request = MediaRequest {
        name: [0; libc::IFNAMSIZ],
        current: 0,
        mask: 0,
        status: 0,
        active: 0,
        count: 0,
        list: null_mut(),
    };
    request.name[..libc::IFNAMSIZ - 1].get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    // SAFETY: the socket is open, and the request is a local structure of the size that the request
    // code contains. It does not ask for the list of media, so `list` may be null.
    let failed = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMEDIA, &raw mut request) } != 0;
    let status = request.status;
    (!failed && status & VALID != 0).then_some(status & ACTIVE != 0)
}

/// Always `None`, because the system is not queried.
pub(crate) fn has_multicast(_: &str) -> Option<bool> {
    None
}

/// The name of the interface with an identifier other than name, address and index. macOS has no
/// such identifiers.
pub(crate) fn by_identifier(_: &str) -> Option<String> {
    None
}
