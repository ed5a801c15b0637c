//! The engine's clock law: estimator, lock machine and proof of steps.
//!
//! Model: one [`Estimator`] with the path delay as a state, fed by Syncs and Delay_Reqs
//! independently. The state machine judges its uncertainty. In holdover nothing is done at all: the
//! map simply goes on at the last *estimated* rate (never the last noisy command), and its
//! uncertainty grows by itself.
//!
//! A [proven step](super::step) of the master's time starts the offset anew, and keeps the rate,
//! which is the crystals' and not the master's, and the path's delay. Another master's first
//! packets are compared with the time that is held: if they agree, the time goes on, and only the
//! path is another; if not, it is a step.
//!
//! A master that answers no Delay_Req leaves only a [presumed](super::presumed_delay) delay, and an
//! uncertainty that says so. A delay that was measured stands when the answers end; what is known
//! of it becomes less with time.

use super::estimator::{DelayModel, Direction, Estimator, EstimatorConfig, Sample};
use super::law::{Agreement, ClockLaw, ClockReading, PathDelay, TimestampPair};
use super::lock::{CEILING_NS, LockCause, LockInputs, LockMachine, LockTransition};
use super::map::PtpMap;
use super::presumed_delay::{DelayKnowledge, Origin, PresumedDelay};
use super::round_trip::{PathDelayClaim, RoundTrips};
use super::step::{Judgement, ROUTE_DIFFERENCE_NS, StepDetector};
use super::unsteady::{FORWARD, UnsteadyDetector};
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};

/// How far off a packet may be before it is a suspect: in standard deviations of a packet, of the
/// estimate, and at least.
const STEP_NOISES: f64 = 3.0;
const STEP_SIGMAS: f64 = 6.0;
/// Steps below this are followed by the filter itself.
const STEP_FLOOR_NS: f64 = 20_000.0;
/// Packets of another master that are compared with the held time.
const CHANGE_PROOF: u32 = 4;
/// What the delay of another path is uncertain by, at least, and how much of a difference may be
/// one of time all the same.
const NEW_PATH_SIGMA: Nanos = Nanos::from_micros(20);
const TIME_SHARE: f64 = 0.125;
/// A wander (standard deviation) makes as wide a lock as jitter (mean) that is so many times
/// larger: then the estimate is as good as the clock while it is within two of its standard
/// deviations.
const WANDER_AS_JITTER: f64 = 4.0;
/// Unanswered Delay_Reqs in a row after which a master is taken to answer none.
const UNANSWERED: u32 = 8;

/// A change of rate that has moved the time by more than this is a step as far as a lock is
/// concerned: half of what a locked time may be off by.
const MOVED_NS: f64 = CEILING_NS / 2.0;
/// No two clocks differ by more, ppb: crystals are within 100 ppm each, and what slews a host's
/// clock does so by 500 ppm at most (adjtimex's MAXFREQ).
const FASTEST_PPB: f64 = 1e6;
/// Standard deviation of a rate that is known: in 10 s the offset is carried with 100 us.
const KNOWN_PPB: f64 = 1e4;
/// Standard deviations of the rate by which it must be beyond that.
const RATE_SIGMAS: f64 = 3.0;
/// Delay_Resps that make an impossible path delay, after which the estimate begins anew.
const IMPOSSIBLE: u32 = 5;
/// Syncs without a lock after which a step begins the estimate anew: 4 s at the default interval of
/// AES67, in which a good master is locked to again.
const FRUITLESS: u32 = 32;
/// Syncs after which an estimate that was never good enough begins anew, and twice as many after
/// that: 16 s at the default interval of AES67. It may have learnt from lies that have ended since;
/// and where it only needs longer, it loses no more than it has had.
const PATIENCE: u32 = 128;

/// What a [`SlaveClock`] assumes before it has heard a master.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlaveClockConfig {
    /// Starting point of the estimator.
    pub estimator: EstimatorConfig,
    /// Sync interval until the wire tells it.
    pub sync_interval: Nanos,
    /// Path delay to a master of which nothing else is known, and its standard deviation, to which
    /// the jitter of the timestamps is added.
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
            // A wired path of some switches: 1 us for each at 1 Gbit/s, 10 us at 100 Mbit/s, and up
            // to 120 us behind a full frame there; and tens of us in the two hosts. A wireless one
            // takes ms, and jitters by as much.
            assumed_delay: (Nanos::from_micros(75), Nanos::from_micros(150)),
        }
    }
}

