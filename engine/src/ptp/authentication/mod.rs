//! Authentication of messages with keys that all ports in a domain share (IEEE 1588-2019, 16.14).
//!
//! Purpose: without authentication, anyone on the network can pretend to be the master. With
//! authentication, only holders of a key can do so, and all other messages are refused before they
//! have any effect.
//!
//! Model: an AUTHENTICATION TLV at the end of each message names a security association (SPP) and
//! one of its keys, and carries an integrity check value over all bytes before that value
//! ("immediate security processing"). Every message must carry a valid check value.
//!
//! Assumptions: the keys are distributed by other means. Transparent clocks without the key change
//! correctionFields, so an association may leave that field out of the check. An attacker who can
//! change packets on the way can then move the time by changing the correctionField. A recorded
//! message stays authentic, so replays must be detected by other means: sequence ids, which may
//! only increase, and the plausibility checks.

mod sa_file;

pub use sa_file::{SaFileError, SaFileProblem};

use super::wire::{Message, Tlv};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;

/// tlvType AUTHENTICATION (IEEE 1588-2019, table 52).
const AUTHENTICATION: u16 = 0x8009;
/// Total length of the fields of the TLV before the check value (SPP, secParamIndicator and keyID),
/// bytes.
const FIXED_FIELDS: usize = 6;
/// tlvType and lengthField.
const TLV_HEADER: usize = 4;
/// Position of messageLength in a header (IEEE 1588-2019, table 35).
const MESSAGE_LENGTH: std::ops::Range<usize> = 2..4;
/// Position of correctionField in a header (IEEE 1588-2019, table 35).
const CORRECTION_FIELD: std::ops::Range<usize> = 8..16;
/// Block length of SHA-256; a longer secret is replaced by its hash (RFC 2104, 2).
const BLOCK: usize = 64;
/// The longest check value.
const LONGEST_CHECK: usize = 32;
/// Longest AUTHENTICATION TLV that [`Authentication::append`] writes, bytes.
pub(super) const LONGEST_TLV: usize = TLV_HEADER + FIXED_FIELDS + LONGEST_CHECK;

/// How a check value is computed (IEEE 1588-2019, 16.14.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityAlgorithm {
    /// HMAC-SHA256-128: the first 16 bytes of HMAC-SHA256.
    HmacSha256Truncated,
    /// HMAC-SHA256, 32 bytes.
    HmacSha256,
}

impl IntegrityAlgorithm {
    /// Length of the check value, bytes.
    const fn length(self) -> usize {
        match self {
            Self::HmacSha256Truncated => 16,
            Self::HmacSha256 => LONGEST_CHECK,
        }
    }
}

/// A key that ports share.
///
/// Its `Debug` form does not show the secret.
///
/// ```
/// use engine::ptp::authentication::{IntegrityAlgorithm, Key};
/// let key = Key::new(7, IntegrityAlgorithm::HmacSha256, b"between us").unwrap();
/// assert_eq!(key.id(), 7);
/// assert!(Key::new(0, IntegrityAlgorithm::HmacSha256, b"between us").is_none(), "0 names no key");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    id: u32,
    algorithm: IntegrityAlgorithm,
    secret: [u8; BLOCK],
}

impl Key {
    /// Creates the key that messages identify by `id`; `None` if the secret is empty, or if `id` is
    /// 0, which identifies no key.
    #[must_use]
    pub fn new(id: u32, algorithm: IntegrityAlgorithm, secret: &[u8]) -> Option<Self> {
        if id == 0 || secret.is_empty() {
            return None;
        }
        // HMAC pads a secret with zeros to a block, and hashes a longer one first (RFC 2104, 2).
        let mut padded = [0; BLOCK];
        let hashed = Sha256::digest(secret);
        let counts = if secret.len() > BLOCK { hashed.as_slice() } else { secret };
        padded.iter_mut().zip(counts).for_each(|(byte, &secret)| *byte = secret);
        Some(Self { id, algorithm, secret: padded })
    }

    /// The keyID that messages carry.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Computes the HMAC over the first bytes of a message, up to its check value. If
    /// `skip_correction` is true, the correctionField counts as zero.
    fn mac(&self, covered: &[u8], skip_correction: bool) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.secret).ok()?;
        if skip_correction {
            mac.update(covered.get(..CORRECTION_FIELD.start)?);
            mac.update(&[0; CORRECTION_FIELD.end - CORRECTION_FIELD.start]);
            mac.update(covered.get(CORRECTION_FIELD.end..)?);
        } else {
            mac.update(covered);
        }
        Some(mac)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A security association: the keys and the coverage that ports have agreed on.
