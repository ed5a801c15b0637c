//! Requests to the system while this process plays, sends or records. Linux and macOS need none.

use crate::platform::process;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// While this exists, the process is not slowed down because its window is in the background, and
/// the computer does not go to sleep by itself.
#[derive(Debug)]
pub struct Busy {
    /// Windows keeps the request for the thread that makes it, so the same thread must drop it.
    _of_this_thread: PhantomData<*const ()>,
}

impl Busy {
    /// Makes the request. The calling thread must not end before this is dropped.
    #[must_use]
    pub fn begin() -> Self {
        process::run_at_full_speed();
        process::stay_awake();
        Self { _of_this_thread: PhantomData }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        process::may_sleep();
    }
}

/// Sets `stop` when Windows wants a console program to end: its console is closed, the user logs
/// off, the computer is shut down, or another program asks for it (`taskkill`). The process then
/// has some seconds to end by itself before Windows ends it. Only the first call counts.
pub fn on_closing(stop: &Arc<AtomicBool>) {
    process::on_closing(stop);
}

/// Makes the console interpret escape sequences. Returns whether standard output goes to a console
/// that does; on Unix every terminal does.
#[must_use]
pub fn enable_escape_sequences() -> bool {
    process::enable_escape_sequences()
}

/// Has what this process writes to its standard and error output from now on go to a file: a
/// service of Windows has neither. The file must stay open for as long as that lasts.
///
/// # Errors
/// If the system refuses it.
#[cfg(windows)]
pub fn redirect_output(file: &std::fs::File) -> std::io::Result<()> {
    process::redirect_output(file)
}
