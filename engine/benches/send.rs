//! What sending costs: time per packet, from a source that costs nothing to packets for the socket; and of a relay, from datagram to datagram.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
use engine::send::{Dither, Packetizer, SenderConfig};
use engine::{Frames, SampleRate};
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

criterion_group!(benches, packets);
criterion_main!(benches);
