//! The engine's clock servo: estimator, lock state machine, and step detection.
//!
//! Model: one [`Estimator`], with the path delay as a state, processes Syncs and Delay_Reqs
//! independently. The lock state machine judges the uncertainty of the estimator. In holdover
//! nothing is computed: the map continues at the last *estimated* rate (never at the last noisy
//! correction), and its uncertainty grows by itself.
//!
//! A [proven step](super::step) of the master's time restarts the offset. The path delay is kept,
//! and so is the rate, which belongs to the crystals and not to the master's time. The first
//! packets of a new master are compared with the held time. If they agree, the time continues, and
//! only the path has changed. Otherwise the time has stepped.
//!
//! Messages that cannot all be true [suspend](doubt) the estimate.
//!
//! If a master answers no Delay_Req, the path delay is only [assumed](super::presumed_delay), and
//! the uncertainty is enlarged accordingly. A measured delay stays valid when the answers stop, but
//! becomes less certain with time.

use super::estimator::{DelayModel, Estimator, EstimatorConfig};
use super::lock::{CEILING_NS, LockCause, LockInputs, LockMachine, LockTransition};
use super::map::PtpMap;
use super::newest::Newest;
use super::presumed_delay::{DelayKnowledge, Origin, PresumedDelay};
use super::round_trip::{PathDelayClaim, RoundTrips};
use super::sample::{Direction, Sample};
use super::servo::{Agreement, ClockReading, ClockServo, PathDelay, TimestampPair};
use super::step::{Judgement, Limits, ROUTE_DIFFERENCE_NS, StepDetector};
use super::unsteady::{FORWARD, UnsteadyDetector};
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};

/// Deviation above which a packet is suspected to show a step, in standard deviations of a packet.
/// Judgement: exceeded by chance once in 370 (normal distribution).
const STEP_NOISES: f64 = 3.0;
/// Like [`STEP_NOISES`], but in standard deviations of the estimate. Judgement: while the estimate
/// converges, its error may exceed its standard deviation.
const STEP_SIGMAS: f64 = 6.0;
/// The smallest deviation that is suspected to be a step, ns. Judgement: the filters follow smaller
/// steps by themselves.
const STEP_FLOOR_NS: f64 = 20_000.0;
/// Earliness above which a forward packet is suspected to show a step, as a multiple of the jitter.
/// Judgement: if packets are early as often as late, this limit is about as large as
/// [`STEP_NOISES`]. The jitter is used because packets that were held back hardly change it,
/// whereas they increase the noise of packets for a while.
const EARLY_JITTERS: f64 = 2.0;
/// Number of packets from a new master that are compared with the held time. Judgement: half a
/// second of Syncs at the interval of AES67's media profile.
const CHANGE_PROOF: u32 = 4;
/// Smallest uncertainty of the delay of a new path. Judgement: a few switches add this much delay.
const NEW_PATH_SIGMA: Nanos = Nanos::from_micros(20);
/// Fraction of the apparent difference between two paths that may be a difference between the two
/// masters' times. Judgement: most of it is due to the paths.
const TIME_SHARE: f64 = 0.125;
/// Factor by which a wander (standard deviation) is multiplied to be treated as a jitter (mean) in
/// the lock threshold. Derived: the threshold contains half of the jitter, so it grows by two
/// standard deviations of the wander.
const WANDER_AS_JITTER: f64 = 4.0;
/// Number of consecutive unanswered Delay_Reqs after which a master is assumed to answer none.
/// Judgement: 8 s at one per second.
const UNANSWERED: u32 = 8;

/// A change of rate that has moved the time by more than this counts as a step for the lock.
/// Derived: half of the error that a locked clock may have.
const MOVED_NS: f64 = CEILING_NS / 2.0;
/// Number of Syncs without a lock after which a step makes the clock reacquire. Judgement: 4 s at
/// the default interval of AES67, within which the clock locks to a good master.
const UNLOCKED_SYNCS: u32 = 32;
/// Number of Syncs after which an estimate that has never been good enough is discarded and
/// reacquired; each further attempt takes twice as many. Judgement: 16 s at the default interval of
/// AES67. The estimate may have been learnt from forged messages that have stopped since. If it
/// merely needs more time, a restart wastes no more than the time already spent.
const UNLOCKED_LIMIT: u32 = 128;

