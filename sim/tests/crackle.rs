//! Is the judge honest? Renders without faults must have no crackles; planted faults must be found,
//! once, and in place.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Frames, MediaPosition, SampleRate};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sim::check::{CrackleDetector, CrackleReport};
use sim::signal::{Interpolator, SourceSignal, Tone};

const RATE: f64 = 48_000.0;
/// Media frame of the first played frame in these tests.
const START: i64 = 1_234_567;

fn programme_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/audio/speech_and_music.wav")
}

fn programme() -> Arc<SourceSignal> {
    Arc::new(SourceSignal::from_wav(&programme_path(), SampleRate::HZ_48000, 2).unwrap().quantised(24))
}

fn tones(frequencies: &[f64]) -> Arc<SourceSignal> {
    let tones: Vec<Tone> = frequencies.iter().map(|&frequency_hz| Tone { frequency_hz, level_dbfs: -16.0 }).collect();
    Arc::new(SourceSignal::tones(SampleRate::HZ_48000, 2, &tones).unwrap().quantised(24))
}

/// A receiver's output: the rate deviates by `ppm`, and wobbles by `wobble_ppm` at 1 Hz.
fn render(source: &Arc<SourceSignal>, seconds: f64, ppm: f64, wobble_ppm: f64) -> Vec<f32> {
    let mut interpolator = Interpolator::new(Arc::clone(source));
    let mut out = vec![0.0; (seconds * RATE) as usize * 2];
    let mut position = MediaPosition::at_frame(Frames::new(START));
    for (n, block) in out.chunks_mut(2 * 48).enumerate() {
        let wobble = wobble_ppm * libm::sin(std::f64::consts::TAU * n as f64 / 1000.0);
        let step = 1.0 + (ppm + wobble) * 1e-6;
        interpolator.render_at(position, step, block);
        position = position.advanced(step * (block.len() / 2) as f64);
    }
    quantise(&mut out, 24);
    out
}

fn render_linear(source: &SourceSignal, seconds: f64, ppm: f64) -> Vec<f32> {
    let frames = (seconds * RATE) as usize;
    let mut input = vec![0.0; (frames + frames / 1000 + 4) * 2];
    source.render(START, &mut input);
    let mut out = Vec::with_capacity(frames * 2);
    for n in 0..frames {
        let position = n as f64 * (1.0 + ppm * 1e-6);
        let (whole, fraction) = (position as usize, position.fract() as f32);
        for channel in 0..2 {
            let (a, b) = (input[whole * 2 + channel], input[whole * 2 + 2 + channel]);
            out.push(a + fraction * (b - a));
        }
    }
    out
}

fn quantise(samples: &mut [f32], bits: u32) {
    let grid = f64::from(1u32 << (bits - 1));
    samples.iter_mut().for_each(|s| *s = (libm::round(f64::from(*s) * grid) / grid) as f32);
}

fn detect(source: &Arc<SourceSignal>, played: &[f32]) -> CrackleReport {
    let mut detector = CrackleDetector::new(Arc::clone(source), Frames::new(START - 300), 4_800);
    played.chunks(1_000).for_each(|block| detector.push(block));
    detector.finish()
}

fn assert_clean(name: &str, source: &Arc<SourceSignal>, played: &[f32]) -> CrackleReport {
    let report = detect(source, played);
    println!("{name}: {report:?}");
    assert!(report.crackles.is_empty(), "{name}: {report:?}");
    assert!(report.tracked_share > 0.97, "{name}: {report:?}");
    report
}

#[test]
fn resampled_renders_are_clean() {
    for source in [programme(), tones(&[997.0]), tones(&[110.0, 441.0, 3_520.5])] {
        for (ppm, wobble_ppm) in [(0.0, 0.0), (100.0, 0.0), (100.0, 20.0), (-1000.0, 0.0), (1000.0, 20.0)] {
            let played = render(&source, 4.0, ppm, wobble_ppm);
            let report = assert_clean(&format!("{ppm} ppm, wobble {wobble_ppm} ppm"), &source, &played);
            let cents = (1200.0 * libm::log2(1.0 + (ppm.abs() + wobble_ppm) * 1e-6)).abs();
            assert!((report.pitch_deviation_cents - cents).abs() < 0.05, "{ppm} {wobble_ppm}: {report:?}");
            assert!(report.residual_dbfs().is_some_and(|r| r < -85.0), "{report:?}");
            assert!(report.longest_gap_ms < 1e-9);
        }
    }
}

