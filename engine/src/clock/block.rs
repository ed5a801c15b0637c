//! Reducing a block of samples to one.
//!
//! Model: packets are late, never early. Of N packets with exponential jitter J the least late one errs by J / N, any average by J / sqrt(N); with normal
//! jitter it is the other way round. So a block is reduced in both ways, and what follows finds out which is steadier. Blocks are short at first,
//! so that the first seconds are not wasted, and grow with the age of the estimate.

use super::estimator::Sample;
use crate::units::{LocalTime, Nanos};

/// Longest block: longer ones would be more exact, and answer later to a crystal that wanders.
const LONGEST: Nanos = Nanos::from_secs(4);
/// Share of the estimate's age that a block may take.
const AGE_SHARE: i64 = 8;

/// How a block becomes one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    /// The least late sample: best for queueing noise.
    Least,
    /// The average: best for symmetric noise.
    Mean,
}

/// A block that is being filled. All its samples travelled the same way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    reduction: Reduction,
    start: Option<LocalTime>,
    samples: f64,
    /// Least lateness, or sum of latenesses.
    lateness_ns: f64,
}

impl Block {
    pub(super) fn new(reduction: Reduction) -> Self {
        Self { reduction, start: None, samples: 0.0, lateness_ns: 0.0 }
    }

    /// Adds a sample that is late by `lateness_ns` against the present estimate, which is `age` old. When this ends the block, returns the
    /// lateness that stands for it.
    pub(super) fn add(&mut self, sample: &Sample, lateness_ns: f64, age: Nanos) -> Option<f64> {
        let start = *self.start.get_or_insert(sample.at);
        self.lateness_ns = match self.reduction {
            Reduction::Mean => self.lateness_ns + lateness_ns,
            Reduction::Least if self.samples > 0.0 => self.lateness_ns.min(lateness_ns),
            Reduction::Least => lateness_ns,
        };
        self.samples += 1.0;
        let length = Nanos::new(age.as_nanos() / AGE_SHARE).min(LONGEST);
        if sample.at.since(start) < length {
            return None;
        }
        let reduced = match self.reduction {
            Reduction::Mean => self.lateness_ns / self.samples,
            Reduction::Least => self.lateness_ns,
        };
        *self = Self::new(self.reduction);
        Some(reduced)
    }
}
