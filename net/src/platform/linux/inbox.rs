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

/// What is known of one datagram: its control messages, its sender, and its end in each buffer.
#[derive(Clone, Copy)]
struct Slot {
    control: Control,
    source: libc::sockaddr_in,
    filled: Filled,
}

/// Room for some datagrams, of one socket or of several.
pub(crate) struct Inbox {
    longest: usize,
    /// Distance of two datagrams in `bytes`.
    stride: usize,
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    count: usize,
}

impl Inbox {
    /// The number of datagrams that one call reads at most: what a stream of 1 ms sends while its
    /// thread waits for 2.5 ms fits twice.
    pub(crate) const CALL: usize = 8;
    /// A processor's cache line, on every processor in use.
    const CACHE_LINE: usize = 64;

    /// Room for one call's datagrams of up to `longest` bytes each.
    pub(crate) fn new(longest: usize) -> Self {
        Self::for_calls(1, longest)
    }

    /// Room for the datagrams of so many full calls. Memory that no datagram has reached is not
    /// touched.
    pub(crate) fn for_calls(calls: usize, longest: usize) -> Self {
        let longest = longest.max(1);
        // A distance that is a large power of two would put all datagrams in the same few sets of a
        // processor's cache.
        let stride = longest.next_multiple_of(Self::CACHE_LINE) + Self::CACHE_LINE;
        let empty = Slot { control: Control([0; 128]), source: no_source(), filled: Filled::default() };
        let capacity = calls.max(1) * Self::CALL;
        Self { longest, stride, bytes: vec![0; stride * capacity], slots: vec![empty; capacity], count: 0 }
    }

    /// Forgets all datagrams.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// The number of datagrams.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The number of datagrams for which there is still room.
    pub(crate) fn room(&self) -> usize {
        self.slots.len() - self.count
    }

    /// Adds up to `most` datagrams of a socket, without waiting. Returns their number; if it is
    /// smaller than `most`, [`Inbox::CALL`] and the room that there was, no more were waiting.
    ///
    /// # Errors
    /// If an error of the socket is pending, such as an interface that went down or an ICMP error.
    pub(crate) fn receive(&mut self, from: &UdpSocket, most: usize) -> io::Result<usize> {
        let most = most.min(Self::CALL).min(self.room());
        let mut bytes = self.bytes[self.count * self.stride..].chunks_exact_mut(self.stride);
        let longest = self.longest;
        let mut parts: [libc::iovec; Self::CALL] = array::from_fn(|_| {
            let part = bytes.next().map(|bytes| &mut bytes[..longest]).unwrap_or_default();
            libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() }
        });
        let slots = &mut self.slots[self.count..];
        let mut headers = [no_header(); Self::CALL];
        for ((header, part), slot) in headers.iter_mut().zip(&mut parts).zip(slots.iter_mut()).take(most) {
            fill_header(&mut header.msg_hdr, part, slot);
        }
        // SAFETY: `headers` has at least `most` elements. Each of these points to a part, an
        // address and a buffer for control messages that belong to it alone, have the lengths that
        // it says, and live through the call. No time limit is given.
        let read = unsafe {
            libc::recvmmsg(
                from.as_raw_fd(),
                headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let read = match Errno::result(read) {
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            other => other? as usize,
        };
        for (slot, header) in slots.iter_mut().zip(&headers).take(read) {
            slot.filled = Filled::of(header);
        }
        self.count += read;
        Ok(read)
    }

    /// A datagram and its bytes; `None` beyond the last one.
    pub(crate) fn datagram(&self, index: usize) -> Option<(Datagram, &[u8])> {
        let Slot { control: Control(control), source: from, filled } = self.slots[..self.count].get(index)?;
        let start = index * self.stride;
        let bytes = self.bytes.get(start..start + filled.bytes.min(self.longest))?;
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

fn no_header() -> libc::mmsghdr {
    // SAFETY: `mmsghdr` is a C struct of pointers and integers, for which all zeros are a valid
    // value.
    unsafe { std::mem::zeroed() }
}

fn fill_header(header: &mut libc::msghdr, part: &mut libc::iovec, slot: &mut Slot) {
    header.msg_name = ptr::from_mut(&mut slot.source).cast();
    header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = slot.control.0.as_mut_ptr().cast();
    header.msg_controllen = slot.control.0.len();
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
        inbox.slots[0].control.0[..control.len()].copy_from_slice(control);
        (inbox.count, inbox.slots[0].filled.control) = (1, control.len());
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

    /// Two connected sockets, the second one with so many datagrams, each as long as its number,
    /// counted from 1.
    fn waiting(count: usize) -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for length in 1..=count as u8 {
            sender.send_to(&vec![length; length.into()], receiver.local_addr().unwrap()).unwrap();
        }
        (sender, receiver)
    }

    #[test]
    fn more_than_fit_are_read_in_order_by_several_calls() {
        let (sender, receiver) = waiting(Inbox::CALL + 3);
        let mut inbox = Inbox::new(6);
        let mut found = Vec::new();
        for count in [2, Inbox::CALL, 1, 0] {
            let most = if count == 2 { 2 } else { usize::MAX };
            inbox.clear();
            assert_eq!(inbox.receive(&receiver, most).unwrap(), count);
            let all = (0..).map_while(|index| inbox.datagram(index));
            found.extend(all.map(|(datagram, bytes)| (datagram.source, datagram.truncated, bytes.to_vec())));
        }
        assert_eq!(found.len(), Inbox::CALL + 3);
        for ((source, truncated, bytes), length) in found.iter().zip(1..) {
            assert_eq!(sender.local_addr().unwrap(), (*source).into());
            assert_eq!((*truncated, &bytes[..]), (length > 6, &vec![length as u8; length.min(6)][..]));
        }
    }

    #[test]
    fn datagrams_of_several_sockets_are_kept_until_they_are_forgotten() {
        let [(_, first), (_, second)] = [3, Inbox::CALL + 6].map(waiting);
        let mut inbox = Inbox::for_calls(2, 64);
        assert_eq!([inbox.receive(&first, 2).unwrap(), inbox.receive(&second, usize::MAX).unwrap()], [2, 8]);
        assert_eq!(inbox.receive(&second, usize::MAX).unwrap(), 6, "there is no room for more");
        assert_eq!((inbox.count(), inbox.room(), inbox.receive(&first, 1).unwrap()), (16, 0, 0));
        let lengths: Vec<usize> = (0..).map_while(|index| Some(inbox.datagram(index)?.1.len())).collect();
        assert_eq!(lengths, [1, 2].into_iter().chain(1..=14).collect::<Vec<_>>());
        inbox.clear();
        assert_eq!(inbox.datagram(0), None);
        assert_eq!(inbox.receive(&first, 1).unwrap(), 1);
        assert_eq!(inbox.datagram(0).unwrap().1, [3, 3, 3]);
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
