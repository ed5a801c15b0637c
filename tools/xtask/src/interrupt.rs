//! Handles Ctrl-C: the terminal also sends it to the running command, which ends in its own way;
//! `xtask` waits for that.
//!
//! Without a handler `xtask` would end before its child, and the child would write after the
//! shell's next prompt.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

static SEEN: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C is remembered instead of ending this process. Children still start with the
/// default action.
pub(crate) fn listen() -> Result<(), Error> {
    Ok(ctrlc::set_handler(|| SEEN.store(true, Ordering::Relaxed))?)
}

/// Fails if Ctrl-C was pressed.
pub(crate) fn check() -> Result<(), Error> {
    if SEEN.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}