/// Configuration of a [`SlaveClock`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlaveClockConfig {
    /// Initial values of the estimator.
    pub estimator: EstimatorConfig,
    /// Sync interval to assume until the messages state it.
    pub sync_interval: Nanos,
    /// Delay to assume for an unknown path, and its standard deviation, to which the jitter of the
    /// timestamps is added.
    pub assumed_delay: (Nanos, Nanos),
}

impl Default for SlaveClockConfig {
    fn default() -> Self {
        Self {
            estimator: EstimatorConfig {
                // PC crystals: +-50 ppm typical, +-100 ppm worst.
                rate: Ppb::ZERO,
                rate_sigma: Ppb::from_ppm(100.0),
                jitter: Nanos::from_micros(100),
                delay: DelayModel::Estimated { sigma: Nanos::from_millis(5) },
            },
            // logSyncInterval -3, the default of AES67's media profile (AES67-2018, A.4).
            sync_interval: Nanos::from_log2_secs(-3),
            // Judgement: each switch of a wired path adds about 1 us at 1 Gbit/s and 10 us at 100
            // Mbit/s (up to 120 us behind a full frame); the two hosts add tens of us. A wireless
            // path has a delay of a few ms, and a jitter of the same size.
            assumed_delay: (Nanos::from_micros(75), Nanos::from_micros(150)),
        }
    }
}

/// The first packets of a new master, which are compared with the time held from the previous
/// master.
#[derive(Clone, Copy, Debug, Default)]
struct NewMaster {
    /// The newest packets and their lateness, ns.
    newest: Newest<(Sample, f64), { CHANGE_PROOF as usize }>,
}

impl NewMaster {
    /// Processes a packet. Once the newest packets agree, returns the lateness of the least late
    /// packet and the spread of the lateness. The packets agree if they differ by less than
    /// [`ROUTE_DIFFERENCE_NS`] plus twice `limit_ns`, the largest deviation of a packet that may be
    /// noise. The time of a master whose packets do not agree is unknown.
    fn take(&mut self, sample: Sample, late_ns: f64, limit_ns: f64) -> Option<(f64, Nanos)> {
        self.newest.push((sample, late_ns));
        let extremes = |(least, most): (f64, f64), late_ns: f64| (least.min(late_ns), most.max(late_ns));
        let newest = self.newest.iter().map(|(_, late_ns)| *late_ns);
        let (least_ns, most_ns) = newest.fold((f64::INFINITY, f64::NEG_INFINITY), extremes);
        let apart_ns = most_ns - least_ns;
        let agree = self.newest.count() >= CHANGE_PROOF as usize && apart_ns < 2.0 * limit_ns + ROUTE_DIFFERENCE_NS;
        agree.then(|| (least_ns, Nanos::from_nanos_f64(apart_ns)))
    }

    fn samples(&self) -> impl Iterator<Item = Sample> {
        self.newest.iter().map(|(sample, _)| *sample)
    }
}

/// PTP time, as estimated by a slave.
#[derive(Clone, Debug)]
pub struct SlaveClock {
    config: SlaveClockConfig,
    estimator: Estimator,
    lock: LockMachine,
    origin: Option<(LocalTime, PtpTime)>,
    /// The origin before the clock was reacquired.
    previous_origin: Option<(LocalTime, PtpTime)>,
    sync_interval: Nanos,
    steps: StepDetector,
    unsteady: UnsteadyDetector<FORWARD>,
    new_master: Option<NewMaster>,
    former: former::FormerTimes,
    path_delay: PathDelay,
    delay_known: DelayKnowledge,
    /// The newest exchanges.
    round_trips: RoundTrips,
    /// Whether the clock has ever been usable with the current estimate.
    was_usable: bool,
    /// When the estimate was suspended; `None` if it is not suspended.
    suspended: Option<LocalTime>,
    /// Cause of the last suspension or reacquisition, until the clock is locked.
    doubted: Option<LockCause>,
    /// Number of consecutive Delay_Resps that yield an impossible path delay.
    impossible: u32,
    /// Number of Syncs since the estimate began, and the number at which acquisition restarts.
    unlocked_syncs: u32,
    unlocked_limit: u32,
    /// Whether the current master has ever answered a Delay_Req.
    answered: bool,
    unanswered: u32,
    /// The delay that is assumed for the current master.
    presumed: Option<PresumedDelay>,
    /// Whether another sender currently uses the master's identity.
    contested: bool,
    /// Saved estimates, one of which becomes the anchor when a contest begins.
    known: contest::Known,
    remembered: remembered::Remembered,
    anchor: Option<Box<Estimator>>,
    epoch: u32,
}

