//! The inner loop: sums of windows, weighted by interpolated coefficients. The same source code
//! serves every instruction set.
//!
//! Model: a sum has as many accumulators as 64 bytes hold (16 in single, 8 in double precision),
//! which are filled in a fixed order and added up by a fixed tree. This order defines the result:
//! AVX-512 holds the accumulators in one register, AVX2 in two, SSE2 and NEON in four.
//!
//! In single precision every product is rounded before it is added, so all kernels produce the same
//! bits. The simulator's guarantee of identical bytes on any machine depends on that. Fused
//! multiply-adds were not faster in single precision on Zen 3, whose multipliers and adders work in
//! parallel. In double precision they were faster by a sixth, so they are used where the processor
//! has them; after the output is rounded to single precision, kernels differ by at most one unit in
//! the last place.
//!
//! No `unsafe`: `fearless_simd`, which has no dependencies, contains the unsafe parts (the loads
//! and the call across the target-feature boundary) and compiles to the same instructions as
//! intrinsics. Every function called inside [`dispatch!`](fearless_simd::dispatch) must be inlined;
//! otherwise, it is compiled for the baseline instruction set. Closures and `array::map` are not
//! inlined, so there are loops over indices instead.

use super::filter::Row;
use super::real::Real;
use fearless_simd::Level;
use fearless_simd::prelude::*;

/// Number of 16-byte blocks into which the accumulators of a dot product are divided.
const QUARTERS: usize = 4;

/// The instruction set with which samples are computed. In single precision, the choice changes the
/// speed, but no bit of the result.
///
/// ```
/// use engine::resample::{Kernel, NearUnityResampler, Precision};
/// // The same bits on every machine, at the speed of this one.
/// let kernel = Kernel::detect();
/// assert!(Kernel::available().iter().any(|other| other.name() == kernel.name()));
/// NearUnityResampler::with(2, 64, Precision::Single, kernel)?;
/// # Ok::<(), engine::resample::NearUnityError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernel(Level);

impl Kernel {
    /// The fastest kernel available on this machine. AVX-512 is used from Ice Lake and Zen 4 on;
    /// older processors lower their clock rate when they use it.
    #[must_use]
    pub fn detect() -> Self {
        Self(Level::new())
    }

    /// The kernel that every machine of this architecture supports: SSE2 on x86-64, NEON on ARM.
    #[must_use]
    pub fn portable() -> Self {
        Self(Level::baseline())
    }

    /// All kernels available on this machine, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let faster = [
            Level::new().as_avx2().map(|avx2| Self(avx2.level())),
            Level::new().as_avx512().map(|avx512| Self(avx512.level())),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let faster: [Option<Self>; 0] = [];
        std::iter::once(Self::portable()).chain(faster.into_iter().flatten()).collect()
    }

    /// Name of the kernel, for display.
    #[must_use]
    pub fn name(self) -> &'static str {
        #[cfg(target_arch = "x86_64")]
        {
            if self.0.as_avx512().is_some() {
                return "AVX-512";
            }
            if self.0.as_avx2().is_some() {
                return "AVX2";
            }
        }
        "portable"
    }

    pub(super) fn level(self) -> Level {
        self.0
    }
}

/// Sums the windows of `FRAMES` frames of `CHANNELS` channels, weighted by the row's coefficients
/// at each frame's distance from the row's phase. Coefficients are loaded once for all frames; each
/// frame's sums are exactly the same as if they were computed separately.
#[inline(always)]
pub(super) fn convolve<S: Simd, T: Real, const TAPS: usize, const CHANNELS: usize, const FRAMES: usize>(
    simd: S,
    row: &Row<T, TAPS>,
    distances: [T; FRAMES],
    windows: [[&[T]; CHANNELS]; FRAMES],
) -> [[T; CHANNELS]; FRAMES] {
    const { assert!(TAPS.is_multiple_of(2 * T::LANES), "blocks are taken in pairs") };
    let empty = [T::Block::<S>::splat(simd, T::ZERO); QUARTERS];
    let mut quarters = [[empty; CHANNELS]; FRAMES];
    // Each pass computes one register of each sum, so that the sums of all frames and channels fit
    // in the registers.
    for first in (0..T::LANES).step_by(T::Register::<S>::LEN) {
        // Adding a number to -0 yields exactly that number, so the compiler can omit the first
        // addition.
        let mut sums = [[T::Register::<S>::splat(simd, T::NEGATIVE_ZERO); CHANNELS]; FRAMES];
        // Terms are added from both ends towards the centre. The large terms come last, so few
        // additions are rounded at their magnitude (2 dB less noise).
        let blocks = TAPS / T::LANES;
        for pair in 0..blocks / 2 {
            for block in [pair, blocks - 1 - pair] {
                let tap = block * T::LANES + first;
                let (value, slope) = (load(simd, &row.value, tap), load(simd, &row.slope, tap));
                let curvature: T::Register<S> = load(simd, &row.curvature, tap);
                for n in 0..FRAMES {
                    let distance = T::Register::<S>::splat(simd, distances[n]);
                    let bend = T::multiply_add::<S>(curvature, distance, slope);
                    let coefficients = T::multiply_add::<S>(bend, distance, value);
                    for c in 0..CHANNELS {
                        let samples = load(simd, windows[n][c], tap);
                        sums[n][c] = T::multiply_add::<S>(coefficients, samples, sums[n][c]);
                    }
                }
            }
        }
        let length = T::Block::<S>::LEN;
        for n in 0..FRAMES {
            for c in 0..CHANNELS {
                for at in (0..T::Register::<S>::LEN).step_by(length) {
                    let quarter = T::Block::<S>::from_slice(simd, &sums[n][c].as_slice()[at..at + length]);
                    quarters[n][c][(first + at) / length] = quarter;
                }
            }
        }
    }
    let mut results = [[T::ZERO; CHANNELS]; FRAMES];
    for n in 0..FRAMES {
        results[n] = add_up::<S, T, CHANNELS>(simd, quarters[n]);
    }
    results
}

/// Adds up the accumulators of each channel of a frame, pairwise in a fixed order.
#[inline(always)]
fn add_up<S: Simd, T: Real, const CHANNELS: usize>(
    simd: S,
    quarters: [[T::Block<S>; QUARTERS]; CHANNELS],
) -> [T; CHANNELS] {
    let mut sums = [T::Block::<S>::splat(simd, T::ZERO); CHANNELS];
    for (sum, [q0, q1, q2, q3]) in sums.iter_mut().zip(quarters) {
        *sum = (q0 + q2) + (q1 + q3);
    }
    let mut results = [T::ZERO; CHANNELS];
    for c in (0..CHANNELS).step_by(2) {
        let other = (c + 1).min(CHANNELS - 1);
        [results[c], results[other]] = T::add_up::<S>(sums[c], sums[other]);
    }
    results
}

#[inline(always)]
fn load<S: Simd, T: Real>(simd: S, taps: &[T], first: usize) -> T::Register<S> {
    T::Register::<S>::from_slice(simd, &taps[first..first + T::Register::<S>::LEN])
}
