//! Linux; and macOS, for which it is type-checked and has not run.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{null, null_mut};
use std::thread::Result;

/// Nothing to be done: a thread of Rust's that runs has a destructor pending, with which the GNU C
/// library keeps the library. What is loaded without such a thread, or at the process's end, comes
/// to the library's own hook before the code goes, which may wait for threads.
pub fn stay_loaded() {}

/// What a thread of [`isolated`] is to do, and what came of it.
struct Call<F, T> {
    body: Option<F>,
    result: Option<Result<T>>,
}

extern "C" fn run<F: FnOnce() -> T, T>(call: *mut c_void) -> *mut c_void {
    super::mark_as_ours();
    // SAFETY: the caller of `pthread_create` gives a call of these types, and waits for this thread
    // before it looks at it again.
    let call = unsafe { &mut *call.cast::<Call<F, T>>() };
    call.result = call.body.take().map(|body| catch_unwind(AssertUnwindSafe(body)));
    null_mut()
}

/// Runs `body` in a thread of its own, made without Rust's library, which leaves a destructor in
/// whoever makes one. Without a thread to be had it runs here.
pub(super) fn isolated<T: Send, F: FnOnce() -> T + Send>(body: F) -> T {
    let mut call = Call { body: Some(body), result: None };
    let mut thread: libc::pthread_t = 0;
    // SAFETY: `run` takes a pointer to this call, which lives until the thread was waited for; what
    // crosses is `Send`.
    let made = unsafe { libc::pthread_create(&raw mut thread, null(), run::<F, T>, (&raw mut call).cast()) } == 0;
    if made {
        // SAFETY: the thread was made, and is waited for once.
        unsafe { libc::pthread_join(thread, null_mut()) };
    }
    match (call.result, call.body) {
        (Some(Ok(value)), _) => value,
        (Some(Err(panic)), _) => resume_unwind(panic),
        (None, Some(body)) => body(),
        (None, None) => unreachable!("the thread has run the body"),
    }
}