///
/// ```
/// use engine::ptp::authentication::{IntegrityAlgorithm, Key, SecurityAssociation};
/// let key = |id| Key::new(id, IntegrityAlgorithm::HmacSha256Truncated, b"between us").unwrap();
/// let association = SecurityAssociation::new(1, true, &[key(7), key(8)]).unwrap();
/// assert_eq!(association.keys().count(), 2);
/// assert!(SecurityAssociation::new(1, true, &[key(7), key(7)]).is_none(), "two keys with one id");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityAssociation {
    spp: u8,
    covers_correction: bool,
    keys: [Option<Key>; Self::MOST_KEYS],
}

impl SecurityAssociation {
    /// Maximum number of keys in an association: one in use, its successor, and room for a second
    /// pair.
    pub const MOST_KEYS: usize = 4;

    /// Creates the association that messages identify by `spp`. If `covers_correction` is true,
    /// nobody without a key can change a correctionField, not even a transparent clock. `None` if
    /// there are no keys, more than [`Self::MOST_KEYS`], or two with the same id.
    #[must_use]
    pub fn new(spp: u8, covers_correction: bool, keys: &[Key]) -> Option<Self> {
        let is_twice = |(index, key): (usize, &Key)| keys.iter().take(index).any(|other| other.id == key.id);
        if keys.is_empty() || keys.len() > Self::MOST_KEYS || keys.iter().enumerate().any(is_twice) {
            return None;
        }
        let mut all = [None; Self::MOST_KEYS];
        all.iter_mut().zip(keys).for_each(|(place, &key)| *place = Some(key));
        Some(Self { spp, covers_correction, keys: all })
    }

    /// The SPP (security parameters pointer) that messages carry.
    #[must_use]
    pub const fn spp(&self) -> u8 {
        self.spp
    }

    /// The keys of the association, in the order given.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().flatten()
    }

    fn key(&self, id: u32) -> Option<&Key> {
        self.keys().find(|key| key.id == id)
    }
}

/// How a port signs its own messages and verifies the messages of other ports.
///
/// ```
/// use engine::ptp::authentication::{Authentication, IntegrityAlgorithm, Key, SecurityAssociation};
/// let key = Key::new(7, IntegrityAlgorithm::HmacSha256Truncated, b"between us").unwrap();
/// let association = SecurityAssociation::new(1, true, &[key]).unwrap();
/// let authentication = Authentication::new(association, 7).unwrap();
/// assert_eq!(authentication.active_key().id(), 7);
/// assert!(Authentication::new(association, 8).is_none(), "it has no such key");
/// assert!(!format!("{authentication:?}").contains("between"), "secrets are not shown");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication {
    association: SecurityAssociation,
    active: Key,
}

impl Authentication {
    /// Creates an authentication that accepts messages signed with any key of `association`, and
    /// signs with `active_key`; `None` if the association does not have that key.
    #[must_use]
    pub fn new(association: SecurityAssociation, active_key: u32) -> Option<Self> {
        let active = *association.key(active_key)?;
        Some(Self { association, active })
    }

    /// Parses a file of security associations, and selects the association `spp` (`None`: the only
    /// one) and its key `active_key` (`None`: the first).
    ///
    /// # Errors
    /// If the text is not a file of security associations, or does not contain the selected
    /// association or key; the error lists the available associations.
    pub fn of_file(text: &str, spp: Option<u8>, active_key: Option<u32>) -> Result<Self, ChoiceError> {
        let all = SecurityAssociation::parse_all(text)?;
        let there = || all.iter().map(|one| one.spp().to_string()).collect::<Vec<_>>().join(", ");
        let association = match (spp, all.as_slice()) {
            (_, []) => return Err(ChoiceError::Empty),
            (None, [only]) => only,
            (None, _) => return Err(ChoiceError::Several(there())),
            (Some(spp), _) => {
                let found = all.iter().find(|one| one.spp() == spp);
                found.ok_or_else(|| ChoiceError::NoAssociation { spp, there: there() })?
            }
        };
        let first = association.keys().next().map_or(0, Key::id);
        let key = active_key.unwrap_or(first);
        Self::new(*association, key).ok_or(ChoiceError::NoKey { spp: association.spp(), key })
    }

    /// The key that messages are signed with.
    #[must_use]
    pub const fn active_key(&self) -> &Key {
        &self.active
    }

    /// Appends the TLV to the message in the first `length` bytes of `buffer`, and returns the new
    /// length; `None` if there is no room.
    pub(super) fn append(&self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let check_length = self.active.algorithm.length();
        let tlv_length = u16::try_from(FIXED_FIELDS + check_length).ok()?;
        let end = length + TLV_HEADER + FIXED_FIELDS + check_length;
        let message = buffer.get_mut(..end)?;
        message.get_mut(MESSAGE_LENGTH)?.copy_from_slice(&u16::try_from(end).ok()?.to_be_bytes());
        let (covered, check) = message.split_at_mut_checked(end - check_length)?;
        let [t0, t1] = AUTHENTICATION.to_be_bytes();
        let [l0, l1] = tlv_length.to_be_bytes();
        let [k0, k1, k2, k3] = self.active.id.to_be_bytes();
        covered.get_mut(length..)?.copy_from_slice(&[t0, t1, l0, l1, self.association.spp, 0, k0, k1, k2, k3]);
        let mac = self.active.mac(covered, !self.association.covers_correction)?;
        check.copy_from_slice(mac.finalize().into_bytes().get(..check_length)?);
        Some(end)
    }

