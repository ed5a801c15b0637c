//! Waiting for sockets, a time, or to be woken.
//!
//! Model: a thread waits for three objects: an event that wakes, an event that all sockets share
//! (`WSAEventSelect`), and a waitable timer of high resolution, because the timeout of a wait is as
//! coarse as the system's tick (15.6 ms).

use engine::Nanos;
use std::io;
use std::os::windows::io::{AsRawHandle, AsRawSocket, BorrowedSocket, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{FD_READ, SOCKET, WSAEventSelect};
use windows_sys::Win32::System::Threading::{
    CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, CreateEventW, CreateWaitableTimerExW, INFINITE, ResetEvent, SetEvent,
    SetWaitableTimer, TIMER_ALL_ACCESS, WaitForMultipleObjects,
};

/// Units of a waitable timer.
const NANOS_PER_UNIT: i64 = 100;

/// Wakes a thread that waits.
#[derive(Debug)]
pub(crate) struct Waker {
    woken: OwnedHandle,
    readable: OwnedHandle,
    timer: OwnedHandle,
}

/// The handle, or the reason why there is none.
fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just created, and nothing else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// An event that stays set until it is reset, or until it has ended a wait.
fn event(stays: bool) -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name.
    owned(unsafe { CreateEventW(null(), i32::from(stays), 0, null()) })
}

/// A timer of the best available resolution: before Windows 10 1803, that of the tick.
fn timer() -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name.
    let precise =
        unsafe { CreateWaitableTimerExW(null(), null(), CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS) };
    // SAFETY: no attributes and no name.
    owned(precise).or_else(|_| owned(unsafe { CreateWaitableTimerExW(null(), null(), 0, TIMER_ALL_ACCESS) }))
}

impl Waker {
    /// # Errors
    /// If the system has no handles left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { woken: event(false)?, readable: event(true)?, timer: timer()? })
    }

    /// Wakes the waiting thread, or else makes its next wait return at once.
    pub(crate) fn wake(&self) {
        // SAFETY: the handle is open as long as we are.
        unsafe { SetEvent(self.woken.as_raw_handle()) };
    }

    /// Waits until one of the sockets can be read, the waker wakes, or `timeout` has passed,
    /// whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedSocket<'_>], timeout: Nanos) {
        // SAFETY: the handle is open as long as we are.
        unsafe { ResetEvent(self.readable.as_raw_handle()) };
        for socket in sockets {
            // Sets the event at once if something is waiting already. SAFETY: both are open through
            // the call.
            unsafe {
                WSAEventSelect(
                    socket.as_raw_socket() as SOCKET,
                    self.readable.as_raw_handle() as isize,
                    FD_READ as i32,
                );
            }
        }
        // A negative time is relative. 0 would be a time long past, which has the same effect.
        let due = -(timeout.max(Nanos::ZERO).as_nanos() / NANOS_PER_UNIT);
        // SAFETY: the handle is open, the time is ours, and there is no routine to be called.
        unsafe { SetWaitableTimer(self.timer.as_raw_handle(), &raw const due, 0, None, null_mut(), 0) };
        let handles: [HANDLE; 3] =
            [self.woken.as_raw_handle(), self.readable.as_raw_handle(), self.timer.as_raw_handle()];
        // SAFETY: three handles that are open through the call.
        unsafe { WaitForMultipleObjects(3, handles.as_ptr(), 0, INFINITE) };
    }
}
