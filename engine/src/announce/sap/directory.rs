//! What others announce.
//!
//! Model: a session is named by its `o=` line without the version (RFC 8866, 5.2), so that a changed description is the same session. An announcement that is byte for byte
//! the last one only shows that the session lives; hashes are not relied on for that, because devices exist that do not change them. A deletion is
//! believed if it comes from the same SAP origin.
//!
//! A session that is not announced any more is removed. RFC 2974 (4) says after ten intervals, but an hour at least; that leaves dead streams on display for an hour, so
//! the hour counts only for sessions that were announced once: of others the interval is known.

use super::wire::{SapError, SapPacket};
use crate::announce::sdp::{Description, Finding, MAX_TEXT, Origin};
use crate::units::{LocalTime, Nanos};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

/// Sessions that are remembered: several large installations. With [`MAX_TEXT`] they bound the memory; in practice a session has 1 KiB.
const MAX_SESSIONS: usize = 1024;
/// Events that nobody has polled; older ones are dropped first, and [`Directory::sessions`] still tells the present state.
const MAX_EVENTS: usize = 1024;
/// Intervals without an announcement after which a session is gone (RFC 2974, 4).
const SILENT_INTERVALS: i64 = 10;
/// Limits of that: PipeWire's 90 s, because multicast loses packets in rows; and the RFC's hour.
const SHORTEST_TIMEOUT: Nanos = Nanos::from_secs(90);
const LONGEST_TIMEOUT: Nanos = Nanos::from_secs(3600);

/// Names a session: the `o=` line without its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    username: String,
    session_id: String,
    address: String,
}

impl SessionKey {
    fn of(origin: &Origin) -> Self {
        let Origin { username, session_id, address, .. } = origin;
        Self { username: username.clone(), session_id: session_id.clone(), address: address.clone() }
    }

    /// From a deletion's payload, which is an `o=` line or a whole description.
    fn of_payload(payload: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(payload.get(..MAX_TEXT.min(payload.len()))?);
        let line = text.lines().find_map(|line| line.strip_prefix("o="))?;
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [username, session_id, _, _, _, address] = fields[..] else { return None };
        let [username, session_id, address] = [username, session_id, address].map(str::to_owned);
        Some(Self { username, session_id, address })
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} at {}", self.session_id, self.username, self.address)
    }
}

/// A session that is announced.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What is announced.
    pub description: Description,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// The host whose announcement came last, by its datagram's source address.
    pub from: IpAddr,
    /// The SAP origin, hash and text of the last announcement.
    origin: IpAddr,
    hash: u16,
    text: Vec<u8>,
    heard_at: LocalTime,
    /// The longest of the last intervals, slowly forgotten; `None` before the second announcement.
    interval: Option<Nanos>,
}

impl Entry {
    /// The description as it was announced, byte for byte.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// When the session is given up, if it is not announced again.
    fn expires_at(&self) -> LocalTime {
        let timeout = self.interval.map_or(LONGEST_TIMEOUT, |interval| interval.times(SILENT_INTERVALS));
        self.heard_at + timeout.clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
    }

    /// It was announced again.
    fn hear(&mut self, now: LocalTime, from: IpAddr) {
        let interval = now.since(self.heard_at);
        // A loss makes one interval long; the next ones forget it by and by. A second group doubles each announcement.
        let remembered = self.interval.map_or(Nanos::ZERO, |longest| Nanos::new(longest.as_nanos() / 8 * 7));
        self.interval = Some(interval.max(remembered));
        (self.heard_at, self.from) = (now, from);
    }
}

/// Why a session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Its host has said so.
    Deleted,
    /// It was not announced for this long.
    Silent(Nanos),
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("its host has withdrawn it"),
            Self::Silent(length) => write!(f, "it was not announced for {length}"),
        }
    }
}

/// Something has changed. The session itself is at [`Directory::get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SapEvent {
    /// A session is announced for the first time.
    Added(SessionKey),
    /// Its description has changed.
    Updated(SessionKey),
    /// It is gone.
    Removed {
        /// Which.
        key: SessionKey,
        /// What it was called.
        name: String,
        /// Why.
        reason: Removal,
    },
}

/// What was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryStats {
    /// Announcements and deletions that were understood.
    pub understood: u64,
    /// Datagrams that were not, see [`SapError`].
    pub refused: u64,
    /// Deletions of sessions that nobody announced, or of other hosts' sessions.
    pub idle_deletions: u64,
}

