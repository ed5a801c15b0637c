//! `sim bench detector`: how many planted faults the fault detector finds, and how many false
//! alarms it raises, in programmes that it was not tuned on.
//!
//! Model: a receiver's output is the programme at a rate that is 100 ppm off and wobbles by 20 ppm,
//! on the grid of 24 bits. Faults of one kind are planted 0.4 to 0.8 s apart, where they change the
//! output by at least -40 dBFS: a smaller change is inaudible. A fault counts as found if it is
//! detected within 20 ms; any other detection is a false alarm.

mod programmes;

use crate::check::{Circumstances, CrackleDetector, FrameTimes, Listening};
use crate::signal::{Interpolator, SourceSignal};
use engine::{Frames, MediaPosition, SampleRate};
pub use programmes::Programme;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use std::fmt::{self, Write};
use std::sync::Arc;

const RATE_HZ: u32 = 48_000;
/// Media frame of the first played frame: far from where the programme's loop begins.
const START: i64 = 1_234_567;
/// Tolerance for the position of a detected fault.
const NEAR_S: f64 = 0.02;
/// Smallest peak of the change by which a fault is audible.
const AUDIBLE: f32 = 0.01;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedFault {
    /// One sample is off by -20 dBFS.
    Spike,
    /// One frame is missing.
    FrameDropped,
    /// 48 frames are played twice.
    FramesRepeated,
    /// 1 ms of zeros.
    Zeros1Ms,
    /// 5 ms of zeros.
    Zeros5Ms,
    /// 10 ms of zeros.
    Zeros10Ms,
    /// The programme continues 5 ms too late.
    Jump5Ms,
    /// 60 ms of silence, faded in and out over 10 ms.
    FadedGap,
    /// 80 ms of repetitions of the last audio, faded in and out over 5 ms: a long concealment.
    LongConcealment,
}

impl PlantedFault {
    /// All kinds of faults.
    pub const ALL: [Self; 9] = [
        Self::Spike,
        Self::FrameDropped,
        Self::FramesRepeated,
        Self::Zeros1Ms,
        Self::Zeros5Ms,
        Self::Zeros10Ms,
        Self::Jump5Ms,
        Self::FadedGap,
        Self::LongConcealment,
    ];

    /// Changes `played` (interleaved stereo) by the fault at frame `at`, for as long as the fault
    /// lasts.
    fn plant(self, played: &mut Vec<f32>, at: usize) {
        let i = 2 * at;
        let mut zeros = |frames: usize| played[i..i + 2 * frames].fill(0.0);
        match self {
            Self::Spike => played[i] += 0.1,
            Self::FrameDropped => drop(played.drain(i..i + 2)),
            Self::FramesRepeated => {
                let again: Vec<f32> = played[i - 96..i].to_vec();
                played.splice(i..i, again);
            }
            Self::Zeros1Ms => zeros(48),
            Self::Zeros5Ms => zeros(240),
            Self::Zeros10Ms => zeros(480),
            Self::Jump5Ms => drop(played.drain(i..i + 480)),
            Self::FadedGap => faded(played, at, 2_880, 480, |_, _| 0.0),
            Self::LongConcealment => {
                let before: Vec<f32> = played[i - 960..i].to_vec();
                faded(played, at, 3_840, 240, |n, channel| before[2 * (n % 480) + channel]);
            }
        }
    }
}

impl fmt::Display for PlantedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spike => "spike",
            Self::FrameDropped => "frame dropped",
            Self::FramesRepeated => "48 frames repeated",
            Self::Zeros1Ms => "1 ms of zeros",
            Self::Zeros5Ms => "5 ms of zeros",
            Self::Zeros10Ms => "10 ms of zeros",
            Self::Jump5Ms => "jump by 5 ms",
            Self::FadedGap => "faded gap of 60 ms",
            Self::LongConcealment => "concealment of 80 ms",
        })
    }
}

/// Replaces some frames by the values of `instead`, faded in and out over `fade` frames.
fn faded(played: &mut [f32], at: usize, frames: usize, fade: usize, instead: impl Fn(usize, usize) -> f32) {
    for n in 0..frames {
        let share = (n.min(frames - 1 - n) as f32 / fade as f32).min(1.0);
        for channel in 0..2 {
            let sample = &mut played[2 * (at + n) + channel];
            *sample += share * (instead(n, channel) - *sample);
        }
    }
}

/// Results of one kind of fault in one programme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectorFigures {
    /// The programme.
    pub programme: Programme,
    /// The fault.
    pub fault: PlantedFault,
    /// How many were planted.
    pub planted: usize,
    /// How many of them were found.
    pub found: usize,
    /// Number of false alarms.
    pub false_alarms: usize,
}

