//! A short synthetic programme: a voice over a small band, 8 s, 48 kHz, stereo, 16 bits.
//!
//! Model: the voice is glottal pulses through three moving formant resonators, syllable by
//! syllable, with noise bursts as consonants; the band has plucked two-operator FM chords, a bass
//! and soft percussion. Every sound is added at its place modulo the length, tails included, so the
//! loop has no seam. The band plays during the voice's pauses, because a pause in the programme
//! would hide the faults that a listening test must find.
//!
//! The same bytes come out on every machine: the maths is `libm`'s, and the noise is a seeded
//! ChaCha8.

use std::f64::consts::{FRAC_PI_4, PI, TAU};
use std::ffi::OsString;
use std::io;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const RATE: f64 = 48_000.0;
const FRAMES: usize = 8 * 48_000;
/// -6 dBFS.
const PEAK: f64 = 0.5;
const SEED: u64 = 67;
/// Length of an eighth note, in seconds.
const EIGHTH_S: f64 = 0.25;
/// Four bars: A minor, F, C, G, as MIDI notes.
const CHORDS: [[f64; 4]; 4] =
    [[57.0, 60.0, 64.0, 69.0], [53.0, 57.0, 60.0, 65.0], [55.0, 60.0, 64.0, 67.0], [55.0, 59.0, 62.0, 67.0]];
/// First three formants of a few vowels in Hz, after Peterson and Barney (1952).
const VOWELS: [[f64; 3]; 5] = [
    [730.0, 1090.0, 2440.0],
    [270.0, 2290.0, 3010.0],
    [300.0, 870.0, 2240.0],
    [530.0, 1840.0, 2480.0],
    [570.0, 840.0, 2410.0],
];

/// Writes the programme as a WAV file, which exists only once it is complete.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path) -> Result<(), hound::Error> {
    let mut name = path.file_name().map(OsString::from).ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = write_to(&temporary).and_then(|()| Ok(std::fs::rename(&temporary, path)?));
    written.inspect_err(|_| {
        // A file that is incomplete, or could not be moved into place, is useless.
        let _ = std::fs::remove_file(&temporary);
    })
}

fn write_to(path: &Path) -> Result<(), hound::Error> {
    let spec = WavSpec { channels: 2, sample_rate: RATE as u32, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec)?;
    for sample in samples() {
        writer.write_sample(sample)?;
    }
    writer.finalize()
}

/// The programme, interleaved.
fn samples() -> Vec<i16> {
    let mut mix = Mix { frames: vec![[0.0; 2]; FRAMES], noise: ChaCha8Rng::seed_from_u64(SEED) };
    mix.band();
    mix.voice();
    let peak = mix.frames.iter().flatten().fold(0.0f64, |peak, s| peak.max(s.abs()));
    let scale = PEAK * 32_768.0 / peak;
    mix.frames.iter().flatten().map(|s| libm::round(s * scale) as i16).collect()
}

struct Mix {
    frames: Vec<[f64; 2]>,
    noise: ChaCha8Rng,
}

impl Mix {
    /// Adds a mono sound at `start_s` (wrapping at the end of the loop), at `pan` from 0 (left) to
    /// 1 (right).
    fn add(&mut self, start_s: f64, pan: f64, sound: &[f64]) {
        let first = (start_s * RATE) as usize;
        let (left, right) = (libm::cos(pan * 2.0 * FRAC_PI_4), libm::sin(pan * 2.0 * FRAC_PI_4));
        for (n, &sample) in sound.iter().enumerate() {
            let frame = &mut self.frames[(first + n) % FRAMES];
            frame[0] += left * sample;
            frame[1] += right * sample;
        }
    }

    /// White noise in [-1, 1).
    fn white(&mut self) -> f64 {
        f64::from(self.noise.next_u32() as i32) / 2_147_483_648.0
    }

