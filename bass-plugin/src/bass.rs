//! The BASS library that this process has loaded.
//!
//! Model: nothing is linked. The host has loaded BASS from any place, and BASS asks for
//! [`crate::entry::BASSplugin`]; its functions are looked up then.

use crate::abi::{self, BassFunctions};
use crate::error::{BassError, code};
use crate::platform;
use std::ffi::{CStr, c_int, c_void};
use std::sync::{Mutex, PoisonError};

/// The only supported interface: 2.4.
const VERSION: u32 = 0x0204;

/// Functions of BASS.
#[derive(Clone, Copy)]
pub(crate) struct Bass {
    /// Where `BASS_GetConfigPtr` was.
    place: usize,
    functions: &'static BassFunctions,
    get_config: unsafe extern "system" fn(u32) -> u32,
    get_data: unsafe extern "system" fn(u32, *mut c_void, u32) -> u32,
    get_info: unsafe extern "system" fn(u32, *mut abi::ChannelInfo) -> i32,
    error_code: unsafe extern "system" fn() -> c_int,
}

static BASS: Mutex<Option<Bass>> = Mutex::new(None);

/// BASS, once it has loaded this library.
pub(crate) fn get() -> Option<Bass> {
    *BASS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks for BASS each time that it loads this library, because a host may have unloaded BASS and
/// loaded another one meanwhile.
pub(crate) fn find_again() -> Option<Bass> {
    let found = find();
    *BASS.lock().unwrap_or_else(PoisonError::into_inner) = found;
    found
}

/// Looks a function up by its name.
///
/// # Safety
/// `F` must be the type that BASS gives to the function of this name.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
    let found = platform::bass_symbol(name);
    // SAFETY: a function's address that is not null is a value of the function's type, which the
    // caller answers for.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}

fn find() -> Option<Bass> {
    // SAFETY: `DWORD BASS_GetVersion(void)`.
    let version: unsafe extern "system" fn() -> u32 = unsafe { function(c"BASS_GetVersion") }?;
    // SAFETY: it has no conditions.
    if unsafe { version() } >> 16 != VERSION {
        return None;
    }
    // SAFETY: `const void *BASS_GetConfigPtr(DWORD)`.
    let pointer: unsafe extern "system" fn(u32) -> *const c_void = unsafe { function(c"BASS_GetConfigPtr") }?;
    // SAFETY: for this option BASS answers with its table of functions, which lives as long as
    // BASS; its layout has not changed within 2.4.
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

/// The address of `BASS_GetConfigPtr` in this process; 0 without BASS.
fn place() -> usize {
    platform::bass_symbol(c"BASS_GetConfigPtr").addr()
}

impl Bass {
    /// Whether this BASS is still the one in this process: a host may have unloaded it.
    pub(crate) fn is_loaded(&self) -> bool {
        self.place == place()
    }

    /// Its functions for add-ons.
    pub(crate) fn functions(&self) -> &'static BassFunctions {
        self.functions
    }

    /// An option of BASS; `None` if it does not have it.
    pub(crate) fn config(&self, option: u32) -> Option<u32> {
        // SAFETY: any number may be asked for.
        let value = unsafe { (self.get_config)(option) };
        (value != u32::MAX).then_some(value)
    }

    /// Registers or removes the handler of our options.
    pub(crate) fn register(&self, handler: abi::ConfigProc, mode: u32) {
        // SAFETY: the handler has the type that this mode is for, and is removed before it is
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
        // SAFETY: the structure is of the size that BASS fills, and ours.
        let found = unsafe { (self.get_info)(handle, &raw mut info) } != 0;
        if found { Ok(info) } else { Err(BassError::new(code::HANDLE, format!("{handle:#x} is no channel of BASS"))) }
    }

    /// The last error of this thread.
    pub(crate) fn error(&self) -> c_int {
        // SAFETY: it has no conditions.
        unsafe { (self.error_code)() }
    }

    /// Decodes floats from a channel. Returns the number of samples, or BASS's error.
    pub(crate) fn data(&self, handle: u32, out: &mut [f32]) -> Result<usize, c_int> {
        let bytes = size_of_val(out) as u32;
        // SAFETY: the buffer is of that many bytes and ours. BASS checks the handle.
        let got = unsafe { (self.get_data)(handle, out.as_mut_ptr().cast(), bytes | abi::DATA_FLOAT) };
        if got == u32::MAX {
            return Err(self.error());
        }
        Ok((got as usize / size_of::<f32>()).min(out.len()))
    }
}

/// Sets what the host gets from `BASS_ErrorGetCode`.
pub(crate) fn set_error(code: c_int) {
    if let Some(bass) = get() {
        // SAFETY: any number may be given.
        unsafe { (bass.functions.set_error)(code) };
    }
}
