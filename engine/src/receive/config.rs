//! What is known of a stream before its first packet, and what its listener wants.

use super::conformance::Described;
use crate::audio::{ChannelMap, ChannelMapError};
use crate::resample::{NearUnityError, SincResamplerError};
use crate::rtp::format::StreamFormat;
use crate::units::{Nanos, Ppb, SampleRate};
use thiserror::Error;

/// Depths that can be asked for.
const MAX_TARGET_DEPTH: Nanos = Nanos::from_secs(10);

/// How the stream's RTP timestamps relate to PTP time: `a=mediaclk` of its SDP (RFC 7273, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaClock {
    /// Not at all, or unknown: classic Livewire, FFmpeg.
    Unrelated,
    /// `direct=offset` with `a=ts-refclk:ptp`: timestamp = PTP time x rate + offset, modulo 2^32.
    Ptp {
        /// Timestamp at the PTP epoch.
        offset: u32,
    },
}

/// What a depth is measured from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DepthFrom {
    /// The time at which a packet is sent, if its sender is ideal: how long its first frame waits.
    #[default]
    Sending,
    /// The time that its first frame is stamped with, one packet time earlier: the depth is the
    /// link offset of AES67-2018, 7.5.
    Stamp,
}

/// What is known of a stream before its first packet, and what its listener wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamConfig {
    /// Encoding, rate and channels, from the SDP.
    pub format: StreamFormat,
    /// What the sound card's channels play; [`ChannelMap::identity`] for the stream as it is.
    pub channel_map: ChannelMap,
    /// The only payload type to accept; `None` accepts any.
    pub payload_type: Option<u8>,
    /// Frames of a packet, by the packet time that was described; packets may be of any other
    /// length, which is only told.
    pub packet_frames: Option<u32>,
    /// The most frames that a packet may have (`a=maxptime`): longer ones are refused. `None` if
    /// that was not described.
    pub longest_packet: Option<u32>,
    /// Relation of the timestamps to PTP.
    pub media_clock: MediaClock,
    /// How long the first frame of a packet that took no time waits until the callback that plays
    /// it; if the sender's timestamps are related to PTP, and PTP is known, exactly that, and the
    /// link offset is one packet time more; else the network's least delay comes on top. A callback
    /// fetches a whole block at once, so late packets have this minus one block.
    pub target_depth: Nanos,
    /// What [`StreamConfig::target_depth`] and [`StreamConfig::depth_limit`] are measured from.
    pub depth_from: DepthFrom,
    /// How far the depth may be raised when packets come after their playout;
    /// [`StreamConfig::target_depth`], or less, keeps the latency as it is asked for
    /// (presentation-time playout).
    pub depth_limit: Nanos,
    /// Nominal rate of the sound card.
    pub card_rate: SampleRate,
    /// Most frames that are resampled in one go; larger callbacks are served in several.
    pub block_frames: usize,
    /// What is remembered from earlier; the default is nothing.
    pub warm_start: WarmStart,
}

/// Rates that were measured earlier on this host, so that a stream need not find them out again:
/// [`PlayoutStats::card_rate`], kept for each device, and [`super::IngestStats::media_rate`], which
/// is that of every sender on the network if they are on PTP. They are corrected by what is
/// measured now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WarmStart {
    /// Rate of the sound card against the host's clock.
    pub card_rate: Option<Ppb>,
    /// Rate of the sender's media clock against the host's.
    pub media_rate: Option<Ppb>,
}

impl StreamConfig {
    /// The plainest way to receive a stream: all its channels as they are, of any payload type, by
    /// arrivals, at a constant depth, for a card of the stream's nominal rate of which nothing is
    /// remembered.
    ///
    /// ```
    /// use engine::rtp::format::{Encoding, StreamFormat};
    /// use engine::receive::{MediaClock, StreamConfig, stream};
    /// use engine::{Nanos, SampleRate};
    /// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
    /// let plain = StreamConfig::new(format, Nanos::from_millis(20), 480);
    /// let (ingest, playout) = stream(StreamConfig { media_clock: MediaClock::Ptp { offset: 0 }, ..plain }).unwrap();
    /// # let _ = (ingest, playout);
    /// ```
    #[must_use]
    pub fn new(format: StreamFormat, target_depth: Nanos, block_frames: usize) -> Self {
        Self {
            format,
            channel_map: ChannelMap::identity(format),
            payload_type: None,
            packet_frames: None,
            longest_packet: None,
            media_clock: MediaClock::Unrelated,
            target_depth,
            depth_from: DepthFrom::Sending,
            depth_limit: target_depth,
            card_rate: format.sample_rate(),
            block_frames,
            warm_start: WarmStart::default(),
        }
    }

    /// What packets are compared with.
    pub(super) const fn described(&self) -> Described {
        Described { format: self.format, payload_type: self.payload_type, packet_frames: self.packet_frames }
    }

    pub(super) fn deepest(&self) -> Nanos {
        self.target_depth.max(self.depth_limit)
    }

    /// # Errors
    /// If a depth or the channel map is out of range.
    pub(crate) fn check(&self) -> Result<(), StreamError> {
        for depth in [self.target_depth, self.deepest()] {
            if depth <= Nanos::ZERO || depth > MAX_TARGET_DEPTH {
                return Err(StreamError::TargetDepth(depth));
            }
        }
        Ok(self.channel_map.check(self.format)?)
    }

    /// Media frames per card frame, by the nominal rates.
    pub(super) fn nominal_step(&self) -> f64 {
        f64::from(self.format.sample_rate().as_hz()) / f64::from(self.card_rate.as_hz())
    }
}

/// A stream cannot be received as configured.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The depth is nothing, or too much.
    #[error("the target depth must be more than 0 and it and its limit at most {MAX_TARGET_DEPTH}, not {0}")]
    TargetDepth(Nanos),
    /// The map of channels does not fit the stream.
    #[error(transparent)]
    ChannelMap(#[from] ChannelMapError),
    /// The near-unity resampler refused.
    #[error(transparent)]
    NearUnity(#[from] NearUnityError),
    /// The resampler between different nominal rates refused.
    #[error(transparent)]
    Sinc(#[from] SincResamplerError),
}
