//! Least-squares fit of a sine with four parameters: frequency, amplitude, phase (as cosine and
//! sine) and offset (IEEE 1057).

use core::f64::consts::TAU;

/// Maximum number of corrections of the frequency.
const MAX_ITERATIONS: usize = 10;
/// A correction that is small enough to be the last, in cycles over the whole record: the remaining
/// residual is below -180 dB.
const LAST_CORRECTION: f64 = 1e-10;

pub(super) struct Sine {
    cosine: f64,
    sine: f64,
    residual_power: f64,
}

impl Sine {
    pub(super) fn amplitude(&self) -> f64 {
        libm::sqrt(self.power() * 2.0)
    }

    fn power(&self) -> f64 {
        0.5 * (self.cosine * self.cosine + self.sine * self.sine)
    }

    /// Power of the residual relative to that of the sine, dB.
    pub(super) fn residual_db(&self) -> f64 {
        10.0 * libm::log10(self.residual_power / self.power())
    }
}

/// Fits a sine of about `frequency` cycles per sample.
pub(super) fn fit(samples: &[f32], frequency: f64) -> Sine {
    let length = samples.len() as f64;
    let (mut frequency, mut parameters) = (frequency, [0.0; 4]);
    for iteration in 0..MAX_ITERATIONS {
        let [cosine, sine, ..] = parameters;
        // Rows of the normal equations, the right-hand side last.
        let mut system = [[0.0; 5]; 4];
        for (n, &sample) in samples.iter().enumerate() {
            let (s, c) = at(frequency, n);
            // The last basis function is the change of the signal per cycle over the whole record.
            // Time runs from -1/2 to 1/2.
            let time = n as f64 / length - 0.5;
            let basis = [c, s, 1.0, TAU * time * (sine * c - cosine * s)];
            let terms = [basis[0], basis[1], basis[2], basis[3], f64::from(sample)];
            for (row, b) in system.iter_mut().zip(basis) {
                for (cell, term) in row.iter_mut().zip(terms) {
                    *cell += b * term;
                }
            }
        }
        if iteration == 0 {
            // While the amplitude is zero, the frequency has no effect.
            system[3] = [0.0, 0.0, 0.0, 1.0, 0.0];
        }
        parameters = solve(system);
        let correction = parameters[3] / length;
        // The phase refers to sample 0, half a record before the centre of the correction's
        // rotation.
        let turned = TAU * correction * -0.5 * length;
        let (s, c) = libm::sincos(turned);
        let [a, b, ..] = parameters;
        (parameters[0], parameters[1]) = (a * c + b * s, b * c - a * s);
        frequency += correction;
        if iteration > 0 && parameters[3].abs() < LAST_CORRECTION {
            break;
        }
    }
    let [cosine, sine, offset, _] = parameters;
    let error = |(n, sample): (usize, &f32)| {
        let (s, c) = at(frequency, n);
        let error = f64::from(*sample) - (cosine * c + sine * s + offset);
        error * error
    };
    Sine { cosine, sine, residual_power: samples.iter().enumerate().map(error).sum::<f64>() / length }
}

/// Sine and cosine at sample `n`.
fn at(frequency: f64, n: usize) -> (f64, f64) {
    libm::sincos(TAU * ((frequency * n as f64) % 1.0))
}

/// Gauss-Jordan elimination without pivoting, because the diagonal dominates.
fn solve(mut system: [[f64; 5]; 4]) -> [f64; 4] {
    for pivot in 0..4 {
        let scale = system[pivot][pivot];
        system[pivot] = system[pivot].map(|cell| cell / scale);
        for row in (0..4).filter(|row| *row != pivot) {
            let factor = system[row][pivot];
            system[row] = core::array::from_fn(|column| system[row][column] - factor * system[pivot][column]);
        }
    }
    system.map(|row| row[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_amplitude_and_noise_of_a_sine_whose_frequency_is_a_little_off() {
        let samples: Vec<f32> = (0..1 << 16)
            .map(|n| {
                let (s, _) = at(0.123_456, n);
                (0.5 * s + 0.01 + if n % 2 == 0 { 5e-6 } else { -5e-6 }) as f32
            })
            .collect();
        // A third of a cycle off over the whole record.
        let sine = fit(&samples, 0.123_456 + 0.3 / 65_536.0);
        assert!((sine.amplitude() - 0.5).abs() < 1e-6, "{}", sine.amplitude());
        // 5e-6 over 0.5 / sqrt(2).
        assert!((sine.residual_db() + 96.99).abs() < 0.05, "{}", sine.residual_db());
    }
}
