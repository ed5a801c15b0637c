//! Tests the guarantees of the resampler between different rates.

use super::super::near_unity::tests::{fit_sine, noise, odd_sizes, pull};
use super::*;
use core::f64::consts::TAU;

/// Pairs of a stream's rate and a card's rate, Hz.
const RATES: [(f64, f64); 6] = [
    (48_000.0, 44_100.0),
    (44_100.0, 48_000.0),
    (96_000.0, 48_000.0),
    (48_000.0, 96_000.0),
    (96_000.0, 44_100.0),
    (44_100.0, 96_000.0),
];
/// Number of output frames until the filter is filled with signal.
const WARM_UP: usize = 600;

fn tone(hz: f64, rate_hz: f64) -> impl Fn(usize, usize) -> f32 {
    move |frame, _| (0.891_250_938 * libm::sin(TAU * ((hz / rate_hz * frame as f64) % 1.0))) as f32
}

/// Resamples a tone between two crystals that differ by 100 ppm.
fn converted(hz: f64, (from_hz, to_hz): (f64, f64)) -> (Vec<f32>, f64) {
    let step = from_hz / to_hz * 1.0001;
    let mut resampler = SincResampler::new(1, 480, from_hz / to_hz).unwrap();
    let blocks = core::iter::once((1, step)).chain(core::iter::repeat_n((480, step), 60));
    let (output, _) = pull(&mut resampler, blocks, tone(hz, from_hz));
    (output, hz / from_hz * step)
}

#[test]
fn tones_stay_clean_and_as_loud_up_to_18_khz() {
    for rates in RATES {
        for hz in [997.0, 10_000.0, 18_000.0] {
            let (output, frequency) = converted(hz, rates);
            let (amplitude, distortion_db) = fit_sine(&output[WARM_UP..], frequency);
            let gain_db = 20.0 * libm::log10(amplitude) + 1.0;
            println!("{hz} Hz, {rates:?}: THD+N {distortion_db:.1} dB, gain {gain_db:.6} dB");
            assert!(distortion_db < -138.0, "{distortion_db} dB at {hz} Hz, {rates:?}");
            assert!(gain_db.abs() < 1e-4, "{gain_db} dB at {hz} Hz, {rates:?}");
        }
    }
}

#[test]
fn what_the_card_cannot_play_is_not_folded_back() {
    for (rates, hz) in [((96_000.0, 48_000.0), 28_000.0), ((96_000.0, 44_100.0), 26_000.0)] {
        let (output, _) = converted(hz, rates);
        let loudest = output[WARM_UP..].iter().copied().map(f32::abs).fold(0.0, f32::max);
        let loudest_db = 20.0 * libm::log10(f64::from(loudest));
        println!("{hz} Hz, {rates:?}: {loudest_db:.1} dB");
        assert!(loudest_db < -138.0, "{loudest_db} dB at {hz} Hz");
    }
}

#[test]
fn every_output_is_the_ramp_at_its_position() {
    for (from_hz, to_hz) in RATES {
        let nominal = from_hz / to_hz;
        let steps = |i: usize| nominal * (1.0 + 1e-3 * libm::sin(i as f64));
        let blocks: Vec<(usize, f64)> = odd_sizes(97, 2).take(200).enumerate().map(|(i, n)| (n, steps(i))).collect();
        let mut resampler = SincResampler::new(1, 97, nominal).unwrap();
        let (output, positions) = pull(&mut resampler, blocks.iter().copied(), |frame, _| frame as f32);
        let (mut output, mut step) = (output.iter(), nominal);
        for (&(frames, step_end), mut position) in blocks.iter().zip(positions) {
            for k in 1..=frames {
                let sample = f64::from(*output.next().unwrap());
                if position > 200.0 {
                    // A few units in the last place, and the effect of the filter's ripple on the
                    // ramp.
                    assert!((sample - position).abs() < 1e-4 + 6e-7 * position, "{sample} at {position}");
                }
                position += step + (step_end - step) * k as f64 / frames as f64;
            }
            step = step_end;
        }
    }
}

