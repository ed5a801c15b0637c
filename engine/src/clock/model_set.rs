//! A set of filters that assume different process noise, all fed by the same reduction of the
//! samples (multiple-model estimation).
//!
//! Model: a crystal at a constant temperature wanders little, and one that is warming up wanders a
//! lot. A filter that assumes the wrong process noise either lags or is noisy. So every filter in
//! the set predicts the offset 30 s ahead, and is scored by comparing its prediction with the later
//! estimate of an agile filter, which hardly lags. The active filter is the steadiest one that is
//! not beaten by any more agile one. A steady filter that predicts far worse is reset to the state
//! of the active filter, so that it is ready when the crystal settles.

use super::block::{Block, Reduction};
use super::kalman::{Kalman, Prior, ProcessNoise};
use super::sample::{Direction, Sample};
use super::wander::PhaseWander;
use crate::units::{LocalTime, Nanos};

/// Process noise of each filter, steadiest first. A crystal at a constant temperature wanders by 1
/// ppb per square root of a second. One that is warming up, or is exposed to the sun, drifts by up
/// to 20 ppb per second, and the drift itself changes over minutes. The last filter forgets almost
/// everything within a minute. Judgement: a factor of 10 between neighbours, because a filter is
/// nearly optimal within a factor of 3.
const PROCESS_NOISES: [ProcessNoise; 6] = [
    ProcessNoise::of_rate(1.0),
    ProcessNoise::of_rate(10.0),
    ProcessNoise::of_rate(100.0),
    ProcessNoise { rate: 10.0, drift: 0.1 },
    ProcessNoise::of_rate(3000.0),
    ProcessNoise { rate: 1000.0, drift: 10.0 },
];
/// Index of the most agile filter. Derived: the last one.
const MOST_AGILE: usize = PROCESS_NOISES.len() - 1;
/// Index of the filter that the others are compared with. Judgement: agile enough for any crystal,
/// and less noisy than the last one.
const REFERENCE: usize = 4;
/// Index of the filter that is active until predictions have been scored. Judgement: the filter
/// that suits a crystal at room temperature.
const FIRST_ACTIVE: usize = 1;
/// How far ahead predictions are scored. Judgement: about the memory of the filters.
const HORIZON: Nanos = Nanos::from_secs(30);
/// Number of predictions that wait to be scored. Judgement: one every 5 s.
const SNAPSHOTS: usize = 6;
/// Time between predictions. Derived: [`SNAPSHOTS`] predictions within [`HORIZON`].
#[expect(clippy::cast_possible_wrap, reason = "a small number")]
const SNAPSHOT_INTERVAL: Nanos = Nanos::new(HORIZON.as_nanos() / SNAPSHOTS as i64);
/// Memory of the long score, in predictions. Judgement: a quarter of an hour reveals small
/// differences.
const LONG_MEMORY: f64 = 180.0;
/// Memory of the short score, in predictions. Judgement: within a minute it reveals a crystal that
/// has begun to warm up.
const SHORT_MEMORY: f64 = 12.0;
/// Number of scored predictions before a filter is selected by score. Judgement: half a minute
/// after the first one.
const FIRST_SELECTION: f64 = 6.0;
/// A more agile filter beats a steadier one if its long score (mean square error) is smaller by
/// this factor. Judgement: a steadier output is preferred even if its error is slightly larger.
const SWITCH_RATIO_LONG: f64 = 1.1;
/// Like [`SWITCH_RATIO_LONG`], but for the short score, which is less certain. Judgement: the mean
/// square of 12 predictions has an error of 40 %.
const SWITCH_RATIO_SHORT: f64 = 2.5;
/// A steady filter whose short score is larger than the active filter's by this factor is reset.
/// Judgement: well beyond [`SWITCH_RATIO_SHORT`].
const RESET_RATIO: f64 = 6.0;
/// Each block that is shorter than usual reduces the usual sample count by 1 / `FORGET_COUNT` of
/// its value. Judgement: five such blocks halve it.
const FORGET_COUNT: u32 = 8;
/// A filter is far from the reference if it differs by more than this many of the reference's
/// standard deviations. Judgement: exceeded by chance once in 16 000 (normal distribution).
const LAG_SIGMAS: f64 = 4.0;
/// A filter lags if it is far from the reference in this many consecutive snapshots. Judgement: a
/// single deviation may be an error of the reference.
const LAG_SNAPSHOTS: u32 = 2;
/// In the minimum set, a forward block holds at most the number of reverse samples so far, divided
/// by this. Judgement: the reverse samples so far then fill two blocks of the same size, which are
/// needed to compare the directions.
const REVERSE_BLOCKS: u32 = 2;
/// A forward block may hold one sample more than the last reverse block, plus the reverse block's
/// size divided by this. For example, it may hold 8 + 1 + 2 = 11 samples after a reverse block with
/// 8. Judgement: growth by a quarter keeps the mean lateness of both directions nearly equal.
const COUNT_GROWTH: u32 = 4;
/// A filter with a drift state becomes eligible when its drift is this many standard deviations
/// from zero. Judgement: exceeded by chance once in 22 (normal distribution).
const DRIFT_SIGNIFICANT: f64 = 2.0;
/// A filter with a drift state stays eligible while its drift is at least this many standard
/// deviations from zero. Judgement: hysteresis of a factor of two.
const DRIFT_KEPT: f64 = 1.0;
/// A steady filter is not penalised for a mean square prediction error of up to this many times the
/// variance of the other clock's wander. Judgement: this corresponds to 2.4 standard deviations.
const EXCUSED: f64 = 6.0;
/// Maximum length of a block. Judgement: about twice [`HORIZON`]. A forward block that lasts twice
/// as long as this, because it was interrupted, is discarded.
const LONGEST_BLOCK: Nanos = Nanos::from_secs(64);

