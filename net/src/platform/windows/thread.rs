//! Priorities of threads.

use std::io;
use windows_sys::Win32::System::Threading::{GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_TIME_CRITICAL};

/// Lets the calling thread run before all others of its process's class. Windows has one such level for programs without privileges, whatever `_priority` says.
///
/// # Errors
/// If the system does not allow it.
pub(crate) fn make_real_time(_priority: i32) -> io::Result<()> {
    // SAFETY: the handle of the calling thread is always valid.
    let done = unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_TIME_CRITICAL) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
