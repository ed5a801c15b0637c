//! What is wrong with a file: errors, for which it is refused, and notices, with which it is still
//! read.

use std::io;
use thiserror::Error;

/// Why a file is refused. Each message states the position in the file and what would be right, but
/// does not contain the name of the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The system failed to open or read the file.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is of another kind.
    #[error("this is {found}, not WAV: a RIFF, RF64, BW64 or Wave64 file with PCM or float samples is needed")]
    NotWav {
        /// The kind of file that it appears to be.
        found: &'static str,
    },
    /// The file ends before its samples.
    #[error("the file ends at byte {at}, within its header: a `fmt ` and a `data` chunk are needed")]
    EndsInHeader {
        /// Length of the file in bytes.
        at: u64,
    },
    /// There is no chunk where one should begin.
    #[error("at byte {at} a chunk should begin, but there is none: the header is damaged")]
    NoChunk {
        /// Position in bytes.
        at: u64,
    },
    /// There are more chunks before the samples than any recorder writes.
    #[error("no samples come within the first {chunks} chunks, up to byte {at}: a `data` chunk is needed")]
    TooManyChunks {
        /// Number of chunks that were read.
        chunks: usize,
        /// Position in bytes.
        at: u64,
    },
    /// The samples precede their format.
    #[error("the `data` chunk at byte {at} comes before any `fmt ` chunk: the format must come first")]
    NoFormat {
        /// Position of the `data` chunk in bytes.
        at: u64,
    },
    /// A `fmt ` chunk is too short to be complete.
    #[error("the `fmt ` chunk at byte {at} has {bytes} bytes: {needed} are needed")]
    FormatTooShort {
        /// Position in bytes.
        at: u64,
        /// Length of the chunk in bytes.
        bytes: u64,
        /// The minimum length in bytes.
        needed: usize,
    },
    /// The samples are neither PCM nor floats.
    #[error(
        "the `fmt ` chunk at byte {at} says that the samples are {codec} (format tag {tag:#06x}): PCM (1) or float (3) is needed"
    )]
    Codec {
        /// Position in bytes.
        at: u64,
        /// `wFormatTag`, or the first word of the subformat.
        tag: u16,
        /// Name of the codec.
        codec: &'static str,
    },
    /// The sample size is not supported.
    #[error(
        "the `fmt ` chunk at byte {at} says {bits} bits a sample: 8 to 32 bits PCM, or 32 or 64 bits float are needed"
    )]
    Bits {
        /// Position in bytes.
        at: u64,
        /// `wBitsPerSample`.
        bits: u16,
    },
    /// There are more valid bits than bits.
    #[error("the `fmt ` chunk at byte {at} says {valid} valid bits in samples of {bits}: at most {bits} can be valid")]
    ValidBits {
        /// Position in bytes.
        at: u64,
        /// `wValidBitsPerSample`.
        valid: u16,
        /// `wBitsPerSample`.
        bits: u16,
    },
    /// `nBlockAlign` contradicts the other fields, so the positions of samples are unknown.
    #[error(
        "the `fmt ` chunk at byte {at} says frames of {block_align} bytes, but {channels} channels of {bits} bits are {right} bytes: samples of {bits} bits in larger containers need WAVE_FORMAT_EXTENSIBLE"
    )]
    BlockAlign {
        /// Position in bytes.
        at: u64,
        /// `nBlockAlign`.
        block_align: u16,
        /// `nChannels`.
        channels: u16,
        /// `wBitsPerSample`.
        bits: u16,
        /// What `nBlockAlign` should be.
        right: usize,
    },
    /// There are no channels or too many, or the sample rate is 0.
    #[error("the `fmt ` chunk at byte {at} says {channels} channels at {sample_rate_hz} Hz: 1 to {max} channels and a rate above 0 are needed", max = crate::MAX_CHANNELS)]
    Layout {
        /// Position in bytes.
        at: u64,
        /// `nChannels`.
        channels: u16,
        /// `nSamplesPerSec`.
        sample_rate_hz: u32,
    },
}

/// A finding about a file that does not prevent it from being read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// There is no audio.
    NoAudio {
        /// Position at which the samples would begin, in bytes.
        at: u64,
        /// The name of the chunk that begins there instead, or four bytes that look like one.
        follows: Option<[u8; 4]>,
    },
    /// The file was never completed: the stated length is 0, but there is audio.
    Unfinished {
        /// Position at which the samples begin, in bytes.
        at: u64,
    },
    /// There is less audio than the header states.
    Truncated {
        /// Number of bytes of audio that the header states.
        stated_bytes: u64,
        /// Number of bytes of audio in the file.
        found_bytes: u64,
    },
    /// The samples continue beyond the length that the header states.
    GoesOn {
        /// Number of bytes of audio that the header states.
        stated_bytes: u64,
    },
    /// The samples are followed by data that is not a chunk.
    Trailing {
        /// Position of this data, in bytes.
        at: u64,
        /// Length of this data, in bytes.
        bytes: u64,
    },
    /// The samples end within a frame.
    PartialFrame {
        /// Number of bytes of the frame that are present.
        bytes: usize,
        /// Number of bytes in a whole frame.
        frame_bytes: usize,
    },
    /// There are floats that are not finite numbers.
    NotFinite {
        /// Number of such samples.
        samples: u64,
        /// The frame of the first such sample, counted from 0.
        first_frame: u64,
    },
    /// There are floats beyond full scale.
    OverFullScale {
        /// Number of such samples.
        samples: u64,
        /// The largest magnitude; full scale is 1.
        peak: f32,
    },
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::NoAudio { at, follows: None } => {
                write!(f, "there is no audio: the file ends at byte {at}, where its samples should begin")
            }
            Self::NoAudio { at, follows: Some(id) } => {
                write!(
                    f,
                    "there is no audio: its `data` chunk is empty, and at byte {at} comes another chunk (`{}`)",
                    id.escape_ascii()
                )
            }
            Self::Unfinished { at } => {
                write!(
                    f,
                    "the header says 0 bytes of audio, but there is audio from byte {at} on: an unfinished recording, read to its end"
                )
            }
            Self::Truncated { stated_bytes, found_bytes } => {
                write!(
                    f,
                    "the file is cut short: the header says {stated_bytes} bytes of audio, and there are {found_bytes}"
                )
            }
            Self::GoesOn { stated_bytes } => {
                write!(f, "the audio goes on beyond the {stated_bytes} bytes that the header says: read to its end")
            }
            Self::Trailing { at, bytes } => {
                write!(
                    f,
                    "the audio ends at byte {at}, as the header says; the {bytes} bytes behind it are no chunk and are left out"
                )
            }
            Self::PartialFrame { bytes, frame_bytes } => {
                write!(f, "the audio ends within a frame: the last {bytes} of {frame_bytes} bytes are left out")
            }
            Self::NotFinite { samples, first_frame } => {
                write!(
                    f,
                    "{samples} samples are NaN or infinite, the first in frame {first_frame}: they become silence"
                )
            }
            Self::OverFullScale { samples, peak } => {
                let over_db = 20.0 * f64::from(peak).log10();
                write!(
                    f,
                    "{samples} samples are beyond full scale, by up to {over_db:.1} dB: integers made of them are clipped"
                )
            }
        }
    }
}
