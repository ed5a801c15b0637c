//! Clocks of Windows.

use crate::platform::windows_control::{arrival, time_of};
use engine::clock::Discipline;
use engine::{LocalTime, Nanos, PtpTime};
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;

/// Units of a `FILETIME` from 1601 to 1970: 100 ns each.
const UNIX_EPOCH: i128 = 116_444_736_000_000_000;

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
    time_of(i128::from(count), frequency())
}

/// The arrival time of a datagram that was just read, from its stamp; `None` if the stamp is of
/// another clock.
pub(super) fn arrival_of(stamp: u64) -> Option<LocalTime> {
    arrival(stamp, frequency(), now())
}

/// The system's time (UTC).
pub(crate) fn system_now() -> PtpTime {
    let mut time = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    // SAFETY: a place for the time.
    unsafe { GetSystemTimePreciseAsFileTime(&raw mut time) };
    let units = i128::from(time.dwHighDateTime) << 32 | i128::from(time.dwLowDateTime);
    PtpTime::from_nanos((units - UNIX_EPOCH) * 100)
}

/// The host's clock again: the system's clock, which would have to be watched for steps, stamps no
/// packets here.
pub(crate) fn steady_now() -> Nanos {
    Nanos::new(now().as_nanos())
}

/// Windows does not report how well its clock is disciplined.
pub(crate) fn discipline() -> Option<(Discipline, i16)> {
    None
}
