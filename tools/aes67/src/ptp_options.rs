//! Options for all commands that follow PTP.

use crate::failure::{Failure, Result};
use crate::ptp_plan::{ProfileName, PtpPlan};
use crate::ptp_security::SecurityOptions;
use clap::Args;
use engine::ptp::unicast::{UnicastConfig, UnicastMasters};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Acceptable, Profile};
use net::interface::Interface;
use net::ptp::PtpConfig;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Default duration of unicast requests, the same as in linuxptp (`unicast_req_duration` in
/// ptp4l(8)).
const UNICAST_DURATION_S: u32 = 300;

#[derive(Args, Clone)]
pub(crate) struct PtpOptions {
    /// PTP domain; by default that of the description, or else of the profile
    #[arg(long, alias = "ptp-domain", value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
    domain: Option<u8>,

    /// PTP profile: the default domain, the intervals of our Announces and Syncs as master, and
    /// those requested of unicast masters. A multicast slave takes all intervals from the wire.
    /// Default: aes67
    #[arg(long, value_enum, value_name = "PROFILE")]
    profile: Option<ProfileName>,

    /// Masters that serve on request (unicast negotiation), by address or name: the best of them is
    /// followed, and no other master
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    unicast_master: Vec<String>,

    /// For how long unicast masters are asked, 300 if it is left out; grants are renewed after
    /// three quarters of it
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "unicast_master",
        value_parser = clap::value_parser!(u32).range(i64::from(*UnicastConfig::DURATIONS_S.start())..=i64::from(*UnicastConfig::DURATIONS_S.end()))
    )]
    unicast_duration: Option<u32>,

    /// The only clock that is accepted as master, by its identity as `aes67 ptp` shows it; may be
    /// given several times. Behind a boundary clock it is the identity of that one
    #[arg(long, value_name = "IDENTITY")]
    accept_master: Vec<ClockIdentity>,

    /// The only address from which PTP messages are accepted; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    accept_source: Vec<IpAddr>,

    #[command(flatten)]
    security: SecurityOptions,
}

impl PtpOptions {
    fn profile(&self) -> &'static Profile {
        self.profile.unwrap_or_default().profile()
    }

    /// Refuses PTP options if PTP is not followed, because they would have no effect.
    pub(crate) fn check_followed(&self, follows_ptp: bool) -> Result<()> {
        if follows_ptp || !self.is_given() {
            return Ok(());
        }
        Err(Failure::input("options of PTP (--domain, --profile and others) have no effect with this --clock"))
    }

    fn is_given(&self) -> bool {
        let Self { domain, profile, unicast_master, unicast_duration, accept_master, accept_source, security } = self;
        domain.is_some()
            || profile.is_some()
            || unicast_duration.is_some()
            || !(unicast_master.is_empty() && accept_master.is_empty() && accept_source.is_empty())
            || security.is_given()
    }

    /// These options, completed by a configuration file where they are not given.
    pub(crate) fn or(&self, file: &PtpPlan) -> Self {
        let given = self.clone();
        let accept_master = if given.accept_master.is_empty() { file.masters() } else { given.accept_master };
        let accept_source =
            if given.accept_source.is_empty() { file.accept_sources.clone() } else { given.accept_source };
        let (unicast_master, unicast_duration) = if given.unicast_master.is_empty() {
            (file.unicast_masters.clone(), file.unicast_duration_s.map(|duration| duration.0))
        } else {
            (given.unicast_master, given.unicast_duration)
        };
        Self {
            profile: given.profile.or(file.profile),
            unicast_master,
            unicast_duration,
            accept_master,
            accept_source,
            security: given.security.or(file.sa_file.clone(), file.spp, file.active_key_id),
            ..given
        }
    }

    /// The domain to use. `described` is the domain in the stream's description.
    pub(crate) fn domain(&self, described: Option<u8>) -> u8 {
        self.domain.or(described).unwrap_or(self.profile().domain_number.default)
    }

    /// The configuration of a slave in this domain.
    pub(crate) fn slave(&self, interface: &Interface, described: Option<u8>) -> Result<PtpConfig> {
        self.apply(PtpConfig::slave(interface.clone(), self.domain(described)))
    }

    /// Applies these options to a client's configuration.
    pub(crate) fn apply(&self, config: PtpConfig) -> Result<PtpConfig> {
        let mut config = config.with_profile(self.profile());
        config.port.accept_masters = acceptable(&self.accept_master, "--accept-master")?;
        config.port.accept_sources = acceptable(&self.accept_source, "--accept-source")?;
        config.port.authentication = self.security.authentication()?;
        if self.unicast_master.is_empty() {
            return Ok(config);
        }
        if !config.port.slave_only {
            return Err(Failure::input(
                "unicast masters are for who follows a master: leave them out, or do not serve PTP as master",
            ));
        }
        let addresses = self.unicast_master.iter().map(|host| resolve(host)).collect::<Result<Vec<_>>>()?;
        let masters = UnicastMasters::new(&addresses).ok_or_else(|| {
            Failure::input(format!(
                "{} unicast masters are too many: {} are the most",
                addresses.len(),
                UnicastMasters::MOST
            ))
        })?;
        Ok(config.served_by(UnicastConfig { masters, duration_s: self.unicast_duration.unwrap_or(UNICAST_DURATION_S) }))
    }
}

fn acceptable<T: Copy + PartialEq>(accepted: &[T], option: &str) -> Result<Acceptable<T>> {
    Acceptable::new(accepted).ok_or_else(|| {
        Failure::input(format!("{option} is given {} times: {} are the most", accepted.len(), Acceptable::<T>::MOST))
    })
}

/// The IPv4 address of a host.
pub(crate) fn resolve(host: &str) -> Result<IpAddr> {
    let found = (host, 0).to_socket_addrs().map_err(|error| Failure::input(format!("{host}: {error}")))?;
    let address = found.filter(SocketAddr::is_ipv4).map(|address| address.ip()).next();
    let address = address.ok_or_else(|| Failure::input(format!("{host} has no IPv4 address")))?;
    match address {
        IpAddr::V4(v4) if v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified() => {
            Err(Failure::input(format!("{host} is no address of a single host, such as 192.168.1.20")))
        }
        _ => Ok(address),
    }
}
