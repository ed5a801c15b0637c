//! linuxptp's regression servo.
//!
//! Law: least-squares lines through the last 4, 8, 16, 32 and 64 points of raw local time and
//! master time. Each line's error in predicting the next point is smoothed; of the sizes whose
//! error is within 5 % of the smallest, the largest is used. The frequency is the slope of that
//! line plus a correction that removes the current distance from it within one update (up to 16
//! points), or within 2 or 3 updates (32 or 64 points). The clock is stepped once at the start if
//! it is off by more than the threshold.

use super::linuxptp::{FIRST_STEP_THRESHOLD_NS, MAX_FREQUENCY_PPB, Servo, ServoAnswer, ServoSample};
use engine::{LocalTime, Ppb, PtpTime};
use std::collections::VecDeque;

/// Sizes, as powers of two.
const MIN_SIZE: u32 = 2;
const MAX_SIZE: u32 = 6;
const SIZES: usize = (MAX_SIZE - MIN_SIZE + 1) as usize;
/// Weight of the newest prediction error.
const ERROR_WEIGHT: f64 = 0.02;
/// The first this many errors are averaged with equal weight, and a size is not preferred before it
/// has this many.
const FIRST_ERRORS: u32 = 10;
/// Errors within this ratio are equal.
const EQUAL_ERRORS: f64 = 1.05;
/// Sizes beyond this power of two remove the distance more slowly.
const FAST_SIZE: u32 = 4;

/// A line through points: master time = `remote` + (time since `at`) + the lead of the line.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: LocalTime,
    remote: PtpTime,
    ahead_ns: f64,
    /// Slope minus 1.
    rate: f64,
}

impl Line {
    /// Master time at `raw` by this line, minus `remote`, ns.
    fn ahead_of(&self, raw: LocalTime, remote: PtpTime) -> f64 {
        let elapsed = raw - self.at;
        let exact = (self.remote - remote) + elapsed;
        exact.as_nanos() as f64 + self.ahead_ns + self.rate * elapsed.as_nanos() as f64
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    line: Option<Line>,
    error_ns: f64,
    errors: u32,
}

impl Candidate {
    fn learn(&mut self, error_ns: f64) {
        if self.errors < FIRST_ERRORS {
            self.error_ns = (self.error_ns * f64::from(self.errors) + error_ns) / f64::from(self.errors + 1);
            self.errors += 1;
        } else {
            self.error_ns += ERROR_WEIGHT * (error_ns - self.error_ns);
        }
    }
}

/// The servo.
#[derive(Clone, Debug)]
pub struct LinregServo {
    /// Newest first.
    points: VecDeque<(LocalTime, PtpTime)>,
    candidates: [Candidate; SIZES],
    interval_s: f64,
    rate_ratio: f64,
    has_started: bool,
}

impl Default for LinregServo {
    fn default() -> Self {
        Self {
            points: VecDeque::with_capacity(1 << MAX_SIZE),
            candidates: [Candidate::default(); SIZES],
            interval_s: 1.0,
            rate_ratio: 1.0,
            has_started: false,
        }
    }
}

impl LinregServo {
    fn push(&mut self, raw: LocalTime, remote: PtpTime) {
        if self.points.len() == 1 << MAX_SIZE {
            self.points.pop_back();
        }
        self.points.push_front((raw, remote));
        for (candidate, size) in self.candidates.iter_mut().zip(MIN_SIZE..) {
            if let Some(line) = fit(&self.points, 1 << size) {
                if let Some(before) = candidate.line {
                    candidate.learn(before.ahead_of(raw, remote).abs());
                }
                candidate.line = Some(line);
            }
        }
    }

    /// The largest size with the smallest error, and its line.
    fn best(&self) -> Option<(u32, Line)> {
        let mut best: Option<(u32, Line, f64)> = None;
        for (candidate, size) in self.candidates.iter().zip(MIN_SIZE..) {
            let Some(line) = candidate.line else { continue };
            let better = best.is_none_or(|(_, _, error_ns)| {
                candidate.errors >= FIRST_ERRORS && error_ns * EQUAL_ERRORS > candidate.error_ns
            });
            if better {
                best = Some((size, line, candidate.error_ns));
            }
        }
        best.map(|(size, line, _)| (size, line))
    }
}

/// Least-squares line through the newest `n` points.
fn fit(points: &VecDeque<(LocalTime, PtpTime)>, n: usize) -> Option<Line> {
    let &(at, remote) = points.front().filter(|_| points.len() >= n)?;
    // Master time minus raw time, both counted from the newest point: small, so that nothing is
    // lost in the sums.
    let relative = |&(raw, master): &(LocalTime, PtpTime)| {
        let x = raw - at;
        (x.as_nanos() as f64, ((master - remote) - x).as_nanos() as f64)
    };
    let (mut sum_x, mut sum_z, mut sum_xz, mut sum_xx) = (0.0, 0.0, 0.0, 0.0);
    for (x, z) in points.iter().take(n).map(relative) {
        sum_x += x;
        sum_z += z;
        sum_xz += x * z;
        sum_xx += x * x;
    }
    let n = n as f64;
    let rate = (sum_xz - sum_x * sum_z / n) / (sum_xx - sum_x * sum_x / n);
    Some(Line { at, remote, ahead_ns: (sum_z - rate * sum_x) / n, rate })
}

impl Servo for LinregServo {
    fn set_interval(&mut self, interval_s: f64) {
        self.interval_s = interval_s;
    }

    fn sample(&mut self, sample: &ServoSample) -> ServoAnswer {
        self.push(sample.raw, sample.local - sample.offset);
        let Some((size, line)) = self.best() else { return ServoAnswer::Unlocked };
        // How far the steered clock is behind the line.
        let mut behind_ns = line.ahead_of(sample.raw, sample.local);
        let jump = !self.has_started && behind_ns.abs() > FIRST_STEP_THRESHOLD_NS;
        self.has_started = true;
        if jump {
            behind_ns += sample.offset.as_nanos() as f64;
        }
        let updates = if size <= FAST_SIZE { 1 } else { size / 2 };
        let rate_ppb = line.rate * 1e9 + behind_ns / self.interval_s / f64::from(updates);
        let rate_ppb = rate_ppb.clamp(-MAX_FREQUENCY_PPB, MAX_FREQUENCY_PPB);
        self.rate_ratio = (1.0 + line.rate) / (1.0 + rate_ppb * 1e-9);
        let rate = Ppb::new(rate_ppb);
        if jump { ServoAnswer::Jump(rate) } else { ServoAnswer::Locked(rate) }
    }

    fn rate_ratio(&self) -> f64 {
        self.rate_ratio
    }
}