/// A filter, the blocks that feed it, and its scores.
#[derive(Clone, Debug)]
struct Member {
    reduction: Reduction,
    filter: Kalman,
    /// The forward block and the reverse block.
    blocks: [Block; 2],
    /// Usual number of samples in a forward block. A short block after a silence does not change it
    /// much.
    forward_count: u32,
    /// Reverse samples since the current path was first used.
    reverse_count: u32,
    /// Number of samples in the last reverse block.
    reverse_block: u32,
    /// Whether the reverse direction is measured.
    two_way: bool,
    /// Ring of predicted offsets, ns.
    snapshots: [f64; SNAPSHOTS],
    /// Mean square prediction errors, ns^2, over [`SHORT_MEMORY`] and over [`LONG_MEMORY`].
    short: f64,
    long: f64,
    predictions: f64,
    /// Consecutive snapshots in which the filter was far from the reference.
    apart: u32,
}

impl Member {
    fn new(reduction: Reduction, wander: ProcessNoise, prior: Prior, sample: &Sample) -> Self {
        Self {
            reduction,
            filter: Kalman::new(reduction, wander, prior, sample),
            blocks: [Direction::Forward, Direction::Reverse].map(|direction| Block::new(reduction, direction)),
            forward_count: 1,
            reverse_count: 0,
            reverse_block: 0,
            two_way: prior.delay_sigma_ns > 0.0,
            snapshots: [0.0; SNAPSHOTS],
            short: 0.0,
            long: 0.0,
            predictions: 0.0,
            apart: 0,
        }
    }

    fn take(&mut self, sample: &Sample, now: LocalTime) {
        let direction = sample.direction;
        let block = &mut self.blocks[direction.index()];
        let length = block.length(now);
        if direction == Direction::Forward && length > LONGEST_BLOCK.times(2) {
            block.clear();
        }
        let count = block.add(sample, self.filter.state()[1]);
        if self.is_full(now, direction, count, length) {
            let reduced = self.blocks[direction.index()].take();
            // A short block is later on average than a block with the usual number of samples, so
            // its mean lateness does not cancel between the directions.
            let is_short = self.reduction == Reduction::Minimum && 2 * count < self.forward_count;
            self.filter.update(&reduced, is_short, now);
        }
    }

