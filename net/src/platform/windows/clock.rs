//! The clocks of Windows.

use crate::platform::windows_control::{arrival, time_of};
use engine::clock::Discipline;
use engine::{LocalTime, Nanos, PtpTime};
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;

/// The Unix epoch (1970) as a `FILETIME`: number of 100 ns units since 1601.
const UNIX_EPOCH: i128 = 116_444_736_000_000_000;

/// Frequency of the performance counter, Hz; it is fixed at boot.
fn frequency() -> i128 {
    static FREQUENCY: OnceLock<i128> = OnceLock::new();
    *FREQUENCY.get_or_init(|| {
        let mut frequency = 0;
        // SAFETY: the pointer is to a valid place for the number. The call cannot fail since
        // Windows XP.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        i128::from(frequency.max(1))
    })
}

/// Name of the host clock.
pub(crate) const NAME: &str = "QueryPerformanceCounter";

/// Reads the host clock, the performance counter, which nobody disciplines.
pub(crate) fn now() -> LocalTime {
    let mut count = 0;
    // SAFETY: the pointer is to a valid place for the number. The call cannot fail since Windows
    // XP.
    unsafe { QueryPerformanceCounter(&raw mut count) };
    time_of(i128::from(count), frequency())
}

/// Converts the stamp of a datagram that was just read to its arrival time; `None` if the stamp
/// comes from another clock.
pub(super) fn arrival_of(stamp: u64) -> Option<LocalTime> {
    arrival(stamp, frequency(), now())
}

/// Reads the system clock (UTC).
pub(crate) fn system_now() -> PtpTime {
    let mut time = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    // SAFETY: the pointer is to a valid place for the time.
    unsafe { GetSystemTimePreciseAsFileTime(&raw mut time) };
    let units = i128::from(time.dwHighDateTime) << 32 | i128::from(time.dwLowDateTime);
    PtpTime::from_nanos((units - UNIX_EPOCH) * 100)
}

/// Reads the host clock. No steady clock is needed, because on Windows no packets are stamped with
/// the system clock, so its steps do not matter.
pub(crate) fn steady_now() -> Nanos {
    Nanos::new(now().as_nanos())
}

/// Always `None`: Windows does not report how well its clock is disciplined.
pub(crate) fn discipline() -> Option<(Discipline, i16)> {
    None
}
