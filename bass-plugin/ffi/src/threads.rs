//! Work for a program's thread that leaves none of Rust's state in that thread.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::stay_loaded;

use std::cell::Cell;

thread_local! {
    /// Whether this thread is ours. It needs no destructor.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Marks the calling thread as ours.
pub fn mark_as_ours() {
    OURS.set(true);
}

/// Runs `body` on behalf of the program's thread, but leaves none of Rust's state there.
///
/// The GNU C library does not unload a library that has a destructor pending in any thread, and
/// starting a thread or reading a status leaves one. So that is done in a thread that ends before
/// this returns. Requests to BASS for properties of the calling thread (its device, its error) must
/// be made outside.
pub fn isolated<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    if OURS.get() { body() } else { system::isolated(body) }
}
