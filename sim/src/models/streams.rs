//! Named random streams.
//!
//! Model: everything that is random draws from its own ChaCha8 stream, which is named after its use
//! (`network/media/jitter`). So a change of one parameter does not change the draws of others, and
//! all receivers of a scenario experience the same random events. Distributions are drawn by
//! inversion through `libm`, one 64-bit word per value, so that a stream stays in step whatever its
//! distribution, on every platform.

use crate::scenario::Jitter;
use engine::Nanos;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Largest lateness, us. A packet that is later is as good as lost, and a distribution with a long
/// tail has draws beyond the end of any run.
const LATEST_US: f64 = 3_600e6;

/// One named random stream.
#[derive(Clone, Debug)]
pub struct RandomStream(ChaCha8Rng);

impl RandomStream {
    /// The stream `name` of a run's seed.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut key = [0; 32];
        for (i, word) in key.chunks_exact_mut(8).enumerate() {
            let salt = seed.wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            word.copy_from_slice(&xxh3_64_with_seed(name.as_bytes(), salt).to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        (self.0.next_u64() >> 32) as u32
    }

    /// Uniform in (0, 1), never either bound.
    pub fn uniform(&mut self) -> f64 {
        // 53 bits, centred in their cell.
        ((self.0.next_u64() >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Exponential of mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        // The Box-Muller transform; both uniform numbers come from the halves of one word.
        let word = self.0.next_u64();
        let (a, b) = ((word >> 32) as f64, (word & 0xFFFF_FFFF) as f64);
        let radius = libm::sqrt(-2.0 * libm::log((a + 0.5) / 4_294_967_296.0));
        radius * libm::cos(2.0 * std::f64::consts::PI * b / 4_294_967_296.0)
    }

    /// A random lateness.
    pub fn lateness(&mut self, jitter: &Jitter) -> Nanos {
        let us = match *jitter {
            Jitter::None => {
                self.0.next_u64();
                0.0
            }
            Jitter::Uniform { min_us, max_us } => min_us.get() + (max_us.get() - min_us.get()) * self.uniform(),
            Jitter::Exponential { mean_us } => mean_us.get() * self.exponential(),
            Jitter::Normal { mean_us, sigma_us } => mean_us.get() + sigma_us.get() * self.normal(),
            Jitter::Gamma { queues, mean_us } => {
                (0..queues.get()).map(|_| self.exponential()).sum::<f64>() * mean_us.get()
            }
            Jitter::Pareto { scale_us, tail_index } => {
                scale_us.get() * (libm::exp(self.exponential() / tail_index.get()) - 1.0)
            }
            Jitter::Bimodal { mean_us, gap_us, share } => {
                let gap_us = if self.uniform() < share.get() { gap_us.get() } else { 0.0 };
                mean_us.get() * self.exponential() + gap_us
            }
        };
        Nanos::from_secs_f64(us.clamp(0.0, LATEST_US) * 1e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Micros, Probability, Queues, TailIndex};

    #[test]
    fn latenesses_have_their_distributions_means() {
        let us = |value: f64| Micros::try_from(value).unwrap();
        let cases = [
            (Jitter::Gamma { queues: Queues::try_from(4).unwrap(), mean_us: us(50.0) }, 200.0),
            // Mean of a shifted Pareto: scale / (index - 1).
            (Jitter::Pareto { scale_us: us(300.0), tail_index: TailIndex::try_from(4.0).unwrap() }, 100.0),
            (
                Jitter::Bimodal { mean_us: us(10.0), gap_us: us(200.0), share: Probability::try_from(0.25).unwrap() },
                60.0,
            ),
        ];
        for (jitter, mean_us) in cases {
            let mut stream = RandomStream::new(3, "test");
            let n = 200_000;
            let sum: f64 = (0..n).map(|_| stream.lateness(&jitter).as_nanos() as f64 * 1e-3).sum();
            assert!((sum / f64::from(n) / mean_us - 1.0).abs() < 0.01, "{jitter:?}: {}", sum / f64::from(n));
        }
    }

    #[test]
    fn moments_are_right() {
        let mut stream = RandomStream::new(1, "test");
        let n = 200_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let exponential: Vec<f64> = (0..n).map(|_| stream.exponential()).collect();
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let squares: Vec<f64> = normal.iter().map(|x| x * x).collect();
        let fourth: Vec<f64> = normal.iter().map(|x| x * x * x * x).collect();
        assert!((mean(&exponential) - 1.0).abs() < 0.01);
        assert!(mean(&normal).abs() < 0.01 && (mean(&squares) - 1.0).abs() < 0.01);
        assert!((mean(&fourth) - 3.0).abs() < 0.1);
    }

    #[test]
    fn names_and_seeds_give_different_streams_and_the_same_give_the_same() {
        let first = |seed, name| RandomStream::new(seed, name).0.next_u64();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        // A change here changes every report: do it knowingly.
        assert_eq!(first(1, "network/media/jitter"), FIRST_WORD);
    }

    const FIRST_WORD: u64 = 8_660_363_257_702_921_852;
}
