//! Detects permanent shifts: packets arrive later or earlier than before because the sender's audio
//! has slipped or the path has changed, or callbacks run later than before because the card has
//! lost cycles.
//!
//! Model: for a while, packets may be late by any amount. If the cause is jitter of the path, a
//! stalled host or a sender that sends in bursts, some packets still arrive in time, or their
//! lateness varies. After a shift, the least late packet of every eighth of a second is late, or
//! early, by the same amount. This deviation is compared with the usual deviation of the least late
//! packets, so that the proof takes the same time on quiet and busy networks, provided that the
//! shift exceeds the network's usual variation.
//!
//! Deviating packets are withheld from the estimator until a shift is proven, because a filter
//! mistakes a step for a change of rate. They are not withheld forever: a network that has become
//! worse must be learnt. Single late packets are normal, and are accepted as long as other packets
//! arrive in time.

use super::newest::Newest;
use super::sample::Sample;
use crate::units::{LocalTime, Nanos};

/// Length of the windows; the least late packet in each window is judged. Judgement: longer than
/// the bursts that senders produce, so that every window contains one of the last packets of a
/// burst, which are the least late.
const WINDOW: Nanos = Nanos::from_millis(125);
/// Number of consecutive late windows that prove that packets now arrive permanently later.
/// Judgement: few queues persist for that long, and the playout delay covers those that are
/// shorter.
const LATE_PROOF: usize = 5;
/// Number of consecutive early windows that prove that packets now arrive permanently earlier.
/// Judgement: fewer than [`LATE_PROOF`], because queueing never makes a packet early.
const EARLY_PROOF: usize = 3;
/// Smallest shift that is detected, ns; the estimator and the playout trim correct smaller ones.
/// Judgement: smaller deviations are normal, because the delays of paths through a few switches
/// differ by up to this much, and so do the moments within its cycle at which a sender sends.
const SMALLEST_NS: f64 = 500_000.0;
/// Largest deviation of a window that counts as noise, in multiples of the RMS deviation.
/// Judgement: exceeded by chance once in a million (normal distribution).
const NOISES: f64 = 5.0;
/// Windows agree if they differ by no more than this, or by no more than the network's usual
/// deviation, ns. Derived: a clock that is slewed by 500 ppm moves by less during the proof of an
/// early shift.
const ALIKE_NS: f64 = 200_000.0;
/// RMS deviation of windows that is assumed at first, ns. Judgement: typical of a quiet network.
const FIRST_NOISE_NS: f64 = 100_000.0;
/// Memory of the deviation, in windows. Judgement: four seconds.
const NOISE_MEMORY: f64 = 32.0;
/// Deviations are clipped to this many times the limit before the noise is learnt from them.
/// Judgement: one outlier must not hide the next ones.
const LEARNT_LIMITS: f64 = 2.0;
/// Minimum age of an estimate that is used to detect shifts. Judgement: the estimate has converged
/// by then.
const SETTLED_AFTER: Nanos = Nanos::from_secs(2);
/// Longest time for which samples are withheld. Judgement: several times longer than the proof.
const PATIENCE: Nanos = Nanos::from_secs(2);

/// The decision about a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// The estimator may use the sample.
    Take,
    /// The sample is withheld from the estimator.
    Withhold,
    /// The sample and those before it prove a shift.
    Shift(Shift),
}

/// A proven shift of the least late packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// Size of the shift, ns; negative if packets arrive earlier than before.
    pub(crate) later_ns: f64,
    /// The least late packet, which is late by `later_ns`.
    pub(crate) least: Sample,
    /// Number of packets that prove the shift.
    pub(crate) packets: u32,
    /// RMS deviation of the least late packets before the shift, ns.
    pub(crate) noise_ns: f64,
}

/// The least late packet among several.
#[derive(Clone, Copy, Debug)]
struct Least {
    since: LocalTime,
    sample: Sample,
    late_ns: f64,
    packets: u32,
}

impl Least {
    fn new(sample: &Sample, late_ns: f64) -> Self {
        Self { since: sample.at, sample: *sample, late_ns, packets: 1 }
    }

    fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        if other.late_ns < self.late_ns {
            (self.sample, self.late_ns) = (other.sample, other.late_ns);
        }
    }
}