/// The sessions that are announced now.
///
/// ```
/// use engine::LocalTime;
/// use engine::announce::sap::{Directory, SapEvent, SapPacket};
/// let mut directory = Directory::default();
/// let text = b"v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=Studio\r\nt=0 0\r\nm=audio 5004 RTP/AVP 11\r\nc=IN IP4 239.69.0.1/32\r\n";
/// let packet = SapPacket { deletion: false, hash: 1, origin: [192, 0, 2, 1].into(), payload: text };
/// directory.handle_datagram(LocalTime::ZERO, packet.origin, &packet.emit())?;
/// let Some(SapEvent::Added(key)) = directory.poll_event() else { panic!() };
/// assert_eq!(directory.get(&key).unwrap().description.name, "Studio");
/// # Ok::<(), engine::announce::sap::SapError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Directory {
    sessions: BTreeMap<SessionKey, Entry>,
    events: VecDeque<SapEvent>,
    stats: DirectoryStats,
}

impl Directory {
    /// Takes a datagram that came at `now` from the host `from`.
    ///
    /// # Errors
    /// If it is not understood, or there is no room; it is counted, and nothing else happens.
    pub fn handle_datagram(&mut self, now: LocalTime, from: IpAddr, datagram: &[u8]) -> Result<(), SapError> {
        let taken = SapPacket::parse(datagram).and_then(|packet| self.take(now, from, &packet));
        match taken {
            Ok(()) => self.stats.understood += 1,
            Err(_) => self.stats.refused += 1,
        }
        taken
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

    /// The next event that was not yet told.
    pub fn poll_event(&mut self) -> Option<SapEvent> {
        self.events.pop_front()
    }

    /// All sessions, in the order of their names.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionKey, &Entry)> {
        self.sessions.iter()
    }

    /// A session.
    #[must_use]
    pub fn get(&self, key: &SessionKey) -> Option<&Entry> {
        self.sessions.get(key)
    }

    /// How many announcements there are, for the interval of our own ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether nothing is announced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// What was heard.
    #[must_use]
    pub const fn stats(&self) -> &DirectoryStats {
        &self.stats
    }

    fn take(&mut self, now: LocalTime, from: IpAddr, packet: &SapPacket<'_>) -> Result<(), SapError> {
        if packet.deletion {
            self.delete(packet);
            return Ok(());
        }
        let parsed = Description::parse(packet.payload)?;
        let key = SessionKey::of(&parsed.description.origin);
        let is_full = self.sessions.len() == MAX_SESSIONS;
        match self.sessions.get_mut(&key) {
            Some(entry) => {
                entry.hear(now, from);
                (entry.origin, entry.hash) = (packet.origin, packet.hash);
                if entry.text != packet.payload {
                    entry.text = packet.payload.to_vec();
                    (entry.description, entry.findings) = (parsed.description, parsed.findings);
                    self.push(SapEvent::Updated(key));
                }
            }
            None if is_full => return Err(SapError::Full(MAX_SESSIONS)),
            None => {
                let entry = Entry {
                    description: parsed.description,
                    findings: parsed.findings,
                    from,
                    origin: packet.origin,
                    hash: packet.hash,
                    text: packet.payload.to_vec(),
                    heard_at: now,
                    interval: None,
                };
                self.sessions.insert(key.clone(), entry);
                self.push(SapEvent::Added(key));
            }
        }
        Ok(())
    }

    /// A deletion names its session by the `o=` line, or only by the hash of the announcement.
    fn delete(&mut self, packet: &SapPacket<'_>) {
        let named = SessionKey::of_payload(packet.payload);
        let is_meant = |(key, entry): &(&SessionKey, &Entry)| {
            entry.origin == packet.origin
                && match &named {
                    Some(named) => *key == named,
                    None => entry.hash == packet.hash && packet.hash != 0,
                }
        };
        match self.sessions.iter().find(is_meant).map(|(key, _)| key.clone()) {
            Some(key) => self.remove(key, Removal::Deleted),
            None => self.stats.idle_deletions += 1,
        }
    }

    fn remove(&mut self, key: SessionKey, reason: Removal) {
        if let Some(entry) = self.sessions.remove(&key) {
            self.push(SapEvent::Removed { key, name: entry.description.name, reason });
        }
    }

    fn push(&mut self, event: SapEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests;
