//! The clock that a session offers and serves.

use crate::clock::PtpMap;

/// Number of Syncs that offer our clock.
const OFFERED_SYNCS: u8 = 3;

/// State of our clock while it is offered, or while it is the timeline.
#[derive(Default)]
pub(super) struct Offer {
    pub(super) announce_id: u16,
    pub(super) signaling_id: u16,
    pub(super) sync_id: u16,
    pub(super) open_sync: Option<u16>,
    /// Syncs that are still to be sent before the peer has to decide.
    pub(super) syncs_left: u8,
    pub(super) map: PtpMap,
}

impl Offer {
    pub(super) fn new() -> Self {
        Self { syncs_left: OFFERED_SYNCS, ..Self::default() }
    }
}
