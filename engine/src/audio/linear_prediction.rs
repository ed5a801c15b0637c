//! Linear prediction: the most probable continuation of a signal.
//!
//! Model: the signal is an autoregressive process. The model's coefficients are computed from the
//! signal's past by Burg's method (J. P. Burg, "Maximum entropy spectral analysis", 1967), which
//! finds the reflection coefficients that minimise the error of predicting the past both forwards
//! and backwards. Their magnitude never exceeds 1, so the prediction does not grow without bound.
//! The first predicted sample differs from the true one only by the innovation, the part of the
//! signal that the past does not determine, so value, slope and curvature are practically
//! continuous.
//!
//! Cost: about 5 x order x frames multiplications per prediction. Nothing is allocated after
//! creation.

/// Number of coefficients. Judgement: enough for eight resonances and a spectral slope.
const ORDER: usize = 24;
/// Damping: coefficient k is multiplied by the k-th power of this value. Judgement: the prediction
/// fades within a few ms instead of ringing.
const DECAY: f64 = 0.998;

/// Predicts a signal from a fixed length of its past.
#[derive(Debug)]
pub(super) struct Predictor {
    past: Vec<f64>,
    forward: Vec<f64>,
    backward: Vec<f64>,
    coefficients: [f64; ORDER],
}

impl Predictor {
    /// Creates a predictor that uses the last `frames` samples.
    pub(super) fn new(frames: usize) -> Self {
        let zeros = vec![0.0; frames.max(ORDER + 1)];
        Self { past: zeros.clone(), forward: zeros.clone(), backward: zeros, coefficients: [0.0; ORDER] }
    }

    /// Computes the coefficients from the past samples, oldest first. If there are too few samples,
    /// silence is assumed before them.
    pub(super) fn learn(&mut self, past: impl DoubleEndedIterator<Item = f32>) {
        self.past.fill(0.0);
        for (to, sample) in self.past.iter_mut().rev().zip(past.rev()) {
            *to = f64::from(sample);
        }
        self.burg();
    }

    fn burg(&mut self) {
        self.forward.copy_from_slice(&self.past);
        self.backward.copy_from_slice(&self.past);
        self.coefficients = [0.0; ORDER];
        let frames = self.past.len();
        for order in 0..ORDER {
            let (forward, backward) = (&self.forward[order + 1..], &self.backward[order..frames - 1]);
            let (product, energy) = forward
                .iter()
                .zip(backward)
                .fold((0.0, f64::MIN_POSITIVE), |(product, energy), (f, b)| (product + f * b, energy + f * f + b * b));
            let reflection = 2.0 * product / energy;
            let before = self.coefficients;
            for i in 0..order {
                self.coefficients[i] = before[i] - reflection * before[order - 1 - i];
            }
            self.coefficients[order] = reflection;
            for at in (order + 1..frames).rev() {
                let (f, b) = (self.forward[at], self.backward[at - 1]);
                self.forward[at] = f - reflection * b;
                self.backward[at] = b - reflection * f;
            }
        }
        let mut decay = 1.0;
        for coefficient in &mut self.coefficients {
            decay *= DECAY;
            *coefficient *= decay;
        }
    }

    /// Predicts the next sample and appends it to the past.
    #[expect(clippy::cast_possible_truncation, reason = "audio is f32")]
    pub(super) fn next(&mut self) -> f32 {
        let sample: f64 =
            self.past.iter().rev().zip(&self.coefficients).map(|(past, coefficient)| past * coefficient).sum();
        self.past.rotate_left(1);
        if let Some(last) = self.past.last_mut() {
            *last = sample;
        }
        sample as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tones(frame: usize) -> f32 {
        let at = frame as f64;
        (0.4 * libm::sin(at * 0.018) + 0.2 * libm::sin(at * 0.0571 + 1.0) + 0.05 * libm::sin(at * 0.43 + 2.0)) as f32
    }

    #[test]
    fn tones_go_on() {
        let mut predictor = Predictor::new(384);
        predictor.learn((0..384).map(tones));
        let worst = (384..432).map(|frame| (predictor.next() - tones(frame)).abs()).fold(0.0, f32::max);
        assert!(worst < 0.03, "{worst}");
    }

    #[test]
    fn silence_stays_silence_and_a_short_past_is_enough() {
        let mut predictor = Predictor::new(384);
        predictor.learn(std::iter::repeat_n(0.0, 384));
        assert!((0..2).all(|_| predictor.next().to_bits() == 0));
        predictor.learn((0..3).map(tones));
        assert!((0..1000).all(|_| predictor.next().abs() < 1.0));
    }

    #[test]
    fn a_prediction_is_no_louder_than_the_past() {
        let mut random = 7u32;
        let mut draw = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(random >> 8) / 16_777_216.0 - 0.5
        };
        for case in 0..200 {
            // The signals range from rumble to hiss, with an onset at varying positions.
            let (smoothing, onset) = (f64::from(case) / 201.0, case as usize * 384 / 200);
            let (mut level, mut past) = (0.0, Vec::new());
            for frame in 0..384 {
                level += (1.0 - smoothing) * (draw() - level);
                past.push(level as f32 * if frame < onset { 0.05 } else { 1.0 });
            }
            let peak = past.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            let mut predictor = Predictor::new(384);
            predictor.learn(past.iter().copied());
            let predicted = (0..96).map(|_| predictor.next().abs()).fold(0.0, f32::max);
            assert!(predicted < 1.5 * peak, "{case}: {predicted} against {peak}");
        }
    }
}
