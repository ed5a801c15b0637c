//! The thread that calls the host's syncs.
//!
//! Model: a stream with a sync has a thread that compares the current status with the status 20 ms
//! earlier.

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

/// Interval between two comparisons.
const INTERVAL: Nanos = Nanos::from_millis(20);
/// The data of a loss sync if the stream has stopped.
const STOPPED: u32 = u32::MAX;

/// Sets a sync. Returns BASS's handle for the sync, or 0 on failure.
pub(crate) fn set(
    stream: &Arc<Stream>,
    kind: Kind,
    sync_type: u32,
    procedure: Option<SyncProc>,
    user: *mut c_void,
) -> u32 {
    let Some(bass) = bass::get() else { return 0 };
    // SAFETY: the handle belongs to a stream of this add-on that has not been freed, and the
    // procedure and its pointer come from the host.
    let sync = unsafe { (bass.functions().new_sync)(stream.handle(), sync_type, procedure, user) };
    if sync == 0 {
        return 0;
    }
    stream.syncs.add(kind, sync, || {
        let watched = Arc::downgrade(stream);
        // If the thread cannot be started, the sync remains but is never triggered.
        isolated(|| Worker::spawn("aes67 syncs", Urgency::Normal, move |context| watch(context, &watched)).ok())
    });
    bass::set_error(0);
    sync
}

/// Triggers syncs, so that BASS calls the host.
fn trigger(stream: &Stream, syncs: &[u32], data: u32) {
    let Some(bass) = bass::get() else { return };
    for &sync in syncs {
        // SAFETY: BASS checks both handles.
        unsafe { (bass.functions().trigger_sync)(stream.handle(), sync, 0, data) };
    }
}

/// The part of the status that is compared.
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

    /// The syncs to trigger for the changes since `before`, with their data.
    fn since(self, before: Self) -> impl Iterator<Item = (Kind, u32)> {
        // The first source does not count as a change.
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
    // If a host frees a stream in a sync, it does so in this thread, which must not wait for
    // itself.
    mark_as_ours();
    let mut before: Option<Seen> = None;
    while context.pause(INTERVAL) {
        let Some(stream) = stream.upgrade() else { return };
        let Some(seen) = Seen::of(&stream) else { return };
        // Losses before the first sync was set do not count.
        let since = before.replace(seen).unwrap_or(seen);
        if seen.locked && since.locked {
            // Syncs that have been set since the last comparison are triggered at once if the clock
            // is already locked.
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
