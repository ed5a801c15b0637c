//! Priorities of threads.

use std::io;
use windows_sys::Win32::System::Threading::{
    AvSetMmThreadCharacteristicsW, GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_TIME_CRITICAL,
};
use windows_sys::core::w;

/// Lets the calling thread run before all threads that are not audio threads: as a thread of the
/// task "Pro Audio" of the Multimedia Class Scheduler Service, until it ends. Where that service
/// does not run, the thread gets the highest priority of its process's class. Windows has one such
/// level for programs without privileges, so `_priority` has no effect.
///
/// # Errors
/// If the system does not permit it.
pub(crate) fn make_real_time(_priority: i32) -> io::Result<()> {
    let mut task = 0;
    // SAFETY: a name that ends in a zero, and a place for the task's number.
    let registered = unsafe { AvSetMmThreadCharacteristicsW(w!("Pro Audio"), &raw mut task) };
    if !registered.is_null() {
        return Ok(());
    }
    // SAFETY: the handle of the calling thread is always valid.
    let done = unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_TIME_CRITICAL) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
