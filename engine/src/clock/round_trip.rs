//! Checks whether a path delay is possible.
//!
//! Model: no packet arrives before it is sent. So the round trip computed from a Delay_Resp and the
//! least late Sync near it cannot be negative. Nor can it be longer than the time from sending the
//! Delay_Req to receiving the Delay_Resp, which is measured by the host's clock alone. Jitter does
//! not affect these bounds, so an attacker cannot relax them by increasing it. The estimated delay
//! is checked as well, because it is based on more packets, but its bounds depend on jitter.
//!
//! If the times of a master's Syncs and Delay_Resps drift apart, the computed round trip shrinks
//! steadily. This can be detected long before it becomes negative: if a shorter path were the
//! cause, the Delay_Resps would also arrive sooner by the same amount, and if they do not, the
//! times disagree. Likewise, a longer path delays the Delay_Resps, too, so if only the Syncs become
//! later, an attacker is delaying them.
//!
//! Breakdown point: one exchange in five may be forged or have damaged timestamps.

use super::lock::{CEILING_NS, LockCause};
use super::sample::{Direction, Sample};
use crate::units::{LocalTime, Nanos};

/// Number of exchanges that are kept. Judgement: 5 s at one Delay_Req per second.
const EXCHANGES: usize = 5;
/// A fault is proven when at least this many of the last [`EXCHANGES`] exchanges are impossible.
/// Judgement: a single impossible exchange may be forged or damaged.
const PROOF: usize = 2;
/// Number of newest Syncs from which the least late one is selected. Judgement: one second at the
/// interval of AES67's media profile.
const SYNCS: usize = 8;
/// Age up to which a Sync is compared with a Delay_Resp while the rate is known. Derived: in that
/// time, the error of a known rate moves the offset by at most 100 us.
const OLDEST: Nanos = Nanos::from_secs(10);
/// Like [`OLDEST`], but while the rate is unknown. Derived: in that time, two crystals, each with a
/// frequency error of up to 100 ppm, diverge by less than [`TOLERANCE_NS`].
const OLDEST_OF_UNKNOWN_RATE: Nanos = Nanos::from_secs(2);
/// Tolerated error of the round trip, ns. Judgement: software timestamps have errors of about 100
/// us, and the error of the time is half the error of the round trip.
const TOLERANCE_NS: f64 = CEILING_NS * 3.0 / 4.0;
/// Largest difference between the change of the round trip and the change of the time until the
/// Delay_Resp, ns. Derived: because two exchanges are sufficient proof, a master's time that drifts
/// by 250 ppm relative to a crystal is detected before its error reaches the ceiling.
const UNEXPLAINED_NS: f64 = CEILING_NS * 2.0 / 5.0;
/// Largest allowance for jitter on top of [`UNEXPLAINED_NS`] where the round trip has become
/// shorter, ns. Judgement: jitter must not relax the bound without limit.
const SHORTENED_BY_JITTER_NS: f64 = CEILING_NS / 4.0;
/// Allowance for jitter on top of [`UNEXPLAINED_NS`] where the round trip has become longer, as a
/// multiple of the jitter. Judgement: even the least late of five exchanges may be this late. A
/// larger allowance is not needed, and might hide that Syncs are delayed.
const LONGER_JITTERS: f64 = 4.0;
/// How far an estimated delay may be below zero, ns. Judgement: a message often leaves some time
/// after the program has timestamped it, and hardly ever before.
const BELOW_NS: f64 = CEILING_NS / 4.0;
/// How far an estimated delay may exceed half a round trip, ns. Judgement: similar to [`BELOW_NS`];
/// half the round trip is already an upper limit.
const BEYOND_NS: f64 = CEILING_NS / 3.0;

/// The path delay computed from a master's messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PathDelayClaim {
    pub(super) delay: Nanos,
    /// Time from a Delay_Req to its Delay_Resp, if known.
    pub(super) round_trip: Option<Nanos>,
}

