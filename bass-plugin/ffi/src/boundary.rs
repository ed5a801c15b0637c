//! Everything but texts that crosses the boundary to C.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an entry point. After a panic, the program gets the result of `otherwise`
/// instead of an unwinding of its frames.
pub fn guarded_or<T>(otherwise: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| otherwise())
}

/// A pointer of the program, which is only passed back to it.
#[derive(Clone, Copy, Debug)]
pub struct HostPointer(pub *mut c_void);

// SAFETY: it is never dereferenced here; the headers say that procedures are called in another
// thread.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

/// The version of these libraries, which is that of the workspace: 0xMMmmpp00.
#[must_use]
pub fn version() -> u32 {
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 24
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 16
        | number(env!("CARGO_PKG_VERSION_PATCH")) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(guarded_or(|| 7, || panic!("on purpose")), 7);
        assert_eq!(guarded_or(|| 7, || 8), 8);
    }
}
