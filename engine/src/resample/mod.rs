//! Resampling from the sender's media clock to the sound card's.
//!
//! Purpose: a [`Resampler`] is driven by demand: its caller states how many frames the card needs
//! and the step (media frames per card frame), and the resampler returns the number of input frames
//! that it requires. It knows the media position of its next output frame at any moment, and makes
//! this position public because playout is controlled by it.

mod near_unity;
mod polyphase;
mod sinc;

pub use near_unity::{NearUnityError, NearUnityResampler, Precision};
pub use polyphase::kernel::Kernel;
pub use sinc::{SincResampler, SincResamplerError};

/// Number of input frames to reserve for blocks of up to `max_frames` output frames: twice the
/// nominal need, which covers any permitted step, plus the length of the filter.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "saturates, and is exact for all blocks that fit in memory"
)]
pub(crate) fn input_capacity(max_frames: usize, nominal_step: f64) -> usize {
    2 * (max_frames as f64 * nominal_step) as usize + 1024
}

/// Converts interleaved audio at a variable step.
///
/// For each block, call [`prepare`](Self::prepare), which returns how much input the block needs,
/// and then [`process`](Self::process), which consumes exactly that much and fills the block.
/// Neither allocates.
pub trait Resampler: Send {
    /// Number of channels of input and output.
    fn channels(&self) -> usize;

    /// Maximum number of output frames in a block.
    fn max_frames(&self) -> usize;

    /// Announces a block of `frames` output frames, during which the step changes linearly from its
    /// current value to `step_end` (media frames per card frame). Returns the number of input
    /// frames that [`process`](Self::process) must be given. Frames beyond
    /// [`max_frames`](Self::max_frames) and steps out of range are clamped.
    fn prepare(&mut self, frames: usize, step_end: f64) -> usize;

    /// Consumes the announced input and fills `output` with the announced number of frames. Both
    /// are interleaved.
    ///
    /// # Panics
    /// In debug builds, if the slices are not of the announced lengths.
    fn process(&mut self, input: &[f32], output: &mut [f32]);

    /// How many input frames lie between the media position of the next output frame and the next
    /// input frame.
    fn input_latency_frames(&self) -> f64;
}
