use super::*;
use engine::SampleRate;
use engine::receive::Leg;
use engine::rtp::format::Encoding;
use engine::rtp::wire::{PayloadType, Ssrc};

const PACKET: usize = 48;

fn described() -> Described {
    let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 1).unwrap();
    Described { format, payload_type: Some(96), packet_frames: Some(PACKET as u32) }
}

fn capture() -> Capture {
    Capture::new(described())
}

impl Capture {
    fn handle_datagram(&mut self, at: LocalTime, bytes: &[u8]) {
        self.handle(Datagram { leg: Leg::A, at, from: None, bytes });
    }
}

/// The packet number `index` of a stream in which frame n has the value n + 1, offset to a
/// timestamp near its wrap.
fn packet(index: u32, ssrc: u32, origin: u32) -> Vec<u8> {
    let header = RtpHeader {
        marker: false,
        payload_type: PayloadType::new(96).unwrap(),
        sequence: SequenceNumber::new(index as u16),
        timestamp: RtpTimestamp::new(origin.wrapping_add(index * PACKET as u32)),
        ssrc: Ssrc(ssrc),
    };
    let samples = (0..PACKET as u32).flat_map(|i| {
        let [_, high, middle, low] = (index * PACKET as u32 + i + 1).to_be_bytes();
        [high, middle, low]
    });
    header.emit().into_iter().chain(samples).collect()
}

fn at(index: u32) -> LocalTime {
    LocalTime::from_nanos(5_000_000_000 + i64::from(index) * 1_000_000)
}

fn drain(capture: &mut Capture) -> Vec<i32> {
    capture.finish();
    let samples = |block: Block| match block.audio {
        Audio::Samples(samples) => samples,
        Audio::Silence(frames) => vec![0; frames as usize],
    };
    std::iter::from_fn(|| capture.poll_block()).flat_map(samples).collect()
}

const NEAR_WRAP: u32 = u32::MAX - 1000;

#[test]
fn a_stream_is_recorded_bit_for_bit_through_a_wrap_reordering_and_copies() {
    let mut capture = capture();
    for pair in 0..500 {
        for index in [2 * pair + 1, 2 * pair, 2 * pair] {
            capture.handle_datagram(at(index), &packet(index, 1, NEAR_WRAP));
        }
    }
    // The second packet came first, so the recording begins with it.
    let expected: Vec<i32> = (PACKET as i32 + 1..=1000 * PACKET as i32).collect();
    assert_eq!(drain(&mut capture), expected);
    assert_eq!((capture.stats().missing_frames, capture.stats().late_packets), (0, 2));
}

#[test]
fn what_is_lost_is_silence_of_the_same_length() {
    let mut capture = capture();
    for index in (0..1000).filter(|index| !(100..110).contains(index) && *index != 500) {
        capture.handle_datagram(at(index), &packet(index, 1, 7));
    }
    let recorded = drain(&mut capture);
    assert_eq!(recorded.len(), 1000 * PACKET);
    let wrong = (1..).zip(&recorded).filter(|&(expected, &sample)| sample != expected && sample != 0).count();
    assert_eq!(wrong, 0);
    assert_eq!((capture.stats().missing_frames, capture.stats().gaps), (11 * PACKET as u64, 2));
}

#[test]
fn a_pause_of_the_sender_is_silence_and_so_is_what_was_before_a_new_source() {
    let mut capture = capture();
    (0..100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
    (5000..5100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
    assert_eq!(capture.stats().restarts, 0);
    // Another source, at first alongside this one, then alone.
    capture.handle_datagram(at(5100), &packet(0, 2, 12345));
    assert_eq!(capture.stats().refusals.total(), 1);
    (0..100).for_each(|index| capture.handle_datagram(at(6000 + index), &packet(index, 2, 12345)));
    assert_eq!(capture.stats().restarts, 1);
    let recorded = drain(&mut capture);
    assert_eq!(recorded.len(), (6000 + 100) * PACKET);
    assert!(recorded[5100 * PACKET..6000 * PACKET].iter().all(|sample| *sample == 0));
    assert_eq!(&recorded[6000 * PACKET..][..3], [1, 2, 3]);
    assert_eq!((capture.stats().missing_frames, capture.stats().gaps), ((4900 + 900) * PACKET as u64, 2));
}

#[test]
fn a_sender_that_restarts_on_its_media_clock_goes_on_at_its_place() {
    let mut capture = capture();
    (0..100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, NEAR_WRAP)));
    // Its packets are 10 ms later now: timestamps determine the position, not arrivals.
    (400..500).for_each(|index| capture.handle_datagram(at(index + 10), &packet(index, 2, NEAR_WRAP)));
    assert_eq!(capture.newest().map(|(timeline, ..)| timeline), Some(0));
    let recorded = drain(&mut capture);
    assert_eq!(recorded.len(), 500 * PACKET);
    assert_eq!(recorded[400 * PACKET], 400 * PACKET as i32 + 1);
    assert_eq!((capture.stats().restarts, capture.stats().missing_frames), (1, 300 * PACKET as u64));
}

