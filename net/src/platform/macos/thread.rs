//! Sets the priority of threads.

use super::clock::timebase;
use mach2::kern_return::KERN_SUCCESS;
use mach2::thread_policy::{
    THREAD_TIME_CONSTRAINT_POLICY, THREAD_TIME_CONSTRAINT_POLICY_COUNT, thread_policy_set,
    thread_time_constraint_policy,
};
use std::io;

/// Maximum computation time of a thread per wake-up, for handling the arrivals of several streams
/// or sending a packet of each. This is far more than usual, because a thread that exceeds it loses
/// its priority.
const COMPUTATION_NS: i64 = 1_000_000;
/// Deadline for this computation after the wake-up: two of the usual packet times, so that other
/// threads can run, too.
const CONSTRAINT_NS: i64 = 2_000_000;

/// Makes the calling thread a real-time thread, which runs before all others and is woken without
/// delay. macOS has only one such class, which its own audio threads use, so `_priority` has no
/// effect.
///
/// A quality-of-service class (`QOS_CLASS_USER_INTERACTIVE`) would not be sufficient: its threads
/// lose priority the more they compute, and their timers are delayed so that the processor can
/// sleep longer.
///
/// # Errors
/// If the system does not permit it.
pub(crate) fn make_real_time(_priority: i32) -> io::Result<()> {
    let ticks = |ns| u32::try_from(timebase().count(ns)).unwrap_or(u32::MAX);
    let mut policy = thread_time_constraint_policy {
        // Not periodic, because datagrams wake the thread as well as timers.
        period: 0,
        computation: ticks(COMPUTATION_NS),
        constraint: ticks(CONSTRAINT_NS),
        preemptible: 1,
    };
    // SAFETY: the port is that of the calling thread, and getting it does not add a reference. The
    // policy lives through the call and has the stated length.
    let code = unsafe {
        thread_policy_set(
            libc::pthread_mach_thread_np(libc::pthread_self()),
            THREAD_TIME_CONSTRAINT_POLICY,
            (&raw mut policy).cast(),
            THREAD_TIME_CONSTRAINT_POLICY_COUNT,
        )
    };
    if code == KERN_SUCCESS { Ok(()) } else { Err(io::Error::other(format!("the kernel's code is {code}"))) }
}
