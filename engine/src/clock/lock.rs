//! The lock state machine.
//!
//! Model: the states follow the *uncertainty* of the estimate, and never a rate. Only the varying
//! part of the uncertainty is judged, because a constant difference between two paths cannot be
//! noticed. A crystal that deviates from its nominal rate is not an error. The threshold T grows
//! with the measured jitter, so that the lock is not lost on a noisy network. The clock locks at
//! sigma < T and unlocks at sigma > 4 T, and most states last for a minimum dwell time, so that
//! noise alone does not make the state alternate. A lock ends at once when the master falls silent,
//! when its time steps or wanders, when its messages contradict each other, or when the time is
//! proven to be wrong by more than a millisecond. Every state is left automatically when its cause
//! has ended. A holdover, in which nothing is learnt, may become as uncertain as [`HOLDOVER_NS`],
//! even on a network without jitter.
//!
//! T must not grow with the jitter without limit, because a hostile or faulty master can make the
//! jitter arbitrarily large. So T and the published uncertainty have ceilings, and a measured path
//! delay must be physically possible.
//!
//! If a master answers no Delay_Req, the path delay is assumed. This does not prevent a lock, which
//! is then judged by Syncs alone. The published uncertainty includes the uncertainty of the assumed
//! delay.

use super::timescale::Difference;
use crate::units::{LocalTime, Nanos, Ppb};
use std::fmt;

/// Smallest lock threshold T, ns. Judgement: a quarter of a frame at 48 kHz; no consumer of the
/// clock can notice a smaller error.
const THRESHOLD_FLOOR_NS: f64 = 5_000.0;
/// Fraction of the measured jitter that is added to T. Judgement: the mean of a few samples has a
/// smaller error than this, so that a lock takes only seconds on any network.
const THRESHOLD_JITTER_SHARE: f64 = 0.5;
/// Ratio of the uncertainty at which the clock unlocks to the uncertainty at which it locks.
/// Judgement: noise does not change the uncertainty by this factor.
const HYSTERESIS: f64 = 4.0;
/// Uncertainty up to which a holdover always lasts, ns. Judgement: a clock that was locked for some
/// seconds knows its rate to a few ppm, and must be held while a network elects another master. The
/// limit is only a tenth of the ceiling, because a change of temperature can change the rate by
/// more than the measured uncertainty of the rate.
const HOLDOVER_NS: f64 = CEILING_NS / 10.0;
/// Largest error of a locked clock, however noisy the network is, ns. Judgement: the time of the
/// clock determines when RTP timestamps are played, and a jitter buffer holds only a few ms.
pub(super) const CEILING_NS: f64 = 1e6;
/// Largest wander (standard deviation) of a master's time that permits a lock, ns. Derived: the
/// error then exceeds the ceiling 0.3 % of the time (three standard deviations).
const LARGEST_WANDER_NS: f64 = CEILING_NS / 3.0;
/// Fraction of [`LARGEST_WANDER_NS`] that the wander must stay below for a first lock. Once the
/// clock has been unlocked, the upper limit of the wander must stay below this fraction, too.
/// Judgement: hysteresis.
const STEADY_SHARE: f64 = 0.75;
/// Fraction of the ceiling that the published uncertainty must stay below for a lock. Judgement:
/// hysteresis of a factor of two.
const CEILING_SHARE: f64 = 0.5;
/// Syncs needed for the first lock. Judgement: 1 s at the interval of AES67's media profile.
const MIN_FORWARD: u32 = 8;
/// Delay_Resps needed for the first lock. Judgement: one may be damaged.
const MIN_REVERSE: u32 = 2;
/// Delay_Resps needed to lock again after a step or a change to a master with a different time.
/// Judgement: one shows whether the time has changed or the Syncs are wrong.
const MIN_REVERSE_AGAIN: u32 = 1;
/// Syncs needed to end a holdover, or to lock again when the path delay is known. Judgement: the
/// same number of Syncs proves a step.
const MIN_FORWARD_AGAIN: u32 = 4;
/// Length of the silence after which a holdover begins, in Sync intervals. Judgement: two Syncs are
/// easily lost.
const SILENT_INTERVALS: i64 = 3;
/// Minimum dwell time: noise cannot end a state earlier. Judgement: four Syncs at the interval of
/// AES67's media profile.
const MIN_DWELL: Nanos = Nanos::from_millis(500);

/// State of a clock that follows a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockState {
    /// No master has been heard.
    Listening,
    /// A master has been heard, but the estimate is not good enough yet.
    Acquiring,
    /// The estimate is good enough to be used.
    Locked,
    /// The master is silent. The last rate is kept, and the uncertainty grows.
    Holdover,
    /// The uncertainty is too large, or the master's time has stepped.
    Unlocked,
}

