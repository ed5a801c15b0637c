//! Proof that the time of a clock that wanders has been displaced, beyond its wander.
//!
//! Model: what a packet shows is the estimate, plus where the clock is in its wander, plus lateness.
//! A displacement is found in either of two ways, and the two together leave little out:
//! * at once: where the wander is slow, it hardly moves from one packet to the next. So packets are
//!   [judged](super::step) against the ones of the last half second instead of the estimate, and
//!   what they may be off by is what the clock wanders by in that time;
//! * by averages: where it is fast, it averages out. Over a time t the mean of a wander with the
//!   density S (2 s^2 T, of variance s^2 and time constant T) has the variance S / t, and never
//!   more than s^2. A mean that is off by [`SIGMAS`] of that is no wander.
//!
//! A displacement d is thus proven after t = 36 S / d^2 at the latest: 1 ms after 3 s where the
//! clock wanders by 200 us over 1 s, and after 5 min where its time constant is taken to be the
//! longest. The first way finds 1 ms at once where 6 s sqrt(1 s / T) is less.
//!
//! Not found: what is less than [`LEAST_NS`]; that is left to the filter.

use super::estimator::Sample;
use super::wander::PhaseWander;
use crate::units::LocalTime;

/// Time constant of where the clock is in its wander, s: four packets at the default interval of
/// AES67, as many as prove a step.
const PRESENT_S: f64 = 0.5;
/// Deviations beyond so many standard deviations of what the wander does in that time are lateness,
/// and are learnt from as if they were as many.
const LATE_SIGMAS: f64 = 3.0;
/// Standard deviations that prove a displacement: 4, if the wander is half as large again as was
/// measured; chance once in 16,000 means, of which there are some in an hour.
const SIGMAS: f64 = 6.0;
/// Noise of a packet in that of a block of the shortest length.
const PACKETS: f64 = 2.0;
/// Displacements by less are no harm, ns: playout follows them slowly.
const LEAST_NS: f64 = 100_000.0;
/// Lengths of averages, each twice the one before: 1 s to 34 min.
const LENGTHS: usize = 12;
const SHORTEST_S: f64 = 1.0;
/// Packets in an average.
const FEWEST: f64 = 4.0;

/// A displacement that was proven.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Displaced {
    /// By how much the clock is ahead of the estimate, ns, and the standard deviation of that.
    pub(super) by_ns: f64,
    pub(super) sigma_ns: f64,
}

/// An average that is being taken.
#[derive(Clone, Copy, Debug)]
struct Average {
    since: LocalTime,
    count: f64,
    sum_ns: f64,
}

/// Where a clock is in its wander, as of a packet.
#[derive(Clone, Copy, Debug)]
struct Present {
    /// What a forward packet without lateness of its own measures.
    offset_ns: f64,
    at: LocalTime,
    packets: f64,
}

/// Where a clock is in its wander, and where it has been on average.
#[derive(Clone, Debug, Default)]
pub(super) struct WanderCourse {
    present: Option<Present>,
    averages: [Option<Average>; LENGTHS],
}

impl WanderCourse {
    /// The offset that a forward packet is expected to measure at `at` by those before it, at a
    /// rate, ns; `None` while that is not known.
    pub(super) fn expected_ns(&self, at: LocalTime, rate_ppb: f64) -> Option<f64> {
        self.present.map(|present| present.offset_ns + rate_ppb * (at - present.at).as_secs_f64())
    }

    /// The clock was displaced by so much at once.
    pub(super) fn stepped(&mut self, by_ns: f64) {
        if let Some(present) = &mut self.present {
            present.offset_ns += by_ns;
        }
        self.averages = [None; LENGTHS];
    }

    /// The estimate, or the clock, is another.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes a forward packet that is `ahead_ns` of the average ones, by an estimate of this rate
    /// and standard deviation.
    pub(super) fn take(
        &mut self,
        sample: &Sample,
        ahead_ns: f64,
        rate_ppb: f64,
        estimate_ns: f64,
        wander: &PhaseWander,
    ) -> Option<Displaced> {
        if wander.rms_ns <= 0.0 {
            self.forget();
            return None;
        }
        let expected_ns = self.expected_ns(sample.at, rate_ppb).unwrap_or(sample.offset_ns);
        let (last, packets) = self.present.map_or((sample.at, 1.0), |present| (present.at, present.packets + 1.0));
        let gain = (sample.at.since(last).as_secs_f64() / PRESENT_S).max(1.0 / packets).min(1.0);
        let limit_ns = LATE_SIGMAS * wander.within_half_s_ns;
        let offset_ns = expected_ns + gain * (sample.offset_ns - expected_ns).clamp(-limit_ns, limit_ns);
        self.present = Some(Present { offset_ns, at: sample.at, packets });
        let displaced = self.average(sample.at, ahead_ns, wander, estimate_ns);
        if displaced.is_some() {
            self.averages = [None; LENGTHS];
        }
        displaced
    }

