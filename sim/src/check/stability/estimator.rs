//! ADEV, TDEV and MTIE of a series of time errors, for one observation interval, in one pass.
//!
//! With `x` the time error of a clock at intervals of `tau0`, and `tau = m * tau0`:
//!
//! * ADEV, overlapping (IEEE 1139; NIST SP 1065, 5.2.4):
//!   `adev^2 = <(x[i+2m] - 2 x[i+m] + x[i])^2> / (2 tau^2)`
//! * TDEV (ITU-T G.810, II.3; NIST SP 1065, 5.2.6): the same of means over `m` values,
//!   `tdev^2 = <(mean of x[i+2m] - 2 x[i+m] + x[i])^2> / 6`
//! * MTIE (ITU-T G.810, II.5): the largest difference of two values among any `m + 1` in a row.
//!
//! Beyond [`BLOCKS`] intervals, windows begin at every `m / 64`th of them only, so that memory does
//! not grow with tau. ADEV and TDEV then average over fewer of the windows that overlap almost
//! entirely, which costs nothing that could be measured. MTIE takes all windows that begin between
//! two such places as one, so that it is never too small, and too large by at most what the next
//! 64th of tau adds.

use std::collections::VecDeque;

/// Least number of blocks of which tau consists, if it has as many intervals.
const BLOCKS: usize = 64;

/// What is measured for one tau.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Deviations {
    /// ADEV times tau, in the unit of the time error.
    pub(super) adev_tau: Option<f64>,
    /// TDEV.
    pub(super) tdev: Option<f64>,
    /// MTIE.
    pub(super) mtie: Option<f64>,
}

/// A sum of squares and the number of its terms.
#[derive(Clone, Copy, Debug, Default)]
struct Squares {
    sum: f64,
    count: f64,
}

impl Squares {
    fn add(&mut self, value: f64) {
        self.sum += value * value;
        self.count += 1.0;
    }

    /// The root of the mean, with the mean divided by `divisor`.
    fn root(self, divisor: f64) -> Option<f64> {
        (self.count > 0.0).then(|| libm::sqrt(self.sum / (self.count * divisor)))
    }
}

/// The largest value of the last ones, if all are multiplied by `sign`.
#[derive(Clone, Debug)]
struct Extreme {
    sign: f64,
    /// Candidates in falling order, with the number of their block.
    falling: VecDeque<(u64, f64)>,
}

impl Extreme {
    fn new(sign: f64) -> Self {
        Self { sign, falling: VecDeque::new() }
    }

    fn push(&mut self, block: u64, value: f64, window: u64) -> f64 {
        let value = value * self.sign;
        while self.falling.back().is_some_and(|(_, other)| *other <= value) {
            self.falling.pop_back();
        }
        self.falling.push_back((block, value));
        while self.falling.front().is_some_and(|(first, _)| first + window <= block) {
            self.falling.pop_front();
        }
        self.falling.front().map_or(value, |(_, value)| *value) * self.sign
    }
}

/// Takes the time errors of a clock one by one.
#[derive(Clone, Debug)]
pub(super) struct Estimator {
    /// Intervals of tau.
    pub(super) intervals: usize,
    /// Values of a block.
    stride: usize,
    adev: Squares,
    tdev: Squares,
    mtie: Option<f64>,
    segment: Segment,
}

/// What is known since the last gap.
#[derive(Clone, Debug)]
struct Segment {
    /// The first value, and the first difference, which are taken away before anything is summed:
    /// neither ADEV nor TDEV depends on them, and sums of small numbers are exact.
    first: Option<f64>,
    slope: Option<f64>,
    values: u64,
    /// The first value of each block.
    points: VecDeque<f64>,
    /// The sum of each block.
    sums: VecDeque<f64>,
    /// Second difference of the sums over tau, and the blocks until it is summed anew.
    difference: f64,
    stale: usize,
    sum: f64,
    /// Smallest and largest value of the block so far.
    extremes: Option<(f64, f64)>,
    blocks: u64,
    lowest: Extreme,
    highest: Extreme,
}

impl Segment {
    fn new() -> Self {
        Self {
            first: None,
            slope: None,
            values: 0,
            points: VecDeque::new(),
            sums: VecDeque::new(),
            difference: 0.0,
            stale: 0,
            sum: 0.0,
            extremes: None,
            blocks: 0,
            lowest: Extreme::new(-1.0),
            highest: Extreme::new(1.0),
        }
    }

