//! The syncs of a stream, by which the host is called when the clock locks or unlocks, when the
//! source changes, and when packets are lost. Their thread is in [`crate::sync_watch`].

use bass_ffi::threads::stay_loaded;
use net::Worker;
use std::sync::{Mutex, PoisonError};

/// The syncs `BASS_SYNC_AES67_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The clock has locked.
    Lock,
    /// The clock is no longer locked.
    Unlock,
    /// The source has changed, or has restarted.
    Source,
    /// Packets were lost, or no longer arrive.
    Loss,
}

/// The kind of sync for a sync type; `None` for BASS's own types.
pub(crate) fn kind_of(sync_type: u32) -> Option<Kind> {
    match sync_type {
        0x1_F201 => Some(Kind::Lock),
        0x1_F202 => Some(Kind::Unlock),
        0x1_F203 => Some(Kind::Source),
        0x1_F204 => Some(Kind::Loss),
        _ => None,
    }
}

/// A sync that has been set.
struct Sync {
    kind: Kind,
    /// BASS's handle.
    handle: u32,
    /// Whether the sync has not been triggered for the current state yet.
    fresh: bool,
}

/// The syncs of a stream.
#[derive(Default)]
pub(crate) struct Syncs {
    set: Mutex<Vec<Sync>>,
    watcher: Mutex<Option<Worker>>,
}

impl Syncs {
    /// Sets a sync. If no thread watches the stream yet, `start` starts it.
    pub(crate) fn add(&self, kind: Kind, handle: u32, start: impl FnOnce() -> Option<Worker>) {
        lock(&self.set).push(Sync { kind, handle, fresh: true });
        let mut watcher = lock(&self.watcher);
        if watcher.is_none() {
            *watcher = start();
        }
    }

    /// Removes a sync.
    pub(crate) fn remove(&self, sync: u32) {
        lock(&self.set).retain(|other| other.handle != sync);
    }

    /// Ends the thread, and waits for it unless it is the caller, because a host may free a stream
    /// in a sync. In this case nobody waits for the thread, so its code must stay loaded.
    pub(crate) fn end(&self) {
        let watcher = lock(&self.watcher).take();
        if watcher.is_some_and(|watcher| watcher.is_this_thread()) {
            stay_loaded();
        }
    }

    /// Returns all syncs of a kind, or only the fresh ones, and marks them as no longer fresh.
    pub(crate) fn take(&self, kind: Kind, only_fresh: bool) -> Vec<u32> {
        let mut set = lock(&self.set);
        let wanted = set.iter_mut().filter(|sync| sync.kind == kind && (sync.fresh || !only_fresh));
        let told = wanted.map(|sync| {
            sync.fresh = false;
            sync.handle
        });
        told.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_set_later_is_told_once_that_the_clock_is_locked() {
        let syncs = Syncs::default();
        let set = |kind, handle| lock(&syncs.set).push(Sync { kind, handle, fresh: true });
        set(Kind::Loss, 1);
        set(Kind::Lock, 2);
        assert_eq!(syncs.take(Kind::Lock, true), [2]);
        set(Kind::Lock, 3);
        assert_eq!(syncs.take(Kind::Lock, true), [3]);
        assert!(syncs.take(Kind::Lock, true).is_empty());
        set(Kind::Lock, 4);
        assert_eq!(syncs.take(Kind::Lock, false), [2, 3, 4], "the clock locks");
        assert!(syncs.take(Kind::Lock, true).is_empty());
        assert_eq!(syncs.take(Kind::Loss, false), [1]);
    }

    #[test]
    fn types_are_those_of_the_header() {
        assert_eq!(kind_of(0x1_F204), Some(Kind::Loss));
        assert_eq!(kind_of(2), None);
        assert_eq!(crate::abi::SYNC_TYPE & 0x1_F204, 0x1_F204);
    }
}
