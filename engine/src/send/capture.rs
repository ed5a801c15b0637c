//! A sound card as a source: its audio is resampled from the card's clock to the media timeline.
//!
//! Model: playout in reverse, with the same components. The card's clock is estimated from the
//! times of its callbacks, as for playout. The setpoint for a frame of the media timeline follows
//! from its PTP time, which is mapped to host time (by the reference's map) and then to a position
//! in the captured audio (by the card's map). The stream's position advances by the ratio of the
//! two measured rates, card over PTP, with a slow trim of the remaining phase error; see
//! [`RateController`].
//!
//! There are two halves, because there are two threads: [`CaptureInput`] belongs to the card's
//! callback, [`CaptureSource`] to the sender. They share lock-free rings.
//!
//! Assumption: the sender's [`delay`](super::SenderConfig::delay) covers the blocks of the card,
//! the lateness of its callbacks, and a millisecond of filter delay. Audio that has not been
//! captured by the time its packet leaves is concealed and counted.

use super::{MediaTimeline, Source};
use crate::audio::{Alignment, Correction, FusedRateController, RateController, RateInput, Reader, Setpoint};
use crate::clock::{CardClock, MediaMap, PtpMap};
use crate::resample::{
    NearUnityError, NearUnityResampler, Resampler, SincResampler, SincResamplerError, input_capacity,
};
use crate::rtp::format::MAX_CHANNELS;
use crate::units::{Frames, LocalTime, MediaPosition, Nanos, Ppb, SampleRate};
use thiserror::Error;

/// Duration of the audio for which the ring between the halves has room, and of the audio that the
/// sender's half keeps. Judgement: longer than the blocks of any card.
const BUFFER: Nanos = Nanos::from_millis(500);
/// Maximum number of blocks that wait between the halves. Judgement: slightly more than [`BUFFER`]
/// with 24-frame blocks at 48 kHz.
const MOST_BLOCKS: usize = 1024;
/// Time for which the clock of a new card is left to settle before corrections begin. Judgement:
/// the same time as in playout.
const SETTLING: Nanos = Nanos::from_secs(5);

/// Configuration of a capture.
///
/// ```
/// use engine::SampleRate;
/// use engine::send::{CaptureConfig, CaptureError, capture};
/// let config = CaptureConfig {
///     card_rate: SampleRate::HZ_48000,
///     card_channels: 8,
///     channels: vec![0, 1],
///     stream_rate: SampleRate::HZ_48000,
///     packet_frames: 48,
///     remembered: None,
/// };
/// let (input, source) = capture(&config)?;
/// // `input` goes to the card's callback, and `source` to a [`Sender`](super::Sender).
/// # let _ = (input, source);
/// let config = CaptureConfig { channels: vec![8], ..config };
/// assert!(matches!(capture(&config), Err(CaptureError::Channels(..))), "the card has channels 0 to 7");
/// # Ok::<(), CaptureError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureConfig {
    /// Nominal rate of the card.
    pub card_rate: SampleRate,
    /// Number of channels in the card's blocks.
    pub card_channels: usize,
    /// The card's channel, counted from 0, for each channel of the stream.
    pub channels: Vec<usize>,
    /// Rate of the stream.
    pub stream_rate: SampleRate,
    /// Number of frames per packet.
    pub packet_frames: usize,
    /// The card's rate from an earlier session, if known.
    pub remembered: Option<Ppb>,
}

/// Why a card cannot be captured as configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// There are no channels or too many, or the card lacks one of them.
    #[error("channels {0:?} of a card that has {1}: right would be 1 to {MAX_CHANNELS} of those")]
    Channels(Vec<usize>, usize),
    /// The near-unity resampler refused its configuration.
    #[error(transparent)]
    NearUnity(#[from] NearUnityError),
    /// The resampler for different nominal rates refused its configuration.
    #[error(transparent)]
    Sinc(#[from] SincResamplerError),
}

/// Statistics of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CaptureStats {
    /// Rate of the card relative to the host's clock.
    pub card_rate: Ppb,
    /// How far the stream lags its setpoint.
    pub phase_error: Nanos,
    /// Frames that were concealed because they had not been captured in time.
    pub concealed_frames: u64,
    /// Number of jumps of the stream's position.
    pub jumps: u64,
    /// Frames that were captured but not used.
    pub lost_frames: u64,
}

