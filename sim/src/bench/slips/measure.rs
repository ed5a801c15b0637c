//! One run of one slip, in numbers.

use super::SlipCase;
use crate::bench::figures::rounded;
use crate::world::CallbackRow;
use serde::Serialize;

/// The depth is right again when it differs from the depth before the slip by at most this, ms:
/// several times the deviation caused by the jitter of the path and the noise of the estimate in
/// these conditions.
const RIGHT_MS: f64 = 0.3;
/// Time before the slip, and at the end, in which depth and rate are assumed to be steady, s.
const STEADY_S: f64 = 2.0;

/// The course of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course<'a> {
    pub(super) rows: &'a [CallbackRow],
    pub(super) block_s: f64,
    /// When the slip begins.
    pub(super) at_s: f64,
    /// When the first fully shifted packet arrives.
    pub(super) steady_again_s: f64,
    /// For how long no packet arrives because of the slip.
    pub(super) missing_s: f64,
}

/// The reaction of playout to one slip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SlipFigures {
    /// The slip.
    #[serde(flatten)]
    pub case: SlipCase,
    /// Duration of the stream that was not heard since the slip, minus the time in which no packet
    /// arrived, ms.
    pub not_heard_ms: f64,
    /// When depth or sound was last wrong, in s after packets arrived steadily again; `None` if it
    /// is still wrong at the end.
    pub right_after_s: Option<f64>,
    /// Crossfaded jumps since the slip.
    pub jumps: usize,
    /// Mean depth before the slip and at the end, ms.
    pub depth_before_ms: f64,
    /// See [`SlipFigures::depth_before_ms`].
    pub depth_after_ms: f64,
    /// Change of the error of the reported depth, ms: reported minus true depth at the end, minus
    /// the same before the slip.
    pub told_error_ms: f64,
    /// Largest error of the ratio since the slip, minus the largest error before it, ppm.
    pub rate_ppm: f64,
    /// How often the receiver reported that the sender had restarted.
    pub restarts_told: usize,
}

impl SlipFigures {
    /// Whether the reaction is within the limits: right again within a second, and no more than a
    /// second lost.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.right_after_s.is_some_and(|after_s| after_s <= 1.0)
            && self.not_heard_ms <= 1000.0
            && self.restarts_told == 0
    }
}

impl Course<'_> {
    pub(super) fn figures(&self, case: SlipCase, restarts_told: usize) -> SlipFigures {
        let end_s = self.rows.last().map_or(0.0, |row| row.time_s);
        let before = self.between(self.at_s - STEADY_S, self.at_s);
        let last = self.between(end_s - STEADY_S, end_s);
        let since = || self.between(self.at_s, f64::INFINITY);
        let depth = |row: &CallbackRow| row.depth_ms;
        let told = |row: &CallbackRow| row.depth_ms.map(|depth_ms| row.told_depth_ms - depth_ms);
        let depth_before_ms = mean(before.clone(), depth);
        let again_s = self.steady_again_s;
        let is_wrong = |row: &&CallbackRow| {
            let off_ms = row.depth_ms.map_or(f64::INFINITY, |depth_ms| (depth_ms - depth_before_ms).abs());
            off_ms > RIGHT_MS || self.lost_ms(row) > 0.0
        };
        let wrong_until_s = since().filter(is_wrong).map(|row| row.time_s).last().unwrap_or(again_s);
        let is_over = wrong_until_s < end_s - STEADY_S;
        let lost_ms: f64 = since().map(|row| self.lost_ms(row)).sum();
        SlipFigures {
            case,
            not_heard_ms: rounded((lost_ms - self.missing_s * 1e3).max(0.0)),
            right_after_s: is_over.then(|| rounded((wrong_until_s - again_s).max(0.0))),
            jumps: since().filter(|row| row.jumped).count(),
            depth_before_ms: rounded(depth_before_ms),
            depth_after_ms: rounded(mean(last.clone(), depth)),
            told_error_ms: rounded(mean(last, told) - mean(before.clone(), told)),
            rate_ppm: rounded((worst_ppm(since()) - worst_ppm(before)).max(0.0)),
            restarts_told,
        }
    }

    fn between(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = &CallbackRow> + Clone {
        self.rows.iter().filter(move |row| row.time_s >= from_s && row.time_s < to_s)
    }

    /// Duration of the part of a block that was not the stream, ms.
    fn lost_ms(&self, row: &CallbackRow) -> f64 {
        let silent_ms = if row.depth_ms.is_none() { self.block_s * 1e3 } else { 0.0 };
        row.concealed_ms.max(silent_ms)
    }
}

fn mean<'a>(rows: impl Iterator<Item = &'a CallbackRow>, of: impl Fn(&CallbackRow) -> Option<f64>) -> f64 {
    let (sum, count) = rows.filter_map(of).fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// Largest error of the ratio.
fn worst_ppm<'a>(rows: impl Iterator<Item = &'a CallbackRow>) -> f64 {
    let error = |row: &CallbackRow| row.ratio_ppm.map(|ratio_ppm| (ratio_ppm - row.ratio_truth_ppm).abs());
    rows.filter_map(error).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::SlipKind;
    use super::*;

    const CASE: SlipCase = SlipCase {
        kind: SlipKind::SenderLater,
        size_ms: 50.0,
        depth_ms: 20.0,
        packet_frames: 48,
        callback_frames: 480,
    };

    /// Callbacks of 10 ms for 30 s, and a slip at 20 s in which no packet comes for 50 ms.
    fn figures(change: impl Fn(f64, &mut CallbackRow)) -> SlipFigures {
        let row = |i: i32| {
            let time_s = f64::from(i) * 0.01;
            let mut row = CallbackRow { time_s, ratio_ppm: Some(1.0), depth_ms: Some(21.0), ..CallbackRow::default() };
            row.told_depth_ms = 20.5;
            change(time_s, &mut row);
            row
        };
        let rows: Vec<_> = (0..3000).map(row).collect();
        Course { rows: &rows, block_s: 0.01, at_s: 20.0, steady_again_s: 20.05, missing_s: 0.05 }.figures(CASE, 0)
    }

    #[test]
    fn a_slip_that_is_mended_is_right_from_then_on() {
        let mended = figures(|t, row| match t {
            20.0..20.3 => row.concealed_ms = 10.0,
            20.3..20.5 => (row.depth_ms, row.ratio_ppm) = (Some(19.0), Some(-4.0)),
            _ => row.jumped = (t - 20.5).abs() < 1e-9,
        });
        assert_eq!((mended.not_heard_ms, mended.right_after_s, mended.jumps), (250.0, Some(0.44), 1));
        assert_eq!((mended.depth_after_ms, mended.told_error_ms, mended.rate_ppm), (21.0, 0.0, 3.0));
        assert!(mended.is_good());
    }

    #[test]
    fn a_slip_that_stays_is_never_right() {
        let stays = figures(|t, row| {
            if t >= 20.0 {
                row.depth_ms = Some(11.0);
            }
        });
        assert_eq!((stays.right_after_s, stays.depth_after_ms, stays.told_error_ms), (None, 11.0, 10.0));
        assert!(!stays.is_good());
        let silent = figures(|t, row| {
            if (20.0..22.0).contains(&t) {
                row.depth_ms = None;
            }
        });
        assert_eq!((silent.not_heard_ms, silent.is_good()), (1950.0, false));
    }
}
