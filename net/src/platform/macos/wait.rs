//! Waiting for sockets, a time, or to be woken.
//!
//! Model: a queue of the kernel's (`kqueue`) with three kinds of events: one of ours that wakes, a
//! socket that can be read, and a timer in ns. The timeout of the wait itself would be delayed for
//! threads that are not real-time, so that the processor can sleep longer; a timer that is critical
//! is not.

use engine::Nanos;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Numbers of our event and our timer, each the only one of its kind.
const WAKE: usize = 0;
const TIMER: usize = 0;

/// Wakes a thread that waits.
#[derive(Debug)]
pub(crate) struct Waker(Kqueue);

impl Waker {
    /// # Errors
    /// If the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let queue = Kqueue::new()?;
        // With EV_CLEAR it wakes once.
        let flags = EvFlags::EV_ADD | EvFlags::EV_CLEAR;
        let event = KEvent::new(WAKE, EventFilter::EVFILT_USER, flags, FilterFlag::empty(), 0, 0);
        queue.kevent(&[event], &mut [], None)?;
        Ok(Self(queue))
    }

    /// Wakes whoever waits now, or else who waits next.
    pub(crate) fn wake(&self) {
        let event = KEvent::new(WAKE, EventFilter::EVFILT_USER, EvFlags::empty(), FilterFlag::NOTE_TRIGGER, 0, 0);
        // It was added in `new`, and that is all that can be wrong.
        let _ = self.0.kevent(&[event], &mut [], None);
    }

    /// Waits until one of the sockets has something to be read, the waker wakes, or `timeout` is
    /// over, whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedFd<'_>], timeout: Nanos) {
        let mut changes: Vec<KEvent> = sockets.iter().map(readable).collect();
        changes.push(timer(timeout));
        let mut first = [timer(timeout)];
        // Interrupted by a signal is as good as over: whoever waits looks at everything anyway.
        let _ = self.0.kevent(&changes, &mut first, None);
    }
}

/// It happens at once if something is there already. What was added for an earlier wait and has not
/// happened is added anew: another socket among them wakes once at most.
fn readable(socket: &BorrowedFd<'_>) -> KEvent {
    let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
    KEvent::new(socket.as_raw_fd() as usize, EventFilter::EVFILT_READ, flags, FilterFlag::empty(), 0, 0)
}

/// Adding it anew sets the one that runs.
fn timer(timeout: Nanos) -> KEvent {
    let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
    let precise = FilterFlag::NOTE_NSECONDS | FilterFlag::from_bits_retain(libc::NOTE_CRITICAL);
    let ns = timeout.max(Nanos::ZERO).as_nanos() as isize;
    KEvent::new(TIMER, EventFilter::EVFILT_TIMER, flags, precise, ns, 0)
}