    fn band(&mut self) {
        for step in 0..32u32 {
            let start_s = f64::from(step) * EIGHTH_S;
            let chord = CHORDS[step as usize / 8];
            let note = chord[[0, 2, 1, 3, 2, 1, 3, 2][step as usize % 8]];
            self.add(start_s, [0.2, 0.75, 0.35, 0.6][step as usize % 4], &pluck(hz(note + 12.0), 0.16));
            if step % 8 == 0 {
                for (n, &note) in chord.iter().enumerate() {
                    self.add(start_s, 0.15 + 0.23 * n as f64, &pluck(hz(note), 0.12));
                }
            }
            if step % 2 == 0 {
                self.add(start_s, 0.5, &bass(hz(chord[0] - 24.0)));
            }
            if step % 4 == 0 {
                self.add(start_s, 0.5, &drum());
            } else {
                let shaker = self.shaker();
                self.add(start_s, 0.65, &shaker);
            }
        }
    }

    fn voice(&mut self) {
        // Two sentences with a breath after each: starts of syllables in seconds.
        let mut vowel = 0;
        for (sentence_s, syllables) in [(0.1, 16u32), (4.05, 17)] {
            for n in 0..syllables {
                let start_s = sentence_s + f64::from(n) * 0.22 + 0.03 * f64::from(n % 3);
                let next = (vowel * 2 + n as usize + 1) % VOWELS.len();
                let pitch_hz = 132.0 - 1.6 * f64::from(n) + 9.0 * f64::from(n % 4);
                if n % 3 != 1 {
                    let consonant = self.consonant(if n % 2 == 0 { 5_200.0 } else { 2_900.0 });
                    self.add(start_s, 0.46, &consonant);
                }
                let sound = self.syllable(pitch_hz, VOWELS[vowel], VOWELS[next]);
                self.add(start_s + 0.055, 0.46, &sound);
                vowel = next;
            }
        }
    }

    /// A band of noise, 80 ms.
    fn consonant(&mut self, centre_hz: f64) -> Vec<f64> {
        let mut filter = Resonator::default();
        let frames = (0.08 * RATE) as usize;
        (0..frames)
            .map(|n| {
                let input = self.white();
                0.1 * swell(n, frames) * filter.next(input, centre_hz, 1_800.0)
            })
            .collect()
    }

    /// Glottal pulses with a little breath through formants that glide from one vowel to the next,
    /// 210 ms.
    fn syllable(&mut self, pitch_hz: f64, from: [f64; 3], to: [f64; 3]) -> Vec<f64> {
        let mut filters = [Resonator::default(); 3];
        let frames = (0.21 * RATE) as usize;
        let mut phase = 0.0;
        (0..frames)
            .map(|n| {
                let progress = n as f64 / frames as f64;
                phase += pitch_hz * (1.06 - 0.14 * progress) / RATE;
                phase -= libm::floor(phase);
                let excitation = glottal(phase) + 0.02 * self.white();
                let glide = progress * progress * (3.0 - 2.0 * progress);
                let voiced: f64 = filters
                    .iter_mut()
                    .enumerate()
                    .map(|(k, filter)| {
                        let centre_hz = from[k] + glide * (to[k] - from[k]);
                        [1.0, 0.6, 0.35][k] * filter.next(excitation, centre_hz, 70.0 + 30.0 * k as f64)
                    })
                    .sum();
                0.9 * swell(n, frames) * voiced
            })
            .collect()
    }

    /// A soft shaker stroke, 60 ms.
    fn shaker(&mut self) -> Vec<f64> {
        let mut previous = 0.0;
        (0..(0.06 * RATE) as usize)
            .map(|n| {
                let (t, white) = (n as f64 / RATE, self.white());
                let bright = white - previous;
                previous = white;
                0.03 * bright * (1.0 - libm::exp(-t / 0.003)) * decay(t, 0.06, 0.015)
            })
            .collect()
    }
}

/// Two-pole resonator of unity gain at its centre, which may move.
#[derive(Clone, Copy, Default)]
struct Resonator {
    past: [f64; 2],
}

