//! Windows.

use std::ffi::{CStr, c_void};
use std::ptr::null;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

/// The address of a function of BASS; null if this process has none.
pub(crate) fn bass_symbol(name: &CStr) -> *const c_void {
    // SAFETY: a name that ends in a zero; the library stays as long as the host uses it.
    let library = unsafe { GetModuleHandleA(c"bass.dll".as_ptr().cast()) };
    if library.is_null() {
        return null();
    }
    // SAFETY: the library is loaded, and the name ends in a zero.
    unsafe { GetProcAddress(library, name.as_ptr().cast()) }.map_or(null(), |found| found as *const c_void)
}
