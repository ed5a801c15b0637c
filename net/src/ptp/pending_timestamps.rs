//! Sent messages whose departure time the kernel has not reported yet.

use engine::ptp::TransmitToken;
use std::collections::VecDeque;

/// Maximum number of messages that are remembered: more than ever wait at the same time. The limit
/// matters if the kernel never reports times.
const MAX_UNTOLD: usize = 32;

/// The kernel's numbers for these messages, and the port's tokens.
#[derive(Debug)]
pub(super) struct PendingTimestamps(VecDeque<(u32, TransmitToken)>);

impl PendingTimestamps {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(MAX_UNTOLD))
    }

    /// Adds a message. Returns whether an older message was discarded to make room.
    pub(super) fn push(&mut self, number: u32, token: TransmitToken) -> bool {
        let is_full = self.0.len() == MAX_UNTOLD;
        if is_full {
            self.0.pop_front();
        }
        self.0.push_back((number, token));
        is_full
    }

    /// Removes the message with this number, and returns its token.
    pub(super) fn take(&mut self, number: u32) -> Option<TransmitToken> {
        let index = self.0.iter().position(|&(pending_timestamps, _)| pending_timestamps == number)?;
        self.0.remove(index).map(|(_, token)| token)
    }
}
