//! UDP sockets for audio networks.
//!
//! Model: a socket belongs to one interface. It accepts only datagrams to its own groups, and only
//! those from the configured source, if there is one. For this purpose, `IP_MULTICAST_ALL` is off:
//! otherwise, a Linux socket would also receive groups that any other program on the host has
//! joined on any interface.
//!
//! If the network has no IGMP querier, switches forget a group after about 260 s unless its
//! membership is renewed. So groups are left and joined again every 60 to 120 s. Packets that
//! arrive between the two calls would be lost. So the calls are made within about 20 us, directly
//! after a datagram has been read and no other datagram is waiting: the next one is then most of a
//! packet time away. If nothing arrives at all, groups are renewed sooner, because an interface
//! that was taken down and came back may have lost its memberships; these renewals become less and
//! less frequent.
//!
//! An interface may get another address, or be removed and created again. A socket that was bound
//! to the old address, or that sends through the old interface, would no longer work. So the socket
//! checks whether its interface has changed (see `interface::watch`). If it has, or if sending
//! fails, attempts are made to set the socket up again until one succeeds: at once, after 0.1 s,
//! and then at intervals that double up to 2 s.
//!
//! A process may be stalled while the kernel keeps receiving datagrams for it. When the process
//! resumes, each of these datagrams has its correct arrival time, and `Round::until` is the time up
//! to which all datagrams have been taken: later ones may still be waiting.

mod config;
mod recovery;
mod stamping;

pub use config::{DSCP_AF41, DSCP_EF, SocketConfig, Timestamping};

use crate::clock::{self, Look};
use crate::error::{Error, Result};
use crate::interface::{Interface, Watch};
pub(crate) use crate::platform::batch::Inbox;
use crate::platform::{self, Datagram, batch};
use engine::{LocalTime, Nanos};
use recovery::Recovery;
use socket2::{Domain, Protocol, SockRef, Type};
use stamping::Stamping;
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

/// Time after which memberships are renewed at the earliest, and the largest random addition to it,
/// ms.
const REJOIN: Nanos = Nanos::from_secs(60);
const REJOIN_SPREAD_MS: u32 = 60_000;
/// If no suitable moment occurs (directly after a datagram, with none waiting), groups are renewed
/// this much later.
const REJOIN_PATIENCE: Nanos = Nanos::from_secs(1);
/// If datagrams are waiting all the time, groups are renewed this much later in any case.
const REJOIN_OVERDUE: Nanos = Nanos::from_secs(10);
/// Silence after which groups are renewed for the first time; the time then doubles with each
/// renewal.
const SILENCE: Nanos = Nanos::from_secs(2);
/// Receive buffer of a socket, bytes: half a second of a 64-channel stream at 96 kHz, whose 1.5 KiB
/// packets count as 2.3 KiB in the kernel.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Smallest acceptable receive buffer, bytes. If the system refuses a request of this size, the
/// socket cannot be opened.
const SMALLEST_BUFFER: usize = 64 << 10;

/// Maximum length of a UDP datagram, bytes. Datagrams that do not fit in an Ethernet frame are sent
/// in fragments.
pub const LONGEST_DATAGRAM: usize = 65_536;

/// Maximum number of datagrams that are taken from one socket before its thread does anything else.
pub(crate) const ROUND: usize = 64;

/// The counters of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Number of datagrams that were accepted.
    pub received: u64,
    /// How many of these neither the card nor the kernel stamped.
    pub stamped_by_user_space: u64,
    /// Number of datagrams that the card should have stamped but did not; they are ignored.
    pub unstamped: u64,
    /// Number of datagrams that the kernel dropped because this program did not read them in time.
    pub dropped: u64,
    /// Number of datagrams from other sources.
    pub other_source: u64,
    /// Number of datagrams to other groups on the same port; 0 on systems where sockets are bound
    /// to their group.
    pub other_group: u64,
    /// Number of datagrams to the same group that arrived on another interface; 0 on systems that
    /// do not deliver them.
    pub other_interface: u64,
    /// Number of datagrams that were longer than the buffer.
    pub truncated: u64,
    /// Number of datagrams that were sent.
    pub sent: u64,
    /// Number of datagrams that could not be sent.
    pub send_errors: u64,
    /// How often groups were renewed.
    pub rejoins: u64,
    /// The largest possible error of a timestamp conversion so far.
    pub stamp_error: Nanos,
    /// How often somebody set the system clock, with which the kernel stamps.
    pub system_clock_steps: u64,
}