/// Creates the two halves of a capture.
///
/// # Errors
/// If the configuration is out of range.
pub fn capture(config: &CaptureConfig) -> Result<(CaptureInput, CaptureSource), CaptureError> {
    let channels = config.channels.len();
    if !(1..=MAX_CHANNELS).contains(&channels) || config.channels.iter().any(|&channel| channel >= config.card_channels)
    {
        return Err(CaptureError::Channels(config.channels.clone(), config.card_channels));
    }
    let capacity = config.card_rate.whole_frames_in(BUFFER);
    let (samples_in, samples) = rtrb::RingBuffer::new(capacity * channels);
    let (blocks_in, blocks) = rtrb::RingBuffer::new(MOST_BLOCKS);
    let nominal_step = f64::from(config.card_rate.as_hz()) / f64::from(config.stream_rate.as_hz());
    let packet = config.packet_frames.max(1);
    let resampler: Box<dyn Resampler> = if config.card_rate == config.stream_rate {
        Box::new(NearUnityResampler::new(channels, packet)?)
    } else {
        Box::new(SincResampler::new(channels, packet, nominal_step)?)
    };
    let input_frames = input_capacity(packet, nominal_step);
    let input = CaptureInput {
        channels: config.channels.clone(),
        card_channels: config.card_channels,
        clock: CardClock::new(config.card_rate, config.remembered),
        captured: Frames::ZERO,
        samples: samples_in,
        blocks: blocks_in,
    };
    let source = CaptureSource {
        card_rate: config.card_rate,
        timeline: MediaTimeline::new(config.stream_rate),
        stream_rate: config.stream_rate,
        channels,
        nominal_step,
        resampler,
        drift: FusedRateController::default(),
        reader: Reader::new(channels, capacity, config.card_rate),
        followed: None,
        card: None,
        cursor: None,
        expected: None,
        alignment: Alignment::default(),
        input: vec![0.0; input_frames * channels],
        block: Vec::with_capacity(capacity * channels),
        samples,
        blocks,
        taken: Frames::ZERO,
        stats: CaptureStats::default(),
    };
    Ok((input, source))
}

/// A captured block on its way to the sender.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: Frames,
    frames: usize,
    /// Map of the card's clock at the time of capture.
    card: Option<MediaMap>,
    rate: Ppb,
}

/// The card's half.
pub struct CaptureInput {
    channels: Vec<usize>,
    card_channels: usize,
    clock: CardClock,
    captured: Frames,
    samples: rtrb::Producer<f32>,
    blocks: rtrb::Producer<Block>,
}

impl CaptureInput {
    /// Passes on a block of all channels of the card, interleaved. `now` is the time at which the
    /// last frame was captured, as far as the callback knows. The call neither allocates nor
    /// blocks. The block is lost if the ring is full because the sender does not read it.
    pub fn push(&mut self, now: LocalTime, samples: &[f32]) {
        let frames = samples.len() / self.card_channels;
        let first = self.captured;
        self.clock.captured(now, frames);
        self.captured += Frames::of(frames);
        let Ok(chunk) = self.samples.write_chunk_uninit(frames * self.channels.len()) else { return };
        if self.blocks.is_full() {
            return;
        }
        let picked = samples.chunks_exact(self.card_channels);
        chunk.fill_from_iter(picked.flat_map(|frame| self.channels.iter().map(|&channel| frame[channel])));
        let block = Block { first, frames, card: self.clock.map(), rate: self.clock.rate() };
        // This succeeds: there is no other producer, and the ring was not full.
        let _ = self.blocks.push(block);
    }
}

/// The sender's half.
pub struct CaptureSource {
    card_rate: SampleRate,
    timeline: MediaTimeline,
    stream_rate: SampleRate,
    channels: usize,
    nominal_step: f64,
    resampler: Box<dyn Resampler>,
    drift: FusedRateController,
    reader: Reader,
    /// Map from host time to PTP time.
    followed: Option<PtpMap>,
    /// Map from host time to the card's frames.
    card: Option<MediaMap>,
    /// Card frame to feed to the resampler next.
    cursor: Option<Frames>,
    /// Media frame that is expected to be requested next.
    expected: Option<Frames>,
    alignment: Alignment,
    input: Vec<f32>,
    block: Vec<f32>,
    samples: rtrb::Consumer<f32>,
    blocks: rtrb::Consumer<Block>,
    /// Card frame after the last one that was taken from the ring.
    taken: Frames,
    stats: CaptureStats,
}

impl CaptureSource {
    /// The statistics so far.
    #[must_use]
    pub fn stats(&self) -> &CaptureStats {
        &self.stats
    }

