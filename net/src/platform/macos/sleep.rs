//! Sleeping until a time, and not for a while: a thread that is interrupted between looking at the
//! clock and going to sleep loses nothing.

use super::clock::timebase;
use engine::LocalTime;
use mach2::kern_return::KERN_ABORTED;
use mach2::mach_time::mach_wait_until;

/// Returns when `due` is over; wakers do not wake it. The kernel delays it for threads that are not
/// real-time, so that the processor can sleep longer.
pub(crate) fn until(due: LocalTime) {
    let deadline = timebase().deadline(due);
    // SAFETY: it has no conditions.
    while unsafe { mach_wait_until(deadline) } == KERN_ABORTED {}
}
