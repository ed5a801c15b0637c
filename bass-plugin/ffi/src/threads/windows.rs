//! Windows.

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExA,
};

/// Keeps the library in memory until the process ends. Threads that belong to no stream cannot be
/// joined during unloading: the loader's lock is held then, and they need it to end.
pub fn stay_loaded() {
    let mut library: HMODULE = std::ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    // SAFETY: the address is of this library, and the place for its handle is ours.
    unsafe { GetModuleHandleExA(flags, stay_loaded as fn() as *const u8, &raw mut library) };
}

/// On Windows, Rust leaves nothing in a thread that would keep a library loaded.
pub(super) fn isolated<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    body()
}
