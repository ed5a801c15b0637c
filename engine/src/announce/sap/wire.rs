//! SAP datagrams as bytes (RFC 2974, 6).
//!
//! [`SapPacket::parse`] takes any bytes: it never panics, and allocates only for compressed
//! payloads, which are unpacked to [`MAX_TEXT`] bytes at most. Authentication data is skipped,
//! because receivers have no keys with which to check it. Encrypted payloads are refused; RFC 2974
//! (7) advises against encryption.

use crate::announce::sdp::MAX_TEXT;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
use std::borrow::Cow;
use std::net::IpAddr;
use thiserror::Error;

/// The version of RFC 2974, in the upper three bits.
const VERSION: u8 = 1;
/// Flags in the first byte.
const IPV6: u8 = 0x10;
const DELETION: u8 = 0x04;
const ENCRYPTED: u8 = 0x02;
const COMPRESSED: u8 = 0x01;
/// Total length of the flags, the authentication length and the hash, bytes.
const FIXED: usize = 4;
/// The only payload type that is accepted, and the default if none is stated.
const SDP: &[u8] = b"application/sdp";
/// Maximum length of a payload type, bytes.
const MAX_PAYLOAD_TYPE: usize = 128;

/// A SAP datagram.
///
/// ```
/// use engine::announce::sap::{SapError, SapPacket};
/// let origin = [192, 0, 2, 1].into();
/// let packet = SapPacket { deletion: false, hash: 0x1234, origin, payload: b"v=0\r\n".into() };
/// let bytes = packet.emit();
/// assert_eq!(bytes[..8], [0x20, 0, 0x12, 0x34, 192, 0, 2, 1]);
/// assert_eq!(SapPacket::parse(&bytes), Ok(packet));
/// assert_eq!(SapPacket::parse(&bytes[..7]), Err(SapError::Truncated { needed: 8, available: 7 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SapPacket<'a> {
    /// Whether the session is withdrawn.
    pub deletion: bool,
    /// Identifies this version of the description, together with the origin; 0 if unused.
    pub hash: u16,
    /// The announcing host.
    pub origin: IpAddr,
    /// The description; in a deletion it may be the `o=` line alone.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> SapPacket<'a> {
    /// Parses a datagram.
    ///
    /// # Errors
    /// [`SapError`] if the datagram is not SAP, or is of an unsupported kind.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, SapError> {
        let available = datagram.len();
        let truncated = |needed| SapError::Truncated { needed, available };
        let Some((&[flags, authentication_words, h0, h1], rest)) = datagram.split_first_chunk::<FIXED>() else {
            return Err(truncated(FIXED));
        };
        if flags >> 5 != VERSION {
            return Err(SapError::Version(flags >> 5));
        }
        let (origin, rest): (IpAddr, _) = if flags & IPV6 == 0 {
            let (address, rest) = rest.split_first_chunk::<4>().ok_or(truncated(FIXED + 4))?;
            ((*address).into(), rest)
        } else {
            let (address, rest) = rest.split_first_chunk::<16>().ok_or(truncated(FIXED + 16))?;
            ((*address).into(), rest)
        };
        let authentication = 4 * usize::from(authentication_words);
        let rest = rest.get(authentication..).ok_or(truncated(available - rest.len() + authentication))?;
        if flags & ENCRYPTED != 0 {
            return Err(SapError::Encrypted);
        }
        let hash = u16::from_be_bytes([h0, h1]);
        let payload = if flags & COMPRESSED == 0 { description(rest)?.into() } else { unpack(rest)?.into() };
        Ok(Self { deletion: flags & DELETION != 0, hash, origin, payload })
    }

    /// Writes the datagram, including the payload type, which some receivers need.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let flags = VERSION << 5 | if self.deletion { DELETION } else { 0 };
        let [h0, h1] = self.hash.to_be_bytes();
        let mut datagram = Vec::with_capacity(FIXED + 16 + SDP.len() + 1 + self.payload.len());
        match self.origin {
            IpAddr::V4(address) => {
                datagram.extend([flags, 0, h0, h1]);
                datagram.extend(address.octets());
            }
            IpAddr::V6(address) => {
                datagram.extend([flags | IPV6, 0, h0, h1]);
                datagram.extend(address.octets());
            }
        }
        datagram.extend_from_slice(SDP);
        datagram.push(0);
        datagram.extend_from_slice(&self.payload);
        datagram
    }
}

/// Returns the payload after the payload type, which may be absent.
fn description(rest: &[u8]) -> Result<&[u8], SapError> {
    // Without a payload type, the payload begins like SDP, or like the `o=` line of a deletion.
    if rest.is_empty() || rest.starts_with(b"v=") || rest.starts_with(b"o=") {
        return Ok(rest);
    }
    let end = rest.iter().take(MAX_PAYLOAD_TYPE).position(|&byte| byte == 0).ok_or(SapError::PayloadType)?;
    let (payload_type, payload) = rest.split_at(end);
    // Parameters may follow the type.
    let name = payload_type.split(|&byte| byte == b';').next().unwrap_or(payload_type).trim_ascii();
    if name.eq_ignore_ascii_case(SDP) { Ok(&payload[1..]) } else { Err(SapError::PayloadType) }
}

