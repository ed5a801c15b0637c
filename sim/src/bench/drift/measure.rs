//! One run of one drift law, in numbers.
//!
//! Phase noise: the ratio's deviation from its mean, integrated to the phase of a tone of 10 kHz,
//! beyond 5 Hz (Butterworth, 2nd order), RMS, both sidebands together. It is sampled once per
//! callback, so it ends at half the callback rate. The order matters: wander below 5 Hz is
//! attenuated by 40 dB per decade only, and most of the figure of a law whose ratio moves slowly is
//! such wander. With this order, the figures of other receivers agree with those of the model that
//! the goals come from; with the 8th order, those of the slow laws would be 20 to 60 dB lower.

use crate::world::CallbackRow;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Largest deviation of a mean ratio that counts as settled.
const SETTLED_PPM: f64 = 1.0;
/// A law whose ratio still leaves these limits in this last share of the run has not settled.
const NEVER_SHARE: f64 = 0.9;
/// Playout has recovered when its depth is within this of the target, ms.
const REMOVED_MS: f64 = 0.25;
/// The target is relative to the mean depth over this time before the displacement, s.
const BEFORE_S: usize = 10;
const TONE_HZ: f64 = 10_000.0;
const HIGH_PASS_HZ: f64 = 5.0;
/// Time for the filter to forget where it began.
const FILTER_SETTLES_S: f64 = 5.0;

/// The course of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course<'a> {
    pub(super) rows: &'a [CallbackRow],
    pub(super) block_s: f64,
    pub(super) target_ms: f64,
    pub(super) duration_s: f64,
    /// When statistics begin.
    pub(super) settled_s: f64,
    /// Time over which the ratio is averaged to determine when it has settled, s.
    pub(super) settle_window_s: usize,
    /// When the reference steps, and when the card runs dry.
    pub(super) step: Option<Displacement>,
    pub(super) xrun: Option<Displacement>,
}

/// An event that displaces playout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Displacement {
    pub(super) at_s: f64,
    /// By how much the depth must finally differ from the depth before the event, ms.
    pub(super) by_ms: f64,
}

/// What is kept of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RunFigures {
    /// Infinite if it never settles.
    pub(super) settle_s: f64,
    /// Sum and number of squared errors of the ratio, ppm^2.
    pub(super) ratio_squares: (f64, u64),
    pub(super) ratio_pp_ppm: f64,
    pub(super) slew_max_ppm_per_s: f64,
    pub(super) delay_pp_ms: f64,
    pub(super) delay_max_ms: f64,
    /// Mean square of the phase, rad^2.
    pub(super) phase_square: f64,
    pub(super) underruns: u64,
    pub(super) overruns: u64,
    /// Time until the depth was right again after the step, and after the xrun; infinite if it
    /// never was, `None` if there was no such event.
    pub(super) step_removed_s: Option<f64>,
    pub(super) xrun_removed_s: Option<f64>,
}

