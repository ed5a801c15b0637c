//! Windows.

use std::ffi::{CStr, c_void};
use std::ptr::null;
use windows_sys::Win32::Foundation::HINSTANCE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;

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

/// Called by the loader, whose lock is held. Streams have ended by then, and what would not have
/// keeps the library loaded: there is nothing to wait for.
#[unsafe(no_mangle)]
extern "system" fn DllMain(_: HINSTANCE, reason: u32, reserved: *mut c_void) -> i32 {
    // At the process's end (`reserved` is not null) BASS may be gone already.
    if reason == DLL_PROCESS_DETACH && reserved.is_null() {
        crate::entry::unregister();
    }
    1
}
