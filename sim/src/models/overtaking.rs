//! Packets that others overtake: a share of them is held back.

use super::crystal::TrueTime;
use super::streams::RandomStream;
use crate::scenario::{Reorder, ReorderBy};
use engine::Nanos;

/// Who is held back on one path, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Overtaking {
    config: Option<Reorder>,
    stream: RandomStream,
    last_sent: Option<TrueTime>,
}

impl Overtaking {
    pub(super) fn new(config: Option<Reorder>, stream: RandomStream) -> Self {
        Self { config, stream, last_sent: None }
    }

    /// How long the packet that was sent at `sent` is held back, if it is. Calls must come in order
    /// of time.
    pub(super) fn hold(&mut self, sent: TrueTime) -> Option<Nanos> {
        let config = self.config?;
        let interval = self.last_sent.replace(sent).map_or(0, |last| sent - last);
        let held = self.stream.uniform() < config.share.get();
        let later = match config.by {
            // Between the last packet that overtakes it, and the next one.
            ReorderBy::Packets(packets) => Nanos::new(interval * i64::from(packets.get()) + interval / 2),
            ReorderBy::Later(later) => self.stream.lateness(&later),
        };
        held.then_some(later)
    }
}
