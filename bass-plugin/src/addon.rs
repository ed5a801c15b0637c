//! The functions of our streams that BASS calls.
//!
//! Model: BASS has one pointer for each stream, which points to an [`Instance`]. BASS calls `free`
//! once, after the last call of `stream_proc`, and never makes two calls of `stream_proc` at the
//! same time; it may call the other functions from any thread in between. So only `stream_proc`
//! accesses the audio, and everything else goes through a shared [`Stream`].

use crate::abi::{AddonFunctions, CTYPE_AES67, ChannelInfo, SYNC_BY_BASS, SYNC_TYPE, SyncProc, UNKNOWN_QWORD};
use crate::audio::Audio;
use crate::bass::set_error;
use crate::boundary::{guarded, guarded_quietly};
use crate::error::code;
use crate::streams::{self, SILENCE, Stream};
use bass_ffi::threads::isolated;
use engine::rtp::format::Encoding;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::Arc;

/// A stream and its audio.
pub(crate) struct Instance {
    stream: Arc<Stream>,
    audio: UnsafeCell<Audio>,
}

impl Instance {
    pub(crate) fn new(stream: Arc<Stream>, audio: Audio) -> Self {
        Self { stream, audio: UnsafeCell::new(audio) }
    }

    /// Converts the instance to the pointer for BASS.
    pub(crate) fn into_raw(self) -> *mut c_void {
        Box::into_raw(Box::new(self)).cast()
    }

    /// # Safety
    /// The pointer must come from [`Instance::into_raw`], and must not be used after this call.
    pub(crate) unsafe fn from_raw(instance: *mut c_void) -> Box<Self> {
        // SAFETY: the caller guarantees this.
        unsafe { Box::from_raw(instance.cast()) }
    }
}

/// The stream behind BASS's pointer.
///
/// # Safety
/// The pointer must come from [`Instance::into_raw`], and `free` must not have been called for it.
unsafe fn stream_of<'a>(instance: *mut c_void) -> &'a Stream {
    // SAFETY: the caller guarantees a valid pointer; only the stream is accessed through it, never
    // the audio.
    unsafe { &(*instance.cast::<Instance>()).stream }
}

/// The table of functions for BASS. Without flags, BASS counts positions itself, and samples are in
/// the channel's format.
pub(crate) static ADDON: AddonFunctions = AddonFunctions {
    flags: 0,
    free,
    get_length,
    get_tags: None,
    get_file_position: Some(get_file_position),
    get_info,
    can_set_position,
    set_position: None,
    get_position: None,
    set_sync: Some(set_sync),
    remove_sync: Some(remove_sync),
    can_resume: None,
    set_flags: None,
    attribute: Some(attribute),
    attribute_ex: None,
};

/// Produces audio for BASS. Always fills the whole buffer, and never reports the end of the stream.
///
/// # Safety
/// `buffer` must have `length` bytes, and `user` must be the pointer that BASS received from us.
pub(crate) unsafe extern "system" fn stream_proc(_: u32, buffer: *mut c_void, length: u32, user: *mut c_void) -> u32 {
    if buffer.is_null() {
        return length;
    }
    // SAFETY: BASS provides a buffer of this length for the duration of the call.
    let out = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length as usize) };
    let fill = || {
        // SAFETY: BASS calls this for a stream from one thread at a time, and not after `free`;
        // nothing else accesses the audio.
        let audio = unsafe { &mut *(*user.cast::<Instance>()).audio.get() };
        audio.fill(net::clock::now(), out);
        true
    };
    if !guarded_quietly(false, fill) {
        // After a panic, the buffer is filled with silence, because its contents would be noise.
        out.fill(0);
    }
    length
}

unsafe extern "system" fn free(instance: *mut c_void) {
    guarded((), || {
        // SAFETY: BASS calls this once, and calls no other function of the stream afterwards.
        let Instance { stream, audio } = *unsafe { Instance::from_raw(instance) };
        drop(audio);
        // This waits for the threads that worked only for this stream, because our code may be
        // unloaded directly afterwards.
        isolated(move || streams::remove(&stream));
    });
}