impl Resonator {
    fn next(&mut self, input: f64, centre_hz: f64, bandwidth_hz: f64) -> f64 {
        let radius = libm::exp(-PI * bandwidth_hz / RATE);
        let angle = TAU * centre_hz / RATE;
        let gain = (1.0 - radius) * 2.0 * libm::sin(angle);
        let output = gain * input + 2.0 * radius * libm::cos(angle) * self.past[0] - radius * radius * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

/// Rate of glottal flow over a period (Rosenberg 1971): opens over 60 % of it, closes within 16 %.
fn glottal(phase: f64) -> f64 {
    if phase < 0.6 {
        libm::sin(PI * phase / 0.6) * 0.27
    } else if phase < 0.76 {
        -libm::sin(PI * (phase - 0.6) / 0.16)
    } else {
        0.0
    }
}

/// Envelope of a sound of `frames` frames: raised cosines at both ends, one fifth of the length
/// each.
fn swell(n: usize, frames: usize) -> f64 {
    let edge = (n.min(frames - n) as f64 / (frames as f64 / 5.0)).min(1.0);
    0.5 - 0.5 * libm::cos(PI * edge)
}

/// Exponential decay that reaches exactly 0 at `length_s`.
fn decay(t: f64, length_s: f64, constant_s: f64) -> f64 {
    libm::exp(-t / constant_s) * (1.0 - t / length_s).max(0.0)
}

fn hz(midi_note: f64) -> f64 {
    440.0 * libm::exp2((midi_note - 69.0) / 12.0)
}

/// A plucked FM tone, 1.4 s; the modulation dies away faster than the tone.
fn pluck(frequency_hz: f64, level: f64) -> Vec<f64> {
    sound(1.4, |t| {
        let modulator = 2.2 * libm::exp(-t / 0.12) * libm::sin(TAU * 2.0 * frequency_hz * t);
        level * (1.0 - libm::exp(-t / 0.002)) * decay(t, 1.4, 0.4) * libm::sin(TAU * frequency_hz * t + modulator)
    })
}

fn bass(frequency_hz: f64) -> Vec<f64> {
    sound(0.6, |t| {
        let angle = TAU * frequency_hz * t;
        0.2 * (1.0 - libm::exp(-t / 0.005)) * decay(t, 0.6, 0.3) * (libm::sin(angle) + 0.3 * libm::sin(2.0 * angle))
    })
}

/// A soft drum: a sine that falls from 150 to 50 Hz, 300 ms.
fn drum() -> Vec<f64> {
    sound(0.3, |t| {
        let cycles = 50.0 * t + 100.0 * 0.03 * (1.0 - libm::exp(-t / 0.03));
        0.3 * (1.0 - libm::exp(-t / 0.002)) * decay(t, 0.3, 0.08) * libm::sin(TAU * cycles)
    })
}

fn sound(length_s: f64, at: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..(length_s * RATE) as usize).map(|n| at(n as f64 / RATE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/audio/speech_and_music.wav")
    }

    #[test]
    fn the_generator_reproduces_the_committed_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("programme.wav");
        write(&path).unwrap();
        if std::env::var_os("UPDATE_PROGRAMME").is_some() {
            std::fs::copy(&path, committed()).unwrap();
        }
        let same = std::fs::read(&path).unwrap() == std::fs::read(committed()).unwrap();
        assert!(same, "regenerate: UPDATE_PROGRAMME=1 cargo test -p sim programme");
    }

    #[test]
    fn levels_are_sane_and_pauses_short() {
        let samples = samples();
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert_eq!(peak, 16_384);
        let db = |s: &[i16]| {
            let power: f64 = s.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / s.len() as f64;
            10.0 * libm::log10(power.max(1e-9)) - 90.31
        };
        let (rms, blocks): (f64, Vec<f64>) = (db(&samples), samples.chunks(9_600).map(db).collect());
        let quietest = blocks.iter().copied().fold(0.0, f64::min);
        println!("RMS {rms:.1} dBFS, quietest 100 ms {quietest:.1} dBFS");
        assert!((-26.0..-14.0).contains(&rms), "{rms}");
        assert!(quietest > -45.0, "{quietest}");
    }

    #[test]
    fn the_loop_has_no_seam() {
        let samples = samples();
        let second_difference = |n: usize| {
            let at = |k: usize| i32::from(samples[2 * ((n + k) % FRAMES)]);
            (at(0) - 2 * at(1) + at(2)).abs()
        };
        let largest = (0..FRAMES - 2).map(second_difference).max().unwrap();
        let seam = (FRAMES - 2..FRAMES).map(second_difference).max().unwrap();
        assert!(seam * 4 < largest, "{seam} at the seam, {largest} elsewhere");
    }
}
