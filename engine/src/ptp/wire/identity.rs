//! Identities of clocks and their ports (IEEE 1588-2008 5.3.4, 5.3.5 and 7.5.2).

use std::fmt;
use std::str::FromStr;

/// The identity of a clock, an EUI-64 (IEEE 1588-2008 7.5.2.2). Identities are ordered as the best
/// master clock algorithm requires.
///
/// ```
/// use engine::ptp::wire::ClockIdentity;
/// let identity = ClockIdentity([0xDC, 0xA6, 0x00, 0xFF, 0xFE, 0xFF, 0x2E, 0xEA]);
/// assert_eq!(identity.to_string(), "dca600fffeff2eea");
/// assert_eq!(identity.sdp().to_string(), "DC-A6-00-FF-FE-FF-2E-EA");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockIdentity(pub [u8; 8]);

impl ClockIdentity {
    /// The identity as written in SDP's `a=ts-refclk`: upper case, with hyphens (RFC 7273 4.8).
    pub fn sdp(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            for (position, octet) in self.0.iter().enumerate() {
                let hyphen = if position == 0 { "" } else { "-" };
                write!(f, "{hyphen}{octet:02X}")?;
            }
            Ok(())
        })
    }
}

impl fmt::Display for ClockIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The error for a text that is not the identity of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a clock's identity has 16 hexadecimal digits, such as 001b21fffe0a6701")]
pub struct NoClockIdentity;

/// Accepts 16 hexadecimal digits with or without separators, as tools print them.
impl FromStr for ClockIdentity {
    type Err = NoClockIdentity;

    fn from_str(text: &str) -> Result<Self, NoClockIdentity> {
        let digits: String = text.chars().filter(|letter| !matches!(letter, '-' | ':' | '.')).collect();
        let is_identity = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u64::from_str_radix(&digits, 16).ok().filter(|_| is_identity);
        number.map(|number| Self(number.to_be_bytes())).ok_or(NoClockIdentity)
    }
}

/// The identity of a port of a clock (IEEE 1588-2008 5.3.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIdentity {
    /// The clock that has the port.
    pub clock_identity: ClockIdentity,
    /// Number of the port within its clock, counted from 1; 65535 means all ports.
    pub port_number: u16,
}

impl PortIdentity {
    /// All ones: every port of every clock (IEEE 1588-2019, table 37).
    pub const EVERYBODY: Self = Self { clock_identity: ClockIdentity([0xFF; 8]), port_number: 0xFFFF };

    pub(super) const fn from_bytes(bytes: [u8; 10]) -> Self {
        let [c0, c1, c2, c3, c4, c5, c6, c7, port_number @ ..] = bytes;
        Self {
            clock_identity: ClockIdentity([c0, c1, c2, c3, c4, c5, c6, c7]),
            port_number: u16::from_be_bytes(port_number),
        }
    }

    pub(super) const fn to_bytes(self) -> [u8; 10] {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.clock_identity.0;
        let [p0, p1] = self.port_number.to_be_bytes();
        [c0, c1, c2, c3, c4, c5, c6, c7, p0, p1]
    }
}

impl fmt::Display for PortIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.clock_identity, self.port_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_as_tools_write_them() {
        let identity = ClockIdentity([0, 0x1B, 0x21, 0xFF, 0xFE, 0x0A, 0x67, 1]);
        for text in ["001b21fffe0a6701", "00-1B-21-FF-FE-0A-67-01", "001b21.fffe.0a6701"] {
            assert_eq!(text.parse(), Ok(identity), "{text}");
        }
        for text in ["", "001b21fffe0a67", "001b21fffe0a67012", "001b21fffe0a670g", "+01b21fffe0a6701"] {
            assert_eq!(text.parse::<ClockIdentity>(), Err(NoClockIdentity), "{text}");
        }
    }
}
