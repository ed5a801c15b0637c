//! The settings that restrict whom clocks and discovery trust: masters, addresses, announcers and
//! keys.

use engine::ptp::authentication::Authentication;
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Acceptable, Profile};
use net::ptp::PtpConfig;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The PTP profiles, in the order of their numbers.
pub(crate) const PROFILES: [&Profile; 3] = [&Profile::AES67_MEDIA, &Profile::ST_2059_2, &Profile::DEFAULT_E2E];

/// The host's settings for trust and profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Index into [`PROFILES`].
    pub(crate) profile: usize,
    pub(crate) masters: Acceptable<ClockIdentity>,
    pub(crate) sources: Acceptable<IpAddr>,
    pub(crate) keys: Option<Keys>,
    pub(crate) announcers: Acceptable<Ipv4Addr>,
}

impl Trust {
    pub(crate) const NEW: Self = Self {
        profile: 0,
        masters: Acceptable::EVERYTHING,
        sources: Acceptable::EVERYTHING,
        keys: None,
        announcers: Acceptable::EVERYTHING,
    };

    /// Restricts a client's configuration to the accepted masters, addresses and keys, and sets its
    /// profile.
    pub(crate) fn apply(&self, config: PtpConfig) -> PtpConfig {
        let mut config = config.with_profile(PROFILES[self.profile]);
        (config.port.accept_masters, config.port.accept_sources) = (self.masters, self.sources);
        config.port.authentication = self.keys.as_ref().map(|keys| keys.authentication);
        config
    }
}

/// Keys, and the text by which the host has specified them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) named: String,
    authentication: Authentication,
}

impl Keys {
    /// Reads `FILE`, `FILE#SPP` or `FILE#SPP/KEY`.
    pub(crate) fn read(named: &str) -> Result<Self, String> {
        let (file, spp, key) = Self::split(named);
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let authentication = Authentication::of_file(&text, spp, key).map_err(|error| format!("{file}: {error}"))?;
        Ok(Self { named: named.to_owned(), authentication })
    }

    /// Splits the text into file, SPP and key. A part that is not a number belongs to the file
    /// name.
    fn split(named: &str) -> (&str, Option<u8>, Option<u32>) {
        let Some((file, numbers)) = named.rsplit_once('#') else { return (named, None, None) };
        let (spp, key) = numbers.split_once('/').map_or((numbers, None), |(spp, key)| (spp, Some(key)));
        match (spp.parse(), key.map(str::parse).transpose()) {
            (Ok(spp), Ok(key)) => (file, Some(spp), key),
            _ => (named, None, None),
        }
    }
}

/// Parses a list of accepted values, separated by commas. An empty text accepts everything.
pub(crate) fn list<T: FromStr + Copy + PartialEq>(text: &str) -> Option<Acceptable<T>> {
    if text.trim().is_empty() {
        return Some(Acceptable::EVERYTHING);
    }
    let entries: Option<Vec<T>> = text.split(',').map(|word| word.trim().parse().ok()).collect();
    Acceptable::new(&entries?)
}

/// Formats a list of accepted values as text, separated by commas.
pub(crate) fn text<T: Copy + PartialEq + Display>(list: &Acceptable<T>) -> String {
    list.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_told_in_the_same_form() {
        let masters = list::<ClockIdentity>("00-1B-21-FF-FE-0A-67-01, 001b21fffe0a6702").unwrap();
        assert_eq!(text(&masters), "001b21fffe0a6701,001b21fffe0a6702");
        assert!(!masters.accepts(&ClockIdentity([7; 8])));
        assert_eq!(list::<IpAddr>(" "), Some(Acceptable::EVERYTHING));
        assert_eq!(text(&list::<IpAddr>("10.0.0.1").unwrap()), "10.0.0.1");
        for wrong in ["10.0.0.1,", "host", ","] {
            assert_eq!(list::<IpAddr>(wrong), None, "{wrong}");
        }
        assert_eq!(list::<Ipv4Addr>(&["10.0.0.1"; 17].join(",")), None, "too many");
    }

    #[test]
    fn keys_are_named_by_file_association_and_key() {
        for (named, expected) in [
            ("/etc/ptp.sa", ("/etc/ptp.sa", None, None)),
            ("/etc/ptp.sa#1", ("/etc/ptp.sa", Some(1), None)),
            ("C:/a#b.sa#2/7", ("C:/a#b.sa", Some(2), Some(7))),
            ("/etc/a#b", ("/etc/a#b", None, None)),
            ("/etc/a#1/b", ("/etc/a#1/b", None, None)),
        ] {
            assert_eq!(Keys::split(named), expected, "{named}");
        }
        let folder = std::env::temp_dir().join(format!("bass_aes67_keys_{}", std::process::id()));
        std::fs::write(&folder, "[security_association]\nspp 1\n5 SHA256-128 ASCII:secret\n").unwrap();
        let file = folder.display().to_string();
        let config = PtpConfig::slave(net::interface::Interface::find(Some("127.0.0.1")).unwrap(), 0);
        assert_eq!(config.port.authentication, None);
        let keys = Keys::read(&format!("{file}#1/5")).unwrap();
        let trust = Trust { keys: Some(keys), ..Trust::NEW };
        assert_eq!(trust.apply(config).port.authentication.map(|keys| keys.active_key().id()), Some(5));
        assert_eq!(Keys::read(&format!("{file}#1/6")).unwrap_err(), format!("{file}: association 1 has no key 6"));
        assert_eq!(Keys::read(&format!("{file}#2")).unwrap_err(), format!("{file}: it has no association 2, but 1"));
        std::fs::remove_file(folder).unwrap();
        assert!(Keys::read(&file).unwrap_err().starts_with(&format!("{file}: ")));
    }
}
