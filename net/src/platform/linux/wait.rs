//! Waiting for sockets, a time, or to be woken.

use engine::Nanos;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Wakes a thread that waits.
#[derive(Debug)]
pub(crate) struct Waker(EventFd);

impl Waker {
    /// # Errors
    /// If the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?))
    }

    /// Wakes the waiting thread, or else makes its next wait return at once.
    pub(crate) fn wake(&self) {
        // A counter that is full wakes, too.
        let _ = self.0.write(1);
    }

    /// Waits until one of the sockets can be read, the waker wakes, or `timeout` has passed,
    /// whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedFd<'_>], timeout: Nanos) {
        let waker = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
        let sockets = sockets.iter().map(|&socket| PollFd::new(socket, PollFlags::POLLIN));
        let mut watched: Vec<PollFd<'_>> = std::iter::once(waker).chain(sockets).collect();
        let timeout = timeout.max(Nanos::ZERO).as_nanos();
        let timeout = TimeSpec::new(timeout / 1_000_000_000, timeout % 1_000_000_000);
        // An interruption by a signal counts as a timeout, because the caller checks everything in
        // any case.
        let _ = ppoll(&mut watched, Some(timeout), None);
        if watched[0].any().unwrap_or(false) {
            // It was woken, and so there is something to be read.
            let _ = self.0.read();
        }
    }
}
