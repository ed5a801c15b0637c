//! Delays from a file, one for each packet.

use super::streams::RandomStream;
use crate::scenario::{DelayFile, DelayOrder};
use engine::Nanos;

/// The delays of one path.
#[derive(Clone, Debug)]
pub(super) struct ListedDelays {
    file: Option<DelayFile>,
    stream: RandomStream,
    next: usize,
}

impl ListedDelays {
    pub(super) fn new(file: Option<DelayFile>, stream: RandomStream) -> Self {
        Self { file, stream, next: 0 }
    }

    /// The next packet's.
    pub(super) fn next(&mut self) -> Nanos {
        let Some(file) = &self.file else { return Nanos::ZERO };
        let delays = file.delays();
        let index = match file.order {
            DelayOrder::Replayed => {
                let index = self.next;
                self.next = (index + 1) % delays.len().max(1);
                index
            }
            DelayOrder::Drawn => libm::floor(self.stream.uniform() * delays.len() as f64) as usize,
        };
        delays.get(index).copied().unwrap_or(Nanos::ZERO)
    }
}