    /// Counts the sample, and returns whether the block ends with it. Blocks of the minimum set
    /// must hold the same number of samples in both directions, so that their mean lateness
    /// cancels. The sparser direction, mostly the reverse one, limits that number.
    fn is_full(&mut self, now: LocalTime, direction: Direction, count: u32, length: Nanos) -> bool {
        let worth = self.filter.is_informative(now, direction, count);
        if self.reduction == Reduction::Mean {
            return worth || length >= LONGEST_BLOCK;
        }
        match direction {
            Direction::Forward => {
                let keeps_up = self.reverse_block + 1 + self.reverse_block / COUNT_GROWTH;
                let limit = self.two_way.then(|| (self.reverse_count / REVERSE_BLOCKS).clamp(1, keeps_up));
                let full = worth || length >= LONGEST_BLOCK || limit.is_some_and(|limit| count >= limit);
                if full {
                    self.forward_count = count.max(self.forward_count - self.forward_count / FORGET_COUNT);
                }
                full
            }
            Direction::Reverse => {
                self.reverse_count = self.reverse_count.saturating_add(1);
                let full = count >= self.forward_count;
                if full {
                    self.reverse_block = count;
                }
                full
            }
        }
    }

    fn score(&mut self, slot: usize, reference_ns: f64) {
        let error_ns = self.snapshots[slot] - reference_ns;
        let square = error_ns * error_ns;
        self.predictions += 1.0;
        self.long += (square - self.long) / self.predictions.min(LONG_MEMORY);
        self.short += (square - self.short) / self.predictions.min(SHORT_MEMORY);
    }

    fn lags(&self) -> bool {
        self.apart >= LAG_SNAPSHOTS
    }

    /// Whether this filter predicts better than `other` by more than the other clock's wander
    /// explains. `excused` is the mean square error that does not count against a steady filter.
    fn beats(&self, other: &Self, excused: f64) -> bool {
        let long = self.long * SWITCH_RATIO_LONG + excused < other.long;
        long || self.short * SWITCH_RATIO_SHORT + excused < other.short
    }
}

/// Filters that differ in their process noise, and the index of the active one.
#[derive(Clone, Debug)]
pub(super) struct ModelSet {
    members: [Member; PROCESS_NOISES.len()],
    active: usize,
    /// Snapshots since the last interruption.
    snapshots: usize,
    snapshot_at: LocalTime,
    /// Mean square error of prediction that the other clock's wander explains, ns^2.
    excused: f64,
}

impl ModelSet {
    /// Creates a set that starts from one sample.
    pub(super) fn new(reduction: Reduction, prior: Prior, sample: &Sample) -> Self {
        let member = |process_noise| Member::new(reduction, process_noise, prior, sample);
        Self {
            members: PROCESS_NOISES.map(member),
            active: FIRST_ACTIVE,
            snapshots: 0,
            snapshot_at: sample.at,
            excused: 0.0,
        }
    }

    /// The active filter.
    pub(super) fn active(&self) -> &Kalman {
        &self.members[self.active].filter
    }

    /// Square of the distance between the active filter and the reference, ns^2. The distance
    /// reveals a lag that has just begun and is not visible in the filter's covariance yet.
    pub(super) fn lag_variance(&self, now: LocalTime) -> f64 {
        let lag_ns = self.members[REFERENCE].filter.offset_ns(now) - self.active().offset_ns(now);
        lag_ns * lag_ns
    }

    /// Error variance of the active filter that its covariance does not include, ns^2: lag, and
    /// unequal lateness in the two directions.
    pub(super) fn unmodelled_variance(&self, now: LocalTime) -> f64 {
        let asymmetry_ns = self.asymmetry_ns();
        self.lag_variance(now) + asymmetry_ns * asymmetry_ns
    }

    /// Variance of the active filter's offset, for comparison with another set, ns^2.
    pub(super) fn variance(&self) -> f64 {
        let active = &self.members[self.active];
        let hidden_ns =
            if active.two_way { active.filter.noise().asymmetry_ns() } else { active.filter.noise().block_bias_ns() };
        active.filter.covariance()[0][0] + hidden_ns * hidden_ns
    }

    /// Error of the active filter's offset due to unequal lateness in the two directions, ns; zero
    /// if the delay is part of the offset.
    fn asymmetry_ns(&self) -> f64 {
        let active = &self.members[self.active];
        if active.two_way { active.filter.noise().asymmetry_ns() } else { 0.0 }
    }

