//! Syncs: the host is called when the clock locks or unlocks, when the source changes, and when
//! packets are lost.
//!
//! Model: a stream that has such a sync has a thread, which compares what is known now with what
//! was known 20 ms before.

use crate::abi::SyncProc;
use crate::bass;
use crate::streams::{SILENCE, Stream};
use bass_ffi::clock_view::ClockView;
use bass_ffi::threads::{isolated, mark_as_ours, stay_loaded};
use engine::Nanos;
use net::{Context, Urgency, Worker};
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError, Weak};

const INTERVAL: Nanos = Nanos::from_millis(20);
/// Data of a loss: the stream has stopped.
const STOPPED: u32 = u32::MAX;

/// `BASS_SYNC_AES67_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The clock is locked.
    Lock,
    /// It is not any more.
    Unlock,
    /// Another source, or the same one started anew.
    Source,
    /// Packets were lost, or no more come.
    Loss,
}

/// The kind of a type; `None` for those of BASS.
pub(crate) fn kind_of(sync_type: u32) -> Option<Kind> {
    match sync_type {
        0x1_F201 => Some(Kind::Lock),
        0x1_F202 => Some(Kind::Unlock),
        0x1_F203 => Some(Kind::Source),
        0x1_F204 => Some(Kind::Loss),
        _ => None,
    }
}

/// One that is set.
struct Sync {
    kind: Kind,
    /// BASS's handle.
    handle: u32,
    /// It was not told yet how things are.
    fresh: bool,
}

/// The syncs of a stream.
#[derive(Default)]
pub(crate) struct Syncs {
    set: Mutex<Vec<Sync>>,
    watcher: Mutex<Option<Worker>>,
}

/// Sets a sync; returns BASS's handle of it, 0 if there is none.
pub(crate) fn set(
    stream: &Arc<Stream>,
    kind: Kind,
    sync_type: u32,
    procedure: Option<SyncProc>,
    user: *mut c_void,
) -> u32 {
    let Some(bass) = bass::get() else { return 0 };
    // SAFETY: the handle is that of a stream of ours that is not freed, the procedure and its
    // pointer are the host's.
    let sync = unsafe { (bass.functions().new_sync)(stream.handle(), sync_type, procedure, user) };
    if sync == 0 {
        return 0;
    }
    lock(&stream.syncs.set).push(Sync { kind, handle: sync, fresh: true });
    let mut watcher = lock(&stream.syncs.watcher);
    if watcher.is_none() {
        let watched = Arc::downgrade(stream);
        // A sync that never fires is what remains if there is no thread.
        *watcher =
            isolated(|| Worker::spawn("aes67 syncs", Urgency::Normal, move |context| watch(context, &watched)).ok());
    }
    bass::set_error(0);
    sync
}

impl Syncs {
    /// The host removes one.
    pub(crate) fn remove(&self, sync: u32) {
        lock(&self.set).retain(|other| other.handle != sync);
    }

    /// Ends the thread, and waits for it unless this is it: a host may free a stream in a sync.
    /// Nobody waits for the thread then, so that its code must stay.
    pub(crate) fn end(&self) {
        let watcher = lock(&self.watcher).take();
        if watcher.is_some_and(|watcher| watcher.is_this_thread()) {
            stay_loaded();
        }
    }

    /// All of a kind, or only the fresh ones; they are fresh no more.
    fn take(&self, kind: Kind, only_fresh: bool) -> Vec<u32> {
        let mut set = lock(&self.set);
        let wanted = set.iter_mut().filter(|sync| sync.kind == kind && (sync.fresh || !only_fresh));
        let told = wanted.map(|sync| {
            sync.fresh = false;
            sync.handle
        });
        told.collect()
    }
}

/// Calls the host.
fn trigger(stream: &Stream, syncs: &[u32], data: u32) {
    let Some(bass) = bass::get() else { return };
    for &sync in syncs {
        // SAFETY: BASS checks both handles.
        unsafe { (bass.functions().trigger_sync)(stream.handle(), sync, 0, data) };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    locked: bool,
    generation: u32,
    lost: u64,
    stopped: bool,
}

impl Seen {
    fn of(stream: &Stream) -> Option<Self> {
        let status = stream.status()?;
        Some(Self {
            locked: stream.with_timeline(|timeline| ClockView::of(timeline).locked).unwrap_or(false),
            generation: status.ingest.sources,
            lost: status.ingest.sequence.lost,
            stopped: status.last_packet.is_some_and(|last| status.at - last >= SILENCE),
        })
    }

    /// What has happened since `before`, and its data.
    fn since(self, before: Self) -> impl Iterator<Item = (Kind, u32)> {
        // The first source is no change.
        let changed = before.generation != 0 && self.generation != before.generation;
        let lost = u32::try_from(self.lost.saturating_sub(before.lost)).unwrap_or(STOPPED - 1);
        let all = [
            (self.locked && !before.locked).then_some((Kind::Lock, 0)),
            (!self.locked && before.locked).then_some((Kind::Unlock, 0)),
            changed.then_some((Kind::Source, self.generation)),
            (lost > 0).then_some((Kind::Loss, lost)),
            (self.stopped && !before.stopped).then_some((Kind::Loss, STOPPED)),
        ];
        all.into_iter().flatten()
    }
}

fn watch(context: &Context, stream: &Weak<Stream>) {
    // A host that frees a stream in a sync does so in this thread.
    mark_as_ours();
    let mut before: Option<Seen> = None;
    while context.pause(INTERVAL) {
        let Some(stream) = stream.upgrade() else { return };
        let Some(seen) = Seen::of(&stream) else { return };
        // What was lost before there was a sync is past.
        let since = before.replace(seen).unwrap_or(seen);
        if seen.locked && since.locked {
            // A clock that is locked already is told to those that were set since.
            trigger(&stream, &stream.syncs.take(Kind::Lock, true), 0);
        }
        for (kind, data) in seen.since(since) {
            trigger(&stream, &stream.syncs.take(kind, false), data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once() {
        let before = Seen { locked: true, generation: 1, lost: 5, stopped: false };
        let now = Seen { locked: false, generation: 2, lost: 8, stopped: true };
        let told: Vec<(Kind, u32)> = now.since(before).collect();
        let expected = [(Kind::Unlock, 0), (Kind::Source, 2), (Kind::Loss, 3), (Kind::Loss, STOPPED)];
        assert_eq!(told, expected);
        assert_eq!(now.since(now).count(), 0);
        let began = Seen { generation: 1, ..Seen::default() };
        assert_eq!(began.since(Seen::default()).count(), 0, "the first source");
    }

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