#[test]
fn the_lead_never_drifts() {
    let mut resampler = SincResampler::new(2, 480, 1.0).unwrap();
    let mut output = vec![0.0; 960];
    for i in 0..20_000 {
        let needed = resampler.prepare(480, 1.0 + 1e-4 * libm::sin(f64::from(i) * 0.01));
        resampler.process(&vec![0.0; needed * 2], &mut output);
        let lead = resampler.input_latency_frames();
        assert!((62.0..=65.0).contains(&lead), "lead {lead} after {i} blocks");
    }
}

#[test]
fn blocks_of_any_size_give_the_same_bits() {
    for (from_hz, to_hz) in RATES {
        let step = from_hz / to_hz;
        let mut singly = SincResampler::new(2, 1, step).unwrap();
        let mut whole = SincResampler::new(2, 480, step).unwrap();
        let sizes: Vec<usize> = odd_sizes(480, 4).take(20).collect();
        let total: usize = sizes.iter().sum();
        let (a, _) = pull(&mut whole, sizes.into_iter().map(|n| (n, step)), noise);
        let (b, _) = pull(&mut singly, core::iter::repeat_n((1, step), total), noise);
        assert!(a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())), "step {step}");
    }
}

/// The bits of a sum are determined by the order of its terms, and the table by `libm`. So these
/// hashes are the same on every machine and system; otherwise the simulator's guarantee of
/// identical bytes is broken.
#[test]
fn the_bits_are_the_same_on_every_machine() {
    const HASHES: [&str; 2] = ["0x6392e3ff7776c753", "0xa0eedc83ca5bc721"];
    for kernel in Kernel::available() {
        let hashes = [RATES[0], RATES[4]].map(|(from_hz, to_hz)| {
            let step = from_hz / to_hz;
            let mut resampler = SincResampler::with(3, 441, step, kernel).unwrap();
            let blocks = odd_sizes(441, 5).take(40).map(|frames| (frames, step * 1.000_05));
            let (output, _) = pull(&mut resampler, blocks, noise);
            // FNV-1a, applied to 32 bits at a time.
            let hash = output.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, sample| {
                (hash ^ u64::from(sample.to_bits())).wrapping_mul(0x0100_0000_01B3)
            });
            format!("{hash:#018x}")
        });
        assert_eq!(hashes, HASHES, "{}", kernel.name());
    }
}

#[test]
fn any_block_size_and_absurd_steps_are_served() {
    for (from_hz, to_hz) in RATES {
        let mut resampler = SincResampler::new(1, 480, from_hz / to_hz).unwrap();
        for (frames, step) in [(1, 1.0), (480, f64::NAN), (7, 3.0), (479, 0.0), (10_000, 1.0), (480, 1e300)] {
            let needed = resampler.prepare(frames, step);
            let mut output = vec![1.0; frames.min(480)];
            resampler.process(&vec![0.0; needed], &mut output);
        }
    }
    for step in [1.0 / 64.0, 64.0] {
        let mut resampler = SincResampler::new(1, 4096, step).unwrap();
        for _ in 0..50 {
            let needed = resampler.prepare(4096, step * 1.01);
            resampler.process(&vec![0.5; needed], &mut vec![1.0; 4096]);
        }
    }
}

#[test]
fn impossible_parameters_are_refused() {
    for (channels, max_frames, step) in [(0, 480, 1.0), (2, 0, 1.0), (2, 480, f64::INFINITY), (2, 480, 0.0)] {
        assert!(SincResampler::new(channels, max_frames, step).is_err(), "{channels} {max_frames} {step}");
    }
    let refused = SincResampler::new(2, 480, 100.0).err().unwrap().to_string();
    assert_eq!(refused, "a resampler needs at least 1 channel, 1 frame and a step of 1/64 to 64, not 2, 480 and 100");
}
