//! Waits for sockets, for a time, or for another thread.

use engine::Nanos;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Lets one thread wait, and other threads wake it.
#[derive(Debug)]
pub(crate) struct Waker(EventFd);

impl Waker {
    /// # Errors
    /// If the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?))
    }

    /// Wakes the thread if it is waiting; otherwise, its next wait returns at once.
    pub(crate) fn wake(&self) {
        // A write fails only if the counter is full, and then the thread is woken anyway.
        let _ = self.0.write(1);
    }

    /// Waits until one of the sockets is readable, the thread is woken, or `timeout` has passed,
    /// whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedFd<'_>], timeout: Nanos) {
        let waker = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
        let sockets = sockets.iter().map(|&socket| PollFd::new(socket, PollFlags::POLLIN));
        let mut watched: Vec<PollFd<'_>> = std::iter::once(waker).chain(sockets).collect();
        let timeout = timeout.max(Nanos::ZERO).as_nanos();
        let timeout = TimeSpec::new(timeout / 1_000_000_000, timeout % 1_000_000_000);
        // An interruption by a signal is treated as a timeout, because the caller checks everything
        // in any case.
        let _ = ppoll(&mut watched, Some(timeout), None);
        if watched[0].any().unwrap_or(false) {
            // The thread was woken, so there is something to read.
            let _ = self.0.read();
        }
    }
}
