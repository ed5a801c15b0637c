//! Normalised correlation of a short piece with a long one, lag by lag.
//!
//! Model: an FFT gives the correlation at all lags (overlap-save, two segments per complex
//! transform). The few lags that correlate well are then summed up directly in single precision, so
//! that what is found does not depend on the transform's rounding.
//!
//! The transform is the plainest one there is, radix 2 in double precision: libraries choose their
//! algorithm by the machine, and a rounding that depends on the machine is not wanted here. Single
//! precision would not do: its error is relative to the loudest part of a segment, and a quiet part
//! is normalised by its own level.

use crate::vectors::LEVEL;
use fearless_simd::dispatch;
use std::sync::OnceLock;

/// Bound of the difference between a score by FFT and one that is summed up in single precision.
/// The latter is the larger error: N terms err by at most N x 2^-24, which is 2.3e-4 for the
/// longest piece.
const ROUNDING: f64 = 1e-3;
/// Segments are this many times as long as the piece.
const SEGMENT_PIECES: usize = 4;

/// How well `template` correlates with `programme` at each of the first `lags` lags, from -1 to 1.
/// The scores that exceed `near` times the best one are exact, all others are -1. Nothing if no
/// score is as good as `least`.
pub(super) fn scores(template: &[f32], programme: &[f32], lags: usize, least: f64, near: f64) -> Option<Vec<f64>> {
    let norms = norms(template, programme, lags);
    let estimates = by_fft(template, programme, lags);
    // Without a root or a division, for most searches end here.
    let good_enough = least - ROUNDING;
    let is_good =
        |(&product, &norm): (&f64, &f64)| product > 0.0 && product * product >= good_enough * good_enough * norm;
    if !estimates.iter().zip(&norms).any(is_good) {
        return None;
    }
    let estimates: Vec<f64> = estimates.iter().zip(&norms).map(|(product, norm)| product / norm.sqrt()).collect();
    let floor = near * estimates.iter().copied().fold(0.0, f64::max) - 3.0 * ROUNDING;
    let mut scores = vec![-1.0; lags];
    let mut lag = 0;
    while let Some(first) = (lag..lags).find(|&lag| estimates[lag] > floor) {
        let end = (first..lags).find(|&lag| estimates[lag] <= floor).unwrap_or(lags);
        for (at, product) in (first..end).zip(correlate(template, &programme[first..], end - first)) {
            scores[at] = f64::from(product) / norms[at].sqrt();
        }
        lag = end;
    }
    (scores.iter().copied().fold(0.0, f64::max) >= least).then_some(scores)
}

/// The products of the energies of the template and of what it meets at each lag.
fn norms(template: &[f32], programme: &[f32], lags: usize) -> Vec<f64> {
    let power = |&x: &f32| f64::from(x) * f64::from(x);
    let own: f64 = template.iter().map(power).sum();
    let mut theirs: f64 = programme[..template.len()].iter().map(power).sum();
    let mut norms = Vec::with_capacity(lags);
    for lag in 0..lags {
        norms.push(own * theirs.max(1e-9) + 1e-18);
        if let Some(entering) = programme.get(lag + template.len()) {
            theirs += power(entering) - power(&programme[lag]);
        }
    }
    norms
}

/// The correlation in single precision.
fn correlate(template: &[f32], programme: &[f32], lags: usize) -> Vec<f32> {
    let mut products = vec![0.0f32; lags];
    for (n, &x) in template.iter().enumerate() {
        for (product, &r) in products.iter_mut().zip(&programme[n..]) {
            *product += x * r;
        }
    }
    products
}

/// The correlation at all lags.
fn by_fft(template: &[f32], programme: &[f32], lags: usize) -> Vec<f64> {
    let size = (SEGMENT_PIECES * template.len()).next_power_of_two();
    dispatch!(*LEVEL, _simd => by_transform(Transform::of(size), template, programme, lags))
}

/// The same with one transform. This and all that it calls must be inlined, or it falls back to the
/// instructions of the baseline.
#[inline(always)]
fn by_transform(transform: &Transform, template: &[f32], programme: &[f32], lags: usize) -> Vec<f64> {
    let size = transform.roots[0].len() + 1;
    let useful = size - template.len() + 1;
    let mut piece = [vec![0.0; size], vec![0.0; size]];
    load(&mut piece[0], template);
    transform.forward(&mut piece);
    let mut products = Vec::with_capacity(lags + 2 * useful);
    let mut segments = [vec![0.0; size], vec![0.0; size]];
    while products.len() < lags {
        for (n, segment) in segments.iter_mut().enumerate() {
            load(segment, programme.get(products.len() + n * useful..).unwrap_or_default());
        }
        transform.forward(&mut segments);
        multiply_by_conjugate(&mut segments, &piece);
        transform.inverse(&mut segments);
        // Real and imaginary part do not mix, because the piece is real.
        segments.iter().for_each(|segment| products.extend_from_slice(&segment[..useful]));
    }
    products.truncate(lags);
    products.iter_mut().for_each(|product| *product /= size as f64);
    products
}

/// Fills `to` with the first samples of `from`, and with zeros.
#[inline(always)]
fn load(to: &mut [f64], from: &[f32]) {
    let length = from.len().min(to.len());
    to[..length].iter_mut().zip(from).for_each(|(to, &from)| *to = f64::from(from));
    to[length..].fill(0.0);
}

