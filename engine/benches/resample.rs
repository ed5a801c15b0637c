//! Time per block of the resamplers, side by side: `cargo bench -p engine --bench resample --profile dev`.
//!
//! Blocks of 480 frames at 100 ppm, as a sound card with a 10 ms period pulls them. Throughput counts frames, not samples.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::resample::{NearUnityResampler, Resampler, SincResampler};
use std::hint::black_box;

const FRAMES: usize = 480;
const STEP: f64 = 1.0001;

fn bench(criterion: &mut Criterion) {
    for channels in [1, 2, 8] {
        let mut group = criterion.benchmark_group(format!("{channels} channels"));
        group.throughput(Throughput::Elements(FRAMES as u64));
        let resamplers: [(&str, Option<Box<dyn Resampler>>); 2] = [
            ("near unity", NearUnityResampler::new(channels, FRAMES).ok().map(|r| Box::new(r) as _)),
            ("sinc", SincResampler::new(channels, FRAMES, 1.0).ok().map(|r| Box::new(r) as _)),
        ];
        for (name, resampler) in resamplers {
            let Some(mut resampler) = resampler else { continue };
            let input: Vec<f32> = (0..2 * FRAMES * channels).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
            let mut output = vec![0.0; FRAMES * channels];
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let needed = resampler.prepare(FRAMES, STEP);
                    resampler.process(black_box(&input[..needed * channels]), &mut output);
                    black_box(&output);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
