//! Sending, seen from the wire: what the packets hold, when they are due, and what becomes of both
//! when clocks and callers misbehave.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use engine::clock::{
    ClockMap, ClockReading, ClockServo, Direction, LockState, PathDelay, PtpMap, Reference, ReferenceConfig,
    SlaveClock, SlaveClockConfig, Sources, TimestampPair,
};
use engine::rtp::format::{Encoding, MAX_CHANNELS, MAX_PAYLOAD, PacketTime, StreamFormat};
use engine::rtp::leg::Leg;
use engine::rtp::wire::RtpPacket;
use engine::send::{Dither, MediaTimeline, Sender, SenderConfig, SenderError};
use engine::{Frames, LocalTime, Nanos, Ppb, PtpTime, SampleRate};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const EPOCH_S: u64 = 1_790_000_000;
const START: LocalTime = LocalTime::from_nanos(5_000_000_000);

fn format(encoding: Encoding, hz: u32, channels: usize) -> StreamFormat {
    StreamFormat::new(encoding, SampleRate::from_hz(hz).unwrap(), channels).unwrap()
}

fn config(format: StreamFormat, packet_time: PacketTime) -> SenderConfig {
    SenderConfig { packet_time, ..SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1) }
}

fn map(ahead: Nanos, ppm: f64) -> PtpMap {
    PtpMap::new(START, PtpTime::from_timestamp(EPOCH_S, 0) + ahead, ClockMap::exact(START, 0.0, Ppb::from_ppm(ppm)))
}

fn locked(map: PtpMap, epoch: u32) -> Sources {
    let reading = ClockReading { state: LockState::Locked, map: Some(map), epoch, path_delay: PathDelay::Measured };
    Sources { ptp: Some(reading), ..Sources::default() }
}

fn reference(map: PtpMap) -> Reference {
    let mut reference = Reference::new(ReferenceConfig::default());
    reference.advance(START, &locked(map, 0));
    reference
}

fn silence(_first: Frames, out: &mut [f32]) {
    out.fill(0.0);
}

