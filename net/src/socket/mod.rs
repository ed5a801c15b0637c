//! UDP sockets of audio networks.
//!
//! Model: a socket belongs to one interface. It takes only what comes for its own groups (`IP_MULTICAST_ALL` is off: otherwise a socket of Linux receives what any
//! other program of the host has joined on any interface), and only from the source that it was told, if it was told one.
//!
//! Switches forget a group that nobody renews, after some 260 s, if the network has no querier to ask for it. So groups are left and joined again every 60 to 120 s. In
//! between packets would be lost, if any came: the two calls follow each other within some 20 us, right after a datagram was read when no other one waits, which is most of a packet
//! time before the next one. When nothing comes at all, they are renewed sooner, and then less and less often: an interface that was taken away and came back has forgotten
//! its groups.

mod config;
mod stamping;

pub use config::{DSCP_AF41, DSCP_EF, SocketConfig, Timestamping};

use crate::clock;
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::platform::{self, Datagram};
use engine::{LocalTime, Nanos};
use socket2::{Domain, Protocol, SockRef, Type};
use stamping::Stamping;
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

/// When to renew memberships, the earliest; and how much later the last socket does it.
const REJOIN: Nanos = Nanos::from_secs(60);
const REJOIN_SPREAD_MS: u32 = 60_000;
/// If no datagram comes to hide behind, groups are renewed this much later.
const REJOIN_PATIENCE: Nanos = Nanos::from_secs(1);
/// If there is no moment in which nothing waits, groups are renewed this much later all the same.
const REJOIN_OVERDUE: Nanos = Nanos::from_secs(10);
/// When nothing has come for this long, groups are renewed for that reason; the next time after twice as long, and so on.
const SILENCE: Nanos = Nanos::from_secs(2);
/// Half a second of a stream of 64 channels at 96 kHz, which comes in packets of 1.5 KiB that the kernel counts as 2.3.
const RECEIVE_BUFFER: usize = 16 << 20;
/// A system that has less than this has a fault.
const SMALLEST_BUFFER: usize = 64 << 10;

/// The longest that UDP has: packets beyond an Ethernet frame come in fragments.
pub const LONGEST_DATAGRAM: usize = 65_536;

/// Datagrams that are taken from one socket before its thread looks at anything else.
pub(crate) const ROUND: usize = 64;

/// What a socket has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketStats {
    /// Datagrams that were taken.
    pub received: u64,
    /// Those among them that neither the card nor the kernel stamped.
    pub stamped_by_user_space: u64,
    /// Datagrams that the card should have stamped and did not, which were left out.
    pub unstamped: u64,
    /// Datagrams that the kernel dropped because this program did not read them in time.
    pub dropped: u64,
    /// Datagrams of other sources.
    pub other_source: u64,
    /// Datagrams of other groups on the same port; none where sockets are bound to their group.
    pub other_group: u64,
    /// Datagrams longer than the buffer.
    pub truncated: u64,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that could not be sent.
    pub send_errors: u64,
    /// Times that groups were renewed.
    pub rejoins: u64,
    /// The largest error that the conversion of a timestamp may have had.
    pub stamp_error: Nanos,
    /// Times that somebody set the system's clock, by which the kernel stamps.
    pub system_clock_steps: u64,
}

/// A datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Who sent it.
    pub(crate) source: SocketAddrV4,
    /// When it came.
    pub(crate) at: LocalTime,
}

/// A look at what has come.
#[derive(Debug)]
pub(crate) struct Round {
    /// Datagrams that were taken.
    pub(crate) taken: usize,
    /// Datagrams that were read, with those that were for others.
    pub(crate) read: usize,
    /// Whether others may wait.
    pub(crate) more: bool,
    /// What the socket had to say, such as an interface that went down; it may be used on.
    pub(crate) error: Option<io::Error>,
}