impl Course<'_> {
    pub(super) fn figures(&self) -> RunFigures {
        let mut errors = Span::default();
        let mut squares = (0.0, 0);
        let mut slew: f64 = 0.0;
        let mut before = None;
        for row in self.steady() {
            if let Some(error) = error_ppm(row) {
                errors.add(error);
                squares = (squares.0 + error * error, squares.1 + 1);
            }
            if let (Some(from), Some(to)) = (before, row.ratio_ppm) {
                slew = slew.max(f64::abs(to - from) / self.block_s);
            }
            before = row.ratio_ppm;
        }
        let mut delays = Span::default();
        let depths = self.seconds(|row| row.depth_ms);
        let until = depths.len().min(self.judged_until_s() as usize);
        depths[..until]
            .iter()
            .skip(self.settled_s as usize)
            .flatten()
            .for_each(|depth| delays.add(depth - self.target_ms));
        RunFigures {
            settle_s: self.settle_s(),
            ratio_squares: squares,
            ratio_pp_ppm: errors.width(),
            slew_max_ppm_per_s: slew,
            delay_pp_ms: delays.width(),
            delay_max_ms: delays.largest(),
            phase_square: self.phase_square(),
            underruns: self.rows.iter().map(|row| row.underruns).sum(),
            overruns: self.rows.iter().map(|row| row.overruns).sum(),
            step_removed_s: self.step.map(|step| self.removed_s(step, &depths)),
            xrun_removed_s: self.xrun.map(|xrun| self.removed_s(xrun, &depths)),
        }
    }

    /// End of the time in which the ratio must be steady: the first displacement.
    fn judged_until_s(&self) -> f64 {
        self.step.iter().chain(&self.xrun).fold(self.duration_s, |until, displacement| until.min(displacement.at_s))
    }

    /// Rows in which the ratio must be steady.
    fn steady(&self) -> impl Iterator<Item = &CallbackRow> {
        let until_s = self.judged_until_s();
        self.rows.iter().filter(move |row| (self.settled_s..until_s).contains(&row.time_s))
    }

    /// Time from a displacement until the depth stays at its target, s.
    fn removed_s(&self, displacement: Displacement, depths: &[Option<f64>]) -> f64 {
        let at = displacement.at_s as usize;
        let later = self.step.iter().chain(&self.xrun).map(|other| other.at_s).filter(|&s| s > displacement.at_s);
        let until = (later.fold(self.duration_s, f64::min) as usize).min(depths.len());
        let before: Vec<f64> = depths[at.saturating_sub(BEFORE_S)..at].iter().flatten().copied().collect();
        let wanted = before.iter().sum::<f64>() / before.len().max(1) as f64 + displacement.by_ms;
        let is_off = |depth: &Option<f64>| depth.is_none_or(|depth| f64::abs(depth - wanted) > REMOVED_MS);
        match depths[at..until].iter().rposition(is_off) {
            Some(last) if at + last + 1 == until => f64::INFINITY,
            Some(last) => (last + 1) as f64,
            None => 0.0,
        }
    }

    /// Means over each second; `None` for one in which a value is missing.
    fn seconds(&self, of: impl Fn(&CallbackRow) -> Option<f64>) -> Vec<Option<f64>> {
        let mut sums = vec![(Some(0.0), 0u32); self.duration_s as usize];
        for row in self.rows {
            if let Some(second) = sums.get_mut(row.time_s as usize) {
                second.0 = second.0.zip(of(row)).map(|(sum, value)| sum + value);
                second.1 += 1;
            }
        }
        sums.into_iter().map(|(sum, count)| sum.filter(|_| count > 0).map(|sum| sum / f64::from(count))).collect()
    }

    /// When the mean ratio left its limits for the last time.
    fn settle_s(&self) -> f64 {
        let mut seconds = self.seconds(error_ppm);
        let judged_s = self.judged_until_s();
        seconds.truncate(judged_s as usize);
        let strays = |window: &[Option<f64>]| {
            let sum = window.iter().try_fold(0.0, |sum, second| second.map(|error| sum + error));
            sum.is_none_or(|sum| f64::abs(sum / window.len() as f64) > SETTLED_PPM)
        };
        let settled = match seconds.windows(self.settle_window_s).rposition(strays) {
            Some(last) => (last + self.settle_window_s) as f64,
            None => 0.0,
        };
        if settled > NEVER_SHARE * judged_s { f64::INFINITY } else { settled }
    }

    fn phase_square(&self) -> f64 {
        let ratios = || self.steady().filter_map(|row| row.ratio_ppm);
        let mean = ratios().sum::<f64>() / ratios().count().max(1) as f64;
        let mut high_pass = HighPass::new(HIGH_PASS_HZ * self.block_s);
        let skipped = (FILTER_SETTLES_S / self.block_s) as usize;
        let (mut phase, mut sum, mut count) = (0.0, 0.0, 0u64);
        for (i, row) in self.steady().enumerate() {
            phase += 2.0 * PI * TONE_HZ * self.block_s * (row.ratio_ppm.unwrap_or(mean) - mean) * 1e-6;
            let high = high_pass.update(phase);
            if i >= skipped {
                sum += high * high;
                count += 1;
            }
        }
        sum / count.max(1) as f64
    }
}

fn error_ppm(row: &CallbackRow) -> Option<f64> {
    row.ratio_ppm.map(|ratio| ratio - row.ratio_truth_ppm)
}

/// The smallest and the largest of some values.
#[derive(Clone, Copy, Debug, Default)]
struct Span(Option<(f64, f64)>);

impl Span {
    fn add(&mut self, value: f64) {
        let (least, most) = self.0.unwrap_or((value, value));
        self.0 = Some((least.min(value), most.max(value)));
    }

    fn width(self) -> f64 {
        self.0.map_or(0.0, |(least, most)| most - least)
    }

    fn largest(self) -> f64 {
        self.0.map_or(0.0, |(least, most)| least.abs().max(most.abs()))
    }
}

/// A Butterworth high-pass of 2nd order, by the bilinear transform.
struct HighPass {
    feed: [f64; 3],
    back: [f64; 2],
    state: [f64; 2],
}

