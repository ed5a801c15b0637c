//! Reordering: a share of the packets is held back, so that others overtake them.

use super::crystal::TrueTime;
use super::streams::RandomStream;
use crate::scenario::{Reorder, ReorderBy};
use engine::Nanos;

/// Decides which packets of one path are held back, and for how long.
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
            // So that it arrives between the last packet that overtakes it and the next one.
            ReorderBy::Packets(packets) => Nanos::new(interval * i64::from(packets.get()) + interval / 2),
            ReorderBy::Later(later) => self.stream.lateness(&later),
        };
        held.then_some(later)
    }
}
