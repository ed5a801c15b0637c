//! What is said, once, when a busy machine holds up threads that run without real-time priority.

use crate::session::Session;
use net::Scheduling;

/// Watches a count of what came too late, or was dropped because nobody read it in time.
#[derive(Default)]
pub(crate) struct Hint {
    told: bool,
}

impl Hint {
    /// Tells that real-time priority was refused, and what to grant, once `troubles` are more than
    /// none.
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