/// Consecutive windows that are all early or all late.
#[derive(Clone, Copy, Debug)]
struct Run {
    is_late: bool,
    windows: Newest<Least, LATE_PROOF>,
}

impl Run {
    fn extended(run: Option<Self>, window: Least) -> Self {
        let is_late = window.late_ns > 0.0;
        let new = Self { is_late, windows: Newest::default() };
        let mut run = run.filter(|run| run.is_late == is_late).unwrap_or(new);
        run.windows.push(window);
        run
    }

    /// The newest `count` windows combined into one, and the spread of their lateness, ns; `None`
    /// if the run is shorter.
    fn newest(&self, count: usize) -> Option<(Least, f64)> {
        if self.windows.count() < count {
            return None;
        }
        let mut windows = self.windows.iter().take(count);
        let mut all = *windows.next()?;
        let mut most_ns = all.late_ns;
        for window in windows {
            most_ns = most_ns.max(window.late_ns);
            all.add(window);
        }
        Some((all, most_ns - all.late_ns))
    }
}

/// Detects shifts in the arrival times of packets on one path.
#[derive(Clone, Debug)]
pub(crate) struct ShiftDetector {
    /// Times of the first and of the newest packet of the current estimate.
    began: Option<LocalTime>,
    newest_at: LocalTime,
    window: Option<Least>,
    run: Option<Run>,
    /// When a packet last came in time: neither late nor early by more than the limit.
    in_time_at: LocalTime,
    /// The least late packet since a packet last came in time.
    since_in_time: Option<Least>,
    withholds_since: Option<LocalTime>,
    /// Mean square deviation of windows, ns^2.
    noise: f64,
}

impl Default for ShiftDetector {
    fn default() -> Self {
        Self {
            began: None,
            newest_at: LocalTime::ZERO,
            window: None,
            run: None,
            in_time_at: LocalTime::ZERO,
            since_in_time: None,
            withholds_since: None,
            noise: FIRST_NOISE_NS * FIRST_NOISE_NS,
        }
    }
}

impl ShiftDetector {
    /// Judges a sample that is late by `late_ns` relative to the envelope.
    pub(crate) fn judge(&mut self, sample: &Sample, late_ns: f64) -> Judgement {
        if self.newest_at.since(sample.at) > WINDOW {
            // The host's clock has been set back, so earlier times cannot be compared with the new
            // ones.
            self.reacquire();
        }
        self.newest_at = self.newest_at.max(sample.at);
        let began = *self.began.get_or_insert(sample.at);
        if sample.at.since(began) < SETTLED_AFTER {
            self.in_time_at = sample.at;
            return Judgement::Take;
        }
        let limit_ns = self.limit_ns();
        let this = Least::new(sample, late_ns);
        self.note_lateness(&this, limit_ns);
        match &mut self.window {
            Some(window) => window.add(&this),
            None => self.window = Some(this),
        }
        if let Some(window) = self.window.take_if(|window| sample.at.since(window.since) >= WINDOW)
            && let Some(shift) = self.close(window, limit_ns)
        {
            return Judgement::Shift(shift);
        }
        self.quarantine(sample.at, late_ns, limit_ns)
    }

    /// Limit above which a deviation is not noise, ns.
    fn limit_ns(&self) -> f64 {
        SMALLEST_NS.max(NOISES * libm::sqrt(self.noise))
    }

    fn note_lateness(&mut self, this: &Least, limit_ns: f64) {
        if this.late_ns.abs() <= limit_ns {
            (self.in_time_at, self.since_in_time) = (this.sample.at, None);
            return;
        }
        match &mut self.since_in_time {
            Some(since) => since.add(this),
            None => self.since_in_time = Some(*this),
        }
    }

    /// Withholds a deviating sample from the estimator, but not for longer than [`PATIENCE`]. A
    /// late sample is withheld only if no packet has come in time for the length of a window.
    fn quarantine(&mut self, now: LocalTime, late_ns: f64, limit_ns: f64) -> Judgement {
        let is_off = late_ns < -limit_ns || (late_ns > limit_ns && now.since(self.in_time_at) >= WINDOW);
        if !is_off {
            return Judgement::Take;
        }
        let since = *self.withholds_since.get_or_insert(now);
        if now.since(since) < PATIENCE { Judgement::Withhold } else { Judgement::Take }
    }

