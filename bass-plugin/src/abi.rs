//! The add-on interface of BASS 2.4, with the library's types and layouts.
//!
//! Model: BASS provides a table of functions ([`BassFunctions`]), and receives one for each stream
//! ([`AddonFunctions`]). The compiler checks the layouts. The names are those used by BASS; `BOOL`
//! is `i32`, `DWORD` is `u32`, `QWORD` is `u64`, and the calling convention is the system's.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{offset_of, size_of};

/// Requests to [`crate::entry::BASSplugin`].
pub(crate) mod face {
    /// The properties of the add-on.
    pub(crate) const INFO: u32 = 0;
    /// The procedure that opens URLs with schemes that BASS does not know.
    pub(crate) const CREATE_URL: u32 = 2;
    /// Like [`CREATE_URL`], with HTTP headers after the URL; BASS requests this one first.
    pub(crate) const CREATE_URL_2: u32 = 3;
}

/// `BASS_CONFIG_ADDON`: the address of BASS's table of functions.
pub(crate) const CONFIG_ADDON: u32 = 0x8000;
/// `BASS_CONFIG_NET_TIMEOUT`, in ms.
pub(crate) const CONFIG_NET_TIMEOUT: u32 = 11;
/// `BASS_UNICODE`: strings are UTF-16.
pub(crate) const UNICODE: u32 = 0x8000_0000;
/// `BASS_SAMPLE_FLOAT`.
pub(crate) const SAMPLE_FLOAT: u32 = 0x100;
/// `BASS_STREAM_DECODE`.
pub(crate) const STREAM_DECODE: u32 = 0x20_0000;
/// The flags that a live stream supports: speakers, AUTOFREE, DECODE, 3D, FLOAT.
pub(crate) const STREAM_FLAGS: u32 = 0x3F00_0000 | 0x4_0000 | STREAM_DECODE | 0x8 | SAMPLE_FLOAT;
/// `BASS_DATA_FLOAT`, for `BASS_ChannelGetData`.
pub(crate) const DATA_FLOAT: u32 = 0x4000_0000;
/// Type of our streams, in `BASS_CHANNELINFO::ctype`.
pub(crate) const CTYPE_AES67: u32 = 0x1_F200;
/// The value that `GetLength` and other functions return if the result is unknown.
pub(crate) const UNKNOWN_QWORD: u64 = u64::MAX;
/// The value that `SetSync` returns for sync types that BASS handles itself.
pub(crate) const SYNC_BY_BASS: u32 = u32::MAX;
/// Mask that removes the flags from a sync type.
pub(crate) const SYNC_TYPE: u32 = 0xFF_FFFF;

/// Produces a stream's audio. Arguments: the handle, the buffer, the length of the buffer in bytes,
/// and our pointer.
pub(crate) type StreamProc = unsafe extern "system" fn(u32, *mut c_void, u32, *mut c_void) -> u32;
/// The procedure that the host sets for a sync.
pub(crate) type SyncProc = unsafe extern "system" fn(u32, u32, u32, *mut c_void);
/// Handles the options of an add-on. Arguments: option, flags, value.
pub(crate) type ConfigProc = unsafe extern "system" fn(u32, u32, *mut c_void) -> i32;
/// Opens a URL. Arguments: the text, offset, flags, the host's download procedure, and its pointer.
pub(crate) type CreateUrlProc = unsafe extern "system" fn(*const c_char, u32, u32, *const c_void, *mut c_void) -> u32;

/// Flags of [`ConfigProc`].
pub(crate) mod config {
    /// The option is set; otherwise it is read.
    pub(crate) const SET: u32 = 1;
    /// The value is a pointer; otherwise it is a number.
    pub(crate) const POINTER: u32 = 2;
}

/// `BASS_PLUGININFO`.
#[repr(C)]
pub(crate) struct PluginInfo {
    pub(crate) version: u32,
    pub(crate) format_count: u32,
    pub(crate) formats: *const PluginForm,
}

// SAFETY: the pointers point to constants.
unsafe impl Sync for PluginInfo {}

/// `BASS_PLUGINFORM`.
#[repr(C)]
pub(crate) struct PluginForm {
    pub(crate) ctype: u32,
    pub(crate) name: *const c_char,
    pub(crate) extensions: *const c_char,
}

// SAFETY: the pointers point to constants.
unsafe impl Sync for PluginForm {}

