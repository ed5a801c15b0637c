//! Measures how far a clock's time wanders, beyond the wander of a crystal.
//!
//! Purpose: the phase of a clock that is steered by software (a boundary clock, a PC that is a
//! grandmaster, a sender that follows one of them) wanders, by a microsecond or by milliseconds,
//! over a second or over minutes. An estimator that mistakes the wander for the behaviour of a
//! crystal follows it, and a player that uses that estimate changes its pitch. An estimator that
//! knows the size of the wander averages over it.
//!
//! Model: the offsets are averaged over blocks of 0.25 s, 0.5 s, ... 64 s. Three consecutive blocks
//! a, b and c yield a second difference a - 2b + c, to which neither offset nor rate contributes
//! (as in the Allan deviation, Allan 1966, and in its counterpart for packets in ITU-T G.8260,
//! which takes the least late packet of a block). The mean square V of the second difference, as a
//! function of the block length L, separates three contributions:
//! * the noise of packets, which falls with L at least as fast as 1/L;
//! * a crystal whose temperature drifts: V = (drift L^2)^2;
//! * wander, which is the rest. For an Ornstein-Uhlenbeck process with variance s^2 and time
//!   constant T, V grows with L until it is 1.97 s^2 at L = 2.4 T, and then falls as 12 s^2 T / L:
//!   for longer averages, the wander is white noise with density 2 s^2 T.
//!
//! Robustness: V is computed from the median of the squares, so that disturbances (steps, slews,
//! stalls) in fewer than half of the blocks have no effect. Both the least late packet and the mean
//! of all packets are tried, and the quieter one is used, because packets are late in bursts.
//!
//! Limits: wander faster than the shortest block is mistaken for noise. Wander as slow as a
//! crystal's is not detected.

use super::super::sample::Sample;
use crate::units::{LocalTime, Nanos};

/// Length of the shortest blocks; if packets arrive at longer intervals than this, each packet is a
/// block. Judgement: two Syncs at the interval of AES67's media profile.
const SHORTEST: Nanos = Nanos::from_millis(250);
/// Number of block lengths; each length is twice the one before. Derived: up to 64 s.
const LEVELS: usize = 9;
/// Memory of a level, s. Judgement: changes within minutes are followed.
const MEMORY_S: f64 = 256.0;
/// Smallest memory of a level, in blocks. Derived: 16 blocks yield the median of squares to within
/// a factor of 1.8.
const LEAST_MEMORY: f64 = 16.0;
/// Number of second differences that a level needs before it is used. Judgement: with fewer, a
/// median is meaningless.
const FIRST: f64 = 4.0;
/// Gain of a running median of logarithms; each new value moves the median by a limited step.
/// Derived: 1 / (2 f), with the density f = 0.214 of the logarithm of a squared normal variable at
/// its median. The gain is also the standard error of the logarithm after one value.
const MEDIAN_GAIN: f64 = 2.33;
/// Median of a squared normal variable with variance 1. Derived: the chi-squared distribution with
/// one degree of freedom.
const MEDIAN_SQUARE: f64 = 0.455;
/// Drift of a crystal that is warming up, ns/s^2. Judgement: a little more than 0.02 ppm/s.
const CRYSTAL_DRIFT: f64 = 25.0;
/// Only the part of V that exceeds this multiple of the sum of the noise and crystal contributions
/// counts as wander. Judgement: a factor of 4 in V is a factor of 2 in amplitude.
const ALLOWED: f64 = 4.0;
/// Maximum of V / s^2 over the block length. Derived: for an Ornstein-Uhlenbeck process.
const GREATEST: f64 = 1.97;
/// V L / S at the maximum of V, with the density S = 2 s^2 T. Derived: for an Ornstein-Uhlenbeck
/// process. For blocks much longer than T, V L / S is 6, so that S is overestimated.
const GREATEST_PER_DENSITY: f64 = 2.4;
/// Block length, in time constants, at which V is greatest. Below it, V grows at least in
/// proportion to the block length. Derived: for an Ornstein-Uhlenbeck process.
const GREATEST_AT: f64 = 2.4;
/// Near its maximum, V grows by less than this factor from one block length to the next. Judgement:
/// far below the maximum it grows by a factor of two or more.
const GROWTH: f64 = 1.3;
/// Time constant that is assumed for a wander that still grows at the longest blocks, s. Judgement:
/// about the longest blocks.
const LONGEST_S: f64 = 100.0;
/// V of white noise with variance 1. Derived: 1 + 4 + 1.
const WHITE: f64 = 6.0;
/// Values that differ by no more than this fraction are treated as equal. Judgement: a median of
/// 100 values has an error of 20 %.
const SAME_SHARE: f64 = 0.1;
/// A wander this many times larger than the filters assume has misled them. Judgement: the size of
/// a wander is known only to within about 50 %.
const EXCEEDS: f64 = 2.0;
/// Shortest time between two interruptions. Judgement: long enough to measure the wander with
/// blocks of up to 4 s.
const INTERRUPTED_EVERY: Nanos = Nanos::from_secs(20);
/// Offsets that differ by more than this do not come from a single wandering clock, ns. Judgement:
/// a clock that is off by 1 s has not wandered, but been set.
const ANOTHER_TIME_NS: f64 = 1e9;
/// Blocks further apart than this many times the usual distance are separated by a silence.
/// Judgement: one missing block is not a silence.
const SILENCE: f64 = 2.5;

