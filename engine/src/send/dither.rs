//! TPDF dither for 16-bit streams.
//!
//! Model: two random numbers, each uniformly distributed over the width of one step, are added to
//! each sample before it is rounded. The mean of the rounded value is then the sample itself, and
//! the error's power does not depend on the sample (Lipshitz, Wannamaker and Vanderkooy, J.
//! AES 40/5, 1992). The noise is independent between samples and between channels.

/// Number of 16-bit steps per unit of an `f32` sample. Definition: 2^15.
const STEPS: f32 = 32_768.0;
/// Factor that scales a 32-bit random number to [0, 1). Definition: 2^-32.
const TWO_POW_MINUS_32: f32 = 1.0 / 4_294_967_296.0;

/// Generator of the noise, `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014): each draw takes two
/// multiplications and is split into the two uniform numbers for one sample.
#[derive(Clone, Debug)]
pub(super) struct Tpdf {
    state: u64,
}

impl Tpdf {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Adds noise to samples that will be rounded to 16 bits, unless all of them are already 16-bit
    /// values.
    pub(super) fn apply(&mut self, samples: &mut [f32]) {
        if samples.iter().all(|&sample| is_whole(sample * STEPS)) {
            return;
        }
        for sample in samples {
            *sample += self.draw() * (1.0 / STEPS);
        }
    }

    /// Draws a random number with a triangular distribution over (-1, 1).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the two halves of 64 random bits, of which 24 are enough"
    )]
    fn draw(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let [one, two] = [(z >> 32) as u32, z as u32];
        // The difference of two uniform numbers has the same distribution as the sum of two
        // zero-mean ones.
        (one as f32 - two as f32) * TWO_POW_MINUS_32
    }
}

#[expect(clippy::float_cmp, reason = "exactly on the grid is meant")]
fn is_whole(x: f32) -> bool {
    x.round_ties_even() == x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_16_bits_pass_unchanged() {
        let mut samples: Vec<f32> = (i16::MIN..=i16::MAX).map(|sample| f32::from(sample) / STEPS).collect();
        let before = samples.clone();
        Tpdf::new(1).apply(&mut samples);
        assert!(samples.iter().zip(&before).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn the_mean_is_the_sample_and_the_noise_is_the_same_everywhere() {
        // If they were rounded without dither, all these samples would have an error of up to half
        // a step in the same direction.
        for tenths in 0..10 {
            let wanted = 100.0 + f64::from(tenths) / 10.0 + 0.05;
            let mut samples = vec![wanted as f32 / STEPS; 200_000];
            Tpdf::new(7).apply(&mut samples);
            let errors = samples.iter().map(|sample| f64::from((sample * STEPS).round_ties_even()) - wanted);
            let (mut sum, mut squares) = (0.0, 0.0);
            errors.for_each(|error| (sum, squares) = (sum + error, squares + error * error));
            let (mean, power) = (sum / 200_000.0, squares / 200_000.0);
            assert!(mean.abs() < 0.01, "{wanted}: {mean}");
            // The rounding contributes 1/12, and the two uniform numbers contribute 2/12.
            assert!((power - 0.25).abs() < 0.01, "{wanted}: {power}");
        }
    }
}
