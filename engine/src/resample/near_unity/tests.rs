//! Tests the guarantees of the near-unity resampler: bits, positions and distortion. Compares it
//! with rubato.

use super::super::SincResampler;
use super::*;
use audioadapter_buffers::direct::InterleavedSlice;
use core::f64::consts::TAU;
use proptest::prelude::{ProptestConfig, Strategy, prop_assert, prop_assert_eq, proptest};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction};

const RATE: f64 = 48_000.0;
/// Number of output frames until the filter is filled with signal.
const WARM_UP: usize = 256;

/// Pulls one block per `(frames, step)`, with `source(frame, channel)` as input. Returns the
/// interleaved output and each block's media position.
pub(in super::super) fn pull(
    resampler: &mut dyn Resampler,
    blocks: impl IntoIterator<Item = (usize, f64)>,
    mut source: impl FnMut(usize, usize) -> f32,
) -> (Vec<f32>, Vec<f64>) {
    let (mut output, mut positions, mut fed) = (Vec::new(), Vec::new(), 0);
    let channels = resampler.channels();
    for (frames, step) in blocks {
        positions.push(fed as f64 - resampler.input_latency_frames());
        let needed = resampler.prepare(frames, step);
        let input: Vec<f32> = (0..needed * channels).map(|i| source(fed + i / channels, i % channels)).collect();
        let from = output.len();
        output.resize(from + frames * channels, f32::NAN);
        resampler.process(&input, &mut output[from..]);
        fed += needed;
    }
    (output, positions)
}