/// The first packets of another master, against the time held from the last one.
#[derive(Clone, Copy, Debug, Default)]
struct NewMaster {
    count: u32,
    /// The newest, and what they are late by, ns, in a ring.
    newest: [Option<(Sample, f64)>; CHANGE_PROOF as usize],
}

impl NewMaster {
    /// Takes a packet; what the least late of the newest is late by, and how far they are apart,
    /// once they agree but for twice `limit_ns`, which each of them may be off by as noise. Of a
    /// master whose packets do not, the time is not known.
    fn take(&mut self, sample: Sample, late_ns: f64, limit_ns: f64) -> Option<(f64, Nanos)> {
        self.newest[(self.count % CHANGE_PROOF) as usize] = Some((sample, late_ns));
        self.count = self.count.saturating_add(1);
        let extremes = |(least, most): (f64, f64), late_ns: f64| (least.min(late_ns), most.max(late_ns));
        let newest = self.newest.iter().flatten().map(|(_, late_ns)| *late_ns);
        let (least_ns, most_ns) = newest.fold((f64::INFINITY, f64::NEG_INFINITY), extremes);
        let apart_ns = most_ns - least_ns;
        let agree = self.count >= CHANGE_PROOF && apart_ns < 2.0 * limit_ns + ROUTE_DIFFERENCE_NS;
        agree.then(|| (least_ns, Nanos::new(apart_ns as i64)))
    }

    fn samples(&self) -> impl Iterator<Item = Sample> {
        self.newest.iter().flatten().map(|(sample, _)| *sample)
    }
}

/// PTP time as a slave sees it.
#[derive(Clone, Debug)]
pub struct SlaveClock {
    config: SlaveClockConfig,
    estimator: Estimator,
    lock: LockMachine,
    origin: Option<(LocalTime, PtpTime)>,
    /// Where they were counted from before everything was begun anew.
    left_origin: Option<(LocalTime, PtpTime)>,
    sync_interval: Nanos,
    steps: StepDetector,
    unsteady: UnsteadyDetector<FORWARD>,
    new_master: Option<NewMaster>,
    former: former::FormerTimes,
    path_delay: PathDelay,
    delay_known: DelayKnowledge,
    /// The newest round trips, oldest first.
    round_trips: RoundTrips,
    /// Why the estimate began anew last; it is told until there is a lock.
    doubted: Option<LockCause>,
    /// Delay_Resps in a row that make an impossible path delay.
    impossible: u32,
    /// Syncs since the estimate began, and how many are waited for.
    fruitless: u32,
    patience: u32,
    /// Whether the present master has ever answered.
    answered: bool,
    unanswered: u32,
    /// The delay that is presumed for the present master.
    presumed: Option<PresumedDelay>,
    /// Whether somebody else sends in the name of the master, and what was known before.
    contested: bool,
    known: contest::Known,
    anchor: Option<Box<Estimator>>,
    epoch: u32,
}

impl SlaveClock {
    /// A clock that has heard nothing yet.
    #[must_use]
    pub fn new(config: SlaveClockConfig) -> Self {
        Self {
            config,
            estimator: Estimator::new(config.estimator),
            lock: LockMachine::new(),
            origin: None,
            left_origin: None,
            sync_interval: config.sync_interval,
            steps: StepDetector::default(),
            unsteady: UnsteadyDetector::default(),
            new_master: None,
            former: former::FormerTimes::default(),
            path_delay: PathDelay::Measured,
            delay_known: DelayKnowledge::default(),
            round_trips: RoundTrips::default(),
            doubted: None,
            impossible: 0,
            fruitless: 0,
            patience: PATIENCE,
            answered: false,
            unanswered: 0,
            presumed: None,
            contested: false,
            known: contest::Known::default(),
            anchor: None,
            epoch: 0,
        }
    }

    /// A clock whose packets travel in one direction only, and whose delay, if it has one, belongs
    /// to its time.
    #[must_use]
    pub(super) fn one_way(config: SlaveClockConfig) -> Self {
        Self { path_delay: PathDelay::Assumed, ..Self::new(config) }
    }

