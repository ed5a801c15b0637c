//! Detects abrupt changes of a clock's rate, caused by a time service that slews the host's clock
//! or the master's clock.
//!
//! Model: crystals change their rate slowly, and a [model set](super::model_set) of filters follows
//! them. Slewing changes the rate by up to hundreds of ppm from one packet to the next, and no
//! filter that is steady enough for a crystal can keep up. The lateness of packets relative to the
//! estimate then lies on a line. If the slope of a line through the newest packets is many standard
//! errors from zero, and the line leads away from the estimate, the rate has changed. The standard
//! error is computed from the packets themselves, so that the proof takes as few packets as their
//! noise permits: with 20 us of jitter, 6 packets for a change of 500 ppm, and 32 for 50 ppm.
//!
//! A growing queue also makes the lateness grow along a line, but it never makes a packet early. So
//! a line of late packets must be confirmed by a reverse packet that is early by the same amount.
//! Early packets need no confirmation. Around a step, the lateness does not lie on a straight line;
//! steps are detected [separately](super::step).
//!
//! Until the proof, the earliness of packets is published as a *displacement* that is added to the
//! uncertainty: a packet cannot be early unless the estimate is wrong.

use super::newest::Newest;
use super::sample::{Direction, Sample};
use crate::units::{LocalTime, Nanos};

/// Number of forward packets that are kept. Judgement: 8 s at the Sync interval of AES67's media
/// profile (2^-3 s; AES67-2018, A.4), within which a change of 5 ppm becomes visible in 20 us of
/// jitter.
pub(super) const FORWARD: usize = 64;
/// Number of reverse packets that are kept. Judgement: 8 s at one Delay_Req per second.
const REVERSE: usize = 8;
/// Numbers of packets through which lines are fitted. Judgement: each number is about a third
/// larger than the one before.
const LINES: [usize; 8] = [6, 8, 12, 16, 24, 32, 48, FORWARD];
/// Number of standard errors by which a slope must differ from zero. Derived: with 6 points, this
/// is exceeded by chance once in 370 lines (Student's t, 4 degrees of freedom, two-sided), and with
/// more points much less often.
const SLOPE_ERRORS: f64 = 6.6;
/// Fraction of the fitted lateness that is required in two tests of a line: a reverse packet must
/// be early by this much to confirm the line, and over its length the line must lead away from the
/// estimate by this much. Judgement: half, because both are noisy.
const MIRRORED: f64 = 0.5;
/// Fraction of a line's slope that each half of the line must have. Judgement: a line fitted
/// through a step has slope in only one half.
const STRAIGHT: f64 = 0.25;
/// Number of points on a line of late packets that prove a change of rate where the reverse
/// direction is not measured. Judgement: 1.5 s at one point per [`GATHERED`]. A filling queue looks
/// like a change of rate, but the queue is full by then.
const ONE_WAY_LINE: usize = 12;
/// Number of points that are kept where only one direction is measured. Derived: enough for the
/// first four lengths in [`LINES`].
pub(super) const GATHERED_KEPT: usize = 16;
/// Length of the intervals into which frequent packets are grouped; the least late packet in each
/// interval forms one point. Judgement: the Sync interval of AES67's media profile.
pub(super) const GATHERED: Nanos = Nanos::from_millis(125);
/// Largest earliness that counts as noise, in multiples of its RMS value so far. Judgement:
/// exceeded by chance once in 16 000 (normal distribution).
const NOISE_FLOOR: f64 = 4.0;
/// Memory of the mean square of earliness, in packets. Judgement: 50 s of Syncs at the interval of
/// AES67's media profile.
const NOISE_MEMORY: f64 = 400.0;
/// Number of consecutive packets that prove a displacement and measure its size. Judgement: where
/// one timestamp in twenty is damaged, three in a row are rare.
const NEWEST: usize = 3;

/// A proven change of rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RateChange {
    /// Change of the offset's rate, ns/s, and its standard error.
    pub(super) rate_ppb: f64,
    pub(super) error_ppb: f64,
    /// Time of the newest packet, the distance that the offset has moved by then, ns, and the
    /// standard deviation of this distance.
    pub(super) at: LocalTime,
    pub(super) moved_ns: f64,
    pub(super) sigma_ns: f64,
}