/// Decompresses a zlib payload (RFC 2974, 6). According to the RFC, the payload type is compressed
/// together with the payload, but some senders put it in front of the payload uncompressed.
fn unpack(rest: &[u8]) -> Result<Vec<u8>, SapError> {
    let packed = description(rest).unwrap_or(rest);
    if packed.is_empty() {
        return Ok(Vec::new());
    }
    let text = decompress_to_vec_zlib_with_limit(packed, MAX_TEXT).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => SapError::TooLong,
        _ => SapError::Compressed,
    })?;
    description(&text).map(<[u8]>::to_vec)
}

/// Why a datagram is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SapError {
    /// The datagram ends within its header.
    #[error("SAP header of {needed} bytes or more in a datagram of {available}")]
    Truncated {
        /// The required length in bytes, as far as it can be determined.
        needed: usize,
        /// The actual length in bytes.
        available: usize,
    },
    /// The datagram has another version, or is not SAP.
    #[error("SAP version {0}, only version 1 is understood")]
    Version(u8),
    /// The payload is encrypted.
    #[error("the announcement is encrypted, and there is no key")]
    Encrypted,
    /// The compressed payload is damaged.
    #[error("the announcement is compressed, and cannot be unpacked by zlib: have its sender announce plain text")]
    Compressed,
    /// The compressed payload is far longer than a description.
    #[error("the announcement is compressed and holds more than {MAX_TEXT} bytes: a description has fewer")]
    TooLong,
    /// The payload is not SDP.
    #[error("the announcement does not hold SDP (application/sdp)")]
    PayloadType,
    /// The description cannot be used.
    #[error(transparent)]
    Sdp(#[from] crate::announce::sdp::SdpError),
    /// There is no room for another session.
    #[error("{0} sessions are known already: this one is left out")]
    Full(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec_zlib;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_the_field_are_read() {
        let origin = IpAddr::from([192, 0, 2, 1]);
        let expected = SapPacket { deletion: false, hash: 0xABCD, origin, payload: b"v=0\r\n".into() };
        let header = [0x20, 0, 0xAB, 0xCD, 192, 0, 2, 1];
        let with = |payload: &[u8]| [&header[..], payload].concat();
        for payload in [&b"v=0\r\n"[..], b"application/sdp\0v=0\r\n", b"Application/SDP; charset=utf-8\0v=0\r\n"] {
            assert_eq!(SapPacket::parse(&with(payload)), Ok(expected.clone()));
        }
        for payload in [&b"text/plain\0v=0"[..], b"application/sdp", &[b'x'; 500]] {
            assert_eq!(SapPacket::parse(&with(payload)), Err(SapError::PayloadType));
        }
        let mut authenticated = with(b"AUTHDATAv=0\r\n");
        authenticated[1] = 2;
        assert_eq!(SapPacket::parse(&authenticated), Ok(expected));
        authenticated[1] = 200;
        assert_eq!(SapPacket::parse(&authenticated), Err(SapError::Truncated { needed: 808, available: 21 }));
        let flagged = |flags| {
            let mut datagram = with(b"v=0\r\n");
            datagram[0] = flags;
            SapPacket::parse(&datagram).map(|packet| packet.deletion)
        };
        assert_eq!(flagged(0x24), Ok(true));
        assert_eq!(flagged(0x22), Err(SapError::Encrypted));
        assert_eq!(flagged(0x21), Err(SapError::Compressed), "it is not");
        assert_eq!(flagged(0x40), Err(SapError::Version(2)));
    }

    #[test]
    fn compressed_announcements_are_unpacked_within_bounds() {
        let header = [0x21, 0, 0xAB, 0xCD, 192, 0, 2, 1];
        let packed = |text: &[u8]| compress_to_vec_zlib(text, 6);
        let read = |payload: Vec<u8>| {
            SapPacket::parse(&[&header[..], &payload].concat()).map(|packet| packet.payload.to_vec())
        };
        let text = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
        let typed = [b"application/sdp\0", &text[..]].concat();
        assert_eq!(read(packed(text)), Ok(text.to_vec()));
        assert_eq!(read(packed(&typed)), Ok(text.to_vec()));
        assert_eq!(read([b"application/sdp\0", &packed(text)[..]].concat()), Ok(text.to_vec()));
        assert_eq!(read(Vec::new()), Ok(Vec::new()), "a deletion by its hash");
        assert_eq!(read(packed(b"text/plain\0hello")), Err(SapError::PayloadType));
        let (mut damaged, whole) = (packed(text), packed(text));
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(read(damaged), Err(SapError::Compressed));
        assert_eq!(read(whole[..whole.len() - 6].to_vec()), Err(SapError::Compressed));
        // A megabyte compressed to a kilobyte.
        assert_eq!(read(packed(&vec![b'v'; 1 << 20])), Err(SapError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            deletion in any::<bool>(), hash in any::<u16>(), v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), is_v6 in any::<bool>(),
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let origin = if is_v6 { v6.into() } else { v4.into() };
            let packet = SapPacket { deletion, hash, origin, payload: payload.into() };
            let emitted = packet.emit();
            prop_assert_eq!(SapPacket::parse(&emitted), Ok(packet));
        }

        #[test]
        fn any_bytes_are_read_without_panic(flags in 0x20u8..0x40, mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SapPacket::parse(&bytes);
            if let Some(first) = bytes.first_mut() { *first = flags; }
            if let Some(words) = bytes.get_mut(1) { *words %= 4; }
            if let Ok(packet) = SapPacket::parse(&bytes) {
                let emitted = packet.emit();
                prop_assert_eq!(SapPacket::parse(&emitted), Ok(packet));
            }
        }
    }
}