impl LockState {
    /// Whether PTP time may be used: locked or in holdover.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Locked | Self::Holdover)
    }
}

impl fmt::Display for LockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listening => "LISTENING",
            Self::Acquiring => "ACQUIRING",
            Self::Locked => "LOCKED",
            Self::Holdover => "HOLDOVER",
            Self::Unlocked => "UNLOCKED",
        })
    }
}

/// Reason for a change of state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum LockCause {
    /// The first timestamps from a master arrived.
    MasterHeard,
    /// The uncertainty fell below the threshold.
    Converged {
        /// Standard deviation of the estimate.
        sigma: Nanos,
        /// The threshold.
        threshold: Nanos,
    },
    /// The Syncs of the master have stopped.
    MasterSilent {
        /// Time since the last Sync.
        silent_for: Nanos,
    },
    /// Syncs arrive again and agree with the held time.
    MasterReturned {
        /// How long the master was silent.
        silent_for: Nanos,
    },
    /// The uncertainty grew too large.
    TooUncertain {
        /// Standard deviation of the estimate.
        sigma: Nanos,
        /// The limit.
        limit: Nanos,
    },
    /// Several timestamps consistently show that the master's time has jumped.
    MasterStepped {
        /// Size of the step.
        step: Nanos,
    },
    /// The new master's time differs from the previous master's time.
    MasterChanged {
        /// Size of the step.
        step: Nanos,
    },
    /// The master's time wanders much more than a crystal.
    MasterWanders {
        /// Standard deviation of the wander.
        rms: Nanos,
    },
    /// The path delay computed from Syncs and Delay_Resps is impossible: their timestamps
    /// contradict each other.
    ImpossibleDelay {
        /// The computed path delay.
        delay: Nanos,
        /// Time from a Delay_Req to its Delay_Resp, if known.
        round_trip: Option<Nanos>,
    },
    /// The master's time has a rate that no clock can have.
    ImpossibleRate {
        /// Rate relative to the host's clock.
        rate: Ppb,
    },
    /// The state machine has no such transition, so the clock stays in its state. This is a fault
    /// of the engine; please report it. Consecutive attempts to enter the same state are reported
    /// once.
    IllegalTransition {
        /// The state that was refused.
        to: LockState,
        /// Attempts so far, including those that were not reported.
        attempts: u32,
    },
    /// The reason given by a custom [`ClockServo`](super::ClockServo).
    OtherServo(&'static str),
}

impl fmt::Display for LockCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MasterHeard => write!(f, "a master is heard"),
            Self::Converged { sigma, threshold } => write!(f, "uncertainty {sigma} is below {threshold}"),
            Self::MasterSilent { silent_for } => write!(f, "no Sync for {silent_for}: holding the last rate"),
            Self::MasterReturned { silent_for } => write!(f, "Syncs are back after {silent_for} and agree"),
            Self::TooUncertain { sigma, limit } => write!(f, "uncertainty {sigma} exceeds {limit}"),
            Self::MasterWanders { rms } => write!(f, "the master's time wanders by {rms} RMS"),
            Self::MasterStepped { step } => write!(f, "the master's time stepped by {}", Difference(*step)),
            Self::MasterChanged { step } => write!(f, "the new master's time differs by {}", Difference(*step)),
            Self::ImpossibleDelay { delay, round_trip } => {
                write!(
                    f,
                    "the master's Sync time and its Delay_Resp time do not agree: they make a path delay of {delay}"
                )?;
                match round_trip {
                    Some(round_trip) if *delay > Nanos::ZERO => write!(f, " of a round trip of {round_trip}"),
                    _ => Ok(()),
                }
            }
            Self::ImpossibleRate { rate } => write!(f, "the master's time runs by {rate} against this host's clock"),
            Self::IllegalTransition { to, attempts } => {
                write!(f, "a fault of this program: there is no transition to {to} ({attempts} attempts)")
            }
            Self::OtherServo(reason) => f.write_str(reason),
        }
    }
}

/// A change of the lock state. If both states are the same, an illegal change was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LockTransition {
    /// Host time of the change.
    pub at: LocalTime,
    /// The state that was left.
    pub from: LockState,
    /// The state that was entered.
    pub to: LockState,
    /// Reason for the change.
    pub cause: LockCause,
}

/// Permitted transitions. Definition: any other one is a fault of the state machine and is refused.
const TRANSITIONS: [(LockState, LockState); 9] = [
    (LockState::Listening, LockState::Acquiring),
    (LockState::Acquiring, LockState::Locked),
    (LockState::Acquiring, LockState::Listening),
    (LockState::Locked, LockState::Holdover),
    (LockState::Locked, LockState::Unlocked),
    (LockState::Holdover, LockState::Locked),
    (LockState::Holdover, LockState::Unlocked),
    (LockState::Unlocked, LockState::Acquiring),
    (LockState::Unlocked, LockState::Listening),
];

