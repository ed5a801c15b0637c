//! The entry point: what BASS requests of a library that it has loaded, and unloading.

use crate::abi::{self, PluginForm, PluginInfo, face};
use crate::bass;
use crate::boundary::{guarded, report};
use crate::config;
use crate::open::open;
use crate::{settings, url};
use bass_ffi::text;
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

/// 2.4, then our own version.
const VERSION: u32 = 0x0204_0001;

static FORMATS: [PluginForm; 1] =
    [PluginForm { ctype: abi::CTYPE_AES67, name: c"AES67 stream".as_ptr(), extensions: c"aes67://".as_ptr() }];
static INFO: PluginInfo = PluginInfo { version: VERSION, format_count: 1, formats: FORMATS.as_ptr() };

/// Whether BASS has registered the handler of our options.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Answers BASS's requests to an add-on: for its properties, and for the procedure that opens URLs.
#[unsafe(no_mangle)]
extern "system" fn BASSplugin(face: u32) -> *const c_void {
    guarded(std::ptr::null(), || match face {
        face::INFO => load().map_or(std::ptr::null(), |info| std::ptr::from_ref(info).cast()),
        // Without the newer form, BASS 2.4.16.7 for Linux never returns from UTF-16 URLs.
        face::CREATE_URL | face::CREATE_URL_2 => create_url as abi::CreateUrlProc as *const c_void,
        _ => std::ptr::null(),
    })
}

/// The add-on's description; none without BASS of the right version, so that it is not loaded.
fn load() -> Option<&'static PluginInfo> {
    let bass = bass::find_again()?;
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        settings::reset();
    }
    // Each time, because a library that stayed loaded may meet another BASS, but only once for the
    // same one.
    bass.register(config::handle, abi::PLUGIN_CONFIG_REMOVE);
    bass.register(config::handle, abi::PLUGIN_CONFIG_ADD);
    Some(&INFO)
}

/// Called when the library is unloaded, or at the process's end.
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

/// Called by the loader, which holds its lock. Streams have ended by then, and anything else that
/// runs keeps the library loaded: there is nothing to wait for.
#[cfg(windows)]
#[unsafe(no_mangle)]
extern "system" fn DllMain(_: windows_sys::Win32::Foundation::HINSTANCE, reason: u32, reserved: *mut c_void) -> i32 {
    use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;
    // At the end of the process (`reserved` is not null), BASS may be unloaded already.
    if reason == DLL_PROCESS_DETACH && reserved.is_null() {
        unregister();
    }
    1
}

/// Removes the handler of our options, unless BASS is unloaded already.
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
/// As BASS guarantees: the URL ends in a zero, and is UTF-16 if the flags say so.
unsafe extern "system" fn create_url(
    url: *const c_char,
    _offset: u32,
    flags: u32,
    _procedure: *const c_void,
    _user: *mut c_void,
) -> u32 {
    guarded(0, || {
        // SAFETY: as BASS promises.
        let url = unsafe { text::from_host(url.cast(), flags & abi::UNICODE != 0) };
        // BASS offers every unknown scheme. For those of others, BASS's own error stays.
        let Some(url) = url.filter(|url| url::is_ours(url)) else { return 0 };
        report(open(&url, flags)).unwrap_or(0)
    })
}
