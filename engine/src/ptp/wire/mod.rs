//! The wire format of PTP version 2 messages (IEEE 1588-2008 clause 13; the 2019 edition differs
//! only in reserved fields).
//!
//! [`Message::parse`] takes any bytes: it never panics or allocates, and the parsed message can be
//! emitted again. Received messages may be followed by padding, which is dropped, and may have any
//! minor version. The transport is UDP, so the datagram starts with the header. Messages are
//! interpreted elsewhere. Here they are refused only if they cannot be represented, for example
//! because the nanoseconds field of a timestamp is a second or more.

mod body;
mod field;
mod header;
mod identity;
mod message_type;
#[cfg(test)]
mod tests;
mod tlv;

pub use body::{Announce, Body, ClockQuality};
pub use header::{CorrectionField, Flags, Header};
pub use identity::{ClockIdentity, NoClockIdentity, PortIdentity};
pub use message_type::MessageType;
pub use tlv::{Tlv, Tlvs};

use crate::PtpTime;

/// A PTP message.
///
/// ```
/// use engine::PtpTime;
/// use engine::ptp::wire::{Body, Flags, Header, Message, Tlvs, WireError};
///
/// let sync = Message {
///     header: Header { flags: Flags::TWO_STEP, sequence_id: 7, log_message_interval: -3, ..Header::default() },
///     body: Body::Sync { origin_timestamp: PtpTime::EPOCH },
///     tlvs: Tlvs::default(),
/// };
/// let mut bytes = [0; 44];
/// assert_eq!(sync.emit(&mut bytes), Ok(44));
/// assert_eq!(Message::parse(&bytes), Ok(sync));
///
/// // A truncated datagram is refused; the error states the length needed.
/// assert_eq!(Message::parse(&bytes[..40]), Err(WireError::Truncated { needed: 44, available: 40 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The common header.
    pub header: Header,
    /// The part that depends on the message's type.
    pub body: Body,
    /// The TLVs after the body.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Message<'a> {
    /// Reads the message at the start of a datagram. The bytes after it are padding.
    ///
    /// # Errors
    /// [`WireError`] if the bytes are not a PTPv2 message of a known type, are fewer than
    /// messageLength states, or contain an impossible timestamp.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, WireError> {
        let (message_type, message) = header::frame(datagram)?;
        let header = Header::parse(message)?;
        let body = Body::parse(message_type, message)?;
        let tlvs = Tlvs::new(message.get(message_type.fixed_length()..).unwrap_or_default());
        Ok(Self { header, body, tlvs })
    }

    /// Number of bytes that [`Message::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.body.message_type().fixed_length() + self.tlvs.as_bytes().len()
    }

    /// Writes the message to the start of `buffer`, and returns its length. The rest of `buffer` is
    /// unchanged.
    ///
    /// # Errors
    /// [`WireError`] if `buffer` is shorter than [`Message::wire_len`], or if a value does not fit
    /// in its field.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, WireError> {
        let length = self.wire_len();
        let too_small = WireError::BufferTooSmall { needed: length, available: buffer.len() };
        let message = buffer.get_mut(..length).ok_or(too_small)?;
        let message_type = self.body.message_type();
        // Clear everything, including the reserved fields, which nothing below writes.
        message.fill(0);
        self.header.emit(message_type, message)?;
        self.body.emit(message)?;
        if let Some(tail) = message.get_mut(message_type.fixed_length()..) {
            tail.copy_from_slice(self.tlvs.as_bytes());
        }
        Ok(length)
    }
}

/// Why bytes are not a PTP message, or why a message cannot be written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The datagram ends before the message does.
    #[error("PTP message of {needed} bytes or more in a datagram of {available}")]
    Truncated {
        /// Required length in bytes, as far as it is known.
        needed: usize,
        /// Actual length in bytes.
        available: usize,
    },
    /// Not version 2. PTPv1 is not supported: Dante devices use it on the same ports unless AES67
    /// is enabled.
    #[error("PTP version {version}, only version 2 is understood")]
    UnsupportedVersion {
        /// versionPTP.
        version: u8,
    },
    /// A reserved messageType.
    #[error("unknown PTP message type {message_type:#x}")]
    UnknownMessageType {
        /// messageType.
        message_type: u8,
    },
    /// The messageLength is less than the length of the fixed fields of the message's type.
    #[error("{message_type} with messageLength {message_length}, it needs {fixed_length} bytes")]
    MessageLengthTooShort {
        /// Type of the message.
        message_type: MessageType,
        /// messageLength.
        message_length: usize,
        /// Length of the type's fixed fields.
        fixed_length: usize,
    },
    /// A timestamp's nanoseconds are not below 10^9.
    #[error("PTP timestamp with {nanoseconds} ns within its second, the most is 999999999")]
    InvalidNanoseconds {
        /// nanosecondsField.
        nanoseconds: u32,
    },
    /// A TLV does not fit in the rest of its message.
    #[error("TLV of {needed} bytes or more in the last {available} bytes of a PTP message")]
    TlvTruncated {
        /// Bytes that the TLV needs, including its header.
        needed: usize,
        /// Bytes left in the message.
        available: usize,
    },
    /// The buffer to write to is shorter than the message.
    #[error("PTP message of {needed} bytes for a buffer of {available}")]
    BufferTooSmall {
        /// Required length in bytes.
        needed: usize,
        /// Actual length in bytes.
        available: usize,
    },
    /// A time to write is negative, or does not fit in 48 bits of seconds.
    #[error("time {} ns does not fit in a PTP timestamp", .time.as_nanos())]
    TimestampOutOfRange {
        /// The time.
        time: PtpTime,
    },
    /// A value to write does not fit in its 4-bit field.
    #[error("{field} {value} does not fit in 4 bits")]
    FieldOverflow {
        /// The field's name in IEEE 1588.
        field: &'static str,
        /// The value.
        value: u8,
    },
    /// The length of the message to write exceeds the range of messageLength.
    #[error("PTP message of {length} bytes, the most is 65535")]
    MessageTooLong {
        /// Length including TLVs.
        length: usize,
    },
}