/// Sender and arrival time of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// The datagram's sender.
    pub(crate) source: SocketAddrV4,
    /// When the datagram arrived.
    pub(crate) at: LocalTime,
}

/// The result of reading datagrams from a socket.
#[derive(Debug)]
pub(crate) struct Round {
    /// Number of datagrams that were accepted.
    pub(crate) taken: usize,
    /// Number of datagrams that were read, including those that were not accepted.
    pub(crate) read: usize,
    /// Whether more datagrams may be waiting.
    pub(crate) more: bool,
    /// All datagrams that arrived before this time have been taken.
    pub(crate) until: LocalTime,
    /// A socket error, such as an interface that went down. The socket remains usable.
    pub(crate) error: Option<io::Error>,
}

impl Round {
    /// Logs a warning for the first error of a media socket, and records in `faulty` that it did.
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
    /// When the last datagram arrived, or since when one has been awaited.
    heard_at: LocalTime,
    /// Silence after which groups are renewed.
    silence: Nanos,
    /// Number of datagrams sent so far, which is also the number of the next one.
    sent: u32,
    /// The number of the datagram to which the kernel gives the number 0.
    numbered_from: u32,
    /// Departure times that were reported before the kernel restarted its numbering at 0.
    left: VecDeque<(u32, LocalTime)>,
    /// Times up to which all arrivals and all departure times have been taken.
    taken_until: LocalTime,
    told_until: LocalTime,
    recovery: Recovery,
    stats: SocketStats,
}

impl Socket {
    /// Opens and binds the socket, and joins its groups.
    ///
    /// # Errors
    /// If the address or port is refused, or an address is not a group.
    pub fn open(config: SocketConfig) -> Result<Self> {
        if let Some(&group) = config.groups.iter().find(|group| !group.is_multicast()) {
            return Err(Error::NotMulticast(group));
        }
        let socket = bind(&config)?;
        let stamping = Stamping::enable(&socket, &config.interface, config.timestamps, config.transmit_timestamps);
        let now = clock::now();
        let mut opened = Self {
            socket,
            config,
            stamping,
            rejoin_at: LocalTime::ZERO,
            heard_at: now,
            silence: SILENCE,
            sent: 0,
            numbered_from: 0,
            left: VecDeque::new(),
            taken_until: now,
            told_until: now,
            recovery: Recovery::new(Watch::shared()?),
            stats: SocketStats::default(),
        };
        opened.join()?;
        opened.schedule_rejoin(now);
        Ok(opened)
    }

    /// Reads at most `most` datagrams, so that a flood does not keep the thread from its other
    /// tasks, and passes the accepted ones to `handle`. Renews the memberships if that is due,
    /// preferably while no datagram is waiting.
    pub(crate) fn receive(&mut self, inbox: &mut Inbox, most: usize, mut handle: impl FnMut(Received, &[u8])) -> Round {
        let looked_at = clock::now();
        let mut round = Round { taken: 0, read: 0, more: true, until: self.taken_until, error: None };
        while round.more && round.read < most {
            let wanted = (most - round.read).min(Inbox::CAPACITY);
            let count = inbox.receive(&self.socket, wanted).unwrap_or_else(|error| {
                round.error = Some(error);
                0
            });
            round.more = count == wanted;
            round.read += count;
            let look = Look::now();
            for (datagram, bytes) in (0..count).filter_map(|index| inbox.datagram(index)) {
                let Some(received) = self.accept(&datagram, bytes, &look) else { continue };
                round.taken += 1;
                // Stamps from several interfaces, or from a clock that was set, may be out of
                // order.
                round.until = received.at.clamp(round.until, looked_at.max(round.until));
                handle(received, bytes);
            }
        }
        if !round.more {
            round.until = looked_at;
        }
        self.taken_until = round.until;
        let now = clock::now();
        if round.taken > 0 {
            (self.heard_at, self.silence) = (now, SILENCE);
        }
        self.attend(now);
        if !round.more || now >= self.rejoin_at + REJOIN_OVERDUE {
            self.renew(now, round.taken > 0);
        }
        round
    }