/// Inputs of the state machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockInputs {
    pub(super) now: LocalTime,
    pub(super) sigma_ns: f64,
    /// Published standard deviation, including the constant error caused by unequal lateness in the
    /// two directions; 0 where the delay is assumed, because only Syncs are judged then.
    pub(super) published_ns: f64,
    /// Why the time in the messages cannot be true, if that is proven.
    pub(super) doubt: Option<LockCause>,
    /// Proven error of the time, in addition to the uncertainty.
    pub(super) displacement_ns: f64,
    /// Standard deviation of the master's wander, and its upper limit.
    pub(super) wander_ns: f64,
    pub(super) most_wander_ns: f64,
    pub(super) jitter: Nanos,
    pub(super) sync_interval: Nanos,
    /// Whether Delay_Resps can be expected.
    pub(super) two_way: bool,
}

#[derive(Clone, Debug)]
pub(super) struct LockMachine {
    state: LockState,
    entered_at: LocalTime,
    last_forward: Option<LocalTime>,
    /// Length of the silence before the current run of Syncs.
    last_silence: Nanos,
    forward: u32,
    reverse: u32,
    /// Syncs and Delay_Resps needed for a lock.
    needed: (u32, u32),
    /// Whether the clock has ever entered [`LockState::Unlocked`].
    was_wrong: bool,
    /// Number of attempted illegal transitions, and the state that the last attempts tried to
    /// enter.
    illegal: u32,
    refused: Option<LockState>,
    /// The last transition, until it is polled. The machine does not wait for the poll.
    pending: Option<LockTransition>,
}

impl LockMachine {
    pub(super) fn new() -> Self {
        Self {
            state: LockState::Listening,
            entered_at: LocalTime::ZERO,
            last_forward: None,
            last_silence: Nanos::ZERO,
            forward: 0,
            reverse: 0,
            needed: (MIN_FORWARD, MIN_REVERSE),
            was_wrong: false,
            illegal: 0,
            refused: None,
            pending: None,
        }
    }

    pub(super) fn state(&self) -> LockState {
        self.state
    }

    /// Number of Syncs that count towards the next state.
    pub(super) fn heard(&self) -> u32 {
        self.forward
    }

    pub(super) fn poll_transition(&mut self) -> Option<LockTransition> {
        self.pending.take()
    }

    pub(super) fn on_forward(&mut self, at: LocalTime) {
        if self.state == LockState::Holdover && self.forward == 0 {
            self.last_silence = self.last_forward.map_or(Nanos::ZERO, |last| at.since(last));
        }
        self.last_forward = Some(at);
        self.forward = self.forward.saturating_add(1);
    }

    pub(super) fn on_reverse(&mut self) {
        self.reverse = self.reverse.saturating_add(1);
    }

    /// Unlocks, because a step of the master's time has been proven.
    pub(super) fn on_step(&mut self, now: LocalTime, step: Nanos) {
        self.lose(now, LockCause::MasterStepped { step });
        self.needed = (MIN_FORWARD_AGAIN, MIN_REVERSE_AGAIN);
    }

    /// Unlocks, because the time of a new master differs from the previous master's time.
    pub(super) fn on_master_changed(&mut self, now: LocalTime, step: Nanos) {
        self.lose(now, LockCause::MasterChanged { step });
        self.needed = (MIN_FORWARD_AGAIN, MIN_REVERSE_AGAIN);
    }

    /// Discards the evidence, so that the next lock needs as much evidence as the first lock.
    pub(super) fn forget(&mut self) {
        (self.forward, self.reverse) = (0, 0);
        self.needed = (MIN_FORWARD, MIN_REVERSE);
    }

    /// Discards the evidence that was counted during a suspension, so that a lock needs new
    /// evidence.
    pub(super) fn discard_evidence(&mut self) {
        (self.forward, self.reverse) = (0, 0);
        self.needed = (MIN_FORWARD_AGAIN, MIN_REVERSE_AGAIN);
    }

    fn lose(&mut self, now: LocalTime, cause: LockCause) {
        if self.state.is_usable() {
            self.enter(LockState::Unlocked, now, cause);
        }
        self.forward = 0;
        self.reverse = 0;
    }

    /// Lock threshold T for the given jitter, ns.
    fn threshold_ns(jitter: Nanos) -> f64 {
        let threshold_ns = THRESHOLD_FLOOR_NS + THRESHOLD_JITTER_SHARE * jitter.as_nanos_f64();
        threshold_ns.min(CEILING_NS / HYSTERESIS)
    }

