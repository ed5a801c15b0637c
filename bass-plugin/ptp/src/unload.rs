//! The library goes, or the process ends.

use bass_ffi::boundary::guarded_or;
use bass_ffi::threads::isolated;

/// Nothing of ours runs after this.
extern "C" fn unload() {
    guarded_or(|| (), || isolated(crate::api::end));
}

#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_term_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".fini_array"))]
static UNLOAD: extern "C" fn() = unload;
