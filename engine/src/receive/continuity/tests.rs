use super::*;
use crate::rtp::wire::{PayloadType, RtpHeader};

const RATE: SampleRate = SampleRate::HZ_48000;
const FRAMES: i64 = 48;

fn at(us: i64) -> LocalTime {
    LocalTime::ZERO + Nanos::from_micros(us)
}

fn packet(sequence: i64, timestamp: i64, length: usize) -> Vec<u8> {
    let header = RtpHeader {
        marker: false,
        payload_type: PayloadType::new(96).unwrap(),
        sequence: SequenceNumber::new(sequence as u16),
        timestamp: RtpTimestamp::new(timestamp as u32),
        ssrc: Ssrc(7),
    };
    [&header.emit()[..], &vec![sequence as u8; length]].concat()
}

/// Receives a packet. Returns the packets that are accepted as a result, as pairs of sequence
/// number and timestamp.
fn hear(continuity: &mut Continuity, us: i64, packet: &[u8]) -> Vec<(u16, u32)> {
    let name = |bytes: &[u8]| {
        let header = RtpPacket::parse(bytes).unwrap().header;
        (header.sequence.get(), header.timestamp.get())
    };
    let datagram = Datagram { leg: Leg::A, at: at(us), from: None, bytes: packet };
    let verdict = continuity.judge(datagram, &RtpPacket::parse(packet).unwrap(), (packet.len() - 12) / 6, false);
    let released = std::iter::from_fn(|| continuity.poll_released());
    let mut taken: Vec<_> = released.map(|held| name(&held.bytes)).collect();
    taken.extend((verdict == Verdict::Take).then(|| name(packet)));
    taken
}

/// A stream of packets of 1 ms that has been regular for two seconds.
fn established() -> Continuity {
    let mut continuity = Continuity::new(RATE);
    for ms in 0..2_000 {
        assert_eq!(hear(&mut continuity, 1_000 * ms, &packet(ms, ms * FRAMES, 288)).len(), 1);
    }
    assert!(continuity.established().is_some());
    continuity
}

#[test]
fn what_jumps_is_held_until_the_line_has_ended_and_is_all_there_then() {
    let mut continuity = established();
    let jumped: Vec<_> =
        (2_000..2_020).map(|ms| hear(&mut continuity, 1_000 * ms, &packet(ms, ms * FRAMES + 500, 288))).collect();
    let released = jumped.iter().position(|taken| !taken.is_empty()).unwrap();
    assert_eq!(Nanos::from_millis(released as i64 + 1), SHORTEST_PATIENCE);
    assert_eq!(jumped[released].len(), released + 1, "in their order, and all of them");
    assert!(jumped[released].is_sorted() && jumped[released + 1..].iter().all(|taken| taken.len() == 1));
    assert_eq!(continuity.take_refused(), 0);
}

#[test]
fn one_packet_of_the_line_outweighs_all_others_and_they_are_bounded() {
    let mut continuity = established();
    for ms in 2_000..2_200 {
        for n in 0..1_000 {
            let forged = packet(n * 31, ms * FRAMES + 17 * n + 1, 288);
            assert!(hear(&mut continuity, 1_000 * ms + n, &forged).is_empty(), "{ms}");
        }
        assert_eq!(continuity.held.len(), MOST_HELD);
        assert_eq!(
            hear(&mut continuity, 1_000 * ms + 999, &packet(ms, ms * FRAMES, 288)),
            [(ms as u16, (ms * FRAMES) as u32)]
        );
        assert!(continuity.held.is_empty() && continuity.released.is_empty());
    }
    assert_eq!(continuity.take_refused(), 200_000);
    // During an attack, the patience is also longer: a pause of the sender does not end its line.
    let forged = |ms: i64| packet(ms, ms * FRAMES + 1, 288);
    assert!((2_200..2_440).all(|ms| hear(&mut continuity, 1_000 * ms, &forged(ms)).is_empty()));
    assert_eq!(hear(&mut continuity, 2_440_000, &packet(2_440, 2_440 * FRAMES, 288)).len(), 1);
}

