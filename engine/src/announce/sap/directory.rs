//! The directory of the sessions that other hosts announce.
//!
//! Model: a session belongs to its announcer ([`SessionKey`]), so that no host can change or
//! withdraw another host's session. An announcement that equals the last one byte for byte only
//! shows that the session is still alive. An equal hash does not show this, because some devices
//! never change their hash. A deletion is accepted only from the session's own announcer. If that
//! announcer has several sessions with the same `o=` line, the hash or, failing that, the stream's
//! address determines which one ends.
//!
//! At most [`MAX_SESSIONS`] sessions are kept. A flood of announcements displaces sessions
//! announced from the same address, and other sessions that are equally new; see [`room`]. A
//! session is *confirmed* when it is heard again at least a second later. The first
//! [`room::GUARANTEED`] confirmed sessions of each address are never displaced. A flood is reported
//! once, with the address that announces most ([`SapEvent::Crowded`]).
//!
//! A proxy announces for others: its datagrams come from its own address, and the originating
//! source in their header is another host (RFC 2974, 6). Its announcement is treated as a separate
//! session, alongside the one that the host itself announces. It cannot change or withdraw the
//! host's session, because only the address of a datagram shows who sent it. Users can see whether
//! the two sessions agree.
//!
//! A session that is no longer announced is removed. RFC 2974 (4) specifies a timeout of ten
//! intervals, but at least an hour. Streams that have ended would then be displayed for another
//! hour, so the hour applies only to sessions that have been announced once; for all others, the
//! interval is known, and the timeout is ten intervals.

mod heard_once;
mod room;

use super::session::{Host, SessionKey, SessionName, place};
use super::wire::{SapError, SapPacket};
use crate::announce::sdp::{Description, Finding};
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos};
use heard_once::{CONFIRMED_AFTER, HeardOnce};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// Maximum number of sessions that are remembered: enough for several large installations. Together
/// with [`crate::announce::sdp::MAX_TEXT`], this bounds the memory; in practice, a session takes 1
/// KiB.
const MAX_SESSIONS: usize = 1024;
/// Maximum number of events that wait in the queue. If events have been dropped,
/// [`Directory::sessions`] still returns the current state.
const MAX_EVENTS: usize = 1024;
/// Number of intervals without an announcement after which a session is removed (RFC 2974, 4).
const SILENT_INTERVALS: i64 = 10;
/// Shortest and longest silence after which a session is removed: 90 s as in PipeWire, because
/// multicast may lose several packets in a row, and one hour as in RFC 2974.
const SHORTEST_TIMEOUT: Nanos = Nanos::from_secs(90);
const LONGEST_TIMEOUT: Nanos = Nanos::from_secs(3600);

/// Maximum number of refusals that are reported, in total and per host. Each reason is reported
/// once per host; further refusals are only counted.
const MAX_REFUSALS: usize = 256;
const MAX_REFUSALS_OF_HOST: usize = 16;

/// An announced session.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The description.
    pub description: Description,
    /// The faults of the description.
    pub findings: Vec<Finding>,
    /// The host that announces it: the source address of its datagrams.
    pub from: IpAddr,
    /// When it was first announced.
    pub first_heard_at: LocalTime,
    /// The hash and text of the last announcement.
    hash: u16,
    text: Vec<u8>,
    heard_at: LocalTime,
    /// Slowly decaying maximum of the intervals between announcements; `None` before the second
    /// announcement.
    interval: Option<Nanos>,
    confirmed: bool,
}

impl Entry {
    /// Whether it has been announced more than once.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The description as it was announced, byte for byte.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the host in the `o=` line announces the session itself, rather than a proxy or an
    /// impostor. `None` if that line does not contain a host address.
    #[must_use]
    pub fn is_announced_by_its_origin(&self) -> Option<bool> {
        let address: IpAddr = self.description.origin.address.parse().ok()?;
        let is_of_a_host = !(address.is_unspecified() || address.is_loopback() || address.is_multicast());
        is_of_a_host.then_some(address == self.from)
    }