impl SlaveClock {
    /// Creates a clock that has not received any timestamps yet.
    #[must_use]
    pub fn new(config: SlaveClockConfig) -> Self {
        Self {
            config,
            estimator: Estimator::new(config.estimator),
            lock: LockMachine::new(),
            origin: None,
            previous_origin: None,
            sync_interval: config.sync_interval,
            steps: StepDetector::default(),
            unsteady: UnsteadyDetector::default(),
            new_master: None,
            former: former::FormerTimes::default(),
            path_delay: PathDelay::Measured,
            delay_known: DelayKnowledge::default(),
            round_trips: RoundTrips::default(),
            was_usable: false,
            suspended: None,
            doubted: None,
            impossible: 0,
            unlocked_syncs: 0,
            unlocked_limit: UNLOCKED_LIMIT,
            answered: false,
            unanswered: 0,
            presumed: None,
            contested: false,
            known: contest::Known::default(),
            remembered: remembered::Remembered::default(),
            anchor: None,
            epoch: 0,
        }
    }

    /// Creates a clock whose packets travel in one direction only, so that the packet delay is part
    /// of the clock's time.
    #[must_use]
    pub(super) fn one_way(config: SlaveClockConfig) -> Self {
        Self { path_delay: PathDelay::Assumed, ..Self::new(config) }
    }

    /// Estimated one-way delay to the master.
    #[must_use]
    pub fn mean_path_delay(&self) -> Nanos {
        self.estimator.mean_path_delay()
    }