/// White noise that depends only on the position.
pub(in super::super) fn noise(frame: usize, channel: usize) -> f32 {
    let hash = ((frame as u64) << 8 | channel as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (hash >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Random block sizes from 1 to `most`.
pub(in super::super) fn odd_sizes(most: usize, seed: u64) -> impl Iterator<Item = usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    core::iter::repeat_with(move || 1 + random.next_u32() as usize % most)
}

/// A tone of -1 dBFS.
fn tone(hz: f64) -> impl Fn(f64) -> f64 {
    move |frame| 0.891_250_938 * libm::sin(TAU * ((hz / RATE * frame) % 1.0))
}

/// Fits sine, cosine and offset of a known frequency (cycles per frame). Returns the amplitude and
/// the residual's power relative to it, in dB.
pub(in super::super) fn fit_sine(samples: &[f32], frequency: f64) -> (f64, f64) {
    let basis = |n: usize| {
        let phase = TAU * ((frequency * n as f64) % 1.0);
        [libm::cos(phase), libm::sin(phase), 1.0]
    };
    // Normal equations, by Gauss and Jordan: rows of the matrix and, in the last column, the
    // right-hand side.
    let mut system = [[0.0; 4]; 3];
    for (n, &sample) in samples.iter().enumerate() {
        let [c, s, one] = basis(n);
        for (row, b) in system.iter_mut().zip([c, s, one]) {
            for (cell, term) in row.iter_mut().zip([c, s, one, f64::from(sample)]) {
                *cell += b * term;
            }
        }
    }
    for pivot in 0..3 {
        let scale = system[pivot][pivot];
        system[pivot] = system[pivot].map(|cell| cell / scale);
        for row in (0..3).filter(|row| *row != pivot) {
            let factor = system[row][pivot];
            system[row] = core::array::from_fn(|column| system[row][column] - factor * system[pivot][column]);
        }
    }
    let [a, b, offset] = system.map(|row| row[3]);
    let residual = |(n, sample): (usize, &f32)| {
        let [c, s, _] = basis(n);
        let error = f64::from(*sample) - (a * c + b * s + offset);
        error * error
    };
    let power = samples.iter().enumerate().map(residual).sum::<f64>() / samples.len() as f64;
    (libm::sqrt(a * a + b * b), 10.0 * libm::log10(power / (0.5 * (a * a + b * b))))
}

/// Amplitude and distortion (THD+N, dB) of a tone through a resampler.
fn measure(resampler: &mut dyn Resampler, hz: f64, step: f64) -> (f64, f64) {
    let signal = tone(hz);
    // The first frame brings the resampler to the step, which is constant from then on.
    let blocks = core::iter::once((1, step)).chain(core::iter::repeat_n((480, step), 137));
    let (output, _) = pull(resampler, blocks, |frame, _| signal(frame as f64) as f32);
    fit_sine(&output[WARM_UP..], hz / RATE * step)
}

#[test]
fn step_one_is_a_delay_of_the_lead_bit_for_bit() {
    let mut resampler = NearUnityResampler::new(3, 100).unwrap();
    let blocks = odd_sizes(100, 1).take(60).map(|frames| (frames, 1.0));
    let (output, _) = pull(&mut resampler, blocks, noise);
    assert_eq!(resampler.input_latency_frames().to_bits(), 48.0f64.to_bits());
    for (i, sample) in output.iter().enumerate().skip(48 * 3) {
        assert_eq!(sample.to_bits(), noise(i / 3 - 48, i % 3).to_bits(), "sample {i}");
    }
}

#[test]
fn every_output_is_the_ramp_at_its_position() {
    let mut resampler = NearUnityResampler::new(1, 97).unwrap();
    let steps = |i: usize| 1.0 + 1e-3 * libm::sin(i as f64);
    let blocks: Vec<(usize, f64)> = odd_sizes(97, 2).take(300).enumerate().map(|(i, n)| (n, steps(i))).collect();
    let (output, positions) = pull(&mut resampler, blocks.iter().copied(), |frame, _| frame as f32);
    let (mut output, mut step) = (output.iter(), 1.0);
    for (&(frames, step_end), mut position) in blocks.iter().zip(positions) {
        for k in 1..=frames {
            let sample = f64::from(*output.next().unwrap());
            if position > 100.0 {
                // A few units in the last place, and the effect of the filter's ripple on the ramp.
                assert!((sample - position).abs() < 2e-5 + 6e-7 * position, "{sample} at {position}");
            }
            position += step + (step_end - step) * k as f64 / frames as f64;
        }
        step = step_end;
    }
}

#[test]
fn the_lead_stays_in_its_band_and_keeps_count() {
    let mut resampler = NearUnityResampler::new(1, 480).unwrap();
    let (mut fed, mut ideal, mut step, mut output) = (0, -48.0, 1.0, [0.0; 480]);
    let input = [0.0; 482];
    for (i, frames) in odd_sizes(480, 3).take(50_000).enumerate() {
        let step_end = 1.0 + 1e-3 * libm::sin(i as f64 * 0.01);
        let needed = resampler.prepare(frames, step_end);
        resampler.process(&input[..needed], &mut output[..frames]);
        let n = frames as f64;
        ideal += 0.5 * n * (step + step_end) + 0.5 * (step_end - step);
        (step, fed) = (step_end, fed + needed);
        let lead = resampler.input_latency_frames();
        assert!(lead > 46.998 && lead < 48.002, "lead {lead} after {i} blocks");
        assert!((fed as f64 - lead - ideal).abs() < 1e-4, "{} for {ideal}", fed as f64 - lead);
    }
}

#[test]
fn it_reports_the_same_positions_as_sinc() {
    let steps = (0..2000).map(|i| (64, 1.0 + 5e-4 * libm::sin(f64::from(i) * 0.1)));
    let (_, near) = pull(&mut NearUnityResampler::new(1, 64).unwrap(), steps.clone(), |_, _| 0.0);
    let (_, sinc) = pull(&mut SincResampler::new(1, 64, 1.0).unwrap(), steps, |_, _| 0.0);
    for (near, sinc) in near.iter().zip(&sinc) {
        // The delays of the filters: half of 128 taps and half of 96 taps.
        assert!((near - sinc - 16.0).abs() < 1e-6, "{near} and {sinc}");
    }
}

#[test]
fn blocks_of_any_size_give_the_same_bits() {
    for step in [1.0001, 0.9995, 1.001] {
        let mut singly = NearUnityResampler::new(2, 1).unwrap();
        let mut whole = NearUnityResampler::new(2, 480).unwrap();
        // The first frame brings either of them to the step, which is constant from then on.
        let sizes: Vec<usize> = core::iter::once(1).chain(odd_sizes(480, 4).take(60)).collect();
        let total: usize = sizes.iter().sum();
        let (a, _) = pull(&mut whole, sizes.into_iter().map(|n| (n, step)), noise);
        let (b, _) = pull(&mut singly, core::iter::repeat_n((1, step), total), noise);
        assert!(a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())), "step {step}");
        assert_eq!(whole.input_latency_frames().to_bits(), singly.input_latency_frames().to_bits());
    }
}