/// A straight line through lateness over time, by least squares.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Lateness at the newest packet, ns, and slope, ns/s.
    level_ns: f64,
    slope_ppb: f64,
    /// Standard error of the slope.
    error_ppb: f64,
    /// Standard error of the level at the end of the line: twice the standard error of a mean.
    level_error_ns: f64,
    /// Distance of the least late point from the line, ns.
    least_ns: f64,
    length_s: f64,
}

impl Line {
    /// Fits a line. Each point consists of the time relative to the newest packet, s, and the
    /// lateness, ns.
    #[expect(clippy::cast_precision_loss, reason = "a few points")]
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let (t, y) = points.iter().fold((0.0, 0.0), |(t, y), point| (t + point.0 / n, y + point.1 / n));
        let (tt, ty) =
            points.iter().fold((0.0, 0.0), |(tt, ty), p| (tt + (p.0 - t) * (p.0 - t), ty + (p.0 - t) * (p.1 - y)));
        if tt <= 0.0 {
            return None;
        }
        let slope_ppb = ty / tt;
        let level_ns = y - slope_ppb * t;
        let residual = |p: &(f64, f64)| p.1 - level_ns - slope_ppb * p.0;
        let (squares, least_ns) = points.iter().fold((0.0, f64::INFINITY), |(squares, least), p| {
            (squares + residual(p) * residual(p), f64::min(least, residual(p)))
        });
        let spread_ns = libm::sqrt(squares / (n - 2.0));
        let length_s = points.iter().fold(0.0, |longest, p| f64::max(longest, -p.0));
        Some(Self {
            level_ns,
            slope_ppb,
            error_ppb: spread_ns / libm::sqrt(tt),
            level_error_ns: 2.0 * spread_ns / libm::sqrt(n),
            least_ns,
            length_s,
        })
    }
}

impl Line {
    /// Fits a line, and returns it only if it leads away from the estimate with a significant slope
    /// in both of its halves, so that it is caused neither by chance nor by a step.
    fn proven(points: &[(f64, f64)]) -> Option<Self> {
        let line = Self::through(points)?;
        let certain = line.slope_ppb.abs() > SLOPE_ERRORS * line.error_ppb;
        let away = line.slope_ppb * line.level_ns > 0.0
            && (line.slope_ppb * line.length_s).abs() > MIRRORED * line.level_ns.abs();
        let (newer, older) = points.split_at(points.len() / 2);
        let goes_on = |half| Self::through(half).is_some_and(|half| half.slope_ppb / line.slope_ppb > STRAIGHT);
        (certain && away && goes_on(newer) && goes_on(older)).then_some(line)
    }
}

/// Bounds the level of a line without fitting it. This is enough for most lines, which are far from
/// any limit.
///
/// The level is the fitted value at t = 0, which is the time of the first point. Least squares is a
/// projection, so the square of the fitted value at a point is at most the leverage h of the point
/// times the sum of squares of the values. Here h = 1 / n + mean^2 / S, where S is the sum of
/// squared deviations of the times from their mean.
#[derive(Clone, Copy, Debug, Default)]
struct LevelBound {
    n: f64,
    t: f64,
    tt: f64,
    yy: f64,
}

impl LevelBound {
    /// Factor on the squared bound that allows for rounding. Judgement: far above the rounding
    /// error of sums of 64 terms.
    const ROUNDING: f64 = 1.01;

    /// Adds a point: the time relative to the newest packet, s, and the lateness, ns.
    fn add(&mut self, (t, y): (f64, f64)) {
        self.n += 1.0;
        self.t += t;
        self.tt += t * t;
        self.yy += y * y;
    }

    /// Whether the level of a line through the points may exceed `limit_ns` in either direction.
    fn may_exceed(&self, limit_ns: f64) -> bool {
        let mean = self.t / self.n;
        let leverage = 1.0 / self.n + mean * mean / (self.tt - self.t * mean);
        // Written in this form, NaN counts as possibly exceeding the limit.
        let within = leverage * self.yy * Self::ROUNDING < limit_ns * limit_ns;
        !within
    }
}