#[test]
fn a_line_that_was_left_is_taken_up_by_its_first_packet() {
    let mut continuity = established();
    let forged =
        |continuity: &mut Continuity, ms: i64| hear(continuity, 1_000 * ms, &packet(ms, ms * FRAMES + 777, 288)).len();
    assert!((2_000..2_300).map(|ms| forged(&mut continuity, ms)).sum::<usize>() > 250, "nobody else sends");
    for ms in 2_300..2_500 {
        assert_eq!(hear(&mut continuity, 1_000 * ms, &packet(ms, ms * FRAMES, 288)).len(), 1);
        assert_eq!(forged(&mut continuity, ms), 0, "{ms}");
    }
}

#[test]
fn longer_packets_are_the_streams_if_no_others_come() {
    let mut continuity = established();
    let long = |n: i64| packet(2_000 + n, 2_000 * FRAMES + 4 * n * FRAMES, 4 * 288);
    assert!(hear(&mut continuity, 2_000_000, &long(0)).is_empty());
    assert_eq!(hear(&mut continuity, 2_000_500, &packet(2_000, 2_000 * FRAMES, 288)).len(), 1);
    assert_eq!(continuity.take_refused(), 1);
    let mut continuity = established();
    let taken: Vec<_> = (0..200).map(|n| hear(&mut continuity, 2_000_000 + 4_000 * n, &long(n)).len()).collect();
    assert_eq!(taken.iter().sum::<usize>(), 200, "{taken:?}");
    assert!(taken[..3].iter().any(|&taken| taken > 1), "{taken:?}");
}

/// Packets have 44 and 45 frames alternately, as at 44.1 kHz.
#[test]
fn packets_of_varying_length_and_losses_are_on_a_line() {
    let mut continuity = Continuity::new(SampleRate::from_hz(44_100).unwrap());
    let first = |ms: i64| ms * 441 / 10;
    for ms in (0..5_000).filter(|ms| ms % 50 < 45) {
        assert_eq!(hear(&mut continuity, 1_000 * ms, &packet(ms, first(ms), 270)).len(), 1, "{ms}");
    }
    assert!(continuity.established().is_some());
    assert!(hear(&mut continuity, 4_995_100, &packet(5_000, first(5_000) + 300, 270)).is_empty());
}

#[test]
fn numbers_without_audio_are_skipped() {
    let mut continuity = established();
    continuity.skip(Ssrc(7), SequenceNumber::new(2_000));
    assert_eq!(hear(&mut continuity, 2_000_000, &packet(2_001, 2_000 * FRAMES, 288)).len(), 1);
    assert_eq!(hear(&mut continuity, 2_001_000, &packet(2_002, 2_001 * FRAMES, 288)).len(), 1);
}

#[test]
fn shorter_packets_are_not_held_up_and_the_line_goes_on_beside_them() {
    let short = |n: i64| packet(2_000 + n, 2_000 * FRAMES + 6 * n, 36);
    let mut continuity = established();
    assert!((0..500).all(|n| hear(&mut continuity, 2_000_000 + 125 * n, &short(n)).len() == 1));
    // Forged packets that continue the stream exactly, and arrive before the sender's, do not keep
    // the sender out.
    let mut continuity = established();
    (0..4).for_each(|n| drop(hear(&mut continuity, 1_999_500 + 10 * n, &short(n))));
    for ms in 2_000..2_100 {
        assert_eq!(hear(&mut continuity, 1_000 * ms, &packet(ms, ms * FRAMES, 288)).len(), 1, "{ms}");
    }
}

/// The packets of the shorter path arrive together with the last ones of the longer path.
#[test]
fn a_path_that_has_become_shorter_costs_no_packet() {
    for shorter in [18, 300, 1_000] {
        let mut continuity = established();
        let mut taken = 0;
        for ms in 2_000..2_000 + 2 * shorter {
            let judged = |continuity: &mut Continuity, n: i64, is_early| {
                let bytes = packet(n, n * FRAMES, 288);
                let datagram = Datagram { leg: Leg::A, at: at(1_000 * ms), from: None, bytes: &bytes };
                let verdict = continuity.judge(datagram, &RtpPacket::parse(&bytes).unwrap(), 48, is_early);
                usize::from(verdict == Verdict::Take) + std::iter::from_fn(|| continuity.poll_released()).count()
            };
            if ms < 2_000 + shorter {
                taken += judged(&mut continuity, ms, false);
            }
            taken += judged(&mut continuity, ms + shorter, true);
        }
        assert_eq!((taken as i64, continuity.take_refused()), (3 * shorter, 0), "{shorter} ms");
    }
}
