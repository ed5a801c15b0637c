//! Priorities of threads.

use super::clock::timebase;
use mach2::kern_return::KERN_SUCCESS;
use mach2::thread_policy::{
    THREAD_TIME_CONSTRAINT_POLICY, THREAD_TIME_CONSTRAINT_POLICY_COUNT, thread_policy_set,
    thread_time_constraint_policy,
};
use std::io;

/// Longest work of a thread after it is woken: handling arrivals of several streams, or sending one
/// packet of each. Far above the usual, because a thread that takes longer loses its priority.
const COMPUTATION_NS: i64 = 1_000_000;
/// Deadline for that work after the wake-up: two packets of the usual time, while other threads
/// run, too.
const CONSTRAINT_NS: i64 = 2_000_000;

/// Lets the calling thread run before all threads that are not real-time, and be woken without
/// delay. macOS has one such class, that of its own audio threads, so `_priority` has no effect.
///
/// A quality of service (`QOS_CLASS_USER_INTERACTIVE`) would not do: its threads lose priority with
/// what they compute, and their timers are delayed so that the processor can sleep longer.
///
/// # Errors
/// If the system does not permit it.
pub(crate) fn make_real_time(_priority: i32) -> io::Result<()> {
    let ticks = |ns| u32::try_from(timebase().count(ns)).unwrap_or(u32::MAX);
    let mut policy = thread_time_constraint_policy {
        // Woken by datagrams as well as by timers.
        period: 0,
        computation: ticks(COMPUTATION_NS),
        constraint: ticks(CONSTRAINT_NS),
        preemptible: 1,
    };
    // SAFETY: the thread's own port, which is not counted; the policy is ours, lives through the
    // call, and is as long as is said.
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
