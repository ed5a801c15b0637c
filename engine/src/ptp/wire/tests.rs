//! Whole messages: known bytes, damaged bytes, arbitrary bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The grandmaster of the known messages.
const GRANDMASTER: ClockIdentity = ClockIdentity([0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0]);
const MASTER_PORT: PortIdentity = PortIdentity { clock_identity: GRANDMASTER, port_number: 1 };
const SLAVE_PORT: PortIdentity =
    PortIdentity { clock_identity: ClockIdentity([0xDC, 0xA6, 0x00, 0xFF, 0xFE, 0xFF, 0x2E, 0xEA]), port_number: 2 };

/// A two-step Sync with a correction of 1.5 ns.
const SYNC: [u8; 44] = [
    0x00, 0x02, 0, 44, 0, 0, 0x02, 0x00, // type, version, length, domain, flags
    0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, // correction, reserved
    0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0, 0, 1, // source port
    0x12, 0x34, 0, 0xFD, // sequence, control, log interval
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// A Follow_Up with the time 1 700 000 000.123 456 789 s.
const FOLLOW_UP: [u8; 44] = [
    0x08, 0x12, 0, 44, 5, 0, 0x00, 0x08, //
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, //
    0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0, 0, 1, //
    0x12, 0x34, 2, 0xFD, //
    0, 0, 0x65, 0x53, 0xF1, 0x00, 0x07, 0x5B, 0xCD, 0x15,
];

const DELAY_REQ: [u8; 44] = [
    0x01, 0x02, 0, 44, 0, 0, 0x00, 0x00, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0xDC, 0xA6, 0x00, 0xFF, 0xFE, 0xFF, 0x2E, 0xEA, 0, 2, //
    0xFF, 0xFF, 1, 0x7F, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const DELAY_RESP: [u8; 54] = [
    0x09, 0x02, 0, 54, 0, 0, 0x04, 0x00, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0, 0, 1, //
    0xFF, 0xFF, 3, 0xFE, //
    0, 1, 0, 0, 0, 2, 0x3B, 0x9A, 0xC9, 0xFF, //
    0xDC, 0xA6, 0x00, 0xFF, 0xFE, 0xFF, 0x2E, 0xEA, 0, 2,
];

const ANNOUNCE: [u8; 64] = [
    0x0B, 0x02, 0, 64, 0, 0, 0x00, 0x3C, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0, 0, 1, //
    0x00, 0x09, 5, 0x01, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 37, 0, 128, 6, 0x21, 0x43, 0x6A,
    127, // UTC offset, reserved, priority1, class, accuracy, variance, priority2
    0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0, 0x01, 0x02, 0x20, // identity, steps removed, time source
];

fn without_tlvs(header: Header, body: Body) -> Message<'static> {
    Message { header, body, tlvs: Tlvs::default() }
}

fn known_messages() -> Vec<(&'static [u8], Message<'static>)> {
    let master = Header { source_port_identity: MASTER_PORT, ..Header::default() };
    let sync = Header {
        flags: Flags::TWO_STEP,
        correction_field: CorrectionField::from_scaled_nanoseconds(0x1_8000),
        sequence_id: 0x1234,
        log_message_interval: -3,
        ..master
    };
    let follow_up = Header {
        minor_version: 1,
        domain_number: 5,
        flags: Flags::PTP_TIMESCALE,
        correction_field: CorrectionField::from_scaled_nanoseconds(-0x1_0000),
        sequence_id: 0x1234,
        log_message_interval: -3,
        ..master
    };
    let delay_req = Header {
        source_port_identity: SLAVE_PORT,
        sequence_id: 0xFFFF,
        log_message_interval: 127,
        ..Header::default()
    };
    let delay_resp = Header { flags: Flags::UNICAST, sequence_id: 0xFFFF, log_message_interval: -2, ..master };
    let flags =
        Flags::CURRENT_UTC_OFFSET_VALID | Flags::PTP_TIMESCALE | Flags::TIME_TRACEABLE | Flags::FREQUENCY_TRACEABLE;
    let announce = Header { flags, sequence_id: 9, log_message_interval: 1, ..master };
    vec![
        (&SYNC, without_tlvs(sync, Body::Sync { origin_timestamp: PtpTime::EPOCH })),
        (
            &FOLLOW_UP,
            without_tlvs(
                follow_up,
                Body::FollowUp { precise_origin_timestamp: PtpTime::from_timestamp(1_700_000_000, 123_456_789) },
            ),
        ),
        (&DELAY_REQ, without_tlvs(delay_req, Body::DelayReq { origin_timestamp: PtpTime::EPOCH })),
        (
            &DELAY_RESP,
            without_tlvs(
                delay_resp,
                Body::DelayResp {
                    receive_timestamp: PtpTime::from_timestamp((1 << 32) + 2, 999_999_999),
                    requesting_port_identity: SLAVE_PORT,
                },
            ),
        ),
        (
            &ANNOUNCE,
            without_tlvs(
                announce,
                Body::Announce(Announce {
                    origin_timestamp: PtpTime::EPOCH,
                    current_utc_offset: 37,
                    grandmaster_priority_1: 128,
                    grandmaster_clock_quality: ClockQuality {
                        clock_class: 6,
                        clock_accuracy: 0x21,
                        offset_scaled_log_variance: 0x436A,
                    },
                    grandmaster_priority_2: 127,
                    grandmaster_identity: GRANDMASTER,
                    steps_removed: 258,
                    time_source: 0x20,
                }),
            ),
        ),
    ]
}

fn emitted(message: &Message<'_>) -> Vec<u8> {
    // The buffer is not zero, so that a reserved byte that is not written is detected.
    let mut bytes = vec![0xAA; message.wire_len()];
    assert_eq!(message.emit(&mut bytes), Ok(bytes.len()));
    bytes
}

#[test]
fn known_bytes_are_parsed() {
    for (bytes, message) in known_messages() {
        assert_eq!(Message::parse(bytes), Ok(message));
    }
}

#[test]
fn known_bytes_are_emitted() {
    for (bytes, message) in known_messages() {
        assert_eq!(emitted(&message), bytes, "{}", message.body.message_type());
    }
}

#[test]
fn every_shorter_datagram_is_truncated() {
    for (bytes, _) in known_messages() {
        for available in 0..bytes.len() {
            let error = Message::parse(&bytes[..available]);
            assert!(matches!(error, Err(WireError::Truncated { available: a, .. }) if a == available), "{error:?}");
        }
    }
}

#[test]
fn padding_is_ignored() {
    let mut padded = SYNC.to_vec();
    padded.extend([0x55; 16]);
    assert_eq!(Message::parse(&padded), Message::parse(&SYNC));
}

#[test]
fn other_versions_and_types_are_refused() {
    let mut version_1 = SYNC;
    version_1[1] = 0x01;
    assert_eq!(Message::parse(&version_1), Err(WireError::UnsupportedVersion { version: 1 }));
    let mut reserved = SYNC;
    reserved[0] = 0x1E;
    assert_eq!(Message::parse(&reserved), Err(WireError::UnknownMessageType { message_type: 0xE }));
}

#[test]
fn a_message_length_below_the_fixed_fields_is_refused() {
    let mut short = ANNOUNCE;
    short[3] = 63;
    let error = Message::parse(&short);
    let message_type = MessageType::Announce;
    assert_eq!(error, Err(WireError::MessageLengthTooShort { message_type, message_length: 63, fixed_length: 64 }));
}

/// An AirPlay 2 Follow_Up: sdoId 1, and an organization extension TLV.
#[test]
fn tlvs_follow_any_body() {
    let mut bytes = FOLLOW_UP.to_vec();
    bytes[0] = 0x18;
    bytes[3] = 44 + 14;
    bytes.extend([0x00, 0x03, 0x00, 0x0A, 0x00, 0x0D, 0x93, 0, 0, 4, 1, 2, 3, 4]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.header.major_sdo_id, 1);
    let tlvs: Vec<_> = message.tlvs.iter().collect();
    assert_eq!(tlvs, [Ok(Tlv { tlv_type: 0x0003, value: &bytes[48..] })]);
    // The control field of the known message is that of a Follow_Up too.
    assert_eq!(emitted(&message), bytes);
}

#[test]
fn what_does_not_fit_is_not_emitted() {
    let sync = Message::parse(&SYNC).unwrap();
    let mut buffer = [0; 100];
    let short = sync.emit(&mut buffer[..43]);
    assert_eq!(short, Err(WireError::BufferTooSmall { needed: 44, available: 43 }));

    let wide = Message { header: Header { major_sdo_id: 16, ..sync.header }, ..sync };
    assert_eq!(wide.emit(&mut buffer), Err(WireError::FieldOverflow { field: "majorSdoId", value: 16 }));

    let time = PtpTime::from_nanos(-1);
    let negative = Message { body: Body::Sync { origin_timestamp: time }, ..sync };
    assert_eq!(negative.emit(&mut buffer), Err(WireError::TimestampOutOfRange { time }));

    let mut long = vec![0; 70_000];
    let tlvs = vec![0; 65_536 - 44];
    let too_long = Message { tlvs: Tlvs::new(&tlvs), ..sync };
    assert_eq!(too_long.emit(&mut long), Err(WireError::MessageTooLong { length: 65_536 }));
}

#[test]
fn the_rest_of_the_buffer_is_left_alone() {
    let mut buffer = [0x77; 50];
    let sync = Message::parse(&SYNC).unwrap();
    assert_eq!(sync.emit(&mut buffer), Ok(44));
    assert_eq!(buffer[44..], [0x77; 6]);
}

#[test]
fn errors_name_the_values() {
    let error =
        WireError::MessageLengthTooShort { message_type: MessageType::DelayResp, message_length: 44, fixed_length: 54 };
    assert_eq!(error.to_string(), "Delay_Resp with messageLength 44, it needs 54 bytes");
    let error = WireError::TimestampOutOfRange { time: PtpTime::from_nanos(-5) };
    assert_eq!(error.to_string(), "time -5 ns does not fit in a PTP timestamp");
}

prop_compose! {
    fn port_identity()(clock_identity in any::<[u8; 8]>(), port_number in any::<u16>()) -> PortIdentity {
        PortIdentity { clock_identity: ClockIdentity(clock_identity), port_number }
    }
}

prop_compose! {
    fn time()(seconds in 0u64..1 << 48, nanoseconds in 0u32..1_000_000_000) -> PtpTime {
        PtpTime::from_timestamp(seconds, nanoseconds)
    }
}

prop_compose! {
    fn header()(
        (major_sdo_id, minor_version, domain_number) in (0u8..16, 0u8..16, any::<u8>()),
        flags in any::<u16>(),
        correction in any::<i64>(),
        source_port_identity in port_identity(),
        sequence_id in any::<u16>(),
        log_message_interval in any::<i8>(),
    ) -> Header {
        let flags = Flags::from_bits(flags);
        let correction_field = CorrectionField::from_scaled_nanoseconds(correction);
        Header {
            major_sdo_id, minor_version, domain_number, flags, correction_field, source_port_identity, sequence_id,
            log_message_interval,
        }
    }
}

prop_compose! {
    fn announce()(
        origin_timestamp in time(),
        current_utc_offset in any::<i16>(),
        (grandmaster_priority_1, grandmaster_priority_2) in any::<(u8, u8)>(),
        (clock_class, clock_accuracy, offset_scaled_log_variance) in any::<(u8, u8, u16)>(),
        identity in any::<[u8; 8]>(),
        (steps_removed, time_source) in any::<(u16, u8)>(),
    ) -> Body {
        Body::Announce(Announce {
            origin_timestamp,
            current_utc_offset,
            grandmaster_priority_1,
            grandmaster_clock_quality: ClockQuality { clock_class, clock_accuracy, offset_scaled_log_variance },
            grandmaster_priority_2,
            grandmaster_identity: ClockIdentity(identity),
            steps_removed,
            time_source,
        })
    }
}

fn body() -> impl Strategy<Value = Body> {
    let management = (port_identity(), any::<(u8, u8)>(), 0u8..16);
    prop_oneof![
        time().prop_map(|origin_timestamp| Body::Sync { origin_timestamp }),
        time().prop_map(|origin_timestamp| Body::DelayReq { origin_timestamp }),
        time().prop_map(|origin_timestamp| Body::PdelayReq { origin_timestamp }),
        time().prop_map(|precise_origin_timestamp| Body::FollowUp { precise_origin_timestamp }),
        (time(), port_identity()).prop_map(|(receive_timestamp, requesting_port_identity)| Body::DelayResp {
            receive_timestamp,
            requesting_port_identity
        }),
        (time(), port_identity()).prop_map(|(request_receipt_timestamp, requesting_port_identity)| {
            Body::PdelayResp { request_receipt_timestamp, requesting_port_identity }
        }),
        (time(), port_identity()).prop_map(|(response_origin_timestamp, requesting_port_identity)| {
            Body::PdelayRespFollowUp { response_origin_timestamp, requesting_port_identity }
        }),
        announce(),
        port_identity().prop_map(|target_port_identity| Body::Signaling { target_port_identity }),
        management.prop_map(|(target_port_identity, (starting_boundary_hops, boundary_hops), action_field)| {
            Body::Management { target_port_identity, starting_boundary_hops, boundary_hops, action_field }
        }),
    ]
}

/// Bytes that often pass the first checks and therefore reach the later ones.
fn plausible_datagram() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), 30u8..110, vec(any::<u8>(), 0..120), any::<bool>()).prop_map(|(first, length, mut bytes, tame)| {
        let start = [first, 0x12, 0, length];
        for (byte, value) in bytes.iter_mut().zip(start) {
            *byte = value;
        }
        // Random nanoseconds are usually too large.
        if let Some(nanoseconds) = bytes.get_mut(40).filter(|_| tame) {
            *nanoseconds &= 0x1F;
        }
        bytes
    })
}

fn check_round_trip_of_bytes(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        let again = emitted(&message);
        assert_eq!(Message::parse(&again), Ok(message));
    }
}

proptest! {
    #[test]
    fn emitted_messages_are_parsed_back(header in header(), body in body(), tlvs in vec(any::<u8>(), 0..100)) {
        let message = Message { header, body, tlvs: Tlvs::new(&tlvs) };
        let bytes = emitted(&message);
        prop_assert_eq!(Message::parse(&bytes), Ok(message));
    }

    #[test]
    fn any_bytes_are_parsed_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        check_round_trip_of_bytes(&bytes);
    }

    #[test]
    fn plausible_bytes_survive_a_round_trip(bytes in plausible_datagram()) {
        check_round_trip_of_bytes(&bytes);
    }
}
