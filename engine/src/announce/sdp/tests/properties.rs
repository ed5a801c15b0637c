//! Everything that is written can be read, and everything that is read can be written.

use super::ours::sender_config;
use super::*;
use crate::rtp::format::{MAX_CHANNELS, PacketTime};
use proptest::prelude::*;

fn leg() -> impl Strategy<Value = LegDescription> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([239, a, b, c])),
    ];
    let clock = prop_oneof![
        Just(ReferenceClock::Unknown),
        any::<([u8; 8], Option<u8>)>().prop_map(|(identity, domain)| ReferenceClock::Ptp {
            version: "IEEE1588-2008".to_owned(),
            grandmaster: ClockIdentity(identity),
            domain: domain.map(|domain| domain & 127),
        }),
        Just(ReferenceClock::PtpTraceable { version: "IEEE1588-2019".to_owned() }),
        any::<[u8; 6]>().prop_map(ReferenceClock::LocalMac),
        Just(ReferenceClock::Other("ntp=/traceable/".to_owned())),
    ];
    (address, 1u16.., any::<u8>(), proptest::option::of(any::<[u8; 3]>()), clock).prop_map(
        |(destination, port, ttl, source, reference_clock)| LegDescription {
            destination,
            port,
            ttl: (destination.is_ipv4() && destination.is_multicast()).then_some(ttl),
            // A host of the same address family.
            source: source.map(|[a, b, c]| match destination {
                IpAddr::V4(_) => [10, a, b, c].into(),
                IpAddr::V6(_) => [0xFD00, 0, 0, 0, 0, a.into(), b.into(), c.into()].into(),
            }),
            reference_clock,
        },
    )
}

fn a_stream() -> impl Strategy<Value = StreamDescription> {
    let rates = prop::sample::select(&[44_100, 48_000, 96_000][..]);
    let media_clock = prop_oneof![
        Just(MediaClockSource::Unknown),
        Just(MediaClockSource::Sender),
        any::<u32>().prop_map(|offset| MediaClockSource::Direct { offset }),
    ];
    let frames = || proptest::option::of(1usize..500);
    let order = proptest::option::of("SMPTE2110\\.\\((ST|M|U08)\\)");
    (
        any::<bool>(),
        rates,
        1..=MAX_CHANNELS,
        (0u8..64, proptest::option::of(64u8..128)),
        frames(),
        frames(),
        media_clock,
        order,
        proptest::collection::vec(leg(), 1..=2),
    )
        .prop_map(
            |(
                l24,
                hz,
                channels,
                (payload_type, alternative_payload_type),
                packet_frames,
                max_packet_frames,
                media_clock,
                channel_order,
                legs,
            )| {
                let encoding = if l24 { Encoding::L24 } else { Encoding::L16 };
                StreamDescription {
                    format: StreamFormat::new(encoding, SampleRate::from_hz(hz).unwrap(), channels).unwrap(),
                    payload_type,
                    alternative_payload_type,
                    packet_frames,
                    max_packet_frames,
                    media_clock,
                    channel_order,
                    legs,
                }
            },
        )
}

prop_compose! {
    fn description()(
        (username, session_id, version) in ("[a-z-]{1,8}", "[0-9]{1,20}", any::<u64>()),
        address in "[0-9a-z.:]{1,20}",
        name in "([a-zA-Zäß0-9:=][a-zA-Zäß0-9 :=]{0,20}[a-z0-9])?",
        information in proptest::option::of("[a-zé0-9,:]([a-zé0-9 ,:]{0,20}[a-z])?"),
        streams in proptest::collection::vec(a_stream(), 1..4),
    ) -> Description {
        Description { origin: Origin { username, session_id, version, address }, name, information, streams }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(description in description()) {
        let text = description.to_sdp();
        let parsed = Description::parse(text.as_bytes());
        prop_assert_eq!(parsed.map(|parsed| parsed.description), Ok(description), "{}", text);
    }

    #[test]
    fn names_cannot_add_lines(name in "[a-zé\r\n\u{85}\u{b} =]{0,12}") {
        let mut session = Session::new(&sender_config(48_000, 2, PacketTime::MS_1), [192, 0, 2, 1].into(), 1, "s", 32).unwrap();
        let lines = session.to_sdp().split("\r\n").count();
        session.rename(&name, None);
        prop_assert_eq!(session.to_sdp().split(['\r', '\n']).filter(|line| !line.is_empty()).count() + 1, lines);
    }

    /// Examples with changed bytes, moved lines and truncations: whatever can be read can be
    /// written again with the same meaning.
    #[test]
    fn changed_examples_are_read_without_panic(
        example in prop::sample::select(&EXAMPLES[..]),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        moves in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        length in any::<prop::sample::Index>(),
    ) {
        let mut lines: Vec<&str> = example.split_inclusive('\n').collect();
        for (from, to) in moves {
            let (from, to) = (from.index(lines.len()), to.index(lines.len()));
            lines.swap(from, to);
        }
        let mut bytes = lines.concat().into_bytes();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(bytes.len() / 2 + length.index(bytes.len()));
        if let Ok(parsed) = Description::parse(&bytes) {
            let text = parsed.description.to_sdp();
            let again = Description::parse(text.as_bytes());
            prop_assert_eq!(again.map(|parsed| parsed.description), Ok(parsed.description), "{}", text);
            prop_assert!(parsed.findings.iter().all(|finding| !finding.to_string().is_empty()));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = Description::parse(&bytes);
        let _ = Description::parse(&[b"v=0\nm=audio 1 RTP/AVP 11\nc=IN IP4 1.1.1.1\na=", &bytes[..]].concat());
    }
}
