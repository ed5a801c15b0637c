//! Reads the clocks of a stream from `a=ts-refclk` and `a=mediaclk` (RFC 7273, 4.8 and 5.4).

use super::lint::Lint;
use crate::ptp::wire::ClockIdentity;
use std::fmt;

/// The highest PTP domain (IEEE 1588-2008, 7.1).
const MAX_DOMAIN: u8 = 127;

/// The reference clock of the timestamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReferenceClock {
    /// The description does not state it.
    #[default]
    Unknown,
    /// PTP, with this grandmaster.
    Ptp {
        /// The edition of IEEE 1588, or 802.1AS, as written; usually `IEEE1588-2008`.
        version: String,
        /// The grandmaster.
        grandmaster: ClockIdentity,
        /// The domain, if stated.
        domain: Option<u8>,
    },
    /// PTP that is traceable to TAI, with any grandmaster.
    PtpTraceable {
        /// The edition of IEEE 1588, or 802.1AS, as written.
        version: String,
    },
    /// The sender's own clock, identified by the MAC address of one of its network interfaces.
    LocalMac([u8; 6]),
    /// Anything else, as written: NTP, GPS, a private clock.
    Other(String),
}

impl ReferenceClock {
    /// Creates the reference clock for PTP with this grandmaster, in the edition that AES67
    /// requires.
    #[must_use]
    pub fn ptp(grandmaster: ClockIdentity, domain: u8) -> Self {
        Self::Ptp { version: PTP_2008.to_owned(), grandmaster, domain: Some(domain) }
    }

    /// Whether the timestamps are PTP time.
    #[must_use]
    pub const fn is_ptp(&self) -> bool {
        matches!(self, Self::Ptp { .. } | Self::PtpTraceable { .. })
    }
}

/// The edition that AES67 requires.
const PTP_2008: &str = "IEEE1588-2008";
/// The prefix of the editions of 802.1AS (RFC 7273, 4.8).
const PTP_802: &str = "IEEE802.1AS";

impl fmt::Display for ReferenceClock {
    /// Writes the value of `a=ts-refclk`, which is empty if the clock is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Ptp { version, grandmaster, domain } => {
                write!(f, "ptp={version}:{}", grandmaster.sdp())?;
                domain.map_or(Ok(()), |domain| write!(f, ":{domain}"))
            }
            Self::PtpTraceable { version } => write!(f, "ptp={version}:traceable"),
            Self::LocalMac([a, b, c, d, e, g]) => write!(f, "localmac={a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{g:02X}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The relation of the timestamps to the reference clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaClockSource {
    /// The description does not state it.
    #[default]
    Unknown,
    /// The timestamps are the reference clock's time in frames, plus an offset.
    Direct {
        /// Timestamp at the reference clock's epoch.
        offset: u32,
    },
    /// The timestamps follow a clock of the sender that is unrelated to the reference clock.
    Sender,
}

impl fmt::Display for MediaClockSource {
    /// Writes the value of `a=mediaclk`, which is empty if the relation is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Direct { offset } => write!(f, "direct={offset}"),
            Self::Sender => f.write_str("sender"),
        }
    }
}

/// Reads the value of an `a=ts-refclk`. `default_domain` is the domain in RAVENNA's
/// `a=clock-domain`.
pub(super) fn reference_clock(value: &str, default_domain: Option<u8>, lints: &mut Vec<Lint>) -> ReferenceClock {
    let (kind, rest) = value.split_once('=').unwrap_or((value, ""));
    match kind.trim().to_ascii_lowercase().as_str() {
        "ptp" => ptp(rest.trim(), default_domain, lints).unwrap_or_else(|| {
            lints.push(Lint::ReferenceClock(value.to_owned()));
            ReferenceClock::Other(value.to_owned())
        }),
        "localmac" => match octets(rest.trim()) {
            Some(mac) => ReferenceClock::LocalMac(mac),
            None => {
                lints.push(Lint::ReferenceClock(value.to_owned()));
                ReferenceClock::Other(value.to_owned())
            }
        },
        "" => ReferenceClock::Unknown,
        _ => ReferenceClock::Other(value.to_owned()),
    }
}

/// Reads `version:grandmaster[:domain]` or `version:traceable`.
fn ptp(value: &str, default_domain: Option<u8>, lints: &mut Vec<Lint>) -> Option<ReferenceClock> {
    if value.eq_ignore_ascii_case("traceable") {
        lints.push(Lint::BareTraceable);
        return Some(ReferenceClock::PtpTraceable { version: PTP_2008.to_owned() });
    }
    // If the edition is missing, the value begins with the grandmaster.
    let has_edition = value.split(':').next().is_none_or(|first| octets::<8>(first.trim()).is_none())
        && octets::<8>(value.trim()).is_none();
    let (version, clock) = if has_edition {
        value.split_once(':')?
    } else {
        lints.push(Lint::NoEdition);
        (PTP_2008, value)
    };
    let version = version.trim().to_owned();
    if clock.trim().eq_ignore_ascii_case("traceable") {
        return Some(ReferenceClock::PtpTraceable { version });
    }
    // Some senders write the identity with colons. The domain then follows the eighth octet.
    let colons = clock.split(':').count() > 2;
    let (identity, domain) = if colons {
        let end = clock.match_indices(':').nth(7).map_or(clock.len(), |(at, _)| at);
        (&clock[..end], clock.get(end + 1..))
    } else {
        let (identity, domain) = clock.split_once(':').unwrap_or((clock, ""));
        (identity, Some(domain).filter(|domain| !domain.is_empty()))
    };
    let grandmaster = identity_of(identity.trim())?;
    if identity.trim() != grandmaster.sdp().to_string() {
        lints.push(Lint::GrandmasterSpelling { written: identity.trim().to_owned(), right: grandmaster });
    }
    if [[0; 8], [0xFF; 8]].contains(&grandmaster.0) {
        lints.push(Lint::NoGrandmaster(grandmaster));
    }
    let domain = match domain {
        Some(domain) => domain_number(domain.trim(), lints),
        // IEEE 802.1AS has only one domain, and RFC 7273 (4.8) does not provide a field for it.
        None if has_prefix(&version, PTP_802) => default_domain,
        None => {
            lints.push(Lint::NoDomain);
            default_domain
        }
    };
    Some(ReferenceClock::Ptp { version, grandmaster, domain })
}

