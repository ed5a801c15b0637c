//! Determines the position of the played audio in the programme: search by correlation, fit by
//! Gauss-Newton, tracking by a Kalman filter.
//!
//! Model: over one hop, played = (g + s t) (ref + o ref'), with gain `g`, gain slope `s` and
//! position offset `o`; `t` runs from -1/2 to 1/2. The slope lets a hop of a fade fit. The offset
//! and the rate then go through a two-state Kalman filter, which carries the path through silence
//! and through hops that do not fit.

use engine::MediaPosition;

use super::correlation;
use crate::signal::Interpolator;

/// Frames per block of sums; every hop is a whole number of blocks.
pub(super) const BLOCK: usize = 16;
/// Reference frames kept beyond either end of a hop: the derivative and the second difference need
/// two more frames.
pub(super) const MARGIN: usize = 2;
/// Standard deviations of the changes of position (frames) and rate in a hop, in addition to steady
/// motion: a servo that wobbles by 20 ppm at 1 Hz changes its rate by 1.3e-6 per 10 ms.
const POSITION_NOISE: f64 = 1e-3;
const RATE_NOISE: f64 = 5e-6;

/// The least correlation of what is taken for the programme.
const LEAST_SCORE: f64 = 0.6;
/// Peaks of a correlation are tried from this share of the highest one on.
const PEAK_SHARE: f64 = 0.9;
/// How many of the best peaks of a correlation are tried, and how many of the nearest ones.
const CANDIDATES: usize = 4;

/// Sums over one block of all channels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockSums {
    /// Reference squared, reference times derivative, derivative squared.
    pub(super) rr: f64,
    rd: f64,
    dd: f64,
    /// Played times reference, played times derivative, played squared.
    ry: f64,
    dy: f64,
    pub(super) yy: f64,
}

/// The fit of a hop to the programme.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// By how many frames the true position is ahead of the assumed one, at the middle of the hop.
    pub(super) offset: f64,
    pub(super) gain: f64,
    /// Change of the gain from start to end of the hop.
    pub(super) slope: f64,
    /// Energy of the residual relative to that of the played audio.
    pub(super) misfit: f64,
    /// Variance of `offset`, in frames squared.
    pub(super) variance: f64,
    /// Energy of the residual.
    pub(super) residual: f64,
}

/// Sums over a hop; `reference` has [`MARGIN`] more frames than `played` at either end.
#[expect(
    clippy::needless_range_loop,
    reason = "lanes written out so that the order of summation is fixed and vectorises"
)]
pub(super) fn sums(played: &[&[f32]], reference: &[Vec<f32>]) -> Vec<BlockSums> {
    let frames = played.first().map_or(0, |p| p.len());
    let mut blocks = vec![BlockSums::default(); frames / BLOCK];
    for (played, reference) in played.iter().zip(reference) {
        for (n, block) in blocks.iter_mut().enumerate() {
            let y = &played[n * BLOCK..][..BLOCK];
            let r = &reference[n * BLOCK + MARGIN - 1..][..BLOCK + 2];
            let mut lanes = [[0.0f32; 4]; 6];
            for quad in 0..BLOCK / 4 {
                for lane in 0..4 {
                    let n = quad * 4 + lane;
                    let (y, x, d) = (y[n], r[n + 1], 0.5 * (r[n + 2] - r[n]));
                    lanes[0][lane] += x * x;
                    lanes[1][lane] += x * d;
                    lanes[2][lane] += d * d;
                    lanes[3][lane] += y * x;
                    lanes[4][lane] += y * d;
                    lanes[5][lane] += y * y;
                }
            }
            let sum = |k: usize| f64::from((lanes[k][0] + lanes[k][2]) + (lanes[k][1] + lanes[k][3]));
            block.rr += sum(0);
            block.rd += sum(1);
            block.dd += sum(2);
            block.ry += sum(3);
            block.dy += sum(4);
            block.yy += sum(5);
        }
    }
    blocks
}

/// The gain, gain slope and offset that fit these sums best.
pub(super) fn solve(blocks: &[BlockSums]) -> Fit {
    let mut m = [[0.0f64; 4]; 3];
    let mut yy = 0.0;
    for (n, b) in blocks.iter().enumerate() {
        let t = (n as f64 + 0.5) / blocks.len() as f64 - 0.5;
        let rows =
            [[b.rr, b.rd, t * b.rr, b.ry], [b.rd, b.dd, t * b.rd, b.dy], [t * b.rr, t * b.rd, t * t * b.rr, t * b.ry]];
        for (sum, row) in m.iter_mut().flatten().zip(rows.as_flattened()) {
            *sum += row;
        }
        yy += b.yy;
    }
    let rhs = [m[0][3], m[1][3], m[2][3]];
    let derivative = m[1][1];
    for (k, row) in m.iter_mut().enumerate() {
        row[k] += row[k] * 1e-9 + 1e-12;
    }
    let x = solve3(m);
    let residual = (yy - x[0] * rhs[0] - x[1] * rhs[1] - x[2] * rhs[2]).max(0.0);
    let gain = x[0];
    let usable = gain.abs() > 0.05;
    let samples = (blocks.len() * BLOCK) as f64;
    Fit {
        offset: if usable { x[1] / gain } else { 0.0 },
        gain,
        slope: x[2],
        misfit: residual / yy.max(1e-12),
        variance: if usable { (residual / samples + 1e-10) / (derivative * gain * gain + 1e-12) } else { 1e6 },
        residual,
    }
}

