//! Sets the priority of threads.

use std::io;
use windows_sys::Win32::System::Threading::{
    AvSetMmThreadCharacteristicsW, GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_TIME_CRITICAL,
};
use windows_sys::core::w;

/// Lets the calling thread run before all threads that are not audio threads, until it ends: the
/// thread joins the "Pro Audio" task of the Multimedia Class Scheduler Service. If this service
/// does not run, the thread gets the highest priority in its process's class. Windows has only one
/// such level for programs without privileges, so `_priority` has no effect.
///
/// # Errors
/// If the system does not permit it.
pub(crate) fn make_real_time(_priority: i32) -> io::Result<()> {
    let mut task = 0;
    // SAFETY: the name is zero-terminated, and the pointer is to a valid place for the task's
    // number.
    let registered = unsafe { AvSetMmThreadCharacteristicsW(w!("Pro Audio"), &raw mut task) };
    if !registered.is_null() {
        return Ok(());
    }
    // SAFETY: the handle of the calling thread is always valid.
    let done = unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_TIME_CRITICAL) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
