//! A relay, seen from the wire: bits, latency, and what becomes of loss.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use engine::audio::ChannelMap;
use engine::clock::{ClockMap, ClockReading, LockState, PathDelay, PtpMap, Reference, ReferenceConfig, Sources};
use engine::receive::{MediaClock, StreamConfig};
use engine::relay::{Relay, RelayConfig, RelayError};
use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
use engine::rtp::leg::Leg;
use engine::rtp::wire::RtpPacket;
use engine::send::{Sender, SenderConfig};
use engine::{Frames, LocalTime, Nanos, Ppb, PtpTime, SampleRate};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const START: LocalTime = LocalTime::from_nanos(5_000_000_000);
const LATENCY: Nanos = Nanos::from_millis(10);
const INPUT_OFFSET: u32 = 0xDEAD_BEEF;
/// Frames of the fade that follows a gap, and the first audio.
const FADE: i64 = 240;

fn format(encoding: Encoding, channels: usize) -> StreamFormat {
    StreamFormat::new(encoding, SampleRate::HZ_48000, channels).unwrap()
}

fn sender_config(format: StreamFormat, packet_time: PacketTime) -> SenderConfig {
    SenderConfig { packet_time, ..SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1) }
}

fn stream_config(format: StreamFormat) -> StreamConfig {
    StreamConfig {
        payload_type: Some(96),
        media_clock: MediaClock::Ptp { offset: INPUT_OFFSET },
        ..StreamConfig::new(format, LATENCY, 480)
    }
}

fn relay_config(input: StreamFormat, output: StreamFormat, packet_time: PacketTime) -> RelayConfig {
    RelayConfig { input: stream_config(input), output: sender_config(output, packet_time), latency: LATENCY }
}

/// PTP time that is 30 ppm faster than the host's, so that the day's frames do not fall on the
/// host's nanoseconds.
fn reference(ahead: Nanos, epoch: u32) -> Reference {
    let mut reference = Reference::new(ReferenceConfig::default());
    step(&mut reference, ahead, epoch, START);
    reference
}

fn step(reference: &mut Reference, ahead: Nanos, epoch: u32, now: LocalTime) {
    let clock = ClockMap::exact(START, 0.0, Ppb::from_ppm(30.0));
    let map = Some(PtpMap::new(START, PtpTime::from_timestamp(1_790_000_000, 0) + ahead, clock));
    let ptp = ClockReading { state: LockState::Locked, map, epoch, path_delay: PathDelay::Measured };
    reference.advance(now, &Sources { ptp: Some(ptp), ..Sources::default() });
}

