//! The times that a lying master sends.

use super::crystal::TrueTime;
use super::streams::RandomStream;
use crate::scenario::{Lies, ToldTime};
use engine::ptp::wire::CorrectionField;
use engine::{Nanos, PtpTime};

/// A correctionField counts in 2^-16 ns (IEEE 1588-2019, 13.3.2.9).
const SCALED_NANOSECONDS: i64 = 1 << 16;

/// A master that lies.
#[derive(Clone, Debug)]
pub struct Lying {
    lies: Lies,
    since: TrueTime,
    random: RandomStream,
}

impl Lying {
    /// A master that begins to lie at `since`.
    #[must_use]
    pub fn new(lies: Lies, since: TrueTime, random: RandomStream) -> Self {
        Self { lies, since, random }
    }

    /// The time in a Sync or its Follow_Up instead of `time`.
    pub fn sync_time(&mut self, now: TrueTime, time: PtpTime) -> PtpTime {
        self.tell(self.lies.syncs, now, time)
    }

    /// The time in a Delay_Resp instead of `time`.
    pub fn answer_time(&mut self, now: TrueTime, time: PtpTime) -> PtpTime {
        self.tell(self.lies.delay_resps, now, time)
    }

    /// The correctionField of the message that carries a Sync's time, limited to the range of the
    /// field.
    #[must_use]
    pub fn correction(&self) -> CorrectionField {
        let by = self.lies.correction_us.nanos().as_nanos();
        CorrectionField::from_scaled_nanoseconds(by.saturating_mul(SCALED_NANOSECONDS))
    }

    /// Whether twoStepFlag is cleared.
    #[must_use]
    pub fn clears_flag(&self) -> bool {
        self.lies.flag_cleared
    }

    fn tell(&mut self, lie: Option<ToldTime>, now: TrueTime, time: PtpTime) -> PtpTime {
        let told = match lie {
            None => time,
            Some(ToldTime::OffsetUs(by)) => time + by.nanos(),
            Some(ToldTime::DriftPpm(rate)) => {
                time + Nanos::from_secs_f64((now - self.since) as f64 * rate.get() * 1e-15)
            }
            Some(ToldTime::RandomS(most)) => {
                time + Nanos::from_secs_f64((2.0 * self.random.uniform() - 1.0) * most.get())
            }
            Some(ToldTime::TimeS(told)) => PtpTime::EPOCH + told.nanos(),
        };
        // No timestamp is negative.
        told.max(PtpTime::EPOCH)
    }
}
