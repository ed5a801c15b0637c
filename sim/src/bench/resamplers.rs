//! The comparison of resamplers: distortion of a tone, flatness, latency and speed.
//!
//! Model: 48 kHz, a step of 100 ppm, blocks of 480 frames. Noise and distortion (THD+N) are the
//! residual of a sine of free frequency, amplitude, phase and offset, fitted to 2^18 output samples
//! of a tone of -1 dBFS, unweighted, with samples in single precision. Flat means a gain within 0.1
//! dB. Latency is the centre of an impulse's power at step 1. Speed is measured with two channels:
//! the resamplers take turns, and the best turn of each counts, because other load on the machine
//! can only increase the time.
//!
//! Only the speed differs between runs, and between machines. Development builds contain checks
//! that slow the resamplers down by different amounts, so compare speeds in a release build.
//!
//! The feature `peers` adds libsamplerate, soxr, zita-resampler and speexdsp, those of them that
//! the system has (see the crate `peers`).

mod contestants;
#[cfg(feature = "peers")]
mod peer;
mod sine;

use comfy_table::{CellAlignment, Table, presets};
pub use contestants::{Contestant, ContestantError, contestants};
use core::f64::consts::TAU;
use engine::resample::Resampler;
use serde::Serialize;
use std::time::Duration;

const RATE: f64 = 48_000.0;
/// Frames of a block.
const FRAMES: usize = 480;
const STEP: f64 = 1.0001;
/// -1 dBFS.
const AMPLITUDE: f64 = 0.891_250_938_133_745_6;
/// Number of samples over which THD+N is measured.
const LONG: usize = 1 << 18;
/// Number of samples over which a gain is measured.
const SHORT: usize = 1 << 13;
/// Number of output frames after which the filter of every resampler is filled with signal.
const WARM_UP: usize = 2_400;
/// Limit of flatness, dB.
const FLAT_DB: f64 = 0.1;
/// Steps with which the end of the flat range is searched, first coarsely, Hz.
const COARSE_HZ: f64 = 500.0;
const FINE_HZ: f64 = 5.0;
/// Blocks of a turn.
const TURN_BLOCKS: u32 = 4;

/// Results of one resampler.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResamplerFigures {
    /// Its name.
    pub resampler: String,
    /// Time per frame of two channels.
    pub ns_per_frame: f64,
    /// How many times faster the resampler is than rubato with the parameters that its
    /// documentation proposes.
    pub speed_vs_rubato_default: f64,
    /// Noise and distortion of a tone of 997 Hz.
    pub thdn_997_db: f64,
    /// Noise and distortion of a tone of 10 kHz.
    pub thdn_10k_db: f64,
    /// Noise and distortion of a tone of 19 kHz.
    pub thdn_19k_db: f64,
    /// Frequency up to which the gain is within 0.1 dB.
    pub flat_to_hz: f64,
    /// Delay of an impulse.
    pub latency_ms: f64,
}

/// Compares all resamplers. Speeds are relative to the first of [`contestants()`]. `clock` reads a
/// monotonic clock.
///
/// # Errors
/// If a resampler refuses.
pub fn compare_resamplers(
    rounds: u32,
    clock: &mut dyn FnMut() -> Duration,
) -> Result<Vec<ResamplerFigures>, ContestantError> {
    let all = contestants();
    let times = times_ns(&all, rounds, clock)?;
    all.iter().zip(&times).map(|(contestant, &ns)| figures(contestant, ns, times[0])).collect()
}

fn figures(contestant: &Contestant, ns: f64, reference_ns: f64) -> Result<ResamplerFigures, ContestantError> {
    Ok(ResamplerFigures {
        resampler: contestant.name.clone(),
        ns_per_frame: rounded(ns, 100.0),
        speed_vs_rubato_default: rounded(reference_ns / ns, 100.0),
        thdn_997_db: rounded(thdn_db(contestant, 997.0)?, 10.0),
        thdn_10k_db: rounded(thdn_db(contestant, 10_000.0)?, 10.0),
        thdn_19k_db: rounded(thdn_db(contestant, 19_000.0)?, 10.0),
        flat_to_hz: flat_to_hz(contestant)?,
        latency_ms: rounded(latency_ms(contestant)?, 1e4),
    })
}

fn rounded(value: f64, per_unit: f64) -> f64 {
    libm::round(value * per_unit) / per_unit
}

/// The first `count` output samples of a single channel.
fn pull(resampler: &mut dyn Resampler, step: f64, count: usize, source: impl Fn(usize) -> f32) -> Vec<f32> {
    let (mut output, mut fed) = (vec![0.0; count.next_multiple_of(FRAMES)], 0);
    for block in output.chunks_exact_mut(FRAMES) {
        let needed = resampler.prepare(FRAMES, step);
        let input: Vec<f32> = (fed..fed + needed).map(&source).collect();
        resampler.process(&input, block);
        fed += needed;
    }
    output.truncate(count);
    output
}