impl PathDelayClaim {
    /// Whether no path can have this delay. `jitter` is the jitter of the packets from which the
    /// delay was estimated; it widens the limits, because the mean of late packets is late, too.
    pub(super) fn is_impossible(&self, jitter: Nanos) -> bool {
        let longest_ns = self.round_trip.map_or(f64::INFINITY, |both| both.as_nanos_f64() / 2.0);
        let jitter_ns = jitter.as_nanos_f64().min(CEILING_NS / 2.0);
        let allowed_ns = -BELOW_NS - jitter_ns..=longest_ns + BEYOND_NS + jitter_ns;
        !allowed_ns.contains(&self.delay.as_nanos_f64())
    }

    pub(super) fn cause(&self) -> LockCause {
        LockCause::ImpossibleDelay { delay: self.delay, round_trip: self.round_trip }
    }
}

/// One exchange: the round trip computed from the timestamps of both clocks, and its upper limit,
/// measured by the host's clock alone.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    computed_ns: f64,
    /// Upper limit of the round trip, if it was measured.
    duration: Option<Nanos>,
}

impl Exchange {
    fn is_impossible(&self) -> bool {
        let longest_ns = self.duration.map_or(f64::INFINITY, |duration| duration.as_nanos_f64());
        !(-TOLERANCE_NS..=longest_ns + TOLERANCE_NS).contains(&self.computed_ns)
    }

    /// How much longer than `quickest` the exchange took, ns; infinite if its duration was not
    /// measured.
    fn longer_ns(&self, quickest: Nanos) -> f64 {
        self.duration.map_or(f64::INFINITY, |duration| (duration - quickest).as_nanos_f64().max(0.0))
    }
}

/// How much longer the computed round trip may become through noise alone, although the exchange
/// takes no longer, ns.
fn longer_by_noise_ns(jitter: Nanos) -> f64 {
    UNEXPLAINED_NS + LONGER_JITTERS * jitter.as_nanos_f64()
}

/// The baseline with which later exchanges on a path are compared: the first exchanges on that path
/// that are possible.
#[derive(Clone, Copy, Debug, Default)]
struct Baseline {
    shortest: Option<Exchange>,
    /// The shortest time from a Delay_Req to its Delay_Resp in these exchanges.
    quickest: Option<Nanos>,
    count: usize,
}

impl Baseline {
    fn learn(&mut self, exchange: Exchange) {
        if self.count < EXCHANGES && exchange.duration.is_some() && !exchange.is_impossible() {
            self.shortest =
                self.shortest.filter(|shortest| shortest.computed_ns <= exchange.computed_ns).or(Some(exchange));
            self.quickest = self.quickest.into_iter().chain(exchange.duration).min();
            self.count += 1;
        }
    }

    fn known(&self) -> Option<(Exchange, Nanos)> {
        self.shortest.zip(self.quickest).filter(|_| self.count == EXCHANGES)
    }
}

/// The newest exchanges of a clock with its master.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrips {
    /// The newest Syncs in a ring: time, and measured offset.
    syncs: [Option<(LocalTime, f64)>; SYNCS],
    heard: usize,
    exchanges: [Option<Exchange>; EXCHANGES],
    count: usize,
    /// Baselines for exchanges on the current path and on the previous path.
    baseline: Baseline,
    former: Baseline,
    /// Time from Delay_Req to Delay_Resp of the exchange whose sample comes next: an upper limit of
    /// the round trip.
    duration: Option<Nanos>,
    /// The newest Delay_Resp, which waits for the next Sync, because a step of the time since the
    /// previous Sync is visible only in the next one.
    pending: Option<(Sample, Option<Nanos>)>,
}

impl RoundTrips {
    /// Sets the time from Delay_Req to Delay_Resp of the exchange whose sample comes next.
    pub(super) fn measured(&mut self, duration: Nanos) {
        self.duration = Some(duration);
    }

