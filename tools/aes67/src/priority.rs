//! Reports, once, that a busy machine delays threads without real-time priority.

use crate::session::Session;
use net::Scheduling;

/// Watches a count of late or dropped items.
#[derive(Default)]
pub(crate) struct Hint {
    told: bool,
}

impl Hint {
    /// Reports that real-time priority was refused, and how to permit it, when `troubles` first
    /// exceeds 0.
    pub(crate) fn look(&mut self, session: &mut Session, troubles: u64, scheduling: impl FnOnce() -> Scheduling) {
        if self.told || troubles == 0 {
            return;
        }
        self.told = true;
        if let scheduling @ Scheduling::Refused(_) = scheduling() {
            session.tell(format_args!(
                "warning: audio comes too late or is lost, which real-time priority prevents on a busy machine; scheduling is {scheduling}"
            ));
        }
    }
}