    /// Whether a datagram to a group arrived on another interface, on systems where a socket
    /// receives groups from all interfaces.
    fn came_by_another(&self, index: Option<u32>) -> bool {
        let Some(index) = index.filter(|&index| index != self.config.interface.index) else { return false };
        platform::socket::HEARS_ALL_INTERFACES && is_another(index, &self.recovery.interfaces())
    }

    /// Counts a datagram; `None` if it is not for us.
    fn accept(&mut self, datagram: &Datagram, bytes: &[u8], look: &Look) -> Option<Received> {
        if let Some(drops) = datagram.drops {
            self.stats.dropped = u64::from(drops);
        }
        // On systems where a socket cannot be bound to its group, it also receives the groups of
        // other sockets.
        let group = datagram.destination.filter(|destination| destination.is_multicast());
        if group.is_some_and(|group| !self.config.groups.contains(&group)) {
            self.stats.other_group += 1;
            return None;
        }
        if group.is_some() && self.came_by_another(datagram.interface) {
            self.stats.other_interface += 1;
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
        let waited = look.at().since(self.taken_until);
        let at = match self.stamping.received(&self.socket, datagram, bytes, waited, look) {
            Some(at) => at,
            None if self.stamping.in_use() == Timestamping::Hardware => {
                self.stats.unstamped += 1;
                return None;
            }
            None => {
                self.stats.stamped_by_user_space += 1;
                look.at()
            }
        };
        self.stats.received += 1;
        Some(Received { source: datagram.source, at })
    }

    /// Sends a datagram. Returns its number if its departure time will be reported.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn send(&mut self, datagram: &[u8], to: SocketAddr) -> io::Result<Option<u32>> {
        if let Err(error) = self.socket.send_to(datagram, to) {
            self.stats.send_errors += 1;
            self.recovery.failed(clock::now());
            if self.stamping.tells_transmitted() {
                self.number_anew();
            }
            return Err(error);
        }
        self.stats.sent += 1;
        self.recovery.sent();
        let number = self.sent;
        self.sent = self.sent.wrapping_add(1);
        if let SocketAddr::V4(to) = to {
            self.stamping.sent(&self.socket, *to.ip());
        }
        Ok(self.stamping.tells_transmitted().then_some(number))
    }

    /// Sends many datagrams in order, without departure times. Returns, for each datagram that the
    /// system refused, the error.
    pub(crate) fn send_all(&mut self, datagrams: &[(&[u8], SocketAddrV4)]) -> Vec<Option<io::Error>> {
        let refused = batch::send(&self.socket, datagrams);
        let errors = refused.iter().flatten().count() as u64;
        self.stats.send_errors += errors;
        self.stats.sent += refused.len() as u64 - errors;
        match refused.last() {
            Some(Some(_)) => self.recovery.failed(clock::now()),
            Some(None) => self.recovery.sent(),
            None => {}
        }
        refused
    }

    /// Makes the kernel restart its numbering at 0 after a refused datagram, because it is unknown
    /// whether the refused datagram has used a number.
    fn number_anew(&mut self) {
        while let Some(told) = self.next_transmitted() {
            self.left.push_back(told);
        }
        self.numbered_from = self.sent;
        self.stamping.restart_numbers(&self.socket);
    }

    /// The number and departure time of the next datagram whose departure has been reported.
    pub fn poll_transmitted(&mut self) -> Option<(u32, LocalTime)> {
        if !self.stamping.tells_transmitted() {
            return None;
        }
        self.left.pop_front().or_else(|| self.next_transmitted())
    }

    fn next_transmitted(&mut self) -> Option<(u32, LocalTime)> {
        loop {
            let looked_at = clock::now();
            let Some((number, stamps)) = platform::socket::transmitted(&self.socket) else {
                self.told_until = looked_at;
                return None;
            };
            // This datagram was sent before the numbering was restarted, and was delayed in a
            // queue.
            if number >= self.sent.wrapping_sub(self.numbered_from) {
                continue;
            }
            if let Some(at) = self.stamping.transmitted(stamps, looked_at.since(self.told_until)) {
                return Some((self.numbered_from.wrapping_add(number), at));
            }
        }
    }