#[test]
fn a_jump_at_the_first_alignment_does_not_stay_in_the_rate_for_ever() {
    let source = programme();
    let original = render(&source, 8.0, 0.0, 0.0);
    let mut interpolator = Interpolator::new(Arc::clone(&source));
    for (begin, jump) in [(96_000, 0.8), (144_000, -0.8)] {
        // Silence until 10 ms before a jump by less than a frame, which the two hops of the first
        // alignment cannot tell from a rate.
        let mut played = original.clone();
        played[..2 * begin].fill(0.0);
        let after = begin + 480;
        let position = MediaPosition::at_frame(Frames::new(START + after as i64)).advanced(jump);
        interpolator.render_at(position, 1.0, &mut played[2 * after..]);
        let report = detect(&source, &played);
        let hops = &report.timeline.hops[after / 480 + 10..];
        let wrong = hops.iter().filter(|hop| hop.heard.is_disturbed()).count();
        assert!(wrong < 10, "{begin}, {jump}: {wrong} of {}", hops.len());
    }
}

#[test]
fn linear_interpolation_and_16_bits_are_clean() {
    let source = programme();
    assert_clean("linear", &source, &render_linear(&source, 16.0, 100.0));
    assert_clean("linear, slow beat", &source, &render_linear(&source, 16.0, -3.0));
    let mut played = render(&source, 8.0, 100.0, 20.0);
    quantise(&mut played, 16);
    assert_clean("16 bits", &source, &played);
    let quieter: Vec<f32> = played.iter().map(|s| s * 0.3).collect();
    assert_clean("at -10 dB", &source, &quieter);
}

#[test]
fn fades_and_crossfades_are_clean() {
    let source = programme();
    let original = render(&source, 8.0, 50.0, 0.0);
    let jumped: Vec<f32> = original[2 * 96..].to_vec();
    for begin in (24_000..300_000).step_by(51_123) {
        let mut played = original[..jumped.len()].to_vec();
        for n in begin..played.len() / 2 {
            let blend = ((n - begin) as f32 / 240.0).min(1.0);
            for c in 0..2 {
                let at = 2 * n + c;
                played[at] += blend * (jumped[at] - played[at]);
            }
        }
        assert_clean(&format!("crossfade at {begin}"), &source, &played);
        for hold in [0, 480, 4_800, 30_000] {
            let mut played = original.clone();
            fade_out_and_in(&mut played, begin, 480, hold);
            let report = assert_clean_gap(&format!("fade at {begin}, {hold} frames"), &source, &played);
            assert!((report.longest_gap_ms - hold as f64 / 48.0).abs() < 1.5, "{hold} at {begin}: {report:?}");
        }
    }
    let mut played = vec![0.0; 2 * 5_000];
    played.extend_from_slice(&original);
    played[10_000..]
        .chunks_exact_mut(2)
        .take(240)
        .enumerate()
        .for_each(|(n, f)| f.iter_mut().for_each(|s| *s *= n as f32 / 240.0));
    assert_clean("faded start", &source, &played);
}

fn assert_clean_gap(name: &str, source: &Arc<SourceSignal>, played: &[f32]) -> CrackleReport {
    let report = detect(source, played);
    assert!(report.crackles.is_empty(), "{name}: {report:?}");
    report
}

fn fade_out_and_in(played: &mut [f32], begin: usize, fade: usize, hold: usize) {
    for n in 0..2 * fade + hold {
        let gain =
            if n < fade { 1.0 - n as f32 / fade as f32 } else { n.saturating_sub(fade + hold) as f32 / fade as f32 };
        let Some(frame) = played.get_mut(2 * (begin + n)..2 * (begin + n) + 2) else { return };
        frame.iter_mut().for_each(|s| *s *= gain);
    }
}

/// A fault, planted at a frame; the frames at which it must be heard.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Spike,
    RightSpike,
    DroppedFrame,
    Repeat48,
    Zero1Ms,
    Mute30Ms,
    Jump5Ms,
}

const FAULTS: [Fault; 7] = [
    Fault::Spike,
    Fault::RightSpike,
    Fault::DroppedFrame,
    Fault::Repeat48,
    Fault::Zero1Ms,
    Fault::Mute30Ms,
    Fault::Jump5Ms,
];

fn plant(played: &mut Vec<f32>, fault: Fault, at: usize) -> Vec<u64> {
    let (i, frame) = (2 * at, at as u64);
    match fault {
        Fault::Spike => played[i..i + 2].iter_mut().for_each(|s| *s += 0.1),
        Fault::RightSpike => played[i + 1] -= 0.1,
        Fault::DroppedFrame => drop(played.drain(i..i + 2)),
        Fault::Repeat48 => {
            let again: Vec<f32> = played[i - 96..i].to_vec();
            played.splice(i..i, again);
        }
        Fault::Zero1Ms => played[i..i + 96].fill(0.0),
        Fault::Mute30Ms => {
            played[i..i + 2 * 1440].fill(0.0);
            return vec![frame, frame + 1440];
        }
        Fault::Jump5Ms => drop(played.drain(i..i + 480)),
    }
    vec![frame]
}

