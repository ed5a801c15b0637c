//! The common header of every message (IEEE 1588-2008 13.3), with the field names of IEEE 1588-2019
//! 13.3.
//!
//! Reserved bytes are emitted as zero and ignored on receipt. minorSdoId (byte 5) and
//! messageTypeSpecific (bytes 16 to 19) are treated in the same way, because the 2008 edition
//! reserves them and no AES67 device sets them.

use std::ops::BitOr;

use super::field::Field;
use super::{MessageType, PortIdentity, WireError};
use crate::Nanos;

const MAJOR_SDO_ID_AND_MESSAGE_TYPE: Field<1> = Field::at(0);
const MINOR_VERSION_AND_VERSION: Field<1> = Field::at(1);
const MESSAGE_LENGTH: Field<2> = Field::at(2);
const DOMAIN_NUMBER: Field<1> = Field::at(4);
const FLAG_FIELD: Field<2> = Field::at(6);
const CORRECTION_FIELD: Field<8> = Field::at(8);
const SOURCE_PORT_IDENTITY: Field<10> = Field::at(20);
const SEQUENCE_ID: Field<2> = Field::at(30);
const CONTROL_FIELD: Field<1> = Field::at(32);
const LOG_MESSAGE_INTERVAL: Field<1> = Field::at(33);

/// Length of the header (IEEE 1588-2008 table 18), at which every body starts.
pub(super) const HEADER_LEN: usize = LOG_MESSAGE_INTERVAL.end();
const _: () = assert!(HEADER_LEN == 34);

/// versionPTP of the 2008 and 2019 editions.
const VERSION_PTP: u8 = 2;

/// The fields that every message carries, apart from the message type, which [`super::Body`]
/// implies, and the message length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The organization that defined the protocol: 0 for IEEE 1588 profiles and so for AES67, 1 for
    /// IEEE 802.1AS. 4 bits.
    pub major_sdo_id: u8,
    /// 0 in the 2008 edition, 1 in the 2019 edition. 4 bits.
    pub minor_version: u8,
    /// The domain: clocks in different domains ignore each other.
    pub domain_number: u8,
    /// flagField.
    pub flags: Flags,
    /// correctionField.
    pub correction_field: CorrectionField,
    /// The port that sent the message.
    pub source_port_identity: PortIdentity,
    /// Counts the messages of one type from one port; a response repeats the value of its request.
    pub sequence_id: u16,
    /// Base-2 logarithm of the interval between messages, in seconds; 127 if there is none.
    pub log_message_interval: i8,
}

impl Header {
    pub(super) fn parse(message: &[u8]) -> Result<Self, WireError> {
        let [sdo_id_and_type] = MAJOR_SDO_ID_AND_MESSAGE_TYPE.read(message)?;
        let [versions] = MINOR_VERSION_AND_VERSION.read(message)?;
        let [domain_number] = DOMAIN_NUMBER.read(message)?;
        Ok(Self {
            major_sdo_id: sdo_id_and_type >> 4,
            minor_version: versions >> 4,
            domain_number,
            flags: Flags(u16::from_be_bytes(FLAG_FIELD.read(message)?)),
            correction_field: CorrectionField(i64::from_be_bytes(CORRECTION_FIELD.read(message)?)),
            source_port_identity: PortIdentity::from_bytes(SOURCE_PORT_IDENTITY.read(message)?),
            sequence_id: u16::from_be_bytes(SEQUENCE_ID.read(message)?),
            log_message_interval: i8::from_be_bytes(LOG_MESSAGE_INTERVAL.read(message)?),
        })
    }

    /// Writes the header of a message of `message_type` to `message`, which must be as long as the
    /// whole message, with its reserved bytes set to zero.
    pub(super) fn emit(&self, message_type: MessageType, message: &mut [u8]) -> Result<(), WireError> {
        let Ok(length) = u16::try_from(message.len()) else {
            return Err(WireError::MessageTooLong { length: message.len() });
        };
        let major_sdo_id = four_bits("majorSdoId", self.major_sdo_id)?;
        let minor_version = four_bits("minorVersionPTP", self.minor_version)?;
        MAJOR_SDO_ID_AND_MESSAGE_TYPE.write(message, [major_sdo_id << 4 | message_type as u8])?;
        MINOR_VERSION_AND_VERSION.write(message, [minor_version << 4 | VERSION_PTP])?;
        MESSAGE_LENGTH.write(message, length.to_be_bytes())?;
        DOMAIN_NUMBER.write(message, [self.domain_number])?;
        FLAG_FIELD.write(message, self.flags.0.to_be_bytes())?;
        CORRECTION_FIELD.write(message, self.correction_field.0.to_be_bytes())?;
        SOURCE_PORT_IDENTITY.write(message, self.source_port_identity.to_bytes())?;
        SEQUENCE_ID.write(message, self.sequence_id.to_be_bytes())?;
        CONTROL_FIELD.write(message, [message_type.control_field()])?;
        LOG_MESSAGE_INTERVAL.write(message, self.log_message_interval.to_be_bytes())
    }
}

