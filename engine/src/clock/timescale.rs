//! Detects confused timescales.
//!
//! TAI, GPS time and UTC run at the same rate, but whole seconds apart. Equipment that confuses two
//! of them is wrong by exactly the difference between the two, so the size of the error identifies
//! the mistake.

use crate::units::Nanos;
use std::fmt;

/// TAI - UTC since 2017-01-01 (IERS Bulletin C 52; no later bulletin has changed it).
const TAI_MINUS_UTC: Nanos = Nanos::from_secs(37);
/// TAI - GPS time, which is constant (IS-GPS-200, 3.3.4: GPS time began at 0 h UTC on 1980-01-06,
/// when TAI - UTC was 19 s).
const TAI_MINUS_GPS: Nanos = Nanos::from_secs(19);
/// Largest deviation of a measured difference from a known one at which the two are regarded as
/// equal. Judgement: devices that are set by hand have smaller errors.
const TOLERANCE: Nanos = Nanos::from_millis(500);

/// A pair of timescales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimescaleMix {
    /// TAI and UTC.
    TaiAndUtc,
    /// TAI and GPS time.
    TaiAndGps,
    /// GPS time and UTC.
    GpsAndUtc,
}

impl TimescaleMix {
    /// The timescales that are `difference` apart, if any.
    ///
    /// ```
    /// use engine::Nanos;
    /// use engine::clock::TimescaleMix;
    /// assert_eq!(TimescaleMix::of(Nanos::from_millis(-37_002)), Some(TimescaleMix::TaiAndUtc));
    /// assert_eq!(TimescaleMix::of(Nanos::from_secs(36)), None);
    /// ```
    #[must_use]
    pub fn of(difference: Nanos) -> Option<Self> {
        let known = [
            (TAI_MINUS_UTC, Self::TaiAndUtc),
            (TAI_MINUS_GPS, Self::TaiAndGps),
            (TAI_MINUS_UTC - TAI_MINUS_GPS, Self::GpsAndUtc),
        ];
        let near = |known: Nanos| (difference.abs() - known).abs() <= TOLERANCE;
        known.into_iter().find(|(known, _)| near(*known)).map(|(_, mix)| mix)
    }
}

impl fmt::Display for TimescaleMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TaiAndUtc => "TAI and UTC are mixed",
            Self::TaiAndGps => "TAI and GPS time are mixed",
            Self::GpsAndUtc => "GPS time and UTC are mixed",
        })
    }
}

/// A time difference, displayed with the mistake that it indicates, if any: "37.0 s (TAI and UTC
/// are mixed)".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference(pub Nanos);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        TimescaleMix::of(self.0).map_or(Ok(()), |mix| write!(f, " ({mix})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let named = |ms| Difference(Nanos::from_millis(ms)).to_string();
        assert_eq!(named(37_000), format!("{} (TAI and UTC are mixed)", Nanos::from_secs(37)));
        assert!(named(-18_999).ends_with(" (TAI and GPS time are mixed)"));
        assert!(named(18_300).ends_with(" (GPS time and UTC are mixed)"));
        for ms in [0, 5, 17_000, 36_000, 38_000, 1_790_000_000_000] {
            assert_eq!(named(ms), Nanos::from_millis(ms).to_string());
        }
    }
}