    /// Checks that `message`, read from the start of `datagram`, comes from a holder of a key.
    ///
    /// # Errors
    /// [`Unauthenticated`], with the reason, if the message does not come from a holder of a key.
    pub(super) fn verify(&self, datagram: &[u8], message: &Message<'_>) -> Result<(), Unauthenticated> {
        let (&[spp, indicator, k0, k1, k2, k3], check) = match message.tlvs.iter().last() {
            Some(Ok(Tlv { tlv_type: AUTHENTICATION, value })) => {
                value.split_first_chunk().ok_or(Unauthenticated::CheckLength { length: 0 })?
            }
            _ => return Err(Unauthenticated::Missing),
        };
        if spp != self.association.spp {
            return Err(Unauthenticated::OtherAssociation { spp });
        }
        // The indicator announces delayed processing, sequenceNo or RES, which our associations do
        // not use.
        if indicator != 0 {
            return Err(Unauthenticated::Parameters { indicator });
        }
        let id = u32::from_be_bytes([k0, k1, k2, k3]);
        let key = self.association.key(id).ok_or(Unauthenticated::UnknownKey { id })?;
        if check.len() != key.algorithm.length() {
            return Err(Unauthenticated::CheckLength { length: check.len() });
        }
        let covered = datagram.get(..message.wire_len() - check.len()).ok_or(Unauthenticated::WrongCheck)?;
        let mac = key.mac(covered, !self.association.covers_correction).ok_or(Unauthenticated::WrongCheck)?;
        // The comparison takes constant time, so that the duration of a refusal reveals nothing to
        // a forger.
        mac.verify_truncated_left(check).map_err(|_| Unauthenticated::WrongCheck)
    }
}

/// Why a file of security associations does not determine a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// The text is not a file of security associations.
    #[error(transparent)]
    File(#[from] SaFileError),
    /// The file has no association.
    #[error("it has no security association: `spp 1`, and a key below it")]
    Empty,
    /// The file has several associations, and none was selected.
    #[error("which association is meant? Its SPP is one of {0}")]
    Several(String),
    /// The file does not have the selected association.
    #[error("it has no association {spp}, but {there}")]
    NoAssociation {
        /// The selected SPP.
        spp: u8,
        /// The SPPs of the associations in the file.
        there: String,
    },
    /// The association has no such key.
    #[error("association {spp} has no key {key}")]
    NoKey {
        /// The SPP of the association.
        spp: u8,
        /// The selected key.
        key: u32,
    },
}