/// Wander of a clock's time, relative to the time of a crystal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::clock) struct PhaseWander {
    /// Standard deviation, ns.
    pub(in crate::clock) rms_ns: f64,
    /// Density of white noise that has the same effect on a long average, ns^2 s.
    pub(in crate::clock) density: f64,
    /// Largest effect of the wander on the rate over any of the block lengths, ns/s.
    pub(in crate::clock) rate_ppb: f64,
    /// Upper limit of the standard deviation, ns. It is larger than `rms_ns` for two reasons: the
    /// measured value may be too small by chance; and if the wander still increases with the block
    /// length at the longest blocks measured so far, its maximum has not been reached yet.
    pub(in crate::clock) most_ns: f64,
}

impl PhaseWander {
    /// Whether the difference from `other` is significant.
    pub(in crate::clock) fn differs_from(&self, other: &Self) -> bool {
        let differ = |a: f64, b: f64| (a - b).abs() > SAME_SHARE * a.max(b);
        differ(self.rms_ns, other.rms_ns) || differ(self.density, other.density)
    }

    /// Whether the wander is so much larger than `other` that everything learnt while assuming
    /// `other` is invalid.
    pub(in crate::clock) fn exceeds(&self, other: &Self) -> bool {
        self.rms_ns > EXCEEDS * other.rms_ns
    }
}

/// A point in a series of offsets: seconds since the first sample, and the offset in ns.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at_s: f64,
    offset_ns: f64,
}

impl Point {
    /// The midpoint of two points.
    fn mean(self, other: Self) -> Self {
        Self { at_s: (self.at_s + other.at_s) / 2.0, offset_ns: (self.offset_ns + other.offset_ns) / 2.0 }
    }

    /// Returns whichever of the two points belongs to the less late packet, allowing for the rate
    /// of the offset.
    fn ahead(self, other: Self, rate_ppb: f64) -> Self {
        let other_ahead_ns = other.offset_ns - self.offset_ns - rate_ppb * (other.at_s - self.at_s);
        if other_ahead_ns > 0.0 { other } else { self }
    }

    /// Second difference of this point and the two before it, scaled as if they were evenly spaced;
    /// `None` if the spacing is too uneven.
    fn second_difference(self, last: Self, before: Self) -> Option<f64> {
        let (step, next_step) = (last.at_s - before.at_s, self.at_s - last.at_s);
        let longer = step.max(next_step);
        if step.min(next_step) < longer / SILENCE {
            return None;
        }
        let share = (step + next_step) / step;
        let bend_ns = self.offset_ns - before.offset_ns - share * (last.offset_ns - before.offset_ns);
        let gain = 1.0 + share * share + (1.0 - share) * (1.0 - share);
        Some(bend_ns * libm::sqrt(WHITE / gain))
    }
}

