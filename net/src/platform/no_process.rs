//! Requests that Unix does not need: programs in the background are not slowed down, a hang-up is a
//! signal like others, and terminals interpret escape sequences.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) fn run_at_full_speed() {}

pub(crate) fn stay_awake() {}

pub(crate) fn may_sleep() {}

pub(crate) fn on_closing(_: &Arc<AtomicBool>) {}

pub(crate) fn enable_escape_sequences() -> bool {
    true
}
