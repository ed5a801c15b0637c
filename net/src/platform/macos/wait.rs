//! Waits for sockets, for a time, or for another thread.
//!
//! Model: a kernel queue (`kqueue`) with three kinds of events: our own event, which other threads
//! trigger, a readable socket, and a timer in ns. The timeout of the wait itself is not used,
//! because for threads that are not real-time the kernel would delay it so that the processor can
//! sleep longer. A critical timer is not delayed.

use engine::Nanos;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Identifiers of our event and our timer. There is only one of each kind.
const WAKE: usize = 0;
const TIMER: usize = 0;

/// Lets one thread wait, and other threads wake it.
#[derive(Debug)]
pub(crate) struct Waker(Kqueue);

impl Waker {
    /// # Errors
    /// If the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let queue = Kqueue::new()?;
        // With EV_CLEAR, triggering the event ends only one wait.
        let flags = EvFlags::EV_ADD | EvFlags::EV_CLEAR;
        let event = KEvent::new(WAKE, EventFilter::EVFILT_USER, flags, FilterFlag::empty(), 0, 0);
        queue.kevent(&[event], &mut [], None)?;
        Ok(Self(queue))
    }

    /// Wakes the thread if it is waiting; otherwise, its next wait returns at once.
    pub(crate) fn wake(&self) {
        let event = KEvent::new(WAKE, EventFilter::EVFILT_USER, EvFlags::empty(), FilterFlag::NOTE_TRIGGER, 0, 0);
        // The event was added in `new`, and nothing else can fail.
        let _ = self.0.kevent(&[event], &mut [], None);
    }

    /// Waits until one of the sockets is readable, the thread is woken, or `timeout` has passed,
    /// whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedFd<'_>], timeout: Nanos) {
        let mut changes: Vec<KEvent> = sockets.iter().map(readable).collect();
        changes.push(timer(timeout));
        let mut first = [timer(timeout)];
        // An interruption by a signal is treated as a timeout, because the caller checks everything
        // in any case.
        let _ = self.0.kevent(&changes, &mut first, None);
    }
}

/// The event for a readable socket, which occurs at once if a datagram is already waiting. Events
/// from an earlier wait that have not occurred remain in the queue; adding them again replaces
/// them. So a socket that is no longer waited for causes at most one extra wake-up.
fn readable(socket: &BorrowedFd<'_>) -> KEvent {
    let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
    KEvent::new(socket.as_raw_fd() as usize, EventFilter::EVFILT_READ, flags, FilterFlag::empty(), 0, 0)
}

/// The timer event. Adding it again restarts a running timer.
fn timer(timeout: Nanos) -> KEvent {
    let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
    let precise = FilterFlag::NOTE_NSECONDS | FilterFlag::from_bits_retain(libc::NOTE_CRITICAL);
    let ns = timeout.max(Nanos::ZERO).as_nanos() as isize;
    KEvent::new(TIMER, EventFilter::EVFILT_TIMER, flags, precise, ns, 0)
}