/// A running median of squares, from which the variance of a normal variable is computed.
#[derive(Clone, Copy, Debug, Default)]
struct MedianSquare {
    log: f64,
    count: f64,
}

/// What a [`MedianSquare`] says.
#[derive(Clone, Copy, Debug)]
struct Figure {
    variance: f64,
    /// Factor by which the variance may be wrong by chance, at one standard error.
    chance: f64,
}

impl MedianSquare {
    fn learn(&mut self, value_ns: f64, memory: f64) {
        // Smaller values are below the resolution of timestamps, 1 ns.
        let log = libm::log((value_ns * value_ns).max(1.0));
        self.count = (self.count + 1.0).min(memory);
        let step = MEDIAN_GAIN / self.count;
        if self.count <= 1.0 {
            self.log = log;
        } else {
            self.log += (log - self.log).clamp(-step, step);
        }
    }

    fn variance(&self) -> f64 {
        libm::exp(self.log) / MEDIAN_SQUARE
    }

    fn chance(&self) -> f64 {
        libm::exp(MEDIAN_GAIN / libm::sqrt(self.count.max(1.0)))
    }
}

/// Statistics of a level's blocks in one of the two reductions.
#[derive(Clone, Copy, Debug, Default)]
struct Series {
    last: Option<Point>,
    before: Option<Point>,
    squares: MedianSquare,
}

impl Series {
    fn learn(&mut self, point: Point, memory: f64) {
        if let Some((last, before)) = self.last.zip(self.before)
            && let Some(bend_ns) = point.second_difference(last, before)
        {
            self.squares.learn(bend_ns, memory);
        }
        self.before = self.last.replace(point);
    }

    fn interrupt(&mut self) {
        (self.last, self.before) = (None, None);
    }
}

/// A block, reduced in both ways.
#[derive(Clone, Copy, Debug)]
struct Reduced {
    mean: Point,
    least: Point,
}

/// Blocks of one length.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    mean: Series,
    least: Series,
    /// First half of the next level's block.
    half: Option<Reduced>,
    /// Mean distance between blocks, s.
    length_s: f64,
}

impl Level {
    /// Processes a block. Returns a block of twice the length when one is complete.
    fn take(&mut self, block: Reduced, rate_ppb: f64) -> Option<Reduced> {
        if let Some(last) = self.mean.last {
            let step_s = block.mean.at_s - last.at_s;
            if self.length_s > 0.0 && step_s > SILENCE * self.length_s {
                self.interrupt();
            } else {
                self.length_s += (step_s - self.length_s) / (self.mean.squares.count + 1.0);
            }
        }
        let memory = (MEMORY_S / self.length_s.max(1e-3)).max(LEAST_MEMORY);
        self.mean.learn(block.mean, memory);
        self.least.learn(block.least, memory);
        let first = self.half.take();
        let Some(first) = first else {
            self.half = Some(block);
            return None;
        };
        Some(Reduced { mean: first.mean.mean(block.mean), least: first.least.ahead(block.least, rate_ppb) })
    }

    fn interrupt(&mut self) {
        self.mean.interrupt();
        self.least.interrupt();
        self.half = None;
    }

    /// The figure of the quieter reduction.
    fn quieter(&self) -> Figure {
        let (mean, least) = (&self.mean.squares, &self.least.squares);
        let (of_mean, of_least) = (mean.variance(), least.variance());
        if of_least < of_mean {
            Figure { variance: of_least, chance: least.chance() }
        } else {
            Figure { variance: of_mean, chance: mean.chance() }
        }
    }

    fn is_known(&self) -> bool {
        self.mean.squares.count.min(self.least.squares.count) >= FIRST
    }
}