/// Gaussian elimination without pivoting: the matrix is positive definite.
fn solve3(mut m: [[f64; 4]; 3]) -> [f64; 3] {
    for k in 0..3 {
        let pivot = m[k];
        for row in m.iter_mut().skip(k + 1) {
            let factor = row[k] / pivot[k];
            row.iter_mut().zip(pivot).for_each(|(a, b)| *a -= factor * b);
        }
    }
    let z = m[2][3] / m[2][2];
    let y = (m[1][3] - m[1][2] * z) / m[1][1];
    [(m[0][3] - m[0][1] * y - m[0][2] * z) / m[0][0], y, z]
}

/// The path of the played audio through the programme, at the middle of a hop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    pub(super) position: MediaPosition,
    /// Media frames per played frame.
    pub(super) rate: f64,
    /// Covariance: position, position and rate, rate.
    p: [f64; 3],
}

impl Track {
    pub(super) fn new(position: MediaPosition, rate: f64, rate_deviation: f64) -> Self {
        Self { position, rate, p: [1e-2, 0.0, rate_deviation * rate_deviation] }
    }

    /// Advances by `frames` of played audio.
    pub(super) fn advance(&mut self, frames: f64) {
        self.position = self.position.advanced(self.rate * frames);
        let [a, b, c] = self.p;
        self.p = [
            a + 2.0 * frames * b + frames * frames * c + POSITION_NOISE * POSITION_NOISE,
            b + frames * c,
            c + RATE_NOISE * RATE_NOISE,
        ];
    }

    /// Takes in a measured offset; returns by how much the position moved.
    pub(super) fn update(&mut self, offset: f64, variance: f64) -> f64 {
        let [a, b, c] = self.p;
        let gain = [a / (a + variance), b / (a + variance)];
        self.position = self.position.advanced(gain[0] * offset);
        self.rate += gain[1] * offset;
        self.p = [a - gain[0] * a, b - gain[0] * b, c - gain[1] * b];
        gain[0] * offset
    }

    /// Whether the rate is known to a few ppm.
    pub(super) fn rate_is_known(&self) -> bool {
        self.p[2] < 1e-10
    }
}

/// Positions of the first frame of `played` within `reach` frames of `around` that correlate best
/// with it, over a weighted sum of the channels: the best peaks and the nearest, nearest first.
/// Empty if nothing correlates.
pub(super) fn search(
    played: &[&[f32]],
    reference: &Interpolator,
    around: MediaPosition,
    reach: usize,
) -> Vec<MediaPosition> {
    let template = weighted(played);
    let first = MediaPosition::at_frame(around.frame()).advanced(-(reach as f64));
    let length = template.len() + 2 * reach;
    let mut planes = vec![vec![0.0; length]; played.len()];
    for (channel, plane) in planes.iter_mut().enumerate() {
        reference.source().render_channel(channel, first.frame().get(), plane);
    }
    let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
    let programme = weighted(&planes);
    let lags = 2 * reach + 1;
    let Some(scores) = correlation::scores(&template, &programme, lags, LEAST_SCORE, PEAK_SHARE) else {
        return Vec::new();
    };
    let best = scores.iter().copied().fold(0.0, f64::max);
    let is_peak = |lag: usize| {
        let beside = |lag: Option<usize>| lag.and_then(|lag| scores.get(lag)).copied().unwrap_or(-1.0);
        // The correlation of a high tone is much lower if its true position is half a frame off the
        // grid.
        let score = scores[lag];
        score > PEAK_SHARE * best && score >= beside(lag.checked_sub(1)) && score >= beside(Some(lag + 1))
    };
    let mut peaks: Vec<usize> = (0..scores.len()).filter(|&lag| is_peak(lag)).collect();
    peaks.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut chosen: Vec<usize> = peaks.iter().copied().take(CANDIDATES).collect();
    peaks.sort_by_key(|lag| lag.abs_diff(reach));
    chosen.extend(peaks.into_iter().take(CANDIDATES));
    chosen.sort_by_key(|&lag| (lag.abs_diff(reach), lag));
    chosen.dedup();
    chosen.into_iter().map(|lag| first.advanced(lag as f64)).collect()
}

/// Unequal weights, so that channels of opposite polarity do not cancel.
fn weighted(planes: &[&[f32]]) -> Vec<f32> {
    let mut sum = vec![0.0; planes.first().map_or(0, |p| p.len())];
    for (channel, plane) in planes.iter().enumerate() {
        let weight = 1.0 / (1.0 + 0.37 * channel as f32);
        sum.iter_mut().zip(*plane).for_each(|(s, &x)| *s += weight * x);
    }
    sum
}
