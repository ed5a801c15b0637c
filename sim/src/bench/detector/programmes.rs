//! Programmes that the fault detector was not tuned on: 12 s each, stereo, looped.

use crate::signal::SourceSignal;
use engine::SampleRate;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::f64::consts::TAU;
use std::fmt;

const SECONDS: usize = 12;
/// -9 dBFS.
const PEAK: f64 = 0.35;

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programme {
    /// Voiced and unvoiced syllables with pauses between words: pulses and noise through two
    /// resonators.
    Speech,
    /// Four decaying additive notes at a time, panned.
    Music,
    /// Seven steady tones without a common period, different ones in each channel.
    Sines,
    /// Noise that falls by 3 dB an octave, independent in each channel.
    PinkNoise,
}

impl Programme {
    /// All programmes.
    pub const ALL: [Self; 4] = [Self::Speech, Self::Music, Self::Sines, Self::PinkNoise];

    /// The programme at a rate, on the grid of 24 bits.
    #[must_use]
    pub fn source(self, rate: SampleRate) -> SourceSignal {
        let (mut rng, hz) = (ChaCha8Rng::seed_from_u64(1), f64::from(rate.as_hz()));
        let frames = SECONDS * rate.as_hz() as usize;
        let mut planes = match self {
            Self::Speech => speech(&mut rng, frames, hz),
            Self::Music => music(&mut rng, frames, hz),
            Self::Sines => sines(&mut rng, frames),
            Self::PinkNoise => [pink(&mut rng, frames), pink(&mut rng, frames)],
        };
        let peak = planes.iter().flatten().fold(1e-9f64, |peak, x| peak.max(x.abs()));
        planes.iter_mut().flatten().for_each(|x| *x *= PEAK / peak);
        let planes = planes.map(|plane| plane.into_iter().map(|x| x as f32).collect());
        SourceSignal::of_planes(rate, planes.into()).quantised(24)
    }
}

impl fmt::Display for Programme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Speech => "speech",
            Self::Music => "music",
            Self::Sines => "sines",
            Self::PinkNoise => "pink noise",
        })
    }
}

/// Uniform in 0..1.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / f64::from(u32::MAX)
}

fn between(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * uniform(rng)
}

fn speech(rng: &mut ChaCha8Rng, frames: usize, hz: f64) -> [Vec<f64>; 2] {
    let mut voice = vec![0.0; frames];
    let mut at = 0;
    while at < frames {
        let length = (between(rng, 0.12, 0.3) * hz) as usize;
        let (pitch, voiced) = (between(rng, 90.0, 180.0), uniform(rng) > 0.25);
        let mut poles = [(between(rng, 300.0, 800.0), 80.0), (between(rng, 900.0, 2_400.0), 120.0)]
            .map(|(f, width)| Resonator::new(f, width, hz));
        let mut phase = 0.0;
        for n in 0..length.min(frames - at) {
            phase += pitch * (1.0 - 0.1 * n as f64 / length as f64) / hz;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= libm::floor(phase);
            let excitation = if voiced { pulse } else { 0.1 * between(rng, -1.0, 1.0) };
            let envelope = libm::sin(std::f64::consts::PI * n as f64 / length as f64);
            let sound = poles.iter_mut().fold(excitation, |x, pole| pole.push(x));
            voice[at + n] = envelope * sound;
        }
        // A pause after about every fourth syllable.
        at += length + if uniform(rng) < 0.25 { (between(rng, 0.1, 0.3) * hz) as usize } else { 0 };
    }
    let right = voice.iter().map(|x| 0.8 * x).collect();
    [voice, right]
}

struct Resonator {
    a: [f64; 2],
    gain: f64,
    y: [f64; 2],
}

impl Resonator {
    fn new(frequency: f64, bandwidth: f64, hz: f64) -> Self {
        let r = libm::exp(-std::f64::consts::PI * bandwidth / hz);
        Self { a: [2.0 * r * libm::cos(TAU * frequency / hz), -r * r], gain: 1.0 - r, y: [0.0; 2] }
    }

    fn push(&mut self, x: f64) -> f64 {
        let y = self.gain * x + self.a[0] * self.y[0] + self.a[1] * self.y[1];
        self.y = [y, self.y[0]];
        y
    }
}

fn music(rng: &mut ChaCha8Rng, frames: usize, hz: f64) -> [Vec<f64>; 2] {
    let mut planes = [vec![0.0; frames], vec![0.0; frames]];
    let beat = hz as usize / 3;
    for start in (0..frames).step_by(beat) {
        for _ in 0..2 {
            let pitch = 110.0 * libm::exp2(libm::floor(between(rng, 0.0, 36.0)) / 12.0);
            let (pan, decay) = (uniform(rng), between(rng, 0.2, 0.8) * hz);
            for n in 0..2 * beat {
                let attack = (n as f64 / (0.004 * hz)).min(1.0);
                let release = ((2 * beat - n) as f64 / (0.02 * hz)).min(1.0);
                let t = TAU * pitch * n as f64 / hz;
                let tone: f64 = (1..=6).map(|k| libm::sin(t * f64::from(k)) / f64::from(k * k)).sum();
                let x = attack * release * libm::exp(-(n as f64) / decay) * tone;
                planes[0][(start + n) % frames] += pan * x;
                planes[1][(start + n) % frames] += (1.0 - pan) * x;
            }
        }
    }
    planes
}

/// The loop holds a whole number of periods of each tone, so that it has no seam.
fn sines(rng: &mut ChaCha8Rng, frames: usize) -> [Vec<f64>; 2] {
    let mut plane = || {
        let mut tones = Vec::new();
        for k in 0..7 {
            let periods = libm::floor(SECONDS as f64 * 70.0 * libm::exp2(f64::from(k) + 0.7 * uniform(rng)));
            tones.push((periods, uniform(rng)));
        }
        let at = |n: usize| tones.iter().map(move |(p, phase)| libm::sin(TAU * (p * n as f64 / frames as f64 + phase)));
        (0..frames).map(|n| at(n).sum()).collect()
    };
    [plane(), plane()]
}

/// White noise through Kellet's filter ("economy" form): within 0.5 dB of -3 dB an octave above 9.2
/// Hz at 44.1 kHz.
fn pink(rng: &mut ChaCha8Rng, frames: usize) -> Vec<f64> {
    let mut b = [0.0; 3];
    let mut next = || {
        let white = between(rng, -1.0, 1.0);
        b[0] = 0.99765 * b[0] + white * 0.099_046_0;
        b[1] = 0.96300 * b[1] + white * 0.296_516_4;
        b[2] = 0.57000 * b[2] + white * 1.052_691_3;
        b[0] + b[1] + b[2] + white * 0.1848
    };
    (0..frames).map(|_| next()).collect()
}