    /// Ends a window. Returns the shift that it proves, if any.
    fn close(&mut self, window: Least, limit_ns: f64) -> Option<Shift> {
        if window.late_ns.abs() <= limit_ns {
            (self.run, self.withholds_since) = (None, None);
            self.learn_noise(window.late_ns);
            return None;
        }
        let run = *self.run.insert(Run::extended(self.run, window));
        let proof = if window.late_ns > 0.0 { LATE_PROOF } else { EARLY_PROOF };
        let (all, apart_ns) = run.newest(proof)?;
        if apart_ns <= ALIKE_NS.max(NOISES * libm::sqrt(self.noise)) {
            return Some(self.shifted(&all));
        }
        // Late windows that disagree are not a shift, but the noise of this network.
        self.learn_noise(window.late_ns.abs().min(LEARNT_LIMITS * limit_ns));
        None
    }

    fn learn_noise(&mut self, late_ns: f64) {
        self.noise += (late_ns * late_ns - self.noise) / NOISE_MEMORY;
    }

    /// The shift to assume without proof, where a wrong assumption does no harm: the lateness of
    /// the least late packet since the last one that came in time. `None` if a packet has just come
    /// in time, or if the least late one is early.
    pub(crate) fn assume(&mut self, now: LocalTime) -> Option<Shift> {
        let late = self.since_in_time.filter(|late| late.late_ns > 0.0 && now.since(self.in_time_at) >= WINDOW)?;
        Some(self.shifted(&late))
    }

    fn shifted(&mut self, by: &Least) -> Shift {
        self.forget();
        Shift { later_ns: by.late_ns, least: by.sample, packets: by.packets, noise_ns: libm::sqrt(self.noise) }
    }

    /// Whether a packet arrives earlier than is possible, judging by the packets so far. The limit
    /// is doubled, because a single packet deviates more than the least late packet in a window.
    pub(crate) fn is_early(&self, at: LocalTime, late_ns: f64) -> bool {
        let is_settled = self.began.is_some_and(|began| at.since(began) >= SETTLED_AFTER);
        is_settled && late_ns < -2.0 * self.limit_ns()
    }

