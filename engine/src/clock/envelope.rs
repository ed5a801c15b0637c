//! Detects that the estimated envelope of one-way timestamps is too late.
//!
//! Model: packets and callbacks are late by any amount, never early, so the least late ones form an
//! envelope. While the envelope is being learnt, individual samples are earlier than the estimated
//! envelope, and so are most samples of a burst. But if every sample in a quarter of a second is
//! earlier than the envelope, the estimate is wrong: the first packet of a timeline was late, or
//! the host was stalled so often that the estimate followed the stalls. A filter cannot detect
//! this, because it learns its own error as noise.

use super::outlier_run::{OutlierRun, Proof};
use super::sample::Sample;
use crate::units::Nanos;

/// Lateness of the envelope, ns, below which the filters correct it by themselves. Judgement: less
/// than any playout delay.
const BEYOND_NS: f64 = 1e6;
/// Run of samples that proves that the envelope is late. Judgement: longer than the bursts of
/// senders that send once per audio block of 4096 frames at 48 kHz.
const PROOF: Proof = Proof { samples: 5, time: Nanos::from_millis(250) };

/// Detects runs of samples that are earlier than the envelope.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LateEnvelopeDetector {
    run: Option<OutlierRun>,
}

impl LateEnvelopeDetector {
    /// Processes a sample and its lateness relative to the envelope. When a run proves that the
    /// envelope is late, returns the earliest sample of the run.
    pub(super) fn judge(&mut self, sample: &Sample, lateness_ns: f64) -> Option<Sample> {
        if lateness_ns > -BEYOND_NS {
            self.run = None;
            return None;
        }
        // A silence ends the run: over a longer time, the error of the rate would matter, and the
        // path may have changed.
        let run = self.run.filter(|run| run.silence(sample.at) < PROOF.time);
        // The samples of a run are ranked by offset instead of lateness, because the envelope moves
        // during the run. The clock's rate error does not matter over such a short time.
        let run = OutlierRun::extended(run, sample, -sample.offset_ns);
        let is_proven = run.proves(sample.at, PROOF);
        self.run = Some(run).filter(|_| !is_proven);
        is_proven.then_some(run.best)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Direction;
    use super::*;
    use crate::units::LocalTime;

    /// Passes samples that are late by `late_ms`, one every `every_ms`. Returns the index of the
    /// sample that completes the first proof, and the earliness of the earliest sample of the run,
    /// ms.
    fn proof(every_ms: i64, late_ms: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
        let mut detector = LateEnvelopeDetector::default();
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
