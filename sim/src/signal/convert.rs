//! The programme at another sample rate, for judging a card whose rate is not the stream's.
//!
//! Model: a loop is resampled once, cyclically, by a Kaiser-windowed sinc of 2 x 128 zero crossings
//! (beta 14, below -130 dB), with one phase for each different position between frames. Its cut-off
//! is half the lower of the two rates, and its transition band is 6 % of that on either side. So
//! effects of a receiver's resampler between 20 kHz and half the lower rate appear in the residual:
//! programmes for such scenarios should have little energy there.

use engine::SampleRate;

/// Zero crossings on either side.
const CROSSINGS: f64 = 128.0;
const BETA: f64 = 14.0;

/// Length of the shortest repetition of a loop of `frames` frames that has a whole number of frames
/// at the other rate as well: in source frames, and in converted frames.
pub(super) fn whole_loop(frames: usize, from: SampleRate, to: SampleRate) -> (usize, usize) {
    let (from, to) = (u64::from(from.as_hz()), u64::from(to.as_hz()));
    let divisor = gcd(frames as u64 * to, from);
    let repeats = from / divisor;
    let source = frames as u64 * repeats;
    (source as usize, (source * to / from) as usize)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One channel's loop at another rate, of `length` frames for `source` frames of the loop.
pub(super) fn convert(plane: &[f32], source: usize, length: usize) -> Vec<f32> {
    let divisor = gcd(source as u64, length as u64) as usize;
    // New frames are at this many different positions between frames of the loop.
    let phases: Vec<Phase> = (0..length / divisor)
        .map(|n| Phase::new(n as f64 * source as f64 / length as f64, source as f64 / length as f64))
        .collect();
    let round = source / divisor;
    (0..length)
        .map(|n| {
            let phase = &phases[n % phases.len()];
            let first = (n / phases.len() * round) as i64 + phase.first;
            let start = first.rem_euclid(plane.len() as i64) as usize;
            let samples = plane.iter().cycle().skip(start);
            samples.zip(&phase.taps).map(|(&sample, tap)| f64::from(sample) * tap).sum::<f64>() as f32
        })
        .collect()
}

/// The filter for one position between two frames.
struct Phase {
    /// Frame of the first tap.
    first: i64,
    taps: Vec<f64>,
}

impl Phase {
    /// The filter at a position of the loop, for a step from one new frame to the next.
    fn new(at: f64, step: f64) -> Self {
        // Prevents aliases if the new rate is the lower one.
        let cutoff = if step > 1.0 { 1.0 / step } else { 1.0 };
        let reach = CROSSINGS / cutoff;
        let (first, last) = (libm::ceil(at - reach) as i64, libm::floor(at + reach) as i64);
        let tap = |k: i64| {
            let x = at - k as f64;
            cutoff * sinc(x * cutoff) * kaiser(x / reach)
        };
        Self { first, taps: (first..=last).map(tap).collect() }
    }
}

fn sinc(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    if angle.abs() < 1e-9 { 1.0 } else { libm::sin(angle) / angle }
}

/// The window, from -1 to 1.
fn kaiser(x: f64) -> f64 {
    bessel_i0(BETA * libm::sqrt((1.0 - x * x).max(0.0))) / bessel_i0(BETA)
}

/// Modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..64 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_become_whole() {
        let [low, high] = [44_100, 48_000].map(|hz| SampleRate::from_hz(hz).unwrap());
        assert_eq!(whole_loop(384_000, high, low), (384_000, 352_800));
        assert_eq!(whole_loop(4096, high, low), (20_480, 18_816));
        assert_eq!(whole_loop(44_100, low, high), (44_100, 48_000));
    }

    #[test]
    fn a_tone_stays_the_tone() {
        let tone = |frequency_hz: f64, rate_hz: f64, frames: usize| -> Vec<f32> {
            let sample = |n| libm::sin(std::f64::consts::TAU * frequency_hz * n as f64 / rate_hz) as f32;
            (0..frames).map(sample).collect()
        };
        for (from, to) in [(4800, 4410), (4410, 4800)] {
            for frequency_hz in [1000.0, 15_000.0] {
                let converted = convert(&tone(frequency_hz, from as f64 * 10.0, from), from, to);
                let wanted = tone(frequency_hz, to as f64 * 10.0, to);
                let worst = converted.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-5, "{frequency_hz} Hz, {from} to {to}: {worst}");
            }
        }
    }
}
