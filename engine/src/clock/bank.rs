//! A bank of filters that assume different wander of the rate, all fed by the same reduction of the
//! samples.
//!
//! Model: a crystal at rest wanders little, one that warms up wanders a lot, and a filter that
//! assumes the wrong one either lags or is noisy. Every filter of the bank is scored by how well it
//! would have predicted the offset 30 s ahead, against the present estimate of an agile one, which
//! hardly lags. The steadiest filter that is not beaten speaks. A steady filter that is beaten by
//! far restarts from the speaker's state, so that it is right again when the crystal comes to rest.

use super::block::{Block, Reduction};
use super::kalman::{Kalman, Prior, Wander};
use super::sample::{Direction, Sample};
use super::wander::PhaseWander;
use crate::units::{LocalTime, Nanos};

/// What each filter takes the crystal to do, steadiest first: at rest it wanders by 1 ppb per
/// square root of a second; one that warms up, or follows the sun, drifts by up to 20 ppb per
/// second, and the drift itself changes over minutes; the last one believes hardly anything that is
/// a minute old.
const WANDERS: [Wander; 6] = [
    Wander::of_rate(1.0),
    Wander::of_rate(10.0),
    Wander::of_rate(100.0),
    Wander { rate: 10.0, drift: 0.1 },
    Wander::of_rate(3000.0),
    Wander { rate: 1000.0, drift: 10.0 },
];
const MOST_AGILE: usize = WANDERS.len() - 1;
/// The filter that the others are compared with: agile enough for any crystal, and still not as
/// noisy as the last one.
const REFERENCE: usize = 4;
/// The filter that speaks until predictions are scored.
const FIRST_SPEAKER: usize = 1;
/// How far ahead predictions are scored: about the memory of the filters.
const HORIZON: Nanos = Nanos::from_secs(30);
/// Predictions that wait for their time, and the time between them.
const SNAPSHOTS: usize = 6;
const SNAPSHOT_INTERVAL: Nanos = Nanos::new(HORIZON.as_nanos() / SNAPSHOTS as i64);
/// Predictions over which the two scores forget: a quarter of an hour, to tell small differences
/// apart; a minute, to notice a crystal that begins to warm up.
const LONG_MEMORY: f64 = 180.0;
const SHORT_MEMORY: f64 = 12.0;
/// Predictions before any filter is chosen by them.
const FIRST_CHOICE: f64 = 6.0;
/// A more agile filter must be better by these factors (in mean square), because being steady is
/// worth something.
const BEATEN_LONG: f64 = 1.1;
const BEATEN_SHORT: f64 = 2.5;
/// Beaten by this factor, a filter is lost and starts again from the speaker.
const LOST: f64 = 6.0;
/// Share of the usual number of samples in a block that is forgotten with every shorter one: 1 / 8.
const FORGET_COUNT: u32 = 8;
/// A filter that is this many standard deviations of the reference away from that, in so many
/// snapshots in a row, lags, whatever its score.
const LAG_SIGMAS: f64 = 4.0;
const LAG_SNAPSHOTS: u32 = 2;
/// A block of least values may hold as many samples as leave this many blocks of the reverse ones
/// so far.
const REVERSE_BLOCKS: u32 = 2;
/// From one reverse block to the next, forward blocks may grow by one sample, and by 1 / 4.
const COUNT_GROWTH: u32 = 4;
/// A drift that is this many standard deviations from nothing is one, and is one no more below the
/// second.
const DRIFT_FOUND: f64 = 2.0;
const DRIFT_KEPT: f64 = 1.0;
/// An error of prediction is excused that is up to so many variances of the other clock's wander:
/// 2.4 standard deviations.
const EXCUSED: f64 = 6.0;
/// Longest block; a block that was interrupted for longer is of no use.
const LONGEST_BLOCK: Nanos = Nanos::from_secs(64);

/// A filter, the blocks that feed it, and how well it predicts.
#[derive(Clone, Debug)]
struct Member {
    reduction: Reduction,
    filter: Kalman,
    /// Forward, reverse.
    blocks: [Block; 2],
    /// Samples in forward blocks; a short block after a silence is an exception.
    forward_count: u32,
    /// Reverse samples of the present path.
    reverse_count: u32,
    /// Samples in the last reverse block.
    reverse_block: u32,
    /// Whether there are any reverse samples to be expected.
    two_way: bool,
    /// Old predictions of the offset, ns.
    snapshots: [f64; SNAPSHOTS],
    /// Mean square errors of prediction, ns^2.
    short: f64,
    long: f64,
    predictions: f64,
    /// Snapshots in a row that found the filter far from the reference.
    apart: u32,
}