    /// Processes a sample; `rate_ppb` is the rate of the offset, if known. Returns whether the
    /// sample completes an exchange.
    pub(super) fn take(&mut self, sample: &Sample, rate_ppb: Option<f64>) -> bool {
        if sample.direction == Direction::Forward {
            self.syncs[self.heard % SYNCS] = Some((sample.at, sample.offset_ns));
            self.heard += 1;
            let answered = self.pending.take();
            if let Some((answer, duration)) = &answered {
                self.take_answer(answer, *duration, rate_ppb);
            }
            return answered.is_some();
        }
        self.pending = Some((*sample, self.duration.take()));
        false
    }

    /// Whether a sample is plausible. The round trip computed from a Delay_Resp and the Syncs
    /// before it must be neither negative nor longer than the exchange took.
    pub(super) fn admits(&self, sample: &Sample, rate_ppb: Option<f64>) -> bool {
        let is_answer = sample.direction == Direction::Reverse;
        let exchange = is_answer.then(|| self.exchange(sample, self.duration, rate_ppb)).flatten();
        exchange.is_none_or(|exchange| !exchange.is_impossible())
    }

    /// The exchange formed by a Delay_Resp and the Syncs near it.
    fn exchange(&self, sample: &Sample, duration: Option<Nanos>, rate_ppb: Option<f64>) -> Option<Exchange> {
        let oldest = if rate_ppb.is_some() { OLDEST } else { OLDEST_OF_UNKNOWN_RATE };
        let near = self.syncs.iter().flatten().filter(|(at, _)| (sample.at - *at).abs() <= oldest);
        let extrapolated =
            near.map(|&(at, offset_ns)| offset_ns + rate_ppb.unwrap_or(0.0) * (sample.at - at).as_secs_f64());
        // The later a Sync arrives, the smaller the offset that it measures. The least late Sync is
        // regarded as damaged if no other Sync agrees with it.
        let (mut least_late_ns, mut next_ns, mut count) = (f64::NEG_INFINITY, f64::NEG_INFINITY, 0);
        for offset_ns in extrapolated {
            next_ns = next_ns.max(offset_ns.min(least_late_ns));
            least_late_ns = least_late_ns.max(offset_ns);
            count += 1;
        }
        let least_late_ns = match count {
            0 => return None,
            3.. if least_late_ns - next_ns > TOLERANCE_NS => next_ns,
            _ => least_late_ns,
        };
        Some(Exchange { computed_ns: sample.offset_ns - least_late_ns, duration })
    }

    fn take_answer(&mut self, sample: &Sample, duration: Option<Nanos>, rate_ppb: Option<f64>) {
        let Some(exchange) = self.exchange(sample, duration, rate_ppb) else { return };
        self.baseline.learn(exchange);
        self.exchanges[self.count % EXCHANGES] = Some(exchange);
        self.count += 1;
    }

    /// Whether an exchange contradicts the baseline of the current path and, if known, the baseline
    /// of the previous path, allowing for the jitter of the packets.
    fn contradicts(&self, exchange: &Exchange, jitter: Nanos) -> bool {
        let shortest = self.exchanges.iter().flatten().filter_map(|exchange| exchange.duration).min();
        let contradicts = |(before, quickest): (Exchange, Nanos)| {
            let shorter_ns = before.computed_ns - exchange.computed_ns;
            let explained_ns = before.duration.zip(shortest).map_or(0.0, |(before, now)| (before - now).as_nanos_f64());
            let allowed_ns = UNEXPLAINED_NS + jitter.as_nanos_f64().min(SHORTENED_BY_JITTER_NS);
            let is_shortened = shorter_ns - explained_ns.max(0.0) > allowed_ns;
            is_shortened || -shorter_ns > exchange.longer_ns(quickest) + longer_by_noise_ns(jitter)
        };
        self.baseline.known().is_some_and(contradicts) && self.former.known().is_none_or(contradicts)
    }

