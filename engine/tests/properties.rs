//! The properties that the fuzz targets search for violations of, tried on some inputs on every
//! test run: random bytes, and valid messages of every type with a few bytes changed.

#[path = "../../fuzz/capture.rs"]
mod capture;
#[path = "../../fuzz/livewire_clock.rs"]
mod livewire_clock;
#[path = "../../fuzz/machines.rs"]
mod machines;
#[path = "../../fuzz/properties.rs"]
mod properties;
#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../../fuzz/script.rs"]
mod script;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// messageType and length of every message without TLVs (IEEE 1588-2019, 13.5 to 13.13 and 15.4).
const MESSAGES: [(u8, usize); 10] =
    [(0x0, 44), (0x1, 44), (0x2, 54), (0x3, 54), (0x8, 44), (0x9, 54), (0xA, 54), (0xB, 64), (0xC, 44), (0xD, 48)];

/// TLVs: none, a path trace, an organization extension, one cut short, an empty one.
const TLVS: [&[u8]; 5] = [
    &[],
    &[0x00, 0x08, 0x00, 0x08, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0x00, 0x03, 0x00, 0x0A, 0x00, 0x0D, 0x93, 0, 0, 4, 1, 2, 3, 4],
    &[0x00, 0x03, 0x00, 0xFF, 0x00],
    &[0x80, 0x08, 0x00, 0x00],
];

prop_compose! {
    /// A valid message of any type, with TLVs.
    fn valid_message()(
        (message_type, length) in prop::sample::select(&MESSAGES[..]),
        tlvs in prop::sample::select(&TLVS[..]),
        body in vec(any::<u8>(), 110),
    ) -> Vec<u8> {
        let mut bytes = body[..length].to_vec();
        bytes.extend(tlvs);
        bytes[0] = bytes[0] & 0xF0 | message_type;
        bytes[1] = bytes[1] & 0xF0 | 0x02;
        (bytes[2], bytes[3]) = (0, bytes.len() as u8);
        bytes[40] &= 0x1F;
        bytes
    }
}

prop_compose! {
    /// A valid message in which a few bytes were changed, and which was perhaps cut short or
    /// padded.
    fn mutated_message()(
        mut bytes in valid_message(),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        length in 0usize..140,
        resized in any::<bool>(),
    ) -> Vec<u8> {
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if resized {
            bytes.resize(length, 0x55);
        }
        bytes
    }
}

/// A description with every kind of line that means something; each may go, come twice, or be
/// elsewhere.
const LINES: [&str; 22] = [
    "o=- 1 2 IN IP4 192.0.2.1",
    "s=Studio",
    "i=2 channels",
    "c=IN IP4 239.69.0.1/32",
    "t=0 0",
    "a=group:DUP one two",
    "a=clock-domain:PTPv2 3",
    "a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0",
    "m=audio 5004 RTP/AVP 96 11",
    "c=IN IP6 ff15::1",
    "a=rtpmap:96 L24/48000/2",
    "a=fmtp:96 channel-order=SMPTE2110.(ST)",
    "a=source-filter: incl IN IP4 * 192.0.2.1 192.0.2.2",
    "a=ssrc-group:DUP 1 2",
    "a=ptime:1.09",
    "a=maxptime:4",
    "a=framecount:48-192",
    "a=ts-refclk:localmac=00-1B-21-0A-67-01",
    "a=mediaclk:direct=5 rate=48000/1",
    "a=mid:one",
    "m=audio 5006/2 RTP/AVP 11",
    "a=mid:two",
];

prop_compose! {
    fn mutated_text()(
        picks in vec((0..LINES.len(), 0u8..8), 0..30),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        in_order in any::<bool>(),
    ) -> Vec<u8> {
        // All lines in their order with the picks as changes, or the picks alone in any order.
        let mut lines: Vec<usize> = if in_order { (0..LINES.len()).collect() } else { vec![0, 8, 9] };
        for (line, how) in picks {
            let at = usize::from(how) * lines.len() / 8;
            if in_order && how % 2 == 0 && lines.len() > 1 { lines.remove(at); } else { lines.insert(at, line); }
        }
        let mut text = b"v=0\r\n".to_vec();
        lines.iter().for_each(|&line| text.extend([LINES[line], "\r\n"].concat().bytes()));
        for (index, value) in changes {
            let index = index.index(text.len() - 5) + 5;
            text[index] = value;
        }
        text
    }
}

