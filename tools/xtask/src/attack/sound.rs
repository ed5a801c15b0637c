//! The analysis of a received tone: a recording is divided into windows of 10 ms.

use std::f64::consts::TAU;

pub(super) const RATE_HZ: f64 = 48_000.0;
/// The tone that `aes67 send tone` sends.
const TONE_HZ: f64 = 997.0;
const AMPLITUDE: f64 = 0.1;
const WINDOW: usize = 480;
/// Seconds of a window.
pub(super) const WINDOW_S: f64 = WINDOW as f64 / RATE_HZ;
/// The tone is right if its amplitude is within 1 dB, and everything else is 40 dB below it.
const AMPLITUDES: std::ops::Range<f64> = AMPLITUDE * 0.891..AMPLITUDE * 1.122;
const RESIDUAL_RMS: f64 = AMPLITUDE / 100.0;
/// An RMS above this cannot be a part of the tone, so another sender is heard. Full-scale noise
/// reaches it within 1 ms of a window.
const FOREIGN_RMS: f64 = 1.5 * AMPLITUDE;

/// Contents of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Tone,
    /// Silence, a part of the tone, or a cut in it: the result of concealment.
    Gap,
    /// Another sender.
    Foreign,
}

/// Classifies the first channel (24 bits) of frames of `frame_bytes` bytes.
pub(super) fn windows(data: &[u8], frame_bytes: usize) -> Vec<Heard> {
    let sample = |frame: &[u8]| f64::from(i32::from_le_bytes([0, frame[0], frame[1], frame[2]])) / 2f64.powi(31);
    let samples: Vec<f64> = data.chunks_exact(frame_bytes).map(sample).collect();
    samples.chunks_exact(WINDOW).map(classify).collect()
}

/// Classifies a window by the tone that fits best (least squares) and its residual.
fn classify(window: &[f64]) -> Heard {
    let phases = (0..window.len()).map(|n| TAU * TONE_HZ * n as f64 / RATE_HZ);
    let waves: Vec<(f64, f64)> = phases.map(|phase| (phase.cos(), phase.sin())).collect();
    let (mut cc, mut cs, mut ss, mut cx, mut sx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((c, s), x) in waves.iter().zip(window) {
        (cc, cs, ss, cx, sx) = (cc + c * c, cs + c * s, ss + s * s, cx + c * x, sx + s * x);
    }
    let determinant = cc * ss - cs * cs;
    let (a, b) = ((cx * ss - sx * cs) / determinant, (sx * cc - cx * cs) / determinant);
    let left = waves.iter().zip(window).map(|((c, s), x)| (x - a * c - b * s).powi(2)).sum::<f64>();
    let (amplitude, residual_rms) = (a.hypot(b), (left / window.len() as f64).sqrt());
    match residual_rms {
        left if left > FOREIGN_RMS => Heard::Foreign,
        left if left < RESIDUAL_RMS && AMPLITUDES.contains(&amplitude) => Heard::Tone,
        _ => Heard::Gap,
    }
}

/// Result of an analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// The share of windows with the tone alone.
    pub(super) share: f64,
    pub(super) foreign_s: f64,
    /// The longest time without the tone alone.
    pub(super) longest_gap_s: f64,
}

impl Figures {
    /// The figures of a sequence of windows.
    pub(super) fn of(windows: &[Heard]) -> Self {
        let count = |kind| windows.iter().filter(|heard| **heard == kind).count() as f64;
        let gaps = windows.split(|heard| *heard == Heard::Tone).map(<[Heard]>::len);
        Self {
            share: count(Heard::Tone) / windows.len().max(1) as f64,
            foreign_s: count(Heard::Foreign) * WINDOW_S,
            longest_gap_s: gaps.max().unwrap_or(0) as f64 * WINDOW_S,
        }
    }
}

/// Time until the tone is heard alone for at least a second, s.
pub(super) fn right_after_s(windows: &[Heard]) -> Option<f64> {
    let second = (1.0 / WINDOW_S) as usize;
    let is_right = |stretch: &[Heard]| stretch.iter().all(|heard| *heard == Heard::Tone);
    windows.windows(second).position(is_right).map(|at| at as f64 * WINDOW_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of two channels, by their number.
    fn recording(frames: usize, sample: impl Fn(usize) -> f64) -> Vec<Heard> {
        let bytes = |n| {
            let [_, a, b, c] = ((sample(n) * 2f64.powi(31)) as i32).to_le_bytes();
            [a, b, c, 0, 0, 0]
        };
        windows(&(0..frames).flat_map(bytes).collect::<Vec<u8>>(), 6)
    }

    fn tone(n: usize) -> f64 {
        AMPLITUDE * (TAU * TONE_HZ * n as f64 / RATE_HZ + 0.3).sin()
    }

    #[test]
    fn a_tone_is_told_from_gaps_and_from_others() {
        assert_eq!(recording(960, tone), [Heard::Tone; 2]);
        assert_eq!(recording(960, |_| 0.0), [Heard::Gap; 2]);
        // A cut of the phase, and an amplitude that is 2 dB low.
        assert_eq!(recording(480, |n| if n < 240 { tone(n) } else { -tone(n) }), [Heard::Gap]);
        assert_eq!(recording(480, |n| tone(n) * 0.8), [Heard::Gap]);
        // 1 ms of a square wave of full scale.
        assert_eq!(
            recording(480, |n| if n < 48 { if n % 2 == 0 { 0.9 } else { -0.9 } } else { tone(n) }),
            [Heard::Foreign]
        );
    }

    #[test]
    fn shares_gaps_and_recovery_are_counted() {
        let mut heard = vec![Heard::Tone; 400];
        heard[100..130].fill(Heard::Gap);
        heard[130..140].fill(Heard::Foreign);
        let figures = Figures::of(&heard);
        assert_eq!(((figures.share * 100.0) as u32, (figures.foreign_s * 100.0) as u32), (90, 10));
        assert_eq!((figures.longest_gap_s * 100.0).round() as u32, 40);
        assert_eq!(right_after_s(&heard[100..]), Some(0.4));
        assert_eq!(right_after_s(&heard[350..]), None);
    }
}
