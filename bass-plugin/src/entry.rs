//! The entry point: answers the requests of BASS when it has loaded this library, and handles
//! unloading.

use crate::abi::{self, PluginForm, PluginInfo, face};
use crate::bass;
use crate::boundary::{guarded, report};
use crate::config;
use crate::open::open;
use crate::{settings, url};
use bass_ffi::text;
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

/// The version of the interface (2.4), followed by our own version.
const VERSION: u32 = 0x0204_0001;

static FORMATS: [PluginForm; 1] =
    [PluginForm { ctype: abi::CTYPE_AES67, name: c"AES67 stream".as_ptr(), extensions: c"aes67://".as_ptr() }];
static INFO: PluginInfo = PluginInfo { version: VERSION, format_count: 1, formats: FORMATS.as_ptr() };

/// Whether BASS has registered the handler of our options.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Answers BASS's requests for the properties of the add-on, and for the procedure that opens URLs.
#[unsafe(no_mangle)]
extern "system" fn BASSplugin(face: u32) -> *const c_void {
    guarded(std::ptr::null(), || match face {
        face::INFO => load().map_or(std::ptr::null(), |info| std::ptr::from_ref(info).cast()),
        // The newer form is necessary because without it, BASS 2.4.16.7 for Linux hangs when it
        // opens a UTF-16 URL.
        face::CREATE_URL | face::CREATE_URL_2 => create_url as abi::CreateUrlProc as *const c_void,
        _ => std::ptr::null(),
    })
}

/// Returns the add-on's description; `None` if there is no BASS of the right version, so that the
/// add-on is not loaded.
fn load() -> Option<&'static PluginInfo> {
    let bass = bass::find_again()?;
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        settings::reset();
    }
    // The handler is registered each time, because a library that stayed loaded may be used by
    // another copy of BASS. It is removed first, so that it is registered only once with the same
    // BASS.
    bass.register(config::handle, abi::PLUGIN_CONFIG_REMOVE);
    bass.register(config::handle, abi::PLUGIN_CONFIG_ADD);
    Some(&INFO)
}

/// Called when the library is unloaded, or when the process ends.
#[cfg(unix)]
extern "C" fn unload() {
    guarded((), || bass_ffi::threads::isolated(crate::api::end_all));
    unregister();
}

#[cfg(unix)]
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_term_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".fini_array"))]
static UNLOAD: extern "C" fn() = unload;

/// Called by the loader while it holds its lock. There is nothing to wait for, because streams have
/// ended by then, and anything else that is running keeps the library loaded.
#[cfg(windows)]
#[unsafe(no_mangle)]
extern "system" fn DllMain(_: windows_sys::Win32::Foundation::HINSTANCE, reason: u32, reserved: *mut c_void) -> i32 {
    use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;
    // When the process ends (`reserved` is not null), BASS may already be unloaded.
    if reason == DLL_PROCESS_DETACH && reserved.is_null() {
        unregister();
    }
    1
}

/// Removes the handler of our options, unless BASS has already been unloaded.
fn unregister() {
    guarded((), || {
        let registered = REGISTERED.swap(false, Ordering::AcqRel);
        if let Some(bass) = bass::get().filter(|bass| registered && bass.is_loaded()) {
            bass.register(config::handle, abi::PLUGIN_CONFIG_REMOVE);
        }
    });
}

/// Opens a URL for BASS.
///
/// # Safety
/// The URL must be zero-terminated, and UTF-16 if the flags say so, as BASS guarantees.
unsafe extern "system" fn create_url(
    url: *const c_char,
    _offset: u32,
    flags: u32,
    _procedure: *const c_void,
    _user: *mut c_void,
) -> u32 {
    guarded(0, || {
        // SAFETY: BASS guarantees this.
        let url = unsafe { text::from_host(url.cast(), flags & abi::UNICODE != 0) };
        // BASS passes URLs with any unknown scheme. For schemes of other add-ons, BASS's own error
        // code is left unchanged.
        let Some(url) = url.filter(|url| url::is_ours(url)) else { return 0 };
        report(open(&url, flags)).unwrap_or(0)
    })
}