impl HighPass {
    /// `corner` is a share of the sampling rate.
    fn new(corner: f64) -> Self {
        let (sin, cos) = (libm::sin(2.0 * PI * corner), libm::cos(2.0 * PI * corner));
        let alpha = sin * FRAC_1_SQRT_2;
        let scale = 1.0 / (1.0 + alpha);
        let feed = (1.0 + cos) / 2.0 * scale;
        Self { feed: [feed, -2.0 * feed, feed], back: [-2.0 * cos * scale, (1.0 - alpha) * scale], state: [0.0; 2] }
    }

    fn update(&mut self, value: f64) -> f64 {
        let out = self.feed[0] * value + self.state[0];
        self.state[0] = self.feed[1] * value - self.back[0] * out + self.state[1];
        self.state[1] = self.feed[2] * value - self.back[1] * out;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_S: f64 = 0.01;

    fn rows(ratio_ppm: impl Fn(f64) -> f64) -> Vec<CallbackRow> {
        let row = |i: u32| {
            let time_s = f64::from(i) * BLOCK_S;
            let (ratio_ppm, depth_ms) = (Some(ratio_ppm(time_s)), Some(50.0 + time_s * 0.001));
            CallbackRow { time_s, ratio_ppm, ratio_truth_ppm: -100.0, depth_ms, ..CallbackRow::default() }
        };
        (0..10_000).map(row).collect()
    }

    fn course(rows: &[CallbackRow], duration_s: f64, settled_s: f64) -> Course<'_> {
        Course {
            rows,
            block_s: BLOCK_S,
            target_ms: 50.0,
            duration_s,
            settled_s,
            settle_window_s: 1,
            step: None,
            xrun: None,
        }
    }

    #[test]
    fn how_soon_a_displacement_is_removed_is_found_and_ends_what_is_judged() {
        // The depth goes where it shall within 8 s of 50 s, and comes back late after 70 s.
        let mut rows = rows(|t| if t < 50.0 { -100.0 } else { -80.0 });
        for row in &mut rows {
            let t = row.time_s;
            let depth = if t < 50.0 {
                50.0
            } else if t < 70.0 {
                49.0 + (1.0 - (t - 50.0) / 10.0).max(0.0)
            } else {
                52.0
            };
            row.depth_ms = Some(depth);
        }
        let step = Some(Displacement { at_s: 50.0, by_ms: -1.0 });
        let xrun = Some(Displacement { at_s: 70.0, by_ms: 0.0 });
        let found = Course { step, xrun, ..course(&rows, 100.0, 25.0) }.figures();
        assert_eq!((found.step_removed_s, found.xrun_removed_s), (Some(8.0), Some(f64::INFINITY)));
        assert!(found.ratio_pp_ppm < 1e-9 && found.delay_pp_ms < 1e-9, "{found:?}");
        assert!(course(&rows, 100.0, 25.0).figures().step_removed_s.is_none());
    }

    fn figures(rows: &[CallbackRow]) -> RunFigures {
        let (duration_s, settled_s) = (100.0, 25.0);
        course(rows, duration_s, settled_s).figures()
    }

    #[test]
    fn settling_and_delay_are_found() {
        let early = figures(&rows(|t| if t < 7.0 { -98.0 } else { -100.5 }));
        assert!((early.settle_s - 7.0).abs() < 1e-9, "{early:?}");
        assert!((early.delay_max_ms - 0.099_495).abs() < 1e-6, "{early:?}");
        assert!((early.ratio_squares.0 / early.ratio_squares.1 as f64 - 0.25).abs() < 1e-9, "{early:?}");
        let restless = figures(&rows(|t| if t > 95.0 { -98.0 } else { -100.0 }));
        assert!(restless.settle_s.is_infinite());
    }

    #[test]
    fn wobble_of_the_ratio_is_phase_noise_beyond_5_hz() {
        let wobble = |hz: f64| figures(&rows(|t| -100.0 + 3.0 * libm::sin(2.0 * PI * hz * t))).phase_square;
        // Amplitude of the phase: 10 kHz x 3 ppm / 20 Hz; as a sum over blocks, larger by x / sin x
        // with x = pi / 5.
        let amplitude = 1e4 * 3e-6 / 20.0 * (PI / 5.0) / libm::sin(PI / 5.0);
        assert!((wobble(20.0) / (amplitude * amplitude / 2.0) - 1.0).abs() < 0.01, "{}", wobble(20.0));
        // 40 dB per decade below the corner, on the bilinear transform's scale of frequencies.
        let warped = |hz: f64| libm::tan(PI * hz * BLOCK_S);
        let slow = 1e4 * 3e-6 / 0.3 * libm::pow(warped(0.3) / warped(HIGH_PASS_HZ), 2.0);
        assert!((wobble(0.3) / (slow * slow / 2.0) - 1.0).abs() < 0.02, "{}", wobble(0.3));
    }
}