/// Creates a resampler for each kernel available on this machine.
fn kernels(channels: usize, max_frames: usize, precision: Precision) -> Vec<(&'static str, NearUnityResampler)> {
    let with =
        |kernel: Kernel| (kernel.name(), NearUnityResampler::with(channels, max_frames, precision, kernel).unwrap());
    Kernel::available().into_iter().map(with).collect()
}

#[test]
fn tones_stay_clean() {
    for (precision, limit) in [(Precision::Single, -142.0), (Precision::Double, -149.5)] {
        for step in [1.0001, 0.9999, 1.001] {
            for hz in [997.0, 10_000.0, 19_000.0] {
                for (kernel, mut resampler) in kernels(1, 480, precision) {
                    let (amplitude, distortion) = measure(&mut resampler, hz, step);
                    println!("{hz} Hz, step {step}, {precision:?}, {kernel}: THD+N {distortion:.1} dB");
                    assert!(distortion < limit, "{distortion} dB at {hz} Hz");
                    assert!((20.0 * libm::log10(amplitude) + 1.0).abs() < 1e-5, "{amplitude} at {hz} Hz");
                }
            }
        }
    }
}

#[test]
fn the_passband_is_flat() {
    for precision in [Precision::Single, Precision::Double] {
        for (hz, limit) in [(20_000.0, 1e-4), (21_500.0, 1e-4), (22_000.0, 0.005), (22_500.0, 0.1)] {
            let mut resampler = NearUnityResampler::with(1, 480, precision, Kernel::detect()).unwrap();
            let (amplitude, _) = measure(&mut resampler, hz, 1.000_1);
            let gain = 20.0 * libm::log10(amplitude) + 1.0;
            println!("{hz} Hz: {gain:.6} dB");
            assert!(gain.abs() < limit, "{gain} dB at {hz} Hz");
        }
    }
}

#[test]
fn an_impulse_comes_out_a_millisecond_later_and_symmetric() {
    for (_, mut resampler) in kernels(1, 256, Precision::Double) {
        // Output frames lie halfway between input frames, so the impulse at frame 100 lies between
        // two output frames, which must be equal.
        resampler.phase.fraction = ONE / 2;
        let (output, _) = pull(&mut resampler, [(256, 1.0)], |frame, _| if frame == 100 { 1.0 } else { 0.0 });
        let power: f64 = output.iter().map(|y| f64::from(y * y)).sum();
        let moment: f64 = output.iter().zip(0u32..).map(|(y, n)| f64::from(y * y) * f64::from(n)).sum();
        let latency = moment / power - 100.0;
        assert!((latency - 47.5).abs() < 1e-6, "{latency} frames");
        for n in 0..48 {
            assert!((output[147 - n] - output[148 + n]).abs() < 1e-7, "{n} frames from the centre");
        }
    }
}

#[test]
fn single_precision_has_the_same_bits_on_every_kernel() {
    if Kernel::available().len() < 2 {
        return skips::tell("this processor has neither AVX2 nor AVX-512, so there is one kernel only");
    }
    for channels in 1..=17 {
        let blocks = || odd_sizes(64, 7).take(200).zip([1.0003, 0.9998, 1.001, 1.0].into_iter().cycle());
        let mut outputs = kernels(channels, 64, Precision::Single)
            .into_iter()
            .map(|(kernel, mut resampler)| (kernel, pull(&mut resampler, blocks(), noise).0));
        let (_, expected) = outputs.next().unwrap();
        for (kernel, output) in outputs {
            let same = output.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{kernel}, {channels} channels");
        }
    }
}