    /// Whether the path explains why Syncs are later by `later_ns`: either the newest exchange took
    /// correspondingly longer than earlier ones, or it fits the previous path.
    pub(super) fn explains_later(&self, later_ns: f64, jitter: Nanos) -> bool {
        let newest = self.count.checked_sub(1).and_then(|newest| self.exchanges[newest % EXCHANGES]);
        let Some((now, newest)) = self.baseline.known().zip(newest) else { return true };
        let explains = |(before, quickest): (Exchange, Nanos)| {
            let longer_ns = now.0.computed_ns + later_ns - before.computed_ns;
            longer_ns <= newest.longer_ns(quickest) + longer_by_noise_ns(jitter)
        };
        explains(now) || self.former.known().is_some_and(explains)
    }

    /// The second shortest duration among the newest exchanges, because the shortest may come from
    /// a damaged timestamp.
    pub(super) fn shortest(&self) -> Option<Nanos> {
        let mut sorted = self.exchanges.map(|exchange| exchange.and_then(|exchange| exchange.duration));
        sorted.sort_unstable_by_key(|duration| duration.unwrap_or(Nanos::new(i64::MAX)));
        sorted[1].or(sorted[0])
    }

    /// The path delay computed from the worst of the impossible exchanges, if there are enough of
    /// them to prove a fault.
    pub(super) fn impossible(&self, jitter: Nanos) -> Option<PathDelayClaim> {
        let is_impossible = |exchange: &Exchange| exchange.is_impossible() || self.contradicts(exchange, jitter);
        let impossible = || self.exchanges.iter().flatten().filter(|&exchange| is_impossible(exchange));
        if impossible().count() < PROOF {
            return None;
        }
        let worst = impossible().max_by(|a, b| a.computed_ns.abs().total_cmp(&b.computed_ns.abs()))?;
        Some(PathDelayClaim { delay: Nanos::from_nanos_f64(worst.computed_ns / 2.0), round_trip: worst.duration })
    }

    /// Begins to learn the exchanges on a new path.
    pub(super) fn change_path(&mut self) {
        let former = if self.baseline.known().is_some() { self.baseline } else { self.former };
        *self = Self { former, ..Self::default() };
    }