/// Why a message fails authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// The message does not end with an AUTHENTICATION TLV.
    #[error("they carry no AUTHENTICATION TLV")]
    Missing,
    /// The TLV belongs to another security association.
    #[error("they belong to another security association (SPP {spp})")]
    OtherAssociation {
        /// SPP of the message.
        spp: u8,
    },
    /// The TLV has fields that the association does not use.
    #[error(
        "they use delayed processing, sequenceNo or RES (secParamIndicator {indicator:#04x}), which is not supported"
    )]
    Parameters {
        /// secParamIndicator.
        indicator: u8,
    },
    /// The association has no such key.
    #[error("they are signed with a key that the association does not have (keyID {id})")]
    UnknownKey {
        /// keyID.
        id: u32,
    },
    /// The check value does not have the length that the key's algorithm requires.
    #[error("their check value of {length} bytes is not of the key's algorithm")]
    CheckLength {
        /// The length of the check value, bytes.
        length: usize,
    },
    /// The check value is wrong: the secrets differ, or the message was changed on the way.
    #[error("their check value is wrong: the keys differ, or somebody changes them on the way")]
    WrongCheck,
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Body, Header, Tlvs};
    use super::*;
    use crate::PtpTime;
    use proptest::prelude::*;

    fn authentication(algorithm: IntegrityAlgorithm, covers_correction: bool) -> Authentication {
        let keys = [Key::new(1, algorithm, b"first").unwrap(), Key::new(2, algorithm, &[7; 80]).unwrap()];
        Authentication::new(SecurityAssociation::new(3, covers_correction, &keys).unwrap(), 2).unwrap()
    }

    fn signed(authentication: &Authentication) -> Vec<u8> {
        let sync = Message {
            header: Header { sequence_id: 7, ..Header::default() },
            body: Body::Sync { origin_timestamp: PtpTime::from_nanos(5) },
            tlvs: Tlvs::default(),
        };
        let mut buffer = [0; 128];
        let length = sync.emit(&mut buffer).unwrap();
        let length = authentication.append(&mut buffer, length).unwrap();
        buffer[..length].to_vec()
    }

    fn verify(authentication: &Authentication, datagram: &[u8]) -> Result<(), Unauthenticated> {
        authentication.verify(datagram, &Message::parse(datagram).unwrap())
    }

    #[test]
    fn what_is_signed_is_accepted_with_padding_too() {
        for algorithm in [IntegrityAlgorithm::HmacSha256, IntegrityAlgorithm::HmacSha256Truncated] {
            let authentication = authentication(algorithm, true);
            let mut datagram = signed(&authentication);
            assert_eq!(datagram.len(), 44 + 10 + algorithm.length());
            assert_eq!(verify(&authentication, &datagram), Ok(()));
            datagram.extend([0; 6]);
            assert_eq!(verify(&authentication, &datagram), Ok(()));
        }
    }

    /// The HMAC of RFC 4231, case 2, covers 28 bytes, which is less than a header, so the key's
    /// HMAC is checked without a message.
    #[test]
    fn the_check_value_is_that_of_rfc_4231() {
        let key = Key::new(1, IntegrityAlgorithm::HmacSha256, b"Jefe").unwrap();
        let mac = key.mac(b"what do ya want for nothing?", false).unwrap().finalize().into_bytes();
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(data_encoding::HEXLOWER.encode(&mac), expected);
        // Case 6: a secret that is longer than a block.
        let key = Key::new(1, IntegrityAlgorithm::HmacSha256, &[0xAA; 131]).unwrap();
        let mac = key.mac(b"Test Using Larger Than Block-Size Key - Hash Key First", false).unwrap();
        let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        assert_eq!(data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()), expected);
    }

    #[test]
    fn each_changed_byte_is_found_and_only_the_correction_may_be_left_out() {
        let strict = authentication(IntegrityAlgorithm::HmacSha256Truncated, true);
        let mutable = authentication(IntegrityAlgorithm::HmacSha256Truncated, false);
        for at in 0..signed(&strict).len() {
            let accepted = |authentication: &Authentication| {
                let mut datagram = signed(authentication);
                datagram[at] ^= 0x10;
                let message = Message::parse(&datagram);
                message.is_ok_and(|message| authentication.verify(&datagram, &message).is_ok())
            };
            assert!(!accepted(&strict), "byte {at}");
            assert_eq!(accepted(&mutable), CORRECTION_FIELD.contains(&at), "byte {at}");
        }
    }

    #[test]
    fn each_reason_is_told() {
        let ours = authentication(IntegrityAlgorithm::HmacSha256Truncated, true);
        let mut unsigned = signed(&ours);
        unsigned.truncate(44);
        unsigned[3] = 44;
        assert_eq!(verify(&ours, &unsigned), Err(Unauthenticated::Missing));
        let change = |at: usize, to: u8| {
            let mut datagram = signed(&ours);
            datagram[at] = to;
            verify(&ours, &datagram)
        };
        assert_eq!(change(48, 9), Err(Unauthenticated::OtherAssociation { spp: 9 }));
        assert_eq!(change(49, 4), Err(Unauthenticated::Parameters { indicator: 4 }));
        assert_eq!(change(53, 5), Err(Unauthenticated::UnknownKey { id: 5 }));
        let longer = signed(&authentication(IntegrityAlgorithm::HmacSha256, true));
        assert_eq!(verify(&ours, &longer), Err(Unauthenticated::CheckLength { length: 32 }));
        // The message names the first key, but has the second one's check value.
        assert_eq!(change(53, 1), Err(Unauthenticated::WrongCheck));
    }

    #[test]
    fn a_tlv_that_does_not_fit_is_not_appended() {
        let authentication = authentication(IntegrityAlgorithm::HmacSha256, true);
        let mut buffer = [0; 64];
        assert_eq!(authentication.append(&mut buffer, 44), None);
    }

    proptest! {
        #[test]
        fn any_tlvs_are_refused_without_the_key(tlvs in proptest::collection::vec(any::<u8>(), 0..80)) {
            let sync = Message {
                header: Header::default(),
                body: Body::Sync { origin_timestamp: PtpTime::EPOCH },
                tlvs: Tlvs::new(&tlvs),
            };
            let mut buffer = [0; 256];
            let length = sync.emit(&mut buffer).unwrap();
            let ours = authentication(IntegrityAlgorithm::HmacSha256Truncated, false);
            prop_assert!(verify(&ours, &buffer[..length]).is_err());
        }
    }
}
