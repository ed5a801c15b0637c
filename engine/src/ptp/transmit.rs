//! The datagrams that a port sends, and the tokens with which departure times are reported.

use super::authentication::{self, Authentication};
use super::wire::{Body, Header, Message, MessageType, PortIdentity, Tlvs, WireError};
use crate::units::PtpTime;
use std::collections::VecDeque;
use std::ops::Deref;

/// logMessageInterval of messages that have none (IEEE 1588-2019, table 42).
pub(super) const NO_INTERVAL: i8 = 0x7F;
/// Longest datagram that we send: an AirPlay Signaling message has 106 bytes, and any message of an
/// ordinary clock is shorter, apart from its AUTHENTICATION TLV.
const CAPACITY: usize = 106 + authentication::LONGEST_TLV;
/// Maximum number of datagrams that wait in the queue.
const MAX_QUEUED: usize = 64;

/// The address of a peer; the UDP port follows from the message.
pub type PeerAddress = std::net::IpAddr;

/// The destination of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// All clocks: 224.0.1.129, or FF0x::181 (IEEE 1588-2019, C.3 and D.3).
    Multicast,
    /// One peer.
    Unicast(PeerAddress),
}

/// The class of a message, which determines its UDP port (IEEE 1588-2019, C.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageClass {
    /// Timestamped messages: port 319.
    Event,
    /// All other messages: port 320.
    General,
}

impl MessageClass {
    /// The class of messages with this type.
    #[must_use]
    pub const fn of(message_type: MessageType) -> Self {
        if message_type.is_event() { Self::Event } else { Self::General }
    }

    /// The UDP port.
    #[must_use]
    pub const fn udp_port(self) -> u16 {
        match self {
            Self::Event => 319,
            Self::General => 320,
        }
    }
}

/// Identifies a message whose departure time must be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitToken {
    pub(super) message_type: MessageType,
    pub(super) sequence_id: u16,
}

impl TransmitToken {
    /// The sequence id of the message.
    #[must_use]
    pub const fn sequence_id(self) -> u16 {
        self.sequence_id
    }
}

/// The bytes of a message, stored without heap allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Deref for Datagram {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A message to send.
///
/// ```
/// use engine::ptp::{Destination, MessageClass, Transmit};
/// use engine::ptp::wire::PortIdentity;
/// let request = Transmit::delay_req(PortIdentity::default(), 0, 7).unwrap();
/// assert_eq!(request.destination, Destination::Multicast);
/// assert_eq!((request.class, request.class.udp_port()), (MessageClass::Event, 319));
/// assert_eq!(request.datagram.len(), 44);
/// assert!(request.timestamp.is_some(), "the time at which it leaves is wanted");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The destination of the message.
    pub destination: Destination,
    /// The class of the message, which determines its UDP port.
    pub class: MessageClass,
    /// If set, report the departure time of the datagram to `handle_transmitted` with this token.
    pub timestamp: Option<TransmitToken>,
    /// The datagram.
    pub datagram: Datagram,
}

impl Transmit {
    /// Encodes `message`, and signs it if `authentication` is given. The departure time of event
    /// messages is requested.
    ///
    /// # Errors
    /// If the message cannot be written, or is longer than a [`Datagram`].
    pub(super) fn new(
        message: &Message<'_>,
        destination: Destination,
        authentication: Option<&Authentication>,
    ) -> Result<Self, WireError> {
        let mut bytes = [0; CAPACITY];
        let mut length = message.emit(&mut bytes)?;
        if let Some(authentication) = authentication {
            let needed = length + authentication::LONGEST_TLV;
            let too_small = WireError::BufferTooSmall { needed, available: CAPACITY };
            length = authentication.append(&mut bytes, length).ok_or(too_small)?;
        }
        let message_type = message.body.message_type();
        let class = MessageClass::of(message_type);
        let token = TransmitToken { message_type, sequence_id: message.header.sequence_id };
        let timestamp = (class == MessageClass::Event).then_some(token);
        Ok(Self { destination, class, timestamp, datagram: Datagram { bytes, length } })
    }

    /// Creates a multicast Delay_Req from `port`; `None` if it cannot be written, which does not
    /// happen because its size is fixed.
    #[must_use]
    pub fn delay_req(port: PortIdentity, domain_number: u8, sequence_id: u16) -> Option<Self> {
        let header = Header {
            domain_number,
            source_port_identity: port,
            sequence_id,
            log_message_interval: NO_INTERVAL,
            ..Header::default()
        };
        let body = Body::DelayReq { origin_timestamp: PtpTime::EPOCH };
        Self::new(&Message { header, body, tlvs: Tlvs::default() }, Destination::Multicast, None).ok()
    }
}

/// Queue of messages that have not been polled yet. A full queue refuses messages, so that it does
/// not grow if the caller does not drain it.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Transmit>,
    authentication: Option<Authentication>,
}

impl Outbox {
    /// Creates an empty queue, whose messages are signed if `authentication` is given.
    pub(super) fn new(authentication: Option<Authentication>) -> Self {
        Self { queue: VecDeque::with_capacity(MAX_QUEUED), authentication }
    }

    /// Queues the message. Returns false if it cannot be written, or if the queue is full.
    pub(super) fn push(&mut self, message: &Message<'_>, destination: Destination) -> bool {
        let transmit = Transmit::new(message, destination, self.authentication.as_ref());
        let room = self.queue.len() < MAX_QUEUED;
        match transmit {
            Ok(transmit) if room => self.queue.push_back(transmit),
            _ => return false,
        }
        true
    }

    pub(super) fn pop(&mut self) -> Option<Transmit> {
        self.queue.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(body: Body, tlvs: &'a [u8]) -> Message<'a> {
        Message { header: Header::default(), body, tlvs: Tlvs::new(tlvs) }
    }

    #[test]
    fn only_event_messages_ask_for_their_time() {
        let sync = message(Body::Sync { origin_timestamp: PtpTime::EPOCH }, &[]);
        let sync = Transmit::new(&sync, Destination::Multicast, None).unwrap();
        assert_eq!((sync.class, sync.timestamp.is_some()), (MessageClass::Event, true));
        let follow_up = message(Body::FollowUp { precise_origin_timestamp: PtpTime::EPOCH }, &[]);
        let follow_up = Transmit::new(&follow_up, Destination::Multicast, None).unwrap();
        assert_eq!((follow_up.class, follow_up.timestamp), (MessageClass::General, None));
        assert_eq!(follow_up.class.udp_port(), 320);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = [0; CAPACITY];
        let mut outbox = Outbox::new(None);
        assert!(!outbox.push(&message(Body::Sync { origin_timestamp: PtpTime::EPOCH }, &long), Destination::Multicast));
        let sync = message(Body::Sync { origin_timestamp: PtpTime::EPOCH }, &[]);
        for _ in 0..MAX_QUEUED {
            assert!(outbox.push(&sync, Destination::Multicast));
        }
        assert!(!outbox.push(&sync, Destination::Multicast), "full");
        assert!(outbox.pop().is_some());
        assert!(outbox.push(&sync, Destination::Multicast));
    }
}