/// Sends what is due at `now`, in full; what was sent goes to `sent`.
fn send(sender: &mut Sender, now: LocalTime, mut sent: impl FnMut(Leg, RtpPacket<'_>)) {
    while sender.poll_timeout().is_some_and(|due| due <= now) {
        sender.handle_timeout(now, &mut silence);
        while let Some(transmit) = sender.poll_transmit() {
            sent(transmit.leg, RtpPacket::parse(transmit.datagram).unwrap());
        }
    }
}

#[test]
fn every_packet_time_and_format_has_its_frames_and_bytes() {
    let times = [PacketTime::AES67.as_slice(), &[PacketTime::MS_5]].concat();
    let mut made = 0;
    for encoding in [Encoding::L16, Encoding::L24] {
        for (hz, frames) in [(44_100, 1), (48_000, 1), (96_000, 2)] {
            for (index, &time) in times.iter().enumerate() {
                let frames = frames * [6, 12, 16, 48, 192, 240][index];
                for channels in 1..=MAX_CHANNELS {
                    let format = format(encoding, hz, channels);
                    let bytes = frames * format.bytes_per_frame();
                    match Sender::new(config(format, time)) {
                        Ok(mut sender) => {
                            sender.set_clock(START, &reference(map(Nanos::ZERO, 0.0)));
                            let due = sender.poll_timeout().unwrap();
                            send(&mut sender, due, |_, packet| assert_eq!(packet.payload.len(), bytes));
                            made += 1;
                        }
                        Err(SenderError::PacketTooLong { .. }) => assert!(bytes > MAX_PAYLOAD, "{format:?} {time:?}"),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    }
    // Sums of the standard's most channels, at most 64: L24 64 40 30 10 2 2, twice, and half of it
    // at 96 kHz; L16 one and a half times as many.
    assert_eq!(
        made,
        2 * (64 + 40 + 30 + 10 + 2 + 2)
            + (40 + 20 + 15 + 5 + 1 + 1)
            + 2 * (64 + 60 + 45 + 15 + 3 + 3)
            + (60 + 30 + 22 + 7 + 1 + 1)
    );
}

#[test]
fn streams_that_cannot_be_are_refused_with_a_way_out() {
    let error = Sender::new(config(format(Encoding::L24, 48_000, 64), PacketTime::MS_1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "64 channels of 48 frames are 9216 bytes a packet, but 1440 is the most: take a shorter packet time or 10 channels"
    );
    let error = Sender::new(config(format(Encoding::L24, 32_000, 2), PacketTime::MS_1)).unwrap_err();
    assert_eq!(error.to_string(), "32000 Hz: AES67 has 44100, 48000 and 96000 Hz");
    let stereo = config(format(Encoding::L24, 48_000, 2), PacketTime::MS_1);
    let same = SenderConfig { secondary: Some(stereo.primary), ..stereo };
    assert_eq!(Sender::new(same).unwrap_err(), SenderError::SameDestination(stereo.primary));
    let early = SenderConfig { delay: Nanos::new(-1), ..stereo };
    assert_eq!(Sender::new(early).unwrap_err(), SenderError::Delay(Nanos::new(-1)));
}

#[test]
fn both_legs_send_the_same_packets() {
    let secondary = ([239, 70, 0, 1], 5004).into();
    let config =
        SenderConfig { secondary: Some(secondary), ..config(format(Encoding::L24, 48_000, 2), PacketTime::MS_1) };
    let mut sender = Sender::new(config).unwrap();
    sender.set_clock(START, &reference(map(Nanos::ZERO, 0.0)));
    let due = sender.poll_timeout().unwrap();
    sender.handle_timeout(due, &mut silence);
    let first = sender.poll_transmit().map(|transmit| (transmit.leg, transmit.destination, transmit.datagram.to_vec()));
    let second =
        sender.poll_transmit().map(|transmit| (transmit.leg, transmit.destination, transmit.datagram.to_vec()));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.0, first.1, second.0, second.1), (Leg::A, config.primary, Leg::B, secondary));
    assert_eq!(first.2, second.2);
    assert_eq!(sender.poll_transmit(), None);
    // A caller that does not drain is told.
    for _ in 0..3 {
        let due = sender.poll_timeout().unwrap();
        sender.handle_timeout(due, &mut silence);
    }
    assert_eq!(sender.stats().unsent, 4);
}

#[test]
fn timestamps_are_ptp_time_for_a_day_and_through_the_wrap() {
    // Mono packets of 5 ms, so that the day passes quickly; a crystal that is off by 40 ppm. The
    // wrap comes after half of the day.
    let offset = 0x8000_0000u32.wrapping_sub((EPOCH_S * 48_000) as u32);
    let config =
        SenderConfig { media_clock_offset: offset, ..config(format(Encoding::L16, 48_000, 1), PacketTime::MS_5) };
    let mut sender = Sender::new(config).unwrap();
    let truth = map(Nanos::from_millis(3), 40.0);
    sender.set_clock(START, &reference(truth));
    let end = START + Nanos::from_secs(24 * 3600);
    let (mut packets, mut wraps, mut last) = (0u64, 0, None);
    while let Some(due) = sender.poll_timeout().filter(|&due| due < end) {
        let mut sent = None;
        send(&mut sender, due, |_, packet| sent = Some(packet.header));
        let header = sent.unwrap();
        // The packet's end, in frames since PTP's epoch, by the nearest nanosecond to when it left.
        let frame = (truth.ptp_at(due) + Nanos::new(1)).as_nanos() * 48_000 / 1_000_000_000;
        let expected = (frame as u32).wrapping_sub(240).wrapping_add(offset);
        assert_eq!(header.timestamp.get(), expected, "packet {packets}");
        if let Some((timestamp, sequence)) = last {
            wraps += u32::from(header.timestamp.get() < timestamp);
            assert_eq!(header.sequence.get(), u16::wrapping_add(sequence, 1));
            assert_eq!(header.timestamp.get(), u32::wrapping_add(timestamp, 240));
        }
        assert!(!header.marker);
        last = Some((header.timestamp.get(), header.sequence.get()));
        packets += 1;
    }
    assert_eq!(wraps, 1);
    let expected = 24.0 * 3600.0 * 200.0 * 1.000_04;
    assert!((packets as f64 - expected).abs() < 2.0, "{packets} against {expected}");
}

/// A host whose crystal wanders, a grandmaster that is heard 8 times a second with jitter, and the
/// engine's own slave clock.
struct Host {
    clock: SlaveClock,
    random: ChaCha8Rng,
    /// Host time in ns since [`START`], as a function of true time in steps of 1/8 s.
    local_ns: f64,
    ppb: f64,
    step: i64,
}

impl Host {
    fn new() -> Self {
        let clock = SlaveClock::new(SlaveClockConfig::default());
        Self { clock, random: ChaCha8Rng::seed_from_u64(3), local_ns: 0.0, ppb: 20_000.0, step: 0 }
    }

    fn uniform(&mut self) -> f64 {
        f64::from(self.random.next_u32()) / 4_294_967_296.0
    }

    fn now(&self) -> LocalTime {
        START + Nanos::new(self.local_ns as i64)
    }

    fn ptp(&self) -> PtpTime {
        PtpTime::from_timestamp(EPOCH_S, 0) + Nanos::from_millis(125 * self.step)
    }

    /// 125 ms pass. Messages travel for 50 us, and up to 20 us longer.
    fn advance(&mut self, heard: bool) {
        self.ppb += 0.4 * (self.uniform() - 0.5);
        self.local_ns += 125e6 / (1.0 + self.ppb * 1e-9);
        self.step += 1;
        let (now, ptp) = (self.now(), self.ptp());
        if heard {
            let late = Nanos::new(50_000 + (20_000.0 * self.uniform()) as i64);
            self.clock.observe(&TimestampPair { direction: Direction::Forward, local: now + late, remote: ptp });
            let late = Nanos::new(50_000 + (20_000.0 * self.uniform()) as i64);
            self.clock.observe(&TimestampPair { direction: Direction::Reverse, local: now, remote: ptp + late });
        }
        self.clock.advance(now + Nanos::from_micros(200));
    }
}

#[test]
fn a_grandmaster_lost_for_ten_minutes_moves_the_stream_by_less_than_is_claimed_and_never_by_a_step() {
    let mut host = Host::new();
    let mut reference = Reference::new(ReferenceConfig::default());
    let config = config(format(Encoding::L24, 48_000, 2), PacketTime::MS_1);
    let mut sender = Sender::new(config).unwrap();
    let timeline = MediaTimeline::new(SampleRate::HZ_48000);
    let (mut worst_locked, mut worst_share) = (Nanos::ZERO, 0.0f64);
    let mut last: Option<(LocalTime, Frames)> = None;
    let mut lost = None;
    for step in 0..8 * 1800 {
        let heard = !(8 * 600..8 * 1200).contains(&step);
        host.advance(heard);
        // What is sent now is told to the reference a little later than it is known.
        let now = host.now() + Nanos::from_micros(200);
        reference.advance(now, &Sources { ptp: Some(host.clock.reading(now)), ..Sources::default() });
        sender.set_clock(now, &reference);
        let Some(reading) = reference.reading().map else { continue };
        if step == 8 * 600 {
            lost = Some(host.now());
        }
        // Where the next packet leaves against when it should, by the true clock.
        let first = sender.position();
        let due = sender.poll_timeout().unwrap();
        let truth = host.ptp() + Nanos::new(((due - host.now()).as_nanos() as f64 * (1.0 + host.ppb * 1e-9)) as i64);
        let error = (truth - timeline.begin_of(first + Frames::new(48))).abs();
        if step > 8 * 60 {
            let sigma_ns = reading.clock().sigma_ns(now);
            worst_share = worst_share.max(error.as_nanos() as f64 / (3.0 * sigma_ns));
            if heard && step < 8 * 600 {
                worst_locked = worst_locked.max(error);
            }
        }
        // Everything up to the next step; departures follow each other like packets, but for the
        // slew of 200 ppm.
        let until = now + Nanos::from_millis(125);
        while let Some(due) = sender.poll_timeout().filter(|&due| due < until) {
            if let Some((before, position)) = last {
                assert_eq!(sender.position() - position, Frames::new(48));
                let interval = due - before;
                let slack = Nanos::from_micros(2);
                assert!((interval - Nanos::from_millis(1)).abs() < slack, "{interval} at step {step}");
            }
            last = Some((due, sender.position()));
            send(&mut sender, due, |_, packet| assert!(!packet.header.marker));
        }
    }
    assert!(lost.is_some_and(|at| at > START));
    assert!(worst_locked < Nanos::from_micros(2), "{worst_locked}");
    assert!(worst_share < 1.0, "{worst_share} of three sigma");
    let stats = sender.stats();
    assert_eq!((stats.realignments, stats.skipped_packets), (0, 0));
    assert_eq!(reference.reading().epoch, 0);
}

#[test]
fn a_stepped_timeline_is_followed_once_with_the_marker_and_the_same_ssrc() {
    let mut sender = Sender::new(config(format(Encoding::L24, 48_000, 2), PacketTime::MS_1)).unwrap();
    let mut reference = reference(map(Nanos::ZERO, 0.0));
    sender.set_clock(START, &reference);
    let mut packets = Vec::new();
    let mut run = |sender: &mut Sender, reference: &Reference, ms: std::ops::Range<i64>| {
        for ms in ms {
            let now = START + Nanos::from_millis(ms) + Nanos::from_micros(10);
            sender.set_clock(now, reference);
            send(sender, now, |_, packet| packets.push(packet.header));
        }
    };
    run(&mut sender, &reference, 1..100);
    let hour = Nanos::from_secs(3600);
    let now = START + Nanos::from_millis(100);
    reference.advance(now, &locked(map(hour, 0.0), 1));
    run(&mut sender, &reference, 100..200);
    // Back by an hour, and half a packet.
    let now = START + Nanos::from_millis(200);
    reference.advance(now, &locked(map(Nanos::from_micros(500), 0.0), 2));
    run(&mut sender, &reference, 200..300);
    // A step of less than a packet moves nothing but the departures.
    let now = START + Nanos::from_millis(300);
    reference.advance(now, &locked(map(Nanos::from_micros(300), 0.0), 3));
    run(&mut sender, &reference, 300..400);
    let marked: Vec<usize> = packets.iter().enumerate().filter(|(_, header)| header.marker).map(|(i, _)| i).collect();
    // The packet that was due when the step was told is the one that is left out.
    assert_eq!(marked, [99, 198]);
    assert_eq!(sender.stats().realignments, 2);
    assert!(packets.iter().all(|header| header.ssrc == sender.ssrc()));
    for (i, pair) in packets.windows(2).enumerate() {
        assert_eq!(pair[1].sequence, pair[0].sequence.next());
        let moved = pair[1].timestamp.get().wrapping_sub(pair[0].timestamp.get()) as i32;
        let expected = match i + 1 {
            99 => 48 + 3600 * 48_000,
            198 => 48 - 3600 * 48_000,
            _ => 48,
        };
        assert!((moved - expected).abs() <= if [99, 198].contains(&(i + 1)) { 48 } else { 0 }, "{i}: {moved}");
    }
    assert!((397..=398).contains(&packets.len()), "{}", packets.len());
}

#[test]
fn a_caller_that_stalls_sends_a_burst_and_leaves_out_what_nobody_would_play() {
    let mut sender = Sender::new(config(format(Encoding::L24, 48_000, 2), PacketTime::MS_1)).unwrap();
    let reference = reference(map(Nanos::ZERO, 0.0));
    sender.set_clock(START, &reference);
    let count = |sender: &mut Sender, ms: i64| {
        let (mut count, mut marked) = (0, 0);
        let now = START + Nanos::from_millis(ms) + Nanos::new(1);
        // A caller that is late is no step of the timeline.
        sender.set_clock(now, &reference);
        send(sender, now, |_, packet| {
            count += 1;
            marked += i32::from(packet.header.marker);
        });
        (count, marked)
    };
    assert_eq!(count(&mut sender, 1), (1, 0));
    assert_eq!(count(&mut sender, 15), (14, 0), "a stall of 14 ms is made up for");
    assert_eq!(sender.stats().lateness.max(), Nanos::from_millis(13) + Nanos::new(1));
    assert_eq!(count(&mut sender, 500), (0, 0), "485 packets are too late, and the next one is not due");
    assert_eq!(count(&mut sender, 501), (1, 1));
    assert_eq!((sender.stats().skipped_packets, sender.stats().realignments), (485, 0));
    assert_eq!(sender.stats().lateness.count(), 16);
}

#[test]
fn audio_of_24_bits_passes_unchanged_and_16_bits_are_dithered_only_where_they_must() {
    let stereo = |encoding| format(encoding, 48_000, 2);
    let dither = Dither::Tpdf { seed: 9 };
    let payload = |format: StreamFormat, value: fn(i64) -> f32| {
        let mut sender = Sender::new(SenderConfig { dither, ..config(format, PacketTime::MS_1) }).unwrap();
        sender.set_clock(START, &reference(map(Nanos::ZERO, 0.0)));
        let due = sender.poll_timeout().unwrap();
        sender.handle_timeout(due, &mut |first: Frames, out: &mut [f32]| {
            (first.get()..).zip(out.chunks_exact_mut(2)).for_each(|(n, frame)| frame.fill(value(n)));
        });
        RtpPacket::parse(sender.poll_transmit().unwrap().datagram).unwrap().payload.to_vec()
    };
    let first = EPOCH_S as i64 * 48_000;
    // 24 bits, of which the last 8 are not zero.
    let fine = |n: i64| (n * 7919 % 8_388_607 - 4_000_000) as f32 / 8_388_608.0;
    let sent = payload(stereo(Encoding::L24), fine);
    for (n, frame) in (first..).zip(sent.chunks_exact(6)) {
        let [_, high, middle, low] = ((n * 7919 % 8_388_607 - 4_000_000) as i32).to_be_bytes();
        assert_eq!(frame, [high, middle, low, high, middle, low]);
    }
    let coarse = |n: i64| (n * 31 % 65_536 - 32_768) as f32 / 32_768.0;
    for (n, frame) in (first..).zip(payload(stereo(Encoding::L16), coarse).chunks_exact(4)) {
        let [high, low] = ((n * 31 % 65_536 - 32_768) as i16).to_be_bytes();
        assert_eq!(frame, [high, low, high, low]);
    }
    let dithered = payload(stereo(Encoding::L16), fine);
    assert!(dithered.chunks_exact(4).any(|frame| frame[..2] != frame[2..]), "channels have noise of their own");
    assert_eq!(dithered, payload(stereo(Encoding::L16), fine), "the same seed gives the same bytes");
}

#[test]
fn identifiers_follow_the_seed_and_a_collision_is_resolved() {
    let of_seed = |seed| {
        let config = config(format(Encoding::L24, 48_000, 2), PacketTime::MS_1);
        Sender::new(SenderConfig { seed, ..config }).unwrap()
    };
    let mut sender = of_seed(1);
    assert_eq!(sender.ssrc(), of_seed(1).ssrc());
    assert_ne!(sender.ssrc(), of_seed(2).ssrc());
    let before = sender.ssrc();
    sender.resolve_collision();
    assert_ne!(sender.ssrc(), before);
}
