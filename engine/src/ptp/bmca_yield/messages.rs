//! The messages of AirPlay's PTP: IEEE 1588 messages in a unicast dialect, with TLVs from IEEE
//! 802.1AS and from Apple.
//!
//! Observed on the wire: flags, intervals, types and lengths of the TLVs, and the fixed bytes in
//! Apple's TLVs. Assumed, but not observed: a receiver ignores those fixed bytes, and the interval
//! 0x7F in the header of a Signaling message announces that its sender sends no more messages. A
//! receiver that does not know this meaning notices anyway when the messages stop.

use super::super::transmit::{NO_INTERVAL, Outbox};
use super::super::wire::{Announce, Body, ClockIdentity, Flags, Header, Message, PortIdentity, Tlvs};
use super::YieldConfig;
use crate::ptp::Destination;
use crate::units::PtpTime;

/// majorSdoId of gPTP (IEEE 802.1AS-2020, 10.6.2.2.1).
pub(super) const SDO_ID: u8 = 1;
/// domainNumber.
pub(super) const DOMAIN_NUMBER: u8 = 0;
/// Intervals between messages, 2^n s.
pub(super) const LOG_SYNC_INTERVAL: i8 = -3;
pub(super) const LOG_ANNOUNCE_INTERVAL: i8 = 0;
const LOG_SIGNALING_INTERVAL: i8 = -128;

const ORGANIZATION_EXTENSION: u16 = 0x0003;
const PATH_TRACE: u16 = 0x0008;
const IEEE_802_1: [u8; 3] = [0x00, 0x80, 0xC2];
const APPLE: [u8; 3] = [0x00, 0x0D, 0x93];

/// Data of Apple's Signaling TLVs, as observed.
const APPLE_SUBTYPE_1: [u8; 16] = [0x00, 0x04, 0x03, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x6F, 0x2F];
const APPLE_SUBTYPE_5: [u8; 26] = {
    let mut data = [0; 26];
    [data[1], data[2], data[3]] = [0x10, 0x03, 0x01];
    [data[23], data[24], data[25]] = [0x20, 0x6F, 0x2F];
    data
};

/// Room for the TLVs of any of our messages, bytes.
const CAPACITY: usize = 64;

/// TLVs under construction. All of them have a fixed size, so there is always room.
#[derive(Default)]
struct TlvBuffer {
    bytes: Vec<u8>,
}

impl TlvBuffer {
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(CAPACITY) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "TLVs of at most some hundred bytes")]
    fn add(mut self, tlv_type: u16, parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.extend(tlv_type.to_be_bytes());
        self.bytes.extend((length as u16).to_be_bytes());
        parts.iter().for_each(|part| self.bytes.extend(*part));
        self
    }

    /// Adds an organization extension TLV (IEEE 1588-2019, 14.3.2).
    fn organization(self, organization: [u8; 3], subtype: u8, data: &[u8]) -> Self {
        self.add(ORGANIZATION_EXTENSION, &[&organization, &[0, 0, subtype], data])
    }
}

/// Writes our messages to the peer. The methods return false if the message could not be queued.
pub(super) struct Writer<'a> {
    pub(super) config: &'a YieldConfig,
    pub(super) outbox: &'a mut Outbox,
}

impl Writer<'_> {
    pub(super) fn announce(self, sequence_id: u16) -> bool {
        let clock = self.config.identity.clock_identity;
        let body = Body::Announce(Announce {
            origin_timestamp: PtpTime::EPOCH,
            current_utc_offset: 0,
            grandmaster_priority_1: self.config.priority_1,
            grandmaster_clock_quality: self.config.quality,
            grandmaster_priority_2: self.config.priority_2,
            grandmaster_identity: clock,
            steps_removed: 0,
            time_source: 0xA0,
        });
        let tlvs = TlvBuffer::new().add(PATH_TRACE, &[&clock.0]);
        self.send(Flags::default(), sequence_id, LOG_ANNOUNCE_INTERVAL, body, &tlvs)
    }

    pub(super) fn sync(self, sequence_id: u16) -> bool {
        let body = Body::Sync { origin_timestamp: PtpTime::EPOCH };
        self.send(Flags::TWO_STEP, sequence_id, LOG_SYNC_INTERVAL, body, &TlvBuffer::new())
    }

    /// Sends the Follow_Up of a Sync that left at `sent` on our timeline.
    pub(super) fn follow_up(self, sequence_id: u16, sent: PtpTime) -> bool {
        let ClockIdentity(clock) = self.config.identity.clock_identity;
        let body = Body::FollowUp { precise_origin_timestamp: sent };
        // Rate offset, time base, phase and frequency change of IEEE 802.1AS-2020 11.4.4.3: all are
        // 0, because we are the grandmaster.
        let tlvs = TlvBuffer::new().organization(IEEE_802_1, 1, &[0; 22]);
        let tlvs = tlvs.add(ORGANIZATION_EXTENSION, &[&APPLE, &[0, 0, 4], &clock, &[0, 0]]);
        self.send(Flags::default(), sequence_id, LOG_SYNC_INTERVAL, body, &tlvs)
    }

    pub(super) fn delay_req(self, sequence_id: u16) -> bool {
        let body = Body::DelayReq { origin_timestamp: PtpTime::EPOCH };
        self.send(Flags::default(), sequence_id, NO_INTERVAL, body, &TlvBuffer::new())
    }

    /// Answers a Delay_Req that arrived at `received` on our timeline.
    pub(super) fn delay_resp(self, request: &Header, received: PtpTime) -> bool {
        let body =
            Body::DelayResp { receive_timestamp: received, requesting_port_identity: request.source_port_identity };
        let header = Header {
            correction_field: request.correction_field,
            ..self.header(Flags::default(), request.sequence_id, LOG_SYNC_INTERVAL)
        };
        self.push(&Message { header, body, tlvs: Tlvs::default() })
    }

    /// Offers our clock with Apple's Signaling TLVs.
    pub(super) fn signaling(self, sequence_id: u16) -> bool {
        self.signal(sequence_id, LOG_SIGNALING_INTERVAL)
    }

    /// Announces the end of our messages.
    pub(super) fn stop_signaling(self, sequence_id: u16) -> bool {
        self.signal(sequence_id, NO_INTERVAL)
    }

    fn signal(self, sequence_id: u16, log_message_interval: i8) -> bool {
        let body = Body::Signaling { target_port_identity: PortIdentity::EVERYBODY };
        let tlvs = TlvBuffer::new().organization(APPLE, 1, &APPLE_SUBTYPE_1).organization(APPLE, 5, &APPLE_SUBTYPE_5);
        self.send(Flags::default(), sequence_id, log_message_interval, body, &tlvs)
    }

    fn send(self, flags: Flags, sequence_id: u16, log_message_interval: i8, body: Body, tlvs: &TlvBuffer) -> bool {
        let header = self.header(flags, sequence_id, log_message_interval);
        self.push(&Message { header, body, tlvs: Tlvs::new(&tlvs.bytes) })
    }

    fn header(&self, flags: Flags, sequence_id: u16, log_message_interval: i8) -> Header {
        Header {
            major_sdo_id: SDO_ID,
            domain_number: DOMAIN_NUMBER,
            flags: flags | Flags::UNICAST | Flags::PTP_TIMESCALE,
            source_port_identity: self.config.identity,
            sequence_id,
            log_message_interval,
            ..Header::default()
        }
    }

    fn push(self, message: &Message<'_>) -> bool {
        self.outbox.push(message, Destination::Unicast(self.config.peer))
    }
}