    /// Renews the memberships if that is due, preferably when no datagram is waiting.
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
        self.set_up_anew();
    }

    /// The origin of received timestamps.
    #[must_use]
    pub const fn timestamping(&self) -> Timestamping {
        self.stamping.in_use()
    }

    /// Why the network card does not stamp datagrams, although that was requested.
    #[must_use]
    pub const fn hardware_refusal(&self) -> Option<&Arc<str>> {
        self.stamping.refusal()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> SocketStats {
        let (stamp_error, system_clock_steps) = (self.stamping.worst(), self.stamping.system_clock_steps());
        SocketStats { stamp_error, system_clock_steps, ..self.stats }
    }

    /// The address to which the socket is bound.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The socket in the form that [`crate::worker::Context::wait`] needs.
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

    fn leave(&self) {
        let interface = &self.config.interface;
        for group in &self.config.groups {
            let socket = SockRef::from(&self.socket);
            // Leaving fails only if the socket is not a member, which is the desired state.
            let _ = match self.config.source {
                Some(source) => socket.leave_ssm_v4(&source, group, &interface.address),
                None => socket.leave_multicast_v4(group, &interface.address),
            };
        }
    }

    /// Schedules the next renewal, with a delay that is derived from the digits of the clock, so
    /// that the sockets on a host do not all renew at the same time.
    fn schedule_rejoin(&mut self, now: LocalTime) {
        let spread_ms = (now.as_nanos() as u64 / 1_000 % u64::from(REJOIN_SPREAD_MS)) as i64;
        self.rejoin_at = now + REJOIN + Nanos::from_millis(spread_ms);
    }
}

/// Whether the index of an interface other than the socket's belongs to another network. Loopback
/// does not, because the system may report it for datagrams that this host sends.
fn is_another(index: u32, all: &[Interface]) -> bool {
    all.iter().any(|interface| interface.index == index && !interface.loopback)
}

fn bind(config: &SocketConfig) -> Result<UdpSocket> {
    let refused = Error::io("cannot set up a UDP socket");
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP));
    let socket = socket.and_then(|socket| set_up(&socket, config).map(|()| socket)).map_err(refused)?;
    let address = platform::socket::bind_address(config.bind);
    socket.bind(&SocketAddr::V4(address).into()).map_err(Error::bind(config.bind))?;
    let socket = socket.into();
    // Without this count, dropped datagrams count as lost packets, which are reported as well.
    let _ = platform::socket::count_drops(&socket);
    Ok(socket)
}

fn set_up(socket: &socket2::Socket, config: &SocketConfig) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    platform::socket::keep_apart(socket)?;
    socket.set_multicast_if_v4(&config.interface.address)?;
    socket.set_multicast_loop_v4(config.multicast_loop)?;
    socket.set_multicast_ttl_v4(u32::from(config.ttl))?;
    socket.set_ttl_v4(u32::from(config.ttl))?;
    // The DSCP is in the upper six bits.
    socket.set_tos_v4(u32::from(config.dscp) << 2)?;
    if config.share_port || !config.groups.is_empty() {
        // Several programs may receive the same group, but a port on our own address is not shared.
        platform::socket::share_port(socket)?;
    }
    if !config.groups.is_empty() {
        largest(RECEIVE_BUFFER, |size| socket.set_recv_buffer_size(size))?;
    }
    Ok(())
}

/// Sets a buffer to the largest possible size up to `size`. Linux limits the size to
/// net.core.rmem_max without an error. BSD refuses sizes beyond kern.ipc.maxsockbuf, so half the
/// size is tried next.
fn largest(size: usize, set: impl Fn(usize) -> io::Result<()>) -> io::Result<()> {
    match set(size) {
        Err(_) if size > SMALLEST_BUFFER => largest(size / 2, set),
        end => end,
    }
}

#[cfg(test)]
mod tests;
