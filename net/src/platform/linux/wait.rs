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

    /// Wakes whoever waits now, or else who waits next.
    pub(crate) fn wake(&self) {
        // A counter that is full is awake.
        let _ = self.0.write(1);
    }

    /// Waits until one of the sockets has something to be read, the waker wakes, or `timeout` is
    /// over, whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedFd<'_>], timeout: Nanos) {
        let waker = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
        let sockets = sockets.iter().map(|&socket| PollFd::new(socket, PollFlags::POLLIN));
        let mut watched: Vec<PollFd<'_>> = std::iter::once(waker).chain(sockets).collect();
        let timeout = timeout.max(Nanos::ZERO).as_nanos();
        let timeout = TimeSpec::new(timeout / 1_000_000_000, timeout % 1_000_000_000);
        // Interrupted by a signal is as good as over: whoever waits looks at everything anyway.
        let _ = ppoll(&mut watched, Some(timeout), None);
        if watched[0].any().unwrap_or(false) {
            // It was woken, and so there is something to be read.
            let _ = self.0.read();
        }
    }
}