/// Real and imaginary parts.
type Complex = [Vec<f64>; 2];

#[inline(always)]
fn multiply_by_conjugate([re, im]: &mut Complex, [other_re, other_im]: &Complex) {
    for ((a, b), (c, d)) in re.iter_mut().zip(im).zip(other_re.iter().zip(other_im)) {
        (*a, *b) = (*a * c + *b * d, *b * c - *a * d);
    }
}

/// The discrete Fourier transform of one size, a power of two. Spectra are in bit-reversed order.
#[derive(Debug)]
struct Transform {
    /// Roots of unity, real and imaginary, stage by stage: half the size, a quarter, ..., one.
    roots: Complex,
}

impl Transform {
    /// That of a size, whose roots are computed once in a process.
    fn of(size: usize) -> &'static Self {
        static ALL: [OnceLock<Transform>; usize::BITS as usize] = [const { OnceLock::new() }; usize::BITS as usize];
        ALL[size.trailing_zeros() as usize].get_or_init(|| Self::new(size))
    }

    fn new(size: usize) -> Self {
        let halves = std::iter::successors(Some(size / 2), |half| Some(half / 2)).take_while(|&half| half > 0);
        let angles = halves.flat_map(|half| (0..half).map(move |k| -std::f64::consts::PI * k as f64 / half as f64));
        Self { roots: angles.map(|angle| (libm::cos(angle), libm::sin(angle))).unzip::<_, _, Vec<_>, Vec<_>>().into() }
    }

    /// Decimation in frequency.
    #[inline(always)]
    fn forward(&self, data: &mut Complex) {
        let mut half = data[0].len() / 2;
        while half > 0 {
            self.stage::<true>(data, half);
            half /= 2;
        }
    }

    /// Decimation in time, times the size.
    #[inline(always)]
    fn inverse(&self, data: &mut Complex) {
        let mut half = 1;
        while half < data[0].len() {
            self.stage::<false>(data, half);
            half *= 2;
        }
    }

    /// All butterflies of the stage whose partners are `half` apart: sum and turned difference, or
    /// the other way round.
    #[inline(always)]
    fn stage<const FORWARD: bool>(&self, [re, im]: &mut Complex, half: usize) {
        let first = re.len() - 2 * half;
        let (cos, sin) = (&self.roots[0][first..first + half], &self.roots[1][first..first + half]);
        for (re, im) in re.chunks_exact_mut(2 * half).zip(im.chunks_exact_mut(2 * half)) {
            let ((a_re, b_re), (a_im, b_im)) = (re.split_at_mut(half), im.split_at_mut(half));
            for k in 0..half {
                let (a, b, cos, sin) = ((a_re[k], a_im[k]), (b_re[k], b_im[k]), cos[k], sin[k]);
                let (sum, difference) = if FORWARD {
                    let (re, im) = (a.0 - b.0, a.1 - b.1);
                    ((a.0 + b.0, a.1 + b.1), (re * cos - im * sin, re * sin + im * cos))
                } else {
                    let (re, im) = (b.0 * cos + b.1 * sin, b.1 * cos - b.0 * sin);
                    ((a.0 + re, a.1 + im), (a.0 - re, a.1 - im))
                };
                ((a_re[k], a_im[k]), (b_re[k], b_im[k])) = (sum, difference);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a level that changes by 40 dB, as programmes do.
    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.cast_signed() as f32 / 2f32.powi(31)
        };
        (0..length).map(|n| next() * if n / 3000 % 2 == 0 { 0.5 } else { 0.005 }).collect()
    }

    #[test]
    fn the_transform_of_an_impulse_is_flat_and_comes_back() {
        let transform = Transform::of(64);
        let mut data = [vec![0.0; 64], vec![0.0; 64]];
        (data[0][0], data[1][0]) = (1.0, -2.0);
        transform.forward(&mut data);
        assert!(data[0].iter().all(|x| (x - 1.0).abs() < 1e-12) && data[1].iter().all(|x| (x + 2.0).abs() < 1e-12));
        transform.inverse(&mut data);
        assert!((data[0][0] - 64.0).abs() < 1e-9 && data[0][1..].iter().all(|x| x.abs() < 1e-9));
    }

    #[test]
    fn both_ways_agree_at_every_lag() {
        let (programme, lags) = (noise(20_000), 19_000);
        for first in [100, 4000, 18_200] {
            let template = &programme[first..first + 960];
            let fast = by_fft(template, &programme, lags);
            let norms = norms(template, &programme, lags);
            for (lag, product) in correlate(template, &programme, lags).into_iter().enumerate() {
                let error = (f64::from(product) - fast[lag]).abs() / norms[lag].sqrt();
                assert!(error < ROUNDING / 2.0, "{error} at {lag}");
            }
        }
    }

    #[test]
    fn good_scores_are_exact_and_others_are_not_told() {
        let (programme, lags) = (noise(20_000), 19_000);
        let template = &programme[7000..7960];
        let found = scores(template, &programme, lags, 0.6, 0.9).unwrap();
        assert!((found[7000] - 1.0).abs() < 1e-6);
        assert_eq!(found.iter().filter(|&&score| score > -1.0).count(), 1);
        let stranger: Vec<f32> = template.iter().rev().copied().collect();
        assert_eq!(scores(&stranger, &programme, lags, 0.6, 0.9), None);
    }
}
