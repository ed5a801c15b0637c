//! The `ptp` table of a configuration file, which selects the PTP masters to follow.

use clap::ValueEnum;
use engine::ptp::Profile;
use engine::ptp::unicast::UnicastConfig;
use engine::ptp::wire::ClockIdentity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::IpAddr;
use std::path::PathBuf;

/// Settings like the command-line options with the same names, which take precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PtpPlan {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<ProfileName>,
    /// The only clocks that are accepted as master.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) accept_masters: Vec<Master>,
    /// The only addresses from which messages are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) accept_sources: Vec<IpAddr>,
    /// Masters that serve only on request (unicast negotiation), by address or name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unicast_masters: Vec<String>,
    /// The duration of unicast requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unicast_duration_s: Option<UnicastDuration>,
    /// A file with keys, in the format of linuxptp's `sa_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sa_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spp: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) active_key_id: Option<u32>,
}

/// The profiles by their users' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProfileName {
    /// AES67's media profile: domain 0, Announces every 2 s (every second as master and on
    /// request), 8 Syncs a second, a Delay_Req a second
    #[default]
    #[value(alias = "media")]
    Aes67,
    /// SMPTE ST 2059-2: domain 127, 4 Announces a second, 8 Syncs and 8 Delay_Reqs a second
    #[serde(rename = "st2059-2")]
    #[value(name = "st2059-2", aliases = ["smpte", "st2059"])]
    St2059,
    /// IEEE 1588's default profile: domain 0, Announces every 2 s (every second as master and on
    /// request), a Sync and a Delay_Req a second
    #[serde(rename = "default")]
    #[value(name = "default", alias = "ieee1588")]
    Ieee1588,
}

impl ProfileName {
    pub(crate) fn profile(self) -> &'static Profile {
        match self {
            Self::Aes67 => &Profile::AES67_MEDIA,
            Self::St2059 => &Profile::ST_2059_2,
            Self::Ieee1588 => &Profile::DEFAULT_E2E,
        }
    }
}

impl PtpPlan {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn masters(&self) -> Vec<ClockIdentity> {
        self.accept_masters.iter().map(|master| master.0).collect()
    }
}

/// The duration of unicast requests, s, within [`UnicastConfig::DURATIONS_S`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "i64")]
pub(crate) struct UnicastDuration(pub(crate) u32);

impl TryFrom<i64> for UnicastDuration {
    type Error = String;

    fn try_from(seconds: i64) -> Result<Self, String> {
        let range = UnicastConfig::DURATIONS_S;
        let fits = u32::try_from(seconds).ok().filter(|seconds| range.contains(seconds));
        fits.map(Self).ok_or_else(|| {
            format!("{seconds} s is not right here: a master is asked for {} to {} s", range.start(), range.end())
        })
    }
}

/// A clock, selected by its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Master(ClockIdentity);

impl Serialize for Master {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Master {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let identity = text.parse().map_err(|error| serde::de::Error::custom(format!("{text} is none: {error}")));
        identity.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_follow_is_read_and_written() {
        let text = "profile = \"st2059-2\"\naccept_masters = [\"001b21fffe0a6701\"]\n\
                    accept_sources = [\"10.0.0.1\"]\n\
                    unicast_masters = [\"10.0.0.2\"]\nunicast_duration_s = 60\nsa_file = \"ptp.sa\"\nspp = 1\n";
        let plan: PtpPlan = toml::from_str(text).unwrap();
        assert_eq!(plan.masters(), [ClockIdentity([0, 0x1B, 0x21, 0xFF, 0xFE, 0x0A, 0x67, 1])]);
        assert_eq!(plan.unicast_duration_s, Some(UnicastDuration(60)));
        assert_eq!(toml::to_string(&plan).unwrap(), text);
        for (wrong, reason) in [
            ("accept_masters = [\"1b\"]", "1b is none: a clock's identity has 16 hexadecimal digits"),
            ("accept_sources = [\"host\"]", "invalid IP address syntax"),
            ("unicast_duration_s = 2", "2 s is not right here: a master is asked for 10 to 1000 s"),
            ("profile = \"aes\"", "expected one of `aes67`, `st2059-2`, `default`"),
            ("accept_master = []", "unknown field `accept_master`, expected one of `profile`, `accept_masters`"),
        ] {
            let error = toml::from_str::<PtpPlan>(wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }
}
