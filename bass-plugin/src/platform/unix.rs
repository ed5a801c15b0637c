//! Finds BASS's functions on Linux and macOS. The code is type-checked for macOS, but has not run
//! there.

use std::ffi::{CStr, c_void};

/// The address of a BASS function; null if BASS is not loaded. `libbass.so` makes its symbols
/// global when it is loaded, so that they are found wherever it was loaded from.
pub(crate) fn bass_symbol(name: &CStr) -> *const c_void {
    // SAFETY: the name ends in a zero byte, and RTLD_DEFAULT is always valid.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}