/// A tone once the resampler has settled, and its frequency in cycles per output sample.
fn tone(contestant: &Contestant, hz: f64, count: usize) -> Result<(Vec<f32>, f64), ContestantError> {
    let mut resampler = contestant.make(1, FRAMES)?;
    let source = |frame: usize| (AMPLITUDE * libm::sin(TAU * ((hz / RATE * frame as f64) % 1.0))) as f32;
    let mut output = pull(resampler.as_mut(), STEP, WARM_UP + count, source);
    output.drain(..WARM_UP);
    Ok((output, hz / RATE * STEP))
}

/// Power of noise and distortion over that of the tone.
///
/// # Errors
/// If the resampler cannot be made.
pub fn thdn_db(contestant: &Contestant, hz: f64) -> Result<f64, ContestantError> {
    let (samples, frequency) = tone(contestant, hz, LONG)?;
    Ok(sine::fit(&samples, frequency).residual_db())
}

fn gain_db(contestant: &Contestant, hz: f64) -> Result<f64, ContestantError> {
    let (samples, frequency) = tone(contestant, hz, SHORT)?;
    Ok(20.0 * libm::log10(sine::fit(&samples, frequency).amplitude() / AMPLITUDE))
}

/// The frequency up to which the gain is within 0.1 dB.
///
/// # Errors
/// If the resampler cannot be made.
pub fn flat_to_hz(contestant: &Contestant) -> Result<f64, ContestantError> {
    let is_flat = |hz| gain_db(contestant, hz).map(|gain| gain.abs() <= FLAT_DB);
    let mut flat = COARSE_HZ;
    while flat + COARSE_HZ < RATE / 2.0 && is_flat(flat + COARSE_HZ)? {
        flat += COARSE_HZ;
    }
    let mut steep = flat + COARSE_HZ;
    while steep - flat > FINE_HZ {
        let middle = (flat + steep) / 2.0;
        if is_flat(middle)? {
            flat = middle;
        } else {
            steep = middle;
        }
    }
    Ok(libm::floor(flat))
}

/// Delay of the centre of an impulse's power, at step 1.
///
/// # Errors
/// If the resampler cannot be made.
pub fn latency_ms(contestant: &Contestant) -> Result<f64, ContestantError> {
    let output =
        pull(contestant.make(1, FRAMES)?.as_mut(), 1.0, 2 * WARM_UP, |frame| f32::from(u8::from(frame == WARM_UP)));
    let powers = output.iter().map(|sample| f64::from(*sample) * f64::from(*sample));
    let (power, moment) =
        powers.enumerate().fold((0.0, 0.0), |(power, moment), (n, p)| (power + p, moment + p * n as f64));
    Ok((moment / power - WARM_UP as f64) / RATE * 1e3)
}

/// Time per frame of two channels, all resamplers taking turns.
fn times_ns(all: &[Contestant], rounds: u32, clock: &mut dyn FnMut() -> Duration) -> Result<Vec<f64>, ContestantError> {
    const CHANNELS: usize = 2;
    let mut resamplers =
        all.iter().map(|contestant| contestant.make(CHANNELS, FRAMES)).collect::<Result<Vec<_>, _>>()?;
    let input: Vec<f32> = (0..2 * FRAMES * CHANNELS).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
    let mut output = vec![0.0; FRAMES * CHANNELS];
    let mut best = vec![f64::INFINITY; all.len()];
    for _ in 0..rounds {
        for (resampler, best) in resamplers.iter_mut().zip(&mut best) {
            // The first block of a turn only refills the caches.
            for _ in 0..TURN_BLOCKS {
                let needed = resampler.prepare(FRAMES, STEP);
                let begin = clock();
                resampler.process(&input[..needed * CHANNELS], &mut output);
                let taken = clock().saturating_sub(begin);
                *best = best.min(taken.as_nanos() as f64 / FRAMES as f64);
            }
            std::hint::black_box(&output);
        }
    }
    Ok(best)
}

/// The result for a terminal.
#[must_use]
pub fn render_resampler_table(figures: &[ResamplerFigures]) -> String {
    let mut table = Table::new();
    let row_separator = presets::NOTHING.row_separator;
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(row_separator));
    table.set_header([
        "resampler",
        "ns/frame",
        "speed",
        "997 Hz dB",
        "10 kHz dB",
        "19 kHz dB",
        "flat to Hz",
        "latency ms",
    ]);
    for row in figures {
        table.add_row([
            row.resampler.clone(),
            format!("{:.1}", row.ns_per_frame),
            format!("{:.2}", row.speed_vs_rubato_default),
            format!("{:.1}", row.thdn_997_db),
            format!("{:.1}", row.thdn_10k_db),
            format!("{:.1}", row.thdn_19k_db),
            format!("{:.0}", row.flat_to_hz),
            format!("{:.2}", row.latency_ms),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A list of [`ResamplerFigures`].
#[must_use]
pub fn render_resampler_json(figures: &[ResamplerFigures]) -> String {
    let mut text = serde_json::to_string_pretty(figures).unwrap_or_default();
    text.push('\n');
    text
}
