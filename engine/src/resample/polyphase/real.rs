//! The arithmetic precisions of the resamplers.

use fearless_simd::prelude::*;
use fearless_simd::{f32x4, f64x2};

/// An arithmetic precision.
pub(in super::super) trait Real: Copy + Send + core::ops::Add<Output = Self> + 'static {
    /// A vector register.
    type Register<S: Simd>: SimdBase<S, Element = Self>;
    /// A 16-byte vector that holds a quarter of the [`LANES`](Self::LANES) accumulators of a dot
    /// product.
    type Block<S: Simd>: SimdBase<S, Element = Self>;
    /// Number of accumulators of a dot product: as many as fit in 64 bytes, the size of the largest
    /// register.
    const LANES: usize;
    const ZERO: Self;
    const NEGATIVE_ZERO: Self;
    fn from_f64(value: f64) -> Self;
    fn from_sample(sample: f32) -> Self;
    fn to_sample(self) -> f32;
    /// `a * b + c`.
    fn multiply_add<S: Simd>(a: Self::Register<S>, b: Self::Register<S>, c: Self::Register<S>) -> Self::Register<S>;
    /// Adds up the lanes of each of two blocks, pairwise in a fixed order.
    fn add_up<S: Simd>(a: Self::Block<S>, b: Self::Block<S>) -> [Self; 2];
}

impl Real for f32 {
    type Register<S: Simd> = S::f32s;
    type Block<S: Simd> = f32x4<S>;
    const LANES: usize = 16;
    const NEGATIVE_ZERO: Self = -0.0;
    const ZERO: Self = 0.0;

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the precision of this implementation")]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn from_sample(sample: f32) -> Self {
        sample
    }

    #[inline(always)]
    fn to_sample(self) -> f32 {
        self
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        a * b + c
    }

    #[inline(always)]
    fn add_up<S: Simd>(a: f32x4<S>, b: f32x4<S>) -> [Self; 2] {
        let sums = a.zip_low(b) + a.zip_high(b);
        [sums[0] + sums[2], sums[1] + sums[3]]
    }
}

impl Real for f64 {
    type Register<S: Simd> = S::f64s;
    type Block<S: Simd> = f64x2<S>;
    const LANES: usize = 8;
    const NEGATIVE_ZERO: Self = -0.0;
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn from_sample(sample: f32) -> Self {
        Self::from(sample)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "samples are in single precision")]
    fn to_sample(self) -> f32 {
        self as f32
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn add_up<S: Simd>(a: f64x2<S>, b: f64x2<S>) -> [Self; 2] {
        let sums = a.zip_low(b) + a.zip_high(b);
        [sums[0], sums[1]]
    }
}
