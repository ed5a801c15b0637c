//! The properties of a grandmaster's timescale, for display and for our own Announces.

use super::wire::{Announce, Flags};

/// timeSource of a free-running clock (IEEE 1588-2019, table 6).
const INTERNAL_OSCILLATOR: u8 = 0xA0;

/// timePropertiesDS (IEEE 1588-2019, 8.2.4), as carried by Announces.
///
/// The properties are only displayed and announced. None of them may be applied to times, because a
/// media clock follows the grandmaster's timescale unchanged, whatever its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeProperties {
    /// TAI - UTC in seconds, if the grandmaster knows it.
    pub current_utc_offset: Option<i16>,
    /// Whether the last minute of the current UTC day has 61 seconds.
    pub leap_61: bool,
    /// Whether the last minute of the current UTC day has 59 seconds.
    pub leap_59: bool,
    /// Whether the time comes from a primary reference.
    pub time_traceable: bool,
    /// Whether the frequency comes from a primary reference.
    pub frequency_traceable: bool,
    /// Whether the timescale is PTP, which is TAI counted from 1970. Any other timescale is
    /// arbitrary, such as UTC or uptime.
    pub ptp_timescale: bool,
    /// timeSource (IEEE 1588-2019, table 6).
    pub time_source: u8,
}

impl Default for TimeProperties {
    /// An arbitrary timescale, counted by a free-running oscillator.
    fn default() -> Self {
        Self {
            current_utc_offset: None,
            leap_61: false,
            leap_59: false,
            time_traceable: false,
            frequency_traceable: false,
            ptp_timescale: false,
            time_source: INTERNAL_OSCILLATOR,
        }
    }
}

impl TimeProperties {
    /// Reads the properties from an Announce with these flags.
    ///
    /// ```
    /// use engine::ptp::TimeProperties;
    /// use engine::ptp::wire::{Announce, Flags};
    /// let announce = Announce { current_utc_offset: 37, ..Announce::default() };
    /// let arbitrary = TimeProperties::of(Flags::default(), &announce);
    /// assert_eq!((arbitrary.ptp_timescale, arbitrary.current_utc_offset), (false, None));
    /// let tai = TimeProperties::of(Flags::PTP_TIMESCALE | Flags::CURRENT_UTC_OFFSET_VALID, &announce);
    /// assert_eq!((tai.ptp_timescale, tai.current_utc_offset), (true, Some(37)));
    /// ```
    #[must_use]
    pub fn of(flags: Flags, announce: &Announce) -> Self {
        let valid = flags.contains(Flags::CURRENT_UTC_OFFSET_VALID);
        Self {
            current_utc_offset: valid.then_some(announce.current_utc_offset),
            leap_61: flags.contains(Flags::LEAP_61),
            leap_59: flags.contains(Flags::LEAP_59),
            time_traceable: flags.contains(Flags::TIME_TRACEABLE),
            frequency_traceable: flags.contains(Flags::FREQUENCY_TRACEABLE),
            ptp_timescale: flags.contains(Flags::PTP_TIMESCALE),
            time_source: announce.time_source,
        }
    }

    /// The properties of this timescale when it is continued by a clock that has no reference.
    #[must_use]
    pub(super) fn held(self) -> Self {
        Self { time_traceable: false, frequency_traceable: false, time_source: INTERNAL_OSCILLATOR, ..self }
    }

    /// The flags of an Announce with these properties.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let flags = [
            (self.current_utc_offset.is_some(), Flags::CURRENT_UTC_OFFSET_VALID),
            (self.leap_61, Flags::LEAP_61),
            (self.leap_59, Flags::LEAP_59),
            (self.time_traceable, Flags::TIME_TRACEABLE),
            (self.frequency_traceable, Flags::FREQUENCY_TRACEABLE),
            (self.ptp_timescale, Flags::PTP_TIMESCALE),
        ];
        flags.into_iter().filter(|(set, _)| *set).fold(Flags::default(), |all, (_, flag)| all | flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_the_way_there_and_back() {
        for bits in 0..1 << 6 {
            let flags = Flags::from_bits(bits);
            assert_eq!(TimeProperties::of(flags, &Announce::default()).flags(), flags);
        }
    }
}