/// A script for a port: mostly messages that make sense together and pauses, sometimes anything.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let step = prop_oneof![
        30 => sensible_message(),
        4 => (any::<u8>(), valid_message()).prop_map(|(argument, bytes)| message_step(0, argument, &bytes)),
        8 => (20u8..28).prop_map(|exponent| vec![2, exponent]),
        1 => (28u8..36).prop_map(|exponent| vec![2, exponent]),
        8 => (0u8..4).prop_map(|count| vec![3, count]),
        1 => prop_oneof![4 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..40), 1 => Just(vec![2, 61])],
    ];
    (any::<u8>(), vec(step, 0..150)).prop_map(|(options, steps)| [&[options], &steps.concat()[..]].concat())
}

/// A script for a Livewire clock: packets of few masters at the pace of a master, and pauses.
fn livewire_script() -> impl Strategy<Value = Vec<u8>> {
    let packet = vec(any::<u8>(), 4);
    let step = prop_oneof![
        40 => packet.prop_map(|fields| [&[0], &fields[..]].concat()),
        4 => (any::<u8>(), vec(any::<u8>(), 36)).prop_map(|(at, bytes)| [&[1, at], &bytes[..]].concat()),
        4 => any::<u8>().prop_map(|exponent| vec![2, exponent]),
    ];
    vec(step, 0..300).prop_map(|steps| steps.concat())
}

fn message_step(kind: u8, argument: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind, argument, bytes.len() as u8], bytes].concat()
}

prop_compose! {
    /// A message of one of two masters, mostly with the fields that keep it from being dropped.
    fn sensible_message()(
        mut bytes in vec(any::<u8>(), 64),
        message_type in 0u8..8,
        (sender, near, wild) in (0u8..2, any::<bool>(), 0u8..8),
        sequence_id in 0u8..8,
    ) -> Vec<u8> {
        bytes[31] = sequence_id;
        if wild > 0 {
            // Flags, interval, priority1 and stepsRemoved.
            (bytes[6], bytes[7], bytes[33]) = (bytes[6] & 0x06, 0, 0);
            if (4..6).contains(&message_type) {
                (bytes[47], bytes[61], bytes[62]) = (bytes[47] & 1, 0, 0);
                // The grandmaster is the sender.
                bytes[53..61].fill(sender);
            }
        }
        message_step(1, message_type | sender << 3 | u8::from(near) << 5, &bytes)
    }
}

