//! Sends many datagrams with one system call.

pub(crate) use super::inbox::Inbox;
use nix::errno::Errno;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Maximum number of datagrams per call; the kernel accepts up to 1024.
const MOST: usize = 256;

/// Sends all datagrams in order without blocking. Returns, for each datagram that the kernel
/// refused, the error.
pub(crate) fn send(socket: &UdpSocket, datagrams: &[(&[u8], SocketAddrV4)]) -> Vec<Option<io::Error>> {
    let mut refused: Vec<Option<io::Error>> = datagrams.iter().map(|_| None).collect();
    let mut next = 0;
    while next < datagrams.len() {
        let end = datagrams.len().min(next + MOST);
        match send_some(socket, &datagrams[next..end]) {
            Ok(count) => next += count,
            Err(Errno::EINTR) => {}
            // This datagram is lost; the next one may have a reachable destination.
            Err(error) => {
                refused[next] = Some(error.into());
                next += 1;
            }
        }
    }
    refused
}

/// Sends some datagrams. Returns how many were accepted, beginning with the first: at least one.
fn send_some(socket: &UdpSocket, datagrams: &[(&[u8], SocketAddrV4)]) -> Result<usize, Errno> {
    let mut addresses: Vec<libc::sockaddr_in> = datagrams.iter().map(|&(_, to)| address(to)).collect();
    let parts = datagrams.iter().map(|(bytes, _)| {
        // The cast to a mutable pointer is safe, because the kernel only reads the data.
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
    });
    let mut parts: Vec<libc::iovec> = parts.collect();
    let mut headers: Vec<libc::mmsghdr> =
        addresses.iter_mut().zip(&mut parts).map(|(address, part)| header(address, part)).collect();
    let flags = libc::MSG_DONTWAIT;
    // SAFETY: the length is that of `headers`. Each header points to an element of `addresses` and
    // one of `parts`, and each part to the bytes of a datagram; all of these live through the call.
    let count =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as libc::c_uint, flags) };
    Errno::result(count).map(|count| count as usize)
}

fn address(to: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn header(address: &mut libc::sockaddr_in, part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: `msghdr` is a C struct of pointers and integers, for which all zeros are a valid
    // value: no control messages, no flags.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = ptr::from_mut(address).cast();
    header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    header.msg_iov = part;
    header.msg_iovlen = 1;
    libc::mmsghdr { msg_hdr: header, msg_len: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};

    #[test]
    fn all_arrive_but_those_that_cannot() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to: SocketAddrV4 = format!("127.0.0.1:{}", receiver.local_addr().unwrap().port()).parse().unwrap();
        // No datagram is that long.
        let (short, long) = ([1u8; 40], vec![0u8; 70_000]);
        let datagrams: Vec<(&[u8], SocketAddrV4)> =
            vec![(&short[..10], to), (&short[..20], to), (&long, to), (&short[..30], to)];
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let refused = send(&sender, &datagrams).into_iter().map(|error| error.and_then(|error| error.raw_os_error()));
        assert_eq!(refused.collect::<Vec<_>>(), [None, None, Some(libc::EMSGSIZE), None]);
        let mut buffer = [0; 64];
        let lengths: Vec<usize> = (0..3).map(|_| receiver.recv(&mut buffer).unwrap()).collect();
        assert_eq!(lengths, [10, 20, 30]);
    }
}
