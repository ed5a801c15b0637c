//! Time per block of all resamplers of `sim bench resamplers`:
//! `cargo bench -p sim --features peers`.
//!
//! Blocks of 480 frames of two channels at 100 ppm, as a sound card with a 10 ms period pulls them.
//! Throughput counts frames, not samples.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim::bench::contestants;
use std::hint::black_box;

const FRAMES: usize = 480;
const CHANNELS: usize = 2;
const STEP: f64 = 1.0001;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resamplers");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let input: Vec<f32> = (0..2 * FRAMES * CHANNELS).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
    let mut output = vec![0.0; FRAMES * CHANNELS];
    for contestant in contestants() {
        let Ok(mut resampler) = contestant.make(CHANNELS, FRAMES) else { continue };
        group.bench_function(&contestant.name, |bencher| {
            bencher.iter(|| {
                let needed = resampler.prepare(FRAMES, STEP);
                resampler.process(black_box(&input[..needed * CHANNELS]), &mut output);
                black_box(&output);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
