//! PTP profiles: their default values and permitted ranges.
//!
//! A profile only governs what this port sends and which domain it belongs to. The intervals of
//! other clocks are taken from their messages, whatever the profile says.

use std::fmt;
use std::ops::RangeInclusive;

/// A parameter of a profile: its default and its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<T> {
    /// Default initialization value.
    pub default: T,
    /// Configurable range.
    pub range: RangeInclusive<T>,
}

/// A PTP profile (IEEE 1588-2019, clause 20.3): attributes of the port and of its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Usual name of the profile.
    pub name: &'static str,
    /// domainNumber.
    pub domain_number: Parameter<u8>,
    /// Interval between Announces, 2^n s.
    pub log_announce_interval: Parameter<i8>,
    /// Interval between Syncs, 2^n s.
    pub log_sync_interval: Parameter<i8>,
    /// Mean interval between Delay_Reqs, 2^n s.
    pub log_min_delay_req_interval: Parameter<i8>,
    /// Number of announce intervals without an Announce after which a master is dropped.
    pub announce_receipt_timeout: Parameter<u8>,
    /// priority1 of our clock.
    pub priority_1: Parameter<u8>,
    /// priority2 of our clock.
    pub priority_2: Parameter<u8>,
}

const fn parameter<T: Copy>(default: T, least: T, most: T) -> Parameter<T> {
    Parameter { default, range: RangeInclusive::new(least, most) }
}

impl Profile {
    /// Default profile with end-to-end delay (IEEE 1588-2019, I.3).
    pub const DEFAULT_E2E: Self = Self {
        name: "IEEE 1588 default",
        domain_number: parameter(0, 0, 127),
        log_announce_interval: parameter(1, 0, 4),
        log_sync_interval: parameter(0, -1, 1),
        log_min_delay_req_interval: parameter(0, 0, 5),
        announce_receipt_timeout: parameter(3, 2, 10),
        priority_1: parameter(128, 0, 255),
        priority_2: parameter(128, 0, 255),
    };

    /// Media profile of AES67-2018, annex A.
    pub const AES67_MEDIA: Self = Self {
        name: "AES67 media",
        log_sync_interval: parameter(-3, -4, 1),
        log_min_delay_req_interval: parameter(0, -4, 5),
        ..Self::DEFAULT_E2E
    };

    /// Broadcast profile of SMPTE ST 2059-2:2021. Its logMinDelayReqInterval ranges from
    /// logSyncInterval to logSyncInterval + 5.
    pub const ST_2059_2: Self = Self {
        name: "SMPTE ST 2059-2",
        domain_number: parameter(127, 0, 127),
        log_announce_interval: parameter(-2, -3, 1),
        log_sync_interval: parameter(-3, -7, -1),
        log_min_delay_req_interval: parameter(-3, -7, 4),
        ..Self::DEFAULT_E2E
    };

    /// All profiles.
    pub const ALL: [Self; 3] = [Self::DEFAULT_E2E, Self::AES67_MEDIA, Self::ST_2059_2];
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A configuration that a profile does not permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} is {value}, {profile} allows {least} to {most}")]
#[non_exhaustive]
pub struct ProfileError {
    /// Name of the profile.
    pub profile: &'static str,
    /// The parameter's name in IEEE 1588.
    pub parameter: &'static str,
    /// The configured value.
    pub value: i16,
    /// Smallest permitted value.
    pub least: i16,
    /// Largest permitted value.
    pub most: i16,
}
