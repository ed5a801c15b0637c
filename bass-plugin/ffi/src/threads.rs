//! Work for a program's thread that leaves nothing of Rust's behind in it.

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

/// The calling thread is ours.
pub fn mark_as_ours() {
    OURS.set(true);
}

/// Runs `body` as it were on the program's thread, but leaves nothing of Rust's behind there.
///
/// A library that has a destructor pending in any thread is not unloaded (by the GNU C library),
/// and starting a thread or reading a status leaves one. So that is done in a thread that ends
/// before this returns. What asks BASS for something that is the thread's own (its device, its
/// error) must stay outside.
pub fn isolated<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    if OURS.get() { body() } else { system::isolated(body) }
}
