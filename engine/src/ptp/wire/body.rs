//! The part of a message that depends on its type (IEEE 1588-2008 13.5 to 13.13, 15.4).

use super::field::{Field, emit_timestamp, parse_timestamp};
use super::header::{HEADER_LEN, four_bits};
use super::{ClockIdentity, MessageType, PortIdentity, WireError};
use crate::PtpTime;

/// The timestamp, which is the first field in the body of every message that carries one.
const TIMESTAMP: Field<10> = Field::at(HEADER_LEN);
const REQUESTING_PORT_IDENTITY: Field<10> = Field::at(TIMESTAMP.end());
/// Reserved field that makes a Pdelay_Req as long as its response, so that both are delayed
/// equally.
const PDELAY_REQ_RESERVED: Field<10> = Field::at(TIMESTAMP.end());

const CURRENT_UTC_OFFSET: Field<2> = Field::at(44);
const PRIORITY_1: Field<1> = Field::at(47);
const CLOCK_CLASS: Field<1> = Field::at(48);
const CLOCK_ACCURACY: Field<1> = Field::at(49);
const OFFSET_SCALED_LOG_VARIANCE: Field<2> = Field::at(50);
const PRIORITY_2: Field<1> = Field::at(52);
const GRANDMASTER_IDENTITY: Field<8> = Field::at(53);
const STEPS_REMOVED: Field<2> = Field::at(61);
const TIME_SOURCE: Field<1> = Field::at(63);

const TARGET_PORT_IDENTITY: Field<10> = Field::at(HEADER_LEN);
const STARTING_BOUNDARY_HOPS: Field<1> = Field::at(44);
const BOUNDARY_HOPS: Field<1> = Field::at(45);
const ACTION_FIELD: Field<1> = Field::at(46);
const MANAGEMENT_RESERVED: Field<1> = Field::at(47);

impl MessageType {
    /// Length of header and body, without TLVs (IEEE 1588-2008 tables 25 to 33 and 37).
    pub(super) const fn fixed_length(self) -> usize {
        match self {
            Self::Sync | Self::DelayReq | Self::FollowUp => TIMESTAMP.end(),
            Self::PdelayReq => PDELAY_REQ_RESERVED.end(),
            Self::DelayResp | Self::PdelayResp | Self::PdelayRespFollowUp => REQUESTING_PORT_IDENTITY.end(),
            Self::Announce => TIME_SOURCE.end(),
            Self::Signaling => TARGET_PORT_IDENTITY.end(),
            Self::Management => MANAGEMENT_RESERVED.end(),
        }
    }
}

/// The content of a message besides its header and TLVs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Sync.
    Sync {
        /// Departure time; with [`super::Flags::TWO_STEP`], zero or an estimate.
        origin_timestamp: PtpTime,
    },
    /// Delay_Req.
    DelayReq {
        /// Zero, or an estimate of the departure time.
        origin_timestamp: PtpTime,
    },
    /// Follow_Up.
    FollowUp {
        /// Departure time of the Sync with the same sequence id.
        precise_origin_timestamp: PtpTime,
    },
    /// Delay_Resp.
    DelayResp {
        /// Arrival time of the Delay_Req with the same sequence id.
        receive_timestamp: PtpTime,
        /// The sender of that Delay_Req.
        requesting_port_identity: PortIdentity,
    },
    /// Pdelay_Req.
    PdelayReq {
        /// Zero, or an estimate of the departure time.
        origin_timestamp: PtpTime,
    },
    /// Pdelay_Resp.
    PdelayResp {
        /// Arrival time of the Pdelay_Req with the same sequence id.
        request_receipt_timestamp: PtpTime,
        /// The sender of that Pdelay_Req.
        requesting_port_identity: PortIdentity,
    },
    /// Pdelay_Resp_Follow_Up.
    PdelayRespFollowUp {
        /// Departure time of the Pdelay_Resp with the same sequence id.
        response_origin_timestamp: PtpTime,
        /// The sender of the Pdelay_Req.
        requesting_port_identity: PortIdentity,
    },
    /// Announce.
    Announce(Announce),
    /// Signaling: the content is in the TLVs.
    Signaling {
        /// The addressed port; all ones for all ports.
        target_port_identity: PortIdentity,
    },
    /// Management: the content is in the TLV.
    Management {
        /// The addressed port; all ones for all ports.
        target_port_identity: PortIdentity,
        /// The initial value of `boundary_hops`.
        starting_boundary_hops: u8,
        /// Number of boundary clocks that may still forward the message.
        boundary_hops: u8,
        /// GET, SET, RESPONSE, COMMAND or ACKNOWLEDGE (IEEE 1588-2008 table 38). 4 bits.
        action_field: u8,
    },
}

