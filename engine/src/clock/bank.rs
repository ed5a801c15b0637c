//! A bank of filters that assume different wander of the rate, all fed by the same reduction of the samples.
//!
//! Model: a crystal at rest wanders little, one that warms up wanders a lot, and a filter that assumes the wrong one either lags or is noisy. Every filter of the
//! bank is scored by how well it would have predicted the offset 30 s ahead, against the present estimate of the most agile one, which does not lag. The steadiest filter
//! that is not beaten speaks. A steady filter that is beaten by far restarts from the speaker's state, so that it is right again when the crystal comes to rest.

use super::block::{Block, Reduction};
use super::estimator::{Direction, Sample};
use super::kalman::{Kalman, Prior};
use crate::units::{LocalTime, Nanos};

/// The wander that each filter assumes, ppb^2 per second, steadiest first: 1 is a crystal at rest (1 ppb per square root of a second); one that warms up
/// by 20 ppb per second needs the last.
const WANDERS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const MOST_AGILE: usize = WANDERS.len() - 1;
/// The filter that speaks until predictions are scored.
const FIRST_SPEAKER: usize = 1;
/// How far ahead predictions are scored: about the memory of the filters.
const HORIZON: Nanos = Nanos::from_secs(30);
/// Predictions that wait for their time, and the time between them.
const SNAPSHOTS: usize = 6;
const SNAPSHOT_INTERVAL: Nanos = Nanos::new(HORIZON.as_nanos() / SNAPSHOTS as i64);
/// Predictions over which the two scores forget: a quarter of an hour, to tell small differences apart; a minute, to notice a crystal that begins to warm up.
const LONG_MEMORY: f64 = 180.0;
const SHORT_MEMORY: f64 = 12.0;
/// Predictions before any filter is chosen by them.
const FIRST_CHOICE: f64 = 6.0;
/// A more agile filter must be better by these factors (in mean square), because being steady is worth something.
const BEATEN_LONG: f64 = 1.1;
const BEATEN_SHORT: f64 = 2.5;
/// Beaten by this factor, a filter is lost and starts again from the speaker.
const LOST: f64 = 6.0;
/// Share of the usual number of samples in a block that is forgotten with every shorter one: 1 / 8.
const FORGET_COUNT: u32 = 8;
/// A filter that is this many standard deviations of the most agile one away from that lags, whatever its score.
const LAG_SIGMAS: f64 = 5.0;
/// Longest block; a block that was interrupted for longer is of no use.
const LONGEST_BLOCK: Nanos = Nanos::from_secs(64);

/// A filter, the blocks that feed it, and how well it predicts.
#[derive(Clone, Debug)]
struct Member {
    filter: Kalman,
    /// Forward, reverse.
    blocks: [Block; 2],
    /// Samples in forward blocks; a short block after a silence is an exception.
    forward_count: u32,
    /// Old estimates: offset, rate.
    snapshots: [(f64, f64); SNAPSHOTS],
    /// Mean square errors of prediction, ns^2.
    short: f64,
    long: f64,
    predictions: f64,
}

