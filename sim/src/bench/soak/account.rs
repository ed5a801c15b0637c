//! Faults of a run, and their causes.

use super::draw::Happening;
use super::{RECOVERY_S, WRONG_US};
use crate::check::{GlitchKind, Listening};
use crate::record::ClockState;
use crate::world::Outcome;
use serde::Serialize;

/// A run's course.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) heard: Option<&'a Listening>,
    pub(super) duration_s: f64,
}

/// A glitch of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Glitched {
    /// When it begins.
    pub from_s: f64,
    /// How long it is.
    pub length_ms: f64,
    /// What it is.
    pub kind: String,
}

/// An event, and its consequences until the next one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HappeningFigures {
    /// What it was.
    pub cause: &'static str,
    /// Whether it was an attack.
    pub is_attack: bool,
    /// When it began.
    pub from_s: f64,
    /// When it ended.
    pub to_s: f64,
    /// The largest |error of PTP time| while the clock was locked, us; 0 if it never was.
    pub locked_error_us: f64,
    /// Time from its end until the clock was locked for the rest, s; `None` if it was not.
    pub recovery_s: Option<f64>,
    /// Glitches that it caused.
    pub glitches: Vec<Glitched>,
    /// Glitches that come too late to be caused by it.
    pub uncaused: Vec<Glitched>,
}

impl HappeningFigures {
    /// Whether the clock was locked while it was wrong.
    #[must_use]
    pub fn is_wrong_lock(&self) -> bool {
        self.locked_error_us > WRONG_US
    }

    /// Whether it was an attack after which the clock was locked too late.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.is_attack && self.recovery_s.is_none_or(|recovery_s| recovery_s > RECOVERY_S)
    }

    /// Whether all its consequences are acceptable.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.is_wrong_lock() && !self.is_late() && self.uncaused.is_empty()
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SoakRun {
    /// Its number.
    pub run: u64,
    /// Whether it had a stream.
    pub has_stream: bool,
    /// Hours simulated.
    pub hours: f64,
    /// All that happened, in order; first the start.
    pub happenings: Vec<HappeningFigures>,
}

impl Course<'_> {
    pub(super) fn account(&self, run: u64, has_stream: bool, happenings: &[Happening]) -> SoakRun {
        let ends = happenings.iter().skip(1).map(|next| next.from_s).chain([self.duration_s]);
        let figures = happenings.iter().zip(ends).map(|(happening, until_s)| self.figures(happening, until_s));
        SoakRun { run, has_stream, hours: self.duration_s / 3600.0, happenings: figures.collect() }
    }

    /// The consequences of an event until `until_s`, when the next one begins.
    fn figures(&self, happening: &Happening, until_s: f64) -> HappeningFigures {
        let &Happening { cause, is_attack, from_s, to_s, settles_s, .. } = happening;
        let within = |at: f64| at >= from_s && at < until_s;
        let locked = self.outcome.locked_errors.iter().filter(|(at, _)| *at > from_s && *at <= until_s);
        let all = self.heard.into_iter().flat_map(|heard| &heard.glitches);
        let begun = all.filter(|glitch| within(glitch.from_s));
        let (glitches, uncaused): (Vec<_>, Vec<_>) = begun.partition(|glitch| glitch.from_s <= to_s + settles_s);
        let told = |glitches: Vec<&crate::check::Glitch>| glitches.into_iter().map(glitched).collect();
        HappeningFigures {
            cause,
            is_attack,
            from_s,
            to_s,
            locked_error_us: locked.map(|&(_, error_us)| error_us).fold(0.0, f64::max),
            recovery_s: self.recovery_s(to_s, until_s),
            glitches: told(glitches),
            uncaused: told(uncaused),
        }
    }

    /// Time from `from_s` until the clock was locked for the rest of the time until `until_s`.
    fn recovery_s(&self, from_s: f64, until_s: f64) -> Option<f64> {
        let before = self.outcome.clock_states.iter().take_while(|(at, _)| *at < until_s);
        let (mut locked, mut since_s) = (false, from_s);
        for &(at, state) in before {
            let is_locked = state == ClockState::Locked;
            if is_locked && !locked {
                since_s = at.max(from_s);
            }
            locked = is_locked;
        }
        locked.then_some(since_s - from_s)
    }
}

fn glitched(glitch: &crate::check::Glitch) -> Glitched {
    let kind: GlitchKind = glitch.kind;
    Glitched { from_s: glitch.from_s, length_ms: (glitch.to_s - glitch.from_s) * 1e3, kind: kind.to_string() }
}
