//! Judges sections in which hops did not fit: a mute, a jump, or a loss that does not end; each
//! abrupt or faded.
//!
//! A hop that fits ends the case: either the old path continues, or there is a new one. Between two
//! paths the audio is compared with a blend of both, and on one path with a blend with silence. If
//! no blend explains it, the judgement depends on how abruptly it left the old path.

use engine::MediaPosition;

use super::align::MARGIN;
use super::crackle::CrackleDetector;
use super::hop::{Hop, HopKind};
use super::residual::Trust;
use super::splice;
use super::tally::CrackleKind;

/// Below this misfit the path and gain of a hop are exact.
pub(super) const MISFIT_EXACT: f64 = 0.05;
/// A jump by more than this share of a hop, a millisecond, counts as a jump to another signal.
const FAR_SHARE: f64 = 10.0;
/// Smallest change of gain within a hop, or from one hop to the next, that counts as a fade.
pub(super) const FADING: f64 = 0.03;

impl CrackleDetector {
    /// Judges hops that did not fit, now that `hop` does: either the path continues, or it jumped.
    pub(super) fn resolve(&mut self, hop: &Hop, jumped: bool) {
        let mut zone: Vec<Hop> = self.pending.iter().cloned().collect();
        let far = !jumped || zone.first().is_none_or(|first| self.is_far(first, hop));
        if jumped {
            self.jump(&zone, hop, far);
        } else {
            zone.push(hop.clone());
            self.lost_instants(&zone, true);
            self.mute_edges(&zone);
        }
        while let Some(before) = self.pending.pop_front() {
            let trust = match before.kind {
                // The last hop that fits need not fit until its end.
                HopKind::Fit if far => Trust::Rough,
                HopKind::Fit => trust(&before, self.gain),
                HopKind::Miss => miss_trust(jumped),
            };
            self.judge(&before, None, trust);
        }
    }

    /// Judges a loss that has not ended: its beginning, once, and all its hops but the last ones.
    pub(super) fn resolve_loss(&mut self) {
        let zone: Vec<Hop> = self.pending.iter().cloned().collect();
        if self.mute_edges(&zone) == 0 && zone.first().is_some_and(|hop| hop.kind == HopKind::Fit) {
            self.lost_instants(&zone[..zone.len().min(4)], false);
        }
        while self.pending.len() > 3 {
            if let Some(before) = self.pending.pop_front() {
                self.judge(&before, None, Trust::None);
            }
        }
    }

    /// The programme on a path over a zone, multiplied by the gain, one plane per channel; and the
    /// audio played there.
    pub(super) fn zone_signals(
        &mut self,
        start: u64,
        position: MediaPosition,
        step: f64,
        frames: usize,
    ) -> [Vec<Vec<f32>>; 2] {
        let gain = self.gain as f32;
        let mut reference = vec![vec![0.0; frames]; self.played.len()];
        self.reference.render_planes(position, step, &mut reference);
        reference.iter_mut().flatten().for_each(|r| *r *= gain);
        let played = self.window(start as i64, frames).into_iter().map(<[f32]>::to_vec).collect();
        [reference, played]
    }

    /// Flags abrupt mutes and un-mutes of hops on one path; returns how many.
    pub(super) fn mute_edges(&mut self, zone: &[Hop]) -> usize {
        let (Some(first), Some(last)) = (zone.first(), zone.last()) else { return 0 };
        // Half a hop earlier, so that both sides of an edge at the border of the zone are included.
        let before = (self.hop / 2) as i64;
        let start = (first.start as i64 - before).max(self.base + MARGIN as i64);
        let lead = first.start as i64 - start;
        let end = (last.start as i64 + self.hop as i64 + before).min(self.available());
        let position = first.position.advanced(-lead as f64 * first.step);
        let [reference, played] = self.zone_signals(start as u64, position, first.step, (end - start) as usize);
        self.flag_mutes(start as u64, &reference, &played)
    }

