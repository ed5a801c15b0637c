//! Linear PCM payloads (RFC 3190 for L24, RFC 3551 4.5.11 for L16).
//!
//! A payload holds whole frames: one sample of every channel, interleaved, big-endian, two's
//! complement. Decoded samples are `f32` values, divided by 2^15 or 2^23, so their range is [-1, 1)
//! and every sample of either encoding is represented exactly: decoding and encoding again yields
//! the same bytes.

use std::ops::RangeInclusive;

pub use super::encoding::Encoding;
pub use super::packet_time::{MAX_PAYLOAD, PacketTime};
use crate::SampleRate;
pub use crate::units::MAX_CHANNELS;

/// Accepted sample rates, Hz: the range of devices in use. A rate that is read from text must be
/// within this range, because memory is allocated in proportion to it.
pub const SAMPLE_RATES_HZ: RangeInclusive<u32> = 8_000..=384_000;

/// The format of a stream: `a=rtpmap` of its SDP.
///
/// ```
/// use engine::SampleRate;
/// use engine::rtp::format::{Encoding, FormatError, StreamFormat};
///
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2)?;
/// let mut samples = [0.0; 2];
/// assert_eq!(format.decode_into(&[0x40, 0, 0, 0x80, 0, 0], &mut samples), Ok(1));
/// assert_eq!(samples, [0.5, -1.0]);
///
/// let partial = format.decode_into(&[0x40, 0, 0], &mut samples);
/// assert_eq!(partial, Err(FormatError::PartialFrame { length: 3, frame_length: 6 }));
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamFormat {
    encoding: Encoding,
    sample_rate: SampleRate,
    channels: usize,
}

impl StreamFormat {
    /// Creates a format with 1 to [`MAX_CHANNELS`] channels.
    ///
    /// # Errors
    /// [`FormatError::Channels`] for any other number of channels.
    pub const fn new(encoding: Encoding, sample_rate: SampleRate, channels: usize) -> Result<Self, FormatError> {
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(FormatError::Channels { channels });
        }
        Ok(Self { encoding, sample_rate, channels })
    }

    /// The encoding of samples.
    #[must_use]
    pub const fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Number of frames per second.
    #[must_use]
    pub const fn sample_rate(self) -> SampleRate {
        self.sample_rate
    }

    /// Number of samples per frame, 1 to [`MAX_CHANNELS`].
    #[must_use]
    pub const fn channels(self) -> usize {
        self.channels
    }

    /// Number of bytes in one frame.
    #[must_use]
    pub const fn bytes_per_frame(self) -> usize {
        self.encoding.bytes_per_sample() * self.channels
    }

    /// Number of frames in a payload of `length` bytes. Payloads longer than [`MAX_PAYLOAD`] are
    /// accepted, because that limit applies only to senders.
    ///
    /// # Errors
    /// [`FormatError::Empty`] or [`FormatError::PartialFrame`] if the payload does not have the
    /// announced format.
    pub const fn frames_in_payload(self, length: usize) -> Result<usize, FormatError> {
        whole_frames(length, self.bytes_per_frame())
    }

    /// Decodes a payload to interleaved samples at the start of `out`, and returns the number of
    /// frames.
    ///
    /// # Errors
    /// The same as [`StreamFormat::frames_in_payload`], and [`FormatError::OutputTooSmall`].
    /// Nothing is written in these cases.
    pub fn decode_into(self, payload: &[u8], out: &mut [f32]) -> Result<usize, FormatError> {
        let frames = self.frames_in_payload(payload.len())?;
        let needed = frames * self.channels;
        let too_small = FormatError::OutputTooSmall { needed, available: out.len() };
        let out = out.get_mut(..needed).ok_or(too_small)?;
        match self.encoding {
            Encoding::L16 => decode_l16(payload, out),
            Encoding::L24 => decode_l24(payload, out),
        }
        Ok(frames)
    }

    /// Encodes interleaved samples into the start of `out`, and returns the number of bytes.
    /// Samples are rounded to the nearest step, halves to even; samples that are out of range are
    /// clipped, and NaN becomes silence. No dither is added.
    ///
    /// # Errors
    /// [`FormatError::Empty`] or [`FormatError::PartialFrame`] (with lengths in samples), and
    /// [`FormatError::OutputTooSmall`]. Nothing is written in these cases.
    pub fn encode_into(self, samples: &[f32], out: &mut [u8]) -> Result<usize, FormatError> {
        let frames = whole_frames(samples.len(), self.channels)?;
        let needed = frames * self.bytes_per_frame();
        let too_small = FormatError::OutputTooSmall { needed, available: out.len() };
        let out = out.get_mut(..needed).ok_or(too_small)?;
        match self.encoding {
            Encoding::L16 => encode_l16(samples, out),
            Encoding::L24 => encode_l24(samples, out),
        }
        Ok(needed)
    }
}

