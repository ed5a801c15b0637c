//! The clocks of Linux.

use engine::clock::Discipline;
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Unit of `timex::freq`: 2^-16 ppm.
const FREQUENCY_UNITS_PER_PPM: f64 = 65_536.0;

fn read(clock: ClockId) -> TimeSpec {
    // Reading these clocks cannot fail on any kernel from the last ten years, and there is no
    // substitute for them.
    clock_gettime(clock).unwrap_or_else(|error| panic!("clock {clock} cannot be read: {error}"))
}

/// Name of the host clock.
pub(crate) const NAME: &str = "CLOCK_MONOTONIC_RAW";

/// Reads the host clock, `CLOCK_MONOTONIC_RAW`.
pub(crate) fn now() -> LocalTime {
    let time = read(ClockId::CLOCK_MONOTONIC_RAW);
    LocalTime::from_nanos(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Reads the system clock, `CLOCK_REALTIME`, with which the kernel stamps packets.
pub(crate) fn system_now() -> PtpTime {
    system_time(&read(ClockId::CLOCK_REALTIME))
}

/// Reads the steady clock, `CLOCK_MONOTONIC`, which is slewed like `CLOCK_REALTIME`, but never set.
pub(crate) fn steady_now() -> Nanos {
    let time = read(ClockId::CLOCK_MONOTONIC);
    Nanos::new(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

pub(super) fn system_time(time: &TimeSpec) -> PtpTime {
    PtpTime::from_nanos(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
}

/// How the kernel's clock is disciplined, and TAI - UTC in s; `None` if the kernel does not report
/// it.
pub(crate) fn discipline() -> Option<(Discipline, i16)> {
    // SAFETY: `timex` is a C struct of integers, for which all zeros are a valid value. With
    // `modes` 0, the call changes nothing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` that lives through the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    let discipline = Discipline {
        synchronised: state >= 0 && timex.status & libc::STA_UNSYNC == 0,
        estimated_error: Nanos::from_micros(timex.esterror),
        frequency: Ppb::from_ppm(timex.freq as f64 / FREQUENCY_UNITS_PER_PPM),
    };
    (state >= 0).then(|| (discipline, timex.tai.try_into().unwrap_or(0)))
}
