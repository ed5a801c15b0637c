//! The functions of `bass_ptp.h`, which documents them.

use crate::timer::TimerProc;
use crate::{clock, timer};
use bass_ffi::boundary::{HostPointer, guarded_or, version};
use bass_ffi::text;
use bass_ffi::threads::isolated;
use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

/// The result of functions that perform an action.
const DONE: c_int = 0;
const FAILED: c_int = -1;

/// The text of the last error of any thread.
static WORDS: Mutex<String> = Mutex::new(String::new());

/// Ends everything.
pub(crate) fn end() {
    timer::stop();
    clock::stop();
}

/// Performs an action, isolated from the program's thread.
fn done(body: impl FnOnce() -> Result<(), String> + Send) -> c_int {
    let fault = || Err("a fault of bass_ptp; its reason is on the error output".to_owned());
    match guarded_or(fault, || isolated(body)) {
        Ok(()) => DONE,
        Err(words) => {
            *WORDS.lock().unwrap_or_else(PoisonError::into_inner) = words;
            FAILED
        }
    }
}

/// Reads a value.
fn ask<T: Send>(otherwise: T, body: impl FnOnce() -> T + Send) -> T {
    guarded_or(|| otherwise, || isolated(body))
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_PTP_Start(interface: *const c_char, domain: u8) -> c_int {
    // SAFETY: the header asks for null or a string that ends in a zero.
    let interface = guarded_or(|| None, || unsafe { text::from_host(interface.cast(), false) });
    done(|| {
        let interface = interface.filter(|name| !name.is_empty());
        match domain {
            0..128 => clock::start(interface.as_deref(), domain),
            _ => Err(format!("domain {domain}: right would be 0 to 127")),
        }
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_Stop() -> c_int {
    done(|| {
        clock::stop();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_ForceStop() -> c_int {
    done(|| {
        end();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_IsRunning() -> c_int {
    ask(0, || c_int::from(clock::is_running()))
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_PTP_GetStatsString(buffer: *mut c_char, size: c_int) -> c_int {
    let stats = ask(String::new(), || clock::view().text);
    // SAFETY: as the header asks for.
    unsafe { give(&stats, buffer, size) }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_PTP_GetErrorText(buffer: *mut c_char, size: c_int) -> c_int {
    let words = ask(String::new(), || WORDS.lock().unwrap_or_else(PoisonError::into_inner).clone());
    // SAFETY: as the header asks for.
    unsafe { give(&words, buffer, size) }
}

/// Copies a text to the program.
///
/// # Safety
/// `buffer` is null, or points to an array of `size` bytes.
unsafe fn give(text: &str, buffer: *mut c_char, size: c_int) -> c_int {
    match usize::try_from(size) {
        Ok(size) if size > 0 && !buffer.is_null() => {
            // SAFETY: as the caller says.
            text::copy_into(text, unsafe { std::slice::from_raw_parts_mut(buffer, size) });
            DONE
        }
        _ => done(|| Err("no array for the text, or one of no size".to_owned())),
    }
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_IsLocked() -> c_int {
    ask(0, || c_int::from(clock::view().locked))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_GetFrequencyPPM() -> f64 {
    ask(0.0, || clock::view().frequency_ppm)
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_GetOffset() -> i64 {
    ask(0, || clock::view().offset_ns)
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_GetState() -> u8 {
    ask(0, || clock::view().state as u8)
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_GetVersion() -> u32 {
    version()
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerStart(interval_ms: u32, callback: Option<TimerProc>, user: *mut c_void) -> c_int {
    let user = HostPointer(user);
    done(move || {
        let callback = callback.ok_or("no procedure to be called")?;
        timer::start(interval_ms, callback, user)
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerStop() -> c_int {
    done(|| {
        timer::stop();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerSetPLL(enabled: c_int) -> c_int {
    timer::set_pll(enabled != 0);
    DONE
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerSetInterval(interval_ms: u32) -> c_int {
    done(|| timer::set_interval(interval_ms))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerGetInterval() -> u32 {
    timer::interval_ms()
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerIsRunning() -> c_int {
    ask(0, || c_int::from(timer::is_running()))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_PTP_TimerIsPLLEnabled() -> c_int {
    c_int::from(timer::is_pll_enabled())
}