const fn whole_frames(length: usize, frame_length: usize) -> Result<usize, FormatError> {
    if length == 0 {
        return Err(FormatError::Empty);
    }
    if !length.is_multiple_of(frame_length) {
        return Err(FormatError::PartialFrame { length, frame_length });
    }
    Ok(length / frame_length)
}

/// Full scale of L16 and of L24. Multiplying by these powers of two, or by their inverses, is
/// exact.
const FULL_SCALE_L16: f32 = 32_768.0;
const FULL_SCALE_L24: f32 = 8_388_608.0;
/// 1.5 x 2^52. An `f64` of this size has no fraction bits, so adding this constant to a number
/// rounds the number to the nearest integer, halves to even, and leaves that integer in the low
/// bits of the sum. Unlike `round_ties_even`, the addition needs no function call on processors
/// without a rounding instruction, and is vectorized.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

fn decode_l16(payload: &[u8], out: &mut [f32]) {
    let (samples, _) = payload.as_chunks();
    for (out, &sample) in out.iter_mut().zip(samples) {
        *out = f32::from(i16::from_be_bytes(sample)) * (1.0 / FULL_SCALE_L16);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact: 24 bits and a power of two")]
fn decode_l24(payload: &[u8], out: &mut [f32]) {
    let (samples, _) = payload.as_chunks();
    for (out, &[high, middle, low]) in out.iter_mut().zip(samples) {
        // The sample is in the upper three bytes of the i32, so that its sign bit is the sign of
        // the i32; the scale compensates for the shift by 8 bits.
        *out = i32::from_be_bytes([high, middle, low, 0]) as f32 * (1.0 / (FULL_SCALE_L24 * 256.0));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to 16 bits")]
fn encode_l16(samples: &[f32], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut();
    for (out, &sample) in out.iter_mut().zip(samples) {
        *out = (quantize(sample, FULL_SCALE_L16) as i16).to_be_bytes();
    }
}

fn encode_l24(samples: &[f32], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut();
    for (out, &sample) in out.iter_mut().zip(samples) {
        let [_, high, middle, low] = quantize(sample, FULL_SCALE_L24).to_be_bytes();
        *out = [high, middle, low];
    }
}

/// Rounds to the nearest step, halves to even, and clips to the range of the encoding.
#[expect(clippy::cast_possible_truncation, reason = "the low half of the mantissa is the integer")]
fn quantize(sample: f32, full_scale: f32) -> i32 {
    let sample = if sample.is_nan() { 0.0 } else { sample };
    let steps = (sample * full_scale).clamp(-full_scale, full_scale - 1.0);
    (f64::from(steps) + ROUNDER).to_bits() as i32
}

/// Why audio or a buffer does not fit a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The number of channels is out of range.
    #[error("{channels} channels, a stream has 1 to {MAX_CHANNELS}")]
    Channels {
        /// The number of channels.
        channels: usize,
    },
    /// The payload is empty.
    #[error("no audio in the packet")]
    Empty,
    /// The audio is not a whole number of frames.
    #[error("{length} is not a multiple of the frame length {frame_length}: check encoding and channels")]
    PartialFrame {
        /// Number of bytes in the payload, or number of samples.
        length: usize,
        /// Number of bytes or samples in one frame.
        frame_length: usize,
    },
    /// The buffer to write to is shorter than the audio.
    #[error("a buffer of {available} for {needed} samples or bytes")]
    OutputTooSmall {
        /// Required length.
        needed: usize,
        /// Actual length.
        available: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(encoding: Encoding, channels: usize) -> StreamFormat {
        StreamFormat::new(encoding, SampleRate::HZ_48000, channels).unwrap()
    }

    #[test]
    fn channels_are_1_to_64() {
        for channels in [0, 65, usize::MAX] {
            let refused = StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, channels);
            assert_eq!(refused, Err(FormatError::Channels { channels }));
        }
        assert_eq!(format(Encoding::L24, 64).bytes_per_frame(), 192);
    }

    #[test]
    fn only_whole_frames_are_accepted() {
        let stereo = format(Encoding::L24, 2);
        assert_eq!(stereo.frames_in_payload(MAX_PAYLOAD), Ok(240));
        assert_eq!(stereo.frames_in_payload(0), Err(FormatError::Empty));
        assert_eq!(stereo.frames_in_payload(9), Err(FormatError::PartialFrame { length: 9, frame_length: 6 }));
        let odd = stereo.encode_into(&[0.0; 3], &mut [0; 100]);
        assert_eq!(odd, Err(FormatError::PartialFrame { length: 3, frame_length: 2 }));
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "exact: powers of two")]
    fn short_buffers_are_errors_and_longer_ones_keep_their_end() {
        let mono = format(Encoding::L16, 1);
        let mut samples = [9.0f32; 3];
        let short = mono.decode_into(&[0x40, 0, 0xC0, 0], &mut samples[..1]);
        assert_eq!(short, Err(FormatError::OutputTooSmall { needed: 2, available: 1 }));
        assert_eq!(mono.decode_into(&[0x40, 0, 0xC0, 0], &mut samples), Ok(2));
        assert_eq!(samples, [0.5, -0.5, 9.0]);

        let mut bytes = [9; 5];
        let short = mono.encode_into(&[0.5, -0.5], &mut bytes[..3]);
        assert_eq!(short, Err(FormatError::OutputTooSmall { needed: 4, available: 3 }));
        assert_eq!(mono.encode_into(&[0.5, -0.5], &mut bytes), Ok(4));
        assert_eq!(bytes, [0x40, 0, 0xC0, 0, 9]);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "exact: powers of two")]
    fn the_ends_of_the_range_are_exact() {
        let mut samples = [0.0f32; 2];
        format(Encoding::L24, 2).decode_into(&[0x80, 0, 0, 0x7F, 0xFF, 0xFF], &mut samples).unwrap();
        assert_eq!(samples, [-1.0, 8_388_607.0 / 8_388_608.0]);
        format(Encoding::L16, 2).decode_into(&[0x80, 0, 0x7F, 0xFF], &mut samples).unwrap();
        assert_eq!(samples, [-1.0, 32_767.0 / 32_768.0]);
    }

    #[test]
    fn encoding_clips_rounds_half_to_even_and_silences_nan() {
        let step = 1.0 / FULL_SCALE_L16;
        let cases = [
            (1.0, i16::MAX),
            (f32::INFINITY, i16::MAX),
            (-1.5, i16::MIN),
            (f32::NAN, 0),
            (0.5 * step, 0),
            (1.5 * step, 2),
            (-2.5 * step, -2),
            (-2.6 * step, -3),
        ];
        for (sample, expected) in cases {
            let mut bytes = [0; 2];
            format(Encoding::L16, 1).encode_into(&[sample], &mut bytes).unwrap();
            assert_eq!(i16::from_be_bytes(bytes), expected, "{sample}");
        }
    }

    #[test]
    fn every_l24_sample_survives_a_round_trip() {
        let mono = format(Encoding::L24, 1);
        for first in 0..=u16::MAX {
            let [high, middle] = first.to_be_bytes();
            let payload: Vec<u8> = (0..=u8::MAX).flat_map(|low| [high, middle, low]).collect();
            let (mut samples, mut again) = ([0.0; 256], [0; 768]);
            mono.decode_into(&payload, &mut samples).unwrap();
            mono.encode_into(&samples, &mut again).unwrap();
            assert_eq!(payload, again);
        }
    }

    proptest! {
        #[test]
        fn l16_payloads_survive_a_round_trip(payload in proptest::collection::vec(any::<[u8; 4]>(), 1..400)) {
            let payload = payload.concat();
            let stereo = format(Encoding::L16, 2);
            let (mut samples, mut again) = (vec![0.0; payload.len() / 2], vec![0; payload.len()]);
            prop_assert_eq!(stereo.decode_into(&payload, &mut samples), Ok(payload.len() / 4));
            prop_assert_eq!(stereo.encode_into(&samples, &mut again), Ok(payload.len()));
            prop_assert_eq!(payload, again);
        }

        #[test]
        fn decoding_is_total(
            l24 in any::<bool>(), channels in 1usize..=64,
            payload in proptest::collection::vec(any::<u8>(), 0..800), room in 0usize..800,
        ) {
            let format = format(if l24 { Encoding::L24 } else { Encoding::L16 }, channels);
            let mut out = vec![0.0; room];
            if let Ok(frames) = format.decode_into(&payload, &mut out) {
                prop_assert_eq!(frames * format.bytes_per_frame(), payload.len());
                prop_assert!(out.iter().all(|sample| (-1.0..1.0).contains(sample)));
            }
        }
    }
}
