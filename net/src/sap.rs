//! Receives the announcements of other hosts, and sends our own.
//!
//! Model: a thread keeps an [`engine::announce::sap::Directory`] of the sessions that are announced
//! on an interface, and publishes them whenever one has changed. Our own announcements need no
//! thread, because they are rare: the sender of a stream calls [`SapAnnouncer::advance`] from time
//! to time.

use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::socket::{Inbox, ROUND, Socket, SocketConfig};
use crate::worker::{Context, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::announce::sap::{
    Announcer, AnnouncerConfig, Directory, DirectoryStats, Entry, GROUPS, PORT, SapEvent, SessionKey,
};
use engine::{LocalTime, Nanos};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Maximum length of a datagram, which is more than the longest description and its header.
const LONGEST_DATAGRAM: usize = 20 * 1024;
/// Maximum number of events that wait to be polled.
const MAX_EVENTS: usize = 4096;
/// TTL of announcements, the same as other announcers use.
const TTL: u8 = 255;

/// All current announcements, ordered by their keys.
pub type Sessions = Vec<(SessionKey, Entry)>;

/// Receives the announcements on an interface. Ends when it is dropped.
#[derive(Debug)]
pub struct SapListener {
    sessions: Arc<ArcSwap<(Sessions, DirectoryStats)>>,
    events: Receiver<SapEvent>,
    _worker: Worker,
}

impl SapListener {
    /// Begins to listen on all usual groups.
    ///
    /// # Errors
    /// If the port is refused.
    pub fn start(interface: &Interface) -> Result<Self> {
        Self::with_groups(interface, &[], &[])
    }

    /// Like [`SapListener::start`], but listens on additional groups, too, for example in a network
    /// that uses its own scopes. If `sources` are given, only announcements from these addresses
    /// are accepted.
    ///
    /// # Errors
    /// If the port is refused, or an address is not a group.
    pub fn with_groups(interface: &Interface, more: &[Ipv4Addr], sources: &[Ipv4Addr]) -> Result<Self> {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT);
        let receive = SocketConfig::receive(interface.clone(), any, None);
        let mut groups = GROUPS.to_vec();
        groups.extend(more.iter().filter(|group| !GROUPS.contains(group)));
        groups.dedup();
        let socket = Socket::open(SocketConfig { groups, ..receive })?;
        let (tell, events) = sync_channel(MAX_EVENTS);
        let sessions = Arc::new(ArcSwap::default());
        let publish = Arc::clone(&sessions);
        let sources = sources.to_vec();
        let hear = move |context: &Context| listen(context, socket, &sources, &publish, &tell);
        let worker = Worker::spawn("sap", Urgency::Normal, hear)?;
        Ok(Self { sessions, events, _worker: worker })
    }

    /// The current announcements.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        self.sessions.load().0.clone()
    }

    /// The current announcements, without copying them, and the counters.
    #[must_use]
    pub fn snapshot(&self) -> Arc<(Sessions, DirectoryStats)> {
        self.sessions.load_full()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> DirectoryStats {
        self.sessions.load().1
    }

    /// The next change that has not been polled yet. [`SapListener::sessions`] already includes
    /// this change.
    #[must_use]
    pub fn poll_event(&self) -> Option<SapEvent> {
        self.events.try_recv().ok()
    }
}

fn listen(
    context: &Context,
    mut socket: Socket,
    sources: &[Ipv4Addr],
    sessions: &ArcSwap<(Sessions, DirectoryStats)>,
    tell: &SyncSender<SapEvent>,
) {
    let mut directory = Directory::default();
    let mut inbox = Inbox::new(LONGEST_DATAGRAM);
    while !context.is_stopping() {
        // Socket errors are ignored, because they are temporary, and announcements are repeated.
        let round = socket.receive(&mut inbox, ROUND, |received, datagram| {
            if !sources.is_empty() && !sources.contains(received.source.ip()) {
                return;
            }
            let from = IpAddr::V4(*received.source.ip());
            if let Err(refusal) = directory.handle_datagram(received.at, from, datagram) {
                tracing::debug!("announcement of {from} refused: {refusal}");
            }
        });
        directory.handle_timeout(round.until);
        let events: Vec<SapEvent> = std::iter::from_fn(|| directory.poll_event()).collect();
        if round.taken > 0 || !events.is_empty() {
            let all = directory.sessions().map(|(key, entry)| (key.clone(), entry.clone())).collect();
            sessions.store(Arc::new((all, *directory.stats())));
        }
        for event in events {
            if let SapEvent::Crowded(crowd) = &event {
                tracing::warn!("{crowd}");
            }
            if matches!(tell.try_send(event), Err(TrySendError::Full(_))) {
                tracing::debug!("nobody takes the changes of announcements");
            }
        }
        context.wait(&[socket.waitable()], [directory.poll_timeout()]);
    }
}

/// Announces one session.
#[derive(Debug)]
pub struct SapAnnouncer {
    socket: Socket,
    config: AnnouncerConfig,
    announcer: Announcer,
}

impl SapAnnouncer {
    /// Creates an announcer without a session. `interval` is the shortest base interval, 30 s by
    /// convention.
    ///
    /// # Errors
    /// If a socket is refused.
    pub fn new(interface: &Interface, interval: Nanos, seed: u64) -> Result<Self> {
        Self::to_groups(interface, interval, seed, &[])
    }

    /// Like [`SapAnnouncer::new`], for groups other than the one used by AES67 and Dante.
    ///
    /// # Errors
    /// If a socket is refused, or an address is not a group.
    pub fn to_groups(interface: &Interface, interval: Nanos, seed: u64, groups: &[Ipv4Addr]) -> Result<Self> {
        if let Some(&group) = groups.iter().find(|group| !group.is_multicast()) {
            return Err(Error::NotMulticast(group));
        }
        let socket = Socket::open(SocketConfig { dscp: 0, ttl: TTL, ..SocketConfig::send(interface.clone()) })?;
        let mut config = AnnouncerConfig::new(IpAddr::V4(interface.address), seed);
        if !groups.is_empty() {
            config.destinations = groups.iter().map(|&group| (group, PORT).into()).collect();
        }
        config.minimum_interval = interval;
        Ok(Self { socket, announcer: Announcer::new(config.clone()), config })
    }

    /// Announces a description: immediately if it is new, and again when a repetition is due.
    pub fn advance(&mut self, now: LocalTime, sdp: &str) {
        self.follow_interface(now);
        self.announcer.announce(now, sdp);
        self.announcer.handle_timeout(now);
        self.transmit();
    }

    /// Withdraws the session before its stream ends.
    pub fn withdraw(&mut self) {
        self.announcer.withdraw();
        self.transmit();
    }

    /// Announces again if the address of the interface has changed. Announcements from the earlier
    /// address can no longer be withdrawn.
    fn follow_interface(&mut self, now: LocalTime) {
        self.socket.attend(now);
        let address = IpAddr::V4(self.socket.interface().address);
        if address != self.config.origin {
            self.config.origin = address;
            self.announcer = Announcer::new(self.config.clone());
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.announcer.poll_transmit() {
            if let Err(error) = self.socket.send(&transmit.datagram, transmit.destination) {
                tracing::warn!("announcing to {}: {error}", transmit.destination);
            }
        }
    }
}

impl Drop for SapAnnouncer {
    fn drop(&mut self) {
        self.withdraw();
    }
}
