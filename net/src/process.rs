//! Requests to the operating system while this process plays, sends or records. Linux and macOS
//! need none.

use crate::platform::process;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// While this exists, the process is not throttled when its window is in the background, and the
/// computer does not go to sleep automatically.
#[derive(Debug)]
pub struct Busy {
    /// Windows keeps the request for the thread that makes it, so the same thread must drop it.
    _of_this_thread: PhantomData<*const ()>,
}

impl Busy {
    /// Makes the requests. The calling thread must not end before the result is dropped.
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
/// off, the computer is shut down, or another program requests it (`taskkill`). The process then
/// has a few seconds to end by itself before Windows ends it. Only the first call has an effect.
pub fn on_closing(stop: &Arc<AtomicBool>) {
    process::on_closing(stop);
}

/// Makes the console interpret escape sequences. Returns whether standard output goes to a console
/// that supports them; on Unix, every terminal does.
#[must_use]
pub fn enable_escape_sequences() -> bool {
    process::enable_escape_sequences()
}

/// Redirects the standard output and error output of this process to a file, because a Windows
/// service has neither. The file must stay open.
///
/// # Errors
/// If the system refuses it.
#[cfg(windows)]
pub fn redirect_output(file: &std::fs::File) -> std::io::Result<()> {
    process::redirect_output(file)
}
