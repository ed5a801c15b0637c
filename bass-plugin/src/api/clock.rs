//! The functions for a clock without a stream.

use super::clock_view;
use super::{Handles, text_from};
use crate::boundary::{guarded, report, report_isolated};
use crate::clock;
use crate::error::{BassError, code};
use crate::settings::{self, ClockChoice};
use bass_ffi::boundary::HostPointer;
use bass_ffi::clock_view::ClockView;
use bass_ffi::text::Recent;
use bass_ffi::threads;
use bass_ffi::threads::{isolated, mark_as_ours};
use engine::Nanos;
use net::timeline::Timeline;
use net::timer::{PacedTimer, Tick};
use std::ffi::{c_char, c_void};
use std::sync::{Mutex, PoisonError};

/// The domain value that means the domain in the settings.
const BY_SETTING: u32 = u32::MAX;

/// The clock that was started by `BASS_AES67_ClockStart` or `BASS_AES67_ClockStartOn`.
static STARTED: Mutex<Option<Timeline>> = Mutex::new(None);
static TIMERS: Handles<Mutex<Option<PacedTimer>>> = Handles::new(0x6700_0000, "timer");
static STATUS: Recent = Recent::new();

/// A host's timer procedure. Arguments: its pointer, the clock's time in ns, and how many calls
/// were skipped.
type TimerProc = unsafe extern "system" fn(*mut c_void, u64, u32);

#[cfg(unix)]
pub(super) fn end() {
    TIMERS.remove_all();
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(started);
}

/// Starts the clock according to the options. It is not an error if the clock is already running,
/// because some programs start it for each stream.
#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_ClockStart() -> i32 {
    guarded(0, || {
        let started = || match start(None, BY_SETTING) {
            Err(error) if error.code == code::ALREADY => Ok(()),
            other => other,
        };
        i32::from(report_isolated(started).is_some())
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_ClockStartOn(interface: *const c_char, domain: u32) -> i32 {
    guarded(0, || {
        // SAFETY: the C header requires the host to guarantee this.
        let interface = unsafe { text_from(interface) };
        i32::from(report_isolated(|| start(interface.as_deref(), domain)).is_some())
    })
}

fn start(interface: Option<&str>, domain: u32) -> Result<(), BassError> {
    let settings = settings::get();
    let domain = match domain {
        BY_SETTING => settings.domain,
        0..128 => domain as u8,
        _ => return Err(BassError::parameter(format!("domain {domain}: right would be 0 to 127"))),
    };
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if started.is_some() {
        return Err(BassError::new(code::ALREADY, "the clock is started"));
    }
    threads::stay_loaded();
    *started = Some(match settings.clock_mode {
        // The program that disciplines the system clock may use the PTP ports, so they are not
        // opened. This clock needs no network, but if an interface is named, it must exist.
        ClockChoice::System => {
            interface.map(|_| settings.interface(interface)).transpose()?;
            Timeline::System(clock::system()?)
        }
        _ => clock::follow(&settings, settings.interface(interface)?, domain)?,
    });
    Ok(())
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_ClockStop() -> i32 {
    guarded(0, || {
        let stop = || {
            let taken = STARTED.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.map(drop).ok_or_else(|| BassError::new(code::NOTAVAIL, "the clock is not started"))
        };
        i32::from(report_isolated(stop).is_some())
    })
}

/// The status of the clock, or an error if no clock is running.
fn view() -> Result<ClockView, BassError> {
    let known = isolated(|| clock::newest().map(|timeline| ClockView::of(&timeline)));
    known.ok_or_else(|| BassError::new(code::NOTAVAIL, "no clock runs"))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_ClockGetState() -> u32 {
    guarded(0, || clock_view().state)
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_ClockIsLocked() -> i32 {
    guarded(0, || i32::from(clock_view().locked))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_ClockGetPPM() -> f64 {
    guarded(0.0, || clock_view().frequency_ppm)
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_GetClockStats() -> *const c_char {
    guarded(std::ptr::null(), || STATUS.hand_out(&clock_view().text, false).cast())
}

/// Writes a number to the host's memory, or reports the error.
///
/// # Safety
/// `out` must be null or point to a writable `T`.
unsafe fn give<T>(out: *mut T, value: Result<T, BassError>) -> i32 {
    let out = if out.is_null() { Err(BassError::parameter("no place for the answer")) } else { Ok(out) };
    let given = out.and_then(|out| {
        // SAFETY: the pointer is not null, and the caller guarantees that it is valid.
        value.map(|value| unsafe { out.write_unaligned(value) })
    });
    i32::from(report(given).is_some())
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_ClockGetOffset(offset_ns: *mut i64) -> i32 {
    // SAFETY: the C header requires the host to guarantee this.
    guarded(0, || unsafe { give(offset_ns, view().map(|view| view.offset_ns)) })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_ClockGetGrandmaster(identity: *mut u64) -> i32 {
    let known = || match view()?.grandmaster {
        0 => Err(BassError::new(code::NOTAVAIL, "no grandmaster is known")),
        known => Ok(known),
    };
    // SAFETY: the C header requires the host to guarantee this.
    guarded(0, || unsafe { give(identity, known()) })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_ClockGetTime(time_ns: *mut u64) -> i32 {
    let known = || {
        let time = view()?.ptp_ns.and_then(|time| u64::try_from(time).ok());
        time.ok_or_else(|| BassError::new(code::NOTAVAIL, "PTP time is not known"))
    };
    // SAFETY: the C header requires the host to guarantee this.
    guarded(0, || unsafe { give(time_ns, known()) })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_TimerStart(
    period_us: u32,
    procedure: Option<TimerProc>,
    user: *mut c_void,
) -> u32 {
    guarded(0, || {
        let user = HostPointer(user);
        report_isolated(|| start_timer(period_us, procedure, user)).unwrap_or(0)
    })
}

/// Range of timer periods, in us.
const PERIODS_US: std::ops::RangeInclusive<u32> = 100..=10_000_000;

fn start_timer(period_us: u32, procedure: Option<TimerProc>, user: HostPointer) -> Result<u32, BassError> {
    let procedure = procedure.ok_or_else(|| BassError::parameter("no procedure to be called"))?;
    if !PERIODS_US.contains(&period_us) {
        return Err(BassError::parameter(format!("a period of {period_us} us: right would be 100 to 10000000")));
    }
    let timeline = clock::newest()
        .ok_or_else(|| BassError::new(code::NOTAVAIL, "no clock runs: BASS_AES67_ClockStart starts it"))?;
    threads::stay_loaded();
    let call = move |tick: Tick| {
        mark_as_ours();
        // This makes the closure capture the whole `HostPointer`, and not only the pointer in it.
        let user = &user;
        let time_ns = u64::try_from(tick.due.as_nanos()).unwrap_or(0);
        let missed = u32::try_from(tick.missed).unwrap_or(u32::MAX);
        // SAFETY: the host keeps its procedure and its pointer valid until it stops the timer.
        unsafe { procedure(user.0, time_ns, missed) };
    };
    let timer = PacedTimer::start(timeline, Nanos::from_micros(i64::from(period_us)), call)?;
    Ok(TIMERS.add(Mutex::new(Some(timer))))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_TimerStop(timer: u32) -> i32 {
    guarded(0, || {
        let stop = || {
            let timer = TIMERS.remove(timer)?;
            // The timer is dropped here, so its thread has ended when this function returns, unless
            // that thread is the caller.
            let taken = timer.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(taken);
            Ok(())
        };
        i32::from(report_isolated(stop).is_some())
    })
}