/// Noise with all bits of the encoding: the sample of a frame and a channel.
fn sample(encoding: Encoding, frame: i64, channel: usize) -> i32 {
    let mixed = (frame as u64 * 64 + channel as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bits = 8 * encoding.bytes_per_sample() as u32;
    ((mixed ^ mixed >> 29) >> 7) as i32 >> (32 - bits)
}

fn decode(encoding: Encoding, bytes: &[u8]) -> i32 {
    match *bytes {
        [high, low] => i32::from(i16::from_be_bytes([high, low])),
        [high, middle, low] => i32::from_be_bytes([high, middle, low, 0]) >> 8,
        _ => panic!("{encoding}"),
    }
}

/// The input's packets with the times of their departure, of so many seconds.
fn packets(
    format: StreamFormat,
    packet_time: PacketTime,
    reference: &Reference,
    length: Nanos,
) -> Vec<(LocalTime, Vec<u8>)> {
    let config = SenderConfig { media_clock_offset: INPUT_OFFSET, seed: 2, ..sender_config(format, packet_time) };
    let mut sender = Sender::new(config).unwrap();
    sender.set_clock(START, reference);
    let scale = 1.0 / (1u32 << (8 * format.encoding().bytes_per_sample() - 1)) as f32;
    let mut source = |first: Frames, out: &mut [f32]| {
        for (frame, out) in (first.get()..).zip(out.chunks_exact_mut(format.channels())) {
            for (channel, out) in out.iter_mut().enumerate() {
                *out = sample(format.encoding(), frame, channel) as f32 * scale;
            }
        }
    };
    let mut packets = Vec::new();
    while let Some(due) = sender.poll_timeout().filter(|&due| due < START + length) {
        sender.handle_timeout(due, &mut source);
        packets.push((due, sender.poll_transmit().unwrap().datagram.to_vec()));
    }
    packets
}

/// Delays packets by 0.2 to 6 ms each, so that many overtake each other.
fn travel(packets: &mut [(LocalTime, Vec<u8>)]) {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for packet in packets.iter_mut() {
        packet.0 = packet.0 + Nanos::new(200_000 + i64::from(random.next_u32() % 5_800_000));
    }
    packets.sort_by_key(|packet| packet.0);
}

/// Runs a relay over packets; what goes out is told with its media position.
fn run(relay: &mut Relay, packets: &[(LocalTime, Vec<u8>)], end: LocalTime, mut sent: impl FnMut(Frames, &[u8])) {
    let mut packets = packets.iter().peekable();
    let near = Frames::new(1_790_000_000 * 48_000);
    while let Some(due) = relay.poll_timeout().filter(|&due| due < end) {
        while let Some((at, datagram)) = packets.next_if(|packet| packet.0 <= due) {
            relay.handle_datagram(Leg::A, *at, datagram).unwrap();
        }
        relay.handle_timeout(due);
        while let Some(transmit) = relay.poll_transmit() {
            let packet = RtpPacket::parse(transmit.datagram).unwrap();
            sent(packet.header.timestamp.unwrap_near(near), packet.payload);
        }
    }
}

/// How many samples of what went out are not those that came in the latency before; `from` is the
/// first frame that counts.
fn wrong_samples(encoding: Encoding, channels: usize, first: Frames, payload: &[u8], from: i64) -> usize {
    let frames = payload.chunks_exact(channels * encoding.bytes_per_sample());
    let frames = (first.get()..).zip(frames).filter(|(frame, _)| *frame >= from);
    frames
        .flat_map(|(frame, bytes)| bytes.chunks_exact(encoding.bytes_per_sample()).enumerate().map(move |s| (frame, s)))
        .filter(|(frame, (channel, bytes))| decode(encoding, bytes) != sample(encoding, frame - 480, *channel))
        .count()
}

#[test]
fn a_minute_passes_bit_for_bit_through_jitter_and_reordering() {
    for (encoding, input, output) in [
        (Encoding::L24, PacketTime::MS_1, PacketTime::MS_1),
        (Encoding::L16, PacketTime::MS_1, PacketTime::MS_5),
        (Encoding::L24, PacketTime::US_125, PacketTime::MS_1),
    ] {
        let format = format(encoding, 2);
        let reference = reference(Nanos::ZERO, 0);
        let length = Nanos::from_secs(60);
        let mut packets = packets(format, input, &reference, length);
        travel(&mut packets);
        let mut relay = Relay::new(relay_config(format, format, output)).unwrap();
        relay.set_clock(START, &reference);
        // The first audio is faded in.
        let from = 1_790_000_000 * 48_000 + 480 + FADE;
        let (mut wrong, mut frames) = (0, 0);
        run(&mut relay, &packets, START + length, |first, payload| {
            wrong += wrong_samples(encoding, 2, first, payload, from);
            frames += payload.len() / format.bytes_per_frame();
        });
        assert_eq!(wrong, 0, "{encoding}");
        assert!(frames > 60 * 48_000 - 240, "{frames}");
        let stats = relay.stats();
        assert!(stats.concealed_frames <= 480 && stats.gaps == 1, "before the first frame: {stats:?}");
        assert_eq!((stats.late_packets, stats.early_packets), (0, 0));
        assert!(relay.ingest_stats().sequence.reordered > 1000);
        assert_eq!(relay.latency(), Frames::new(480));
    }
}

#[test]
fn loss_is_concealed_and_counted_and_the_rest_is_untouched() {
    let format = format(Encoding::L24, 2);
    let reference = reference(Nanos::ZERO, 0);
    let mut packets = packets(format, PacketTime::MS_1, &reference, Nanos::from_secs(5));
    let mut index = 0;
    packets.retain(|_| {
        index += 1;
        index % 500 != 499
    });
    // One that comes 30 ms late.
    packets[1234].0 = packets[1234].0 + Nanos::from_millis(30);
    packets.sort_by_key(|packet| packet.0);
    let mut relay = Relay::new(relay_config(format, format, PacketTime::MS_1)).unwrap();
    relay.set_clock(START, &reference);
    let mut wrong = 0;
    let from = 1_790_000_000 * 48_000 + 480 + FADE;
    run(&mut relay, &packets, START + Nanos::from_secs(5), |first, payload| {
        wrong += wrong_samples(Encoding::L24, 2, first, payload, from);
    });
    let stats = relay.stats();
    assert_eq!((stats.gaps, stats.late_packets), (1 + 9 + 1, 1));
    assert!(stats.concealed_frames <= 480 + 10 * 48, "{stats:?}");
    // Per gap the packet and the fade after it, stereo.
    assert!(wrong <= 10 * 2 * (48 + FADE as usize), "{wrong}");
    assert_eq!(relay.ingest_stats().sequence.lost, 10, "the last one had not to go out yet");
}

#[test]
fn channels_are_mapped_and_gains_applied() {
    let (input, output) = (format(Encoding::L24, 2), format(Encoding::L24, 3));
    let reference = reference(Nanos::ZERO, 0);
    let packets = packets(input, PacketTime::MS_1, &reference, Nanos::from_secs(1));
    let mut config = relay_config(input, output, PacketTime::MS_1);
    config.input.channel_map = ChannelMap::new(&[Some(1), None, Some(0)]).unwrap();
    let mut relay = Relay::new(config).unwrap();
    relay.set_clock(START, &reference);
    assert!(relay.set_gain(2, 0.5) && !relay.set_gain(3, 0.5) && !relay.set_gain(0, f32::NAN));
    let mut checked = 0;
    run(&mut relay, &packets, START + Nanos::from_secs(1), |first, payload| {
        let is_settled = first.get() >= 1_790_000_000 * 48_000 + 2 * 480;
        let settled = if is_settled { payload } else { &[] };
        for (frame, bytes) in (first.get() - 480..).zip(settled.chunks_exact(9)) {
            let sent = [0, 3, 6].map(|i| decode(Encoding::L24, &bytes[i..i + 3]));
            let [left, right] = [0, 1].map(|channel| sample(Encoding::L24, frame, channel));
            assert_eq!((sent[0], sent[1]), (right, 0));
            assert!((f64::from(sent[2]) - f64::from(left) / 2.0).abs() <= 0.5);
            checked += 1;
        }
    });
    assert!(checked > 45_000);
}

#[test]
fn a_stepped_clock_begins_anew_at_the_new_place() {
    let format = format(Encoding::L24, 2);
    let hour = Nanos::from_secs(3600);
    let mut clock = reference(Nanos::ZERO, 0);
    let before = packets(format, PacketTime::MS_1, &clock, Nanos::from_secs(1));
    let mut relay = Relay::new(relay_config(format, format, PacketTime::MS_1)).unwrap();
    relay.set_clock(START, &clock);
    run(&mut relay, &before, START + Nanos::from_secs(1), |_, _| {});
    let now = START + Nanos::from_secs(1);
    step(&mut clock, hour, 1, now);
    relay.set_clock(now, &clock);
    let after = packets(format, PacketTime::MS_1, &reference(hour, 0), Nanos::from_secs(4));
    let after: Vec<_> = after.into_iter().filter(|packet| packet.0 > now).collect();
    let (mut wrong, mut last) = (0, Frames::ZERO);
    let from = (1_790_000_000 + 3600 + 2) * 48_000;
    run_tolerant(&mut relay, &after, START + Nanos::from_secs(4), |first, payload| {
        wrong += wrong_samples(Encoding::L24, 2, first, payload, from);
        last = first;
    });
    assert_eq!(wrong, 0);
    assert!(last > Frames::new(from + 48_000), "{last:?}");
    assert_eq!(relay.sender_stats().realignments, 1);
}

#[test]
fn a_small_step_back_plays_nothing_of_the_old_timeline_again() {
    let format = format(Encoding::L24, 2);
    let back = Nanos::from_millis(-8);
    let mut clock = reference(Nanos::ZERO, 0);
    let before = packets(format, PacketTime::MS_1, &clock, Nanos::from_secs(1));
    let mut relay = Relay::new(relay_config(format, format, PacketTime::MS_1)).unwrap();
    relay.set_clock(START, &clock);
    let now = START + Nanos::from_secs(1);
    let mut newest = 0;
    run(&mut relay, &before, now, |first, _| newest = newest.max(first.get()));
    step(&mut clock, back, 1, now);
    relay.set_clock(now, &clock);
    let mut after = packets(format, PacketTime::MS_1, &reference(back, 0), Nanos::from_secs(2));
    after.retain(|packet| packet.0 > now);
    // Another audio, so that the old one is told from it: all bits turned round.
    after.iter_mut().for_each(|packet| packet.1[12..].iter_mut().for_each(|byte| *byte = !*byte));
    // The jump back by 384 frames, the latency, the fade, and a packet's rounding.
    let from = newest - 384 + 480 + FADE + 48;
    let (mut wrong, mut checked) = (0, 0);
    run_tolerant(&mut relay, &after, START + Nanos::from_secs(2), |first, payload| {
        let turned: Vec<u8> = payload.iter().map(|byte| !byte).collect();
        wrong += wrong_samples(Encoding::L24, 2, first, &turned, from);
        checked += usize::from(first.get() >= from);
    });
    assert_eq!(wrong, 0);
    assert!(checked > 900, "{checked}");
}

/// Like [`run`], but the ingest may refuse packets: it wants a second one before it believes a
/// jump.
fn run_tolerant(
    relay: &mut Relay,
    packets: &[(LocalTime, Vec<u8>)],
    end: LocalTime,
    mut sent: impl FnMut(Frames, &[u8]),
) {
    let near = Frames::new(1_790_000_000 * 48_000);
    let mut packets = packets.iter().peekable();
    while let Some(due) = relay.poll_timeout().filter(|&due| due < end) {
        while let Some((at, datagram)) = packets.next_if(|packet| packet.0 <= due) {
            let _ = relay.handle_datagram(Leg::A, *at, datagram);
        }
        relay.handle_timeout(due);
        while let Some(transmit) = relay.poll_transmit() {
            let packet = RtpPacket::parse(transmit.datagram).unwrap();
            sent(packet.header.timestamp.unwrap_near(near), packet.payload);
        }
    }
}

#[test]
fn packets_before_the_clock_are_counted_and_another_clock_is_found_out() {
    let format = format(Encoding::L24, 2);
    let packets = packets(format, PacketTime::MS_1, &reference(Nanos::from_secs(10), 0), Nanos::from_millis(500));
    let mut relay = Relay::new(relay_config(format, format, PacketTime::MS_1)).unwrap();
    relay.handle_datagram(Leg::A, packets[0].0, &packets[0].1).unwrap();
    assert_eq!(relay.stats().unplaced_packets, 1);
    relay.set_clock(START, &reference(Nanos::ZERO, 0));
    run(&mut relay, &packets[1..], START + Nanos::from_millis(500), |_, _| {});
    assert!(relay.stats().early_packets > 490, "{:?}", relay.stats());
}

#[test]
fn relays_that_cannot_be_are_refused() {
    let (stereo, mono) = (format(Encoding::L24, 2), format(Encoding::L24, 1));
    let good = relay_config(stereo, stereo, PacketTime::MS_1);
    let mut unrelated = good;
    unrelated.input.media_clock = MediaClock::Unrelated;
    assert!(matches!(Relay::new(unrelated), Err(RelayError::NotOnPtp)));
    let channels = relay_config(stereo, mono, PacketTime::MS_1);
    assert!(matches!(Relay::new(channels), Err(RelayError::Channels { mapped: 2, output: 1 })));
    let latency = RelayConfig { latency: Nanos::ZERO, ..good };
    assert!(matches!(Relay::new(latency), Err(RelayError::Latency(_))));
    let fast = StreamFormat::new(Encoding::L24, SampleRate::from_hz(96_000).unwrap(), 2).unwrap();
    let rates = relay_config(stereo, fast, PacketTime::MS_1);
    assert!(matches!(Relay::new(rates), Err(RelayError::SampleRates { input: 48_000, output: 96_000 })));
    let long = relay_config(stereo, format(Encoding::L24, 2), PacketTime::MS_5);
    assert!(Relay::new(long).is_ok());
}
