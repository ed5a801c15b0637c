//! Sets the priority of threads.

use nix::sys::prctl::set_timerslack;
use std::io;

/// How much later than requested a thread may be woken, so that the processor can sleep longer; the
/// system's default is 50 us. Real-time threads have no such slack in any case.
const TIMER_SLACK_NS: u64 = 1;

/// Gives the calling thread a real-time priority (`SCHED_FIFO`), so that it runs before all threads
/// without one.
///
/// # Errors
/// If the system does not permit it.
pub(crate) fn make_real_time(priority: i32) -> io::Result<()> {
    // This call never fails. It matters only for a thread that is refused real-time priority, which
    // would otherwise be woken later.
    let _ = set_timerslack(TIMER_SLACK_NS);
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: `pthread_self` is always valid, and the parameters live through the call.
    let code = unsafe { libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const parameters) };
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}
