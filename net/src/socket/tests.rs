use super::*;
use crate::interface::Interface;
use std::net::Ipv4Addr;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 69, 255, 1);

fn loopback() -> Interface {
    Interface::find(Some("127.0.0.1")).unwrap()
}

fn sender() -> Socket {
    Socket::open(SocketConfig { transmit_timestamps: true, ..SocketConfig::send(loopback()) }).unwrap()
}

/// A socket on a free port.
fn receiver(address: Ipv4Addr, source: Option<Ipv4Addr>) -> (Socket, SocketAddr) {
    let socket = Socket::open(SocketConfig::receive(loopback(), SocketAddrV4::new(address, 0), source)).unwrap();
    let address = socket.local_address().unwrap();
    (socket, address)
}

fn wait_for(socket: &mut Socket) -> Option<(Vec<u8>, Received)> {
    let mut inbox = Inbox::new(64);
    for _ in 0..200 {
        let mut found = None;
        let round = socket.receive(&mut inbox, 1, |received, bytes| found = Some((bytes.to_vec(), received)));
        assert!(round.error.is_none(), "{round:?}");
        if found.is_some() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    None
}

#[test]
fn a_datagram_is_stamped_by_the_kernel_at_both_ends() {
    let (mut receiver, address) = receiver(GROUP, None);
    let mut sender = sender();
    // The kernel turns its stamps on some ms after the first socket of the host has asked for them.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let before = clock::now();
    let number = sender.send(b"hello", address).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let (bytes, received) = wait_for(&mut receiver).unwrap();
    let after = clock::now();
    assert_eq!(bytes, b"hello");
    assert_eq!(number, Some(0));
    let (told, left) = sender.poll_transmitted().unwrap();
    assert_eq!(told, 0);
    let slack = Nanos::from_micros(100);
    assert!(left >= before - slack && received.at >= left - slack && received.at < after, "{before:?} {left:?}");
    // It lay in the socket for 30 ms, which a stamp of user space would not know.
    assert!(after - received.at > Nanos::from_millis(25), "{:?}", after - received.at);
    assert_eq!(receiver.stats().stamped_by_user_space, 0);
    assert!(receiver.stats().stamp_error < Nanos::from_millis(1), "{}", receiver.stats().stamp_error);
}

#[test]
fn what_comes_may_be_stamped_where_what_leaves_is_not() {
    let (mut socket, address) = receiver(Ipv4Addr::LOCALHOST, None);
    assert_eq!(socket.timestamping(), Timestamping::Kernel);
    let mut is_stamped = || {
        let before = socket.stats().stamped_by_user_space;
        assert_eq!(socket.send(b"to itself", address).unwrap(), None, "no number, because nothing will be told");
        wait_for(&mut socket).unwrap();
        assert_eq!(socket.poll_transmitted(), None);
        socket.stats().stamped_by_user_space == before
    };
    // The kernel turns its stamps on some time after the first socket of the host has asked for
    // them.
    let begins = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        is_stamped()
    });
    assert!(begins, "never by the kernel");
    assert!((0..5).all(|_| is_stamped()), "by the kernel from then on");
}

#[test]
fn numbers_agree_again_after_a_refused_datagram() {
    let (_receiver, address) = receiver(Ipv4Addr::LOCALHOST, None);
    let mut sender = sender();
    let told = |sender: &mut Socket| -> Vec<u32> {
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::iter::from_fn(|| sender.poll_transmitted()).map(|(number, _)| number).collect()
    };
    assert_eq!(sender.send(b"first", address).unwrap(), Some(0));
    // As if the kernel had numbered what it then refused, as a firewall's refusals are.
    sender.socket.send_to(b"numbered", address).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    sender.send(b"refused", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into()).unwrap_err();
    assert_eq!(told(&mut sender), [0], "what was not sent by us has no number of ours");
    assert_eq!(sender.send(b"next", address).unwrap(), Some(1));
    assert_eq!(told(&mut sender), [1]);
}