    /// The time at which the session will be removed unless it is announced again.
    fn expires_at(&self) -> LocalTime {
        let timeout = self.interval.map_or(LONGEST_TIMEOUT, |interval| interval.times(SILENT_INTERVALS));
        self.heard_at + timeout.clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
    }

    /// Records another announcement.
    fn hear(&mut self, now: LocalTime) {
        let interval = now.since(self.heard_at);
        // A lost announcement makes one interval too long, which the decay corrects gradually. An
        // announcement to two groups is received twice, which makes every other interval too short,
        // so the maximum is used.
        let remembered = self.interval.map_or(Nanos::ZERO, |longest| Nanos::new(longest.as_nanos() / 8 * 7));
        self.interval = Some(interval.max(remembered));
        self.confirmed |= now.since(self.first_heard_at) >= CONFIRMED_AFTER;
        self.heard_at = now;
    }
}

/// The sessions with this name, the most likely one first. Sessions of the host that was heard
/// first come first, so that nobody can take over the name of an existing session. Among the
/// sessions of one host, the newest comes first, because a device that has restarted may not have
/// withdrawn its old session. A session that is announced by the host in its `o=` line precedes
/// another host's announcement of the same session.
#[must_use]
pub fn named<'a>(entries: impl Iterator<Item = &'a Entry>, name: &str) -> Vec<&'a Entry> {
    let mut all: Vec<&Entry> = entries.filter(|entry| entry.description.name == name).collect();
    let mut since: BTreeMap<IpAddr, LocalTime> = BTreeMap::new();
    for entry in &all {
        let first = since.entry(entry.from).or_insert(entry.first_heard_at);
        *first = (*first).min(entry.first_heard_at);
    }
    let session = |entry: &Entry| SessionName::of(&entry.description.origin);
    let by_origin = all.iter().filter(|entry| entry.is_announced_by_its_origin() == Some(true));
    let by_origin: BTreeSet<SessionName> = by_origin.map(|entry| session(entry)).collect();
    let is_contradicted =
        |entry: &Entry| entry.is_announced_by_its_origin() == Some(false) && by_origin.contains(&session(entry));
    all.sort_by_cached_key(|entry| {
        (is_contradicted(entry), since.get(&entry.from).copied(), entry.from, Reverse(entry.first_heard_at))
    });
    all
}

/// Why a session was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// The host has withdrawn the session.
    Deleted,
    /// The session has not been announced for this long.
    Silent(Nanos),
    /// There was no room for the session.
    Crowded,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("its host has withdrawn it"),
            Self::Silent(length) => write!(f, "it was not announced for {length}"),
            Self::Crowded => f.write_str("there are too many, and it was announced once only"),
        }
    }
}

/// A change in the directory. [`Directory::get`] returns the session itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SapEvent {
    /// A session is announced for the first time.
    Added(SessionKey),
    /// The description of a session has changed.
    Updated(SessionKey),
    /// A session has been removed.
    Removed {
        /// Its key.
        key: SessionKey,
        /// Its name.
        name: String,
        /// The reason.
        reason: Removal,
    },
    /// An announcement was invalid; reported once for each host and reason.
    Refused {
        /// Its sender.
        from: IpAddr,
        /// The reason.
        reason: SapError,
    },
    /// There are more sessions than the directory can hold; reported once until there is room
    /// again.
    Crowded(Crowd),
}

/// A flood of announcements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// The number of known sessions.
    pub sessions: usize,
    /// How many of these sessions have been announced only once.
    pub unconfirmed: usize,
    /// The number of addresses that announce these sessions.
    pub addresses: usize,
    /// The address that announces the most sessions, and their number.
    pub most: (IpAddr, usize),
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, unconfirmed, addresses, most: (from, count) } = self;
        write!(
            f,
            "{sessions} sessions are announced, which is all there is room for: {count} by {from}, {unconfirmed} only once, \
             by {addresses} addresses in all. What is announced only once makes room for others"
        )
    }
}

