//! The lock state machine.
//!
//! Model: states follow the *uncertainty* of the estimate (of that part of it that changes; nobody
//! notices a constant difference between two paths), never a drift rate: a fast crystal is not an
//! error, and a noisy network is a wide lock, not an unlock. The threshold T grows with the
//! measured jitter; entering needs sigma < T, leaving sigma > 4 T, and every state is kept for a
//! minimum dwell, so that noise alone cannot make the state chatter; but a time that is proven to
//! be off by more than a millisecond is not locked for that long. Every state is left by itself
//! when its cause is gone. A holdover, in which nothing is learnt, may become as uncertain as
//! [`HOLDOVER_NS`] on a network without jitter, too.
//!
//! None of that is relative to jitter alone, which a hostile or broken master can make as large as
//! it likes: T has a ceiling, the uncertainty that is published has one, and where the path delay
//! is measured it must be one that a path can have.
//!
//! A master that answers no Delay_Req leaves the delay assumed. That is no reason against a lock,
//! which judges only what Syncs can tell then; the uncertainty that is published holds the delay's.

use super::timescale::Difference;
use crate::units::{LocalTime, Nanos, Ppb};
use std::fmt;

/// Smallest lock threshold T, ns: below it no consumer of the clock can tell a difference (a
/// quarter of a frame at 48 kHz).
const THRESHOLD_FLOOR_NS: f64 = 5_000.0;
/// Share of the measured jitter that T grows by: a few samples of pure jitter average to less, so
/// that a lock takes seconds on any network.
const THRESHOLD_JITTER_SHARE: f64 = 0.5;
/// Unlocking needs an uncertainty this many times larger than locking.
const HYSTERESIS: f64 = 4.0;
/// A holdover is given up no sooner than at this uncertainty, ns: a clock that was locked for some
/// seconds knows its rate to a few ppm, and is to be held for as long as a network takes to agree
/// on a master again. A tenth of the ceiling, because temperature changes a rate by more than what
/// was seen of it tells.
const HOLDOVER_NS: f64 = CEILING_NS / 10.0;
/// A clock that is off by more than this is not locked, however noisy its network: a jitter buffer
/// holds a few ms, and this is what a timeline may err by that places RTP timestamps.
pub(super) const CEILING_NS: f64 = 1e6;
/// A master whose time wanders by more than this (standard deviation) is off by more than the
/// ceiling for more than three seconds in a thousand. To lock to it, it must wander by no more than
/// this share of it; to lock again, it must be sure not to wander by more.
const LARGEST_WANDER_NS: f64 = CEILING_NS / 3.0;
const STEADY_SHARE: f64 = 0.75;
/// Share of the ceiling below which the published uncertainty must be for a lock.
const CEILING_SHARE: f64 = 0.5;
/// Syncs and Delay_Resps needed before the first lock.
const MIN_FORWARD: u32 = 8;
const MIN_REVERSE: u32 = 2;
/// Delay_Resps needed after a step or another master's time: they tell whether the time has
/// changed, or Syncs lie.
const MIN_REVERSE_AGAIN: u32 = 1;
/// Syncs needed to end a holdover, or to lock again when the path delay is known.
const MIN_FORWARD_AGAIN: u32 = 4;
/// Sync intervals of silence that begin a holdover.
const SILENT_INTERVALS: i64 = 3;
/// No state other than by silence or by step is left earlier than this.
const MIN_DWELL: Nanos = Nanos::from_millis(500);

/// State of a clock that follows a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockState {
    /// No master has been heard.
    Listening,
    /// A master is heard; the estimate is not yet good enough.
    Acquiring,
    /// The estimate is good.
    Locked,
    /// The master is silent; the last rate is held, and the uncertainty grows.
    Holdover,
    /// The uncertainty is too large to be of use, or the master's time has stepped.
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

/// Why a state was entered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LockCause {
    /// The first timestamps of a master arrived.
    MasterHeard,
    /// The uncertainty fell below the threshold.
    Converged {
        /// Standard deviation of the estimate.
        sigma: Nanos,
        /// The threshold.
        threshold: Nanos,
    },
    /// No Sync for this long.
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
    /// Several timestamps agree that the master's time has jumped.
    MasterStepped {
        /// By how much.
        step: Nanos,
    },
    /// Another master's time differs from the last one's.
    MasterChanged {
        /// By how much.
        step: Nanos,
    },
    /// The master's time wanders too far around that of any crystal.
    MasterWanders {
        /// Standard deviation.
        rms: Nanos,
    },
    /// The path delay cannot be what Syncs and Delay_Resps say: their times do not agree.
    ImpossibleDelay {
        /// What they say.
        delay: Nanos,
        /// From a Delay_Req to its Delay_Resp.
        round_trip: Option<Nanos>,
    },
    /// The master's time runs at a rate that no clock has.
    ImpossibleRate {
        /// Against the host's clock.
        rate: Ppb,
    },
    /// A receiver's own rule, other than the engine's, in the words of that receiver.
    Foreign(&'static str),
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
            Self::Foreign(reason) => f.write_str(reason),
        }
    }
}

