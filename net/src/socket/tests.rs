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

/// The next datagram, or the reason why there is none: one comes as soon as the kernel gets to it.
fn next(socket: &mut Socket) -> (Vec<u8>, Received) {
    until("a datagram", || take(socket))
}

/// Tries for longer than any machine stands still.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..10_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("never: {what}");
}

/// A datagram, if one is there.
fn take(socket: &mut Socket) -> Option<(Vec<u8>, Received)> {
    let (mut inbox, mut found) = (Inbox::new(64), None);
    let round = socket.receive(&mut inbox, 1, |received, bytes| found = Some((bytes.to_vec(), received)));
    assert!(round.error.is_none(), "{round:?}");
    found
}

/// The kernel turns its stamps on some time after the first socket of the host has asked for them.
fn wait_until_stamped(sender: &mut Socket) {
    let (mut receiver, address) = receiver(Ipv4Addr::LOCALHOST, None);
    until("a stamp of the kernel", || {
        let before = receiver.stats().stamped_by_user_space;
        sender.send(b"stamped?", address).unwrap();
        next(&mut receiver);
        let is_told = sender.poll_transmitted().is_some();
        (is_told && receiver.stats().stamped_by_user_space == before).then_some(())
    });
    while sender.poll_transmitted().is_some() {}
}

#[test]
fn a_datagram_is_stamped_by_the_kernel_at_both_ends() {
    let (mut receiver, address) = receiver(GROUP, None);
    // As long as this one is open, the stamps stay on.
    let mut other = sender();
    wait_until_stamped(&mut other);
    let mut sender = sender();
    let before = clock::now();
    let number = sender.send(b"hello", address).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let (bytes, received) = next(&mut receiver);
    let after = clock::now();
    assert_eq!(bytes, b"hello");
    assert_eq!(number, Some(0));
    let (told, left) = until("the time at which it left", || sender.poll_transmitted());
    assert_eq!(told, 0);
    // Besides, the system's clock may be steered by 500 ppm while the stamps wait.
    let slack = Nanos::from_micros(100) + Nanos::new((clock::now() - before).as_nanos() / 2_000);
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
        next(&mut socket);
        assert_eq!(socket.poll_transmitted(), None);
        socket.stats().stamped_by_user_space == before
    };
    // The kernel turns its stamps on some time after the first socket of the host has asked for
    // them.
    until("a stamp of the kernel", || is_stamped().then_some(()));
    assert!((0..5).all(|_| is_stamped()), "by the kernel from then on");
}

#[test]
fn numbers_agree_again_after_a_refused_datagram() {
    let (_receiver, address) = receiver(Ipv4Addr::LOCALHOST, None);
    let mut sender = sender();
    let told = |sender: &mut Socket| -> Vec<u32> {
        let first = until("a number", || sender.poll_transmitted());
        std::iter::once(first)
            .chain(std::iter::from_fn(|| sender.poll_transmitted()))
            .map(|(number, _)| number)
            .collect()
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
    let rounds = || {
        let (mut receiver, address) = receiver(Ipv4Addr::LOCALHOST, Some(Ipv4Addr::new(192, 0, 2, 9)));
        let mut sender = sender();
        (0..5).for_each(|_| assert!(sender.send(b"not for us", address).is_ok()));
        std::thread::sleep(std::time::Duration::from_millis(20));
        [3, 3].map(|most| receiver.receive(&mut Inbox::new(64), most, |_, _| panic!("it is of another source")).more)
    };
    // What is left out counts, too. Some may still have been on their way, but not each time.
    assert!((0..10).any(|_| rounds() == [true, false]), "{:?}", rounds());
}

#[test]
fn other_sources_and_long_datagrams_are_left_out() {
    let (mut receiver, address) = receiver(Ipv4Addr::LOCALHOST, Some(Ipv4Addr::new(192, 0, 2, 9)));
    sender().send(b"not for us", address).unwrap();
    until("what is left out", || {
        assert!(take(&mut receiver).is_none());
        (receiver.stats().other_source == 1).then_some(())
    });
    let (mut receiver, address) = self::receiver(Ipv4Addr::LOCALHOST, None);
    sender().send(&[0; 65], address).unwrap();
    until("what is too long", || {
        assert!(take(&mut receiver).is_none());
        (receiver.stats().truncated == 1).then_some(())
    });
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
    // Those that have room may still be on their way.
    for _ in 0..200 {
        while take(&mut receiver).is_some() {}
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    sender.send(b"one more, which tells of them", address).unwrap();
    next(&mut receiver);
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
    next(&mut receiver);
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