/// Missed and false ones of `report`, within 20 ms.
fn compare(expected: &[u64], report: &CrackleReport) -> (usize, usize) {
    let near = |a: u64, b: u64| a.abs_diff(b) <= 960;
    let missed = expected.iter().filter(|&&e| !report.crackles.iter().any(|c| near(c.at_frame, e))).count();
    let found = expected.len() - missed;
    (missed, report.crackles.len() - found.min(report.crackles.len()))
}

fn write_wav(path: &Path, samples: &[f32]) {
    let spec = WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 24, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|&s| writer.write_sample((s * 8_388_608.0) as i32).unwrap());
    writer.finalize().unwrap();
}

fn read_wav(path: &Path) -> Vec<f32> {
    let reader = WavReader::open(path).unwrap();
    reader.into_samples::<i32>().map(|s| s.unwrap() as f32 / 8_388_608.0).collect()
}

#[test]
fn a_wav_with_planted_clicks_and_one_without() {
    let dir = tempfile::tempdir().unwrap();
    let source = programme();
    let mut played = render(&source, 8.0, 100.0, 10.0);
    let clean = dir.path().join("clean.wav");
    write_wav(&clean, &played);
    assert_clean("clean.wav", &source, &read_wav(&clean));
    let mut expected = Vec::new();
    for (n, fault) in FAULTS.into_iter().enumerate() {
        // In order of time: a later fault does not move the earlier ones.
        expected.extend(plant(&mut played, fault, 40_000 + 45_000 * n));
    }
    let clicks = dir.path().join("clicks.wav");
    write_wav(&clicks, &played);
    let report = detect(&source, &read_wav(&clicks));
    assert_eq!(compare(&expected, &report), (0, 0), "expected {expected:?}: {report:?}");
    assert!((report.longest_gap_ms - 30.0).abs() < 1.0, "{report:?}");
}

#[test]
fn random_clicks_are_found() {
    let source = programme();
    let original = render(&source, 60.0, 100.0, 20.0);
    assert_clean("60 s", &source, &original);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut planted, mut missed, mut false_alarms) = (0, 0, 0);
    for fault in FAULTS {
        let (mut played, mut expected) = (original.clone(), Vec::new());
        let mut at = 20_000;
        while at < original.len() / 2 - 150_000 {
            // Some 30 ms from one another at the least, often a good deal more; only where the
            // fault makes a jump. A dropped frame is a small step in most programmes, yet must be
            // found.
            let limit = if matches!(fault, Fault::DroppedFrame) { 0.01 } else { 0.0316 };
            at += 12_000 + rng.next_u32() as usize % 9_000;
            if step(&played, fault, at) > limit {
                expected.extend(plant(&mut played, fault, at));
            }
        }
        let report = detect(&source, &played);
        let (lost, extra) = compare(&expected, &report);
        for e in &expected {
            if !report.crackles.iter().any(|c| c.at_frame.abs_diff(*e) <= 960) {
                println!("missed {e}");
            }
        }
        println!("{fault:?}: {} planted, {lost} missed, {extra} false", expected.len());
        (planted, missed, false_alarms) = (planted + expected.len(), missed + lost, false_alarms + extra);
    }
    println!("recall {:.4}, {false_alarms} false", 1.0 - missed as f64 / planted as f64);
    assert!(missed * 100 <= planted, "{missed} of {planted} missed");
    assert_eq!(false_alarms, 0);
}

/// The smallest jump that a fault makes at its edges, full scale = 1.
fn step(played: &[f32], fault: Fault, at: usize) -> f32 {
    let frame = |n: usize| [played[2 * n], played[2 * n + 1]];
    let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).abs().max((a[1] - b[1]).abs());
    match fault {
        Fault::Spike | Fault::RightSpike => 0.1,
        Fault::DroppedFrame => distance(frame(at), frame(at + 1)),
        Fault::Repeat48 => distance(frame(at), frame(at - 48)),
        Fault::Zero1Ms => distance(frame(at), [0.0; 2]).min(distance(frame(at + 48), [0.0; 2])),
        Fault::Mute30Ms => distance(frame(at), [0.0; 2]).min(distance(frame(at + 1440), [0.0; 2])),
        Fault::Jump5Ms => distance(frame(at), frame(at + 240)),
    }
}
