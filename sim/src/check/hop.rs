//! One hop of played audio with its reference.

use engine::MediaPosition;

use super::align::{BLOCK, BlockSums, MARGIN};
use crate::signal::Interpolator;

/// Samples at or below this are silence: -80 dBFS.
const QUIET: f64 = 1e-4;

/// The result of aligning a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HopKind {
    /// It fits the path.
    Fit,
    /// It does not fit, or is silent where the programme is not.
    Miss,
}

/// A hop under judgement.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// First played frame.
    pub(super) start: u64,
    pub(super) kind: HopKind,
    /// Position of the first frame, and the step per frame, with which `reference` was rendered.
    pub(super) position: MediaPosition,
    pub(super) step: f64,
    /// Correction of the position at the middle of the hop, in frames.
    pub(super) offset: f64,
    pub(super) gain: f64,
    /// Change of the gain from start to end.
    pub(super) slope: f64,
    pub(super) misfit: f64,
    /// One plane per channel, with [`MARGIN`] more frames at either end.
    pub(super) reference: Vec<Vec<f32>>,
    pub(super) blocks: Vec<BlockSums>,
}

impl Hop {
    /// The corrected position at the middle of the hop.
    pub(super) fn centre(&self) -> MediaPosition {
        self.position.advanced(self.frames() as f64 / 2.0 * self.step + self.offset)
    }

    pub(super) fn frames(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// Which blocks are silent in all channels.
    pub(super) fn quiet(&self, channels: usize) -> Vec<bool> {
        self.blocks.iter().map(|block| is_quiet(block.yy, channels)).collect()
    }
}

/// Whether a block of this energy is silent.
pub(super) fn is_quiet(energy: f64, channels: usize) -> bool {
    energy <= QUIET * QUIET * (BLOCK * channels) as f64
}

/// The reference for `frames` frames of which the first is at `position`, with margins.
pub(super) fn render(
    interpolator: &mut Interpolator,
    position: MediaPosition,
    step: f64,
    frames: usize,
) -> Vec<Vec<f32>> {
    let channels = usize::from(interpolator.source().channels());
    let mut planes = vec![vec![0.0; frames + 2 * MARGIN]; channels];
    interpolator.render_planes(position.advanced(-(MARGIN as f64) * step), step, &mut planes);
    planes
}