/// The message at the start of `datagram`, without the padding after it, and its type.
pub(super) fn frame(datagram: &[u8]) -> Result<(MessageType, &[u8]), WireError> {
    // The version is checked first: PTPv1, which Dante uses on the same ports, has other fields in
    // these places.
    let [versions] = MINOR_VERSION_AND_VERSION.read(datagram)?;
    let version = versions & 0x0F;
    if version != VERSION_PTP {
        return Err(WireError::UnsupportedVersion { version });
    }
    let [sdo_id_and_type] = MAJOR_SDO_ID_AND_MESSAGE_TYPE.read(datagram)?;
    let message_type = MessageType::from_field(sdo_id_and_type & 0x0F)?;
    let message_length = usize::from(u16::from_be_bytes(MESSAGE_LENGTH.read(datagram)?));
    let fixed_length = message_type.fixed_length();
    if message_length < fixed_length {
        return Err(WireError::MessageLengthTooShort { message_type, message_length, fixed_length });
    }
    let truncated = WireError::Truncated { needed: message_length, available: datagram.len() };
    datagram.get(..message_length).map(|message| (message_type, message)).ok_or(truncated)
}

/// Checks that `value` fits in a 4-bit field, and returns it.
pub(super) fn four_bits(field: &'static str, value: u8) -> Result<u8, WireError> {
    if value > 0x0F { Err(WireError::FieldOverflow { field, value }) } else { Ok(value) }
}

/// flagField (IEEE 1588-2008 table 20; IEEE 1588-2019 table 37): its first byte is the upper half.
/// Unknown bits are kept.
///
/// ```
/// use engine::ptp::wire::Flags;
/// let flags = Flags::TWO_STEP | Flags::PTP_TIMESCALE;
/// assert_eq!(flags.bits(), 0x0208);
/// assert!(flags.contains(Flags::TWO_STEP) && !flags.contains(Flags::UNICAST));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// alternateMasterFlag: sent by a port that is not the master.
    pub const ALTERNATE_MASTER: Self = Self(0x0100);
    /// twoStepFlag: a Follow_Up carries the departure time.
    pub const TWO_STEP: Self = Self(0x0200);
    /// unicastFlag: sent to one port.
    pub const UNICAST: Self = Self(0x0400);
    /// leap61: the last minute of the UTC day has 61 seconds.
    pub const LEAP_61: Self = Self(0x0001);
    /// leap59: the last minute of the UTC day has 59 seconds.
    pub const LEAP_59: Self = Self(0x0002);
    /// currentUtcOffsetValid.
    pub const CURRENT_UTC_OFFSET_VALID: Self = Self(0x0004);
    /// ptpTimescale: the timescale is TAI counted from 1970, not an arbitrary timescale.
    pub const PTP_TIMESCALE: Self = Self(0x0008);
    /// timeTraceable: the time comes from a primary reference.
    pub const TIME_TRACEABLE: Self = Self(0x0010);
    /// frequencyTraceable: the frequency comes from a primary reference.
    pub const FREQUENCY_TRACEABLE: Self = Self(0x0020);

    /// Creates flags from the value of the field.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The value of the field.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

/// correctionField: nanoseconds times 2^16 (IEEE 1588-2008 13.3.2.7). The largest value means that
/// the correction is too large to be represented.
///
/// ```
/// use engine::{Nanos, ptp::wire::CorrectionField};
/// let correction = CorrectionField::from_scaled_nanoseconds(0x2_8000);
/// assert_eq!(correction.as_nanos_f64(), 2.5);
/// assert_eq!(correction.to_nanos(), Nanos::new(3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrectionField(i64);

impl CorrectionField {
    /// Creates a correction from the value of the field.
    #[must_use]
    pub const fn from_scaled_nanoseconds(scaled: i64) -> Self {
        Self(scaled)
    }

    /// The value of the field.
    #[must_use]
    pub const fn as_scaled_nanoseconds(self) -> i64 {
        self.0
    }

    /// The correction, rounded to the nearest ns, halves up.
    #[must_use]
    pub const fn to_nanos(self) -> Nanos {
        // Adds the bit that is worth half a ns to the floor: unlike adding a half first, this
        // cannot overflow.
        Nanos::new((self.0 >> 16) + ((self.0 >> 15) & 1))
    }

    /// The correction in ns with its fraction; exact below 2^37 ns (137 s).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "documented")]
    pub const fn as_nanos_f64(self) -> f64 {
        self.0 as f64 / 65_536.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "exact: powers of two")]
    fn corrections_round_to_the_nearest_nanosecond() {
        let cases = [
            (0, 0),
            (0x7FFF, 0),
            (0x8000, 1),
            (-0x8000, 0),
            (-0x8001, -1),
            (-0x1_0000, -1),
            (i64::MAX, 1 << 47),
            (i64::MIN, -1 << 47),
        ];
        for (scaled, ns) in cases {
            assert_eq!(CorrectionField::from_scaled_nanoseconds(scaled).to_nanos(), Nanos::new(ns), "scaled {scaled}");
        }
        assert_eq!(CorrectionField::from_scaled_nanoseconds(-1).as_nanos_f64(), -1.0 / 65_536.0);
    }
}
