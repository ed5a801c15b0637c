//! Determines which session is removed for a new one when the directory is full.
//!
//! The first of these rules that applies determines the session:
//! 1. a session that was announced only once: the oldest such session of the address that has the
//!    most of them. Addresses with up to [`FEW`] such sessions are treated alike, so that during a
//!    flood from ever-changing addresses, a device with several streams does not count as the
//!    address with the most;
//! 2. if all sessions are confirmed, the newest session of the address with the most sessions, if
//!    it has more than [`GUARANTEED`];
//! 3. otherwise, no session is removed, and the new one is refused.
//!
//! So one address can displace sessions of another address only if these sessions have been heard
//! only once, or if the other address has more than [`GUARANTEED`] confirmed sessions. A flood
//! displaces its own sessions first. A session that was displaced before its second announcement is
//! remembered by its fingerprint, and is confirmed when that announcement arrives.
//!
//! Breakdown point: an attacker can keep a genuine session out by forging ever-changing source
//! addresses, announcing each session twice, and having [`MAX_SESSIONS`] of them confirmed before
//! the genuine session is confirmed. A list of accepted source addresses prevents this. Sessions
//! that were confirmed before the flood stay.

use super::heard_once::HeardOnce;
use super::{Crowd, Directory, Entry, MAX_SESSIONS, Removal, SapError, SapEvent, SessionKey};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Number of confirmed sessions of one address that are never removed for lack of room: more than
/// any device in use has, and a quarter of the directory.
pub(super) const GUARANTEED: usize = MAX_SESSIONS / 4;
/// Addresses with up to this many unconfirmed sessions are treated alike: a device with 64
/// channels in 8-channel streams has 8 sessions, and may announce each to two groups.
const FEW: usize = 16;

impl Directory {
    /// Makes room for a session.
    ///
    /// # Errors
    /// If no session may be removed.
    pub(super) fn make_room(&mut self) -> Result<(), SapError> {
        if self.sessions.len() < MAX_SESSIONS {
            return Ok(());
        }
        self.stats.crowded_out += 1;
        self.tell_crowd();
        let leaves = self.least_known().or_else(|| self.beyond_guarantee());
        let Some(key) = leaves else { return Err(SapError::Full(MAX_SESSIONS)) };
        if let Some(entry) = self.sessions.get(&key) {
            self.heard_once.note(HeardOnce::fingerprint(entry.from, &entry.text), entry.heard_at);
        }
        self.remove(key, Removal::Crowded);
        Ok(())
    }

    fn tell_crowd(&mut self) {
        if std::mem::replace(&mut self.is_crowded, true) {
            return;
        }
        let of_each = self.count(|_| true);
        let most = of_each.iter().max_by_key(|(_, count)| **count).map(|(from, count)| (*from, *count));
        let Some(most) = most else { return };
        let unconfirmed = self.sessions.values().filter(|entry| !entry.confirmed).count();
        let crowd = Crowd { sessions: self.sessions.len(), unconfirmed, addresses: of_each.len(), most };
        self.events.push(SapEvent::Crowded(crowd));
    }

    /// The number of sessions that each address announces, counting only those for which `which` is
    /// true.
    fn count(&self, which: impl Fn(&Entry) -> bool) -> BTreeMap<IpAddr, usize> {
        let mut counts = BTreeMap::new();
        self.sessions
            .values()
            .filter(|entry| which(entry))
            .for_each(|entry| *counts.entry(entry.from).or_default() += 1);
        counts
    }

    /// The oldest session that has been announced only once, of the address that has the most such
    /// sessions.
    fn least_known(&self) -> Option<SessionKey> {
        let of_each = self.count(|entry| !entry.confirmed);
        let unconfirmed = self.sessions.iter().filter(|(_, entry)| !entry.confirmed);
        let of_most = |(_, entry): &(&SessionKey, &Entry)| {
            let count = of_each.get(&entry.from).copied().unwrap_or(0).max(FEW);
            (Reverse(count), entry.heard_at)
        };
        unconfirmed.min_by_key(of_most).map(|(key, _)| key.clone())
    }

    /// The newest session of the address with the most confirmed sessions; `None` if no address has
    /// more than [`GUARANTEED`] confirmed sessions.
    fn beyond_guarantee(&self) -> Option<SessionKey> {
        let of_each = self.count(|entry| entry.confirmed);
        let (most, _) = of_each.into_iter().filter(|(_, count)| *count > GUARANTEED).max_by_key(|(_, count)| *count)?;
        let its = self.sessions.iter().filter(|(_, entry)| entry.from == most);
        its.max_by_key(|(_, entry)| entry.first_heard_at).map(|(key, _)| key.clone())
    }
}