/// Whether a text begins with `prefix`, ignoring case.
fn has_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Reads a domain number, optionally preceded by `domain-nmbr=` (RFC 7273, 4.8).
fn domain_number(text: &str, lints: &mut Vec<Lint>) -> Option<u8> {
    let digits = text.strip_prefix("domain-nmbr=").unwrap_or(text);
    let domain = digits.parse().ok().filter(|&domain| domain <= MAX_DOMAIN);
    if domain.is_none() {
        lints.push(Lint::Domain(text.to_owned()));
    }
    domain
}

/// Reads the domain from RAVENNA's `a=clock-domain:PTPv2 <domain>`.
pub(super) fn clock_domain(value: &str) -> Option<u8> {
    value.strip_prefix("PTPv2")?.trim().parse().ok().filter(|&domain| domain <= MAX_DOMAIN)
}

/// Reads a clock identity: eight octets, or a MAC address from which the identity is derived
/// (IEEE 1588-2008, 7.5.2.2.2).
fn identity_of(text: &str) -> Option<ClockIdentity> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let of_mac = || octets(text).map(|[a, b, c, d, e, g]| [a, b, c, 0xFF, 0xFE, d, e, g]);
    octets(text).or_else(of_mac).map(ClockIdentity)
}

/// Reads hexadecimal octets, which may be separated by hyphens, colons or points.
fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let mut rest = text.as_bytes();
    for (index, octet) in octets.iter_mut().enumerate() {
        if let Some((b'-' | b':' | b'.', after)) = rest.split_first().filter(|_| index > 0) {
            rest = after;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        *octet = u8::try_from(high? << 4 | low?).ok()?;
        rest = after;
    }
    rest.is_empty().then_some(octets)
}

/// Reads the value of `a=mediaclk` for a stream with the sample rate `rate_hz`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32, as RTP timestamps wrap")]
pub(super) fn media_clock(value: &str, rate_hz: u32, lints: &mut Vec<Lint>) -> MediaClockSource {
    // RFC 7273 allows a name (`id=`) before the clock. Streams with the same name share a clock.
    let named: Vec<&str> = value.split_whitespace().filter(|word| !word.starts_with("id=")).collect();
    let joined = without_blanks_at_equals(&named.join(" "));
    let mut words = joined.split_whitespace();
    let source = words.next().unwrap_or("");
    let (kind, offset) = source.split_once(['=', ':']).unwrap_or((source, ""));
    if kind.eq_ignore_ascii_case("sender") {
        return MediaClockSource::Sender;
    }
    if !kind.eq_ignore_ascii_case("direct") {
        lints.push(Lint::MediaClock(value.to_owned()));
        return MediaClockSource::Unknown;
    }
    if offset.is_empty() {
        lints.push(Lint::NoOffset);
    }
    // Negative offsets and offsets beyond 32 bits are read modulo 2^32.
    let Some(offset) = (if offset.is_empty() { Some(0) } else { offset.parse::<i64>().ok() }) else {
        lints.push(Lint::MediaClock(value.to_owned()));
        return MediaClockSource::Unknown;
    };
    if source.contains(':') {
        lints.push(Lint::Spelling { written: source.to_owned(), right: format!("direct={offset}") });
    }
    if let Some(rate) = words.find_map(|word| word.strip_prefix("rate=")) {
        check_rate(rate, rate_hz, lints);
    }
    MediaClockSource::Direct { offset: offset as u32 }
}

/// Removes blanks around equals signs: `direct = 5` becomes `direct=5`.
fn without_blanks_at_equals(value: &str) -> String {
    value.split('=').map(str::trim).collect::<Vec<_>>().join("=")
}

/// Checks that a rate such as `48000/1` equals the stream's sample rate.
fn check_rate(rate: &str, rate_hz: u32, lints: &mut Vec<Lint>) {
    let (numerator, denominator) = rate.split_once('/').unwrap_or((rate, "1"));
    let ratio = numerator.parse::<u64>().ok().zip(denominator.parse::<u64>().ok());
    if ratio.is_none_or(|(numerator, denominator)| Some(numerator) != denominator.checked_mul(u64::from(rate_hz))) {
        lints.push(Lint::MediaClockRate { written: rate.to_owned(), rate_hz });
    }
}