/// Blocks and steps as a rate controller might request them, and worse.
fn any_blocks() -> impl Strategy<Value = Vec<(usize, f64)>> {
    proptest::collection::vec((1usize..=130, 0.999f64..=1.001), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn kernels_and_precisions_agree(blocks in any_blocks(), channels in 1usize..=9) {
        let (expected, at) = pull(
            &mut NearUnityResampler::with(channels, 130, Precision::Double, Kernel::portable()).unwrap(),
            blocks.iter().copied(),
            noise,
        );
        for precision in [Precision::Single, Precision::Double] {
            for (kernel, mut resampler) in kernels(channels, 130, precision) {
                let (output, positions) = pull(&mut resampler, blocks.iter().copied(), noise);
                prop_assert_eq!(&positions, &at);
                for (a, b) in output.iter().zip(&expected) {
                    // White noise peaks at 1, and the filtered noise at about 4.
                    prop_assert!((a - b).abs() < 1e-6, "{} and {} by {}, {:?}", a, b, kernel, precision);
                }
            }
        }
    }

    #[test]
    fn a_block_is_its_frames_one_by_one(blocks in any_blocks(), channels in 1usize..=9) {
        for (_, mut whole) in kernels(channels, 130, Precision::Single) {
            let mut singly = NearUnityResampler::new(channels, 1).unwrap();
            // If it is announced frame by frame, the step moves as it does inside a block.
            let mut deviation = 0;
            let mut steps = Vec::new();
            for &(frames, step) in &blocks {
                let end = libm::round((step - 1.0) * ONE as f64) as i64;
                let increment = (end - deviation) / frames as i64;
                steps.extend((1..frames as i64).map(|n| deviation + n * increment));
                steps.push(end);
                deviation = end;
            }
            let (a, _) = pull(&mut whole, blocks.iter().copied(), noise);
            let steps = steps.into_iter().map(|deviation| (1, 1.0 + deviation as f64 / ONE as f64));
            let (b, _) = pull(&mut singly, steps, noise);
            prop_assert_eq!(a.len(), b.len());
            // Doubles near 1 hold a step to 2^-52, finer than its own unit of 2^-48.
            for (n, (a, b)) in a.iter().zip(&b).enumerate() {
                prop_assert!((a - b).abs() < 1e-6, "{} and {} at {}", a, b, n);
            }
        }
    }

    #[test]
    fn a_reset_resampler_is_a_new_one(before in any_blocks(), after in any_blocks()) {
        let mut used = NearUnityResampler::new(2, 130).unwrap();
        pull(&mut used, before, noise);
        used.reset();
        let (a, _) = pull(&mut used, after.iter().copied(), noise);
        let (b, _) = pull(&mut NearUnityResampler::new(2, 130).unwrap(), after, noise);
        prop_assert!(a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())));
    }

    #[test]
    fn input_is_consumed_at_the_rate_of_the_step(step in 0.999f64..=1.001, frames in 1usize..=130) {
        let mut resampler = NearUnityResampler::new(1, 130).unwrap();
        let mut output = [0.0; 130];
        let (mut fed, blocks) = (0, 20_000);
        resampler.prepare(1, step);
        resampler.process(&vec![0.0; resampler.needed], &mut output[..1]);
        let lead = resampler.input_latency_frames();
        for _ in 0..blocks {
            let needed = resampler.prepare(frames, step);
            resampler.process(&[0.0; 132][..needed], &mut output[..frames]);
            fed += needed;
        }
        let consumed = fed as f64 - (resampler.input_latency_frames() - lead);
        prop_assert!((consumed / (blocks * frames) as f64 - step).abs() < 1e-12, "{}", consumed);
    }
}

#[test]
fn direct_current_passes_at_every_phase() {
    let blocks = core::iter::repeat_n((480, 1.001), 50);
    let (output, _) = pull(&mut NearUnityResampler::new(1, 480).unwrap(), blocks, |_, _| 0.5);
    let worst = output[WARM_UP..].iter().map(|sample| (sample - 0.5).abs()).fold(0.0, f32::max);
    assert!(worst < 5e-7, "{worst}");
}

#[test]
fn it_agrees_with_rubato() {
    const STEP: f64 = 1.0001;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
    let tones: Vec<[f64; 2]> = (0..20).map(|_| [uniform() * 18_000.0 / RATE, uniform()]).collect();
    let signal = |time: f64| {
        let sines = tones.iter().map(|[frequency, phase]| libm::sin(TAU * ((frequency * time + phase) % 1.0)));
        sines.sum::<f64>() / 20.0
    };
    let blocks = core::iter::once((1, STEP)).chain(core::iter::repeat_n((479, STEP), 100));
    let (near, positions) = pull(&mut NearUnityResampler::new(1, 480).unwrap(), blocks, |n, _| signal(n as f64) as f32);
    let near = &near[WARM_UP..];
    // The signal is known between frames, so rubato's input is sampled such that its output falls
    // on the same moments. Its first output frame lies half a sinc before the first input frame,
    // plus one step, plus one phase, because its table starts with phase 1.
    let shift = positions[0] + ORACLE_TAPS as f64 / 2.0 - STEP - 1.0 / ORACLE_PHASES as f64;
    let expected = oracle(STEP, 479 * 100 + 1, |n| signal(n as f64 + shift));
    let expected = &expected[WARM_UP..];
    let power = expected.iter().map(|x| x * x).sum::<f64>();
    let error = near.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b) * (f64::from(*a) - b)).sum::<f64>();
    let error_db = 10.0 * libm::log10(error / power);
    println!("difference from rubato {error_db:.1} dB");
    assert!(error_db < -135.0, "{error_db} dB");
}