/// `BASS_CHANNELINFO`.
#[repr(C)]
pub(crate) struct ChannelInfo {
    pub(crate) frequency_hz: u32,
    pub(crate) channels: u32,
    pub(crate) flags: u32,
    pub(crate) ctype: u32,
    pub(crate) original_resolution: u32,
    pub(crate) plugin: u32,
    pub(crate) sample: u32,
    pub(crate) filename: *const c_char,
}

/// `ADDON_FUNCTIONS`: the functions of our streams that BASS calls.
#[repr(C)]
pub(crate) struct AddonFunctions {
    pub(crate) flags: u32,
    pub(crate) free: unsafe extern "system" fn(*mut c_void),
    pub(crate) get_length: unsafe extern "system" fn(*mut c_void, u32) -> u64,
    pub(crate) get_tags: Option<unsafe extern "system" fn(*mut c_void, u32) -> *const c_char>,
    pub(crate) get_file_position: Option<unsafe extern "system" fn(*mut c_void, u32) -> u64>,
    pub(crate) get_info: unsafe extern "system" fn(*mut c_void, *mut ChannelInfo),
    pub(crate) can_set_position: unsafe extern "system" fn(*mut c_void, u64, u32) -> i32,
    pub(crate) set_position: Option<unsafe extern "system" fn(*mut c_void, u64, u32) -> u64>,
    pub(crate) get_position: Option<unsafe extern "system" fn(*mut c_void, u64, u32) -> u64>,
    pub(crate) set_sync: Option<unsafe extern "system" fn(*mut c_void, u32, u64, Option<SyncProc>, *mut c_void) -> u32>,
    pub(crate) remove_sync: Option<unsafe extern "system" fn(*mut c_void, u32)>,
    pub(crate) can_resume: Option<unsafe extern "system" fn(*mut c_void) -> i32>,
    pub(crate) set_flags: Option<unsafe extern "system" fn(*mut c_void, u32) -> u32>,
    pub(crate) attribute: Option<unsafe extern "system" fn(*mut c_void, u32, *mut f32, i32) -> i32>,
    pub(crate) attribute_ex: Option<unsafe extern "system" fn(*mut c_void, u32, *mut c_void, u32, i32) -> u32>,
}

/// `BASS_FUNCTIONS`: the functions that BASS provides to add-ons. Unused ones are only
/// placeholders.
#[repr(C)]
pub(crate) struct BassFunctions {
    pub(crate) set_error: unsafe extern "system" fn(c_int),
    pub(crate) register_plugin: unsafe extern "system" fn(*const c_void, u32),
    pub(crate) create_stream:
        unsafe extern "system" fn(u32, u32, u32, StreamProc, *mut c_void, *const AddonFunctions) -> u32,
    _set_fx: usize,
    _get_inst: usize,
    _reserved: usize,
    pub(crate) new_sync: unsafe extern "system" fn(u32, u32, Option<SyncProc>, *mut c_void) -> u32,
    pub(crate) trigger_sync: unsafe extern "system" fn(u32, u32, u64, u32) -> i32,
    _counts: [usize; 2],
    _file: [usize; 15],
    _data: [usize; 3],
}

/// Modes of `RegisterPlugin` that add or remove an option handler.
pub(crate) const PLUGIN_CONFIG_ADD: u32 = 0;
pub(crate) const PLUGIN_CONFIG_REMOVE: u32 = 1;

const POINTER: usize = size_of::<usize>();
const _: () = assert!(size_of::<BassFunctions>() == 28 * POINTER);
const _: () = assert!(offset_of!(BassFunctions, new_sync) == 6 * POINTER);
const _: () = assert!(offset_of!(BassFunctions, trigger_sync) == 7 * POINTER);
const _: () = assert!(offset_of!(BassFunctions, _file) == 10 * POINTER);
const _: () = assert!(size_of::<AddonFunctions>() == 15 * POINTER);
const _: () = assert!(offset_of!(AddonFunctions, free) == POINTER);
const _: () = assert!(offset_of!(AddonFunctions, get_info) == 5 * POINTER);
const _: () = assert!(offset_of!(AddonFunctions, set_sync) == 9 * POINTER);
const _: () = assert!(offset_of!(AddonFunctions, attribute_ex) == 14 * POINTER);
const _: () = assert!(size_of::<ChannelInfo>() == if POINTER == 8 { 40 } else { 32 });
const _: () = assert!(size_of::<PluginInfo>() == 8 + POINTER);
const _: () = assert!(size_of::<PluginForm>() == 3 * POINTER);
