//! The descriptions of our own sessions.

use super::*;
use crate::rtp::format::PacketTime;
use crate::rtp::wire::PayloadType;
use crate::send::SenderConfig;
use proptest::prelude::*;

pub(super) fn sender_config(hz: u32, channels: usize, packet_time: PacketTime) -> SenderConfig {
    let format = StreamFormat::new(Encoding::L16, SampleRate::from_hz(hz).unwrap(), channels).unwrap();
    SenderConfig { packet_time, ..SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1) }
}

#[test]
fn our_own_sessions_have_no_findings_and_tell_all_that_a_receiver_needs() {
    for hz in [44_100, 48_000, 96_000] {
        for packet_time in [PacketTime::AES67.as_slice(), &[PacketTime::MS_5]].concat() {
            let mut config = SenderConfig { media_clock_offset: 77, ..sender_config(hz, 1, packet_time) };
            config.secondary = Some(([239, 70, 0, 1], 5004).into());
            let mut session = Session::new(&config, [192, 0, 2, 1].into(), 1_790_000_000, "Kanal 1 · Süd", 32).unwrap();
            session.set_clock(&ReferenceClock::ptp(GRANDMASTER, 3));
            let parsed = Description::parse(session.to_sdp().as_bytes()).unwrap();
            assert_eq!(parsed.findings, [], "{}", session.to_sdp());
            assert_eq!(&parsed.description, session.description());
            let stream = &parsed.description.streams[0];
            assert_eq!(stream.packet_frames, packet_time.frames(config.sample_rate()));
            assert_eq!(stream.relation(), MediaClock::Ptp { offset: 77 });
            assert_eq!(stream.legs.len(), 2);
        }
    }
}

#[test]
fn the_packet_times_are_written_as_the_standard_has_them() {
    let written = |hz, packet_time| {
        let session = Session::new(&sender_config(hz, 1, packet_time), [192, 0, 2, 1].into(), 1, "s", 32).unwrap();
        let text = session.to_sdp();
        text.lines().find_map(|line| line.strip_prefix("a=ptime:")).unwrap().to_owned()
    };
    let times = [
        PacketTime::US_125,
        PacketTime::US_250,
        PacketTime::US_333,
        PacketTime::MS_1,
        PacketTime::MS_4,
        PacketTime::MS_5,
    ];
    assert_eq!(times.map(|time| written(48_000, time)), ["0.125", "0.25", "0.333", "1", "4", "5"]);
    assert_eq!(
        times[..5].iter().map(|&time| written(44_100, time)).collect::<Vec<_>>(),
        ["0.14", "0.27", "0.36", "1.09", "4.35"]
    );
}

#[test]
fn a_new_grandmaster_is_a_new_version_and_its_loss_too() {
    let mut session =
        Session::new(&sender_config(48_000, 2, PacketTime::MS_1), [192, 0, 2, 1].into(), 100, "s", 32).unwrap();
    let before = session.to_sdp();
    assert!(before.contains("a=ts-refclk:local\r\na=mediaclk:sender\r\n"), "{before}");
    let mut versions = vec![session.description().origin.version];
    let other = ClockIdentity([1; 8]);
    for clock in [
        ReferenceClock::ptp(GRANDMASTER, 0),
        ReferenceClock::ptp(GRANDMASTER, 0),
        ReferenceClock::ptp(other, 0),
        ReferenceClock::ptp(other, 1),
        ReferenceClock::LocalMac([1; 6]),
    ] {
        session.set_clock(&clock);
        versions.push(session.description().origin.version);
    }
    assert_eq!(versions, [100, 101, 101, 102, 103, 104]);
    assert!(session.to_sdp().contains("a=ts-refclk:localmac=01-01-01-01-01-01\r\na=mediaclk:sender\r\n"));
    assert!(session.rename("t", Some("news")) && !session.rename("t", Some("news")));
    assert_eq!(session.description().origin.version, 105);
}

#[test]
fn an_independent_reader_finds_the_same() {
    let mut config = sender_config(48_000, 8, PacketTime::MS_1);
    config.secondary = Some(([239, 70, 0, 1], 5006).into());
    let mut session = Session::new(&config, [192, 0, 2, 1].into(), 1_790_000_000, "Bühne", 32).unwrap();
    session.set_clock(&ReferenceClock::ptp(GRANDMASTER, 3));
    let read = sdp_types::Session::parse(session.to_sdp().as_bytes()).unwrap();
    assert_eq!((read.session_name.as_str(), read.origin.sess_version, read.medias.len()), ("Bühne", 1_790_000_001, 2));
    for (medium, (port, address)) in read.medias.iter().zip([(5004, "239.69.0.1/32"), (5006, "239.70.0.1/32")]) {
        assert_eq!((medium.port, medium.connections[0].connection_address.as_str()), (port, address));
        let map = medium.get_first_attribute_typed::<sdp_types::RtpMap>().unwrap().unwrap();
        assert_eq!(map.to_string(), "96 L16/48000/8");
        let clock = medium.get_first_attribute_value("ts-refclk").unwrap().unwrap();
        assert_eq!(clock, "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:3");
        assert_eq!(medium.get_first_attribute_value("ptime").unwrap(), Some("1"));
    }
}

proptest! {
    /// Whatever the stream and the clock, our description has no findings and matches the stream.
    #[test]
    fn nothing_is_found_in_what_we_announce(
        (l24, hz, channels, time) in (any::<bool>(), 0usize..3, 1usize..=64, 0usize..6),
        (group, secondary, half_port) in (any::<[u8; 3]>(), any::<bool>(), 1u16..32_767),
        (payload_type, offset, ttl) in (96u8..128, any::<u32>(), 2u8..),
        name in "\\PC{0,40}|[ -]{0,3}|[a-z\r\n\t ]{1,9}",
        clock in 0u8..5,
    ) {
        let hz = [44_100, 48_000, 96_000][hz];
        let times = [PacketTime::US_125, PacketTime::US_250, PacketTime::US_333, PacketTime::MS_1, PacketTime::MS_4, PacketTime::MS_5];
        let encoding = if l24 { Encoding::L24 } else { Encoding::L16 };
        let format = StreamFormat::new(encoding, SampleRate::from_hz(hz).unwrap(), channels).unwrap();
        let [a, b, c] = group;
        let to = |first: u8| ([first, a, b, c], 2 * half_port).into();
        let config = SenderConfig {
            packet_time: times[time],
            payload_type: PayloadType::new(payload_type).unwrap(),
            media_clock_offset: offset,
            secondary: secondary.then(|| to(238)),
            ..SenderConfig::new(format, to(239), 1)
        };
        let session = Session::new(&config, [192, 0, 2, 1].into(), 1_790_000_000, &name, ttl);
        prop_assume!(session.is_ok(), "no sender is configured so");
        let mut session = session.unwrap();
        match clock {
            0 => drop(session.set_clock(&ReferenceClock::ptp(GRANDMASTER, ttl & 127))),
            1 => drop(session.set_clock(&ReferenceClock::PtpTraceable { version: "IEEE1588-2008".to_owned() })),
            2 => drop(session.set_clock(&ReferenceClock::LocalMac([2; 6]))),
            3 => {
                session.set_clock(&ReferenceClock::ptp(GRANDMASTER, 0));
                session.set_clock(&ReferenceClock::Unknown);
            }
            _ => {}
        }
        let text = session.to_sdp();
        let parsed = Description::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(&parsed.findings, &[], "{}", text);
        prop_assert_eq!(&parsed.description.streams, &session.description().streams);
        prop_assert!(parsed.description.streams[0].legs.iter().all(|leg| leg.check().is_ok()));
    }
}
