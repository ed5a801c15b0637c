//! Colours and sizes that all pictures share, so that a receiver looks the same wherever it
//! appears.

use crate::record::{ClockState, Incident};

/// A colour with its opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour {
    pub(super) rgb: [u8; 3],
    pub(super) alpha: f32,
}

impl Colour {
    const fn new(r: u8, g: u8, b: u8) -> Self {
        Self { rgb: [r, g, b], alpha: 1.0 }
    }

    /// The same colour, more transparent.
    pub(super) const fn fade(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }
}

pub(super) const PAPER: Colour = Colour::new(255, 255, 255);
pub(super) const INK: Colour = Colour::new(28, 32, 38);
pub(super) const QUIET_INK: Colour = Colour::new(92, 99, 110);
pub(super) const FRAME: Colour = Colour::new(150, 157, 167);
pub(super) const GRID: Colour = Colour::new(231, 234, 238);
pub(super) const MINOR_GRID: Colour = Colour::new(243, 245, 247);
pub(super) const GOAL: Colour = Colour::new(60, 150, 100);
pub(super) const OUTAGE: Colour = Colour::new(118, 84, 160);
pub(super) const WEATHER: Colour = Colour::new(120, 110, 95);
pub(super) const SENDER: Colour = Colour::new(120, 70, 20);
pub(super) const REFERENCE: Colour = Colour::new(190, 194, 200);

/// Okabe and Ito's palette, which stays distinct for all common kinds of colour blindness. The
/// first colour is that of the engine.
const RECEIVERS: [Colour; 6] = [
    Colour::new(0, 100, 190),
    Colour::new(213, 94, 0),
    Colour::new(0, 158, 115),
    Colour::new(190, 95, 155),
    Colour::new(86, 180, 233),
    Colour::new(222, 160, 0),
];

/// The colour of the receiver at this index of the scenario.
pub(super) fn receiver(index: usize) -> Colour {
    RECEIVERS[index % RECEIVERS.len()]
}

/// Width of a receiver's lines. The first receiver's is wider and drawn last, so that no other one
/// hides it.
pub(super) fn stroke(index: usize) -> f64 {
    if index == 0 { 3.0 } else { 1.9 }
}

/// The states in the order of a legend: from best to worst.
pub(super) const STATES: [ClockState; 5] =
    [ClockState::Locked, ClockState::Holdover, ClockState::Acquiring, ClockState::Listening, ClockState::Unlocked];

/// Colour of a lock state. The states differ in lightness as well as in hue, so that they can be
/// distinguished in a grey print.
pub(super) fn state(state: ClockState) -> Colour {
    match state {
        ClockState::Locked => Colour::new(94, 178, 126),
        ClockState::Holdover => Colour::new(245, 184, 65),
        ClockState::Acquiring => Colour::new(150, 172, 198),
        ClockState::Listening => Colour::new(216, 221, 227),
        ClockState::Unlocked => Colour::new(196, 44, 48),
    }
}

/// Name of a lock state, as the trace spells it.
pub(super) fn state_name(state: ClockState) -> &'static str {
    match state {
        ClockState::Locked => "locked",
        ClockState::Holdover => "holdover",
        ClockState::Acquiring => "acquiring",
        ClockState::Listening => "listening",
        ClockState::Unlocked => "unlocked",
    }
}

/// Shade of the times of a fault.
pub(super) fn incident(incident: &Incident) -> Colour {
    if incident.silences_master { OUTAGE.fade(0.16) } else { WEATHER.fade(0.13) }
}

/// Sizes of text in pixels: everything is legible when a picture is shown at half its size.
pub(super) const HEADING_SIZE: f32 = 36.0;
pub(super) const CAPTION_SIZE: f32 = 25.0;
pub(super) const LABEL_SIZE: f32 = 22.0;

/// Colour of text on the bar of a lock state.
pub(super) fn on_state(state: ClockState) -> Colour {
    if state == ClockState::Unlocked { PAPER } else { INK }
}
