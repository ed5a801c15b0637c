//! Time per block of the resamplers, side by side: `cargo bench -p aes67-engine --bench resample`.
//!
//! Blocks of 480 frames at 100 ppm, as a sound card with a 10 ms period pulls them. Throughput
//! counts frames, not samples. Each kernel that this machine has runs beside rubato's own default
//! and [`SincResampler`], which converts between rates.

use audioadapter_buffers::direct::InterleavedSlice;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::resample::{Kernel, NearUnityResampler, Precision, Resampler, SincResampler};
use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction};
use std::hint::black_box;

const FRAMES: usize = 480;
const STEP: f64 = 1.0001;

/// 256 taps, BlackmanHarris2, 128 phases, cubic: what rubato's documentation proposes.
fn rubato_default(channels: usize) -> Option<Async<f32>> {
    let parameters = SincInterpolationParameters::new(256, WindowFunction::BlackmanHarris2)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Cubic);
    Async::new_sinc(1.0 / STEP, 1.1, &parameters, FRAMES, channels, FixedAsync::Output).ok()
}

fn contestants(channels: usize) -> Vec<(String, Box<dyn Resampler>)> {
    let mut all: Vec<(String, Box<dyn Resampler>)> = Vec::new();
    for precision in [Precision::Single, Precision::Double] {
        for kernel in Kernel::available() {
            let name = format!("{precision:?}, {}", kernel.name());
            let resampler = NearUnityResampler::with(channels, FRAMES, precision, kernel);
            all.extend(resampler.ok().map(|resampler| (name, Box::new(resampler) as Box<dyn Resampler>)));
        }
    }
    let sinc = SincResampler::new(channels, FRAMES, 1.0);
    all.extend(sinc.ok().map(|sinc| ("converter".to_owned(), Box::new(sinc) as Box<dyn Resampler>)));
    all
}

fn bench(criterion: &mut Criterion) {
    for channels in [2, 8] {
        let mut group = criterion.benchmark_group(format!("{channels} channels"));
        group.throughput(Throughput::Elements(FRAMES as u64));
        let input: Vec<f32> = (0..2 * FRAMES * channels).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
        let mut output = vec![0.0; FRAMES * channels];
        for (name, mut resampler) in contestants(channels) {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let needed = resampler.prepare(FRAMES, STEP);
                    resampler.process(black_box(&input[..needed * channels]), &mut output);
                    black_box(&output);
                });
            });
        }
        if let Some(mut rubato) = rubato_default(channels) {
            group.bench_function("rubato default", |bencher| {
                bencher.iter(|| {
                    let source = InterleavedSlice::new(black_box(&input[..]), channels, 2 * FRAMES);
                    let sink = InterleavedSlice::new_mut(&mut output, channels, FRAMES);
                    if let (Ok(source), Ok(mut sink)) = (source, sink) {
                        let _ = black_box(rubato.process_into_buffer(&source, &mut sink, None));
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