    /// A value without offset and slope.
    fn reduced(&mut self, x: f64) -> f64 {
        let first = *self.first.get_or_insert(x);
        if self.values == 1 {
            self.slope = Some(x - first);
        }
        x - first - self.slope.unwrap_or(0.0) * self.values as f64
    }
}

impl Estimator {
    /// For a tau of so many intervals, at least 1.
    pub(super) fn new(intervals: usize) -> Self {
        let intervals = intervals.max(1);
        let stride = (1..=intervals / BLOCKS).rev().find(|stride| intervals.is_multiple_of(*stride)).unwrap_or(1);
        let (adev, tdev) = (Squares::default(), Squares::default());
        Self { intervals, stride, adev, tdev, mtie: None, segment: Segment::new() }
    }

    /// Blocks of tau.
    fn blocks(&self) -> usize {
        self.intervals / self.stride
    }

    /// Takes the next value; `None` is a gap, across which nothing is compared.
    pub(super) fn push(&mut self, x: Option<f64>) {
        let Some(x) = x else {
            self.end_segment();
            return;
        };
        let stride = self.stride as u64;
        let reduced = self.segment.reduced(x);
        if self.segment.values.is_multiple_of(stride) {
            self.point(reduced);
        }
        let segment = &mut self.segment;
        segment.sum += reduced;
        let (low, high) = segment.extremes.unwrap_or((x, x));
        segment.extremes = Some((low.min(x), high.max(x)));
        segment.values += 1;
        if segment.values.is_multiple_of(stride) {
            let sum = std::mem::take(&mut segment.sum);
            self.block(sum);
            self.extremes();
        }
    }

    fn point(&mut self, reduced: f64) {
        let blocks = self.blocks();
        let points = &mut self.segment.points;
        points.push_back(reduced);
        if points.len() == 2 * blocks + 1 {
            self.adev.add(points[2 * blocks] - 2.0 * points[blocks] + points[0]);
            points.pop_front();
        }
    }

    fn block(&mut self, sum: f64) {
        let (blocks, intervals) = (self.blocks(), self.intervals as f64);
        let segment = &mut self.segment;
        segment.sums.push_back(sum);
        if segment.sums.len() < 3 * blocks {
            return;
        }
        if segment.sums.len() > 3 * blocks {
            let [one, two, three, four] = [0, blocks, 2 * blocks, 3 * blocks].map(|block| segment.sums[block]);
            segment.difference += four - 3.0 * three + 3.0 * two - one;
            segment.sums.pop_front();
        }
        // Summed anew from time to time, so that rounding errors do not accumulate.
        if segment.stale == 0 {
            let total = |from: usize| segment.sums.range(from..from + blocks).sum::<f64>();
            segment.difference = total(2 * blocks) - 2.0 * total(blocks) + total(0);
            segment.stale = blocks;
        }
        segment.stale -= 1;
        self.tdev.add(segment.difference / intervals);
    }

    fn extremes(&mut self) {
        let window = self.blocks() as u64 + 1;
        let segment = &mut self.segment;
        let Some((low, high)) = segment.extremes.take() else { return };
        let (low, high) =
            (segment.lowest.push(segment.blocks, low, window), segment.highest.push(segment.blocks, high, window));
        segment.blocks += 1;
        // A span that is shorter than tau has no MTIE for it.
        if segment.values > self.intervals as u64 {
            self.mtie = Some(self.mtie.unwrap_or(0.0).max(high - low));
        }
    }

    fn end_segment(&mut self) {
        // The last values that fill no block count for the extremes.
        self.extremes();
        self.segment = Segment::new();
    }

    /// What was measured.
    pub(super) fn finish(mut self) -> Deviations {
        self.end_segment();
        Deviations { adev_tau: self.adev.root(2.0), tdev: self.tdev.root(6.0), mtie: self.mtie }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_does_not_grow_with_tau() {
        let mut estimator = Estimator::new(1 << 16);
        (0..400_000).for_each(|second| estimator.push(Some(f64::from(second % 1013))));
        assert!(estimator.segment.points.len() < 200 && estimator.segment.sums.len() < 200);
    }
}
