//! Configuration of a port.

use super::acceptable::Acceptable;
use super::authentication::Authentication;
use super::bmca::DataSet;
use super::profile::{Parameter, Profile, ProfileError};
use super::time_properties::TimeProperties;
use super::transmit::PeerAddress;
use super::unicast::UnicastConfig;
use super::wire::{ClockIdentity, ClockQuality, PortIdentity};
use crate::clock::PtpMap;

/// Quality of a clock whose quality is neither configured nor measured (IEEE 1588-2019, 7.6.2 and
/// I.3.3).
const FREE_RUNNING: ClockQuality =
    ClockQuality { clock_class: 248, clock_accuracy: 0xFE, offset_scaled_log_variance: 0xFFFF };
/// clockClass of a clock that never serves time (IEEE 1588-2019, table 4).
const SLAVE_ONLY_CLASS: u8 = 255;

/// How Delay_Reqs reach the master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DelayRequestMode {
    /// By multicast, as in the media profile.
    #[default]
    Multicast,
    /// By unicast to the master ("hybrid mode"), so that other slaves do not receive them; by
    /// multicast if the master does not answer unicast requests.
    Hybrid,
}

/// The time that a port serves as master.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ServedTime {
    /// The time of our own clock. It continues the time of the last grandmaster, so that slaves see
    /// no step; without a previous grandmaster, it is the host's monotonic clock, whose epoch is
    /// arbitrary.
    #[default]
    OwnClock,
    /// Always the time of this map.
    Given(PtpMap),
}

/// Configuration of a port.
///
/// ```
/// use engine::ptp::wire::{ClockIdentity, PortIdentity};
/// use engine::ptp::{Acceptable, PortConfig, Profile};
/// let identity = PortIdentity { clock_identity: ClockIdentity([2; 8]), port_number: 1 };
/// let master = ClockIdentity([0, 0x1B, 0x21, 0xFF, 0xFE, 0x0A, 0x67, 1]);
/// // Follows one master of domain 4, and never serves time.
/// let config = PortConfig {
///     accept_masters: Acceptable::new(&[master]).unwrap(),
///     ..PortConfig::slave_only(&Profile::AES67_MEDIA, identity).in_domain(4)
/// };
/// assert_eq!((config.domain_number, config.quality.clock_class), (4, 255));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PortConfig {
    /// Identity of our own port. It also seeds the random generator that spaces Delay_Reqs.
    pub identity: PortIdentity,
    /// domainNumber: messages in other domains are counted and ignored.
    pub domain_number: u8,
    /// majorSdoId, 4 bits: 0, or 1 for gPTP and AirPlay. Messages with another value are counted
    /// and ignored.
    pub sdo_id: u8,
    /// Number of announce intervals without an Announce after which a master is dropped.
    pub announce_receipt_timeout: u8,
    /// Interval between our Announces, 2^n s. It also scales the time for which the port listens
    /// before it becomes master.
    pub log_announce_interval: i8,
    /// Interval between our Syncs, 2^n s.
    pub log_sync_interval: i8,
    /// Mean interval between Delay_Reqs, 2^n s. A slave uses this interval until a Delay_Resp from
    /// the master states a different one. A master states this interval in its Delay_Resps.
    pub log_min_delay_req_interval: i8,
    /// priority1 of our clock.
    pub priority_1: u8,
    /// priority2 of our clock.
    pub priority_2: u8,
    /// Class, accuracy and variance of our clock.
    pub quality: ClockQuality,
    /// Whether the port never serves time.
    pub slave_only: bool,
    /// How Delay_Reqs reach the master.
    pub delay_request_mode: DelayRequestMode,
    /// As slave: the unicast masters, from which messages are requested at the intervals above.
    /// `None` for multicast masters.
    pub unicast: Option<UnicastConfig>,
    /// Clocks that are accepted as master; messages from other clocks are counted and ignored.
    pub accept_masters: Acceptable<ClockIdentity>,
    /// Accepted source addresses of messages.
    pub accept_sources: Acceptable<PeerAddress>,
    /// Authentication of messages. `None` accepts all messages; otherwise, only messages signed
    /// with one of the keys are accepted.
    pub authentication: Option<Authentication>,
    /// As master: whether a Follow_Up carries the departure time of each Sync. Otherwise, a Sync
    /// carries the time at which it was composed, and this time is wrong by the duration of
    /// sending.
    pub two_step: bool,
    /// As master: the time to serve.
    pub served_time: ServedTime,
    /// As master: the time properties to announce for [`ServedTime::Given`] and for the host's
    /// clock.
    pub time_properties: TimeProperties,
}

