//! Sockets on Windows: received datagrams with their destination, because a socket cannot be bound
//! to a group, and with timestamps, if the system and the card's driver provide them. Sent
//! datagrams are not stamped.

use super::clock::arrival_of;
pub(crate) use crate::platform::unsupported::{count_drops, restart_numbers, transmitted};
use crate::platform::{Datagram, Stamps, StampsWanted, windows_control};
use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket};
use std::ptr::null_mut;
use std::sync::OnceLock;
use windows_sys::Win32::Networking::WinSock::{
    IP_PKTINFO, IPPROTO_IP, LPFN_WSARECVMSG, SIO_GET_EXTENSION_FUNCTION_POINTER, SIO_TIMESTAMPING, SIO_UDP_CONNRESET,
    SOCKADDR, SOCKADDR_IN, SOCKET, TIMESTAMPING_CONFIG, TIMESTAMPING_FLAG_RX, WSABUF, WSAECONNRESET, WSAEMSGSIZE,
    WSAENETRESET, WSAEWOULDBLOCK, WSAGetLastError, WSAID_WSARECVMSG, WSAIoctl, WSAMSG, setsockopt,
};

/// The socket in the form that `Waker::wait` needs.
pub(crate) fn waitable(socket: &UdpSocket) -> BorrowedSocket<'_> {
    socket.as_socket()
}

/// Whether a socket receives its groups from all interfaces. Here it does, if any other socket on
/// the host has joined the group on another interface, because all sockets are bound to every
/// address.
pub(crate) const HEARS_ALL_INTERFACES: bool = true;

/// The address to bind to in order to receive on `address`: for a group, every address of the host,
/// because Windows does not support binding to groups.
pub(crate) fn bind_address(address: SocketAddrV4) -> SocketAddrV4 {
    if address.ip().is_multicast() { SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, address.port()) } else { address }
}

/// Requests the destination of each datagram, so that datagrams for other sockets can be ignored.
///
/// # Errors
/// If the system does not support it.
pub(crate) fn keep_apart(socket: &socket2::Socket) -> io::Result<()> {
    let on = 1u32.to_ne_bytes();
    let raw = socket.as_raw_socket() as SOCKET;
    // SAFETY: the socket is open, and the option has the given length and lives through the call.
    let failed = unsafe { setsockopt(raw, IPPROTO_IP, IP_PKTINFO, on.as_ptr(), on.len() as i32) } != 0;
    if failed {
        return Err(last_error());
    }
    ignore_unreachable(raw);
    Ok(())
}

/// Keeps receiving from failing because an earlier datagram found no receiver
/// (`SIO_UDP_CONNRESET`). If the system does not support this, such errors are ignored when they
/// occur; see [`receive`].
fn ignore_unreachable(socket: SOCKET) {
    let _ = set_mode(socket, SIO_UDP_CONNRESET, &0u32);
}

