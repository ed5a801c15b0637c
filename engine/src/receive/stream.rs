//! Making a receiver: one call gives the two halves of a stream, already connected.

use super::config::{StreamConfig, StreamError};
use super::exchange::{ControlSnapshot, MediaPacket, PlayoutStats};
use super::ingest::Ingest;
use super::playout::Playout;
use crate::audio::{FusedRateController, RateController};
use crate::resample::{NearUnityResampler, Resampler, SincResampler};
use crate::units::Nanos;

/// Packets on their way from the network thread to the audio thread: 256 ms of the shortest packets
/// (125 us). Nobody takes them between two callbacks, and of those the longest in use hold 8192
/// frames, 171 ms at 48 kHz; copies by a second leg do not pass here.
const RING_PACKETS: usize = 2048;
/// The jitter buffer holds this many times the deepest target, and at least [`SMALLEST_BUFFER`].
const BUFFER_DEPTHS: i64 = 4;
const SMALLEST_BUFFER: Nanos = Nanos::from_millis(500);

/// The two halves of a receiver for one stream, with the engine's own drift law.
///
/// # Errors
/// If the configuration is out of range.
pub fn stream(config: StreamConfig) -> Result<(Ingest, Playout<FusedRateController>), StreamError> {
    stream_by(config, FusedRateController::default())
}

/// The same with another drift law.
///
/// # Errors
/// If the configuration is out of range.
pub fn stream_by<D: RateController>(config: StreamConfig, drift: D) -> Result<(Ingest, Playout<D>), StreamError> {
    stream_with(config, resampler(&config)?, drift)
}

/// The same with another resampler and drift law, which must be of the channel map's outputs and
/// the configuration's block and rates.
///
/// # Errors
/// If the configuration is out of range.
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

/// What an audio half holds of the connections to its control half.
pub(crate) struct AudioEnds {
    pub(crate) packets: rtrb::Consumer<MediaPacket>,
    snapshot: triple_buffer::Output<ControlSnapshot>,
    stats: triple_buffer::Input<PlayoutStats>,
}

/// A control half, and what its audio half needs. The configuration is taken as it is: see
/// [`StreamConfig::check`].
pub(crate) fn connect(config: &StreamConfig) -> (Ingest, AudioEnds) {
    let (packets_in, packets) = rtrb::RingBuffer::new(RING_PACKETS);
    let (snapshot_in, snapshot) = triple_buffer::triple_buffer(&ControlSnapshot::default());
    let (stats, stats_out) = triple_buffer::triple_buffer(&PlayoutStats::default());
    (Ingest::new(config, packets_in, snapshot_in, stats_out), AudioEnds { packets, snapshot, stats })
}

/// The one that only corrects drift where the nominal rates are the same, the one that converts
/// where they differ.
fn resampler(config: &StreamConfig) -> Result<Box<dyn Resampler>, StreamError> {
    let channels = config.channel_map.outputs();
    if config.format.sample_rate() == config.card_rate {
        return Ok(Box::new(NearUnityResampler::new(channels, config.block_frames)?));
    }
    Ok(Box::new(SincResampler::new(channels, config.block_frames, config.nominal_step())?))
}