/// A change of lock state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LockTransition {
    /// When.
    pub at: LocalTime,
    /// The state that was left.
    pub from: LockState,
    /// The state that was entered.
    pub to: LockState,
    /// Why.
    pub cause: LockCause,
}

/// The transitions that exist; anything else is a defect of the machine.
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

/// What the machine decides from.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockInputs {
    pub(super) now: LocalTime,
    pub(super) sigma_ns: f64,
    /// Standard deviation that is published: with what is constant, too. 0 where the delay is
    /// assumed.
    pub(super) published_ns: f64,
    /// Why what packets say cannot be true.
    pub(super) doubt: Option<LockCause>,
    /// What packets prove the time to be off by, beyond the uncertainty.
    pub(super) displacement_ns: f64,
    /// How far the master's time wanders: standard deviation, and what that is at most.
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
    /// Length of the silence that the present run of Syncs ended.
    last_silence: Nanos,
    forward: u32,
    reverse: u32,
    /// Syncs and Delay_Resps that a lock needs.
    needed: (u32, u32),
    /// Whether a lock has been lost by anything but silence.
    was_wrong: bool,
    /// The last transition, until it is told: who does not ask must not stop the machine.
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
            pending: None,
        }
    }

    pub(super) fn state(&self) -> LockState {
        self.state
    }

    /// Syncs since the present state was entered, or since evidence was gathered for it.
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

    /// A proven step of the master's time.
    pub(super) fn on_step(&mut self, now: LocalTime, step: Nanos) {
        self.lose(now, LockCause::MasterStepped { step });
        self.needed = (MIN_FORWARD_AGAIN, MIN_REVERSE_AGAIN);
    }

    /// Another master turned out to have another time.
    pub(super) fn on_master_changed(&mut self, now: LocalTime, step: Nanos) {
        self.lose(now, LockCause::MasterChanged { step });
        self.needed = (MIN_FORWARD_AGAIN, MIN_REVERSE_AGAIN);
    }

    /// What was heard was of no worth: a lock needs as much as the first one.
    pub(super) fn forget(&mut self) {
        (self.forward, self.reverse) = (0, 0);
        self.needed = (MIN_FORWARD, MIN_REVERSE);
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
        let threshold_ns = THRESHOLD_FLOOR_NS + THRESHOLD_JITTER_SHARE * jitter.as_nanos() as f64;
        threshold_ns.min(CEILING_NS / HYSTERESIS)
    }

    pub(super) fn advance(&mut self, inputs: &LockInputs) {
        let Some(last_forward) = self.last_forward else { return };
        let silent_for = inputs.now.since(last_forward);
        let silent = silent_for > inputs.sync_interval.times(SILENT_INTERVALS);
        let dwelt = inputs.now.since(self.entered_at) >= MIN_DWELL;
        let threshold_ns = Self::threshold_ns(inputs.jitter);
        let sigma = Nanos::new(inputs.sigma_ns as i64);
        let displaced = inputs.displacement_ns > CEILING_NS || inputs.published_ns > CEILING_NS;
        let locked_limit_ns = HYSTERESIS * threshold_ns;
        let held = self.state == LockState::Holdover;
        let limit_ns = if held { locked_limit_ns.max(HOLDOVER_NS) } else { locked_limit_ns };
        let uncertain = displaced || dwelt && inputs.sigma_ns > limit_ns;
        let too_uncertain = LockCause::TooUncertain {
            sigma: Nanos::new(inputs.sigma_ns.max(inputs.displacement_ns).max(inputs.published_ns) as i64),
            limit: Nanos::new(if displaced { CEILING_NS } else { limit_ns } as i64),
        };
        match self.state {
            LockState::Listening if !silent => self.enter(LockState::Acquiring, inputs.now, LockCause::MasterHeard),
            LockState::Acquiring if silent => {
                self.enter(LockState::Listening, inputs.now, LockCause::MasterSilent { silent_for });
            }
            LockState::Acquiring if dwelt && self.has_converged(inputs, threshold_ns) => {
                let cause = LockCause::Converged { sigma, threshold: Nanos::new(threshold_ns as i64) };
                self.enter(LockState::Locked, inputs.now, cause);
            }
            LockState::Locked if silent => {
                self.enter(LockState::Holdover, inputs.now, LockCause::MasterSilent { silent_for });
            }
            LockState::Locked | LockState::Holdover if inputs.wander_ns > LARGEST_WANDER_NS => {
                let rms = Nanos::new(inputs.wander_ns as i64);
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
        debug_assert!(TRANSITIONS.contains(&(self.state, to)), "no transition from {} to {to}", self.state);
        self.pending = Some(LockTransition { at: now, from: self.state, to, cause });
        // A lock needs evidence gathered since the last one was lost, and a holdover's end needs
        // Syncs since it began.
        if !matches!(to, LockState::Locked | LockState::Acquiring) {
            self.forward = 0;
            self.reverse = 0;
        }
        self.was_wrong |= to == LockState::Unlocked;
        self.state = to;
        self.entered_at = now;
    }
}

#[cfg(test)]
mod tests;
