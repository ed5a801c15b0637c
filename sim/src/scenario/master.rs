//! PTP masters of a scenario.

use super::value::{Identity, Micros, Period, Seconds, StepMicros, whole};
use serde::Deserialize;

/// A PTP master. Its time is the truth while it is the best master.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grandmaster {
    /// Clock identity; every master has its own.
    pub identity: Identity,
    /// PTP domain. Receivers listen to that of the grandmaster.
    pub domain: u8,
    /// priority1; for a master of the Livewire clock its priority, 0 to 15, of which the higher
    /// wins.
    pub priority_1: u8,
    /// priority2, which decides between masters of equal quality.
    #[serde(default = "middle_priority")]
    pub priority_2: u8,
    /// Clock class: 6 for a locked GPS receiver.
    pub clock_class: u8,
    /// Announce interval, 2^n s: the range of profiles (IEEE 1588-2019, annex I: 0 to 4; SMPTE ST
    /// 2059-2: from -3), and slightly more.
    #[serde(deserialize_with = "whole::<-4, 4, _, _>")]
    pub log_announce_interval: i8,
    /// Sync interval, 2^n s: the range of profiles (SMPTE ST 2059-2: from -7; AES67: to 1), and
    /// slightly more.
    #[serde(deserialize_with = "whole::<-7, 4, _, _>")]
    pub log_sync_interval: i8,
    /// Interval between Delay_Reqs that it requests of slaves, 2^n s: the range of profiles (SMPTE
    /// ST 2059-2: from -7; IEEE 1588-2019, annex I: to 5).
    #[serde(deserialize_with = "whole::<-7, 5, _, _>")]
    pub log_min_delay_req_interval: i8,
    /// Whether a Follow_Up carries the departure time of a Sync.
    pub two_step: bool,
    /// PTP time at the start of the run, seconds since the epoch.
    pub start_time_s: u32,
    /// Error of its time.
    #[serde(default)]
    pub time_offset_us: StepMicros,
    /// Sequence id before its first Announce and its first Sync.
    #[serde(default)]
    pub first_sequence: u16,
    /// Wander around that; none if not given.
    pub wander: Option<Wander>,
    /// When it appears; at the start if not given.
    #[serde(default)]
    pub present_from_s: Seconds,
    /// When it disappears for good; never if not given.
    pub present_to_s: Option<Seconds>,
    /// Whether it answers Delay_Reqs; some peers of AirPlay never do.
    #[serde(default = "yes")]
    pub answers_delay_requests: bool,
    /// The dialect of its messages.
    #[serde(default)]
    pub dialect: Dialect,
}

/// Dialects of PTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// IEEE 1588, by multicast.
    #[default]
    Ieee1588,
    /// AirPlay, to one peer: majorSdoId 1, unicastFlag.
    Airplay,
    /// Not PTP but the Livewire clock: a packet for each Sync, and no Announces. The identity is
    /// the MAC address with FFFE in its middle.
    Livewire,
}

/// A wander of time: normally distributed, and correlated over a time constant (Ornstein and
/// Uhlenbeck).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wander {
    /// Root mean square of the error of its time.
    pub rms_us: Micros,
    /// Time constant of its correlation: errors closer together than this are alike.
    pub tau_s: Period,
}

/// The default of priority 2 (AES67-2018, annex A).
fn middle_priority() -> u8 {
    128
}

fn yes() -> bool {
    true
}

impl Grandmaster {
    /// The data that the best master clock algorithm compares, best first (IEEE 1588-2019, 9.3.4),
    /// as far as the masters here differ; for masters of the Livewire clock the data that one
    /// compares.
    #[must_use]
    pub fn rank(&self) -> (u8, u8, u8, [u8; 8]) {
        let identity = self.identity.0.0;
        match self.dialect {
            Dialect::Livewire => (u8::MAX - self.priority_1, 0, 0, identity),
            Dialect::Ieee1588 | Dialect::Airplay => (self.priority_1, self.clock_class, self.priority_2, identity),
        }
    }
}
