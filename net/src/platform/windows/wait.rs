//! Waits for sockets, for a time, or for another thread.
//!
//! Model: a thread waits for three objects: an event that other threads set to wake it, an event
//! that all sockets share (`WSAEventSelect`), and a high-resolution waitable timer. The timeout of
//! the wait itself is not used, because its resolution is the system's tick (15.6 ms).

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

/// Unit of a waitable timer, ns.
const NANOS_PER_UNIT: i64 = 100;

/// Lets one thread wait, and other threads wake it.
#[derive(Debug)]
pub(crate) struct Waker {
    woken: OwnedHandle,
    readable: OwnedHandle,
    timer: OwnedHandle,
}

/// Takes ownership of a new handle; returns the system's error if there is none.
fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just created, and nothing else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Creates an event. If `stays`, it stays set until it is reset; otherwise, only until it has ended
/// a wait.
fn event(stays: bool) -> io::Result<OwnedHandle> {
    // SAFETY: the attributes and the name may be null.
    owned(unsafe { CreateEventW(null(), i32::from(stays), 0, null()) })
}

/// Creates a timer with the best available resolution. Before Windows 10 1803, this is the tick.
fn timer() -> io::Result<OwnedHandle> {
    // SAFETY: the attributes and the name may be null.
    let precise =
        unsafe { CreateWaitableTimerExW(null(), null(), CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS) };
    // SAFETY: the attributes and the name may be null.
    owned(precise).or_else(|_| owned(unsafe { CreateWaitableTimerExW(null(), null(), 0, TIMER_ALL_ACCESS) }))
}

impl Waker {
    /// # Errors
    /// If the system has no handles left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { woken: event(false)?, readable: event(true)?, timer: timer()? })
    }

    /// Wakes the thread if it is waiting; otherwise, its next wait returns at once.
    pub(crate) fn wake(&self) {
        // SAFETY: the handle stays open as long as `self` exists.
        unsafe { SetEvent(self.woken.as_raw_handle()) };
    }

    /// Waits until one of the sockets is readable, the thread is woken, or `timeout` has passed,
    /// whichever is first.
    pub(crate) fn wait(&self, sockets: &[BorrowedSocket<'_>], timeout: Nanos) {
        // SAFETY: the handle stays open as long as `self` exists.
        unsafe { ResetEvent(self.readable.as_raw_handle()) };
        for socket in sockets {
            // This sets the event at once if a datagram is already waiting. SAFETY: both handles
            // are open during the call.
            unsafe {
                WSAEventSelect(
                    socket.as_raw_socket() as SOCKET,
                    self.readable.as_raw_handle() as isize,
                    FD_READ as i32,
                );
            }
        }
        // A negative time is relative. 0 is an absolute time in the distant past, so the timer
        // expires at once, as it should.
        let due = -(timeout.max(Nanos::ZERO).as_nanos() / NANOS_PER_UNIT);
        // SAFETY: the handle is open, the time lives through the call, and there is no completion
        // routine.
        unsafe { SetWaitableTimer(self.timer.as_raw_handle(), &raw const due, 0, None, null_mut(), 0) };
        let handles: [HANDLE; 3] =
            [self.woken.as_raw_handle(), self.readable.as_raw_handle(), self.timer.as_raw_handle()];
        // SAFETY: all three handles are open during the call.
        unsafe { WaitForMultipleObjects(3, handles.as_ptr(), 0, INFINITE) };
    }
}
