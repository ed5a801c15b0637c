//! The end of a process that Windows requests: the console is closed, the user logs off, the
//! computer is shut down, or another program ends it.
//!
//! Model: a console program learns of the first three by its control handler, but of the end of its
//! session only if it has not loaded `user32.dll`, which playing by WASAPI does. A program with a
//! window gets messages instead. So there is a hidden window, and a thread that waits for its
//! messages.

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

/// Longer than Windows waits for a program that is closed (5 s), or at a shutdown (20 s).
const LONGEST_ENDING: Duration = Duration::from_secs(30);

/// Set when Windows requests the end.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Requests the end of the program.
fn stop() {
    if let Some(stop) = STOP.get() {
        stop.store(true, Ordering::Relaxed);
    }
}

/// Requests the end of the program and waits: Windows ends the process as soon as this returns.
/// `main` ends it before that, when all files are complete.
fn end() {
    stop();
    std::thread::sleep(LONGEST_ENDING);
}

unsafe extern "system" fn handle(event: u32) -> i32 {
    if ![CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT].contains(&event) {
        // Another handler handles Ctrl-C and the like.
        return 0;
    }
    end();
    1
}

/// Messages to the window: the session may end, the session ends (`wparam` is 0 if another program
/// has refused that), or the program is to end (`taskkill`).
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
        // SAFETY: the arguments are those of the system.
        _ => unsafe { DefWindowProcW(window, message, wparam, lparam) },
    }
}

/// Creates the window and handles its messages for ever. Messages of the end of a session go to
/// windows of the desktop only, so this has to be one.
fn hear_messages() {
    // SAFETY: a structure of numbers and pointers, for which all zeros are valid.
    let unset: WNDCLASSW = unsafe { std::mem::zeroed() };
    let class = WNDCLASSW { lpfnWndProc: Some(answer), lpszClassName: w!("aes67 session"), ..unset };
    let (name, none) = (class.lpszClassName, null_mut());
    // SAFETY: the class and its name live through the calls, and the function stays.
    let window = unsafe {
        RegisterClassW(&raw const class);
        CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, none, none, none, null())
    };
    if window.is_null() {
        // A service without a desktop has no session that could end.
        return;
    }
    let mut message = MSG::default();
    // SAFETY: a place for the message.
    while unsafe { GetMessageW(&raw mut message, null_mut(), 0, 0) } > 0 {
        // SAFETY: the message that was given.
        unsafe { DispatchMessageW(&raw const message) };
    }
}

/// Sets `flag` when the process is to end; Windows then gives it some seconds. Installed once.
pub(crate) fn on_closing(flag: &Arc<AtomicBool>) {
    if STOP.set(Arc::clone(flag)).is_err() {
        return;
    }
    // SAFETY: the handler is a function of this program, which stays.
    unsafe { SetConsoleCtrlHandler(Some(handle), 1) };
    // Without a thread, the handler of the console remains.
    let _ = std::thread::Builder::new().name("session end".to_owned()).spawn(hear_messages);
}
