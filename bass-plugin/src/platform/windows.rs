//! Windows.

use std::ffi::{CStr, c_void};
use std::ptr::null;
use windows_sys::Win32::Foundation::{HINSTANCE, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleA, GetModuleHandleExA,
    GetProcAddress,
};
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

/// Keeps the library in memory until the process ends. Threads that are no stream's cannot be waited for when it is unloaded: the loader's lock is held then, and they
/// need it to end.
pub(crate) fn stay_loaded() {
    let mut library: HMODULE = std::ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    // SAFETY: the address is of this library, and the place for its handle is ours.
    unsafe { GetModuleHandleExA(flags, stay_loaded as fn() as *const u8, &raw mut library) };
}

/// Rust leaves nothing in a thread of Windows that keeps a library.
pub(super) fn isolated<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    body()
}

/// Called by the loader, whose lock is held. Streams have ended by then, and what would not have keeps the library loaded: there is nothing to wait for.
#[unsafe(no_mangle)]
extern "system" fn DllMain(_: HINSTANCE, reason: u32, reserved: *mut c_void) -> i32 {
    // At the process's end (`reserved` is not null) BASS may be gone already.
    if reason == DLL_PROCESS_DETACH && reserved.is_null() {
        crate::entry::unregister();
    }
    1
}
