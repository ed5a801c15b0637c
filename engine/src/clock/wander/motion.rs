//! Measures how far the setpoint of playout moves by itself.
//!
//! Purpose: playout runs at the ratio of two crystals, so it is steady. If its distance from the
//! setpoint varies, it is the setpoint that moves, because the reference wanders by more than its
//! clock map states. Playout need not follow such movements quickly.
//!
//! Model: the distance, corrected for the trims so far, is sampled every 1 s, 2 s, ... 128 s. The
//! measure is the distance of the middle sample of three consecutive samples from the line through
//! the other two, to which neither an offset nor a rate contributes. For white noise, this measure
//! is 1.22 standard deviations. For an Ornstein-Uhlenbeck process with time constant T, it is 0.8
//! standard deviations at an interval of T / 3, and more than 1 at intervals of T / 2 and longer.
//! So the interval with the largest value is used. The host's clock is not involved, so no
//! allowance for the drift of a crystal is needed.
//!
//! Robustness: the median of the newest values of each interval is used, so that fewer than half of
//! them may be steps of the setpoint or jumps of playout.

/// Number of sampling intervals; each interval is twice the one before. Derived: up to 128 s.
const LEVELS: usize = 8;
/// Shortest sampling interval, s. Judgement: faster movements are jitter.
const SHORTEST_S: f64 = 1.0;
/// Number of values that a level keeps. Judgement: a median of 15 has an error of 30 %.
const KEPT: usize = 15;
/// Number of values that a level needs before it is used. Judgement: with fewer, a median is
/// meaningless.
const FIRST: usize = 4;
/// Median of the absolute value of a normal variable with variance 1. Derived: the third quartile
/// of the normal distribution.
const MEDIAN_SIZE: f64 = 0.6745;
/// Standard error of the logarithm of a median of absolute values after one value. Derived: 1 / (2
/// f m), with the density f = 0.636 of the absolute value at the median m.
const CHANCE: f64 = 1.17;

/// Statistics of the samples taken at one interval, ns.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    last_ns: Option<f64>,
    before_ns: Option<f64>,
    /// Absolute values of the newest second differences, in a ring.
    sizes_ns: [f64; KEPT],
    count: usize,
    sigma_ns: f64,
    /// Upper limit of the standard deviation: the estimate plus one standard error.
    at_most_ns: f64,
}

impl Level {
    fn look(&mut self, place_ns: f64) {
        if let Some((last_ns, before_ns)) = self.last_ns.zip(self.before_ns) {
            self.learn((last_ns - f64::midpoint(before_ns, place_ns)).abs());
        }
        self.before_ns = self.last_ns.replace(place_ns);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    fn learn(&mut self, size_ns: f64) {
        self.sizes_ns[self.count % KEPT] = size_ns;
        self.count += 1;
        let known = self.count.min(KEPT);
        if known < FIRST {
            return;
        }
        let mut sorted_ns = self.sizes_ns;
        sorted_ns[..known].sort_unstable_by(f64::total_cmp);
        self.sigma_ns = sorted_ns[known / 2] / MEDIAN_SIZE;
        self.at_most_ns = self.sigma_ns * libm::exp(CHANCE / libm::sqrt(known as f64));
    }
}

/// Measures how far a setpoint moves.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetMotion {
    /// Sum of the trims so far, ns.
    trimmed_ns: f64,
    since_look_s: f64,
    looks: u64,
    levels: Box<[Level; LEVELS]>,
}