impl Round {
    /// Warns of the first error of media, and remembers that in `faulty`.
    pub(crate) fn warn_once(&self, faulty: &mut bool) {
        if let Some(error) = self.error.as_ref().filter(|_| !std::mem::replace(faulty, true)) {
            tracing::warn!("receiving media: {error}");
        }
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    config: SocketConfig,
    stamping: Stamping,
    rejoin_at: LocalTime,
    /// When something came last, or since when it is waited for.
    heard_at: LocalTime,
    /// Silence that is too long.
    silence: Nanos,
    /// Datagrams sent so far: the number of the next one.
    sent: u32,
    /// The number of the datagram that is the kernel's number 0.
    numbered_from: u32,
    /// Times of leaving that were told before the kernel began at 0 again.
    left: VecDeque<(u32, LocalTime)>,
    stats: SocketStats,
}

impl Socket {
    /// Opens, binds and joins.
    ///
    /// # Errors
    /// If the address or port is refused, or a group is none.
    pub fn open(config: SocketConfig) -> Result<Self> {
        if let Some(&group) = config.groups.iter().find(|group| !group.is_multicast()) {
            return Err(Error::NotMulticast(group));
        }
        let socket = bind(&config)?;
        let stamping = Stamping::enable(&socket, &config.interface, config.timestamps, config.transmit_timestamps);
        // Without it drops look like loss, which is told as well.
        let _ = platform::socket::count_drops(&socket);
        let mut opened = Self {
            socket,
            config,
            stamping,
            rejoin_at: LocalTime::ZERO,
            heard_at: clock::now(),
            silence: SILENCE,
            sent: 0,
            numbered_from: 0,
            left: VecDeque::new(),
            stats: SocketStats::default(),
        };
        opened.join()?;
        opened.schedule_rejoin(clock::now());
        Ok(opened)
    }

    /// Takes what has come, `most` datagrams at most, so that a flood keeps no thread from its other duties; those of other sources are left out. Renews the groups
    /// if that is due and nothing waits.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], most: usize, mut handle: impl FnMut(Received, &[u8])) -> Round {
        let mut round = Round { taken: 0, read: 0, more: true, error: None };
        for _ in 0..most {
            let datagram = match platform::socket::receive(&self.socket, buffer) {
                Ok(Some(datagram)) => datagram,
                end => {
                    round.more = false;
                    round.error = end.err();
                    break;
                }
            };
            round.read += 1;
            if let Some(received) = self.accept(&datagram, &buffer[..datagram.length]) {
                round.taken += 1;
                handle(received, &buffer[..datagram.length]);
            }
        }
        let now = clock::now();
        if round.taken > 0 {
            (self.heard_at, self.silence) = (now, SILENCE);
        }
        if !round.more || now >= self.rejoin_at + REJOIN_OVERDUE {
            self.renew(now, round.taken > 0);
        }
        round
    }

    /// Counts a datagram; `None` if it is not for us.
    fn accept(&mut self, datagram: &Datagram, bytes: &[u8]) -> Option<Received> {
        if let Some(drops) = datagram.drops {
            self.stats.dropped = u64::from(drops);
        }
        // Where a socket cannot be bound to its group, it hears the groups of others.
        let group = datagram.destination.filter(|destination| destination.is_multicast());
        if group.is_some_and(|group| !self.config.groups.contains(&group)) {
            self.stats.other_group += 1;
            return None;
        }
        if self.config.source.is_some_and(|source| source != *datagram.source.ip()) {
            self.stats.other_source += 1;
            return None;
        }
        if datagram.truncated {
            self.stats.truncated += 1;
            return None;
        }
        let at = match self.stamping.received(&self.socket, datagram, bytes) {
            Some(at) => at,
            None if self.stamping.in_use() == Timestamping::Hardware => {
                self.stats.unstamped += 1;
                return None;
            }
            None => {
                self.stats.stamped_by_user_space += 1;
                clock::now()
            }
        };
        self.stats.received += 1;
        Some(Received { source: datagram.source, at })
    }

