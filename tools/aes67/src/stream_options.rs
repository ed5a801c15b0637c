//! Options for the commands that send: format, packet time and destination of a stream.

use clap::ValueEnum;
use engine::rtp::format::{Encoding, PacketTime};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// The usual RTP port (AES67-2018, 6.3).
const RTP_PORT: u16 = 5004;

/// Encoding of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
pub(crate) enum Format {
    L16,
    #[default]
    L24,
}

impl Format {
    pub(crate) const fn encoding(self) -> Encoding {
        match self {
            Self::L16 => Encoding::L16,
            Self::L24 => Encoding::L24,
        }
    }
}

/// Packet time, ms.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct PacketTimeMs(f64);

impl Default for PacketTimeMs {
    fn default() -> Self {
        Self(1.0)
    }
}

impl PacketTimeMs {
    const ALL: [(f64, PacketTime); 6] = [
        (0.125, PacketTime::US_125),
        (0.25, PacketTime::US_250),
        (0.333, PacketTime::US_333),
        (1.0, PacketTime::MS_1),
        (4.0, PacketTime::MS_4),
        (5.0, PacketTime::MS_5),
    ];

    fn find(ms: f64) -> Option<(f64, PacketTime)> {
        Self::ALL.into_iter().find(|(known, _)| (known - ms).abs() < 5e-4)
    }

    pub(crate) fn packet_time(self) -> PacketTime {
        Self::find(self.0).map_or(PacketTime::MS_1, |(_, time)| time)
    }
}

impl TryFrom<f64> for PacketTimeMs {
    type Error = String;

    fn try_from(ms: f64) -> Result<Self, String> {
        let found = Self::find(ms)
            .ok_or_else(|| format!("{ms} ms is no packet time: there are 0.125, 0.25, 0.333, 1, 4 and 5"));
        found.map(|(ms, _)| Self(ms))
    }
}

impl FromStr for PacketTimeMs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f64>().map_err(|_| format!("{text} is no number")).and_then(Self::try_from)
    }
}

impl From<PacketTimeMs> for f64 {
    fn from(time: PacketTimeMs) -> Self {
        time.0
    }
}

/// Destination of packets: a group, or one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination(pub(crate) SocketAddrV4);

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_port = text.parse::<SocketAddrV4>();
        let found = with_port.or_else(|_| text.parse::<Ipv4Addr>().map(|address| SocketAddrV4::new(address, RTP_PORT)));
        let found = found.map_err(|_| {
            format!("{text} is no group; right would be an address such as 239.69.0.1 or 239.69.0.1:5004")
        })?;
        if found.ip().is_unspecified() || found.ip().is_broadcast() || found.port() == 0 {
            return Err(format!("nobody can be reached at {text}"));
        }
        Ok(Self(found))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The legs of a stream, one or two.
///
/// # Errors
/// If there are no destinations or more than two, or if both are the same.
pub(crate) fn legs(destinations: &[Destination]) -> Result<(Destination, Option<Destination>), String> {
    match *destinations {
        [] => Err("--group is missing".to_owned()),
        [primary] => Ok((primary, None)),
        [primary, secondary] if primary == secondary => {
            Err(format!("both legs go to {primary}: give the second one another address, or none"))
        }
        [primary, secondary] => Ok((primary, Some(secondary))),
        _ => Err("a stream has two legs at most: give --group once or twice".to_owned()),
    }
}

/// Implements (de)serialization as text for types in configuration files.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                <String as ::serde::Deserialize>::deserialize(deserializer)?.parse().map_err(::serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Destination);

pub(crate) use as_text;
