//! The timer of the process.

use crate::clock;
use bass_ffi::boundary::HostPointer;
use bass_ffi::threads::{mark_as_ours, stay_loaded};
use engine::Nanos;
use net::interval_timer::IntervalTimer;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A program's procedure and its pointer.
pub(crate) type TimerProc = unsafe extern "system" fn(*mut c_void);

/// Range of intervals, in ms: up to an hour.
const INTERVALS_MS: std::ops::RangeInclusive<u32> = 1..=3_600_000;

static TIMER: Mutex<Option<IntervalTimer>> = Mutex::new(None);
static INTERVAL_MS: AtomicU32 = AtomicU32::new(0);
/// Whether calls follow the clock.
static PLL: AtomicBool = AtomicBool::new(true);

fn running() -> std::sync::MutexGuard<'static, Option<IntervalTimer>> {
    TIMER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn checked(interval_ms: u32) -> Result<Nanos, String> {
    if INTERVALS_MS.contains(&interval_ms) {
        return Ok(Nanos::from_millis(i64::from(interval_ms)));
    }
    Err(format!("an interval of {interval_ms} ms: right would be 1 to 3600000"))
}

/// Calls `procedure` once per interval, instead of any earlier procedure.
pub(crate) fn start(interval_ms: u32, procedure: TimerProc, user: HostPointer) -> Result<(), String> {
    let interval = checked(interval_ms)?;
    stop();
    stay_loaded();
    let clock = || if PLL.load(Ordering::Relaxed) { clock::timeline() } else { None };
    let call = move || {
        // The program may stop the timer, or end everything, in the call.
        mark_as_ours();
        // Captures the whole of it, not only the pointer.
        let user = &user;
        // SAFETY: the program keeps its procedure and pointer valid until it stops the timer.
        unsafe { procedure(user.0) };
    };
    let timer = IntervalTimer::start(interval, clock, call).map_err(|error| error.to_string())?;
    INTERVAL_MS.store(interval_ms, Ordering::Relaxed);
    let replaced = running().replace(timer);
    // Outside of the lock, because a call may need it.
    drop(replaced);
    Ok(())
}

/// Ends the timer, if it runs. The last call has returned by then, unless this is called in it.
pub(crate) fn stop() {
    let ended = running().take();
    drop(ended);
}

/// Whether it is started.
pub(crate) fn is_running() -> bool {
    running().is_some()
}

/// Changes the interval, from the last call on.
pub(crate) fn set_interval(interval_ms: u32) -> Result<(), String> {
    let interval = checked(interval_ms)?;
    INTERVAL_MS.store(interval_ms, Ordering::Relaxed);
    if let Some(timer) = &*running() {
        timer.set_interval(interval);
    }
    Ok(())
}

/// The interval that was set last, in ms; 0 before one was.
pub(crate) fn interval_ms() -> u32 {
    INTERVAL_MS.load(Ordering::Relaxed)
}

/// Whether calls go by the clock while it may be used.
pub(crate) fn set_pll(enabled: bool) {
    PLL.store(enabled, Ordering::Relaxed);
}

/// Whether they do.
pub(crate) fn is_pll_enabled() -> bool {
    PLL.load(Ordering::Relaxed)
}
