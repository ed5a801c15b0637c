//! Errors of a programme.

use std::path::PathBuf;
use thiserror::Error;

/// Most channels of a stream: AES67 streams carry up to 8, ST 2110-30 level C up to 64.
pub(super) const CHANNELS_MAX: u16 = 64;

/// Why a programme is not available. Every message names the file and what would be right.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file cannot be opened or read to its end.
    #[error("{}: cannot be read ({reason}); give the path of an existing, complete WAV file", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system or the WAV reader said.
        reason: String,
    },
    /// The file is no WAV file, or of a flavour that is not supported.
    #[error("{}: {reason}; a WAV file with 8 to 32-bit PCM or 32 or 64-bit float samples is needed", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file holds no audio.
    #[error("{}: holds no audio; at least one frame is needed", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The file's rate is not the stream's.
    #[error("{}: has {file_hz} Hz but the stream has {stream_hz} Hz; convert the file to {stream_hz} Hz", file.display())]
    SampleRate {
        /// The file.
        file: PathBuf,
        /// Rate of the file in Hz.
        file_hz: u32,
        /// Rate of the stream in Hz.
        stream_hz: u32,
    },
    /// The file's channel count is neither 1 nor the stream's.
    #[error("{}: has {file_channels} channels but the stream has {stream_channels}; use a mono file, which is spread to all channels, or one with {stream_channels}", file.display())]
    Channels {
        /// The file.
        file: PathBuf,
        /// Channels of the file.
        file_channels: u16,
        /// Channels of the stream.
        stream_channels: u16,
    },
    /// A stream of no channels, or of too many.
    #[error("a stream of {0} channels; 1 to 64 are possible")]
    StreamChannels(u16),
    /// A tone that the stream cannot carry.
    #[error(
        "a tone of {frequency_hz} Hz at {level_dbfs} dBFS; it must lie above 0 Hz and below {nyquist_hz} Hz, half the sample rate, at 0 dBFS or less"
    )]
    Tone {
        /// Frequency asked for, in Hz.
        frequency_hz: f64,
        /// Level asked for, in dBFS.
        level_dbfs: f64,
        /// Half the sample rate, in Hz.
        nyquist_hz: f64,
    },
}