    pub(super) fn advance(&mut self, inputs: &LockInputs) {
        let Some(last_forward) = self.last_forward else { return };
        let silent_for = inputs.now.since(last_forward);
        let silent = silent_for > inputs.sync_interval.times(SILENT_INTERVALS);
        let dwelt = inputs.now.since(self.entered_at) >= MIN_DWELL;
        let threshold_ns = Self::threshold_ns(inputs.jitter);
        let sigma = Nanos::from_nanos_f64(inputs.sigma_ns);
        let displaced = inputs.displacement_ns > CEILING_NS || inputs.published_ns > CEILING_NS;
        let locked_limit_ns = HYSTERESIS * threshold_ns;
        let held = self.state == LockState::Holdover;
        let limit_ns = if held { locked_limit_ns.max(HOLDOVER_NS) } else { locked_limit_ns };
        let uncertain = displaced || dwelt && inputs.sigma_ns > limit_ns;
        let too_uncertain = LockCause::TooUncertain {
            sigma: Nanos::from_nanos_f64(inputs.sigma_ns.max(inputs.displacement_ns).max(inputs.published_ns)),
            limit: Nanos::from_nanos_f64(if displaced { CEILING_NS } else { limit_ns }),
        };
        match self.state {
            LockState::Listening if !silent => self.enter(LockState::Acquiring, inputs.now, LockCause::MasterHeard),
            LockState::Acquiring if silent => {
                self.enter(LockState::Listening, inputs.now, LockCause::MasterSilent { silent_for });
            }
            LockState::Acquiring if dwelt && self.has_converged(inputs, threshold_ns) => {
                let cause = LockCause::Converged { sigma, threshold: Nanos::from_nanos_f64(threshold_ns) };
                self.enter(LockState::Locked, inputs.now, cause);
            }
            LockState::Locked if silent => {
                self.enter(LockState::Holdover, inputs.now, LockCause::MasterSilent { silent_for });
            }
            LockState::Locked | LockState::Holdover if inputs.wander_ns > LARGEST_WANDER_NS => {
                let rms = Nanos::from_nanos_f64(inputs.wander_ns);
                self.enter(LockState::Unlocked, inputs.now, LockCause::MasterWanders { rms });
            }
            LockState::Locked | LockState::Holdover if uncertain => {
                self.enter(LockState::Unlocked, inputs.now, too_uncertain);
            }
            LockState::Locked if inputs.doubt.is_some() => {
                self.enter(LockState::Unlocked, inputs.now, inputs.doubt.unwrap_or(too_uncertain));
            }
            LockState::Holdover
                if !silent
                    && self.forward >= MIN_FORWARD_AGAIN
                    && inputs.doubt.is_none()
                    && inputs.sigma_ns <= locked_limit_ns =>
            {
                let cause = LockCause::MasterReturned { silent_for: self.last_silence };
                self.enter(LockState::Locked, inputs.now, cause);
            }
            LockState::Unlocked if dwelt && silent => {
                self.enter(LockState::Listening, inputs.now, LockCause::MasterSilent { silent_for });
            }
            LockState::Unlocked if dwelt => self.enter(LockState::Acquiring, inputs.now, LockCause::MasterHeard),
            _ => {}
        }
    }

    fn has_converged(&self, inputs: &LockInputs, threshold_ns: f64) -> bool {
        let (forward, reverse) = self.needed;
        let heard = self.forward >= forward && (self.reverse >= reverse || !inputs.two_way);
        let wander_ns = if self.was_wrong { inputs.most_wander_ns } else { inputs.wander_ns };
        let steady = wander_ns < LARGEST_WANDER_NS * STEADY_SHARE;
        heard
            && steady
            && inputs.doubt.is_none()
            && inputs.sigma_ns < threshold_ns
            && inputs.displacement_ns < CEILING_NS
            && inputs.published_ns < CEILING_SHARE * CEILING_NS
    }

    fn enter(&mut self, to: LockState, now: LocalTime, cause: LockCause) {
        if !TRANSITIONS.contains(&(self.state, to)) {
            self.refuse(to, now);
            return;
        }
        self.refused = None;
        self.pending = Some(LockTransition { at: now, from: self.state, to, cause });
        // A lock needs evidence gathered since the last lock was lost, and the end of a holdover
        // needs Syncs received since the holdover began.
        if !matches!(to, LockState::Locked | LockState::Acquiring) {
            self.forward = 0;
            self.reverse = 0;
        }
        self.was_wrong |= to == LockState::Unlocked;
        self.state = to;
        self.entered_at = now;
    }

    /// Stays in the current state, and reports the first of consecutive attempts to enter `to`.
    fn refuse(&mut self, to: LockState, now: LocalTime) {
        self.illegal = self.illegal.saturating_add(1);
        if self.refused.replace(to) != Some(to) {
            let cause = LockCause::IllegalTransition { to, attempts: self.illegal };
            self.pending = Some(LockTransition { at: now, from: self.state, to: self.state, cause });
        }
    }
}

#[cfg(test)]
mod tests;
