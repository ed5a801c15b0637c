//! The TLVs (type, length, value) that may follow the body of any message (IEEE 1588-2008 clause
//! 14).

use super::WireError;

/// Length of tlvType and lengthField.
const TLV_HEADER_LEN: usize = 4;

/// One TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// tlvType (IEEE 1588-2008 table 34).
    pub tlv_type: u16,
    /// valueField. Odd lengths, which the standard forbids, are accepted.
    pub value: &'a [u8],
}

/// The TLVs after the body of a message, still encoded. They are checked only during iteration,
/// because a malformed TLV that nobody reads is no reason to drop a timestamp.
///
/// ```
/// use engine::ptp::wire::{Tlv, Tlvs, WireError};
/// let mut tlvs = Tlvs::new(&[0x00, 0x08, 0x00, 0x02, 0xAB, 0xCD, 0x00, 0x03, 0x00, 0x09, 0xFF]).iter();
/// assert_eq!(tlvs.next(), Some(Ok(Tlv { tlv_type: 0x0008, value: &[0xAB, 0xCD] })));
/// assert_eq!(tlvs.next(), Some(Err(WireError::TlvTruncated { needed: 13, available: 5 })));
/// assert_eq!(tlvs.next(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    /// Wraps encoded TLVs.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded TLVs.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Iterates over the TLVs. A TLV that does not fit in the message yields an error, which is the
    /// last item.
    pub fn iter(self) -> impl Iterator<Item = Result<Tlv<'a>, WireError>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let first = split_first(rest);
            rest = first.as_ref().map_or(&[], |(_, after)| after);
            Some(first.map(|(tlv, _)| tlv))
        })
    }
}

/// Splits `bytes` into the first TLV and the remaining bytes.
fn split_first(bytes: &[u8]) -> Result<(Tlv<'_>, &[u8]), WireError> {
    let truncated = |needed| WireError::TlvTruncated { needed, available: bytes.len() };
    let (&[t0, t1, l0, l1], rest) = bytes.split_first_chunk().ok_or(truncated(TLV_HEADER_LEN))?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (value, rest) = rest.split_at_checked(length).ok_or(truncated(TLV_HEADER_LEN + length))?;
    Ok((Tlv { tlv_type: u16::from_be_bytes([t0, t1]), value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_cut_short_is_one_error() {
        let items: Vec<_> = Tlvs::new(&[0, 8, 0]).iter().collect();
        assert_eq!(items, [Err(WireError::TlvTruncated { needed: 4, available: 3 })]);
    }

    #[test]
    fn a_value_cut_short_is_one_error() {
        let items: Vec<_> = Tlvs::new(&[0, 8, 0, 3, 1, 2]).iter().collect();
        assert_eq!(items, [Err(WireError::TlvTruncated { needed: 7, available: 6 })]);
    }

    #[test]
    fn an_empty_value_is_a_tlv() {
        let items: Vec<_> = Tlvs::new(&[0x80, 0x08, 0, 0]).iter().collect();
        assert_eq!(items, [Ok(Tlv { tlv_type: 0x8008, value: &[] })]);
    }

    proptest! {
        #[test]
        fn any_bytes_give_tlvs_that_cover_them_or_end_in_one_error(bytes in proptest::collection::vec(0u8..8, 0..200)) {
            let items: Vec<_> = Tlvs::new(&bytes).iter().collect();
            let errors = items.iter().filter(|item| item.is_err()).count();
            prop_assert!(errors == 0 || (errors == 1 && items.last().is_some_and(Result::is_err)));
            let covered: usize = items.iter().flatten().map(|tlv| TLV_HEADER_LEN + tlv.value.len()).sum();
            let fits = covered == bytes.len();
            prop_assert_eq!(fits, errors == 0, "covered {} of {}", covered, bytes.len());
        }
    }
}
