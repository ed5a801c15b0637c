//! What a listener hears, hop by hop: the programme, silence in place of the programme, or other
//! audio.
//!
//! Model: a hop is right if every channel plays the programme of that channel, at its level and
//! polarity. Where the programme itself is silent, silence proves nothing, and such a hop counts
//! neither for nor against a receiver.
//!
//! Assumption: receivers play at unity gain. A level that is off by more than
//! [`LEVEL_TOLERANCE_DB`] is wrong.

use super::align::{BLOCK, MARGIN};
use super::hop::{Hop, HopKind};
use super::loss::MISFIT_EXACT;
use super::tally::AUDIBLE;
use engine::MediaPosition;
use std::fmt;
use std::ops::Range;

/// The just noticeable difference of level is between 0.5 and 1 dB for broadband sound (Zwicker and
/// Fastl, Psychoacoustics, 7.1.1).
const LEVEL_TOLERANCE_DB: f64 = 0.5;
/// Below this gain, a channel does not play the programme. White noise that is interpolated
/// linearly half-way between samples has a gain of 0.64.
const LEAST_GAIN: f64 = 0.5;
/// Partial sums of a comparison.
const LANES: usize = 4;
const _: () = assert!(BLOCK.is_multiple_of(LANES));

/// What a listener hears over one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// Silence, because nothing is due yet.
    NotDue,
    /// Silence, as in the programme.
    Quiet,
    /// The programme.
    Right,
    /// Silence caused by the sound card itself, not by the receiver.
    CardSilent,
    /// Audio that the receiver reports as concealed.
    Concealed,
    /// Audio that is not the programme.
    Wrong,
    /// Silence, although the programme is not silent.
    Silent,
}

impl Heard {
    /// Whether the programme should have been heard, but was not.
    #[must_use]
    pub fn is_disturbed(self) -> bool {
        matches!(self, Self::Concealed | Self::Wrong | Self::Silent)
    }
}

/// One hop and its judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardHop {
    /// The judgement.
    pub heard: Heard,
    /// Root mean square of the difference from the programme, in dBFS, where the hop is exactly
    /// aligned.
    pub residual_dbfs: Option<i16>,
}

/// A silence in the programme's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Played frame at which it begins.
    pub at_frame: u64,
    /// Its length in frames.
    pub frames: u64,
}

/// The position in the programme of a played frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waypoint {
    /// The played frame; it may lie between two.
    pub frame: f64,
    /// Its place, in frames of the reference.
    pub position: MediaPosition,
}

/// All judgements, in order of time.
#[derive(Clone, Default, PartialEq)]
pub struct HeardTimeline {
    /// Length of a hop in frames.
    pub hop_frames: u64,
    /// Every hop from the first frame on.
    pub hops: Vec<HeardHop>,
    /// Every gap of at least a millisecond.
    pub gaps: Vec<Gap>,
    /// The path through the programme, every 100 ms or so while it is known.
    pub waypoints: Vec<Waypoint>,
}

impl HeardTimeline {
    /// Median RMS of the difference from the programme over those of the given hops that are
    /// exactly aligned; `None` if none is.
    ///
    /// # Panics If there are no such hops.
    #[must_use]
    pub fn residual_dbfs(&self, hops: Range<usize>) -> Option<f64> {
        let mut values: Vec<i16> = self.hops[hops].iter().filter_map(|hop| hop.residual_dbfs).collect();
        let middle = values.len().checked_sub(1)? / 2;
        Some(f64::from(*values.select_nth_unstable(middle).1))
    }
}

impl fmt::Debug for HeardTimeline {
    /// The number of hops of each kind; a minute has 6000 hops.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = std::collections::BTreeMap::new();
        self.hops.iter().for_each(|hop| *counts.entry(hop.heard).or_insert(0u32) += 1);
        f.debug_struct("HeardTimeline").field("hops", &counts).field("gaps", &self.gaps.len()).finish()
    }
}

/// Judges a hop on a path through the programme; `played` has its frames, channel by channel.
pub(super) fn on_path(hop: &Hop, played: &[&[f32]], quiet: &[bool]) -> Heard {
    let samples = (hop.frames() * played.len()) as f64;
    let (programme, own) = hop.blocks.iter().fold((0.0, 0.0), |(r, y), block| (r + block.rr, y + block.yy));
    let fits = hop.kind == HopKind::Fit;
    if programme <= AUDIBLE * samples {
        return if fits || own <= AUDIBLE * samples { Heard::Quiet } else { Heard::Wrong };
    }
    let channels = || played.iter().zip(&hop.reference);
    if fits && channels().all(|(played, reference)| is_right(played, &reference[MARGIN..][..played.len()])) {
        return Heard::Right;
    }
    let threshold = AUDIBLE * (BLOCK * played.len()) as f64;
    let due = || hop.blocks.iter().zip(quiet).filter(|(block, _)| block.rr > threshold);
    if 2 * due().filter(|(_, quiet)| **quiet).count() > due().count() { Heard::Silent } else { Heard::Wrong }
}

/// Judges a hop without a path; `reference` is the programme around that time.
pub(super) fn without_path(played: &[&[f32]], reference: &[Vec<f32>], is_due: bool) -> Heard {
    let power = |plane: &[f32]| plane.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    let audible = |energy: f64| energy > AUDIBLE * (played.len() * played.first().map_or(0, |p| p.len())) as f64;
    let own: f64 = played.iter().map(|plane| power(plane)).sum();
    let programme: f64 = reference.iter().map(|plane| power(plane)).sum();
    match (audible(own), audible(programme)) {
        (true, _) => Heard::Wrong,
        (false, _) if !is_due => Heard::NotDue,
        (false, true) => Heard::Silent,
        (false, false) => Heard::Quiet,
    }
}

/// Whether a channel plays its programme, at its level and polarity.
fn is_right(played: &[f32], reference: &[f32]) -> bool {
    // Several partial sums, so that an addition need not wait for the one before it. A hop is a
    // whole number of blocks, and a block one of lanes.
    let mut lanes = [[0.0f64; LANES]; 4];
    for (played, reference) in played.as_chunks::<LANES>().0.iter().zip(reference.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let (y, r) = (f64::from(played[lane]), f64::from(reference[lane]));
            lanes[0][lane] += r * r;
            lanes[1][lane] += r * y;
            lanes[2][lane] += y * y;
            lanes[3][lane] += (y - r) * (y - r);
        }
    }
    let [rr, ry, yy, residual] = lanes.map(|lanes| lanes.iter().sum::<f64>());
    let floor = AUDIBLE * played.len() as f64;
    if rr <= floor || residual <= floor {
        return residual <= floor.max(rr);
    }
    let (gain, misfit) = (ry / rr, 1.0 - ry * ry / (rr * yy).max(f64::MIN_POSITIVE));
    let tolerance = libm::exp10(LEVEL_TOLERANCE_DB / 20.0);
    // Where the audio matches the programme only roughly, as after linear interpolation, the fitted
    // gain is too low.
    let least = if misfit < MISFIT_EXACT { 1.0 / tolerance } else { LEAST_GAIN };
    (least..=tolerance).contains(&gain)
}
