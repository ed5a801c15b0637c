//! The mapping from the channels of a stream to the channels of the sound card.
//!
//! Model: every output channel plays one input channel or silence. Packets are mapped when they are
//! decoded, so that all later stages (jitter buffer, concealment, resampler) handle only the
//! channels that are heard: two channels of a 64-channel stream cost no more than a stereo stream.

use crate::rtp::format::{MAX_CHANNELS, MAX_PAYLOAD, StreamFormat};
use thiserror::Error;

/// Index that marks an output as silent. Definition: no input channel has this index.
const SILENCE: u8 = u8::MAX;
const _: () = assert!(MAX_CHANNELS <= SILENCE as usize);

/// The stored index of an input channel.
#[expect(clippy::cast_possible_truncation, reason = "below MAX_CHANNELS, see above")]
const fn index(input: usize) -> u8 {
    input as u8
}

/// Why a channel map is invalid.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelMapError {
    /// There are no output channels, or too many.
    #[error("{0} output channels: give 1 to {MAX_CHANNELS}")]
    Outputs(usize),
    /// The stream has no such channel.
    #[error("output channel {output} picks channel {input}, but the stream has {channels} (counted from 0)")]
    Input {
        /// The output channel, from 0.
        output: usize,
        /// The input channel, from 0.
        input: usize,
        /// Number of channels in the stream, or the maximum for any stream.
        channels: usize,
    },
}

/// Maps each output channel to the input channel that it plays, or to silence; channels are
/// numbered from 0.
///
/// ```
/// use engine::audio::{ChannelMap, ChannelMapError};
/// // The second channel of the stream on the left, nothing on the right.
/// let map = ChannelMap::new(&[Some(1), None])?;
/// assert_eq!((map.outputs(), map.input(0), map.input(1)), (2, Some(1), None));
/// assert_eq!(ChannelMap::new(&[]), Err(ChannelMapError::Outputs(0)));
/// # Ok::<(), ChannelMapError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelMap {
    inputs: [u8; MAX_CHANNELS],
    outputs: usize,
}

impl ChannelMap {
    /// Creates a map with one entry for each output channel.
    ///
    /// # Errors
    /// [`ChannelMapError`] if there are no outputs or more than [`MAX_CHANNELS`], or if the number
    /// of an input is not below that maximum.
    pub fn new(inputs: &[Option<usize>]) -> Result<Self, ChannelMapError> {
        let outputs = inputs.len();
        if outputs == 0 || outputs > MAX_CHANNELS {
            return Err(ChannelMapError::Outputs(outputs));
        }
        let mut map = Self { inputs: [SILENCE; MAX_CHANNELS], outputs };
        for (output, &input) in inputs.iter().enumerate() {
            let Some(input) = input else { continue };
            if input >= MAX_CHANNELS {
                return Err(ChannelMapError::Input { output, input, channels: MAX_CHANNELS });
            }
            map.inputs[output] = index(input);
        }
        Ok(map)
    }

    /// Maps every channel of a stream to the output of the same index.
    #[must_use]
    pub fn identity(format: StreamFormat) -> Self {
        let outputs = format.channels();
        Self { inputs: std::array::from_fn(|i| if i < outputs { index(i) } else { SILENCE }), outputs }
    }

    /// Number of output channels, 1 to [`MAX_CHANNELS`].
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// Input channel of an output; `None` for silence.
    #[must_use]
    pub fn input(&self, output: usize) -> Option<usize> {
        self.inputs.get(output).filter(|&&input| input != SILENCE).map(|&input| usize::from(input))
    }

    /// Checks that a stream of this format has all selected channels.
    ///
    /// # Errors
    /// [`ChannelMapError::Input`] if the stream lacks one of them.
    pub(crate) fn check(&self, format: StreamFormat) -> Result<(), ChannelMapError> {
        let channels = format.channels();
        for output in 0..self.outputs {
            if let Some(input) = self.input(output).filter(|&input| input >= channels) {
                return Err(ChannelMapError::Input { output, input, channels });
            }
        }
        Ok(())
    }
}

/// Decodes payloads and maps their channels to the output channels, in its own memory.
#[derive(Debug)]
pub(crate) struct Decoder {
    format: StreamFormat,
    map: ChannelMap,
    decoded: Vec<f32>,
    /// Buffer for the mapped audio; empty if the map is the identity.
    mapped: Vec<f32>,
}

impl Decoder {
    pub(crate) fn new(format: StreamFormat, map: ChannelMap) -> Self {
        let frames = MAX_PAYLOAD / format.bytes_per_frame();
        let mapped = if map == ChannelMap::identity(format) { 0 } else { frames * map.outputs() };
        Self { format, map, decoded: vec![0.0; frames * format.channels()], mapped: vec![0.0; mapped] }
    }

    /// Decodes a payload. Returns the interleaved audio for the output channels, which is empty if
    /// the payload does not have the stream's format.
    pub(crate) fn decode(&mut self, payload: &[u8]) -> &[f32] {
        let frames = self.format.decode_into(payload, &mut self.decoded).unwrap_or(0);
        let decoded = &self.decoded[..frames * self.format.channels()];
        if self.mapped.is_empty() {
            return decoded;
        }
        let mapped = &mut self.mapped[..frames * self.map.outputs];
        let rows = decoded.chunks_exact(self.format.channels());
        for (row, out) in rows.zip(mapped.chunks_exact_mut(self.map.outputs)) {
            for (sample, &input) in out.iter_mut().zip(&self.map.inputs) {
                *sample = row.get(usize::from(input)).copied().unwrap_or(0.0);
            }
        }
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleRate;
    use crate::rtp::format::Encoding;

    fn stereo() -> StreamFormat {
        StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, 2).unwrap()
    }

    #[test]
    fn outputs_pick_swap_repeat_and_are_silent() {
        let map = ChannelMap::new(&[Some(1), None, Some(0), Some(1)]).unwrap();
        let mut decoder = Decoder::new(stereo(), map);
        let payload = [0x40, 0, 0xC0, 0, 0x20, 0, 0xE0, 0];
        assert_eq!(decoder.decode(&payload), [-0.5, 0.0, 0.5, -0.5, -0.25, 0.0, 0.25, -0.25]);
        assert_eq!(decoder.decode(&payload[..3]), [], "not a whole frame");
    }

    #[test]
    fn maps_that_cannot_be_are_refused() {
        assert_eq!(ChannelMap::new(&[None; 65]), Err(ChannelMapError::Outputs(65)));
        let beyond = ChannelMapError::Input { output: 1, input: 64, channels: 64 };
        assert_eq!(ChannelMap::new(&[None, Some(64)]), Err(beyond));
        let third = ChannelMap::new(&[Some(2)]).unwrap();
        assert_eq!(third.check(stereo()), Err(ChannelMapError::Input { output: 0, input: 2, channels: 2 }));
        assert_eq!(ChannelMap::identity(stereo()).check(stereo()), Ok(()));
    }
}