    /// Jitter of the timestamps.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        self.estimator.jitter()
    }

    fn sample(&mut self, pair: &TimestampPair) -> Sample {
        if self.origin.is_none()
            && let Some(left) = self.previous_origin.take()
        {
            self.estimator.rebase_wander(Self::sample_from(left, pair).offset_ns);
        }
        let origin = *self.origin.get_or_insert((pair.local, pair.remote));
        Self::sample_from(origin, pair)
    }

    fn sample_from((local, remote): (LocalTime, PtpTime), pair: &TimestampPair) -> Sample {
        let offset = (pair.remote - remote) - (pair.local - local);
        Sample { at: pair.local, offset_ns: offset.as_nanos_f64(), direction: pair.direction }
    }

    /// Standard deviation of the varying part of the error, ns; infinite before the first packet.
    /// It includes the uncertainty of the delay only where Delay_Resps measure the delay.
    fn precision_ns(&self, now: LocalTime) -> f64 {
        self.estimator.precision_ns(now, self.is_two_way())
    }

    /// Whether Delay_Resps measure the delay, or are still awaited because nothing else is known
    /// about the delay. Otherwise, only Syncs provide information.
    fn is_two_way(&self) -> bool {
        let is_known = self.answered || self.presumed.is_some();
        self.path_delay == PathDelay::Measured && (self.unanswered < UNANSWERED || !is_known)
    }

    /// Largest deviation of a packet at `at` that may be noise, ns.
    fn noise_limit_ns(&self, at: LocalTime, direction: Direction) -> f64 {
        self.noise_limit_of_ns(&self.estimator, at, direction)
    }

    fn noise_limit_of_ns(&self, estimator: &Estimator, at: LocalTime, direction: Direction) -> f64 {
        let mut sigma_ns = estimator.precision_ns(at, self.is_two_way());
        if direction == Direction::Reverse {
            // After a change of the path, the delay is uncertain until a reverse packet measures
            // it.
            sigma_ns = sigma_ns.max(estimator.prediction_ns(at, direction));
        }
        (STEP_NOISES * estimator.packet_noise_ns()).max(STEP_SIGMAS * sigma_ns).max(STEP_FLOOR_NS)
    }

    /// Processes a sample. Returns whether it agrees with the estimate. A late sample counts as
    /// agreeing, because any packet may be late.
    fn take(&mut self, sample: Sample) -> bool {
        if self.estimator.map().is_none() || self.is_first_answer(&sample) {
            self.estimator.update(sample);
            return true;
        }
        let (late_ns, limit_ns) = (self.estimator.lateness(&sample), self.noise_limit_ns(sample.at, sample.direction));
        if let Some(mut change) = self.new_master {
            if sample.direction == Direction::Forward {
                let agreed = change.take(sample, late_ns, limit_ns);
                self.new_master = Some(change).filter(|_| agreed.is_none());
                if let Some((late_ns, apart)) = agreed {
                    self.estimator.reopen_noise(apart);
                    self.follow_new_master(&change, late_ns, limit_ns);
                }
            }
            return false;
        }
        if self.change_rate(sample, late_ns, limit_ns) {
            return true;
        }
        let beyond_ns = self.estimator.lateness_beyond_average(&sample);
        match self.steps.judge(sample.direction, -late_ns, beyond_ns, &self.step_limits(sample.at, limit_ns)) {
            Judgement::Accept => self.estimator.update(sample),
            Judgement::Quarantine => return false,
            Judgement::PathChange(late_ns) if self.is_held_back(late_ns) => {
                self.suspend(sample.at, self.claim_of_later_syncs(late_ns).cause());
                return false;
            }
            Judgement::PathChange(late_ns) => {
                match (self.path_delay, self.delay_known.origin) {
                    (PathDelay::Measured, _) | (_, Origin::Path) => self.change_path(late_ns),
                    // No Delay_Resp will show whether the path or the time has changed, so the
                    // offset is moved, and the delay stays as uncertain as before.
                    (PathDelay::Assumed, _) => {
                        self.unsteady.forget();
                        self.estimator.step_offset(-late_ns, CHANGE_PROOF);
                    }
                }
                self.estimator.update(sample);
            }
            Judgement::Step(_) if self.unlocked_syncs >= UNLOCKED_SYNCS => {
                // The estimate has not been good enough for so long that it must come from another
                // clock or from forged messages.
                self.reacquire(sample.at);
                return false;
            }
            Judgement::Step(step_ns) => {
                self.lock.on_step(sample.at, Nanos::from_nanos_f64(step_ns));
                self.step(step_ns);
                self.estimator.update(sample);
            }
        }
        -late_ns < limit_ns
    }

    fn step_limits(&self, at: LocalTime, noise_ns: f64) -> Limits {
        let is_measured = self.path_delay == PathDelay::Measured;
        // The forward delay is at most the whole round trip.
        let round_trip_ns = 2.0 * self.estimator.mean_path_delay().as_nanos_f64();
        let floor_ns = self.unsteady.floor_ns(self.precision_ns(at));
        let usual_ns = EARLY_JITTERS * self.jitter().as_nanos_f64();
        Limits {
            noise_ns,
            // Packets that are early by less than the route difference may show a wander that has
            // not been measured yet.
            earliness_ns: floor_ns.max(usual_ns).max(ROUTE_DIFFERENCE_NS).min(noise_ns),
            shortening_ns: if is_measured { round_trip_ns + noise_ns } else { 0.0 },
        }
    }

    /// If this packet and the preceding ones prove a change of the rate, applies the change and
    /// returns true. The change already takes this packet into account.
    fn change_rate(&mut self, sample: Sample, late_ns: f64, limit_ns: f64) -> bool {
        let sigma_ns = self.precision_ns(sample.at);
        self.unsteady.take(sample, late_ns, sigma_ns);
        let late_ns = |sample: &Sample| self.estimator.lateness(sample);
        let Some(change) = self.unsteady.rate_change(late_ns, limit_ns, self.path_delay == PathDelay::Assumed) else {
            return false;
        };
        if change.moved_ns.abs() > MOVED_NS {
            self.lock.on_step(sample.at, Nanos::from_nanos_f64(change.moved_ns));
        }
        self.known = contest::Known::default();
        self.estimator.change_rate(&change);
        self.unsteady.forget();
        self.steps = StepDetector::default();
        true
    }

    /// Proven error of the time, ns, which is added to the estimator's uncertainty. It is tested
    /// against the uncertainty at the last update, because the uncertainty that accumulates while
    /// no sample is taken must not mask the error.
    fn displacement_ns(&self) -> f64 {
        let late_ns = |sample: &Sample| self.estimator.lateness(sample);
        let taken_at = self.estimator.updated_at().unwrap_or(LocalTime::ZERO);
        self.unsteady.displacement_ns(late_ns, || self.precision_ns(taken_at))
    }

    /// Whether a sample is the first measurement of a delay that has only been assumed so far, so
    /// that it cannot contradict the estimate.
    fn is_first_answer(&self, sample: &Sample) -> bool {
        let assumed = self.path_delay == PathDelay::Assumed && self.new_master.is_none();
        assumed && sample.direction == Direction::Reverse
    }

    /// Follows a new master, whose packets are late by `late_ns` relative to the held time; up to
    /// `limit_ns` of the lateness may be noise.
    fn follow_new_master(&mut self, packets: &NewMaster, late_ns: f64, limit_ns: f64) {
        if late_ns.abs() < limit_ns + ROUTE_DIFFERENCE_NS {
            self.change_path(late_ns);
            self.delay_known.compare();
            return;
        }
        let now = packets.samples().map(|sample| sample.at).max().unwrap_or(LocalTime::ZERO);
        self.lock.on_master_changed(now, Nanos::from_nanos_f64(-late_ns));
        let former = self.matching_former(packets);
        self.step(-late_ns);
        if let Some(former) = former {
            self.resume(former, packets);
        } else {
            self.estimator.rebase_wander(late_ns);
            self.estimator.change_path(NEW_PATH_SIGMA, Nanos::ZERO, self.presumed.is_none());
        }
    }

    /// Prepares for packets over a new path, which are late by `late_ns` relative to the old path.
    /// Only Delay_Resps can show whether part of this lateness is a change of the time.
    fn change_path(&mut self, late_ns: f64) {
        self.known = contest::Known::default();
        self.unsteady.forget();
        self.round_trips.change_path();
        let time_ns = TIME_SHARE * late_ns.abs();
        let path = Nanos::from_nanos_f64(late_ns.abs() - time_ns);
        self.estimator.change_path(path + NEW_PATH_SIGMA, Nanos::from_nanos_f64(time_ns), self.presumed.is_none());
    }

    /// Assumes a value for a delay that is not measured, from the best available knowledge.
    fn presume_delay(&mut self) {
        let usual = self.usual_delay();
        let estimated =
            PresumedDelay { mean: self.estimator.mean_path_delay(), sigma: self.estimator.path_delay_sigma() };
        let presumed = self.delay_known.presume(estimated, usual);
        (self.path_delay, self.presumed) = (PathDelay::Assumed, Some(presumed));
        let PresumedDelay { mean, sigma } = presumed;
        let is_estimated = self.delay_known.origin == Origin::Path;
        self.estimator.assume_delay(mean, sigma, if is_estimated { sigma.max(usual.sigma) } else { sigma });
    }

    /// Expected delay of a path about which only the packet jitter is known.
    fn usual_delay(&self) -> PresumedDelay {
        let (mean, sigma) = self.config.assumed_delay;
        PresumedDelay { mean, sigma: sigma + self.estimator.jitter() }
    }

    fn step(&mut self, step_ns: f64) {
        self.known = contest::Known::default();
        self.unsteady.forget();
        self.round_trips.change_path();
        self.estimator.step_offset(step_ns, CHANGE_PROOF);
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl ClockServo for SlaveClock {
    fn observe(&mut self, pair: &TimestampPair) {
        self.end_suspension(pair.local);
        let sample = self.sample(pair);
        let sample = self.propagated(sample);
        let rate_ppb = self.known_rate_ppb();
        let is_possible = self.round_trips.admits(&sample, rate_ppb);
        let is_answered = self.round_trips.take(&sample, rate_ppb);
        let taken = is_possible && self.suspended.is_none() && self.take(sample);
        match pair.direction {
            Direction::Forward => self.lock.on_forward(pair.local),
            Direction::Reverse if taken => {
                self.lock.on_reverse();
                self.path_delay = PathDelay::Measured;
                self.delay_known.origin = Origin::Path;
                (self.answered, self.unanswered, self.presumed) = (true, 0, None);
            }
            // A rejected packet is an answer, but provides no information about the delay.
            Direction::Reverse => self.unanswered = 0,
        }
        self.advance(pair.local);
        if self.lock.state().is_usable() {
            (self.impossible, self.unlocked_syncs, self.unlocked_limit) = (0, 0, UNLOCKED_LIMIT);
            self.doubted = None;
            self.was_usable = true;
        } else if pair.direction == Direction::Forward && self.suspended.is_none() {
            if is_answered {
                self.count_impossible(pair.local);
            }
            self.count_unlocked_sync(pair.local);
        }
    }

    fn change_master(&mut self, _now: LocalTime) {
        self.remember_former();
        self.known = contest::Known::default();
        self.remembered = remembered::Remembered::default();
        self.new_master = self.origin.map(|_| NewMaster::default());
        self.steps = StepDetector::default();
        self.unsteady.forget();
        self.round_trips.forget();
        (self.suspended, self.doubted) = (None, None);
        self.delay_known.change_master(self.presumed.is_some());
        (self.answered, self.unanswered, self.presumed) = (false, 0, None);
    }

    /// Discards the estimate and starts again, unless the clock is usable. A usable clock keeps the
    /// time that it holds.
    fn reacquire(&mut self, now: LocalTime) {
        if self.lock.state().is_usable() {
            return;
        }
        self.estimator.forget(now, self.remembered.prior(self.config.estimator));
        self.lock.forget();
        self.previous_origin = self.origin.take();
        self.former = former::FormerTimes::default();
        self.known = contest::Known::default();
        self.steps = StepDetector::default();
        self.unsteady = UnsteadyDetector::default();
        self.new_master = None;
        (self.was_usable, self.suspended) = (false, None);
        self.round_trips.forget();
        (self.impossible, self.unlocked_syncs) = (0, 0);
        (self.delay_known, self.presumed) = (DelayKnowledge::default(), None);
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn exchange_took(&mut self, longest: Nanos) {
        self.round_trips.measured(longest);
    }

    fn request_unanswered(&mut self, _now: LocalTime) {
        self.unanswered = self.unanswered.saturating_add(1);
        // Until packets of a new master have been compared with the held time, the known delay
        // belongs to another path.
        if self.unanswered < UNANSWERED || self.origin.is_none() || self.new_master.is_some() {
            return;
        }
        match self.presumed {
            None if !self.answered => self.presume_delay(),
            None if self.unanswered == UNANSWERED => self.estimator.hold_delay(self.usual_delay().sigma),
            Some(presumed) if self.delay_known.is_outdated(presumed, self.usual_delay()) => self.presume_delay(),
            _ => {}
        }
    }

    fn round_trip(&mut self, round_trip: Nanos) {
        if self.delay_known.round_trip(round_trip) && self.presumed.is_some() {
            self.presume_delay();
        }
    }

    fn agreement(&self, pair: &TimestampPair) -> Option<Agreement> {
        self.agreement_with_anchor(pair)
    }

    fn contest(&mut self, now: LocalTime, contested: bool) {
        self.set_contested(now, contested);
    }

    fn set_sync_interval(&mut self, interval: Nanos) {
        self.sync_interval = interval;
    }

    fn advance(&mut self, now: LocalTime) {
        self.hold_by_anchor(now);
        let Some(map) = self.estimator.map() else { return };
        let two_way = self.is_two_way();
        let now = now.max(map.estimated_at());
        let displacement_ns = self.displacement_ns();
        let published_ns = map.displaced(displacement_ns).sigma_ns(now);
        let inputs = LockInputs {
            now,
            sigma_ns: self.precision_ns(now),
            published_ns: if self.path_delay == PathDelay::Measured { published_ns } else { 0.0 },
            doubt: self.doubt_of_estimate(),
            displacement_ns,
            wander_ns: self.estimator.wander_ns(),
            most_wander_ns: self.estimator.most_wander_ns(),
            jitter: self.estimator.jitter() + Nanos::from_nanos_f64(WANDER_AS_JITTER * self.estimator.wander_ns()),
            sync_interval: self.sync_interval,
            two_way,
        };
        let was_usable = self.lock.state().is_usable();
        self.lock.advance(&inputs);
        if let Some(doubt) = inputs.doubt.filter(|_| was_usable && !self.lock.state().is_usable()) {
            self.suspend(now, doubt);
        }
    }

    fn reading(&self, _now: LocalTime) -> ClockReading {
        let map = self.estimator.map().map(|map| map.displaced(self.displacement_ns()));
        let map = self.origin.zip(map).map(|((local, remote), map)| PtpMap::new(local, remote, map));
        ClockReading { state: self.lock.state(), map, epoch: self.epoch, path_delay: self.path_delay }
    }

    fn obstacle(&self) -> Option<LockCause> {
        self.doubt().or(self.doubted)
    }

    fn poll_transition(&mut self) -> Option<LockTransition> {
        self.lock.poll_transition()
    }
}

mod contest;
mod doubt;
mod former;
mod remembered;
#[cfg(test)]
mod tests;
