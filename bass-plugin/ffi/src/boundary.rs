//! What crosses the border to C besides texts.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an entry point. A panic is a fault of ours: the program gets what `otherwise`
/// returns, instead of a stack that is unwound through its frames.
pub fn guarded_or<T>(otherwise: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| otherwise())
}

/// A pointer of the program's, which is only handed back to it.
#[derive(Clone, Copy, Debug)]
pub struct HostPointer(pub *mut c_void);

// SAFETY: it is not looked into here; the headers say that procedures are called in another thread.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

/// The version of these libraries, which have the workspace's: 0xMMmmpp00.
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
