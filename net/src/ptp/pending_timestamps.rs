//! Messages whose time of leaving is awaited from the kernel.

use engine::ptp::TransmitToken;
use std::collections::VecDeque;

/// More than are ever on their way; a kernel that tells nothing must not fill the memory.
const MAX_UNTOLD: usize = 32;

/// The numbers of such messages, and what the port calls them.
#[derive(Debug)]
pub(super) struct PendingTimestamps(VecDeque<(u32, TransmitToken)>);

impl PendingTimestamps {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(MAX_UNTOLD))
    }

    /// Awaits one more; whether an older one was given up for it.
    pub(super) fn push(&mut self, number: u32, token: TransmitToken) -> bool {
        let is_full = self.0.len() == MAX_UNTOLD;
        if is_full {
            self.0.pop_front();
        }
        self.0.push_back((number, token));
        is_full
    }

    /// The message of this number, which is awaited no more.
    pub(super) fn take(&mut self, number: u32) -> Option<TransmitToken> {
        let index = self.0.iter().position(|&(pending_timestamps, _)| pending_timestamps == number)?;
        self.0.remove(index).map(|(_, token)| token)
    }
}
