//! Finds BASS's functions on Windows.

use std::ffi::{CStr, c_void};
use std::ptr::null;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

/// The address of a BASS function; null if BASS is not loaded.
pub(crate) fn bass_symbol(name: &CStr) -> *const c_void {
    // SAFETY: the name is zero-terminated, and the library stays loaded as long as the host uses
    // it.
    let library = unsafe { GetModuleHandleA(c"bass.dll".as_ptr().cast()) };
    if library.is_null() {
        return null();
    }
    // SAFETY: the library is loaded, and the name is zero-terminated.
    unsafe { GetProcAddress(library, name.as_ptr().cast()) }.map_or(null(), |found| found as *const c_void)
}