proptest! {
    #[test]
    fn valid_messages_are_accepted(bytes in valid_message()) {
        prop_assert!(engine::ptp::wire::Message::parse(&bytes).is_ok());
        properties::ptp_message(&bytes);
    }

    #[test]
    fn mutated_messages_survive_a_round_trip(bytes in mutated_message()) {
        properties::ptp_message(&bytes);
    }

    #[test]
    fn any_bytes_survive_a_round_trip_as_message(bytes in vec(any::<u8>(), 0..200)) {
        properties::ptp_message(&bytes);
    }

    #[test]
    fn any_bytes_survive_a_round_trip_as_packet(first in any::<u8>(), bytes in vec(any::<u8>(), 0..200)) {
        let versioned = [&[0x80 | first & 0x3F], &bytes[..]].concat();
        properties::rtp_packet(&versioned);
        properties::rtp_packet(&bytes);
    }

    #[test]
    fn mutated_descriptions_survive_a_round_trip(text in mutated_text()) {
        properties::sdp_text(&text);
    }

    #[test]
    fn mutated_announcements_survive_a_round_trip(
        text in mutated_text(), flags in 0u8..8, words in 0u8..2, typed in any::<bool>(), address in any::<[u8; 16]>(),
    ) {
        let ipv6 = flags & 1 == 1;
        // Announcement or deletion, IPv4 or IPv6, a few with flags that are refused.
        let header = [0x20 | u8::from(ipv6) << 4 | (flags & 2) << 1 | u8::from(flags == 4), words, address[0], address[1]];
        let origin = if ipv6 { &address[..] } else { &address[..4] };
        let kind: &[u8] = if typed { b"application/sdp\0" } else { b"" };
        properties::sap_packet(&[&header[..], origin, &address[..4 * usize::from(words)], kind, &text].concat());
    }

    #[test]
    fn any_bytes_survive_a_round_trip_as_announcement(bytes in vec(any::<u8>(), 0..200)) {
        properties::sap_packet(&bytes);
        properties::sdp_text(&bytes);
    }

    #[test]
    fn mutated_advertisements_are_taken_and_forgotten(
        kind in 0u8..4, opcodes in vec((any::<Index>(), 0u8..10, vec(any::<u8>(), 0..24)), 0..12), cut in any::<Index>(),
    ) {
        const NAMES: [&[u8; 4]; 8] = [b"ADVT", b"INIP", b"NUMS", b"ATRN", b"S001", b"PSID", b"FSID", b"PSNM"];
        let mut datagram = [&[3, 0, 2, 7][..], &[0; 12], b"ADVT\x07", &[kind]].concat();
        for (name, type_code, value) in opcodes {
            datagram.extend(NAMES[name.index(NAMES.len())]);
            datagram.push(type_code);
            datagram.extend(value);
        }
        properties::livewire_datagram(&datagram);
        properties::livewire_datagram(&datagram[..cut.index(datagram.len())]);
    }

    #[test]
    fn any_bytes_survive_a_round_trip_as_packet_of_the_livewire_clock(bytes in vec(any::<u8>(), 0..60)) {
        livewire_clock::packet(&bytes);
    }

    #[test]
    fn a_livewire_clock_survives_any_script(script in livewire_script()) {
        livewire_clock::clock(&script);
    }

    #[test]
    fn a_receiver_survives_any_script(script in vec(any::<u8>(), 0..1000)) {
        machines::receiver(&script);
    }

    #[test]
    fn a_clock_survives_any_script(script in vec(any::<u8>(), 0..1000)) {
        machines::slave_clock(&script);
    }

    #[test]
    fn a_relay_survives_any_script(script in vec(any::<u8>(), 0..1000)) {
        machines::relay(&script);
    }

    #[test]
    fn a_port_survives_any_script(script in script()) {
        properties::ptp_port(&script);
    }

    #[test]
    fn a_yield_session_survives_any_script(script in script()) {
        properties::ptp_yield_session(&script);
    }
}

/// What searching found to reach code that nothing shorter reaches, and what once broke something.
#[test]
fn the_corpus_holds() {
    replay::replay(include_str!("../../fuzz/corpus/capture.hex"), capture::capture_and_send);
    replay::replay(include_str!("../../fuzz/corpus/livewire_clock.hex"), livewire_clock::packet);
    replay::replay(include_str!("../../fuzz/corpus/livewire_clock.hex"), livewire_clock::clock);
    replay::replay(include_str!("../../fuzz/corpus/livewire_datagram.hex"), properties::livewire_datagram);
    replay::replay(include_str!("../../fuzz/corpus/ptp_message.hex"), properties::ptp_message);
    replay::replay(include_str!("../../fuzz/corpus/ptp_port.hex"), properties::ptp_port);
    replay::replay(include_str!("../../fuzz/corpus/ptp_port.hex"), properties::ptp_yield_session);
    replay::replay(include_str!("../../fuzz/corpus/receiver.hex"), machines::receiver);
    replay::replay(include_str!("../../fuzz/corpus/relay.hex"), machines::relay);
    replay::replay(include_str!("../../fuzz/corpus/rtp_packet.hex"), properties::rtp_packet);
    replay::replay(include_str!("../../fuzz/corpus/sa_file.hex"), properties::sa_file);
    replay::replay(include_str!("../../fuzz/corpus/sap_packet.hex"), properties::sap_packet);
    replay::replay(include_str!("../../fuzz/corpus/sdp_text.hex"), properties::sdp_text);
    replay::replay(include_str!("../../fuzz/corpus/slave_clock.hex"), machines::slave_clock);
    replay::replay(include_str!("../../fuzz/corpus/slave_clock_once_broken.hex"), machines::slave_clock);
}