impl Member {
    fn new(reduction: Reduction, prior: Prior, sample: &Sample) -> Self {
        Self {
            filter: Kalman::new(reduction, prior, sample.at, sample.offset_ns, sample.direction),
            blocks: [Direction::Forward, Direction::Reverse].map(|direction| Block::new(reduction, direction)),
            forward_count: 1,
            snapshots: [(0.0, 0.0); SNAPSHOTS],
            short: 0.0,
            long: 0.0,
            predictions: 0.0,
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
        let full = match direction {
            Direction::Forward => length >= LONGEST_BLOCK,
            // As many as in forward blocks, so that the mean lateness of both cancels.
            Direction::Reverse => count >= self.forward_count,
        };
        if full || self.filter.is_worth(now, direction, count) {
            if direction == Direction::Forward {
                self.forward_count = count.max(self.forward_count - self.forward_count / FORGET_COUNT);
            }
            let reduced = block.take();
            self.filter.update(&reduced, now);
        }
    }

    fn score(&mut self, slot: usize, reference_ns: f64) {
        let (offset_ns, rate_ppb) = self.snapshots[slot];
        let error_ns = offset_ns + rate_ppb * HORIZON.as_secs_f64() - reference_ns;
        let square = error_ns * error_ns;
        self.predictions += 1.0;
        self.long += (square - self.long) / self.predictions.min(LONG_MEMORY);
        self.short += (square - self.short) / self.predictions.min(SHORT_MEMORY);
    }

    fn beats(&self, other: &Self) -> bool {
        self.long * BEATEN_LONG < other.long || self.short * BEATEN_SHORT < other.short
    }

    fn clear_blocks(&mut self) {
        self.blocks.iter_mut().for_each(Block::clear);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bank {
    members: [Member; WANDERS.len()],
    speaker: usize,
    /// Snapshots taken since the last interruption.
    snapshots: usize,
    snapshot_at: LocalTime,
}

impl Bank {
    /// A bank that begins with one sample; each filter assumes its own wander.
    pub(super) fn new(reduction: Reduction, prior: Prior, sample: &Sample) -> Self {
        let member = |rate_wander| Member::new(reduction, Prior { rate_wander, ..prior }, sample);
        Self { members: WANDERS.map(member), speaker: FIRST_SPEAKER, snapshots: 0, snapshot_at: sample.at }
    }

    /// The filter that is to be believed.
    pub(super) fn speaker(&self) -> &Kalman {
        &self.members[self.speaker].filter
    }

    /// Square of the difference between the speaker and the most agile filter at `now`, ns^2: a speaker that begins to lag does not know it yet.
    pub(super) fn disagreement(&self, now: LocalTime) -> f64 {
        let difference_ns = self.members[MOST_AGILE].filter.offset_ns(now) - self.speaker().offset_ns(now);
        difference_ns * difference_ns
    }

    /// Takes a sample.
    pub(super) fn take(&mut self, sample: &Sample, now: LocalTime) {
        for member in &mut self.members {
            member.take(sample, now);
        }
        if self.lags(self.speaker, now) {
            self.choose(now);
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
        let reference_ns = self.members[MOST_AGILE].filter.offset_ns(now);
        for member in &mut self.members {
            if full {
                member.score(slot, reference_ns);
            }
            member.snapshots[slot] = (member.filter.offset_ns(now), member.filter.state()[1]);
        }
        self.snapshots += 1;
        if full && self.members[0].predictions >= FIRST_CHOICE {
            self.choose(now);
        }
    }

    /// Whether a filter is far from the most agile one.
    fn lags(&self, index: usize, now: LocalTime) -> bool {
        let agile = &self.members[MOST_AGILE].filter;
        let difference_ns = agile.offset_ns(now) - self.members[index].filter.offset_ns(now);
        difference_ns * difference_ns > LAG_SIGMAS * LAG_SIGMAS * agile.variance(now, Direction::Forward)
    }

    fn choose(&mut self, now: LocalTime) {
        let lagging: [bool; WANDERS.len()] = std::array::from_fn(|i| self.lags(i, now));
        let beaten = |i: usize| lagging[i] || self.members[i + 1..].iter().any(|rival| rival.beats(&self.members[i]));
        self.speaker = (0..MOST_AGILE).find(|&i| !beaten(i)).unwrap_or(MOST_AGILE);
        let (steadier, rest) = self.members.split_at_mut(self.speaker);
        let speaker = &rest[0];
        for (member, lags) in steadier.iter_mut().zip(lagging) {
            if lags || member.short > LOST * speaker.short {
                member.filter.adopt(&speaker.filter);
                member.snapshots = speaker.snapshots;
                // Lost until it has proven itself.
                member.short = BEATEN_SHORT * speaker.short;
            }
        }
    }

    /// Changes every filter in the same way; blocks and predictions begun before that are void.
    pub(super) fn change(&mut self, change: impl Fn(&mut Kalman)) {
        for member in &mut self.members {
            change(&mut member.filter);
            member.clear_blocks();
        }
        self.snapshots = 0;
    }

    /// Brings every filter's state to `now`.
    pub(super) fn predict(&mut self, now: LocalTime) {
        for member in &mut self.members {
            member.filter.predict(now);
        }
    }
}
