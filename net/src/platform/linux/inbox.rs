//! Receives several datagrams from a socket, with their control messages, with one system call.

use crate::platform::control::messages;
use crate::platform::{Datagram, Stamps};
use engine::PtpTime;
use nix::errno::Errno;
use std::array;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Buffer for the control messages of a datagram: three timestamps, the information about the
/// interface and the number of drops take 120 bytes on a 64-bit machine.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 128]);

/// How much of each buffer a datagram has filled.
#[derive(Clone, Copy, Default)]
struct Filled {
    bytes: usize,
    control: usize,
    truncated: bool,
}

/// Buffers for several datagrams.
pub(crate) struct Inbox {
    longest: usize,
    bytes: Vec<u8>,
    controls: [Control; Self::CAPACITY],
    sources: [libc::sockaddr_in; Self::CAPACITY],
    filled: [Filled; Self::CAPACITY],
    count: usize,
}

impl Inbox {
    /// Maximum number of datagrams that one call reads: more than twice the packets that a stream
    /// with 1 ms packets sends while its thread waits for 2.5 ms.
    pub(crate) const CAPACITY: usize = 8;

    /// Creates buffers for datagrams of up to `longest` bytes each. Memory that no datagram reaches
    /// is never touched.
    pub(crate) fn new(longest: usize) -> Self {
        let longest = longest.max(1);
        Self {
            longest,
            bytes: vec![0; longest * Self::CAPACITY],
            controls: [Control([0; 128]); Self::CAPACITY],
            sources: [no_source(); Self::CAPACITY],
            filled: [Filled::default(); Self::CAPACITY],
            count: 0,
        }
    }

