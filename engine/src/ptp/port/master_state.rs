//! State of a port as master.

use crate::clock::PtpMap;
use crate::ptp::time_properties::TimeProperties;

/// State of a port as master.
#[derive(Default)]
pub(super) struct MasterState {
    pub(super) announce_id: u16,
    pub(super) sync_id: u16,
    /// The Sync whose departure time is awaited for its Follow_Up.
    pub(super) open_sync: Option<u16>,
    pub(super) map: PtpMap,
    pub(super) properties: TimeProperties,
    /// Whether the served map comes from the servo; if so, the time does not step when the servo
    /// takes over again.
    pub(super) continues: bool,
    /// Number of times that PTP time has stepped because we started or stopped serving.
    pub(super) steps: u32,
}

impl MasterState {
    pub(super) fn map(&self) -> &PtpMap {
        &self.map
    }

    pub(super) fn properties(&self) -> &TimeProperties {
        &self.properties
    }

    pub(super) fn steps(&self) -> u32 {
        self.steps
    }
}