    /// Estimated one-way delay to the master.
    #[must_use]
    pub fn mean_path_delay(&self) -> Nanos {
        self.estimator.mean_path_delay()
    }

    /// Running size of the timestamps' jitter.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        self.estimator.jitter()
    }

    fn sample(&mut self, pair: &TimestampPair) -> Sample {
        if self.origin.is_none()
            && let Some(left) = self.left_origin.take()
        {
            self.estimator.rebase_wander(Self::sample_from(left, pair).offset_ns);
        }
        let origin = *self.origin.get_or_insert((pair.local, pair.remote));
        Self::sample_from(origin, pair)
    }

    fn sample_from((local, remote): (LocalTime, PtpTime), pair: &TimestampPair) -> Sample {
        let offset = (pair.remote - remote) - (pair.local - local);
        Sample { at: pair.local, offset_ns: offset.as_nanos() as f64, direction: pair.direction }
    }

    /// Standard deviation of that part of the time's error that packets show, ns; infinite before
    /// the first one.
    fn precision_ns(&self, now: LocalTime) -> f64 {
        self.estimator.precision_ns(now, self.is_two_way())
    }

    /// Whether Delay_Resps tell of the delay, or are to be waited for, because nothing else does.
    /// While they do not, nobody can say more than what Syncs show.
    fn is_two_way(&self) -> bool {
        let is_known = self.answered || self.presumed.is_some();
        self.path_delay == PathDelay::Measured && (self.unanswered < UNANSWERED || !is_known)
    }

    /// How far off a packet at `at` may be by noise, ns.
    fn noise_limit_ns(&self, at: LocalTime) -> f64 {
        self.noise_limit_of_ns(&self.estimator, at)
    }

    fn noise_limit_of_ns(&self, estimator: &Estimator, at: LocalTime) -> f64 {
        let sigma_ns = estimator.precision_ns(at, self.is_two_way());
        (STEP_NOISES * estimator.packet_noise_ns()).max(STEP_SIGMAS * sigma_ns).max(STEP_FLOOR_NS)
    }

    /// Takes a sample; returns whether it agrees with the estimate, but for lateness.
    fn take(&mut self, sample: Sample) -> bool {
        if self.estimator.map().is_none() || self.is_first_answer(&sample) {
            self.estimator.update(sample);
            return true;
        }
        let (late_ns, limit_ns) = (self.estimator.lateness(&sample), self.noise_limit_ns(sample.at));
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
        match self.steps.judge(sample.direction, -late_ns, beyond_ns, limit_ns) {
            Judgement::Plain => self.estimator.update(sample),
            Judgement::Suspect => return false,
            Judgement::Route(late_ns) => {
                match (self.path_delay, self.delay_known.origin) {
                    (PathDelay::Measured, _) | (_, Origin::Path) => self.change_path(late_ns),
                    // No answer will tell the route from the time, and what is known of the delay
                    // stays as little.
                    (PathDelay::Assumed, _) => {
                        self.unsteady.forget();
                        self.estimator.step_offset(-late_ns, CHANGE_PROOF);
                    }
                }
                self.estimator.update(sample);
            }
            Judgement::Step(_) if self.fruitless >= FRUITLESS => {
                // What was estimated all the while without being good enough belongs to another
                // time.
                self.begin_anew(sample.at);
                return false;
            }
            Judgement::Step(step_ns) => {
                self.lock.on_step(sample.at, Nanos::new(step_ns as i64));
                self.step(step_ns);
                self.estimator.update(sample);
            }
        }
        -late_ns < limit_ns
    }

    /// Follows a change of the rate that this packet and those before it prove. Returns whether
    /// there was one; then it holds what the packet says.
    fn change_rate(&mut self, sample: Sample, late_ns: f64, limit_ns: f64) -> bool {
        let sigma_ns = self.precision_ns(sample.at);
        self.unsteady.take(sample, late_ns, sigma_ns);
        let late_ns = |sample: &Sample| self.estimator.lateness(sample);
        let Some(change) = self.unsteady.rate_change(late_ns, limit_ns, self.path_delay == PathDelay::Assumed) else {
            return false;
        };
        if change.moved_ns.abs() > MOVED_NS {
            self.lock.on_step(sample.at, Nanos::new(change.moved_ns as i64));
        }
        self.known = contest::Known::default();
        self.estimator.change_rate(&change);
        self.unsteady.forget();
        self.steps = StepDetector::default();
        true
    }

    /// What the newest packets prove the time to be off by, beyond what the estimator knew when
    /// they came, ns: that it knows less while it waits is no reason against a proof.
    fn displacement_ns(&self) -> f64 {
        let late_ns = |sample: &Sample| self.estimator.lateness(sample);
        let taken_at = self.estimator.updated_at().unwrap_or(LocalTime::ZERO);
        self.unsteady.displacement_ns(late_ns, self.precision_ns(taken_at))
    }

    /// Whether a sample is the first that tells of a delay that was assumed until now: it
    /// contradicts nothing.
    fn is_first_answer(&self, sample: &Sample) -> bool {
        let assumed = self.path_delay == PathDelay::Assumed && self.new_master.is_none();
        assumed && sample.direction == Direction::Reverse
    }

    /// An exchange is complete while nothing is locked: what was learnt from times that did not
    /// agree must not outlive them.
    fn count_impossible(&mut self, now: LocalTime) {
        let doubt = self.doubt();
        let ended = self.impossible > 0 && doubt.is_none();
        if doubt.is_some() {
            self.doubted = doubt;
            self.impossible += 1;
        }
        if ended || self.impossible == IMPOSSIBLE {
            self.begin_anew(now);
        }
    }

    /// A Sync has come, and nothing is locked yet.
    fn count_fruitless(&mut self, now: LocalTime) {
        self.fruitless += 1;
        if self.fruitless == self.patience {
            self.patience = self.patience.saturating_mul(2);
            self.begin_anew(now);
        }
    }

    /// The path delay, if it is measured and no path can have it.
    fn impossible_delay(&self) -> Option<PathDelayClaim> {
        let measured = self.path_delay == PathDelay::Measured && self.answered;
        if !measured {
            return None;
        }
        let claim = PathDelayClaim { delay: self.mean_path_delay(), round_trip: self.round_trips.shortest() };
        let exchanges = self.round_trips.impossible(self.jitter());
        exchanges.or_else(|| Some(claim).filter(|claim| claim.is_impossible(self.jitter())))
    }

    /// The rate, if no clock has it.
    fn impossible_rate(&self) -> Option<Ppb> {
        let map = self.estimator.map()?;
        let (rate, sigma) = (map.rate(), map.rate_sigma());
        let beyond_ppb = rate.as_ppb().abs() - RATE_SIGMAS * sigma.as_ppb();
        (beyond_ppb.is_nan() || beyond_ppb > FASTEST_PPB).then_some(rate)
    }

    /// The rate, ppb, if it is known well enough to carry an offset over some seconds.
    fn known_rate_ppb(&self) -> Option<f64> {
        let map = self.estimator.map()?;
        let known = map.rate_sigma().as_ppb() < KNOWN_PPB && self.impossible_rate().is_none();
        known.then_some(map.rate().as_ppb())
    }

    /// Why the time of the messages cannot be true.
    fn doubt(&self) -> Option<LockCause> {
        let delay = self.impossible_delay().map(|claim| claim.cause());
        delay.or_else(|| self.impossible_rate().map(|rate| LockCause::ImpossibleRate { rate }))
    }

    /// The new master's packets are late by `late_ns` against the held time, of which `limit_ns`
    /// may be noise.
    fn follow_new_master(&mut self, packets: &NewMaster, late_ns: f64, limit_ns: f64) {
        if late_ns.abs() < limit_ns + ROUTE_DIFFERENCE_NS {
            self.change_path(late_ns);
            self.delay_known.compare();
            return;
        }
        let now = packets.samples().map(|sample| sample.at).max().unwrap_or(LocalTime::ZERO);
        self.lock.on_master_changed(now, Nanos::new(-late_ns as i64));
        let former = self.former_that_told(packets);
        self.step(-late_ns);
        if let Some(former) = former {
            self.resume(former, packets);
        } else {
            self.estimator.rebase_wander(late_ns);
            self.estimator.change_path(NEW_PATH_SIGMA, Nanos::ZERO, self.presumed.is_none());
        }
    }

    /// Packets come by another path, and are late by `late_ns` against the old one. Whether some of
    /// that is time only Delay_Resps can tell.
    fn change_path(&mut self, late_ns: f64) {
        self.known = contest::Known::default();
        self.unsteady.forget();
        self.round_trips.clear();
        let time_ns = TIME_SHARE * late_ns.abs();
        let path = Nanos::new((late_ns.abs() - time_ns) as i64);
        self.estimator.change_path(path + NEW_PATH_SIGMA, Nanos::new(time_ns as i64), self.presumed.is_none());
    }

    /// Goes on with the best that is known of a delay that nobody measures.
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

    /// What is to be expected of a path of which nothing is known but how its packets jitter.
    fn usual_delay(&self) -> PresumedDelay {
        let (mean, sigma) = self.config.assumed_delay;
        PresumedDelay { mean, sigma: sigma + self.estimator.jitter() }
    }

    fn step(&mut self, step_ns: f64) {
        self.known = contest::Known::default();
        self.unsteady.forget();
        self.round_trips.clear();
        self.estimator.step_offset(step_ns, CHANGE_PROOF);
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl ClockLaw for SlaveClock {
    fn observe(&mut self, pair: &TimestampPair) {
        let sample = self.sample(pair);
        let sample = self.carried(sample);
        let is_answered = self.round_trips.take(&sample, self.known_rate_ppb());
        let taken = self.take(sample);
        match pair.direction {
            Direction::Forward => self.lock.on_forward(pair.local),
            Direction::Reverse if taken => {
                self.lock.on_reverse();
                self.path_delay = PathDelay::Measured;
                self.delay_known.origin = Origin::Path;
                (self.answered, self.unanswered, self.presumed) = (true, 0, None);
            }
            // What is not believed tells nothing of the delay.
            Direction::Reverse => self.unanswered = 0,
        }
        self.advance(pair.local);
        if self.lock.state().is_usable() {
            (self.impossible, self.fruitless, self.patience) = (0, 0, PATIENCE);
            self.doubted = None;
        } else if pair.direction == Direction::Forward {
            if is_answered {
                self.count_impossible(pair.local);
            }
            self.count_fruitless(pair.local);
        }
    }

    fn change_master(&mut self, _now: LocalTime) {
        self.remember_former();
        self.known = contest::Known::default();
        self.new_master = self.origin.map(|_| NewMaster::default());
        self.steps = StepDetector::default();
        self.unsteady.forget();
        self.round_trips.clear();
        self.doubted = None;
        self.delay_known.change_master(self.presumed.is_some());
        (self.answered, self.unanswered, self.presumed) = (false, 0, None);
    }

    /// A time that is held was found before.
    fn begin_anew(&mut self, now: LocalTime) {
        if self.lock.state().is_usable() {
            return;
        }
        self.estimator.forget(now);
        self.lock.forget();
        self.left_origin = self.origin.take();
        self.former = former::FormerTimes::default();
        self.known = contest::Known::default();
        self.steps = StepDetector::default();
        self.unsteady = UnsteadyDetector::default();
        self.new_master = None;
        self.round_trips.clear();
        (self.impossible, self.fruitless) = (0, 0);
        (self.delay_known, self.presumed) = (DelayKnowledge::default(), None);
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn exchange_took(&mut self, longest: Nanos) {
        self.round_trips.measured(longest);
    }

    fn request_unanswered(&mut self, _now: LocalTime) {
        self.unanswered = self.unanswered.saturating_add(1);
        // A master whose Syncs are not heard is not the one whose path the delay is of.
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
            doubt: self.doubt(),
            displacement_ns,
            wander_ns: self.estimator.wander_ns(),
            most_wander_ns: self.estimator.most_wander_ns(),
            jitter: self.estimator.jitter() + Nanos::new((WANDER_AS_JITTER * self.estimator.wander_ns()) as i64),
            sync_interval: self.sync_interval,
            two_way,
        };
        let was_usable = self.lock.state().is_usable();
        self.lock.advance(&inputs);
        if was_usable && inputs.doubt.is_some() && !self.lock.state().is_usable() {
            self.begin_anew(now);
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
mod former;
#[cfg(test)]
mod tests;
