//! The functions that `bass_aes67.h` declares and documents.
//!
//! Model: every function converts its arguments from C, calls the safe core, and reports errors
//! through BASS's error code and [`BASS_AES67_GetErrorText`]. Handles are numbers, so that an
//! invalid handle is an error and not undefined behaviour.

mod clock;
mod discovery;
mod output;
mod stream;

use crate::boundary::{guarded, last_text};
use crate::error::{BassError, code};
use crate::streams;
use bass_ffi::clock_view::ClockView;
use bass_ffi::text;
use bass_ffi::threads::isolated;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError};

/// Ends everything except streams, which end with their BASS channels.
#[cfg(unix)]
pub(crate) fn end_all() {
    clock::end();
    output::end();
    crate::discovery::stop();
}

/// The clock as reported to a host.
pub(crate) fn clock_view() -> ClockView {
    isolated(|| crate::clock::view(streams::newest_status().as_deref()))
}

/// A table of items of one kind, with their handles, which are not reused.
struct Handles<T> {
    all: Mutex<(u32, BTreeMap<u32, Arc<T>>)>,
    what: &'static str,
}

impl<T> Handles<T> {
    /// Creates an empty table. Handles begin after `base`, so that items of different kinds have
    /// different handles.
    const fn new(base: u32, what: &'static str) -> Self {
        Self { all: Mutex::new((base, BTreeMap::new())), what }
    }

    fn add(&self, thing: T) -> u32 {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.0 += 1;
        let handle = all.0;
        all.1.insert(handle, Arc::new(thing));
        handle
    }

    fn find(&self, handle: u32) -> Result<Arc<T>, BassError> {
        let found = self.all.lock().unwrap_or_else(PoisonError::into_inner).1.get(&handle).cloned();
        found.ok_or_else(|| BassError::new(code::HANDLE, format!("{handle:#x} is no {}", self.what)))
    }

    fn remove(&self, handle: u32) -> Result<Arc<T>, BassError> {
        let found = self.all.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&handle);
        found.ok_or_else(|| BassError::new(code::HANDLE, format!("{handle:#x} is no {}", self.what)))
    }

    #[cfg(unix)]
    fn remove_all(&self) -> BTreeMap<u32, Arc<T>> {
        std::mem::take(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// Converts a rate in ppm to the format of the public header: thousandths of a ppm, as a signed
/// number in an unsigned one.
pub(crate) fn thousandths(ppm: f64) -> u32 {
    (ppm * 1000.0).round() as i32 as u32
}

/// Writes a structure for a host that may know a shorter version of it. The first member states its
/// size.
///
/// # Safety
/// `out` must be null or point to a writable structure whose first `u32` is its size in bytes.
unsafe fn write_sized<T: Copy>(out: *mut T, value: T) -> Result<(), BassError> {
    if out.is_null() {
        return Err(BassError::parameter("no structure to be filled"));
    }
    // SAFETY: the caller guarantees this.
    let size = unsafe { out.cast::<u32>().read_unaligned() } as usize;
    if size < 8 || size > 4 * size_of::<T>() {
        return Err(BassError::parameter(format!(
            "the structure's size is {size}: set it to sizeof({} bytes) before the call",
            size_of::<T>()
        )));
    }
    let bytes = size.min(size_of::<T>());
    // SAFETY: `value` and the host's structure have at least this many bytes. The first member is
    // not written.
    unsafe {
        let from = (&raw const value).cast::<u8>();
        std::ptr::copy_nonoverlapping(from.add(4), out.cast::<u8>().add(4), bytes - 4);
    }
    Ok(())
}

/// Reads a text from the host; `None` for null and for an empty text.
///
/// # Safety
/// The pointer must be null or point to a zero-terminated string.
unsafe fn text_from(pointer: *const c_char) -> Option<String> {
    // SAFETY: the caller guarantees this.
    unsafe { text::from_host(pointer.cast::<c_void>(), false) }.filter(|text| !text.is_empty())
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_GetErrorText(out: *mut c_char, length: u32) -> u32 {
    guarded(0, || {
        let text = last_text();
        if !out.is_null() && length > 0 {
            // SAFETY: the host provides an array of this length.
            let out = unsafe { std::slice::from_raw_parts_mut(out, length as usize) };
            text::copy_into(&text, out);
        }
        text.len() as u32
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_GetVersion() -> u32 {
    bass_ffi::boundary::version()
}
