//! Detects that Windows wants the process to end: the console is closed, the user logs off, the
//! computer is shut down, or another program ends the process.
//!
//! Model: a console program is notified of the first three events through its control handler. But
//! if it has loaded `user32.dll`, which playing through WASAPI does, it is not notified of log-off
//! and shutdown. A program with a window receives messages instead. So this module creates a hidden
//! window and a thread that waits for its messages.

use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use windows_sys::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows_sys::Win32::System::Console::{
    CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DispatchMessageW, GetMessageW, MSG, RegisterClassW, WM_CLOSE, WM_ENDSESSION,
    WM_QUERYENDSESSION, WNDCLASSW,
};
use windows_sys::core::w;

/// How long a handler waits for the program to end: longer than Windows waits when a program is
/// closed (5 s), or at a shutdown (20 s).
const LONGEST_ENDING: Duration = Duration::from_secs(30);

/// The flag that is set when Windows wants the process to end.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Sets the flag that makes the program end.
fn stop() {
    if let Some(stop) = STOP.get() {
        stop.store(true, Ordering::Relaxed);
    }
}

/// Makes the program end, and waits, because Windows ends the process as soon as this function
/// returns. Normally `main` ends the process first, when all files are complete.
fn end() {
    stop();
    std::thread::sleep(LONGEST_ENDING);
}

unsafe extern "system" fn handle(event: u32) -> i32 {
    if ![CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT].contains(&event) {
        // Another handler is responsible for Ctrl-C and similar events.
        return 0;
    }
    end();
    1
}

/// Handles messages to the window: a query whether the session may end, the end of the session
/// (`wparam` is 0 if another program has refused it), or a request to end the program (`taskkill`).
unsafe extern "system" fn answer(window: HWND, message: u32, wparam: WPARAM, lparam: LPARAM) -> LRESULT {
    match message {
        WM_QUERYENDSESSION => 1,
        WM_ENDSESSION => {
            if wparam != 0 {
                end();
            }
            0
        }
        WM_CLOSE => {
            stop();
            0
        }
        // SAFETY: these are the arguments with which the system called us.
        _ => unsafe { DefWindowProcW(window, message, wparam, lparam) },
    }
}

/// Creates the window and handles its messages forever. It is a top-level window, because only
/// these receive messages about the end of a session.
fn hear_messages() {
    // SAFETY: this is a structure of numbers and pointers, for which all zeros are a valid value.
    let unset: WNDCLASSW = unsafe { std::mem::zeroed() };
    let class = WNDCLASSW { lpfnWndProc: Some(answer), lpszClassName: w!("aes67 session"), ..unset };
    let (name, none) = (class.lpszClassName, null_mut());
    // SAFETY: the class and its name live through the calls, and the window function is part of
    // this program.
    let window = unsafe {
        RegisterClassW(&raw const class);
        CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, none, none, none, null())
    };
    if window.is_null() {
        // A service without a desktop has no session that could end, so it needs no window.
        return;
    }
    let mut message = MSG::default();
    // SAFETY: the pointer is to a valid place for the message.
    while unsafe { GetMessageW(&raw mut message, null_mut(), 0, 0) } > 0 {
        // SAFETY: the message was just received.
        unsafe { DispatchMessageW(&raw const message) };
    }
}

/// Sets `flag` when Windows wants the process to end; the process then has a few seconds. Only the
/// first call has an effect.
pub(crate) fn on_closing(flag: &Arc<AtomicBool>) {
    if STOP.set(Arc::clone(flag)).is_err() {
        return;
    }
    // SAFETY: the handler is a function of this program, and remains valid as long as the process
    // runs.
    unsafe { SetConsoleCtrlHandler(Some(handle), 1) };
    // If the thread cannot be started, the console handler still works.
    let _ = std::thread::Builder::new().name("session end".to_owned()).spawn(hear_messages);
}
