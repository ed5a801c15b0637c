//! Stand-in for requests that are not necessary on Unix: programs in the background are not
//! throttled, a hang-up is an ordinary signal, and terminals interpret escape sequences.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) fn run_at_full_speed() {}

pub(crate) fn stay_awake() {}

pub(crate) fn may_sleep() {}

pub(crate) fn on_closing(_: &Arc<AtomicBool>) {}

pub(crate) fn enable_escape_sequences() -> bool {
    true
}