#[test]
fn a_flood_is_taken_in_rounds() {
    let (mut receiver, address) = receiver(Ipv4Addr::LOCALHOST, Some(Ipv4Addr::new(192, 0, 2, 9)));
    let mut sender = sender();
    for _ in 0..5 {
        sender.send(b"not for us", address).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut round = |most| receiver.receive(&mut Inbox::new(64), most, |_, _| panic!("it is of another source")).more;
    assert!(round(3), "what is left out counts, too");
    assert!(!round(3));
}

#[test]
fn other_sources_and_long_datagrams_are_left_out() {
    let (mut receiver, address) = receiver(Ipv4Addr::LOCALHOST, Some(Ipv4Addr::new(192, 0, 2, 9)));
    sender().send(b"not for us", address).unwrap();
    assert!(wait_for(&mut receiver).is_none());
    assert_eq!(receiver.stats().other_source, 1);
    let (mut receiver, address) = self::receiver(Ipv4Addr::LOCALHOST, None);
    sender().send(&[0; 65], address).unwrap();
    assert!(wait_for(&mut receiver).is_none());
    assert_eq!(receiver.stats().truncated, 1);
}

#[test]
fn the_largest_buffer_that_the_system_allows_is_taken() {
    let sizes = std::cell::RefCell::new(Vec::new());
    let set_up_to = |limit: usize| {
        sizes.borrow_mut().clear();
        largest(8 << 20, |size| {
            sizes.borrow_mut().push(size);
            if size <= limit { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
        })
    };
    set_up_to(16 << 20).unwrap();
    assert_eq!(*sizes.borrow(), [8 << 20]);
    set_up_to(3 << 20).unwrap();
    assert_eq!(*sizes.borrow(), [8 << 20, 4 << 20, 2 << 20]);
    set_up_to(0).unwrap_err();
}

#[test]
fn what_nobody_reads_is_counted() {
    let (mut receiver, address) = receiver(Ipv4Addr::LOCALHOST, None);
    SockRef::from(&receiver.socket).set_recv_buffer_size(4096).unwrap();
    let mut sender = sender();
    for _ in 0..200 {
        sender.send(&[1; 60], address).unwrap();
    }
    while wait_for(&mut receiver).is_some() {}
    sender.send(b"one more, which tells of them", address).unwrap();
    wait_for(&mut receiver).unwrap();
    let stats = receiver.stats();
    assert_eq!(stats.received + stats.dropped, 201, "{stats:?}");
    assert!(stats.dropped > 0);
}

#[test]
fn groups_are_renewed_within_two_minutes_and_still_heard() {
    let (mut receiver, address) = receiver(GROUP, None);
    let now = clock::now();
    receiver.heard_at = now + Nanos::from_secs(59);
    receiver.renew(now + Nanos::from_secs(59), true);
    assert_eq!(receiver.stats().rejoins, 0);
    receiver.heard_at = now + Nanos::from_secs(121);
    receiver.renew(now + Nanos::from_secs(121), true);
    assert_eq!(receiver.stats().rejoins, 1);
    sender().send(b"still", address).unwrap();
    assert!(wait_for(&mut receiver).is_some());
}

#[test]
fn silence_renews_groups_less_and_less_often() {
    let (mut receiver, _) = receiver(GROUP, None);
    let start = clock::now();
    let rejoins = |receiver: &mut Socket, seconds: i64| {
        for tenth in 0..10 * seconds {
            receiver.renew(start + Nanos::from_millis(100 * tenth), false);
        }
        receiver.stats().rejoins
    };
    // After 2, 4, 8, 16 and 32 s.
    assert_eq!(rejoins(&mut receiver, 50), 5);
}

#[test]
fn a_group_that_is_none_and_a_busy_port_are_told() {
    let config = SocketConfig::receive(loopback(), SocketAddrV4::new(GROUP, 0), None);
    let none = SocketConfig { groups: vec![Ipv4Addr::new(10, 0, 0, 1)], ..config };
    let error = Socket::open(none).unwrap_err().to_string();
    assert!(error.starts_with("10.0.0.1 is not a multicast address"), "{error}");
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let busy = SocketConfig::receive(loopback(), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), None);
    let error = Socket::open(busy).unwrap_err().to_string();
    assert!(error.contains("is in use by a program that does not share it"), "{error}");
}

#[test]
fn another_network_is_told_from_loopback_and_from_what_is_not_known() {
    let interface = |index, loopback| Interface {
        name: format!("eth{index}"),
        index,
        address: Ipv4Addr::new(192, 0, 2, index as u8),
        mac: None,
        loopback,
    };
    let all = [interface(1, true), interface(2, false), interface(3, false)];
    assert_eq!([1, 2, 3, 9].map(|index| is_another(index, &all)), [false, true, true, false]);
}