    /// Processes a sample.
    pub(super) fn take(&mut self, sample: &Sample, now: LocalTime) {
        for member in &mut self.members {
            member.take(sample, now);
        }
        let waited = now.since(self.snapshot_at);
        if waited >= SNAPSHOT_INTERVAL {
            // After a silence, the waiting predictions are for a time other than now, so they are
            // discarded.
            if waited > SNAPSHOT_INTERVAL.times(2) {
                self.snapshots = 0;
            }
            self.snapshot_at = now;
            self.snapshot(now);
        }
    }

    fn snapshot(&mut self, now: LocalTime) {
        let slot = self.snapshots % SNAPSHOTS;
        let full = self.snapshots >= SNAPSHOTS;
        let reference = &self.members[REFERENCE].filter;
        let (reference_ns, variance) = (reference.offset_ns(now), reference.variance(now, Direction::Forward));
        let limit = LAG_SIGMAS * LAG_SIGMAS * variance + self.excused;
        for member in &mut self.members {
            if full {
                member.score(slot, reference_ns);
            }
            member.snapshots[slot] = member.filter.offset_ns(now + HORIZON);
            let apart_ns = reference_ns - member.filter.offset_ns(now);
            let lags = apart_ns * apart_ns > limit;
            member.apart = if lags { member.apart + 1 } else { 0 };
        }
        self.snapshots += 1;
        if (full && self.members[0].predictions >= FIRST_SELECTION) || self.members[self.active].lags() {
            self.select();
        }
    }

    fn select(&mut self) {
        let eligible = |i: usize| {
            let limit = if i == self.active { DRIFT_KEPT } else { DRIFT_SIGNIFICANT };
            !self.members[i].lags() && self.members[i].filter.drift_sigmas() >= limit
        };
        let beaten = |i: usize| {
            let mut rivals = (i + 1..PROCESS_NOISES.len()).filter(|&rival| eligible(rival));
            !eligible(i) || rivals.any(|rival| self.members[rival].beats(&self.members[i], self.excused))
        };
        self.active = (0..MOST_AGILE).find(|&i| !beaten(i)).unwrap_or(MOST_AGILE);
        let (steadier, rest) = self.members.split_at_mut(self.active);
        let active = &rest[0];
        for member in steadier {
            if member.lags() || member.short > RESET_RATIO * active.short + self.excused {
                member.filter.adopt(&active.filter);
                member.snapshots = active.snapshots;
                member.apart = 0;
                // The filter must earn a good score again before it can be selected.
                member.short = SWITCH_RATIO_SHORT * active.short;
            }
        }
    }

    /// Gives every filter the state of the active one, and then applies `change`. The differences
    /// between the filters are lost.
    pub(super) fn restart(&mut self, change: impl Fn(&mut Kalman)) {
        let active = self.active().clone();
        self.change(|filter| {
            filter.adopt(&active);
            change(filter);
        });
        for member in &mut self.members {
            member.apart = 0;
        }
    }

    /// Changes every filter in the same way, and discards the blocks and predictions that began
    /// earlier.
    pub(super) fn change(&mut self, change: impl Fn(&mut Kalman)) {
        for member in &mut self.members {
            change(&mut member.filter);
            member.blocks.iter_mut().for_each(Block::clear);
        }
        self.snapshots = 0;
    }

    /// Applies `change` to every filter because the delay has changed; `two_way` states whether the
    /// new delay will be measured.
    pub(super) fn change_delay(&mut self, two_way: bool, change: impl Fn(&mut Kalman)) {
        self.change(change);
        for member in &mut self.members {
            (member.forward_count, member.reverse_count, member.reverse_block) = (1, 0, 0);
            member.two_way = two_way;
        }
    }

    /// Limits the growth of the delay's standard deviation to `most_ns`.
    pub(super) fn bound_delay(&mut self, most_ns: f64) {
        for member in &mut self.members {
            member.filter.bound_delay(most_ns);
        }
    }

    /// Configures every filter with the measured wander of the other clock.
    pub(super) fn set_phase_wander(&mut self, wander: PhaseWander) {
        self.excused = EXCUSED * wander.rms_ns * wander.rms_ns;
        for member in &mut self.members {
            member.filter.set_phase_wander(wander);
        }
    }

    /// Advances every filter to `now`.
    pub(super) fn predict(&mut self, now: LocalTime) {
        for member in &mut self.members {
            member.filter.predict(now);
        }
    }
}
