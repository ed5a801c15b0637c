//! Configuration of a stream to be sent.

use crate::rtp::format::{MAX_PAYLOAD, PacketTime, StreamFormat};
use crate::rtp::leg::Leg;
use crate::rtp::wire::PayloadType;
use crate::units::{Nanos, SampleRate};
use std::net::SocketAddr;
use thiserror::Error;

/// Longest [`SenderConfig::delay`]. Judgement: receivers do not buffer more than this.
const MAX_DELAY: Nanos = Nanos::from_secs(1);

/// Noise that is added to samples before they are rounded to 16 bits. L24 is never dithered: its
/// last bit is below any converter's noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dither {
    /// No noise: samples are only rounded.
    #[default]
    Off,
    /// Triangular noise of ±1 step, which makes the error independent of the signal. A packet in
    /// which all samples are already 16-bit values is left unchanged.
    Tpdf {
        /// Seed of the noise.
        seed: u64,
    },
}

/// The configuration of a stream to be sent.
///
/// ```
/// use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
/// use engine::send::{SenderConfig, SenderError};
/// use engine::SampleRate;
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 16)?;
/// let config = SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 0xE27);
/// let error = config.packet_frames().unwrap_err();
/// assert!(matches!(error, SenderError::PacketTooLong { most: 10, .. }));
/// let shorter = SenderConfig { packet_time: PacketTime::US_250, ..config };
/// assert_eq!(shorter.packet_frames(), Ok(12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderConfig {
    /// Encoding, rate and channels.
    pub format: StreamFormat,
    /// Duration of a packet.
    pub packet_time: PacketTime,
    /// The number that identifies the format in the SDP, usually 96 to 127.
    pub payload_type: PayloadType,
    /// RTP timestamp at the PTP epoch: `a=mediaclk:direct=` of the SDP. Keep it at 0 unless another
    /// value is necessary, because some receivers ignore it.
    pub media_clock_offset: u32,
    /// Destination of the primary leg.
    pub primary: SocketAddr,
    /// Destination of the same packets on the second leg (SMPTE ST 2022-7).
    pub secondary: Option<SocketAddr>,
    /// How long after the end of its last frame a packet leaves. The delay must cover the latency
    /// of the source, for example a sound card.
    pub delay: Nanos,
    /// Noise for 16-bit streams.
    pub dither: Dither,
    /// A seed from the system's entropy for the SSRC and the first sequence number (RFC 3550, 5.1
    /// and 8.1).
    pub seed: u64,
}

/// Why a stream cannot be sent as configured.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SenderError {
    /// AES67 does not have this sample rate.
    #[error("{0} Hz: AES67 has 44100, 48000 and 96000 Hz")]
    SampleRate(u32),
    /// The packets would not fit in an Ethernet frame.
    #[error(
        "{channels} channels of {frames} frames are {bytes} bytes a packet, but {MAX_PAYLOAD} is the most: take a shorter packet time or {most} channels"
    )]
    PacketTooLong {
        /// Requested number of channels.
        channels: usize,
        /// Number of frames in a packet.
        frames: usize,
        /// Number of bytes in the payload.
        bytes: usize,
        /// Number of channels that fit.
        most: usize,
    },
    /// The delay is negative or too long.
    #[error("a delay of {0}: it must be within 0 and {MAX_DELAY}")]
    Delay(Nanos),
    /// Both legs have the same destination.
    #[error("both legs go to {0}: give the secondary one another address, or none")]
    SameDestination(SocketAddr),
}

impl SenderConfig {
    /// Creates the configuration of a stream that is sent to one destination in 1 ms packets, which
    /// every AES67 device can receive.
    #[must_use]
    pub const fn new(format: StreamFormat, primary: SocketAddr, seed: u64) -> Self {
        Self {
            format,
            packet_time: PacketTime::MS_1,
            payload_type: match PayloadType::new(96) {
                Some(payload_type) => payload_type,
                None => unreachable!(),
            },
            media_clock_offset: 0,
            primary,
            secondary: None,
            delay: Nanos::ZERO,
            dither: Dither::Off,
            seed,
        }
    }

    /// Frames per second.
    #[must_use]
    pub const fn sample_rate(&self) -> SampleRate {
        self.format.sample_rate()
    }

    /// Number of frames in a packet.
    ///
    /// # Errors
    /// [`SenderError::SampleRate`] or [`SenderError::PacketTooLong`].
    pub fn packet_frames(&self) -> Result<usize, SenderError> {
        let rate = self.sample_rate();
        let frames = self.packet_time.frames(rate).ok_or(SenderError::SampleRate(rate.as_hz()))?;
        let bytes = frames * self.format.bytes_per_frame();
        if bytes > MAX_PAYLOAD {
            let most = self.packet_time.max_channels(self.format.encoding(), rate).unwrap_or(0);
            return Err(SenderError::PacketTooLong { channels: self.format.channels(), frames, bytes, most });
        }
        Ok(frames)
    }

    /// Destination of a leg.
    #[must_use]
    pub const fn destination(&self, leg: Leg) -> Option<SocketAddr> {
        match leg {
            Leg::A => Some(self.primary),
            Leg::B => self.secondary,
        }
    }

    /// Checks that the stream can be sent. Returns the number of frames in a packet.
    ///
    /// # Errors
    /// If the stream cannot be sent as configured.
    pub(super) fn check(&self) -> Result<usize, SenderError> {
        if self.delay < Nanos::ZERO || self.delay > MAX_DELAY {
            return Err(SenderError::Delay(self.delay));
        }
        if self.secondary == Some(self.primary) {
            return Err(SenderError::SameDestination(self.primary));
        }
        self.packet_frames()
    }
}