    /// Receives the blocks that the card has captured.
    fn receive(&mut self) {
        // The ring is bounded, and so is this loop, even if blocks keep coming.
        for _ in 0..MOST_BLOCKS {
            let Ok(block) = self.blocks.pop() else { return };
            self.card = block.card.or(self.card);
            self.stats.card_rate = block.rate;
            self.stats.lost_frames += u64::try_from((block.first - self.taken).get()).unwrap_or(0);
            self.taken = block.first + Frames::of(block.frames);
            let Ok(chunk) = self.samples.read_chunk(block.frames * self.channels) else { return };
            self.block.clear();
            self.block.extend(chunk);
            self.reader.buffer.insert(self.cursor.unwrap_or(block.first), block.first, &self.block);
        }
    }

    /// Position in the card's audio that corresponds to the media frame `first`.
    fn place(&self, first: Frames) -> Option<MediaPosition> {
        let captured_at = self.followed?.local_at(self.timeline.begin_of(first));
        Some(self.card?.position_at(captured_at))
    }

    /// Position of the next output frame when `cursor` is fed to the resampler next.
    fn position_of(&self, cursor: Frames) -> MediaPosition {
        MediaPosition::at_frame(cursor).advanced(-self.resampler.input_latency_frames())
    }

    /// Jumps to `wanted`.
    fn jump(&mut self, wanted: MediaPosition) {
        self.cursor = Some(wanted.advanced(self.resampler.input_latency_frames() + 0.5).frame());
        self.reader.concealer.splice();
        self.stats.jumps += 1;
        self.alignment.moved();
    }

    /// Jumps to `wanted` if necessary, and returns the phase error that remains to be trimmed.
    fn steer(&mut self, first: Frames, wanted: MediaPosition, block: Nanos) -> Nanos {
        let follows = self.expected == Some(first);
        let Some(cursor) = self.cursor.filter(|_| follows) else {
            self.jump(wanted);
            self.stats.jumps -= u64::from(self.expected.is_none());
            return Nanos::ZERO;
        };
        let behind = self.card_rate.duration_f64(wanted.frames_since(self.position_of(cursor)));
        self.stats.phase_error = behind;
        let setpoint = Setpoint { sigma: Nanos::ZERO, settling: SETTLING, is_absolute: true };
        match self.alignment.correct(behind, block, &setpoint) {
            Correction::Hold | Correction::Adopt => Nanos::ZERO,
            Correction::Trim => behind,
            Correction::Jump => {
                self.jump(wanted);
                Nanos::ZERO
            }
        }
    }

    fn step(&mut self, timeline_rate: Ppb, behind: Nanos, block: Nanos) -> f64 {
        let input = RateInput {
            block,
            source_rate: self.stats.card_rate,
            sink_rate: timeline_rate,
            phase_error: behind,
            setpoint_sigma: Nanos::ZERO,
        };
        self.nominal_step * self.drift.ratio(&input).ratio()
    }

    fn render(&mut self, out: &mut [f32], step_end: f64) {
        let channels = self.channels;
        for block in out.chunks_mut(self.resampler.max_frames() * channels) {
            let needed = self.resampler.prepare(block.len() / channels, step_end);
            // The input is moved out of `self`, so that `self` can be borrowed while the buffer is
            // read.
            let mut input = std::mem::take(&mut self.input);
            self.fetch(&mut input[..needed * channels]);
            self.resampler.process(&input[..needed * channels], block);
            self.input = input;
        }
    }

    fn fetch(&mut self, samples: &mut [f32]) {
        let Some(cursor) = self.cursor else { return samples.fill(0.0) };
        let stats = &mut self.stats;
        let end = self.reader.read(cursor, samples, |run| {
            stats.concealed_frames += if run.is_present { 0 } else { run.frames as u64 };
        });
        self.cursor = Some(end);
    }
}

impl Source for CaptureSource {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        self.receive();
        let frames = out.len() / self.channels;
        let (Some(wanted), Some(followed)) = (self.place(first), self.followed) else { return out.fill(0.0) };
        let block = self.stream_rate.duration_f64(Frames::of(frames).as_f64());
        let behind = self.steer(first, wanted, block);
        self.expected = Some(first + Frames::of(frames));
        let step = self.step(followed.clock().rate(), behind, block);
        self.render(out, step);
    }

    fn set_timeline(&mut self, timeline: &PtpMap) {
        self.followed = Some(*timeline);
    }
}
