//! Fields at constant offsets in a message, with their width as part of their type.
//!
//! Reads and writes check their own bounds, so that the parser never panics, whatever its callers
//! have checked.

use super::WireError;
use crate::{NANOS_PER_SECOND, PtpTime};

/// Upper limit of the 48-bit count of seconds in a timestamp (IEEE 1588-2008 5.3.3).
const SECONDS_END: u64 = 1 << 48;

/// A field of `N` bytes.
#[derive(Clone, Copy)]
pub(super) struct Field<const N: usize> {
    offset: usize,
}

impl<const N: usize> Field<N> {
    pub(super) const fn at(offset: usize) -> Self {
        Self { offset }
    }

    /// The offset of the first byte after the field.
    pub(super) const fn end(self) -> usize {
        self.offset + N
    }

    pub(super) fn read(self, message: &[u8]) -> Result<[u8; N], WireError> {
        let field = message.get(self.offset..).and_then(|tail| tail.first_chunk());
        field.copied().ok_or(WireError::Truncated { needed: self.end(), available: message.len() })
    }

    pub(super) fn write(self, message: &mut [u8], value: [u8; N]) -> Result<(), WireError> {
        let available = message.len();
        let field = message.get_mut(self.offset..).and_then(|tail| tail.first_chunk_mut());
        *field.ok_or(WireError::BufferTooSmall { needed: self.end(), available })? = value;
        Ok(())
    }
}

/// A Timestamp (IEEE 1588-2008 5.3.3): 48 bits of seconds, 32 bits of nanoseconds below 10^9.
pub(super) fn parse_timestamp(bytes: [u8; 10]) -> Result<PtpTime, WireError> {
    let [s0, s1, s2, s3, s4, s5, nanoseconds @ ..] = bytes;
    let nanoseconds = u32::from_be_bytes(nanoseconds);
    if i64::from(nanoseconds) >= NANOS_PER_SECOND {
        return Err(WireError::InvalidNanoseconds { nanoseconds });
    }
    Ok(PtpTime::from_timestamp(u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]), nanoseconds))
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder below 10^9")]
pub(super) fn emit_timestamp(time: PtpTime) -> Result<[u8; 10], WireError> {
    let out_of_range = WireError::TimestampOutOfRange { time };
    let second = i128::from(NANOS_PER_SECOND);
    let Ok(seconds) = u64::try_from(time.as_nanos().div_euclid(second)) else { return Err(out_of_range) };
    if seconds >= SECONDS_END {
        return Err(out_of_range);
    }
    let [_, _, s0, s1, s2, s3, s4, s5] = seconds.to_be_bytes();
    let [n0, n1, n2, n3] = (time.as_nanos().rem_euclid(second) as u32).to_be_bytes();
    Ok([s0, s1, s2, s3, s4, s5, n0, n1, n2, n3])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: [u8; 10] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3B, 0x9A, 0xC9, 0xFF];

    #[test]
    fn the_last_timestamp_fits_and_its_neighbours_do_not() {
        let last = PtpTime::from_timestamp(SECONDS_END - 1, 999_999_999);
        assert_eq!(parse_timestamp(LAST), Ok(last));
        assert_eq!(emit_timestamp(last), Ok(LAST));
        for time in [PtpTime::from_timestamp(SECONDS_END, 0), PtpTime::from_nanos(-1), PtpTime::from_nanos(i128::MAX)] {
            assert_eq!(emit_timestamp(time), Err(WireError::TimestampOutOfRange { time }));
        }
    }

    #[test]
    fn a_whole_second_of_nanoseconds_is_refused() {
        let mut bytes = LAST;
        bytes[6..].copy_from_slice(&1_000_000_000u32.to_be_bytes());
        assert_eq!(parse_timestamp(bytes), Err(WireError::InvalidNanoseconds { nanoseconds: 1_000_000_000 }));
    }

    #[test]
    fn fields_outside_of_the_message_are_errors() {
        let field = Field::<2>::at(3);
        assert_eq!(field.read(&[0; 4]), Err(WireError::Truncated { needed: 5, available: 4 }));
        assert_eq!(field.read(&[]), Err(WireError::Truncated { needed: 5, available: 0 }));
        assert_eq!(field.write(&mut [0; 4], [1, 2]), Err(WireError::BufferTooSmall { needed: 5, available: 4 }));
    }
}
