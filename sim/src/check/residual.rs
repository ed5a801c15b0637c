//! Clicks within audio whose path is known: peaks of the second difference of the residual.
//!
//! A block of 16 frames is flagged where that peak exceeds all of these: an absolute floor; the
//! level that the programme masks; a share of the programme's own level (where a fade of length T
//! starts, the kink is 1/T of the level, and is not a click); and a multiple of the level of the
//! residual some milliseconds before and after. The last comparison uses medians, so that a
//! neighbouring click does not hide another one, and the louder side, so that the onset of a drum
//! is not taken for a click.

use std::collections::VecDeque;

use super::align::{BLOCK, MARGIN};

/// -70 dBFS.
const FLOOR: f32 = 3.2e-4;
/// Share of the RMS of the programme's second difference under which a click is masked.
const MASK_RMS: f32 = 0.3;
/// Share of the peak of the programme's second difference, where the path is not exact.
const MASK_PEAK: f32 = 1.5;
/// Smallest kink that counts as a click, as a share of the programme's RMS. A linear fade of 3 ms
/// begins and ends with kinks of 1/144, which must not count.
const KINK: f32 = 0.01;
/// A click must exceed the RMS of the residual's second difference nearby by this factor.
pub(super) const OUTLIER: f32 = 9.0;
/// Blocks on either side that are compared: 4 ms at 48 kHz.
const REACH: usize = 12;
/// Blocks on either side that belong to the instant itself.
const NEAR: usize = 1;

/// How far the model of a hop can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The path fits.
    Exact,
    /// The path is extrapolated, or the gain is moving.
    Rough,
    /// There is no path: only clicks that stand out by themselves are flagged.
    None,
}

#[derive(Clone, Copy, Debug)]
struct Stat {
    start: u64,
    trust: Trust,
    energy: f32,
    /// Mean square and peak of the second difference of the residual.
    e2: f32,
    peak: f32,
    /// Mean square and peak of the second difference of the reference; mean square of the
    /// reference.
    d2: f32,
    d_peak: f32,
    r2: f32,
}

/// Streaming detector for one channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Residual {
    stats: VecDeque<Stat>,
    e: Vec<f32>,
}

/// The start, middle and end of a hop; between these, the value is interpolated linearly.
pub(super) type Bend = [f32; 3];

impl Residual {
    /// Takes one hop: `played` has one frame more than the hop at either end, `reference` has
    /// [`MARGIN`]. Blocks in `mute` are not judged. Flagged frames go to `flags`. Returns the
    /// energy of the residual.
    #[expect(clippy::too_many_arguments, reason = "the hop's parts come from different owners")]
    pub(super) fn push(
        &mut self,
        start: u64,
        played: &[f32],
        reference: &[f32],
        offset: Bend,
        gain: Bend,
        trust: Trust,
        mute: &[bool],
        flags: &mut Vec<u64>,
    ) -> f64 {
        self.subtract(played, reference, offset, gain, trust);
        let mut energy = 0.0;
        for (n, &mute) in mute.iter().enumerate() {
            let e = &self.e[n * BLOCK..][..BLOCK + 2];
            let r = &reference[n * BLOCK + MARGIN - 1..][..BLOCK + 2];
            let mut stat = stat(e, r);
            energy += f64::from(stat.energy);
            (stat.start, stat.trust) = (start + (n * BLOCK) as u64, trust);
            if mute {
                (stat.peak, stat.e2) = (0.0, 0.0);
            }
            self.stats.push_back(stat);
            if self.stats.len() > 2 * REACH + 1 {
                self.stats.pop_front();
            }
            if self.stats.len() == 2 * REACH + 1 && self.is_click(REACH) {
                flags.push(self.stats[REACH].start + BLOCK as u64 / 2);
            }
        }
        energy
    }