/// Lets several sockets receive the same group and port.
///
/// # Errors
/// If the system does not support it.
pub(crate) fn share_port(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Requests stamps for received datagrams, which Windows supports from build 20348 on. Returns
/// whether sent datagrams are stamped: never.
///
/// # Errors
/// If the system does not provide stamps. Whether the card's driver does so becomes known only when
/// datagrams arrive.
pub(crate) fn enable_timestamps(socket: &UdpSocket, _: StampsWanted) -> io::Result<bool> {
    let wanted = TIMESTAMPING_CONFIG { Flags: TIMESTAMPING_FLAG_RX, TxTimestampsBuffered: 0 };
    match set_mode(socket.as_raw_socket() as SOCKET, SIO_TIMESTAMPING, &wanted) {
        Ok(()) => Ok(false),
        Err(error) => Err(io::Error::new(io::ErrorKind::Unsupported, format!("SIO_TIMESTAMPING: {error}"))),
    }
}

/// Makes a control call that reads a structure and returns nothing.
fn set_mode<T>(socket: SOCKET, call: u32, mode: &T) -> io::Result<()> {
    let mut bytes = 0;
    // SAFETY: the structure is only read during the call and has the given size, only the count is
    // written, and the call is not overlapped.
    let failed = unsafe {
        WSAIoctl(
            socket,
            call,
            (&raw const *mode).cast(),
            size_of::<T>() as u32,
            null_mut(),
            0,
            &raw mut bytes,
            null_mut(),
            None,
        )
    } != 0;
    if failed { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> io::Error {
    // SAFETY: the function has no safety conditions.
    io::Error::from_raw_os_error(unsafe { WSAGetLastError() })
}

/// Returns `WSARecvMsg`. A program has to request the address of this function from a socket; it is
/// the same for all sockets.
fn receive_message(socket: SOCKET) -> io::Result<LPFN_WSARECVMSG> {
    static FOUND: OnceLock<LPFN_WSARECVMSG> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let mut found: LPFN_WSARECVMSG = None;
    let (id, mut bytes) = (WSAID_WSARECVMSG, 0);
    // SAFETY: the identifier is read and the function's address is written, both with the given
    // size; the call is not overlapped.
    let failed = unsafe {
        WSAIoctl(
            socket,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            (&raw const id).cast(),
            size_of_val(&id) as u32,
            (&raw mut found).cast(),
            size_of::<LPFN_WSARECVMSG>() as u32,
            &raw mut bytes,
            null_mut(),
            None,
        )
    } != 0;
    if failed {
        return Err(last_error());
    }
    Ok(*FOUND.get_or_init(|| found))
}

/// Buffer for the control messages of a datagram, which have 24 bytes each.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Reads the next datagram without blocking; `None` if there is none.
///
/// # Errors
/// If an error of the socket is pending, such as an interface that went down.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let raw = socket.as_raw_socket() as SOCKET;
    let Some(receive) = receive_message(raw)? else { return Err(io::ErrorKind::Unsupported.into()) };
    // SAFETY: the structure consists of numbers, for which all zeros are a valid value.
    let mut source: SOCKADDR_IN = unsafe { std::mem::zeroed() };
    let mut control = Control([0; 128]);
    let mut part = WSABUF { len: buffer.len() as u32, buf: buffer.as_mut_ptr() };
    let mut message = WSAMSG {
        name: (&raw mut source).cast::<SOCKADDR>(),
        namelen: size_of::<SOCKADDR_IN>() as i32,
        lpBuffers: &raw mut part,
        dwBufferCount: 1,
        Control: WSABUF { len: size_of::<Control>() as u32, buf: (&raw mut control).cast() },
        dwFlags: 0,
    };
    let mut length = 0;
    // SAFETY: the message points to data that lives through the call, and the call is not
    // overlapped.
    let failed = unsafe { receive(raw, &raw mut message, &raw mut length, null_mut(), None) } != 0;
    // SAFETY: the function has no safety conditions.
    let code = if failed { unsafe { WSAGetLastError() } } else { 0 };
    match code {
        0 | WSAEMSGSIZE => {}
        // The last two mean that an earlier datagram found no receiver, which does not matter here.
        WSAEWOULDBLOCK | WSAECONNRESET | WSAENETRESET => return Ok(None),
        other => return Err(io::Error::from_raw_os_error(other)),
    }
    let messages = control.0.get(..message.Control.len as usize).unwrap_or_default();
    let told = windows_control::parse(messages);
    // SAFETY: all variants of the union are the same four octets.
    let octets = unsafe { source.sin_addr.S_un.S_addr }.to_ne_bytes();
    Ok(Some(Datagram {
        length: (length as usize).min(buffer.len()),
        truncated: code == WSAEMSGSIZE,
        source: SocketAddrV4::new(octets.into(), u16::from_be(source.sin_port)),
        destination: told.packet_info.map(|(destination, _)| destination),
        interface: told.packet_info.map(|(_, interface)| interface),
        stamps: Stamps { host: told.stamp.and_then(arrival_of), ..Stamps::default() },
        drops: None,
    }))
}
