//! Requests to Windows: not to throttle the process, not to put the computer to sleep, and to
//! interpret escape sequences on the console.

pub(crate) use super::closing::on_closing;
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle as _;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Media::timeBeginPeriod;
use windows_sys::Win32::System::Console::{
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleMode, SetStdHandle,
};
use windows_sys::Win32::System::Power::{ES_CONTINUOUS, ES_SYSTEM_REQUIRED, SetThreadExecutionState};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, PROCESS_POWER_THROTTLING_CURRENT_VERSION, PROCESS_POWER_THROTTLING_EXECUTION_SPEED,
    PROCESS_POWER_THROTTLING_IGNORE_TIMER_RESOLUTION, PROCESS_POWER_THROTTLING_STATE, ProcessPowerThrottling,
    SetProcessInformation,
};

/// The finest period of the system's timer tick that programs may request, ms.
const TICK_MS: u32 = 1;

/// Requests a fine timer tick, and that this process is not throttled when its window is in the
/// background. Systems that do not support a kind of throttling refuse the request, and do not
/// throttle either.
pub(crate) fn run_at_full_speed() {
    let all = PROCESS_POWER_THROTTLING_EXECUTION_SPEED | PROCESS_POWER_THROTTLING_IGNORE_TIMER_RESOLUTION;
    // Windows 10 does not support the second flag, and then refuses both.
    if !forbid_throttling(all) {
        forbid_throttling(PROCESS_POWER_THROTTLING_EXECUTION_SPEED);
    }
    // SAFETY: the function has no safety conditions. The period is reset when the process ends.
    unsafe { timeBeginPeriod(TICK_MS) };
}

/// Asks Windows not to use these kinds of throttling. Returns whether Windows accepts the request.
fn forbid_throttling(ways: u32) -> bool {
    // A kind that is in the control mask but not in the state mask is switched off.
    let state = PROCESS_POWER_THROTTLING_STATE {
        Version: PROCESS_POWER_THROTTLING_CURRENT_VERSION,
        ControlMask: ways,
        StateMask: 0,
    };
    let length = size_of_val(&state) as u32;
    // SAFETY: the handle of the calling process is always valid, and the structure lives through
    // the call and has the given size.
    unsafe {
        SetProcessInformation(GetCurrentProcess(), ProcessPowerThrottling, (&raw const state).cast(), length) != 0
    }
}

/// Keeps the computer from going to sleep while the calling thread exists, or until [`may_sleep`].
pub(crate) fn stay_awake() {
    // SAFETY: the function has no safety conditions.
    unsafe { SetThreadExecutionState(ES_CONTINUOUS | ES_SYSTEM_REQUIRED) };
}

/// Reverses [`stay_awake`].
pub(crate) fn may_sleep() {
    // SAFETY: the function has no safety conditions.
    unsafe { SetThreadExecutionState(ES_CONTINUOUS) };
}

/// Makes the console interpret escape sequences, which are needed to overwrite lines. Returns
/// whether the console supports them.
pub(crate) fn enable_escape_sequences() -> bool {
    // Both are set, whether or not the first one succeeds.
    let done = [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(understands_escapes);
    done[0]
}

fn understands_escapes(of: STD_HANDLE) -> bool {
    // SAFETY: the function has no safety conditions.
    let console: HANDLE = unsafe { GetStdHandle(of) };
    if console.is_null() || console == INVALID_HANDLE_VALUE {
        return false;
    }
    let mut mode = 0;
    // SAFETY: the handle comes from the system, and the pointer is to a valid place for the mode.
    // The call fails for a file or pipe.
    let is_console = unsafe { GetConsoleMode(console, &raw mut mode) } != 0;
    // SAFETY: the handle is the same.
    is_console && unsafe { SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) } != 0
}

/// Redirects both outputs to a file, which must stay open, because the Rust standard library looks
/// up the handle for each write.
pub(crate) fn redirect_output(file: &File) -> io::Result<()> {
    for output in [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: the handle is open; a closed handle would only make writing fail.
        if unsafe { SetStdHandle(output, file.as_raw_handle()) } == 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