    /// Sends a datagram; returns its number if the time at which it leaves will be told.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn send(&mut self, datagram: &[u8], to: SocketAddr) -> io::Result<Option<u32>> {
        if let Err(error) = self.socket.send_to(datagram, to) {
            self.stats.send_errors += 1;
            if self.stamping.tells_transmitted() {
                self.number_anew();
            }
            return Err(error);
        }
        self.stats.sent += 1;
        let number = self.sent;
        self.sent = self.sent.wrapping_add(1);
        if let SocketAddr::V4(to) = to {
            self.stamping.sent(&self.socket, *to.ip());
        }
        Ok(self.stamping.tells_transmitted().then_some(number))
    }

    /// A refused datagram has a number of the kernel's or has none, according to who refused it: so the kernel begins at 0 again.
    fn number_anew(&mut self) {
        while let Some(told) = self.next_transmitted() {
            self.left.push_back(told);
        }
        self.numbered_from = self.sent;
        self.stamping.restart_numbers(&self.socket);
    }

    /// The next datagram of which the time of leaving is known: its number and that time.
    pub fn poll_transmitted(&mut self) -> Option<(u32, LocalTime)> {
        if !self.stamping.tells_transmitted() {
            return None;
        }
        self.left.pop_front().or_else(|| self.next_transmitted())
    }

    fn next_transmitted(&mut self) -> Option<(u32, LocalTime)> {
        loop {
            let (number, stamps) = platform::socket::transmitted(&self.socket)?;
            // One from before the kernel began at 0 again, that was held up in a queue on its way out.
            if number >= self.sent.wrapping_sub(self.numbered_from) {
                continue;
            }
            if let Some(at) = self.stamping.transmitted(stamps) {
                return Some((self.numbered_from.wrapping_add(number), at));
            }
        }
    }

    /// Renews the memberships if that is due: best when all that was there has been read.
    fn renew(&mut self, now: LocalTime, just_received: bool) {
        let due = if just_received { self.rejoin_at } else { self.rejoin_at + REJOIN_PATIENCE };
        let silent = now.since(self.heard_at) >= self.silence;
        if self.config.groups.is_empty() || (now < due && !silent) {
            return;
        }
        if silent {
            self.silence = self.silence.times(2);
        }
        self.schedule_rejoin(now);
        self.stats.rejoins += 1;
        // Looked for first, because that takes time: between leaving and joining a packet may come.
        let found = self.find_interface();
        self.leave();
        if let Err(error) = found.and_then(|interface| self.rejoin(interface)) {
            // What was left is joined again as it was, as far as it can be.
            let _ = self.join();
            tracing::info!("a group could not be joined again, and is tried later: {error}");
        }
    }

    /// Where timestamps of what is received come from.
    #[must_use]
    pub const fn timestamping(&self) -> Timestamping {
        self.stamping.in_use()
    }

    /// Why no network card stamps, though it was asked for.
    #[must_use]
    pub const fn hardware_refusal(&self) -> Option<&Arc<str>> {
        self.stamping.refusal()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> SocketStats {
        let (stamp_error, system_clock_steps) = (self.stamping.worst(), self.stamping.system_clock_steps());
        SocketStats { stamp_error, system_clock_steps, ..self.stats }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// For sending many datagrams in one call.
    pub(crate) fn udp(&self) -> &UdpSocket {
        &self.socket
    }

    /// For [`crate::worker::Context::wait`].
    pub(crate) fn waitable(&self) -> platform::Waitable<'_> {
        platform::socket::waitable(&self.socket)
    }

    fn join(&self) -> Result<()> {
        let interface = &self.config.interface;
        for group in &self.config.groups {
            let socket = SockRef::from(&self.socket);
            let joined = match self.config.source {
                Some(source) => socket.join_ssm_v4(&source, group, &interface.address),
                None => socket.join_multicast_v4(group, &interface.address),
            };
            joined.map_err(Error::io(format!("cannot join {group} on {interface}")))?;
        }
        Ok(())
    }

    /// The interface may be another one by now, of the same name.
    fn find_interface(&self) -> Result<Interface> {
        let Interface { address, name, .. } = &self.config.interface;
        let same = Interface::find(Some(&address.to_string()));
        Ok(same.or_else(|_| Interface::find(Some(name)))?)
    }

    fn rejoin(&mut self, interface: Interface) -> Result<()> {
        self.config.interface = interface;
        let again = SockRef::from(&self.socket).set_multicast_if_v4(&self.config.interface.address);
        again.map_err(Error::io("cannot send by the interface"))?;
        self.join()?;
        if self.stamping.look_again(&self.socket, &self.config.interface, clock::now()) {
            self.numbered_from = self.sent;
        }
        Ok(())
    }

    fn leave(&self) {
        let interface = &self.config.interface;
        for group in &self.config.groups {
            let socket = SockRef::from(&self.socket);
            // Not a member is what leaving is for.
            let _ = match self.config.source {
                Some(source) => socket.leave_ssm_v4(&source, group, &interface.address),
                None => socket.leave_multicast_v4(group, &interface.address),
            };
        }
    }

    /// Spread by the clock's own digits, so that the sockets of a host do not all renew at once.
    fn schedule_rejoin(&mut self, now: LocalTime) {
        let spread_ms = (now.as_nanos() as u64 / 1_000 % u64::from(REJOIN_SPREAD_MS)) as i64;
        self.rejoin_at = now + REJOIN + Nanos::from_millis(spread_ms);
    }
}