impl Member {
    fn new(reduction: Reduction, wander: Wander, prior: Prior, sample: &Sample) -> Self {
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
            // Its mean lateness does not cancel with that of blocks of the usual size.
            let is_short = self.reduction == Reduction::Least && 2 * count < self.forward_count;
            self.filter.update(&reduced, is_short, now);
        }
    }

    /// Whether a block ends here. Blocks of least values must hold as many samples in both
    /// directions, so that their mean lateness cancels; what is sparse, mostly the reverse one,
    /// decides how many that can be.
    fn is_full(&mut self, now: LocalTime, direction: Direction, count: u32, length: Nanos) -> bool {
        let worth = self.filter.is_worth(now, direction, count);
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

    /// Whether it predicts better than another by more than the other clock's wander explains, of
    /// which `excused` is as much of a mean square error as says nothing against a steady filter.
    fn beats(&self, other: &Self, excused: f64) -> bool {
        let long = self.long * BEATEN_LONG + excused < other.long;
        long || self.short * BEATEN_SHORT + excused < other.short
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bank {
    members: [Member; WANDERS.len()],
    speaker: usize,
    /// Snapshots taken since the last interruption.
    snapshots: usize,
    snapshot_at: LocalTime,
    /// What the other clock's wander explains of an error of prediction, ns^2.
    excused: f64,
}

impl Bank {
    /// A bank that begins with one sample; each filter assumes its own wander.
    pub(super) fn new(reduction: Reduction, prior: Prior, sample: &Sample) -> Self {
        let member = |wander| Member::new(reduction, wander, prior, sample);
        Self {
            members: WANDERS.map(member),
            speaker: FIRST_SPEAKER,
            snapshots: 0,
            snapshot_at: sample.at,
            excused: 0.0,
        }
    }

    /// The filter that is to be believed.
    pub(super) fn speaker(&self) -> &Kalman {
        &self.members[self.speaker].filter
    }

    /// Square of the distance between the speaker and the reference, ns^2: a speaker that begins to
    /// lag does not know it yet.
    pub(super) fn lag_variance(&self, now: LocalTime) -> f64 {
        let lag_ns = self.members[REFERENCE].filter.offset_ns(now) - self.speaker().offset_ns(now);
        lag_ns * lag_ns
    }

    /// Variance of the speaker's error that its covariance does not hold, ns^2: it may lag, and
    /// packets may be late by more in one direction.
    pub(super) fn hidden_variance(&self, now: LocalTime) -> f64 {
        let asymmetry_ns = self.asymmetry_ns();
        self.lag_variance(now) + asymmetry_ns * asymmetry_ns
    }

    /// Variance of the speaker's offset, as far as it is to be compared with another bank's, ns^2.
    pub(super) fn variance(&self) -> f64 {
        let speaker = &self.members[self.speaker];
        let hidden_ns =
            if speaker.two_way { speaker.filter.noise().asymmetry_ns() } else { speaker.filter.noise().growing_ns() };
        speaker.filter.covariance()[0][0] + hidden_ns * hidden_ns
    }

    /// What the speaker's offset may be wrong by because packets are late; nothing if that belongs
    /// to it.
    fn asymmetry_ns(&self) -> f64 {
        let speaker = &self.members[self.speaker];
        if speaker.two_way { speaker.filter.noise().asymmetry_ns() } else { 0.0 }
    }

    /// Takes a sample.
    pub(super) fn take(&mut self, sample: &Sample, now: LocalTime) {
        for member in &mut self.members {
            member.take(sample, now);
        }
        let waited = now.since(self.snapshot_at);
        if waited >= SNAPSHOT_INTERVAL {
            // After a silence the horizon of the old snapshots is another.
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
        if (full && self.members[0].predictions >= FIRST_CHOICE) || self.members[self.speaker].lags() {
            self.choose();
        }
    }

    fn choose(&mut self) {
        let eligible = |i: usize| {
            let limit = if i == self.speaker { DRIFT_KEPT } else { DRIFT_FOUND };
            !self.members[i].lags() && self.members[i].filter.drift_sigmas() >= limit
        };
        let beaten = |i: usize| {
            let mut rivals = (i + 1..WANDERS.len()).filter(|&rival| eligible(rival));
            !eligible(i) || rivals.any(|rival| self.members[rival].beats(&self.members[i], self.excused))
        };
        self.speaker = (0..MOST_AGILE).find(|&i| !beaten(i)).unwrap_or(MOST_AGILE);
        let (steadier, rest) = self.members.split_at_mut(self.speaker);
        let speaker = &rest[0];
        for member in steadier {
            if member.lags() || member.short > LOST * speaker.short + self.excused {
                member.filter.adopt(&speaker.filter);
                member.snapshots = speaker.snapshots;
                member.apart = 0;
                // Lost until it has proven itself.
                member.short = BEATEN_SHORT * speaker.short;
            }
        }
    }

    /// Begins anew from what the speaker says, changed: what the filters disagreed about is void.
    pub(super) fn restart(&mut self, change: impl Fn(&mut Kalman)) {
        let speaker = self.speaker().clone();
        self.change(|filter| {
            filter.adopt(&speaker);
            change(filter);
        });
        for member in &mut self.members {
            member.apart = 0;
        }
    }

    /// Changes every filter in the same way; blocks and predictions begun before that are void.
    pub(super) fn change(&mut self, change: impl Fn(&mut Kalman)) {
        for member in &mut self.members {
            change(&mut member.filter);
            member.blocks.iter_mut().for_each(Block::clear);
        }
        self.snapshots = 0;
    }

    /// The delay is another, and is (or is not) going to be measured.
    pub(super) fn change_delay(&mut self, two_way: bool, change: impl Fn(&mut Kalman)) {
        self.change(change);
        for member in &mut self.members {
            (member.forward_count, member.reverse_count, member.reverse_block) = (1, 0, 0);
            member.two_way = two_way;
        }
    }

    /// What is known of the delay is forgotten up to this standard deviation.
    pub(super) fn bound_delay(&mut self, most_ns: f64) {
        for member in &mut self.members {
            member.filter.bound_delay(most_ns);
        }
    }

    /// Tells every filter how far the other clock wanders.
    pub(super) fn set_phase_wander(&mut self, wander: PhaseWander) {
        self.excused = EXCUSED * wander.rms_ns * wander.rms_ns;
        for member in &mut self.members {
            member.filter.set_phase_wander(wander);
        }
    }

    /// Brings every filter's state to `now`.
    pub(super) fn predict(&mut self, now: LocalTime) {
        for member in &mut self.members {
            member.filter.predict(now);
        }
    }
}
