//! Creates the two connected halves of a receiver.

use super::config::{StreamConfig, StreamError};
use super::exchange::{ControlSnapshot, PlayoutStats};
use super::ingest::Ingest;
use super::packet_ring::{PacketConsumer, packet_ring};
use super::playout::Playout;
use crate::audio::{FusedRateController, RateController};
use crate::resample::{NearUnityResampler, Resampler, SincResampler};
use crate::rtp::format::MAX_PAYLOAD;
use crate::units::Nanos;

/// Maximum number of packets that wait for the audio thread. Judgement: 256 ms of the shortest
/// packets (125 us). The ring must hold the packets of one callback interval, and the longest
/// callbacks have 8192 frames, 171 ms at 48 kHz. Copies from a second leg do not enter the ring.
const RING_PACKETS: usize = 2048;
/// Maximum duration of audio that can wait for the audio thread. The ring's size is also limited to
/// [`RING_PACKETS`] payloads of the largest size. Judgement: [`RING_PACKETS`] packets of 1 ms.
const RING_TIME: Nanos = Nanos::from_millis(2048);
/// Length of the jitter buffer, as a multiple of the largest depth. Judgement: room for bursts
/// after a stall.
const BUFFER_DEPTHS: i64 = 4;
/// Smallest length of the jitter buffer. Judgement: about three of the longest callbacks in use.
const SMALLEST_BUFFER: Nanos = Nanos::from_millis(500);

/// Creates the two halves of a receiver for one stream, with the engine's own rate controller and
/// resampler.
///
/// # Errors
/// If the configuration is out of range.
pub fn stream(config: StreamConfig) -> Result<(Ingest, Playout<FusedRateController>), StreamError> {
    StreamBuilder::new(config).build()
}

/// Creates the two halves of a receiver with a custom rate controller or resampler.
///
/// ```
/// use engine::audio::{RateController, RateInput};
/// use engine::receive::{StreamBuilder, StreamConfig};
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::{Nanos, Ppb, SampleRate};
/// /// Plays at the card's rate.
/// struct Nominal;
/// impl RateController for Nominal {
///     fn ratio(&mut self, _input: &RateInput) -> Ppb {
///         Ppb::ZERO
///     }
/// }
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
/// let config = StreamConfig::new(format, Nanos::from_millis(20), 480);
/// let (ingest, playout) = StreamBuilder::new(config).rate_controller(Nominal).build().unwrap();
/// # let _ = (ingest, playout);
/// ```
pub struct StreamBuilder<D> {
    config: StreamConfig,
    rate_controller: D,
    resampler: Option<Box<dyn Resampler>>,
}

impl StreamBuilder<FusedRateController> {
    /// Creates a builder with the rate controller and the resampler of [`stream`].
    #[must_use]
    pub fn new(config: StreamConfig) -> Self {
        Self { config, rate_controller: FusedRateController::default(), resampler: None }
    }
}

impl<D: RateController> StreamBuilder<D> {
    /// Replaces the rate controller.
    #[must_use]
    pub fn rate_controller<E: RateController>(self, rate_controller: E) -> StreamBuilder<E> {
        StreamBuilder { config: self.config, rate_controller, resampler: self.resampler }
    }

    /// Replaces the resampler. It must fit the channel map's outputs, the configured block and the
    /// rates.
    #[must_use]
    pub fn resampler(self, resampler: Box<dyn Resampler>) -> Self {
        Self { resampler: Some(resampler), ..self }
    }

    /// Creates the two connected halves.
    ///
    /// # Errors
    /// If the configuration is out of range.
    pub fn build(self) -> Result<(Ingest, Playout<D>), StreamError> {
        let Self { config, rate_controller, resampler } = self;
        config.check()?;
        let resampler = resampler.map_or_else(|| default_resampler(&config), Ok)?;
        let buffer = config.deepest().times(BUFFER_DEPTHS).max(SMALLEST_BUFFER);
        let capacity_frames = config.format.sample_rate().whole_frames_in(buffer);
        let nominal_step = config.nominal_step();
        let (ingest, AudioEnds { packets, snapshot, stats }) = connect(&config);
        let playout =
            Playout::new(&config, nominal_step, capacity_frames, resampler, rate_controller, packets, snapshot, stats);
        Ok((ingest, playout))
    }
}

/// The audio half's ends of its connections to the control half.
pub(crate) struct AudioEnds {
    pub(crate) packets: PacketConsumer,
    snapshot: triple_buffer::Output<ControlSnapshot>,
    stats: triple_buffer::Input<PlayoutStats>,
}

/// Creates a control half, and the ends that its audio half holds of their connections. The
/// configuration is not checked; see [`StreamConfig::check`].
pub(crate) fn connect(config: &StreamConfig) -> (Ingest, AudioEnds) {
    let (format, most_bytes) = (config.format, RING_PACKETS * MAX_PAYLOAD);
    let bytes = (format.sample_rate().whole_frames_in(RING_TIME) * format.bytes_per_frame()).min(most_bytes);
    let (packets_in, packets) = packet_ring(RING_PACKETS, bytes);
    let (snapshot_in, snapshot) = triple_buffer::triple_buffer(&ControlSnapshot::default());
    let (stats, stats_out) = triple_buffer::triple_buffer(&PlayoutStats::default());
    (Ingest::new(config, packets_in, snapshot_in, stats_out), AudioEnds { packets, snapshot, stats })
}

/// Creates a resampler that only corrects drift if the nominal rates are equal, and otherwise one
/// that converts between them.
fn default_resampler(config: &StreamConfig) -> Result<Box<dyn Resampler>, StreamError> {
    let channels = config.channel_map.outputs();
    if config.format.sample_rate() == config.card_rate {
        return Ok(Box::new(NearUnityResampler::new(channels, config.block_frames)?));
    }
    Ok(Box::new(SincResampler::new(channels, config.block_frames, config.nominal_step())?))
}