    pub(super) fn flag_mutes(&mut self, start: u64, reference: &[Vec<f32>], played: &[Vec<f32>]) -> usize {
        let before = self.flags.len();
        for (r, y) in reference.iter().zip(played) {
            for at in splice::abrupt_changes(y, r, 0.0) {
                // The change may lie anywhere in a block of 8 frames.
                let quiet = |s: &[f32]| s.iter().all(|x| x.abs() <= 3e-4);
                if quiet(&y[at.saturating_sub(28)..at - 4]) || quiet(&y[at + 4..(at + 28).min(y.len())]) {
                    self.flags.push((start + at as u64, CrackleKind::Dropout));
                }
            }
        }
        self.flags.len() - before
    }

    /// Flags the instants at which the audio abruptly left a path and returned to it, if the audio
    /// itself was abrupt there and not only the programme.
    pub(super) fn lost_instants(&mut self, zone: &[Hop], returns: bool) {
        let Some(first) = zone.first() else { return };
        let (start, frames) = (first.start, zone.len() * self.hop);
        let [reference, played] = self.zone_signals(start, first.position, first.step, frames);
        for (r, y) in reference.iter().zip(&played) {
            let mut e: Vec<f32> = y.iter().zip(r).map(|(y, r)| y - r).collect();
            if let Some(at) = splice::abrupt_loss(&e, r).filter(|&at| splice::has_corner(y, at)) {
                self.flags.push((start + at as u64, CrackleKind::Discontinuity));
            }
            if returns {
                e.reverse();
                let backwards: Vec<f32> = r.iter().rev().copied().collect();
                let at = splice::abrupt_loss(&e, &backwards).map(|at| frames - at);
                if let Some(at) = at.filter(|&at| splice::has_corner(y, at)) {
                    self.flags.push((start + at as u64, CrackleKind::Discontinuity));
                }
            }
        }
    }

    /// Whether a hop is so far from the path of an earlier one that the two are different signals,
    /// whose junction is heard only if it has a corner. A jump of a few frames has hardly any
    /// corner, but is heard nevertheless.
    fn is_far(&self, first: &Hop, hop: &Hop) -> bool {
        let old = first.position.advanced((hop.start - first.start) as f64 * first.step);
        hop.position.frames_since(old).abs() * FAR_SHARE > self.hop as f64
    }

    /// Flags a jump from the path of `zone` to that of `hop`, unless it was faded or, if it was
    /// `far`, joined without a corner.
    pub(super) fn jump(&mut self, zone: &[Hop], hop: &Hop, far: bool) {
        let Some(first) = zone.first() else { return };
        let (start, frames) = (first.start, (zone.len() + 1) * self.hop);
        let [old, played] = self.zone_signals(start, first.position, first.step, frames);
        let back = hop.position.advanced(-((zone.len() * self.hop) as f64) * hop.step);
        let [new, _] = self.zone_signals(start, back, hop.step, frames);
        let flagged = self.flag_mutes(start, &new, &played) + self.flag_mutes(start, &old, &played);
        if first.kind != HopKind::Fit {
            return;
        }
        let mut found = flagged > 0;
        for channel in 0..played.len() {
            let e: Vec<f32> = played[channel].iter().zip(&old[channel]).map(|(y, r)| y - r).collect();
            let u: Vec<f32> = new[channel].iter().zip(&old[channel]).map(|(n, o)| n - o).collect();
            let level = 0.015 * rms(&old[channel]);
            let abrupt = splice::abrupt_changes(&e, &u, level).into_iter();
            for at in abrupt.filter(|&at| !far || splice::has_corner(&played[channel], at)) {
                self.flags.push((start + at as u64, CrackleKind::Discontinuity));
                found = true;
            }
            found |= splice::explained(&e, &u);
        }
        if !found {
            self.lost_instants(zone, false);
        }
    }
}

/// How far the model of a hop can be trusted, given the `gain` of its neighbour.
pub(super) fn trust(hop: &Hop, gain: f64) -> Trust {
    let steady = hop.misfit < MISFIT_EXACT && (hop.gain - gain).abs() < FADING && hop.slope.abs() < FADING;
    if steady { Trust::Exact } else { Trust::Rough }
}

const fn miss_trust(jumped: bool) -> Trust {
    if jumped { Trust::None } else { Trust::Rough }
}

fn rms(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (power / samples.len().max(1) as f64).sqrt()
}
