//! Clocks of Windows.

use engine::clock::Discipline;
use engine::{LocalTime, Nanos, PtpTime};
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;

/// Units of a `FILETIME` from 1601 to 1970: 100 ns each.
const UNIX_EPOCH: i128 = 116_444_736_000_000_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Counts of the performance counter in a second; fixed at boot.
fn frequency() -> i128 {
    static FREQUENCY: OnceLock<i128> = OnceLock::new();
    *FREQUENCY.get_or_init(|| {
        let mut frequency = 0;
        // SAFETY: a place for the number; since Windows XP this cannot fail.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        i128::from(frequency.max(1))
    })
}

/// The host's clock.
pub(crate) const NAME: &str = "QueryPerformanceCounter";

/// The performance counter, which nobody steers.
pub(crate) fn now() -> LocalTime {
    let mut count = 0;
    // SAFETY: a place for the number; since Windows XP this cannot fail.
    unsafe { QueryPerformanceCounter(&raw mut count) };
    let ns = i128::from(count) * NANOS_PER_SECOND / frequency();
    LocalTime::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

/// The system's time (UTC).
pub(crate) fn system_now() -> PtpTime {
    let mut time = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    // SAFETY: a place for the time.
    unsafe { GetSystemTimePreciseAsFileTime(&raw mut time) };
    let units = i128::from(time.dwHighDateTime) << 32 | i128::from(time.dwLowDateTime);
    PtpTime::from_nanos((units - UNIX_EPOCH) * 100)
}

/// The host's clock once more: no packets are stamped by the system's, which would have to be
/// watched.
pub(crate) fn steady_now() -> Nanos {
    Nanos::new(now().as_nanos())
}

/// Windows does not tell how well its clock is disciplined.
pub(crate) fn discipline() -> Option<(Discipline, i16)> {
    None
}
