//! The thread that calls the host's syncs.
//!
//! Model: a stream with a sync has a thread that compares the present status with that of 20 ms
//! before.

use crate::abi::SyncProc;
use crate::bass;
use crate::streams::{SILENCE, Stream};
use crate::syncs::Kind;
use bass_ffi::clock_view::ClockView;
use bass_ffi::threads::{isolated, mark_as_ours};
use engine::Nanos;
use net::{Context, Urgency, Worker};
use std::ffi::c_void;
use std::sync::{Arc, Weak};

/// Between two comparisons.
const INTERVAL: Nanos = Nanos::from_millis(20);
/// Data of a loss when the stream has stopped.
const STOPPED: u32 = u32::MAX;

/// Sets a sync. Returns BASS's handle of it, or 0 on failure.
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
    stream.syncs.add(kind, sync, || {
        let watched = Arc::downgrade(stream);
        // Without the thread, the sync remains but never fires.
        isolated(|| Worker::spawn("aes67 syncs", Urgency::Normal, move |context| watch(context, &watched)).ok())
    });
    bass::set_error(0);
    sync
}

/// Calls the host.
fn trigger(stream: &Stream, syncs: &[u32], data: u32) {
    let Some(bass) = bass::get() else { return };
    for &sync in syncs {
        // SAFETY: BASS checks both handles.
        unsafe { (bass.functions().trigger_sync)(stream.handle(), sync, 0, data) };
    }
}

/// The compared part of the status.
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

    /// Changes since `before`, and their data.
    fn since(self, before: Self) -> impl Iterator<Item = (Kind, u32)> {
        // The first source is not a change.
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
        // Losses before the first sync do not count.
        let since = before.replace(seen).unwrap_or(seen);
        if seen.locked && since.locked {
            // Syncs that were set since are told at once that a clock is already locked.
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
}