    /// Adds a packet to the averages; looks at those that are complete.
    fn average(&mut self, at: LocalTime, ahead_ns: f64, wander: &PhaseWander, estimate_ns: f64) -> Option<Displaced> {
        let mut displaced = None;
        let mut length_s = SHORTEST_S;
        for average in &mut self.averages {
            let filling = average.get_or_insert(Average { since: at, count: 0.0, sum_ns: 0.0 });
            filling.count += 1.0;
            filling.sum_ns += ahead_ns;
            let taken_s = at.since(filling.since).as_secs_f64();
            if taken_s >= length_s && filling.count >= FEWEST {
                let by_ns = filling.sum_ns / filling.count;
                let wandered = (wander.most_density / taken_s).min(wander.most_ns * wander.most_ns);
                let noise = wander.within_half_s_ns * wander.within_half_s_ns / filling.count;
                let sigma_ns = libm::sqrt(wandered + noise + estimate_ns * estimate_ns);
                if by_ns.abs() > (SIGMAS * sigma_ns).max(LEAST_NS) {
                    displaced = Some(Displaced { by_ns, sigma_ns });
                }
                *average = None;
            }
            length_s *= 2.0;
        }
        displaced
    }
}

/// What a packet may be off those of the last half second by, ns: twice what two blocks of packets
/// differ by, because a packet has more noise than a block.
pub(super) fn moves_ns(wander: &PhaseWander) -> f64 {
    PACKETS * wander.within_half_s_ns
}

#[cfg(test)]
mod tests {
    use super::super::estimator::Direction;
    use super::*;
    use crate::units::Nanos;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    const PACKETS_PER_S: f64 = 8.0;

    fn sample(at: LocalTime, offset_ns: f64) -> Sample {
        Sample { at, offset_ns, direction: Direction::Forward }
    }

    /// When a displacement is found, s, and which, of a clock that wanders by so much over that time
    /// constant, is rightly known to, and is displaced by 1 ms after an hour if it is at all.
    fn found(rms_us: f64, tau_s: f64, displaced_ns: f64, hours: i32) -> Option<(f64, Displaced)> {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut normal = || {
            let mut share = || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
            let radius = libm::sqrt(-2.0 * libm::log(share()));
            radius * libm::cos(2.0 * std::f64::consts::PI * share())
        };
        let rms_ns = 1e3 * rms_us;
        let density = 2.0 * rms_ns * rms_ns * tau_s;
        let wander = PhaseWander {
            rms_ns,
            most_ns: rms_ns,
            density,
            most_density: density,
            rate_ppb: 0.0,
            within_half_s_ns: libm::sqrt(density / 2.0) / tau_s,
        };
        let kept = libm::exp(-1.0 / (PACKETS_PER_S * tau_s));
        let mut course = WanderCourse::default();
        let mut wandered_ns = 0.0;
        (0..hours * 3600 * PACKETS_PER_S as i32).find_map(|i| {
            let t_s = f64::from(i) / PACKETS_PER_S;
            wandered_ns = kept * wandered_ns + rms_ns * libm::sqrt(1.0 - kept * kept) * normal();
            let ahead_ns = wandered_ns + if t_s < 3600.0 { 0.0 } else { displaced_ns };
            let at = LocalTime::ZERO + Nanos::from_secs_f64(t_s);
            Some(t_s).zip(course.take(&sample(at, ahead_ns), ahead_ns, 0.0, 0.0, &wander))
        })
    }

    #[test]
    fn wander_alone_is_no_displacement() {
        for (rms_us, tau_s) in [(1.0, 1.0), (200.0, 1.0), (500.0, 7.0), (2000.0, 60.0)] {
            assert_eq!(found(rms_us, tau_s, 0.0, 24), None, "{rms_us} us, {tau_s} s");
        }
    }

    #[test]
    fn a_displacement_is_proven_once_the_wander_has_averaged_out() {
        for (rms_us, tau_s) in [(50.0, 20.0), (200.0, 1.0), (200.0, 100.0), (500.0, 5.0)] {
            for displaced_ns in [1e6, -1e6] {
                let (at_s, displaced) = found(rms_us, tau_s, displaced_ns, 2).unwrap();
                // As said above; an average begins up to its own length before the displacement, and
                // is up to twice as long as it must be.
                let within_s = 4.0 * SIGMAS * SIGMAS * 2e-6 * rms_us * rms_us * tau_s + 8.0;
                assert!((3600.0..3600.0 + within_s).contains(&at_s), "{rms_us} us, {tau_s} s: at {at_s} s");
                let left = 1.0 - displaced.by_ns / displaced_ns;
                assert!(left.abs() < 0.7, "{rms_us} us, {tau_s} s: {displaced:?}");
            }
        }
    }

    #[test]
    fn where_a_clock_is_in_its_wander_is_known_and_a_late_packet_does_not_tell() {
        let wander = PhaseWander { rms_ns: 1e5, most_ns: 1e5, within_half_s_ns: 2e4, ..PhaseWander::default() };
        let mut course = WanderCourse::default();
        assert_eq!(course.expected_ns(LocalTime::ZERO, 0.0), None);
        let mut at = LocalTime::ZERO;
        for i in 0..40 {
            at = at + Nanos::from_millis(125);
            course.take(&sample(at, if i == 39 { -9e6 } else { 1e5 }), 1e5, 0.0, 0.0, &wander);
        }
        let expected_ns = course.expected_ns(at, 0.0).unwrap();
        assert!((8e4..1e5).contains(&expected_ns), "{expected_ns}");
    }
}