/// The block that is being filled.
#[derive(Clone, Copy, Debug)]
struct Filling {
    since: LocalTime,
    count: f64,
    sum_s: f64,
    sum_ns: f64,
    first: Point,
    least: Point,
}

/// Measures the wander of a clock from its packets.
#[derive(Clone, Debug, Default)]
pub(in crate::clock) struct WanderMeter {
    origin: Option<LocalTime>,
    /// Correction that is added to offsets so that they stay comparable when their origin changes,
    /// ns; see [`Self::rebase`].
    base_ns: f64,
    filling: Option<Filling>,
    levels: [Level; LEVELS],
    interrupted_at: Option<LocalTime>,
    /// Upper limit of the wander, ns.
    most_ns: f64,
}

impl WanderMeter {
    /// Processes a forward packet. `rate_ppb` is used to find the least late packet of a block and
    /// need not be exact. Returns the wander whenever it may have changed.
    pub(in crate::clock) fn take(&mut self, sample: &Sample, rate_ppb: f64) -> Option<PhaseWander> {
        let origin = *self.origin.get_or_insert(sample.at);
        let offset_ns = sample.offset_ns + self.base_ns;
        let point = Point { at_s: (sample.at - origin).as_secs_f64(), offset_ns };
        let ended = self.filling.filter(|filling| sample.at.since(filling.since) >= SHORTEST);
        if ended.is_some() {
            self.filling = None;
        }
        let filling = self.filling.get_or_insert(Filling {
            since: sample.at,
            count: 0.0,
            sum_s: 0.0,
            sum_ns: 0.0,
            first: point,
            least: point,
        });
        filling.count += 1.0;
        filling.sum_s += point.at_s - filling.first.at_s;
        filling.sum_ns += point.offset_ns - filling.first.offset_ns;
        filling.least = filling.least.ahead(point, rate_ppb);
        let ended = ended?;
        let mean = Point {
            at_s: ended.first.at_s + ended.sum_s / ended.count,
            offset_ns: ended.first.offset_ns + ended.sum_ns / ended.count,
        };
        let mut block = Some(Reduced { mean, least: ended.least });
        for level in &mut self.levels {
            let Some(full) = block else { break };
            block = level.take(full, rate_ppb);
        }
        let wander = self.judge();
        self.most_ns = wander.most_ns;
        Some(wander)
    }

    /// Upper limit of the wander, from the latest measurement, ns.
    pub(in crate::clock) fn most_ns(&self) -> f64 {
        self.most_ns
    }

    /// Records that the rate or the time changed at `now`. The change is proven not to be wander,
    /// so blocks before it are not compared with blocks after it. Further calls within
    /// [`INTERRUPTED_EVERY`] have no effect, because an unknown wander may repeatedly be mistaken
    /// for such changes.
    pub(in crate::clock) fn interrupt(&mut self, now: LocalTime) {
        if self.interrupted_at.is_none_or(|at| now.since(at) >= INTERRUPTED_EVERY) {
            self.interrupted_at = Some(now);
            self.filling = None;
            self.levels.iter_mut().for_each(Level::interrupt);
        }
    }

    /// Records that offsets will be smaller by `less_ns` from now on, because they have a new
    /// origin or belong to another clock. If the clocks are far apart, the measurement starts
    /// again.
    pub(in crate::clock) fn rebase(&mut self, less_ns: f64) {
        if less_ns.abs() > ANOTHER_TIME_NS {
            *self = Self::default();
        } else {
            self.base_ns += less_ns;
        }
    }

