//! Sleeps until an absolute time, so that a thread that is interrupted between reading the clock
//! and going to sleep is still woken in time.

use super::clock::timebase;
use engine::LocalTime;
use mach2::kern_return::KERN_ABORTED;
use mach2::mach_time::mach_wait_until;

/// Returns when `due` has passed. Wakers do not end the sleep. For threads that are not real-time,
/// the kernel delays the wake-up so that the processor can sleep longer.
pub(crate) fn until(due: LocalTime) {
    let deadline = timebase().deadline(due);
    // SAFETY: this function has no safety conditions.
    while unsafe { mach_wait_until(deadline) } == KERN_ABORTED {}
}
