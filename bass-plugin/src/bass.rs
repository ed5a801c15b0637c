//! The BASS library that this process has loaded.
//!
//! Model: BASS is not linked. The host has loaded BASS from anywhere, and BASS calls
//! [`crate::entry::BASSplugin`], upon which its functions are looked up.

use crate::abi::{self, BassFunctions};
use crate::error::{BassError, code};
use crate::platform;
use std::ffi::{CStr, c_int, c_void};
use std::sync::{Mutex, PoisonError};

/// The only supported version of the interface: 2.4.
const VERSION: u32 = 0x0204;

/// The functions of BASS that are used.
#[derive(Clone, Copy)]
pub(crate) struct Bass {
    /// The address of `BASS_GetConfigPtr` when BASS was found.
    place: usize,
    functions: &'static BassFunctions,
    get_config: unsafe extern "system" fn(u32) -> u32,
    get_data: unsafe extern "system" fn(u32, *mut c_void, u32) -> u32,
    get_info: unsafe extern "system" fn(u32, *mut abi::ChannelInfo) -> i32,
    error_code: unsafe extern "system" fn() -> c_int,
}

static BASS: Mutex<Option<Bass>> = Mutex::new(None);

/// Returns BASS; `None` before it has loaded this library.
pub(crate) fn get() -> Option<Bass> {
    *BASS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks for BASS again. This is called each time that BASS loads this library, because a host may
/// have unloaded BASS and loaded another copy in the meantime.
pub(crate) fn find_again() -> Option<Bass> {
    let found = find();
    *BASS.lock().unwrap_or_else(PoisonError::into_inner) = found;
    found
}

/// Looks a function up by its name.
///
/// # Safety
/// `F` must be the type of the function with this name in BASS.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
    let found = platform::bass_symbol(name);
    // SAFETY: a function address that is not null is a valid value of the function's type, which
    // the caller guarantees.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}

fn find() -> Option<Bass> {
    // SAFETY: `DWORD BASS_GetVersion(void)`.
    let version: unsafe extern "system" fn() -> u32 = unsafe { function(c"BASS_GetVersion") }?;
    // SAFETY: the function has no safety conditions.
    if unsafe { version() } >> 16 != VERSION {
        return None;
    }
    // SAFETY: `const void *BASS_GetConfigPtr(DWORD)`.
    let pointer: unsafe extern "system" fn(u32) -> *const c_void = unsafe { function(c"BASS_GetConfigPtr") }?;
    // SAFETY: for this option, BASS returns its table of functions, which lives as long as BASS;
    // its layout has not changed within version 2.4.
    let functions = unsafe { pointer(abi::CONFIG_ADDON).cast::<BassFunctions>().as_ref() }?;
    // SAFETY: the types are those of BASS 2.4: `DWORD (DWORD)`, `DWORD (DWORD, void*, DWORD)`,
    // `BOOL (DWORD, BASS_CHANNELINFO*)`, `int (void)`.
    unsafe {
        Some(Bass {
            place: place(),
            functions,
            get_config: function(c"BASS_GetConfig")?,
            get_data: function(c"BASS_ChannelGetData")?,
            get_info: function(c"BASS_ChannelGetInfo")?,
            error_code: function(c"BASS_ErrorGetCode")?,
        })
    }
}

/// The current address of `BASS_GetConfigPtr` in this process; 0 without BASS.
fn place() -> usize {
    platform::bass_symbol(c"BASS_GetConfigPtr").addr()
}

impl Bass {
    /// Whether this BASS is still loaded in this process. A host may have unloaded it.
    pub(crate) fn is_loaded(&self) -> bool {
        self.place == place()
    }

    /// The table of functions for add-ons.
    pub(crate) fn functions(&self) -> &'static BassFunctions {
        self.functions
    }

    /// Reads an option of BASS; `None` if BASS does not have this option.
    pub(crate) fn config(&self, option: u32) -> Option<u32> {
        // SAFETY: any option number is allowed.
        let value = unsafe { (self.get_config)(option) };
        (value != u32::MAX).then_some(value)
    }

    /// Registers or removes the handler of our options.
    pub(crate) fn register(&self, handler: abi::ConfigProc, mode: u32) {
        // SAFETY: the handler has the type that this mode requires, and is removed before it is
        // unloaded.
        unsafe { (self.functions.register_plugin)(handler as *const c_void, mode) };
    }

    /// Rate, channels and flags of a channel.
    pub(crate) fn channel(&self, handle: u32) -> Result<abi::ChannelInfo, BassError> {
        let mut info = abi::ChannelInfo {
            frequency_hz: 0,
            channels: 0,
            flags: 0,
            ctype: 0,
            original_resolution: 0,
            plugin: 0,
            sample: 0,
            filename: std::ptr::null(),
        };
        // SAFETY: this is the structure that BASS fills.
        let found = unsafe { (self.get_info)(handle, &raw mut info) } != 0;
        if found { Ok(info) } else { Err(BassError::new(code::HANDLE, format!("{handle:#x} is no channel of BASS"))) }
    }

    /// The last BASS error of this thread.
    pub(crate) fn error(&self) -> c_int {
        // SAFETY: the function has no safety conditions.
        unsafe { (self.error_code)() }
    }

    /// Decodes floats from a channel. Returns the number of samples, or BASS's error.
    pub(crate) fn data(&self, handle: u32, out: &mut [f32]) -> Result<usize, c_int> {
        let bytes = size_of_val(out) as u32;
        // SAFETY: the buffer has this many bytes. BASS checks the handle.
        let got = unsafe { (self.get_data)(handle, out.as_mut_ptr().cast(), bytes | abi::DATA_FLOAT) };
        if got == u32::MAX {
            return Err(self.error());
        }
        Ok((got as usize / size_of::<f32>()).min(out.len()))
    }
}

/// Sets the code that `BASS_ErrorGetCode` returns to the host.
pub(crate) fn set_error(code: c_int) {
    if let Some(bass) = get() {
        // SAFETY: any number is allowed.
        unsafe { (bass.functions.set_error)(code) };
    }
}