/// Plants faults in `seconds` of every programme.
#[must_use]
pub fn detector_figures(seconds: u32) -> Vec<DetectorFigures> {
    let renders: Vec<(Programme, Arc<SourceSignal>, Vec<f32>)> = Programme::ALL
        .into_par_iter()
        .map(|programme| {
            let source = Arc::new(programme.source(SampleRate::HZ_48000));
            let played = render(&source, seconds);
            (programme, source, played)
        })
        .collect();
    let cases: Vec<(usize, PlantedFault)> =
        (0..renders.len()).flat_map(|index| PlantedFault::ALL.map(|fault| (index, fault))).collect();
    cases
        .into_par_iter()
        .map(|(index, fault)| {
            let (programme, source, clean) = &renders[index];
            figures(*programme, source, clean, fault)
        })
        .collect()
}

fn figures(programme: Programme, source: &Arc<SourceSignal>, clean: &[f32], fault: PlantedFault) -> DetectorFigures {
    let (mut played, mut planted) = (clean.to_vec(), Vec::new());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut at = 48_000;
    while at + 96_000 < clean.len() / 2 {
        let mut trial = played[2 * (at - 4_800)..2 * (at + 9_600)].to_vec();
        let before = trial.clone();
        fault.plant(&mut trial, 4_800);
        if changes(&before, &trial) {
            fault.plant(&mut played, at);
            planted.push(at as f64 / f64::from(RATE_HZ));
        }
        at += 19_200 + rng.next_u32() as usize % 19_200;
    }
    let heard = faults_heard(source, &played);
    let near = |a: f64, b: f64| (a - b).abs() <= NEAR_S;
    let found = planted.iter().filter(|&&p| heard.iter().any(|&(from, to)| near(from, p) || near(to, p))).count();
    let explained = |(from, to): &(f64, f64)| planted.iter().any(|&p| p > from - 0.12 && p < to + NEAR_S);
    let false_alarms = heard.iter().filter(|fault| !explained(fault)).count();
    DetectorFigures { programme, fault, planted: planted.len(), found, false_alarms }
}

/// Whether a fault changes the output audibly within 10 ms.
fn changes(before: &[f32], after: &[f32]) -> bool {
    let window = 2 * 4_800 - 2..2 * (4_800 + 480);
    let (before, after) = (&before[window.clone()], &after[window]);
    before.iter().zip(after).any(|(a, b)| (a - b).abs() >= AUDIBLE)
}

/// Begin and end of each fault that is detected, s.
fn faults_heard(source: &Arc<SourceSignal>, played: &[f32]) -> Vec<(f64, f64)> {
    let mut detector = CrackleDetector::new(Arc::clone(source), Frames::new(START - 300), 4_800);
    played.chunks(9_600).for_each(|block| detector.push(block));
    let rate = f64::from(RATE_HZ);
    let times = FrameTimes::new(played.len() as u64 / 2, RATE_HZ, |frame| frame as f64 / rate);
    let around = Circumstances { times, ..Circumstances::default() };
    let heard = Listening::new(&detector.finish(), around, |_, _| 0.0);
    heard.glitches.iter().map(|glitch| (glitch.from_s, glitch.to_s)).collect()
}

fn render(source: &Arc<SourceSignal>, seconds: u32) -> Vec<f32> {
    let mut interpolator = Interpolator::new(Arc::clone(source));
    let mut out = vec![0.0; seconds as usize * RATE_HZ as usize * 2];
    let mut position = MediaPosition::at_frame(Frames::new(START));
    for (n, block) in out.chunks_mut(2 * 48).enumerate() {
        let step = 1.0 + 1e-4 + 2e-5 * libm::sin(std::f64::consts::TAU * n as f64 / 1000.0);
        interpolator.render_at(position, step, block);
        position = position.advanced(step * (block.len() / 2) as f64);
    }
    let grid = f64::from(1u32 << 23);
    out.iter_mut().for_each(|sample| *sample = (libm::round(f64::from(*sample) * grid) / grid) as f32);
    out
}

/// The table: a row for each kind of fault, a column for each programme.
#[must_use]
pub fn render_detector_table(figures: &[DetectorFigures]) -> String {
    let mut text = format!("{:<22}", "found of planted");
    Programme::ALL.iter().for_each(|programme| {
        let _ = write!(text, "{:>14}", programme.to_string());
    });
    text.push('\n');
    let of = |programme: Programme| figures.iter().filter(move |one| one.programme == programme);
    for fault in PlantedFault::ALL {
        let _ = write!(text, "{:<22}", fault.to_string());
        for programme in Programme::ALL {
            let cell = of(programme).find(|one| one.fault == fault);
            let cell = cell.map_or_else(String::new, |one| format!("{}/{}", one.found, one.planted));
            let _ = write!(text, "{cell:>14}");
        }
        text.push('\n');
    }
    let _ = write!(text, "{:<22}", "recall");
    for programme in Programme::ALL {
        let (found, planted) = of(programme).fold((0, 0), |(f, p), one| (f + one.found, p + one.planted));
        let _ = write!(text, "{:>13.2}%", 100.0 * found as f64 / planted.max(1) as f64);
    }
    let _ = write!(text, "\n{:<22}", "false alarms");
    for programme in Programme::ALL {
        let _ = write!(text, "{:>14}", of(programme).map(|one| one.false_alarms).sum::<usize>());
    }
    text
}
