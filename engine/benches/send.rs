//! What sending costs: time per packet, from a source that costs nothing to packets for the socket;
//! and of a relay, from datagram to datagram.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::clock::{ClockMap, ClockReading, LockState, PathDelay, PtpMap, Reference, ReferenceConfig, Sources};
use engine::receive::{MediaClock, StreamConfig};
use engine::relay::{Relay, RelayConfig};
use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
use engine::rtp::leg::Leg;
use engine::send::{Dither, Packetizer, Sender, SenderConfig};
use engine::{Frames, LocalTime, Nanos, PtpTime, SampleRate};
use std::hint::black_box;

const CASES: [(&str, Encoding, usize, PacketTime, Dither); 4] = [
    ("stereo L24, 1 ms", Encoding::L24, 2, PacketTime::MS_1, Dither::Off),
    ("stereo L16, 1 ms", Encoding::L16, 2, PacketTime::MS_1, Dither::Off),
    ("stereo L16, 1 ms, dithered", Encoding::L16, 2, PacketTime::MS_1, Dither::Tpdf { seed: 1 }),
    ("64 channels L24, 125 us", Encoding::L24, 64, PacketTime::US_125, Dither::Off),
];

fn packets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packetizer");
    group.throughput(Throughput::Elements(1));
    for (name, encoding, channels, packet_time, dither) in CASES {
        let format = StreamFormat::new(encoding, SampleRate::HZ_48000, channels).expect("channels in range");
        let config =
            SenderConfig { packet_time, dither, ..SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1) };
        let mut packetizer = Packetizer::new(&config).expect("a packet that fits");
        let frames = packet_time.frames(SampleRate::HZ_48000).expect("a rate of AES67");
        let audio: Vec<f32> = (0..frames * channels).map(|i| (i as f32 * 0.37).sin() * 0.7).collect();
        let mut first = 0;
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                first += frames as i64;
                let mut source = |_: Frames, out: &mut [f32]| out.copy_from_slice(black_box(&audio));
                black_box(packetizer.packetize(Frames::new(first), false, &mut source)).len()
            });
        });
    }
    group.finish();
}

/// A datagram in and a datagram out, stereo L24 of 1 ms.
fn relay(criterion: &mut Criterion) {
    let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).expect("channels in range");
    let output = SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1);
    let depth = Nanos::from_millis(5);
    let input = StreamConfig {
        payload_type: Some(96),
        media_clock: MediaClock::Ptp { offset: 0 },
        ..StreamConfig::new(format, depth, 480)
    };
    let mut relay = Relay::new(RelayConfig { input, output, latency: depth }).expect("a relay that can be");
    let mut sender = Sender::new(SenderConfig { seed: 2, ..output }).expect("a stream that can be");
    let map = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(1_790_000_000, 0), ClockMap::default());
    let ptp = ClockReading { state: LockState::Locked, map: Some(map), epoch: 0, path_delay: PathDelay::Measured };
    let mut reference = Reference::new(ReferenceConfig::default());
    reference.advance(LocalTime::ZERO, &Sources { ptp: Some(ptp), ..Sources::default() });
    relay.set_clock(LocalTime::ZERO, &reference);
    sender.set_clock(LocalTime::ZERO, &reference);
    let mut source = |_: Frames, out: &mut [f32]| out.fill(0.25);
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    group.bench_function("stereo L24, 1 ms, with the packet that comes in", |bencher| {
        bencher.iter(|| {
            let due = sender.poll_timeout().expect("a time");
            sender.handle_timeout(due, &mut source);
            if let Some(packet) = sender.poll_transmit() {
                relay.handle_datagram(Leg::A, due, packet.datagram).expect("a packet of the stream");
            }
            relay.handle_timeout(due);
            relay.poll_transmit().map(|transmit| black_box(transmit.datagram).len())
        });
    });
    group.finish();
}

criterion_group!(benches, packets, relay);
criterion_main!(benches);