const ORACLE_TAPS: usize = 256;
const ORACLE_PHASES: usize = 2048;

/// rubato in double precision.
fn oracle(step: f64, frames: usize, source: impl Fn(usize) -> f64) -> Vec<f64> {
    let parameters = SincInterpolationParameters::new(ORACLE_TAPS, WindowFunction::BlackmanHarris2)
        .oversampling_factor(ORACLE_PHASES)
        .interpolation(SincInterpolationType::Cubic);
    let mut rubato = Async::<f64>::new_sinc(1.0 / step, 1.1, &parameters, frames, 1, FixedAsync::Output).unwrap();
    let input: Vec<f64> = (0..rubato.input_frames_next()).map(source).collect();
    let mut output = vec![0.0; frames];
    let from = InterleavedSlice::new(&input, 1, input.len()).unwrap();
    let mut to = InterleavedSlice::new_mut(&mut output, 1, frames).unwrap();
    rubato.process_into_buffer(&from, &mut to, None).unwrap();
    output
}

#[test]
fn channels_are_independent() {
    let blocks = || odd_sizes(64, 6).take(50).map(|frames| (frames, 1.0003));
    let (together, _) = pull(&mut NearUnityResampler::new(7, 64).unwrap(), blocks(), noise);
    for channel in 0..7 {
        let mut single = NearUnityResampler::new(1, 64).unwrap();
        let (alone, _) = pull(&mut single, blocks(), |frame, _| noise(frame, channel));
        let theirs = together.iter().skip(channel).step_by(7).map(|x| x.to_bits());
        assert!(alone.iter().map(|x| x.to_bits()).eq(theirs), "channel {channel}");
    }
}

#[test]
fn absurd_steps_and_sizes_are_clamped() {
    let mut resampler = NearUnityResampler::new(1, 480).unwrap();
    let cases = [(1, f64::NAN, 1), (480, 3.0, 481), (480, 1e300, 481), (480, f64::INFINITY, 480), (480, 0.0, 480)];
    for (frames, step, about) in cases {
        let needed = resampler.prepare(frames, step);
        assert!(needed.abs_diff(about) <= 1, "{needed} for {frames} frames at {step}");
        resampler.process(&vec![0.0; needed], &mut vec![0.0; frames]);
    }
    assert!(resampler.prepare(10_000, 1.0).abs_diff(480) <= 1);
    assert!(resampler.prepare(0, 1.0) <= 2);
}

#[test]
fn impossible_parameters_are_refused() {
    for (channels, max_frames) in [(0, 480), (65, 480), (2, 0), (2, MAX_FRAMES + 1)] {
        assert_eq!(NearUnityResampler::new(channels, max_frames).err(), Some(NearUnityError { channels, max_frames }));
    }
    assert!(NearUnityResampler::new(64, 4096).is_ok());
}

#[test]
fn a_silent_resampler_is_exactly_where_the_real_one_is() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let blocks: Vec<(usize, f64)> = (0..2000)
        .map(|_| {
            (1 + random.next_u32() as usize % 480, 1.0 + (f64::from(random.next_u32()) / 2f64.powi(31) - 1.0) * 1e-3)
        })
        .collect();
    let real = pull(&mut NearUnityResampler::new(2, 480).unwrap(), blocks.iter().copied(), noise);
    let mut resampler = NearUnityResampler::silent(2, 480).unwrap();
    for _ in 0..2 {
        let (output, positions) = pull(&mut resampler, blocks.iter().copied(), noise);
        assert_eq!(
            positions.iter().map(|at| at.to_bits()).collect::<Vec<_>>(),
            real.1.iter().map(|at| at.to_bits()).collect::<Vec<_>>()
        );
        assert!(output.len() == real.0.len() && output.iter().all(|&sample| sample.to_bits() == 0));
        resampler.reset();
    }
}