#[test]
fn a_leg_that_is_behind_neither_shortens_a_pause_nor_brings_back_what_was_left() {
    let mut capture = capture();
    let mut behind = VecDeque::new();
    let mut send = |capture: &mut Capture, index: u32, packet: Option<Vec<u8>>| {
        packet.iter().for_each(|packet| capture.handle_datagram(at(index), packet));
        behind.push_back(packet);
        // Each leg's socket has two at a time.
        let waiting = if index.is_multiple_of(2) { behind.len() } else { 100 };
        let copies: Vec<_> = behind.drain(..behind.len().saturating_sub(waiting)).collect();
        copies.iter().flatten().for_each(|packet| capture.handle_datagram(at(index), packet));
        capture.handle_idle(at(index));
    };
    (0..500).for_each(|index| send(&mut capture, index, Some(packet(index, 1, 7))));
    // It jumps, and jumps again after a pause.
    (500..1000).for_each(|index| send(&mut capture, index, Some(packet(index, 1, 1 << 30))));
    (1000..3000).for_each(|index| send(&mut capture, index, None));
    (3000..3500).for_each(|index| send(&mut capture, index, Some(packet(index, 1, 1 << 31))));
    assert_eq!(capture.stats().restarts, 2);
    let recorded = drain(&mut capture);
    assert_eq!(recorded.len(), 3500 * PACKET);
    let wrong = (1..).zip(&recorded).filter(|&(expected, &sample)| sample != expected && sample != 0).count();
    assert_eq!(wrong, 0);
    // After each jump, the first packet waited for confirmation.
    let silent = recorded.iter().filter(|sample| **sample == 0).count();
    assert_eq!((silent, capture.stats().gaps), (2002 * PACKET, 2));
}

#[test]
fn a_stream_that_goes_on_under_another_name_has_no_gap() {
    let mut capture = capture();
    (0..200).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1 + index / 100, 7)));
    assert_eq!(drain(&mut capture), (1..=200 * PACKET as i32).collect::<Vec<_>>());
    assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (0, 0));
}

#[test]
fn silence_follows_while_nothing_comes_and_a_clock_that_is_off_finds_its_place_in_the_morning() {
    for off in [-50, 0, 50] {
        let mut capture = capture();
        (0..1000).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, NEAR_WRAP)));
        let night_ms = 10 * 3600 * 1000i64;
        let mut recorded = 0;
        for second in 0..night_ms / 1000 {
            capture.handle_idle(at(1000 + 1000 * second as u32));
            while let Some(Block { audio, .. }) = capture.poll_block() {
                recorded += match audio {
                    Audio::Samples(samples) => samples.len(),
                    Audio::Silence(frames) => frames as usize,
                };
            }
            let behind_s = second - recorded as i64 / 48_000;
            assert!((-1..=2 + second / 5000).contains(&behind_s), "{behind_s} s behind after {second}");
        }
        let by_our_clock = (night_ms + night_ms * off / 1_000_000) as u32;
        let (first, last) = (1000 + night_ms as u32, 1100 + night_ms as u32);
        (first..last).for_each(|index| {
            capture.handle_datagram(at(by_our_clock + index - night_ms as u32), &packet(index, 1, NEAR_WRAP));
        });
        recorded += drain(&mut capture).len();
        assert_eq!((capture.stats().restarts, recorded), (0, last as usize * PACKET), "{off} ppm");
    }
}

#[test]
fn a_night_without_packets_takes_no_memory() {
    let mut capture = capture();
    (0..1000).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
    let later = 1000 + 8 * 3600 * 1000;
    (later..later + 300).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
    capture.finish();
    let blocks: Vec<Block> = std::iter::from_fn(|| capture.poll_block()).collect();
    let silence = blocks.iter().map(|block| match block.audio {
        Audio::Silence(frames) => frames,
        Audio::Samples(_) => 0,
    });
    assert_eq!(silence.sum::<u64>(), 8 * 3600 * 48_000);
    assert!(blocks.len() < 2_000, "{} blocks", blocks.len());
}

#[test]
fn a_single_wild_timestamp_is_refused_and_a_lasting_jump_followed() {
    let mut capture = capture();
    (0..100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
    capture.handle_datagram(at(100), &packet(100, 1, 1 << 30));
    capture.handle_datagram(at(101), &packet(101, 1, 7));
    assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (0, 1));
    // Nor are both legs' copies of one packet two.
    (0..2).for_each(|_| capture.handle_datagram(at(102), &packet(102, 1, 1 << 30)));
    assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (0, 3));
    capture.handle_datagram(at(103), &packet(103, 1, 1 << 30));
    assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (1, 3));
}

#[test]
fn packets_of_another_format_are_silence_and_keep_alives_are_not_refused() {
    let mut capture = capture();
    // In the middle, each packet has twice as many channels as described.
    let twice = |index| [packet(index, 1, 7), packet(index, 1, 7)[12..].to_vec()].concat();
    for index in 0..1000 {
        let datagram = if (400..600).contains(&index) { twice(index) } else { packet(index, 1, 7) };
        capture.handle_datagram(at(index), &datagram);
        capture.handle_idle(at(index));
        for keep_alive in [&datagram[..12], b"", b"\x80\xC8\0\x06abcdabcdabcd"] {
            capture.handle_datagram(at(index), keep_alive);
        }
    }
    let refusals = capture.stats().refusals;
    assert_eq!((refusals.companions, refusals.total(), refusals.contradiction), (3000, 198, 198));
    let recorded = drain(&mut capture);
    assert_eq!(recorded.len(), 1000 * PACKET);
    let wrong = (1..).zip(&recorded).filter(|&(expected, &sample)| sample != expected && sample != 0).count();
    assert_eq!(wrong, 0);
    // After the end of it, the first packet begins the second pair that matches.
    let silent = recorded.iter().filter(|sample| **sample == 0).count();
    assert!((200 * PACKET..=203 * PACKET).contains(&silent), "{silent}");
}
