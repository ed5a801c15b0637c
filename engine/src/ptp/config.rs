//! What a port is told.

use super::acceptable::Acceptable;
use super::authentication::Authentication;
use super::bmca::DataSet;
use super::profile::Profile;
use super::time_properties::TimeProperties;
use super::transmit::PeerAddress;
use super::unicast::UnicastConfig;
use super::wire::{ClockIdentity, ClockQuality, PortIdentity};
use crate::clock::PtpMap;

/// Quality of a clock that nobody has set or measured (IEEE 1588-2019, 7.6.2 and I.3.3).
const FREE_RUNNING: ClockQuality =
    ClockQuality { clock_class: 248, clock_accuracy: 0xFE, offset_scaled_log_variance: 0xFFFF };
/// clockClass of a clock that never serves time (IEEE 1588-2019, table 4).
const SLAVE_ONLY_CLASS: u8 = 255;

/// How Delay_Reqs reach the master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DelayRequestMode {
    /// To everybody, as the media profile has it.
    #[default]
    Multicast,
    /// To the master's own address ("hybrid mode"), so that the other slaves are spared; by
    /// multicast if it never answers there.
    Hybrid,
}

/// The time that a port serves as master.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Timeline {
    /// Our clock's own: that of the last grandmaster, carried on, so that its slaves see no step;
    /// if there was none, the host's monotonic clock, whose epoch is no date.
    #[default]
    OwnClock,
    /// This one, always.
    Given(PtpMap),
}

/// What a port is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PortConfig {
    /// Our own port; also seeds the random spacing of Delay_Reqs.
    pub identity: PortIdentity,
    /// Messages of other domains are counted and ignored.
    pub domain_number: u8,
    /// majorSdoId: messages of another one are counted and ignored. 0, or 1 for gPTP and AirPlay.
    /// Four bits.
    pub sdo_id: u8,
    /// Announce intervals of silence after which a master is given up.
    pub announce_receipt_timeout: u8,
    /// Interval between our Announces, 2^n s; also how long to listen for others before the first
    /// one.
    pub log_announce_interval: i8,
    /// Interval between our Syncs, 2^n s.
    pub log_sync_interval: i8,
    /// Mean interval between Delay_Reqs, 2^n s: ours until a Delay_Resp tells, and what our
    /// Delay_Resps tell.
    pub log_min_delay_req_interval: i8,
    /// First priority of our clock.
    pub priority_1: u8,
    /// Second priority of our clock.
    pub priority_2: u8,
    /// Class, accuracy and variance of our clock.
    pub quality: ClockQuality,
    /// Whether the port never serves time.
    pub slave_only: bool,
    /// How Delay_Reqs reach the master.
    pub delay_request_mode: DelayRequestMode,
    /// As slave only: the masters that are asked to serve us by unicast, at the intervals above;
    /// without it, they serve everybody.
    pub unicast: Option<UnicastConfig>,
    /// Clocks that are accepted as master; messages of others are counted and ignored.
    pub accept_masters: Acceptable<ClockIdentity>,
    /// Addresses from which messages are accepted at all.
    pub accept_sources: Acceptable<PeerAddress>,
    /// How messages are authenticated; without it, anybody's are taken. With it, only those of who
    /// holds a key of it.
    pub authentication: Option<Authentication>,
    /// As master: whether a Follow_Up tells when a Sync left. One-step Syncs carry the time at
    /// which they were made, which is only as good as the sending is quick.
    pub two_step: bool,
    /// As master: the time to serve.
    pub timeline: Timeline,
    /// As master: what to say of [`Timeline::Given`] and of the host's clock.
    pub time_properties: TimeProperties,
}

impl PortConfig {
    /// A clock that follows a better one, and serves if there is none, with the defaults of a
    /// profile.
    #[must_use]
    pub fn new(profile: &Profile, identity: PortIdentity) -> Self {
        Self {
            identity,
            domain_number: profile.domain_number.default,
            sdo_id: 0,
            announce_receipt_timeout: profile.announce_receipt_timeout.default,
            log_announce_interval: profile.log_announce_interval.default,
            log_sync_interval: profile.log_sync_interval.default,
            log_min_delay_req_interval: profile.log_min_delay_req_interval.default,
            priority_1: profile.priority_1.default,
            priority_2: profile.priority_2.default,
            quality: FREE_RUNNING,
            slave_only: false,
            delay_request_mode: DelayRequestMode::Multicast,
            unicast: None,
            accept_masters: Acceptable::default(),
            accept_sources: Acceptable::default(),
            authentication: None,
            two_step: true,
            timeline: Timeline::OwnClock,
            time_properties: TimeProperties::default(),
        }
    }

    /// A clock that only ever follows, with the defaults of a profile.
    #[must_use]
    pub fn slave_only(profile: &Profile, identity: PortIdentity) -> Self {
        let quality = ClockQuality { clock_class: SLAVE_ONLY_CLASS, ..FREE_RUNNING };
        Self { quality, slave_only: true, ..Self::new(profile, identity) }
    }

    /// The same in another domain.
    #[must_use]
    pub fn in_domain(self, domain_number: u8) -> Self {
        Self { domain_number, ..self }
    }

    /// The same, served by unicast.
    #[must_use]
    pub fn served_by(self, unicast: UnicastConfig) -> Self {
        Self { unicast: Some(unicast), ..self }
    }

    /// D0, our own data set.
    pub(super) fn data_set(&self) -> DataSet {
        own_data_set(self.identity, self.priority_1, self.quality, self.priority_2)
    }
}

/// D0 of a clock (IEEE 1588-2019, table 12).
pub(super) fn own_data_set(identity: PortIdentity, priority_1: u8, quality: ClockQuality, priority_2: u8) -> DataSet {
    let own = PortIdentity { port_number: 0, ..identity };
    DataSet {
        priority_1,
        quality,
        priority_2,
        grandmaster: identity.clock_identity,
        steps_removed: 0,
        sender: own,
        receiver: own,
    }
}
