//! The TLVs of unicast negotiation (IEEE 1588-2019, 16.1.4).

use crate::ptp::wire::{MessageType, Tlv};

/// tlvType (IEEE 1588-2019, table 52).
const REQUEST_UNICAST_TRANSMISSION: u16 = 0x0004;
const GRANT_UNICAST_TRANSMISSION: u16 = 0x0005;
const CANCEL_UNICAST_TRANSMISSION: u16 = 0x0006;
const ACKNOWLEDGE_CANCEL_UNICAST_TRANSMISSION: u16 = 0x0007;
/// The renewal invited flag of a grant.
const RENEWAL_INVITED: u8 = 0x01;
/// Length of the longest TLV: a grant with its type and length.
pub const LONGEST_TLV: usize = 12;

/// Services that a master provides by unicast on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Announces.
    Announce,
    /// Syncs, with their Follow_Ups.
    Sync,
    /// Delay_Resps to our Delay_Reqs.
    DelayResp,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 3] = [Self::Announce, Self::Sync, Self::DelayResp];

    const fn message_type(self) -> MessageType {
        match self {
            Self::Announce => MessageType::Announce,
            Self::Sync => MessageType::Sync,
            Self::DelayResp => MessageType::DelayResp,
        }
    }

    /// The service whose messageType is in the upper half of `byte`; `None` for types that are not
    /// negotiated here.
    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.to_byte() == byte & 0xF0)
    }

    const fn to_byte(self) -> u8 {
        (self.message_type() as u8) << 4
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message_type().fmt(f)
    }
}

/// A TLV of unicast negotiation.
///
/// ```
/// use engine::ptp::unicast::{Service, UnicastTlv};
/// use engine::ptp::wire::Tlvs;
/// let request = UnicastTlv::Request { service: Service::Sync, log_interval: -3, duration_s: 300 };
/// let bytes = request.emit();
/// assert_eq!(&bytes[..], [0, 4, 0, 6, 0x00, 0xFD, 0, 0, 0x01, 0x2C]);
/// let tlv = Tlvs::new(&bytes).iter().next().unwrap().unwrap();
/// assert_eq!(UnicastTlv::parse(&tlv), Some(request));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnicastTlv {
    /// REQUEST_UNICAST_TRANSMISSION.
    Request {
        /// The requested service.
        service: Service,
        /// Interval between messages, 2^n s.
        log_interval: i8,
        /// Requested duration.
        duration_s: u32,
    },
    /// GRANT_UNICAST_TRANSMISSION.
    Grant {
        /// The granted service.
        service: Service,
        /// Interval between messages, 2^n s.
        log_interval: i8,
        /// Granted duration; 0 if the request is denied.
        duration_s: u32,
        /// Whether another request is likely to be granted.
        renewal_invited: bool,
    },
    /// CANCEL_UNICAST_TRANSMISSION.
    Cancel(Service),
    /// ACKNOWLEDGE_CANCEL_UNICAST_TRANSMISSION.
    AcknowledgeCancel(Service),
}

impl UnicastTlv {
    /// Reads a TLV; `None` if it has another type, is too short, or is for a service that is not
    /// negotiated here.
    #[must_use]
    pub fn parse(tlv: &Tlv<'_>) -> Option<Self> {
        let service = Service::from_byte(*tlv.value.first()?)?;
        match (tlv.tlv_type, tlv.value) {
            (REQUEST_UNICAST_TRANSMISSION, &[_, log, d0, d1, d2, d3, ..]) => Some(Self::Request {
                service,
                log_interval: log.cast_signed(),
                duration_s: u32::from_be_bytes([d0, d1, d2, d3]),
            }),
            (GRANT_UNICAST_TRANSMISSION, &[_, log, d0, d1, d2, d3, _, flags, ..]) => Some(Self::Grant {
                service,
                log_interval: log.cast_signed(),
                duration_s: u32::from_be_bytes([d0, d1, d2, d3]),
                renewal_invited: flags & RENEWAL_INVITED != 0,
            }),
            (CANCEL_UNICAST_TRANSMISSION, [_, _, ..]) => Some(Self::Cancel(service)),
            (ACKNOWLEDGE_CANCEL_UNICAST_TRANSMISSION, [_, _, ..]) => Some(Self::AcknowledgeCancel(service)),
            _ => None,
        }
    }

    /// The TLV as bytes, with its type and length.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most LONGEST_TLV bytes")]
    pub fn emit(&self) -> Vec<u8> {
        let (tlv_type, value) = match *self {
            Self::Request { service, log_interval, duration_s } => {
                (REQUEST_UNICAST_TRANSMISSION, period(service, log_interval, duration_s))
            }
            Self::Grant { service, log_interval, duration_s, renewal_invited } => {
                let mut value = period(service, log_interval, duration_s);
                value.extend([0, if renewal_invited { RENEWAL_INVITED } else { 0 }]);
                (GRANT_UNICAST_TRANSMISSION, value)
            }
            Self::Cancel(service) => (CANCEL_UNICAST_TRANSMISSION, vec![service.to_byte(), 0]),
            Self::AcknowledgeCancel(service) => (ACKNOWLEDGE_CANCEL_UNICAST_TRANSMISSION, vec![service.to_byte(), 0]),
        };
        let mut bytes = Vec::with_capacity(LONGEST_TLV);
        bytes.extend(tlv_type.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(value);
        bytes
    }
}

fn period(service: Service, log_interval: i8, duration_s: u32) -> Vec<u8> {
    let mut value = vec![service.to_byte(), log_interval.cast_unsigned()];
    value.extend(duration_s.to_be_bytes());
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptp::wire::Tlvs;
    use proptest::prelude::*;

    fn parsed(bytes: &[u8]) -> Option<UnicastTlv> {
        UnicastTlv::parse(&Tlvs::new(bytes).iter().next()?.ok()?)
    }

    #[test]
    fn what_is_emitted_is_parsed_again() {
        for service in Service::ALL {
            for tlv in [
                UnicastTlv::Request { service, log_interval: -7, duration_s: u32::MAX },
                UnicastTlv::Grant { service, log_interval: 1, duration_s: 0, renewal_invited: false },
                UnicastTlv::Grant { service, log_interval: 0, duration_s: 300, renewal_invited: true },
                UnicastTlv::Cancel(service),
                UnicastTlv::AcknowledgeCancel(service),
            ] {
                let bytes = tlv.emit();
                assert!(bytes.len() <= LONGEST_TLV);
                assert_eq!(parsed(&bytes), Some(tlv));
            }
        }
    }

    #[test]
    fn a_grant_reads_as_on_the_wire() {
        // Delay_Resp, 2^-4 s, 300 s, with the renewal invited flag.
        let grant = [0, 5, 0, 8, 0x90, 0xFC, 0, 0, 0x01, 0x2C, 0, 1];
        let expected =
            UnicastTlv::Grant { service: Service::DelayResp, log_interval: -4, duration_s: 300, renewal_invited: true };
        assert_eq!(parsed(&grant), Some(expected));
    }

    proptest! {
        #[test]
        fn any_value_is_parsed_or_refused(tlv_type in 0u16..10, value in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(read) = UnicastTlv::parse(&Tlv { tlv_type, value: &value }) {
                prop_assert_eq!(parsed(&read.emit()), Some(read));
            }
        }
    }
}