fn bind(config: &SocketConfig) -> Result<UdpSocket> {
    let refused = Error::io("cannot set up a UDP socket");
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP));
    let socket = socket.and_then(|socket| set_up(&socket, config).map(|()| socket)).map_err(refused)?;
    let address = platform::socket::bind_address(config.bind);
    socket.bind(&SocketAddr::V4(address).into()).map_err(Error::bind(config.bind))?;
    Ok(socket.into())
}

fn set_up(socket: &socket2::Socket, config: &SocketConfig) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    platform::socket::keep_apart(socket)?;
    socket.set_multicast_if_v4(&config.interface.address)?;
    socket.set_multicast_loop_v4(config.multicast_loop)?;
    socket.set_multicast_ttl_v4(u32::from(config.ttl))?;
    socket.set_ttl_v4(u32::from(config.ttl))?;
    // DSCP is in the upper six bits.
    socket.set_tos_v4(u32::from(config.dscp) << 2)?;
    if config.share_port || !config.groups.is_empty() {
        // Several programs may hear the same group; a port of our own address is ours alone.
        platform::socket::share_port(socket)?;
    }
    if !config.groups.is_empty() {
        largest(RECEIVE_BUFFER, |size| socket.set_recv_buffer_size(size))?;
    }
    Ok(())
}

/// Sets a buffer's size. Linux cuts it to the system's limit (net.core.rmem_max) without an error; BSD refuses what is beyond its own (kern.ipc.maxsockbuf), and half as much is
/// tried.
fn largest(size: usize, set: impl Fn(usize) -> io::Result<()>) -> io::Result<()> {
    match set(size) {
        Err(_) if size > SMALLEST_BUFFER => largest(size / 2, set),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut buffer = [0; 64];
        for _ in 0..200 {
            let mut found = None;
            let round = socket.receive(&mut buffer, 1, |received, bytes| found = Some((bytes.to_vec(), received)));
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
        let mut round = |most| receiver.receive(&mut [0; 64], most, |_, _| panic!("it is of another source")).more;
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
        assert!(error.starts_with("10.0.0.1 is no multicast address"), "{error}");
        let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let busy = SocketConfig::receive(loopback(), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), None);
        let error = Socket::open(busy).unwrap_err().to_string();
        assert!(error.contains("is in use by a program that does not share it"), "{error}");
    }
}