unsafe extern "system" fn get_length(_: *mut c_void, _: u32) -> u64 {
    set_error(code::NOTAVAIL);
    UNKNOWN_QWORD
}

/// The values of `BASS_FILEPOS_*`.
mod filepos {
    pub(super) const CONNECTED: u32 = 4;
    pub(super) const BUFFER: u32 = 5;
}

/// Returns how many bytes of the channel are buffered, or whether packets arrive.
unsafe extern "system" fn get_file_position(instance: *mut c_void, mode: u32) -> u64 {
    guarded(UNKNOWN_QWORD, || {
        // SAFETY: BASS calls this only for streams that have not been freed.
        let stream = unsafe { stream_of(instance) };
        let Some(status) = isolated(|| stream.status()) else { return UNKNOWN_QWORD };
        let frame_bytes = stream.format.channels() * stream.samples.bytes();
        match mode {
            filepos::CONNECTED => u64::from(status.last_packet.is_some_and(|last| status.at - last < SILENCE)),
            filepos::BUFFER => stream.format.sample_rate().frames_in(status.playout.fill) as u64 * frame_bytes as u64,
            _ => {
                set_error(code::NOTAVAIL);
                UNKNOWN_QWORD
            }
        }
    })
}

unsafe extern "system" fn get_info(instance: *mut c_void, info: *mut ChannelInfo) {
    guarded((), || {
        // SAFETY: BASS calls this only for streams that have not been freed, and provides the
        // structure.
        let (stream, info) = unsafe { (stream_of(instance), &mut *info) };
        info.ctype = CTYPE_AES67;
        info.original_resolution = match stream.format.encoding() {
            Encoding::L16 => 16,
            Encoding::L24 => 24,
        };
        info.filename = stream.url.as_ptr();
    });
}

unsafe extern "system" fn can_set_position(_: *mut c_void, _: u64, _: u32) -> i32 {
    set_error(code::NOTAVAIL);
    0
}

unsafe extern "system" fn set_sync(
    instance: *mut c_void,
    sync_type: u32,
    _parameter: u64,
    procedure: Option<SyncProc>,
    user: *mut c_void,
) -> u32 {
    guarded(0, || {
        // SAFETY: BASS calls this only for streams that have not been freed. The clone keeps the
        // stream alive.
        let stream = unsafe { Arc::clone(&(*instance.cast::<Instance>()).stream) };
        match crate::syncs::kind_of(sync_type & SYNC_TYPE) {
            Some(kind) => crate::sync_watch::set(&stream, kind, sync_type, procedure, user),
            None => SYNC_BY_BASS,
        }
    })
}

unsafe extern "system" fn remove_sync(instance: *mut c_void, sync: u32) {
    guarded((), || {
        // SAFETY: BASS calls this only for streams that have not been freed.
        unsafe { stream_of(instance) }.syncs.remove(sync);
    });
}

/// `BASS_ATTRIB_BITRATE`, in kbit/s.
const ATTRIBUTE_BITRATE: u32 = 12;

unsafe extern "system" fn attribute(instance: *mut c_void, which: u32, value: *mut f32, set: i32) -> i32 {
    guarded(0, || {
        if which != ATTRIBUTE_BITRATE || set != 0 || value.is_null() {
            set_error(code::ILLTYPE);
            return 0;
        }
        // SAFETY: BASS calls this only for streams that have not been freed.
        let format = unsafe { stream_of(instance) }.format;
        let bits = format.bytes_per_frame() as u64 * 8 * u64::from(format.sample_rate().as_hz());
        // SAFETY: BASS provides a place for one float.
        unsafe { value.write_unaligned(bits as f32 / 1000.0) };
        1
    })
}
