//! Proof that the envelope of one-way timestamps is late.
//!
//! Model: packets and callbacks are late by any amount, never early. Single ones seem early while
//! the envelope is learnt, and so do most of a burst. But when every sample of a quarter of a
//! second comes before the envelope, that was moved beyond them: by a packet that began a new
//! timeline late, or by a host that stood still so often that it was taken for the truth. A filter
//! cannot see that, because it learns its own error as noise.

use super::sample::Sample;
use crate::units::{LocalTime, Nanos};

/// An envelope that is late by less is left to the filters.
const BEYOND_NS: f64 = 1e6;
/// Samples in a row that prove it, and the time that they must take: longer than any sender's
/// burst.
const PROOF: u32 = 5;
const PROOF_TIME: Nanos = Nanos::from_millis(250);

/// Samples in a row that are all early.
#[derive(Clone, Copy, Debug)]
struct Run {
    since: LocalTime,
    last: LocalTime,
    count: u32,
    earliest: Sample,
}

/// Watches for early samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EarlyDetector {
    run: Option<Run>,
}

impl EarlyDetector {
    /// Takes a sample and its lateness against the envelope. Returns the earliest sample of a run
    /// that proves the envelope to be late.
    pub(super) fn judge(&mut self, sample: &Sample, lateness_ns: f64) -> Option<Sample> {
        if lateness_ns > -BEYOND_NS {
            self.run = None;
            return None;
        }
        // After a silence the rate counts again, and the path may be another.
        let run = self.run.filter(|run| sample.at.since(run.last) < PROOF_TIME);
        let new = Run { since: sample.at, last: sample.at, count: 0, earliest: *sample };
        let run = self.run.insert(run.unwrap_or(new));
        run.count += 1;
        run.last = sample.at;
        // The envelope moves meanwhile, and no clock's rate matters in so short a time.
        if sample.offset_ns > run.earliest.offset_ns {
            run.earliest = *sample;
        }
        let proven = run.count >= PROOF && sample.at.since(run.since) >= PROOF_TIME;
        if proven { self.run.take().map(|run| run.earliest) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Direction;
    use super::*;

    /// The first proof by samples that are late by some ms, one each so many ms: its place, and how
    /// early its earliest sample was.
    fn proof(every_ms: i64, late_ms: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
        let mut detector = EarlyDetector::default();
        late_ms.enumerate().find_map(|(i, late_ms)| {
            let at = LocalTime::ZERO + Nanos::from_millis(every_ms * i as i64);
            let sample = Sample { at, offset_ns: -1e6 * late_ms, direction: Direction::Forward };
            detector.judge(&sample, 1e6 * late_ms).map(|earliest| (i, 1e-6 * earliest.offset_ns))
        })
    }

    #[test]
    fn a_quarter_of_a_second_of_early_samples_is_proof_of_the_earliest() {
        assert_eq!(proof(10, (0..50).map(|i| if i == 7 { -9.0 } else { -4.0 })), Some((25, 9.0)));
    }

    #[test]
    fn a_sample_on_time_ends_a_run() {
        assert_eq!(proof(10, (0..500).map(|i| if i % 20 == 0 { 0.0 } else { -4.0 })), None);
        assert_eq!(proof(10, (0..500).map(|_| -0.9)), None);
    }

    #[test]
    fn few_samples_are_no_proof() {
        assert_eq!(proof(100, (0..4).map(|_| -4.0)), None);
        assert_eq!(proof(100, (0..5).map(|_| -4.0)), Some((4, 4.0)));
    }

    #[test]
    fn a_silence_ends_a_run() {
        assert_eq!(proof(250, (0..50).map(|_| -4.0)), None);
    }
}