/// Quality of a clock (IEEE 1588-2008 5.3.7).
///
/// ```
/// use engine::ptp::wire::{ClockQuality, PortIdentity};
/// use engine::ptp::{PortConfig, Profile};
/// // A grandmaster that is locked to a primary reference within 100 ns.
/// let quality = ClockQuality {
///     clock_class: 6,
///     clock_accuracy: 0x21,
///     offset_scaled_log_variance: 0x4E5D,
/// };
/// let config = PortConfig::new(&Profile::AES67_MEDIA, PortIdentity::default());
/// let config = PortConfig { quality, ..config };
/// assert_eq!(Profile::AES67_MEDIA.check(&config), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClockQuality {
    /// clockClass: 6 if the clock is locked to a primary reference, 248 by default, 255 if it is
    /// slave-only (table 5).
    pub clock_class: u8,
    /// clockAccuracy: 0x21 means within 100 ns, 0xFE means unknown (table 6).
    pub clock_accuracy: u8,
    /// offsetScaledLogVariance (7.6.3.3).
    pub offset_scaled_log_variance: u16,
}

/// The description of the sender's grandmaster in an Announce (IEEE 1588-2008 13.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Announce {
    /// Zero, or an estimate of the departure time.
    pub origin_timestamp: PtpTime,
    /// TAI - UTC in seconds; valid only with [`super::Flags::CURRENT_UTC_OFFSET_VALID`].
    pub current_utc_offset: i16,
    /// priority1 of the grandmaster.
    pub grandmaster_priority_1: u8,
    /// The grandmaster's quality.
    pub grandmaster_clock_quality: ClockQuality,
    /// priority2 of the grandmaster.
    pub grandmaster_priority_2: u8,
    /// The grandmaster.
    pub grandmaster_identity: ClockIdentity,
    /// Number of boundary clocks between the grandmaster and the sender.
    pub steps_removed: u16,
    /// Source of the grandmaster's time: 0x20 GPS, 0xA0 internal oscillator (table 7).
    pub time_source: u8,
}