/// Counts of datagrams and sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryStats {
    /// Valid announcements and deletions.
    pub understood: u64,
    /// Invalid datagrams; see [`SapError`].
    pub refused: u64,
    /// Deletions of unknown sessions, or of other hosts' sessions.
    pub idle_deletions: u64,
    /// Sessions that were removed or refused because there was no room.
    pub crowded_out: u64,
}

/// The current sessions of other hosts.
///
/// ```
/// use engine::LocalTime;
/// use engine::announce::sap::{Directory, SapEvent, SapPacket};
/// let mut directory = Directory::default();
/// let text = b"v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=Studio\r\nt=0 0\r\nm=audio 5004 RTP/AVP 11\r\nc=IN IP4 239.69.0.1/32\r\n";
/// let origin = [192, 0, 2, 1].into();
/// let packet = SapPacket { deletion: false, hash: 1, origin, payload: text.into() };
/// directory.handle_datagram(LocalTime::ZERO, packet.origin, &packet.emit())?;
/// let Some(SapEvent::Added(key)) = directory.poll_event() else { panic!() };
/// assert_eq!(directory.get(&key).unwrap().description.name, "Studio");
/// # Ok::<(), engine::announce::sap::SapError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Directory {
    sessions: BTreeMap<SessionKey, Entry>,
    events: EventQueue<SapEvent, MAX_EVENTS>,
    /// Refusals that have been reported, as text.
    refusals: BTreeSet<(IpAddr, String)>,
    stats: DirectoryStats,
    heard_once: HeardOnce,
    is_crowded: bool,
}

impl Directory {
    /// Handles a datagram from the host `from` that was received at `now`.
    ///
    /// # Errors
    /// If the datagram is invalid, or if there is no room for its session. Then no session is added
    /// or changed, and the refusal is counted. It may also be reported as [`SapEvent::Refused`].
    pub fn handle_datagram(&mut self, now: LocalTime, from: IpAddr, datagram: &[u8]) -> Result<(), SapError> {
        let taken = SapPacket::parse(datagram).and_then(|packet| self.take(now, from, &packet));
        match &taken {
            Ok(()) => self.stats.understood += 1,
            Err(reason) => {
                self.stats.refused += 1;
                self.tell_refusal(from, reason);
            }
        }
        taken
    }

    fn tell_refusal(&mut self, from: IpAddr, reason: &SapError) {
        let of_host = self.refusals.iter().filter(|(host, _)| *host == from).count();
        let has_room = self.refusals.len() < MAX_REFUSALS && of_host < MAX_REFUSALS_OF_HOST;
        if has_room && self.refusals.insert((from, reason.to_string())) {
            self.events.push(SapEvent::Refused { from, reason: reason.clone() });
        }
    }