impl TargetMotion {
    /// Processes the distance `behind_ns` by which playout lags the setpoint, and the trim
    /// `trim_ppb` applied over the last `block_s` seconds. `behind_ns` is `None` when the distance
    /// is meaningless.
    pub(crate) fn take(&mut self, behind_ns: Option<f64>, trim_ppb: f64, block_s: f64) {
        self.trimmed_ns += trim_ppb * block_s;
        self.since_look_s += block_s;
        if self.since_look_s < SHORTEST_S {
            return;
        }
        self.since_look_s = 0.0;
        self.looks += 1;
        let Some(behind_ns) = behind_ns else {
            self.interrupt();
            return;
        };
        for (level, distance) in self.levels.iter_mut().zip((0..).map(|power| 1u64 << power)) {
            if !self.looks.is_multiple_of(distance) {
                break;
            }
            level.look(behind_ns + self.trimmed_ns);
        }
    }

    fn interrupt(&mut self) {
        for level in self.levels.iter_mut() {
            (level.last_ns, level.before_ns) = (None, None);
        }
    }

    /// Standard deviation of the setpoint's own movement, ns; 0 while unknown.
    pub(crate) fn sigma_ns(&self) -> f64 {
        self.levels.iter().map(|level| level.sigma_ns).fold(0.0, f64::max)
    }

    /// Upper limit of the standard deviation of the setpoint's own movement, ns, for uses in which
    /// too small a value would be harmful.
    pub(crate) fn at_most_ns(&self) -> f64 {
        self.levels.iter().map(|level| level.at_most_ns).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    const BLOCK_S: f64 = 0.02;

    /// Measures a target that is off by `off_ns(t)`.
    fn seen(duration_s: f64, mut off_ns: impl FnMut(f64) -> Option<f64>) -> f64 {
        let mut motion = TargetMotion::default();
        for block in 0..(duration_s / BLOCK_S) as u64 {
            motion.take(off_ns(block as f64 * BLOCK_S), 0.0, BLOCK_S);
        }
        motion.at_most_ns()
    }

    /// An Ornstein-Uhlenbeck process.
    fn wander(seed: u64, rms_ns: f64, tau_s: f64) -> impl FnMut(f64) -> Option<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut share = move || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
        let kept = libm::exp(-BLOCK_S / tau_s);
        let mut off_ns = None;
        move |_| {
            let radius = libm::sqrt(-2.0 * libm::log(share()));
            let normal = rms_ns * radius * libm::cos(2.0 * std::f64::consts::PI * share());
            let next_ns = off_ns.map_or(normal, |ns: f64| kept * ns + libm::sqrt(1.0 - kept * kept) * normal);
            off_ns = Some(next_ns);
            off_ns
        }
    }

    #[test]
    fn a_wander_is_seen_whatever_its_time_constant() {
        for (tau_s, after_s) in [(1.0, 60.0), (5.0, 120.0), (50.0, 400.0), (100.0, 700.0)] {
            for seed in 0..20 {
                let sigma_ns = seen(after_s, wander(seed, 1e5, tau_s));
                assert!((0.7e5..5e5).contains(&sigma_ns), "{tau_s} s, seed {seed}: {sigma_ns}");
            }
        }
    }

    #[test]
    fn offsets_rates_steps_and_silences_are_no_motion() {
        let step_ns = |t_s: f64| if t_s < 300.0 { 0.0 } else { 5e6 };
        assert!(seen(1000.0, |t_s| Some(1e6 + 3e3 * t_s + step_ns(t_s))) < 1.0);
        // The distance is unknown for the last fifth of every 100 s.
        let is_known = |t_s: f64| t_s % 100.0 < 80.0;
        assert!(seen(1000.0, |t_s| is_known(t_s).then_some(7e5)) < 1.0);
    }

    #[test]
    fn what_was_trimmed_is_no_motion_of_the_target() {
        let (mut motion, mut behind_ns) = (TargetMotion::default(), 1e6);
        for block in 0..20_000 {
            let trim_ppb = if block % 3000 < 1000 { 20e3 } else { -10e3 };
            behind_ns -= trim_ppb * BLOCK_S;
            motion.take(Some(behind_ns), trim_ppb, BLOCK_S);
        }
        assert!(motion.sigma_ns() < 1.0, "{}", motion.sigma_ns());
    }
}
