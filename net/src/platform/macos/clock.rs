//! Clocks of macOS.
//!
//! The host's clock is mach's absolute time, which macOS also calls `CLOCK_UPTIME_RAW`: the
//! crystal, which nobody steers and which stands still while the machine sleeps, as Linux's
//! `CLOCK_MONOTONIC_RAW` does. The kernel uses that clock for stamps, deadlines and scheduling, so
//! that nothing has to be converted. (`CLOCK_MONOTONIC_RAW` is the same crystal on macOS, but runs
//! on during sleep.)

use super::ticks::Timebase;
use engine::clock::Discipline;
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use mach2::mach_time::{mach_absolute_time, mach_timebase_info};
use nix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;

/// Units of `timex::freq`: 2^-16 ppm.
const FREQUENCY_UNITS_PER_PPM: f64 = 65_536.0;

/// Fixed for a process.
pub(super) fn timebase() -> Timebase {
    static TIMEBASE: OnceLock<Timebase> = OnceLock::new();
    *TIMEBASE.get_or_init(|| {
        let mut info = mach_timebase_info::default();
        // SAFETY: a place for the two numbers; it cannot fail with one.
        unsafe { mach_timebase_info(&raw mut info) };
        Timebase { ns: info.numer, ticks: info.denom }
    })
}

/// The host's clock.
pub(crate) const NAME: &str = "mach_absolute_time";

/// Mach's absolute time.
pub(crate) fn now() -> LocalTime {
    // SAFETY: it has no conditions.
    timebase().time(unsafe { mach_absolute_time() })
}

/// The system's time (UTC), in whole microseconds, which is the resolution of macOS.
pub(crate) fn system_now() -> PtpTime {
    let clock = ClockId::CLOCK_REALTIME;
    // It cannot fail, and no other time could replace it.
    let time = clock_gettime(clock).unwrap_or_else(|error| panic!("clock {clock} cannot be read: {error}"));
    PtpTime::from_nanos(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
}

/// The host's clock again: the system's clock, which would have to be watched for steps, stamps no
/// packets here.
pub(crate) fn steady_now() -> Nanos {
    Nanos::new(now().as_nanos())
}

/// The kernel's statement about its clock, and TAI - UTC in s; `None` if it makes none.
pub(crate) fn discipline() -> Option<(Discipline, i16)> {
    // SAFETY: `timex` is a C struct of integers, for which all zeros are a valid value: `modes` 0
    // only reads.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` of ours that lives through the call.
    let state = unsafe { libc::ntp_adjtime(&raw mut timex) };
    let discipline = Discipline {
        synchronised: state >= 0 && timex.status & libc::STA_UNSYNC == 0,
        estimated_error: Nanos::from_micros(timex.esterror),
        frequency: Ppb::from_ppm(timex.freq as f64 / FREQUENCY_UNITS_PER_PPM),
    };
    (state >= 0).then(|| (discipline, tai_minus_utc_s()))
}

/// 0 if nobody has set it.
fn tai_minus_utc_s() -> i16 {
    // SAFETY: `ntptimeval` is a C struct of integers, for which all zeros are a valid value.
    let mut time: libc::ntptimeval = unsafe { std::mem::zeroed() };
    // Its answer is the state of the clock, which for one that nobody keeps is an error: what it
    // has written is there all the same. SAFETY: the pointer is to an `ntptimeval` of ours that
    // lives through the call.
    unsafe { libc::ntp_gettime(&raw mut time) };
    time.tai.try_into().unwrap_or(0)
}
