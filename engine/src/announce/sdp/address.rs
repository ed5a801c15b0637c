//! Reads addresses from `c=` lines and `a=source-filter`.

use super::lint::Lint;
use std::net::{IpAddr, Ipv4Addr};

/// The address in a `c=` line.
pub(super) struct Connection {
    pub(super) address: IpAddr,
    pub(super) ttl: Option<u8>,
    pub(super) lints: Vec<Lint>,
}

/// The meaning of a `c=` line.
pub(super) enum ConnectionLine {
    Read(Connection),
    /// The name of a network other than the Internet.
    OtherNet(String),
    Unreadable,
}

/// Reads an address. IPv4 numbers with leading zeros are accepted and read as decimal; the returned
/// flag states whether there were leading zeros.
fn parse_address(text: &str) -> Option<(IpAddr, bool)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        // An IPv4-mapped address such as ::ffff:239.69.0.1 is an IPv4 address.
        return Some((address.to_canonical(), false));
    }
    let digits = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let octets: Vec<u8> =
        text.split('.').map(|part| part.parse().ok().filter(|_| digits(part))).collect::<Option<_>>()?;
    let octets: [u8; 4] = octets.try_into().ok()?;
    Some((Ipv4Addr::from(octets).into(), true))
}

/// Reads `IN IP4 239.69.0.1/32`, optionally with a number of addresses, or `IN IP6 ff15::1`. Blanks
/// instead of slashes, lower case, a port, and an address without the words before it are accepted,
/// too.
pub(super) fn parse_connection(value: &str) -> ConnectionLine {
    let words: Vec<&str> = value.split_whitespace().collect();
    let is_family = |word: &str| ["IP4", "IP6", "IPV4", "IPV6"].iter().any(|family| word.eq_ignore_ascii_case(family));
    let mut rest = &words[..];
    match rest {
        [net, after @ ..] if net.eq_ignore_ascii_case("IN") => rest = after,
        [first, ..] if is_family(first) || first.contains(['.', ':']) => {}
        [net, ..] => return ConnectionLine::OtherNet((*net).to_owned()),
        [] => return ConnectionLine::Unreadable,
    }
    if let [family, after @ ..] = rest
        && is_family(family)
    {
        rest = after;
    }
    let joined = rest.join("/");
    let parts: Vec<&str> = joined.split(['/', ',']).filter(|part| !part.is_empty()).collect();
    let Some((&written, numbers)) = parts.split_first() else { return ConnectionLine::Unreadable };
    let without_port = || written.split_once(':').and_then(|(address, _)| parse_address(address));
    match parse_address(written).or_else(without_port) {
        Some((address, has_zeros)) => ConnectionLine::Read(connection(value, address, has_zeros, numbers)),
        None => ConnectionLine::Unreadable,
    }
}

/// Returns the address with its TTL, and the faults of the line.
fn connection(value: &str, address: IpAddr, has_zeros: bool, numbers: &[&str]) -> Connection {
    let mut lints = Vec::new();
    let (ttl_text, count_text) = match address {
        IpAddr::V4(_) => (numbers.first(), numbers.get(1)),
        IpAddr::V6(_) => (None, numbers.first()),
    };
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let tail: String = numbers.iter().take(2).map(|number| format!("/{number}")).collect();
    let right = format!("IN {family} {address}{tail}");
    let written = value.to_owned();
    // IPv6 addresses have several spellings.
    let is_standard = value == right || (address.is_ipv6() && value.eq_ignore_ascii_case(&right));
    if has_zeros {
        lints.push(Lint::LeadingZeros { written, right });
    } else if !is_standard {
        lints.push(Lint::Spelling { written, right });
    }
    let ttl = ttl_text.and_then(|text| text.parse::<u8>().ok());
    let is_group = address.is_ipv4() && address.is_multicast();
    match (ttl_text, ttl) {
        (Some(_), _) if !is_group => lints.push(Lint::TtlOfHost),
        (Some(text), None) => lints.push(Lint::Ttl((*text).to_owned())),
        (None, _) if is_group => lints.push(Lint::NoTtl),
        (_, Some(0)) => lints.push(Lint::TtlZero),
        (_, Some(1)) => lints.push(Lint::TtlOne),
        _ => {}
    }
    if let Some(count) = count_text.and_then(|text| text.parse::<u32>().ok()).filter(|&count| count != 1) {
        lints.push(Lint::AddressCount(count));
    }
    Connection { address, ttl: ttl.filter(|_| is_group), lints }
}

/// The senders that an `a=source-filter` accepts.
pub(super) struct SourceFilter {
    /// `None` for `*`.
    pub(super) destination: Option<IpAddr>,
    pub(super) sources: Vec<IpAddr>,
    pub(super) lints: Vec<Lint>,
}

/// Reads `incl IN IP4 <destination> <source>...`.
///
/// # Errors
/// If the filter cannot be used; the error states its fault.
pub(super) fn parse_filter(value: &str) -> Result<SourceFilter, Lint> {
    let unreadable = || Lint::SourceFilter(value.to_owned());
    let words: Vec<&str> = value.split_whitespace().collect();
    let skip = |words: &mut &[&str], known: &[&str]| {
        if let [first, after @ ..] = words
            && known.iter().any(|word| first.eq_ignore_ascii_case(word))
        {
            *words = after;
        }
    };
    let mut rest = &words[..];
    if rest.first().is_some_and(|mode| mode.eq_ignore_ascii_case("excl")) {
        return Err(if rest.len() > 1 { Lint::Exclusion } else { unreadable() });
    }
    skip(&mut rest, &["incl"]);
    skip(&mut rest, &["IN"]);
    skip(&mut rest, &["IP4", "IP6", "IPV4", "IPV6", "*"]);
    let (destination, rest) = rest.split_first().ok_or_else(unreadable)?;
    // A TTL is not allowed here, and is ignored.
    let address = |text: &str| parse_address(text.split('/').next().unwrap_or(text));
    let destination = if *destination == "*" { None } else { Some(address(destination).ok_or_else(unreadable)?) };
    let sources: Vec<_> = rest.iter().map(|text| address(text)).collect::<Option<_>>().ok_or_else(unreadable)?;
    let first = sources.first().ok_or_else(unreadable)?.0;
    let family = if destination.map_or(first, |(address, _)| address).is_ipv4() { "IP4" } else { "IP6" };
    let to = destination.map_or_else(|| "*".to_owned(), |(address, _)| address.to_string());
    let from: String = sources.iter().map(|(address, _)| format!(" {address}")).collect();
    let right = format!("incl IN {family} {to}{from}");
    let mut lints = Vec::new();
    let single = words.join(" ");
    if destination.is_some_and(|(_, has_zeros)| has_zeros) || sources.iter().any(|&(_, has_zeros)| has_zeros) {
        lints.push(Lint::LeadingZeros { written: single, right });
    } else if single != right && !(family == "IP6" && single.eq_ignore_ascii_case(&right)) {
        lints.push(Lint::Spelling { written: single, right });
    }
    let destination = destination.map(|(address, _)| address);
    Ok(SourceFilter { destination, sources: sources.into_iter().map(|(address, _)| address).collect(), lints })
}
