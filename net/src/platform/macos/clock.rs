//! The clocks of macOS.
//!
//! The host clock is Mach absolute time, which macOS also calls `CLOCK_UPTIME_RAW`: a free-running
//! crystal that stands still while the machine sleeps, like `CLOCK_MONOTONIC_RAW` on Linux. The
//! kernel uses this clock for stamps, deadlines and scheduling, so that nothing has to be
//! converted. (On macOS, `CLOCK_MONOTONIC_RAW` follows the same crystal, but continues during
//! sleep.)

use super::ticks::Timebase;
use engine::clock::Discipline;
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use mach2::mach_time::{mach_absolute_time, mach_timebase_info};
use nix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;

/// Unit of `timex::freq`: 2^-16 ppm.
const FREQUENCY_UNITS_PER_PPM: f64 = 65_536.0;

/// The length of a tick, which is constant for a process.
pub(super) fn timebase() -> Timebase {
    static TIMEBASE: OnceLock<Timebase> = OnceLock::new();
    *TIMEBASE.get_or_init(|| {
        let mut info = mach_timebase_info::default();
        // SAFETY: the pointer is to a valid structure, with which the call cannot fail.
        unsafe { mach_timebase_info(&raw mut info) };
        Timebase { ns: info.numer, ticks: info.denom }
    })
}

/// Name of the host clock.
pub(crate) const NAME: &str = "mach_absolute_time";

/// Reads the host clock, Mach absolute time.
pub(crate) fn now() -> LocalTime {
    // SAFETY: this function has no safety conditions.
    timebase().time(unsafe { mach_absolute_time() })
}

/// Reads the system clock (UTC), in whole microseconds, which is the resolution on macOS.
pub(crate) fn system_now() -> PtpTime {
    let clock = ClockId::CLOCK_REALTIME;
    // Reading this clock cannot fail, and there is no substitute for it.
    let time = clock_gettime(clock).unwrap_or_else(|error| panic!("clock {clock} cannot be read: {error}"));
    PtpTime::from_nanos(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
}

/// Reads the host clock. No steady clock is needed, because on macOS no packets are stamped with
/// the system clock, so its steps do not matter.
pub(crate) fn steady_now() -> Nanos {
    Nanos::new(now().as_nanos())
}

/// How the kernel's clock is disciplined, and TAI - UTC in s; `None` if the kernel does not report
/// it.
pub(crate) fn discipline() -> Option<(Discipline, i16)> {
    // SAFETY: `timex` is a C struct of integers, for which all zeros are a valid value. With
    // `modes` 0, the call changes nothing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` that lives through the call.
    let state = unsafe { libc::ntp_adjtime(&raw mut timex) };
    let discipline = Discipline {
        synchronised: state >= 0 && timex.status & libc::STA_UNSYNC == 0,
        estimated_error: Nanos::from_micros(timex.esterror),
        frequency: Ppb::from_ppm(timex.freq as f64 / FREQUENCY_UNITS_PER_PPM),
    };
    (state >= 0).then(|| (discipline, tai_minus_utc_s()))
}

/// TAI - UTC in s; 0 if nobody has set it.
fn tai_minus_utc_s() -> i16 {
    // SAFETY: `ntptimeval` is a C struct of integers, for which all zeros are a valid value.
    let mut time: libc::ntptimeval = unsafe { std::mem::zeroed() };
    // The return value is the state of the clock, which is an error if nobody disciplines the
    // clock; the structure is filled in any case. SAFETY: the pointer is to an `ntptimeval` that
    // lives through the call.
    unsafe { libc::ntp_gettime(&raw mut time) };
    time.tai.try_into().unwrap_or(0)
}
