//! A histogram of the lateness of packets.
//!
//! Model: logarithmic buckets from 1 us to a second, four per octave, so the error of a quantile is
//! at most 25 %. Memory is constant, and nothing is allocated.

use crate::units::Nanos;

/// Number of buckets per octave. Judgement: the error of a quantile is then at most 25 %.
const PER_OCTAVE: usize = 4;
/// Binary logarithm of the smallest lateness in ns that is resolved. Judgement: about 1 us.
const FIRST_OCTAVE: u32 = 10;
/// Number of octaves that are resolved. Judgement: up to 2^30 ns, about a second.
const OCTAVES: usize = 20;
/// Number of buckets. Derived: [`PER_OCTAVE`] for each octave, and one for smaller values.
const BUCKETS: usize = OCTAVES * PER_OCTAVE + 1;

/// A histogram of lateness.
///
/// ```
/// use engine::Nanos;
/// use engine::send::LatenessHistogram;
/// let mut lateness = LatenessHistogram::default();
/// (1..=99).for_each(|_| lateness.record(Nanos::from_micros(10)));
/// lateness.record(Nanos::from_millis(3));
/// assert_eq!((lateness.count(), lateness.max()), (100, Nanos::from_millis(3)));
/// assert!((Nanos::from_micros(10)..Nanos::from_micros(12)).contains(&lateness.quantile(0.5)));
/// assert_eq!(lateness.quantile(1.0), Nanos::from_millis(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatenessHistogram {
    buckets: [u64; BUCKETS],
    count: u64,
    max: Nanos,
}

impl Default for LatenessHistogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0, max: Nanos::ZERO }
    }
}

impl LatenessHistogram {
    /// Counts a packet that left `late` after it was due. A packet that left early is counted with
    /// the punctual ones.
    pub fn record(&mut self, late: Nanos) {
        self.buckets[bucket(late)] += 1;
        self.count += 1;
        self.max = self.max.max(late);
    }

    /// Number of packets counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The greatest lateness.
    #[must_use]
    pub const fn max(&self) -> Nanos {
        self.max
    }

    /// The lateness that the given fraction of packets did not exceed, rounded up to the end of its
    /// bucket; zero before the first packet.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count; a quantile needs no exact one"
    )]
    pub fn quantile(&self, share: f64) -> Nanos {
        let wanted = libm::ceil(share.clamp(0.0, 1.0) * self.count as f64) as u64;
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return end_of(index).min(self.max);
            }
        }
        Nanos::ZERO
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the two low bits are used")]
fn bucket(late: Nanos) -> usize {
    let ns = u64::try_from(late.as_nanos()).unwrap_or(0);
    let octave = ns.checked_ilog2().unwrap_or(0);
    if octave < FIRST_OCTAVE {
        return 0;
    }
    // The two bits after the leading one determine the quarter of the octave.
    let quarter = (ns >> (octave - 2)) as usize % PER_OCTAVE;
    let index = (octave - FIRST_OCTAVE) as usize * PER_OCTAVE + quarter + 1;
    index.min(BUCKETS - 1)
}

/// The lateness at which a bucket ends, exclusive; the last bucket has no end.
#[expect(clippy::cast_possible_wrap, reason = "indices of buckets are small")]
fn end_of(index: usize) -> Nanos {
    if index == BUCKETS - 1 {
        return Nanos::new(i64::MAX);
    }
    let (octave, quarter) = (index / PER_OCTAVE, index % PER_OCTAVE);
    let start = 1i64 << (FIRST_OCTAVE as usize + octave);
    Nanos::new(start + start / PER_OCTAVE as i64 * quarter as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_at_least_the_true_one_and_at_most_a_quarter_more(mut late_ns in proptest::collection::vec(0i64..2_000_000_000, 1..200), share in 0.01f64..1.0) {
            let mut lateness = LatenessHistogram::default();
            late_ns.iter().for_each(|&ns| lateness.record(Nanos::new(ns)));
            late_ns.sort_unstable();
            let rank = (libm::ceil(share * late_ns.len() as f64) as usize).max(1);
            let truth = late_ns[rank - 1];
            let told = lateness.quantile(share).as_nanos();
            prop_assert!(told >= truth, "{} < {}", told, truth);
            if truth < 1 << 29 {
                prop_assert!(told <= (truth + truth / 4).max(1024), "{} for {}", told, truth);
            }
            prop_assert_eq!(lateness.quantile(1.0).as_nanos(), *late_ns.last().unwrap());
        }
    }
}
