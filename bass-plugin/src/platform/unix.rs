//! Linux; and macOS, for which it is type-checked and has not run.

use std::ffi::{CStr, c_void};

/// The address of a function of BASS; null if this process has none. `libbass.so` makes itself
/// global when it is loaded, so that it is found wherever it came from.
pub(crate) fn bass_symbol(name: &CStr) -> *const c_void {
    // SAFETY: the name ends in a zero byte, and RTLD_DEFAULT is always valid.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}