    fn subtract(&mut self, played: &[f32], reference: &[f32], offset: Bend, gain: Bend, trust: Trust) {
        self.e.clear();
        if trust == Trust::None {
            self.e.extend_from_slice(played);
            return;
        }
        let frames = played.len() - 2;
        let half = frames / 2;
        for (first, last, a) in [(0, half + 1, 0), (half + 1, frames + 2, 1)] {
            let scale = 1.0 / half as f32;
            let (slope_o, slope_g) = ((offset[a + 1] - offset[a]) * scale, (gain[a + 1] - gain[a]) * scale);
            let begin = (a * half) as f32 + 1.0;
            let length = last - first;
            let y = &played[first..last];
            let [before, r, after] = [2, 1, 0].map(|back| &reference[first + MARGIN - back..][..length]);
            self.e.extend((0..length).map(|n| {
                // By way of an `i32`, of which several are converted at a time.
                let t = (first + n) as i32 as f32 - begin;
                let model = r[n] + (offset[a] + slope_o * t) * 0.5 * (after[n] - before[n]);
                y[n] - (gain[a] + slope_g * t) * model
            }));
        }
    }

    fn is_click(&self, at: usize) -> bool {
        let s = &self.stats[at];
        if s.peak < FLOOR {
            return false;
        }
        let count = self.stats.len() as f32;
        let (r2, d2) = self.stats.iter().fold((0.0, 0.0), |(r, d), s| (r + s.r2, d + s.d2));
        let mask = match s.trust {
            Trust::Exact => MASK_RMS * (d2 / count).sqrt(),
            Trust::Rough => MASK_PEAK * self.d_peak(at - 3..=at + 3),
            Trust::None => MASK_PEAK * self.d_peak(0..=self.stats.len() - 1),
        };
        if s.peak < mask.max(KINK * (r2 / count).sqrt()) {
            return false;
        }
        let before = self.median(0..at - NEAR);
        let after = self.median(at + NEAR + 1..self.stats.len());
        s.peak > OUTLIER * before.max(after).sqrt()
    }

    fn d_peak(&self, range: std::ops::RangeInclusive<usize>) -> f32 {
        self.stats.range(range).fold(0.0, |peak, s| peak.max(s.d_peak))
    }

    fn median(&self, range: std::ops::Range<usize>) -> f32 {
        let mut values: Vec<f32> = self.stats.range(range).map(|s| s.e2).collect();
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    }
}

/// Sums over one block; both slices have one frame more at either end.
#[expect(
    clippy::needless_range_loop,
    reason = "lanes written out so that the order of summation is fixed and vectorises"
)]
fn stat(e: &[f32], r: &[f32]) -> Stat {
    let mut lanes = [[0.0f32; 4]; 6];
    for quad in 0..BLOCK / 4 {
        for lane in 0..4 {
            let n = quad * 4 + lane;
            let (de, dr) = (e[n] - 2.0 * e[n + 1] + e[n + 2], r[n] - 2.0 * r[n + 1] + r[n + 2]);
            lanes[0][lane] += de * de;
            lanes[1][lane] = if de.abs() > lanes[1][lane] { de.abs() } else { lanes[1][lane] };
            lanes[2][lane] += dr * dr;
            lanes[3][lane] = if dr.abs() > lanes[3][lane] { dr.abs() } else { lanes[3][lane] };
            lanes[4][lane] += r[n + 1] * r[n + 1];
            lanes[5][lane] += e[n + 1] * e[n + 1];
        }
    }
    let mean = |k: usize| ((lanes[k][0] + lanes[k][2]) + (lanes[k][1] + lanes[k][3])) / BLOCK as f32;
    let peak = |k: usize| lanes[k].iter().copied().fold(0.0, f32::max);
    let energy = mean(5) * BLOCK as f32;
    Stat {
        start: 0,
        trust: Trust::Exact,
        energy,
        e2: mean(0),
        peak: peak(1),
        d2: mean(2),
        d_peak: peak(3),
        r2: mean(4),
    }
}