impl Body {
    /// The type of the message.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Sync { .. } => MessageType::Sync,
            Self::DelayReq { .. } => MessageType::DelayReq,
            Self::FollowUp { .. } => MessageType::FollowUp,
            Self::DelayResp { .. } => MessageType::DelayResp,
            Self::PdelayReq { .. } => MessageType::PdelayReq,
            Self::PdelayResp { .. } => MessageType::PdelayResp,
            Self::PdelayRespFollowUp { .. } => MessageType::PdelayRespFollowUp,
            Self::Announce(_) => MessageType::Announce,
            Self::Signaling { .. } => MessageType::Signaling,
            Self::Management { .. } => MessageType::Management,
        }
    }

    pub(super) fn parse(message_type: MessageType, message: &[u8]) -> Result<Self, WireError> {
        let timestamp = || parse_timestamp(TIMESTAMP.read(message)?);
        let requesting_port = || Ok(PortIdentity::from_bytes(REQUESTING_PORT_IDENTITY.read(message)?));
        Ok(match message_type {
            MessageType::Sync => Self::Sync { origin_timestamp: timestamp()? },
            MessageType::DelayReq => Self::DelayReq { origin_timestamp: timestamp()? },
            MessageType::FollowUp => Self::FollowUp { precise_origin_timestamp: timestamp()? },
            MessageType::DelayResp => {
                Self::DelayResp { receive_timestamp: timestamp()?, requesting_port_identity: requesting_port()? }
            }
            MessageType::PdelayReq => Self::PdelayReq { origin_timestamp: timestamp()? },
            MessageType::PdelayResp => Self::PdelayResp {
                request_receipt_timestamp: timestamp()?,
                requesting_port_identity: requesting_port()?,
            },
            MessageType::PdelayRespFollowUp => Self::PdelayRespFollowUp {
                response_origin_timestamp: timestamp()?,
                requesting_port_identity: requesting_port()?,
            },
            MessageType::Announce => Self::Announce(Announce::parse(message)?),
            MessageType::Signaling => {
                Self::Signaling { target_port_identity: PortIdentity::from_bytes(TARGET_PORT_IDENTITY.read(message)?) }
            }
            MessageType::Management => Self::parse_management(message)?,
        })
    }

    fn parse_management(message: &[u8]) -> Result<Self, WireError> {
        let [starting_boundary_hops] = STARTING_BOUNDARY_HOPS.read(message)?;
        let [boundary_hops] = BOUNDARY_HOPS.read(message)?;
        // The upper half of the byte is reserved.
        let [action] = ACTION_FIELD.read(message)?;
        Ok(Self::Management {
            target_port_identity: PortIdentity::from_bytes(TARGET_PORT_IDENTITY.read(message)?),
            starting_boundary_hops,
            boundary_hops,
            action_field: action & 0x0F,
        })
    }

    pub(super) fn emit(&self, message: &mut [u8]) -> Result<(), WireError> {
        match *self {
            Self::Sync { origin_timestamp: timestamp }
            | Self::DelayReq { origin_timestamp: timestamp }
            | Self::PdelayReq { origin_timestamp: timestamp }
            | Self::FollowUp { precise_origin_timestamp: timestamp } => {
                TIMESTAMP.write(message, emit_timestamp(timestamp)?)
            }
            Self::DelayResp { receive_timestamp: timestamp, requesting_port_identity }
            | Self::PdelayResp { request_receipt_timestamp: timestamp, requesting_port_identity }
            | Self::PdelayRespFollowUp { response_origin_timestamp: timestamp, requesting_port_identity } => {
                TIMESTAMP.write(message, emit_timestamp(timestamp)?)?;
                REQUESTING_PORT_IDENTITY.write(message, requesting_port_identity.to_bytes())
            }
            Self::Announce(announce) => announce.emit(message),
            Self::Signaling { target_port_identity } => {
                TARGET_PORT_IDENTITY.write(message, target_port_identity.to_bytes())
            }
            Self::Management { target_port_identity, starting_boundary_hops, boundary_hops, action_field } => {
                TARGET_PORT_IDENTITY.write(message, target_port_identity.to_bytes())?;
                STARTING_BOUNDARY_HOPS.write(message, [starting_boundary_hops])?;
                BOUNDARY_HOPS.write(message, [boundary_hops])?;
                ACTION_FIELD.write(message, [four_bits("actionField", action_field)?])
            }
        }
    }
}

impl Announce {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let [grandmaster_priority_1] = PRIORITY_1.read(message)?;
        let [clock_class] = CLOCK_CLASS.read(message)?;
        let [clock_accuracy] = CLOCK_ACCURACY.read(message)?;
        let offset_scaled_log_variance = u16::from_be_bytes(OFFSET_SCALED_LOG_VARIANCE.read(message)?);
        let [grandmaster_priority_2] = PRIORITY_2.read(message)?;
        let [time_source] = TIME_SOURCE.read(message)?;
        Ok(Self {
            origin_timestamp: parse_timestamp(TIMESTAMP.read(message)?)?,
            current_utc_offset: i16::from_be_bytes(CURRENT_UTC_OFFSET.read(message)?),
            grandmaster_priority_1,
            grandmaster_clock_quality: ClockQuality { clock_class, clock_accuracy, offset_scaled_log_variance },
            grandmaster_priority_2,
            grandmaster_identity: ClockIdentity(GRANDMASTER_IDENTITY.read(message)?),
            steps_removed: u16::from_be_bytes(STEPS_REMOVED.read(message)?),
            time_source,
        })
    }

    fn emit(&self, message: &mut [u8]) -> Result<(), WireError> {
        let quality = self.grandmaster_clock_quality;
        TIMESTAMP.write(message, emit_timestamp(self.origin_timestamp)?)?;
        CURRENT_UTC_OFFSET.write(message, self.current_utc_offset.to_be_bytes())?;
        PRIORITY_1.write(message, [self.grandmaster_priority_1])?;
        CLOCK_CLASS.write(message, [quality.clock_class])?;
        CLOCK_ACCURACY.write(message, [quality.clock_accuracy])?;
        OFFSET_SCALED_LOG_VARIANCE.write(message, quality.offset_scaled_log_variance.to_be_bytes())?;
        PRIORITY_2.write(message, [self.grandmaster_priority_2])?;
        GRANDMASTER_IDENTITY.write(message, self.grandmaster_identity.0)?;
        STEPS_REMOVED.write(message, self.steps_removed.to_be_bytes())?;
        TIME_SOURCE.write(message, [self.time_source])
    }
}
