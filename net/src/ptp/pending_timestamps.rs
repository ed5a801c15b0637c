//! Messages whose departure time the kernel has not reported yet.

use engine::ptp::TransmitToken;
use std::collections::VecDeque;

/// More messages than are ever in transit. A kernel that reports no times must not fill the memory.
const MAX_UNTOLD: usize = 32;

/// The kernel's numbers of such messages, and the port's tokens for them.
#[derive(Debug)]
pub(super) struct PendingTimestamps(VecDeque<(u32, TransmitToken)>);

impl PendingTimestamps {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(MAX_UNTOLD))
    }

    /// Adds a message. Returns whether an older one was given up for it.
    pub(super) fn push(&mut self, number: u32, token: TransmitToken) -> bool {
        let is_full = self.0.len() == MAX_UNTOLD;
        if is_full {
            self.0.pop_front();
        }
        self.0.push_back((number, token));
        is_full
    }

    /// Takes out the message of this number.
    pub(super) fn take(&mut self, number: u32) -> Option<TransmitToken> {
        let index = self.0.iter().position(|&(pending_timestamps, _)| pending_timestamps == number)?;
        self.0.remove(index).map(|(_, token)| token)
    }
}
