//! What is wrong with a file: refusals, and findings that do not keep it from being read.

use std::io;
use thiserror::Error;

/// Why a file is refused. Each message says where in the file, and what would be right; it does not
/// name the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused to open or to read it.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Another kind of file.
    #[error("this is {found}, not WAV: a RIFF, RF64, BW64 or Wave64 file with PCM or float samples is needed")]
    NotWav {
        /// What it looks like.
        found: &'static str,
    },
    /// It ends before its samples.
    #[error("the file ends at byte {at}, within its header: a `fmt ` and a `data` chunk are needed")]
    EndsInHeader {
        /// Length of the file in bytes.
        at: u64,
    },
    /// Something other than a chunk stands where a chunk should.
    #[error("at byte {at} a chunk should begin, but there is none: the header is damaged")]
    NoChunk {
        /// Position in bytes.
        at: u64,
    },
    /// More chunks than any recorder writes.
    #[error("no samples come within the first {chunks} chunks, up to byte {at}: a `data` chunk is needed")]
    TooManyChunks {
        /// Chunks that were read.
        chunks: usize,
        /// Position in bytes.
        at: u64,
    },
    /// The samples come first.
    #[error("the `data` chunk at byte {at} comes before any `fmt ` chunk: the format must come first")]
    NoFormat {
        /// Position of the `data` chunk in bytes.
        at: u64,
    },
    /// A `fmt ` chunk that cannot be complete.
    #[error("the `fmt ` chunk at byte {at} has {bytes} bytes: {needed} are needed")]
    FormatTooShort {
        /// Position in bytes.
        at: u64,
        /// Its length in bytes.
        bytes: u64,
        /// The least length in bytes.
        needed: usize,
    },
    /// Samples that are no PCM and no floats.
    #[error(
        "the `fmt ` chunk at byte {at} says that the samples are {codec} (format tag {tag:#06x}): PCM (1) or float (3) is needed"
    )]
    Codec {
        /// Position in bytes.
        at: u64,
        /// `wFormatTag`, or the first word of the subformat.
        tag: u16,
        /// Its name.
        codec: &'static str,
    },
    /// A size of samples that is not read.
    #[error(
        "the `fmt ` chunk at byte {at} says {bits} bits a sample: 8 to 32 bits PCM, or 32 or 64 bits float are needed"
    )]
    Bits {
        /// Position in bytes.
        at: u64,
        /// `wBitsPerSample`.
        bits: u16,
    },
    /// More valid bits than there are.
    #[error("the `fmt ` chunk at byte {at} says {valid} valid bits in samples of {bits}: at most {bits} can be valid")]
    ValidBits {
        /// Position in bytes.
        at: u64,
        /// `wValidBitsPerSample`.
        valid: u16,
        /// `wBitsPerSample`.
        bits: u16,
    },
    /// `nBlockAlign` contradicts the rest, so that the place of a sample is not known.
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
    /// No channels, too many, or no sample rate.
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

/// A finding about a file that is read all the same.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// There is no audio.
    NoAudio {
        /// Where samples would begin, in bytes.
        at: u64,
        /// The chunk that begins there instead, or what looked like one.
        follows: Option<[u8; 4]>,
    },
    /// The file was never completed: its length is 0, but there is audio.
    Unfinished {
        /// Where its samples begin, in bytes.
        at: u64,
    },
    /// There is less audio than the header says.
    Truncated {
        /// Bytes of audio that the header says.
        stated_bytes: u64,
        /// Bytes of audio that there are.
        found_bytes: u64,
    },
    /// The samples go on behind the length that the header says.
    GoesOn {
        /// Bytes of audio that the header says.
        stated_bytes: u64,
    },
    /// Behind the samples of a file there is something that is no chunk.
    Trailing {
        /// Where it begins, in bytes.
        at: u64,
        /// How long it is, in bytes.
        bytes: u64,
    },
    /// The samples end within a frame.
    PartialFrame {
        /// Bytes of the frame that are there.
        bytes: usize,
        /// Bytes of a whole frame.
        frame_bytes: usize,
    },
    /// Floats that are no finite numbers.
    NotFinite {
        /// How many samples.
        samples: u64,
        /// The first one's frame, from 0.
        first_frame: u64,
    },
    /// Floats beyond full scale.
    OverFullScale {
        /// How many samples.
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