impl PortConfig {
    /// Creates a configuration, with the profile's defaults, for a clock that follows a better
    /// clock if there is one, and otherwise serves time.
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
            served_time: ServedTime::OwnClock,
            time_properties: TimeProperties::default(),
        }
    }

    /// Creates the configuration of a clock that never serves time, with the defaults of a profile.
    #[must_use]
    pub fn slave_only(profile: &Profile, identity: PortIdentity) -> Self {
        let quality = ClockQuality { clock_class: SLAVE_ONLY_CLASS, ..FREE_RUNNING };
        Self { quality, slave_only: true, ..Self::new(profile, identity) }
    }

    /// The same configuration in another domain.
    #[must_use]
    pub fn in_domain(self, domain_number: u8) -> Self {
        Self { domain_number, ..self }
    }

    /// The same configuration, with unicast masters.
    #[must_use]
    pub fn served_by(self, unicast: UnicastConfig) -> Self {
        Self { unicast: Some(unicast), ..self }
    }

    /// D0, our own data set.
    pub(super) fn data_set(&self) -> DataSet {
        own_data_set(self.identity, self.priority_1, self.quality, self.priority_2)
    }
}

impl Profile {
    /// Checks that the profile permits the configuration.
    ///
    /// ```
    /// use engine::ptp::{PortConfig, Profile};
    /// use engine::ptp::wire::PortIdentity;
    /// let profile = Profile::ST_2059_2;
    /// let mut config = PortConfig::new(&profile, PortIdentity::default());
    /// assert_eq!(profile.check(&config), Ok(()));
    /// config.log_sync_interval = 0;
    /// let error = profile.check(&config).unwrap_err();
    /// assert_eq!(error.to_string(), "logSyncInterval is 0, SMPTE ST 2059-2 allows -7 to -1");
    /// ```
    ///
    /// # Errors
    /// If a parameter is out of range; the error names the first such parameter.
    pub fn check(&self, config: &PortConfig) -> Result<(), ProfileError> {
        self.check_one("domainNumber", config.domain_number, &self.domain_number)?;
        self.check_one("logAnnounceInterval", config.log_announce_interval, &self.log_announce_interval)?;
        self.check_one("logSyncInterval", config.log_sync_interval, &self.log_sync_interval)?;
        let log_min_delay_req = config.log_min_delay_req_interval;
        self.check_one("logMinDelayReqInterval", log_min_delay_req, &self.log_min_delay_req_interval)?;
        self.check_one("announceReceiptTimeout", config.announce_receipt_timeout, &self.announce_receipt_timeout)?;
        self.check_one("priority1", config.priority_1, &self.priority_1)?;
        self.check_one("priority2", config.priority_2, &self.priority_2)
    }

    fn check_one<T: Copy + Ord + Into<i16>>(
        &self,
        parameter: &'static str,
        value: T,
        allowed: &Parameter<T>,
    ) -> Result<(), ProfileError> {
        if allowed.range.contains(&value) {
            return Ok(());
        }
        let (least, most) = ((*allowed.range.start()).into(), (*allowed.range.end()).into());
        Err(ProfileError { profile: self.name, parameter, value: value.into(), least, most })
    }
}

/// Creates D0, the data set of a clock (IEEE 1588-2019, table 12).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_allows_its_own_defaults() {
        for profile in Profile::ALL {
            for config in [PortConfig::new, PortConfig::slave_only].map(|new| new(&profile, PortIdentity::default())) {
                assert_eq!(profile.check(&config), Ok(()), "{profile}");
            }
        }
    }

    /// The intervals at which devices of both profiles interoperate (AES-R16).
    #[test]
    fn aes67_and_st_2059_2_overlap() {
        let both = PortConfig {
            domain_number: 0,
            log_announce_interval: 0,
            log_sync_interval: -3,
            ..PortConfig::new(&Profile::AES67_MEDIA, PortIdentity::default())
        };
        assert_eq!(Profile::AES67_MEDIA.check(&both), Ok(()));
        assert_eq!(Profile::ST_2059_2.check(&both), Ok(()));
    }

    #[test]
    fn every_parameter_is_checked() {
        let profile = Profile::AES67_MEDIA;
        type Spoil = fn(&mut PortConfig);
        let cases: [(&str, Spoil); 5] = [
            ("domainNumber is 128, AES67 media allows 0 to 127", |c| c.domain_number = 128),
            ("logAnnounceInterval is 5, AES67 media allows 0 to 4", |c| c.log_announce_interval = 5),
            ("logSyncInterval is -5, AES67 media allows -4 to 1", |c| c.log_sync_interval = -5),
            ("logMinDelayReqInterval is 6, AES67 media allows -4 to 5", |c| c.log_min_delay_req_interval = 6),
            ("announceReceiptTimeout is 1, AES67 media allows 2 to 10", |c| c.announce_receipt_timeout = 1),
        ];
        for (message, spoil) in cases {
            let mut config = PortConfig::new(&profile, PortIdentity::default());
            spoil(&mut config);
            assert_eq!(profile.check(&config).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
    }
}
