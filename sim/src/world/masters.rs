//! The PTP masters of a run, each with its path to and from the receiver.

use crate::models::{GrandmasterModel, NetworkPath, TrueTime};
use crate::scenario::{Grandmaster, Path};
use engine::Nanos;

/// Not on the full second, where everything else would be, too.
const FIRST_ANNOUNCE: Nanos = Nanos::from_millis(310);
const FIRST_SYNC: Nanos = Nanos::from_millis(17);

/// A master and its path.
pub(super) struct Master {
    pub(super) model: GrandmasterModel,
    down: NetworkPath,
    up: NetworkPath,
    may_reorder: bool,
    silent: bool,
    /// When the host's program handled the last datagram of this path: a thread is a queue.
    handled: TrueTime,
}

impl Master {
    /// A master; the random streams of its path are named after `path_name`.
    pub(super) fn new(config: &Grandmaster, path: &Path, seed: u64, path_name: &str) -> Self {
        Self {
            model: GrandmasterModel::new(config.clone()),
            down: NetworkPath::new(path.clone(), seed, &format!("{path_name}/down")),
            up: NetworkPath::new(path.clone(), seed, &format!("{path_name}/up")),
            may_reorder: path.may_reorder,
            silent: false,
            handled: 0,
        }
    }

    /// When its first Announce leaves.
    pub(super) fn first_announce(&self) -> TrueTime {
        FIRST_ANNOUNCE.as_nanos()
    }

    /// When its first Sync leaves.
    pub(super) fn first_sync(&self) -> TrueTime {
        FIRST_SYNC.as_nanos()
    }

    pub(super) fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Cuts its path, or mends it.
    pub(super) fn set_cut(&mut self, cut: bool) {
        self.down.set_cut(cut);
        self.up.set_cut(cut);
    }

    /// When a message that it sends now arrives, if it does.
    pub(super) fn send(&mut self, now: TrueTime) -> Option<TrueTime> {
        if self.silent { None } else { self.down.send(now) }
    }

    /// When a message that leaves the host at `leaves` arrives here, if it does.
    pub(super) fn receive(&mut self, leaves: TrueTime) -> Option<TrueTime> {
        self.up.send(leaves)
    }

    /// When the host's program handles a datagram that it could handle at `ready`.
    pub(super) fn handle(&mut self, ready: TrueTime) -> TrueTime {
        if !self.may_reorder {
            self.handled = ready.max(self.handled);
            return self.handled;
        }
        ready
    }
}
