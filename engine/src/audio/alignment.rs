//! Decides whether a phase error is ignored, trimmed, or removed by a jump.
//!
//! Model: the clock estimates of a new stream are still settling, so the stream is left uncorrected
//! for a while. Then it is aligned with its setpoint, by one crossfaded jump if necessary. From
//! then on, the [rate controller](super::RateController) trims small errors, and large errors that
//! persist are removed by a jump.

use crate::units::Nanos;

/// Once the clocks have settled, a phase error larger than this is removed by a jump. Judgement: 5
/// frames at 48 kHz. A trim would take minutes to remove such an error.
const ALIGNED: Nanos = Nanos::from_micros(100);
/// [`ALIGNED`] as a multiple of the setpoint's standard deviation; the larger of the two limits
/// applies. Judgement: a smaller deviation may be due to the uncertainty of the setpoint.
const ALIGNED_SIGMAS: f64 = 1.0;
/// A phase error larger than this is removed by a jump at any time, if it persists. Judgement: the
/// trim, which is limited to 20 ppm, would take 100 s to remove such an error.
const JUMP: Nanos = Nanos::from_millis(2);
/// [`JUMP`] as a multiple of the setpoint's standard deviation; the larger of the two limits
/// applies. Judgement: a normally distributed error exceeds this by chance in one of 16 000 cases.
const JUMP_SIGMAS: f64 = 4.0;
/// How long an error beyond [`JUMP`] must persist before a jump. Judgement: longer than the usual
/// stalls of a host.
const JUMP_PATIENCE: Nanos = Nanos::from_millis(500);
/// Maximum time for which an error beyond [`JUMP`] is tolerated. Each jump that reverses the
/// previous one doubles this time, because reversals show that the reference wanders by an amount
/// that is not known yet. Judgement: measuring the wander takes about this long.
const LONGEST_PATIENCE: Nanos = Nanos::from_secs(16);
/// When there has been no error beyond [`JUMP`] for this multiple of the patience, the patience is
/// reset to [`JUMP_PATIENCE`]. Judgement: 16 s at the shortest patience, 8.5 min at the longest.
const FORGIVEN_AFTER: i64 = 32;

/// The correction of a phase error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Correction {
    /// The phase error is not corrected for now.
    Hold,
    /// The setpoint is moved to the current position.
    Adopt,
    /// The ratio is trimmed.
    Trim,
    /// The position jumps to the setpoint, with a crossfade.
    Jump,
}

/// Properties of the setpoint against which a phase error is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setpoint {
    /// Standard deviation of the setpoint.
    pub(crate) sigma: Nanos,
    /// How long a new stream is left uncorrected.
    pub(crate) settling: Nanos,
    /// Whether the setpoint is known absolutely, through PTP. Otherwise, it only defines the
    /// latency, and small errors do not matter.
    pub(crate) is_absolute: bool,
}

impl Setpoint {
    /// The larger of a limit and this many standard deviations of the setpoint.
    fn beyond(&self, limit: Nanos, sigmas: f64) -> Nanos {
        limit.max(Nanos::from_nanos_f64(sigmas * self.sigma.as_nanos_f64()))
    }
}

/// Decides how the phase errors of a stream are corrected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alignment {
    age: Nanos,
    is_settled: bool,
    /// Time for which the phase error has been large, and time for which it has been small; at
    /// least one of them is zero.
    error_duration: Nanos,
    calm_duration: Nanos,
    /// How long an error must persist before a jump.
    patience: Nanos,
    last_jump: Nanos,
}

impl Default for Alignment {
    fn default() -> Self {
        Self {
            age: Nanos::ZERO,
            is_settled: false,
            error_duration: Nanos::ZERO,
            calm_duration: Nanos::ZERO,
            patience: JUMP_PATIENCE,
            last_jump: Nanos::ZERO,
        }
    }
}

impl Alignment {
    /// Whether the stream has settled and the error is small enough to move the setpoint to the
    /// current position.
    pub(crate) fn may_adopt(&self, phase_error: Nanos) -> bool {
        self.is_settled && phase_error.abs() <= JUMP
    }

    /// Counts a block whose phase error is not to be corrected.
    pub(crate) fn wait(&mut self, block: Nanos) {
        self.age += block;
    }

    /// Records that the position has been moved to the setpoint for another reason.
    pub(crate) fn moved(&mut self) {
        self.error_duration = Nanos::ZERO;
    }

    /// Decides on the correction of `phase_error` (positive if the position lags) after another
    /// block.
    pub(crate) fn correct(&mut self, phase_error: Nanos, block: Nanos, setpoint: &Setpoint) -> Correction {
        self.age += block;
        let is_large = phase_error.abs() > setpoint.beyond(JUMP, JUMP_SIGMAS);
        self.error_duration = if is_large { self.error_duration + block } else { Nanos::ZERO };
        self.calm_duration = if self.error_duration > Nanos::ZERO { Nanos::ZERO } else { self.calm_duration + block };
        if self.calm_duration > self.patience.times(FORGIVEN_AFTER) {
            self.patience = JUMP_PATIENCE;
        }
        if self.error_duration >= self.patience {
            return self.jump(phase_error, setpoint);
        }
        if self.is_settled {
            // An error that a jump will remove is not trimmed in the meantime, because that would
            // only change the pitch.
            return if is_large { Correction::Hold } else { Correction::Trim };
        }
        self.is_settled = self.age >= setpoint.settling;
        if self.is_settled { Self::settle(phase_error, setpoint) } else { Correction::Hold }
    }

    fn jump(&mut self, phase_error: Nanos, setpoint: &Setpoint) -> Correction {
        self.error_duration = Nanos::ZERO;
        let undoes_last = phase_error.as_nanos().signum() == -self.last_jump.as_nanos().signum();
        if setpoint.is_absolute && undoes_last {
            self.patience = self.patience.times(2).min(LONGEST_PATIENCE);
        }
        self.last_jump = phase_error;
        Correction::Jump
    }

    /// Decides on the first correction, now that the clocks have settled and the position deviates
    /// by `phase_error`.
    fn settle(phase_error: Nanos, setpoint: &Setpoint) -> Correction {
        if setpoint.is_absolute {
            let is_aligned = phase_error.abs() <= setpoint.beyond(ALIGNED, ALIGNED_SIGMAS);
            return if is_aligned { Correction::Trim } else { Correction::Jump };
        }
        if phase_error.abs() <= JUMP { Correction::Adopt } else { Correction::Hold }
    }
}
