//! Roc Toolkit's frequency estimator, gradual profile.
//!
//! Law: after every 5 ms of audio played, the length of the queue in frames is fed to a low-pass of
//! 256 taps that is decimated by 10, whose output is fed to a second such low-pass. Each output of
//! the second one sets the ratio to 1 + P (length - target) + I sum(length - target), at most 0.5 %
//! from 1.
//!
//! Read from its sources (`freq_estimator.cpp`, `freq_estimator_decim.cpp`): the published
//! coefficients are flat to 0.018 cycles per update, 6 dB down at 0.02 and 53 dB down from 0.025
//! on; a sinc filter with a Hamming window and the same corner is used instead. Newer versions use
//! only P until the error has been small for a while, and only I from then on.

use super::queue::{Queue, QueueLaw};
use engine::{Nanos, Ppb};
use std::f64::consts::PI;

const P: f64 = 1e-6;
const I: f64 = 5e-9;
const LIMIT: f64 = 0.005;
const TAPS: usize = 256;
const DECIMATION: usize = 10;
/// Corner of the low-pass, cycles per value.
const CORNER: f64 = 0.02;

/// A decimating low-pass.
#[derive(Clone, Debug)]
struct Decimator {
    coefficients: Vec<f64>,
    past: Vec<f64>,
    next: usize,
    count: usize,
}

impl Decimator {
    fn new(first: f64) -> Self {
        let centre = (TAPS - 1) as f64 / 2.0;
        let coefficient = |i: usize| {
            let x = (i as f64 - centre) * 2.0 * CORNER;
            let window = 0.54 - 0.46 * libm::cos(2.0 * PI * (i as f64 + 0.5) / TAPS as f64);
            window * libm::sin(PI * x) / (PI * x)
        };
        let mut coefficients: Vec<f64> = (0..TAPS).map(coefficient).collect();
        let sum: f64 = coefficients.iter().sum();
        coefficients.iter_mut().for_each(|c| *c /= sum);
        Self { coefficients, past: vec![first; TAPS], next: 0, count: 0 }
    }

    /// Takes a value. Returns an output for every tenth one.
    fn update(&mut self, value: f64) -> Option<f64> {
        self.past[self.next] = value;
        self.next = (self.next + 1) % TAPS;
        self.count = (self.count + 1) % DECIMATION;
        if self.count > 0 {
            return None;
        }
        // The filter is symmetric, so the values can be taken oldest first.
        let (newer, older) = self.past.split_at(self.next);
        Some(older.iter().chain(newer).zip(&self.coefficients).map(|(value, c)| value * c).sum())
    }
}

/// The law.
#[derive(Clone, Debug, Default)]
pub struct RocGradual {
    stages: Option<[Decimator; 2]>,
    sum: f64,
    ratio: f64,
}

impl RocGradual {
    /// Duration of the audio played from one update to the next.
    pub const PERIOD: Nanos = Nanos::from_millis(5);
}

impl QueueLaw for RocGradual {
    fn ratio(&mut self, queue: &Queue) -> Ppb {
        let target = queue.target_frames;
        let stages = self.stages.get_or_insert_with(|| [Decimator::new(target), Decimator::new(target)]);
        let filtered = stages[0].update(queue.level_frames).and_then(|value| stages[1].update(value));
        if let Some(length) = filtered {
            let error = length - target;
            self.sum += error;
            self.ratio = (P * error + I * self.sum).clamp(-LIMIT, LIMIT);
        }
        Ppb::new(self.ratio * 1e9)
    }
}