/// Detects changes of rate in the newest `N` forward packets and the newest reverse packets.
#[derive(Clone, Debug, Default)]
pub(super) struct UnsteadyDetector<const N: usize> {
    forward: Newest<Sample, N>,
    reverse: Newest<Sample, REVERSE>,
    /// Mean square of the earliness of packets, ns^2.
    earliness: f64,
}

impl<const N: usize> UnsteadyDetector<N> {
    /// Processes a packet that is late by `late_ns` relative to an estimate with standard deviation
    /// `sigma_ns`.
    pub(super) fn take(&mut self, sample: Sample, late_ns: f64, sigma_ns: f64) {
        // Earliness beyond the noise floor is not noise, so it is clipped before the noise is
        // learnt.
        let early_ns = (-late_ns).max(0.0).min(self.floor_ns(sigma_ns));
        // After decades of silence, the uncertainty may be infinite, and then nothing can be
        // learnt.
        if early_ns.is_finite() {
            self.earliness += (early_ns * early_ns - self.earliness) / NOISE_MEMORY;
        }
        match sample.direction {
            Direction::Forward => self.forward.push(sample),
            Direction::Reverse => self.reverse.push(sample),
        }
    }

    /// Discards the packets, because the estimate has changed: either it now includes these
    /// packets, or their lateness was relative to an estimate that is no longer valid.
    pub(super) fn forget(&mut self) {
        self.forward.clear();
        self.reverse.clear();
    }

    /// Largest earliness that counts as noise, ns, relative to an estimate with standard deviation
    /// `sigma_ns`.
    pub(super) fn floor_ns(&self, sigma_ns: f64) -> f64 {
        NOISE_FLOOR * libm::sqrt(self.earliness + sigma_ns * sigma_ns)
    }

    /// Proven error of the time in either direction, ns; 0 while nothing is proven.
    ///
    /// A single timestamp may be damaged, so it proves nothing. There are two proofs: consecutive
    /// early forward packets, whose smallest earliness is returned; or consecutive late forward
    /// packets together with an early reverse packet, in which case the smallest lateness of the
    /// forward packets is returned.
    pub(super) fn displacement_ns(&self, late_ns: impl Fn(&Sample) -> f64, sigma_ns: f64) -> f64 {
        if self.forward.count() < NEWEST {
            return 0.0;
        }
        let floor_ns = self.floor_ns(sigma_ns);
        let (mut least_ns, mut most_ns) = (f64::INFINITY, f64::NEG_INFINITY);
        for by_ns in self.forward.iter().take(NEWEST).map(&late_ns) {
            (least_ns, most_ns) = (least_ns.min(by_ns), most_ns.max(by_ns));
        }
        if -most_ns > floor_ns {
            return -most_ns;
        }
        let mirrored = self.reverse.iter().take(NEWEST).any(|sample| -late_ns(sample) > floor_ns);
        if mirrored && least_ns > floor_ns { least_ns } else { 0.0 }
    }

    /// The change of rate that the newest packets prove, if any. `limit_ns` is the largest
    /// deviation that may be noise.
    ///
    /// Where the reverse direction is not measured, late packets prove a change when they stay on a
    /// line for long enough.
    pub(super) fn rate_change(
        &self,
        late_ns: impl Fn(&Sample) -> f64,
        limit_ns: f64,
        is_one_way: bool,
    ) -> Option<RateChange> {
        let newest = self.forward.iter().next()?.at;
        let point = |sample: &Sample| ((sample.at - newest).as_secs_f64(), late_ns(sample));
        let mut points = [(0.0, 0.0); N];
        let mut count = 0;
        for (slot, sample) in points.iter_mut().zip(self.forward.iter()) {
            *slot = point(sample);
            count += 1;
        }
        // Where the reverse direction is measured, a line of late packets is proven by an early
        // reverse packet. Every other line is proven only if its level exceeds `limit_ns`.
        let is_early = |sample: &Sample| -late_ns(sample) > limit_ns;
        let any_level = !is_one_way && self.reverse.iter().any(is_early);
        let (mut level, mut summed) = (LevelBound::default(), 0);
        let lines = LINES.into_iter().filter(|&length| length <= count).filter(|&length| {
            points[summed..length].iter().for_each(|point| level.add(*point));
            summed = length;
            any_level || level.may_exceed(limit_ns)
        });
        let line = lines.filter_map(|length| Line::proven(&points[..length]).map(|line| (line, length)));
        let mut displaced = line.filter(|(line, length)| {
            let is_late = line.level_ns > 0.0;
            if is_late && is_one_way {
                return *length >= ONE_WAY_LINE && line.level_ns > limit_ns;
            }
            self.is_displaced(line, &late_ns, newest, limit_ns)
        });
        let (line, _) = displaced.next()?;
        let envelope_ns = line.level_ns + line.least_ns;
        let sign = Direction::Forward.sign();
        Some(RateChange {
            rate_ppb: sign * line.slope_ppb,
            error_ppb: line.error_ppb,
            at: newest,
            moved_ns: sign * envelope_ns,
            sigma_ns: line.level_error_ns,
        })
    }