    /// Whether packets currently deviate, which may turn out to be a shift.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.run.is_some() || self.withholds_since.is_some()
    }

    /// Discards the deviations, because the estimate has been moved.
    pub(crate) fn forget(&mut self) {
        (self.window, self.run, self.withholds_since, self.since_in_time) = (None, None, None, None);
        self.in_time_at = self.newest_at;
    }

    /// Starts again with a new estimate.
    pub(crate) fn reacquire(&mut self) {
        *self = Self { noise: self.noise, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Direction;
    use super::*;

    /// Sends a packet every millisecond from 1 s on, each late by `late_ms`. Returns, for each
    /// proven shift, the time since the first packet and the size, both in ms. After a proof, the
    /// estimate is moved by the shift, so later packets are late by less.
    fn shifts(ms: i64, late_ms: impl Fn(i64) -> f64) -> Vec<(i64, f64)> {
        let mut detector = ShiftDetector::default();
        let mut learnt_ns = 0.0;
        let mut proven = Vec::new();
        for i in 0..ms {
            let late_ns = 1e6 * late_ms(i) - learnt_ns;
            let at = LocalTime::ZERO + Nanos::from_millis(1000 + i);
            let sample = Sample { at, offset_ns: -late_ns, direction: Direction::Forward };
            if let Judgement::Shift(shift) = detector.judge(&sample, late_ns) {
                learnt_ns += shift.later_ns;
                proven.push((i, (shift.later_ns * 1e-4).round() * 1e-2));
            }
        }
        proven
    }

    /// Lateness of packets of which one in 16 comes in time; the others are late by up to 3 ms.
    fn jitter(i: i64) -> f64 {
        0.2 * ((i * 7) % 16) as f64
    }

    #[test]
    fn packets_that_stay_late_are_proven_within_three_quarters_of_a_second() {
        for size_ms in [1.0, 18.0, 900.0] {
            let proven = shifts(8_000, |i| jitter(i) + if i < 5_000 { 0.0 } else { size_ms });
            assert_eq!(proven.len(), 1, "{size_ms}: {proven:?}");
            assert!((5_600..5_770).contains(&proven[0].0) && (proven[0].1 - size_ms).abs() < 0.01, "{proven:?}");
        }
    }

    #[test]
    fn packets_that_stay_early_are_proven_within_half_a_second() {
        for size_ms in [1.0, 18.0, 900.0] {
            let proven = shifts(8_000, |i| jitter(i) - if i < 5_000 { 0.0 } else { size_ms });
            assert_eq!(proven.len(), 1, "{size_ms}: {proven:?}");
            assert!((5_240..5_510).contains(&proven[0].0) && (proven[0].1 + size_ms).abs() < 0.01, "{proven:?}");
        }
    }

    #[test]
    fn what_jitters_stalls_or_is_slewed_has_not_shifted() {
        assert!(shifts(20_000, jitter).is_empty());
        // Half a second of a persistent queue.
        assert!(shifts(20_000, |i| jitter(i) + if (i / 500) % 4 == 3 { 12.0 } else { 0.0 }).is_empty());
        // A host that stalls again and again, each time for a different duration.
        let stalls = |i: i64| if i < 4_000 { 0.0 } else { 60.0 + (i / 125 * 37 % 150) as f64 };
        assert!(shifts(6_000, stalls).is_empty());
        // A slew of 500 ppm that the estimator does not follow.
        assert!(shifts(6_000, |i| 0.0005 * (i - 4_000).max(0) as f64).is_empty());
    }

    #[test]
    fn samples_of_a_shift_are_withheld_and_single_late_ones_are_not() {
        let mut detector = ShiftDetector::default();
        let mut judge = |ms: i64, late_ms: f64| {
            let at = LocalTime::ZERO + Nanos::from_millis(ms);
            detector.judge(&Sample { at, offset_ns: -1e6 * late_ms, direction: Direction::Forward }, 1e6 * late_ms)
        };
        assert!((0..3_000).all(|ms| judge(ms, if ms % 100 < 99 { 8.0 } else { 0.0 }) == Judgement::Take));
        assert_eq!(judge(3_001, -5.0), Judgement::Withhold, "nothing makes packets early");
        assert!((3_002..3_120).all(|ms| judge(ms, 8.0) == Judgement::Take));
        assert!((3_140..3_400).all(|ms| judge(ms, 8.0) == Judgement::Withhold));
    }

    #[test]
    fn a_network_that_has_become_worse_is_learnt_in_the_end() {
        let mut detector = ShiftDetector::default();
        let mut taken = 0;
        for ms in 0..8_000 {
            let late_ns = if ms < 3_000 { 0.0 } else { 1e6 * (5.0 + (ms / 125 * 7 % 40) as f64) };
            let at = LocalTime::ZERO + Nanos::from_millis(ms);
            let sample = Sample { at, offset_ns: -late_ns, direction: Direction::Forward };
            taken += i32::from(detector.judge(&sample, late_ns) == Judgement::Take && ms >= 3_000);
        }
        assert!(taken > 2_500, "{taken}");
    }

    #[test]
    fn a_clock_that_is_set_back_is_measured_anew() {
        let mut detector = ShiftDetector::default();
        let mut judge = |ms: i64| {
            let at = LocalTime::ZERO + Nanos::from_millis(ms);
            detector.judge(&Sample { at, offset_ns: 0.0, direction: Direction::Forward }, -2e9)
        };
        (0..5_000).for_each(|ms| {
            judge(ms);
        });
        assert!((3_000..4_900).all(|ms| judge(ms) == Judgement::Take));
    }

    #[test]
    fn a_shift_is_assumed_where_nothing_comes_in_time() {
        let mut detector = ShiftDetector::default();
        let at = |ms: i64| LocalTime::ZERO + Nanos::from_millis(ms);
        for ms in 0..3_300 {
            let late_ns = if ms < 3_000 { 0.0 } else { 1e6 * (30.0 + (ms % 16) as f64) };
            let sample = Sample { at: at(ms), offset_ns: -late_ns, direction: Direction::Forward };
            assert!(!matches!(detector.judge(&sample, late_ns), Judgement::Shift(_)));
            assert!(ms >= 3_100 || detector.assume(at(ms)).is_none(), "{ms}");
        }
        let shift = detector.assume(at(3_300)).unwrap();
        assert!((shift.later_ns - 30e6).abs() < 1.0, "{shift:?}");
    }
}
