//! Linux; and macOS, for which it is type-checked and has not run.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{null, null_mut};
use std::thread::Result;

/// Does nothing: a running thread of Rust has a destructor pending, which makes the GNU C library
/// keep the library loaded. Without such a thread, and at the end of the process, the library's own
/// hook is called before the code is unloaded, and may wait for threads.
pub fn stay_loaded() {}

/// The work of a thread of [`isolated`], and its result.
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

/// Runs `body` in a separate thread that is created without Rust's library, which would leave a
/// destructor in the calling thread. If no thread can be created, it runs here.
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
