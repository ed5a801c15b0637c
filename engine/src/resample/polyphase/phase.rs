//! The position of the next output frame, as an integer.
//!
//! Sums of integers are exact in any order, so the number of input frames that a block needs is
//! known before the block is computed, blocks of any size give the same positions, and the position
//! cannot drift from the frames consumed.

use super::filter::PHASES;

/// Number of fraction bits of a position.
const FRACTION_BITS: u32 = 48;
/// One frame, in the units of a position.
pub(in super::super) const ONE: i64 = 1 << FRACTION_BITS;
/// Number of fraction bits below the phase index.
const PHASE_BITS: u32 = FRACTION_BITS - PHASES.trailing_zeros();

/// The position of the next output frame, and its step.
#[derive(Clone, Copy)]
pub(in super::super) struct PhaseAccumulator {
    /// First frame of the filter's window in the history.
    pub(in super::super) window: usize,
    /// How far the position lies past the frame at the filter's centre, within `0..ONE`.
    pub(in super::super) fraction: i64,
    /// The step minus 1.
    pub(in super::super) deviation: i64,
    /// Change of the step per frame.
    pub(in super::super) increment: i64,
}

impl PhaseAccumulator {
    #[inline(always)]
    pub(in super::super) fn advance(&mut self) {
        self.deviation += self.increment;
        let fraction = self.fraction + self.deviation;
        // The deviation is greater than -1 frame, so the window never moves back.
        self.window = self.window.wrapping_add_signed(1 + (fraction >> FRACTION_BITS) as isize);
        self.fraction = fraction & (ONE - 1);
    }

    /// Returns the positions of the next `FRAMES` frames, and advances past them.
    #[inline(always)]
    pub(in super::super) fn next_frames<const FRAMES: usize>(&mut self) -> [Self; FRAMES] {
        let mut frames = [*self; FRAMES];
        for frame in &mut frames {
            *frame = *self;
            self.advance();
        }
        frames
    }

    /// First frame of the window for the last of the next `frames` frames.
    pub(in super::super) fn last_window(&self, frames: usize) -> usize {
        self.after(frames.saturating_sub(1)).window
    }

    /// The position after the next `frames` frames, computed in closed form instead of by repeated
    /// calls of [`advance`](Self::advance).
    #[expect(clippy::cast_possible_truncation, reason = "the deviation is below a frame per frame")]
    pub(in super::super) fn after(&self, frames: usize) -> Self {
        let n = frames as i128;
        let [fraction, deviation, increment] = [self.fraction, self.deviation, self.increment].map(i128::from);
        let deviated = fraction + n * deviation + increment * (n * (n + 1) / 2);
        Self {
            window: (self.window + frames).saturating_add_signed((deviated >> FRACTION_BITS) as isize),
            fraction: (deviated & i128::from(ONE - 1)) as i64,
            deviation: (deviation + n * increment) as i64,
            increment: self.increment,
        }
    }

    /// Index of the nearest phase in the table.
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "within 0..=PHASES")]
    pub(in super::super) fn phase(&self) -> usize {
        ((self.fraction + (1 << (PHASE_BITS - 1))) >> PHASE_BITS) as usize
    }

    /// How far the position lies past `phase`, in frames; negative if it lies before `phase`.
    #[inline(always)]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "numbers of phases are small, and 2^48 is exact"
    )]
    pub(in super::super) fn past(&self, phase: usize) -> f64 {
        (self.fraction - ((phase as i64) << PHASE_BITS)) as f64 * (1.0 / ONE as f64)
    }
}
