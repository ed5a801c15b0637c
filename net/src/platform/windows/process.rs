//! Requests to Windows: neither to slow the process down nor to put the computer to sleep, and to
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

/// Requests that this process is not throttled when its window is in the background, and a fine
/// timer tick. Systems that do not know a request refuse it, and do not throttle.
pub(crate) fn run_at_full_speed() {
    let all = PROCESS_POWER_THROTTLING_EXECUTION_SPEED | PROCESS_POWER_THROTTLING_IGNORE_TIMER_RESOLUTION;
    // Windows 10 does not know the second, and then refuses both.
    if !forbid_throttling(all) {
        forbid_throttling(PROCESS_POWER_THROTTLING_EXECUTION_SPEED);
    }
    // SAFETY: it has no conditions. The period ends with the process.
    unsafe { timeBeginPeriod(TICK_MS) };
}

/// Asks Windows not to use these kinds of throttling. Returns whether it agrees.
fn forbid_throttling(ways: u32) -> bool {
    // A kind that is controlled and not set is off.
    let state = PROCESS_POWER_THROTTLING_STATE {
        Version: PROCESS_POWER_THROTTLING_CURRENT_VERSION,
        ControlMask: ways,
        StateMask: 0,
    };
    let length = size_of_val(&state) as u32;
    // SAFETY: the handle of the calling process is always valid, and the structure is ours and of
    // the size that is given.
    unsafe {
        SetProcessInformation(GetCurrentProcess(), ProcessPowerThrottling, (&raw const state).cast(), length) != 0
    }
}

/// Keeps the computer from going to sleep while the calling thread runs, or until [`may_sleep`].
pub(crate) fn stay_awake() {
    // SAFETY: it has no conditions.
    unsafe { SetThreadExecutionState(ES_CONTINUOUS | ES_SYSTEM_REQUIRED) };
}

/// Reverses [`stay_awake`].
pub(crate) fn may_sleep() {
    // SAFETY: it has no conditions.
    unsafe { SetThreadExecutionState(ES_CONTINUOUS) };
}

/// Makes the console interpret escape sequences, by which lines replace each other. Returns whether
/// it does.
pub(crate) fn enable_escape_sequences() -> bool {
    // Both are set, whether the first one succeeds or not.
    let done = [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(understands_escapes);
    done[0]
}

fn understands_escapes(of: STD_HANDLE) -> bool {
    // SAFETY: it has no conditions.
    let console: HANDLE = unsafe { GetStdHandle(of) };
    if console.is_null() || console == INVALID_HANDLE_VALUE {
        return false;
    }
    let mut mode = 0;
    // SAFETY: a handle that the system gave, and a place for the mode. It fails for a file or pipe.
    let is_console = unsafe { GetConsoleMode(console, &raw mut mode) } != 0;
    // SAFETY: the same handle.
    is_console && unsafe { SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) } != 0
}

/// Has both outputs go to a file, which must stay open: Rust's library asks for the handle at each
/// write.
pub(crate) fn redirect_output(file: &File) -> io::Result<()> {
    for output in [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: the handle is open, and a closed one would make writing fail, no more.
        if unsafe { SetStdHandle(output, file.as_raw_handle()) } == 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