    /// Reads up to `most` datagrams without blocking. Returns their number; if it is smaller than
    /// both `most` and [`Inbox::CAPACITY`], no more datagrams were waiting.
    ///
    /// # Errors
    /// If an error of the socket is pending, such as an interface that went down or an ICMP error.
    pub(crate) fn receive(&mut self, from: &UdpSocket, most: usize) -> io::Result<usize> {
        self.count = 0;
        let most = most.min(Self::CAPACITY);
        let mut bytes = self.bytes.chunks_exact_mut(self.longest);
        let mut parts: [libc::iovec; Self::CAPACITY] = array::from_fn(|_| {
            let part = bytes.next().unwrap_or_default();
            libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() }
        });
        let room = parts.iter_mut().zip(&mut self.controls).zip(&mut self.sources);
        let mut room = room.map(|((part, control), source)| header(part, control, source));
        let mut headers: [libc::mmsghdr; Self::CAPACITY] =
            array::from_fn(|_| room.next().expect("there is as much room of each kind"));
        // SAFETY: `headers` has at least `most` elements. Each header points to a part, an address
        // and a buffer for control messages that no other header uses, that have the lengths stated
        // in the header, and that live through the call. No time limit is given.
        let read = unsafe {
            libc::recvmmsg(
                from.as_raw_fd(),
                headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.count = match Errno::result(read) {
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            other => other? as usize,
        };
        self.filled = headers.map(|header| Filled::of(&header));
        Ok(self.count)
    }

    /// A datagram from the last call, and its bytes; `None` beyond the last one.
    pub(crate) fn datagram(&self, index: usize) -> Option<(Datagram, &[u8])> {
        let filled = self.filled[..self.count].get(index)?;
        let start = index * self.longest;
        let bytes = self.bytes.get(start..start + filled.bytes.min(self.longest))?;
        let from = &self.sources[index];
        let source = SocketAddrV4::new(u32::from_be(from.sin_addr.s_addr).into(), u16::from_be(from.sin_port));
        let mut datagram = Datagram {
            length: bytes.len(),
            truncated: filled.truncated,
            source,
            destination: None,
            interface: None,
            stamps: Stamps::default(),
            drops: None,
        };
        let control = &self.controls[index].0;
        for message in messages(&control[..filled.control.min(control.len())]) {
            note(&mut datagram, message);
        }
        Some((datagram, bytes))
    }
}

impl Filled {
    fn of(header: &libc::mmsghdr) -> Self {
        Self {
            bytes: header.msg_len as usize,
            control: header.msg_hdr.msg_controllen,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        }
    }
}

fn no_source() -> libc::sockaddr_in {
    libc::sockaddr_in { sin_family: 0, sin_port: 0, sin_addr: libc::in_addr { s_addr: 0 }, sin_zero: [0; 8] }
}

fn header(part: &mut libc::iovec, control: &mut Control, source: &mut libc::sockaddr_in) -> libc::mmsghdr {
    // SAFETY: `msghdr` is a C struct of pointers and integers, for which all zeros are a valid
    // value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = ptr::from_mut(source).cast();
    header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len();
    libc::mmsghdr { msg_hdr: header, msg_len: 0 }
}

/// Records what a control message says about its datagram.
fn note(datagram: &mut Datagram, (kind, data): ((i32, i32), &[u8])) {
    const STAMPS: (i32, i32) = (libc::SOL_SOCKET, libc::SO_TIMESTAMPING);
    const DROPS: (i32, i32) = (libc::SOL_SOCKET, libc::SO_RXQ_OVFL);
    const PACKET_INFO: (i32, i32) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
    let first = data.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    match kind {
        // The message has three stamps: the kernel's, an unused one, and the card's.
        STAMPS => {
            let mut stamps = data.chunks_exact(size_of::<libc::timespec>()).map(stamp);
            datagram.stamps.system = stamps.next().flatten();
            datagram.stamps.hardware = stamps.nth(1).flatten();
        }
        DROPS => datagram.drops = first,
        // The data begins with the index of the interface.
        PACKET_INFO => datagram.interface = first,
        _ => {}
    }
}

/// Reads a `timespec`. All zeros mean that there is no stamp. Zero seconds alone do not, because a
/// card's clock may be in its first second.
fn stamp(bytes: &[u8]) -> Option<PtpTime> {
    let mut words =
        bytes.chunks_exact(size_of::<libc::c_long>()).map(|word| word.try_into().map(libc::c_long::from_ne_bytes));
    let [seconds, nanos] = [words.next()?.ok()?, words.next()?.ok()?].map(i128::from);
    (seconds != 0 || nanos != 0).then(|| PtpTime::from_nanos(seconds * 1_000_000_000 + nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::control::message;
    use std::net::Ipv4Addr;

    fn told(control: &[u8]) -> Datagram {
        let mut inbox = Inbox::new(4);
        inbox.controls[0].0[..control.len()].copy_from_slice(control);
        (inbox.count, inbox.filled[0].control) = (1, control.len());
        inbox.datagram(0).unwrap().0
    }

    fn stamps(times: [(i64, i64); 3]) -> Vec<u8> {
        let words: Vec<[u8; 8]> = times.iter().flat_map(|&(s, ns)| [s, ns]).map(i64::to_ne_bytes).collect();
        message((libc::SOL_SOCKET, libc::SO_TIMESTAMPING), &words.concat())
    }

    #[test]
    fn the_kernels_stamp_and_the_cards_are_told_apart() {
        let (none, kernel, card) = ((0, 0), (1_795_000_000, 5), (0, 7));
        let (in_system, in_card) = (PtpTime::from_timestamp(1_795_000_000, 5), PtpTime::from_timestamp(0, 7));
        assert_eq!(told(&stamps([none; 3])).stamps, Stamps::default());
        let by_kernel = Stamps { system: Some(in_system), ..Stamps::default() };
        assert_eq!(told(&stamps([kernel, none, none])).stamps, by_kernel);
        assert_eq!(told(&stamps([kernel, none, card])).stamps, Stamps { hardware: Some(in_card), ..by_kernel });
        assert_eq!(told(&stamps([kernel, none, none])[..40]).stamps, Stamps::default(), "it is cut off");
    }

    #[test]
    fn the_interface_and_the_drops_are_read() {
        let info = message((libc::IPPROTO_IP, libc::IP_PKTINFO), &[7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let drops = message((libc::SOL_SOCKET, libc::SO_RXQ_OVFL), &9u32.to_ne_bytes());
        let told = told(&[message((0, 99), b"unknown"), info, drops].concat());
        assert_eq!((told.interface, told.drops), (Some(u32::from_ne_bytes([7, 0, 0, 0])), Some(9)));
    }

    #[test]
    fn more_than_fit_are_read_in_order_by_several_calls() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sent: Vec<Vec<u8>> = (1..=Inbox::CAPACITY as u8 + 3).map(|length| vec![length; length.into()]).collect();
        for bytes in &sent {
            sender.send_to(bytes, receiver.local_addr().unwrap()).unwrap();
        }
        let mut inbox = Inbox::new(6);
        let mut found = Vec::new();
        for count in [2, Inbox::CAPACITY, 1, 0] {
            let most = if count == 2 { 2 } else { usize::MAX };
            assert_eq!(inbox.receive(&receiver, most).unwrap(), count);
            let all = (0..).map_while(|index| inbox.datagram(index));
            found.extend(all.map(|(datagram, bytes)| (datagram.source, datagram.truncated, bytes.to_vec())));
        }
        assert_eq!(found.len(), sent.len());
        for ((source, truncated, bytes), sent) in found.iter().zip(&sent) {
            assert_eq!(sender.local_addr().unwrap(), (*source).into());
            assert_eq!((*truncated, &bytes[..]), (sent.len() > 6, &sent[..sent.len().min(6)]));
        }
    }

    #[test]
    fn an_error_of_the_socket_is_reported_once() {
        let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(address).unwrap();
        socket.send(b"nobody is there").unwrap();
        let mut inbox = Inbox::new(64);
        let refused = inbox.receive(&socket, 4).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(inbox.datagram(0), None);
        assert_eq!(inbox.receive(&socket, 4).unwrap(), 0);
    }
}