    /// Removes the sessions that have been silent for too long at `now`.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        let silent = self.sessions.iter().filter(|(_, entry)| entry.expires_at() <= now);
        let silent: Vec<_> = silent.map(|(key, entry)| (key.clone(), now.since(entry.heard_at))).collect();
        for (key, length) in silent {
            self.remove(key, Removal::Silent(length));
        }
    }

    /// When [`Directory::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.sessions.values().map(Entry::expires_at).min()
    }

    /// Removes and returns the next event.
    pub fn poll_event(&mut self) -> Option<SapEvent> {
        self.events.pop()
    }

    /// All sessions, ordered by their keys.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionKey, &Entry)> {
        self.sessions.iter()
    }

    /// The session with this key.
    #[must_use]
    pub fn get(&self, key: &SessionKey) -> Option<&Entry> {
        self.sessions.get(key)
    }

    /// The number of announced sessions, which determines the interval of our own announcements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Counts of datagrams and sessions.
    #[must_use]
    pub const fn stats(&self) -> &DirectoryStats {
        &self.stats
    }

    fn take(&mut self, now: LocalTime, from: IpAddr, packet: &SapPacket<'_>) -> Result<(), SapError> {
        let host = Host { from, origin: packet.origin };
        if packet.deletion {
            self.delete(host, packet);
            return Ok(());
        }
        let parsed = Description::parse(&packet.payload)?;
        let session = SessionName::of(&parsed.description.origin);
        if let Some(key) = self.find(host, &session, &parsed.description)
            && let Some(entry) = self.sessions.get_mut(&key)
        {
            entry.hear(now);
            entry.hash = packet.hash;
            if entry.text != *packet.payload {
                entry.text = packet.payload.to_vec();
                (entry.description, entry.findings) = (parsed.description, parsed.findings);
                self.events.push(SapEvent::Updated(key));
            }
            return Ok(());
        }
        // The session may have been removed for lack of room, and may now be announced again.
        let fingerprint = HeardOnce::fingerprint(from, &packet.payload);
        let confirmed = self.heard_once.knows(now, fingerprint);
        self.make_room().inspect_err(|_| self.heard_once.note(fingerprint, now))?;
        let entry = Entry {
            description: parsed.description,
            findings: parsed.findings,
            from,
            first_heard_at: now,
            hash: packet.hash,
            text: packet.payload.to_vec(),
            heard_at: now,
            interval: None,
            confirmed,
        };
        let taken: BTreeSet<u16> = self.of(host, &session).map(|(key, _)| key.number()).collect();
        // There is always a free number, because there are fewer sessions than numbers.
        let number = (0..=u16::MAX).find(|number| !taken.contains(number)).unwrap_or(0);
        let key = SessionKey::new(host, session, number);
        self.sessions.insert(key.clone(), entry);
        self.events.push(SapEvent::Added(key));
        Ok(())
    }

    /// The sessions with the same `o=` line from the same announcer.
    fn of(&self, host: Host, session: &SessionName) -> impl Iterator<Item = (&SessionKey, &Entry)> {
        let [first, last] = [0, u16::MAX].map(|number| SessionKey::new(host, session.clone(), number));
        self.sessions.range(first..=last)
    }

    /// The session that a description belongs to: the one whose stream has the same destination or,
    /// failing that, the only session with this `o=` line if the description is a newer version of
    /// it.
    fn find(&self, host: Host, session: &SessionName, description: &Description) -> Option<SessionKey> {
        let to = place(description);
        let same = self.of(host, session).find(|(_, entry)| place(&entry.description) == to);
        let newer = || {
            let mut all = self.of(host, session);
            let only = all.next().filter(|_| all.next().is_none());
            only.filter(|(_, entry)| entry.description.origin.version < description.origin.version)
        };
        same.or_else(newer).map(|(key, _)| key.clone())
    }

    /// Handles a deletion, which identifies its session by the `o=` line, or only by the hash of
    /// the announcement.
    fn delete(&mut self, host: Host, packet: &SapPacket<'_>) {
        let named = SessionName::of_payload(&packet.payload);
        let has_hash = |entry: &Entry| entry.hash == packet.hash && packet.hash != 0;
        let is_meant = |(key, entry): &(&SessionKey, &Entry)| {
            key.is_of(host) && named.as_ref().map_or_else(|| has_hash(entry), |named| key.is_named(named))
        };
        let meant: Vec<(&SessionKey, &Entry)> = self.sessions.iter().filter(is_meant).collect();
        let to = Description::parse(&packet.payload).ok().and_then(|parsed| place(&parsed.description));
        let goes_there = |entry: &Entry| to.is_some() && place(&entry.description) == to;
        let one = match meant[..] {
            [only] => Some(only),
            _ => {
                let by_hash = meant.iter().find(|(_, entry)| has_hash(entry));
                by_hash.or_else(|| meant.iter().find(|(_, entry)| goes_there(entry))).copied()
            }
        };
        match one.map(|(key, _)| key.clone()) {
            Some(key) => self.remove(key, Removal::Deleted),
            None => self.stats.idle_deletions += 1,
        }
    }

    fn remove(&mut self, key: SessionKey, reason: Removal) {
        if let Some(entry) = self.sessions.remove(&key) {
            self.is_crowded &= reason == Removal::Crowded;
            self.events.push(SapEvent::Removed { key, name: entry.description.name, reason });
        }
    }
}

#[cfg(test)]
mod tests;
