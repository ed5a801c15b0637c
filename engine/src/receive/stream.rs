//! Makes the two connected halves of a receiver.

use super::config::{StreamConfig, StreamError};
use super::exchange::{ControlSnapshot, MediaPacket, PlayoutStats};
use super::ingest::Ingest;
use super::playout::Playout;
use crate::audio::{FusedRateController, RateController};
use crate::resample::{NearUnityResampler, Resampler, SincResampler};
use crate::units::Nanos;

/// Packets that wait for the audio thread. Judgement: 256 ms of the shortest packets (125 us).
/// Nobody takes them between two callbacks, of which the longest in use have 8192 frames, 171 ms at
/// 48 kHz. Copies by a second leg do not enter the ring.
const RING_PACKETS: usize = 2048;
/// Length of the jitter buffer, in largest depths. Judgement: room for bursts after a stall.
const BUFFER_DEPTHS: i64 = 4;
/// Smallest length of the jitter buffer. Judgement: the longest callbacks in use, three times.
const SMALLEST_BUFFER: Nanos = Nanos::from_millis(500);

/// The two halves of a receiver for one stream, with the engine's own rate controller.
///
/// # Errors If the configuration is out of range.
pub fn stream(config: StreamConfig) -> Result<(Ingest, Playout<FusedRateController>), StreamError> {
    stream_by(config, FusedRateController::default())
}

/// The same with another rate controller.
///
/// # Errors If the configuration is out of range.
pub fn stream_by<D: RateController>(config: StreamConfig, drift: D) -> Result<(Ingest, Playout<D>), StreamError> {
    stream_with(config, resampler(&config)?, drift)
}

/// The same with another resampler and rate controller. The resampler must fit the channel map's
/// outputs and the configured block and rates.
///
/// # Errors If the configuration is out of range.
pub fn stream_with<D: RateController>(
    config: StreamConfig,
    resampler: Box<dyn Resampler>,
    drift: D,
) -> Result<(Ingest, Playout<D>), StreamError> {
    config.check()?;
    let rate = config.format.sample_rate();
    let buffer = config.deepest().times(BUFFER_DEPTHS).max(SMALLEST_BUFFER);
    let (ingest, ends) = connect(&config);
    let capacity_frames = rate.frames_in(buffer) as usize;
    let nominal_step = config.nominal_step();
    let AudioEnds { packets, snapshot, stats } = ends;
    let playout = Playout::new(&config, nominal_step, capacity_frames, resampler, drift, packets, snapshot, stats);
    Ok((ingest, playout))
}

/// The audio half's ends of the connections to its control half.
pub(crate) struct AudioEnds {
    pub(crate) packets: rtrb::Consumer<MediaPacket>,
    snapshot: triple_buffer::Output<ControlSnapshot>,
    stats: triple_buffer::Input<PlayoutStats>,
}

/// A control half, and the ends for its audio half. Does not check the configuration: see
/// [`StreamConfig::check`].
pub(crate) fn connect(config: &StreamConfig) -> (Ingest, AudioEnds) {
    let (packets_in, packets) = rtrb::RingBuffer::new(RING_PACKETS);
    let (snapshot_in, snapshot) = triple_buffer::triple_buffer(&ControlSnapshot::default());
    let (stats, stats_out) = triple_buffer::triple_buffer(&PlayoutStats::default());
    (Ingest::new(config, packets_in, snapshot_in, stats_out), AudioEnds { packets, snapshot, stats })
}

/// A resampler that only corrects drift if the nominal rates are equal, else one that converts.
fn resampler(config: &StreamConfig) -> Result<Box<dyn Resampler>, StreamError> {
    let channels = config.channel_map.outputs();
    if config.format.sample_rate() == config.card_rate {
        return Ok(Box::new(NearUnityResampler::new(channels, config.block_frames)?));
    }
    Ok(Box::new(SincResampler::new(channels, config.block_frames, config.nominal_step())?))
}
