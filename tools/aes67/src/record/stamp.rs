//! Determines when a frame was captured: from PTP if the sender follows it, otherwise from the
//! system clock and the packet's arrival.

use engine::clock::ClockReading;
use engine::receive::MediaClock;
use engine::{Frames, LocalTime, NANOS_PER_SECOND, Nanos, PtpTime, RtpTimestamp, SampleRate};
use net::clock;
use net::ptp::PtpStatus;

const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND as i128;
/// PTP's time of day is accepted only if it is this close to the system clock, because some
/// grandmasters distribute their uptime.
const PLAUSIBLE: Nanos = Nanos::from_secs(3600);
/// A sender whose timestamps differ from PTP by more than this does not follow PTP.
const ON_PTP: Nanos = Nanos::from_secs(1);

/// A time, and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Time since 1970, in UTC.
    pub(crate) utc_ns: i128,
    /// The source, as text.
    pub(crate) by: String,
}

impl Stamp {
    /// The date: `2026-11-21`.
    pub(crate) fn date(&self) -> String {
        let (year, month, day) = civil(self.utc_ns.div_euclid(NANOS_PER_DAY));
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The time of day: `17:05:09`.
    pub(crate) fn time(&self) -> String {
        let seconds = self.utc_ns.rem_euclid(NANOS_PER_DAY) / i128::from(NANOS_PER_SECOND);
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// The number of the nearest frame, counted from midnight UTC.
    pub(crate) fn frames_since_midnight(&self, rate_hz: u32) -> u64 {
        let second = i128::from(NANOS_PER_SECOND);
        ((self.utc_ns.rem_euclid(NANOS_PER_DAY) * i128::from(rate_hz) + second / 2) / second) as u64
    }
}

/// The Gregorian date of a day, counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil(day: i128) -> (i128, i128, i128) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + i128::from(month <= 2), month, day)
}

/// A frame on a timeline, with the time at which it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) timeline: u64,
    frame: Frames,
    stamp: Stamp,
    pub(crate) by_ptp: bool,
}

impl Anchor {
    /// Creates the anchor for `frame`, which arrived at `at`.
    pub(crate) fn new(
        timeline: u64,
        frame: Frames,
        at: LocalTime,
        rate: SampleRate,
        media_clock: MediaClock,
        ptp: Option<(&PtpStatus, &ClockReading)>,
    ) -> Self {
        let (now, system) = clock::now_with_system();
        let arrived_ns = (system - (now - at)).as_nanos();
        let by_ptp = ptp.and_then(|(status, reading)| {
            let MediaClock::Ptp { offset } = media_clock else { return None };
            let captured = captured(frame, reading.map?.ptp_at(at), rate, offset)?;
            let utc_ns = utc_ns(captured, status);
            let plausible = (utc_ns - arrived_ns).abs() < i128::from(PLAUSIBLE.as_nanos());
            let by = format!("PTP {}", status.grandmaster()?);
            plausible.then_some(Stamp { utc_ns, by })
        });
        let is_by_ptp = by_ptp.is_some();
        let by_arrival = || Stamp { utc_ns: arrived_ns, by: "the system clock".to_owned() };
        Self { timeline, frame, stamp: by_ptp.unwrap_or_else(by_arrival), by_ptp: is_by_ptp }
    }

    /// The time of another frame on the same timeline.
    pub(crate) fn stamp_of(&self, frame: Frames, rate_hz: u32) -> Stamp {
        let frames = i128::from((frame - self.frame).get());
        let later_ns = (frames * i128::from(NANOS_PER_SECOND)).div_euclid(i128::from(rate_hz));
        Stamp { utc_ns: self.stamp.utc_ns + later_ns, by: self.stamp.by.clone() }
    }
}

/// The PTP time of a frame according to its timestamp; `None` if the timestamp is not PTP time.
fn captured(frame: Frames, now: PtpTime, rate: SampleRate, offset: u32) -> Option<PtpTime> {
    let (second, hz) = (i128::from(NANOS_PER_SECOND), i128::from(rate.as_hz()));
    let ticks = Frames::new((now.as_nanos() * hz / second) as i64 + i64::from(offset));
    let meant = RtpTimestamp::from_frames(frame).unwrap_near(ticks);
    let off = rate.duration(meant - ticks);
    (off.abs() < ON_PTP).then(|| PtpTime::from_nanos((i128::from(meant.get()) - i128::from(offset)) * second / hz))
}

/// Converts PTP time to UTC, according to the timescale that the master announces.
fn utc_ns(time: PtpTime, status: &PtpStatus) -> i128 {
    let offset_s = status.time_properties.filter(|properties| properties.ptp_timescale);
    let offset_s = offset_s.map_or(0, |properties| properties.current_utc_offset.unwrap_or(37));
    time.as_nanos() - i128::from(offset_s) * i128::from(NANOS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
        assert_eq!(civil(-1), (1969, 12, 31));
    }

    #[test]
    fn a_timestamp_is_the_time_that_it_means() {
        let now = PtpTime::from_timestamp(1_795_219_210, 3_000_000);
        let rate = SampleRate::HZ_48000;
        let frame = Frames::new(i64::from((1_795_219_210u64 * 48_000) as u32));
        // Sent 3 ms ago, on a timeline of the recording's own.
        assert_eq!(captured(frame, now, rate, 0), Some(PtpTime::from_timestamp(1_795_219_210, 0)));
        assert_eq!(captured(frame + Frames::new(7), now, rate, 7), Some(PtpTime::from_timestamp(1_795_219_210, 0)));
        assert_eq!(captured(frame + Frames::new(100_000), now, rate, 0), None);
    }
}