    fn judge(&self) -> PhaseWander {
        let mut wander = PhaseWander::default();
        let noise = self.levels[0].quieter();
        let noise = noise.variance * noise.chance;
        let mut noise_share = 1.0;
        // Largest excess so far, the variance of the level with this excess, and whether the
        // following levels have shown that it is the maximum.
        let (mut greatest, mut of_greatest, mut is_over) = (0.0, 0.0, true);
        // Upper limit of the excess over all levels, and of the last level's excess if it continues
        // to grow.
        let mut most_by_level = (0.0_f64, 0.0);
        for level in &self.levels {
            if !level.is_known() {
                break;
            }
            let (figure, length_s) = (level.quieter(), level.length_s);
            let drift_ns = CRYSTAL_DRIFT * length_s * length_s;
            let allowed = ALLOWED * (noise * noise_share * figure.chance + drift_ns * drift_ns);
            let excess = (figure.variance - allowed).max(0.0);
            is_over |= figure.variance < GROWTH * of_greatest;
            if excess > greatest {
                (greatest, of_greatest, is_over) = (excess, figure.variance, false);
            }
            wander.rms_ns = wander.rms_ns.max(libm::sqrt(excess / GREATEST));
            let most = if excess > 0.0 { (figure.variance * figure.chance - allowed).max(0.0) } else { 0.0 };
            let growth = GREATEST_AT * LONGEST_S / length_s.max(1e-3);
            most_by_level = (most_by_level.0.max(most), most * growth.max(1.0));
            wander.density = wander.density.max(excess * length_s / GREATEST_PER_DENSITY);
            wander.rate_ppb = wander.rate_ppb.max(libm::sqrt(excess) / length_s.max(1e-3));
            noise_share /= 2.0;
        }
        wander.most_ns = libm::sqrt(if is_over { most_by_level.0 } else { most_by_level.1 } / GREATEST);
        if !is_over {
            wander.density = wander.density.max(2.0 * wander.rms_ns * wander.rms_ns * LONGEST_S);
        }
        wander
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Direction;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Random numbers, and an Ornstein-Uhlenbeck process.
    struct Weather {
        random: ChaCha8Rng,
        wandered_ns: f64,
    }

    impl Weather {
        fn new(seed: u64) -> Self {
            Self { random: ChaCha8Rng::seed_from_u64(seed), wandered_ns: 0.0 }
        }

        fn share(&mut self) -> f64 {
            (f64::from(self.random.next_u32()) + 0.5) / 4_294_967_296.0
        }

        fn normal(&mut self) -> f64 {
            let radius = libm::sqrt(-2.0 * libm::log(self.share()));
            radius * libm::cos(2.0 * std::f64::consts::PI * self.share())
        }

        fn wander_ns(&mut self, rms_ns: f64, kept: f64) -> f64 {
            self.wandered_ns = kept * self.wandered_ns + rms_ns * libm::sqrt(1.0 - kept * kept) * self.normal();
            self.wandered_ns
        }
    }

    /// Measures a clock with a rate of 80 ppm, from which it also deviates by `offset_ns(t)`. Its
    /// packets come every `interval_s` for `duration_s`.
    fn measured(interval_s: f64, duration_s: f64, mut offset_ns: impl FnMut(f64) -> f64) -> PhaseWander {
        let mut meter = WanderMeter::default();
        for i in 0..(duration_s / interval_s) as i64 {
            let t_s = i as f64 * interval_s;
            let at = LocalTime::ZERO + Nanos::from_secs_f64(t_s);
            let offset_ns = 80e3 * t_s + offset_ns(t_s);
            meter.take(&Sample { at, offset_ns, direction: Direction::Forward }, 80e3);
        }
        meter.judge()
    }

    /// Measures an Ornstein-Uhlenbeck wander through packets with exponential jitter.
    fn of_wander(seed: u64, interval_s: f64, duration_s: f64, rms_us: f64, tau_s: f64, jitter_us: f64) -> PhaseWander {
        let mut weather = Weather::new(seed);
        let kept = libm::exp(-interval_s / tau_s);
        measured(interval_s, duration_s, |_| {
            let late_ns = -1e3 * jitter_us * libm::log(weather.share());
            weather.wander_ns(1e3 * rms_us, kept) - late_ns
        })
    }

    #[test]
    fn size_and_density_of_a_wander_are_measured_whatever_its_time_constant() {
        for (rms_us, tau_s, jitter_us) in [
            (20.0, 5.0, 5.0),
            (100.0, 1.0, 5.0),
            (100.0, 5.0, 100.0),
            (2000.0, 1.0, 5.0),
            (500.0, 30.0, 100.0),
            (2000.0, 100.0, 500.0),
        ] {
            for seed in 0..4 {
                let found = of_wander(seed, 0.125, 3600.0, rms_us, tau_s, jitter_us);
                let (size, density) = (found.rms_ns / (1e3 * rms_us), found.density / (2e6 * rms_us * rms_us * tau_s));
                assert!((0.5..1.7).contains(&size), "{rms_us} us, {tau_s} s, {seed}: {size} of the size");
                assert!((0.1..20.0).contains(&density), "{rms_us} us, {tau_s} s, {seed}: {density} of the density");
            }
        }
    }

    #[test]
    fn it_is_known_after_a_few_time_constants() {
        for (rms_us, tau_s, after_s) in [(100.0, 1.0, 30.0), (100.0, 5.0, 30.0), (2000.0, 50.0, 150.0)] {
            let found = of_wander(1, 0.125, after_s, rms_us, tau_s, 5.0);
            assert!(found.rms_ns > 0.1e3 * rms_us, "{rms_us} us, {tau_s} s: {found:?}");
        }
    }

    #[test]
    fn crystals_that_warm_up_and_those_that_walk_do_not_wander() {
        for drift in [20.0, -20.0] {
            let mut weather = Weather::new(7);
            let found = measured(0.125, 900.0, |t_s| drift * t_s * t_s / 2.0 - 5e3 * libm::log(weather.share()));
            assert_eq!(found, PhaseWander::default(), "{drift}");
        }
        let (mut weather, mut rate_ppb, mut walked_ns) = (Weather::new(8), 0.0, 0.0);
        let found = measured(0.125, 3600.0, |_| {
            // 10 ppb per square root of a second, ten times as much as a crystal at a constant
            // temperature.
            rate_ppb += 10.0 * libm::sqrt(0.125) * weather.normal();
            walked_ns += 0.125 * rate_ppb;
            walked_ns
        });
        assert_eq!(found, PhaseWander::default());
    }

    #[test]
    fn steps_silences_and_slews_are_no_wander() {
        let mut weather = Weather::new(9);
        let found = measured(0.125, 1800.0, |t_s| {
            let steps_ns = 1e6 * libm::floor(t_s / 300.0);
            let slewed_ns = 500e3 * (t_s - 800.0).clamp(0.0, 20.0);
            steps_ns + slewed_ns - 5e3 * libm::log(weather.share())
        });
        assert!(found.rms_ns < 5e3, "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn noise_of_packets_is_no_wander(seed in 0u64..1000, jitter_us in 1.0f64..1000.0, normal: bool, every_ms in 1u32..1000) {
            let mut weather = Weather::new(seed);
            let interval_s = f64::from(every_ms) * 1e-3;
            let found = measured(interval_s, (20_000.0 * interval_s).min(900.0), |_| {
                let late = if normal { weather.normal() } else { -libm::log(weather.share()) };
                -1e3 * jitter_us * late
            });
            prop_assert!(found.rms_ns < 200.0 * jitter_us, "{found:?}");
        }

        #[test]
        fn nothing_that_comes_makes_it_anything_but_a_number(offsets in proptest::collection::vec((0i64..3_000_000_000, -1e15f64..1e15), 1..300)) {
            let mut meter = WanderMeter::default();
            let mut at = LocalTime::ZERO;
            for (step, offset_ns) in offsets {
                at = at + Nanos::new(step);
                meter.take(&Sample { at, offset_ns, direction: Direction::Forward }, 0.0);
                let found = meter.judge();
                prop_assert!(found.rms_ns.is_finite() && found.density.is_finite() && found.rate_ppb.is_finite());
            }
        }
    }
}