    /// Whether a line is caused by an error of the estimate rather than by queues.
    fn is_displaced(&self, line: &Line, late_ns: impl Fn(&Sample) -> f64, newest: LocalTime, limit_ns: f64) -> bool {
        if line.level_ns < 0.0 {
            return line.level_ns < -limit_ns;
        }
        self.reverse.iter().any(|sample| {
            let ago_s = (sample.at - newest).as_secs_f64();
            let expected_ns = line.level_ns + line.least_ns + line.slope_ppb * ago_s;
            let early_ns = -late_ns(sample);
            -ago_s <= line.length_s && early_ns > limit_ns && early_ns > MIRRORED * expected_ns
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Forward, Reverse};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Sends 8 packets per second, every eighth of them in the reverse direction. Relative to an
    /// unchanged estimate, they are late by exponential jitter of 20 us plus `off_us(t)` or
    /// `reverse_us(t)`. Returns the time at which a change of rate is first proven, s, and the
    /// change.
    fn run(off_us: impl Fn(f64) -> f64, reverse_us: impl Fn(f64) -> f64, one_way: bool) -> Option<(f64, RateChange)> {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut jitter_ns = || -20_000.0 * libm::log((f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0);
        let mut detector = UnsteadyDetector::<FORWARD>::default();
        let late_ns = |sample: &Sample| sample.direction.sign() * sample.offset_ns;
        (1..4000).find_map(|i| {
            let (t_s, direction) = (f64::from(i) / 8.0, if i % 8 == 7 { Reverse } else { Forward });
            let off_us = if direction == Forward { off_us(t_s) } else { reverse_us(t_s) };
            let at = LocalTime::ZERO + Nanos::from_secs_f64(t_s);
            let offset_ns = direction.sign() * (1e3 * off_us + jitter_ns());
            let sample = Sample { at, offset_ns, direction };
            detector.take(sample, late_ns(&sample), 2_000.0);
            Some(t_s).zip(detector.rate_change(late_ns, 60_000.0, one_way))
        })
    }

    #[test]
    fn packets_against_an_estimate_without_bound_teach_nothing() {
        let mut detector = UnsteadyDetector::<FORWARD>::default();
        let sample = Sample { at: LocalTime::ZERO, offset_ns: 0.0, direction: Forward };
        for late_ns in [f64::NEG_INFINITY, f64::INFINITY, f64::NAN, f64::NEG_INFINITY] {
            detector.take(sample, late_ns, f64::INFINITY);
        }
        assert_eq!(detector.floor_ns(100.0).to_bits(), (NOISE_FLOOR * 100.0).to_bits());
    }

    /// Lateness, us, if the host's clock is slewed from 100 s on.
    fn slewed(ppm: f64) -> impl Fn(f64) -> f64 {
        move |t_s: f64| ppm * (t_s - 100.0).max(0.0)
    }

    #[test]
    fn a_slew_is_proven_within_seconds_and_measured() {
        for (ppm, within_s) in [(5000.0, 2.0), (500.0, 3.0), (50.0, 6.0)] {
            for sign in [1.0, -1.0] {
                let (at_s, change) = run(slewed(sign * ppm), slewed(-sign * ppm), false).unwrap();
                assert!((100.0..100.0 + within_s).contains(&at_s), "{sign} * {ppm} ppm: at {at_s} s");
                let rate_error_ppb = change.rate_ppb + 1e3 * sign * ppm;
                assert!(rate_error_ppb.abs() < 4.0 * change.error_ppb, "{ppm} ppm: {change:?}");
                let moved_until_s = (change.at - LocalTime::ZERO).as_secs_f64();
                let error_ns = -change.moved_ns - 1e3 * slewed(sign * ppm)(moved_until_s);
                assert!(error_ns.abs() < 4.0 * change.sigma_ns, "{ppm} ppm: {error_ns} ns off at {at_s} s, {change:?}");
            }
        }
    }

    #[test]
    fn jitter_steps_and_queues_that_grow_are_no_change_of_rate() {
        let nothing = |_: f64| 0.0;
        let step = |t_s: f64| if t_s < 100.0 { 0.0 } else { 500.0 };
        let early = |t_s: f64| -step(t_s);
        assert_eq!(run(nothing, nothing, false), None);
        assert_eq!(run(nothing, nothing, true), None);
        assert_eq!(run(step, nothing, false), None);
        assert_eq!(run(step, early, false), None);
        assert_eq!(run(early, step, false), None);
        // All packets of one direction queue for longer and longer; those of the other direction
        // are not early.
        assert_eq!(run(slewed(300.0), nothing, false), None);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "exact: whole microseconds")]
    fn what_packets_in_a_row_are_early_by_is_a_displacement_at_once() {
        let mut detector = UnsteadyDetector::<FORWARD>::default();
        let late_ns = |sample: &Sample| sample.direction.sign() * sample.offset_ns;
        let mut take = |i: i64, direction: Direction, late_us: f64| {
            let at = LocalTime::ZERO + Nanos::from_millis(125 * i);
            let sample = Sample { at, offset_ns: 1e3 * late_us * direction.sign(), direction };
            detector.take(sample, late_ns(&sample), 2_000.0);
            detector.displacement_ns(late_ns, 2_000.0) * 1e-3
        };
        assert_eq!((0..100).map(|i| take(i, Forward, (i % 7) as f64 * 10.0)).fold(0.0, f64::max), 0.0);
        assert_eq!([100, 101].map(|i| take(i, Forward, -9000.0)), [0.0; 2], "timestamps may be damaged");
        assert_eq!(take(102, Forward, -62.0), 62.0);
        assert_eq!(take(103, Forward, 0.0), 0.0);
        assert_eq!(take(105, Reverse, -9000.0), 0.0, "and so may one of the other direction");
        // Late packets alone may have queued; an early one in the other direction proves that they
        // have not.
        take(104, Forward, 0.0);
        assert_eq!([106, 107, 108, 109, 110].map(|i| take(i, Reverse, 0.0))[4], 0.0);
        assert_eq!([111, 112, 113].map(|i| take(i, Forward, 300.0 + i as f64))[2], 0.0);
        assert_eq!(take(114, Reverse, -280.0), 411.0);
    }

    #[test]
    fn no_line_exceeds_the_bound_of_its_level() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut uniform = || f64::from(random.next_u32()) / 4_294_967_296.0;
        let mut tightest = f64::INFINITY;
        for n in 0..20_000 {
            let count = LINES[n % LINES.len()];
            // The times range from regular ones to bursts, the lateness from noise to steep lines.
            let (burst, slope) = (uniform() * 5.0, (uniform() - 0.5) * 100.0);
            let mut t = 0.0;
            let points: Vec<(f64, f64)> = (0..count)
                .map(|i| {
                    if i > 0 {
                        t -= libm::exp(burst * (uniform() - 0.5)) * 0.125;
                    }
                    (t, (uniform() - 0.5) * 10.0 + slope * t)
                })
                .collect();
            let mut bound = LevelBound::default();
            points.iter().for_each(|point| bound.add(*point));
            let level_ns = Line::through(&points).unwrap().level_ns.abs();
            assert!(bound.may_exceed(level_ns), "{points:?}");
            let share = (1..100).find(|&share| !bound.may_exceed(level_ns * f64::from(share))).unwrap_or(100);
            tightest = tightest.min(f64::from(share));
        }
        assert!(tightest <= 2.0, "the bound is never tight: {tightest}");
    }
}
