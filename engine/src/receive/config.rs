//! What is known about a stream in advance, and what its listener requires.

use super::conformance::Described;
use crate::audio::{ChannelMap, ChannelMapError};
use crate::resample::{NearUnityError, SincResamplerError};
use crate::rtp::format::StreamFormat;
use crate::units::{Nanos, Ppb, SampleRate};
use thiserror::Error;

/// Largest depth that can be configured. Judgement: far more than any application needs, and still
/// little memory.
const MAX_TARGET_DEPTH: Nanos = Nanos::from_secs(10);

/// Relation of the stream's RTP timestamps to PTP time: `a=mediaclk` of its SDP (RFC 7273, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaClock {
    /// No relation, or an unknown one: classic Livewire, FFmpeg.
    Unrelated,
    /// `direct=offset` with `a=ts-refclk:ptp`: timestamp = PTP time x rate + offset, modulo 2^32.
    Ptp {
        /// Timestamp at the PTP epoch.
        offset: u32,
    },
}

/// Reference point of a depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DepthFrom {
    /// The time at which an ideal sender sends the packet. The depth is then the time for which the
    /// packet's first frame waits.
    #[default]
    Sending,
    /// The time denoted by the timestamp of the packet's first frame, which is one packet time
    /// before the packet is sent. The depth is then the link offset of AES67-2018, 7.5.
    Stamp,
}

/// Description of a stream, and the requirements of its listener.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamConfig {
    /// Encoding, rate and channels, from the SDP.
    pub format: StreamFormat,
    /// The stream's channels that the sound card plays; [`ChannelMap::identity`] for all of them in
    /// order.
    pub channel_map: ChannelMap,
    /// The only payload type that is accepted; `None` accepts any.
    pub payload_type: Option<u8>,
    /// Frames per packet, from the described packet time. Packets of another length are accepted,
    /// and the difference is reported.
    pub packet_frames: Option<u32>,
    /// Maximum number of frames of a packet (`a=maxptime`): longer packets are refused. `None` if
    /// the description does not state it.
    pub longest_packet: Option<u32>,
    /// Relation of the timestamps to PTP.
    pub media_clock: MediaClock,
    /// How long the first frame of a packet without network delay waits for the callback that plays
    /// the frame. If the timestamps are related to PTP and PTP time is known, this is exact, and
    /// the link offset is longer by one packet time. Otherwise, the smallest network delay adds to
    /// the depth. Because a callback fetches a whole block at once, the margin for late packets is
    /// this depth minus one block.
    pub target_depth: Nanos,
    /// Reference point of [`StreamConfig::target_depth`] and [`StreamConfig::depth_limit`].
    pub depth_from: DepthFrom,
    /// The limit up to which late packets may increase the depth. If the limit does not exceed
    /// [`StreamConfig::target_depth`], the latency is constant (presentation-time playout).
    pub depth_limit: Nanos,
    /// Nominal rate of the sound card.
    pub card_rate: SampleRate,
    /// Maximum number of frames that are resampled at once; larger callbacks are processed in
    /// several parts.
    pub block_frames: usize,
    /// Rates from an earlier session; none by default.
    pub warm_start: WarmStart,
}

/// Rates that were measured on this host in an earlier session, so that a stream need not measure
/// them first: [`PlayoutStats::card_rate`](super::PlayoutStats::card_rate), kept for each device,
/// and [`IngestStats::media_rate`](super::IngestStats::media_rate), which is the same for all
/// senders of a network that follow PTP. New measurements correct both rates.
///
/// ```
/// use engine::receive::{StreamConfig, WarmStart, stream};
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::{Nanos, Ppb, SampleRate};
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2)?;
/// let config = StreamConfig {
///     warm_start: WarmStart { card_rate: Some(Ppb::from_ppm(-31.5)), media_rate: None },
///     ..StreamConfig::new(format, Nanos::from_millis(10), 480)
/// };
/// let (ingest, playout) = stream(config)?;
/// # let _ = (ingest, playout);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WarmStart {
    /// Rate of the sound card relative to the host's clock.
    pub card_rate: Option<Ppb>,
    /// Rate of the sender's media clock relative to the host's clock.
    pub media_rate: Option<Ppb>,
}

impl StreamConfig {
    /// Creates the simplest configuration: all channels of the stream in order, any payload type,
    /// timing by arrivals, a constant depth, and no rates from an earlier session. The card has the
    /// stream's nominal rate.
    ///
    /// ```
    /// use engine::rtp::format::{Encoding, StreamFormat};
    /// use engine::receive::{MediaClock, StreamConfig, stream};
    /// use engine::{Nanos, SampleRate};
    /// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
    /// let plain = StreamConfig::new(format, Nanos::from_millis(20), 480);
    /// let by_ptp = StreamConfig { media_clock: MediaClock::Ptp { offset: 0 }, ..plain };
    /// let (ingest, playout) = stream(by_ptp).unwrap();
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

    /// The description with which packets are compared.
    pub(super) const fn described(&self) -> Described {
        Described { format: self.format, payload_type: self.payload_type, packet_frames: self.packet_frames }
    }

    pub(super) fn deepest(&self) -> Nanos {
        self.target_depth.max(self.depth_limit)
    }

    /// Checks that the values are in range.
    ///
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

    /// Number of media frames per card frame at the nominal rates.
    pub(super) fn nominal_step(&self) -> f64 {
        f64::from(self.format.sample_rate().as_hz()) / f64::from(self.card_rate.as_hz())
    }
}

/// Why a stream cannot be received with its configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A depth is zero or too large.
    #[error("the target depth must be more than 0 and it and its limit at most {MAX_TARGET_DEPTH}, not {0}")]
    TargetDepth(Nanos),
    /// The channel map does not fit the stream.
    #[error(transparent)]
    ChannelMap(#[from] ChannelMapError),
    /// The near-unity resampler refused its configuration.
    #[error(transparent)]
    NearUnity(#[from] NearUnityError),
    /// The resampler for different nominal rates refused its configuration.
    #[error(transparent)]
    Sinc(#[from] SincResamplerError),
}