    /// Discards everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ms: i64, offset_us: f64, direction: Direction) -> Sample {
        Sample { at: LocalTime::ZERO + Nanos::from_millis(ms), offset_ns: 1e3 * offset_us, direction }
    }

    /// Makes exchanges with a master, one for each offset in `answers_us` that a Delay_Resp
    /// measures. Syncs take 100 us, and the host measures a round trip of 300 us.
    fn round_trips(answers_us: &[f64]) -> RoundTrips {
        let mut trips = RoundTrips::default();
        for (i, &answer_us) in (0..).zip(answers_us) {
            for late_us in [900.0, 100.0, 400.0] {
                trips.take(&sample(1000 * i, -late_us, Direction::Forward), None);
            }
            trips.measured(Nanos::from_micros(300));
            trips.take(&sample(1000 * i, answer_us, Direction::Reverse), None);
            trips.take(&sample(1000 * i, -100.0, Direction::Forward), None);
        }
        trips
    }

    #[test]
    fn what_a_path_can_have_is_possible_whatever_the_jitter() {
        let trips = round_trips(&[100.0, 1_100.0, 200.0, -50.0, 900.0]);
        assert_eq!(trips.impossible(Nanos::ZERO), None);
        assert_eq!(trips.shortest(), Some(Nanos::from_micros(300)));
    }

    #[test]
    fn two_of_five_exchanges_prove_that_times_do_not_agree() {
        assert_eq!(round_trips(&[100.0, -5_000.0, 100.0]).impossible(Nanos::ZERO), None);
        for answer_us in [-5_000.0, 5_000.0] {
            let claim = round_trips(&[100.0, answer_us, 100.0, answer_us]).impossible(Nanos::ZERO).unwrap();
            assert!(claim.is_impossible(Nanos::ZERO), "{claim:?}");
            assert_eq!(
                round_trips(&[answer_us, answer_us, 1.0, 1.0, 1.0, 1.0]).impossible(Nanos::ZERO),
                None,
                "it has ended"
            );
        }
    }

    /// Makes further exchanges, one per second, from `second` on.
    fn exchange(trips: &mut RoundTrips, second: i64, answers_us: &[f64], longest_us: i64) {
        for (i, &answer_us) in (second..).zip(answers_us) {
            trips.take(&sample(1000 * i, -100.0, Direction::Forward), None);
            trips.measured(Nanos::from_micros(longest_us));
            trips.take(&sample(1000 * i, answer_us, Direction::Reverse), None);
            trips.take(&sample(1000 * i, -100.0, Direction::Forward), None);
        }
    }

    #[test]
    fn a_path_that_becomes_shorter_needs_an_earlier_answer() {
        let exchanges = |answers_us: &[f64], longest_us: i64| {
            let mut trips = round_trips(&[600.0; EXCHANGES]);
            exchange(&mut trips, 5, answers_us, longest_us);
            trips.impossible(Nanos::ZERO)
        };
        assert_eq!(exchanges(&[210.0; 5], 300), None, "400 us are allowed");
        assert!(exchanges(&[190.0, 190.0], 300).is_some());
        assert_eq!(exchanges(&[190.0, 600.0, 600.0], 300), None, "one of five");
        assert_eq!(exchanges(&[190.0, 190.0], 280), None, "the path is shorter");
    }

    #[test]
    fn a_path_that_becomes_longer_needs_a_later_answer() {
        let mut trips = round_trips(&[100.0; EXCHANGES]);
        assert!(trips.explains_later(390_000.0, Nanos::ZERO) && !trips.explains_later(410_000.0, Nanos::ZERO));
        exchange(&mut trips, 5, &[490.0, 490.0], 300);
        assert_eq!(trips.impossible(Nanos::ZERO), None, "400 us are allowed");
        exchange(&mut trips, 7, &[510.0, 510.0], 300);
        assert!(trips.impossible(Nanos::ZERO).is_some());
        exchange(&mut trips, 9, &[510.0; EXCHANGES], 400);
        assert_eq!(trips.impossible(Nanos::ZERO), None, "the path is longer");
        assert!(trips.explains_later(490_000.0, Nanos::ZERO));
    }

    #[test]
    fn the_path_before_the_present_one_contradicts_nothing() {
        let mut trips = round_trips(&[100.0; EXCHANGES]);
        trips.change_path();
        exchange(&mut trips, 5, &[900.0; EXCHANGES], 1_000);
        assert_eq!(trips.impossible(Nanos::ZERO), None);
        exchange(&mut trips, 10, &[100.0; EXCHANGES], 1_000);
        assert_eq!(trips.impossible(Nanos::ZERO), None, "as before");
        trips.forget();
        exchange(&mut trips, 15, &[900.0; EXCHANGES], 1_000);
        exchange(&mut trips, 20, &[100.0; EXCHANGES], 1_000);
        assert!(trips.impossible(Nanos::ZERO).is_some(), "of another master nothing is known");
    }

    #[test]
    fn a_delay_resp_that_makes_an_impossible_exchange_is_not_admitted() {
        let mut trips = round_trips(&[100.0; EXCHANGES]);
        for (answer_us, expected) in [(100.0, true), (-600.0, true), (-1_000.0, false), (1_200.0, false)] {
            trips.measured(Nanos::from_micros(300));
            assert_eq!(trips.admits(&sample(5000, answer_us, Direction::Reverse), None), expected, "{answer_us}");
        }
        assert!(trips.admits(&sample(5000, -9_000.0, Direction::Forward), None));
    }

    #[test]
    fn a_round_trip_that_is_not_known_limits_nothing() {
        let claim = |delay_us, round_trip| PathDelayClaim { delay: Nanos::from_micros(delay_us), round_trip };
        assert!(!claim(50_000, None).is_impossible(Nanos::ZERO));
        assert!(claim(50_000, Some(Nanos::from_millis(1))).is_impossible(Nanos::from_secs(1)), "jitter allows little");
        assert!(claim(-300, None).is_impossible(Nanos::ZERO));
        assert!(!claim(-300, None).is_impossible(Nanos::from_micros(100)));
    }
}
