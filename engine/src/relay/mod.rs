//! A relay: a received stream is sent again, with constant latency, and with its own gains,
//! channels, packet time or encoding.
//!
//! Model: input and output follow the same PTP clock, so a frame's timestamp alone gives its
//! position on the media timeline. The output frame at position n is the input frame at position n
//! minus the latency. Nothing is resampled and no clock is estimated. At unity gain and with the
//! same encoding, the output samples are bit-identical to the input samples.
//!
//! The latency is the difference between the media times of output and input. The latency must
//! cover the input's packet time (the first frame of a packet waits for the last one), the network
//! delay and the jitter. Frames that have not arrived when they must be sent are concealed and
//! counted; packets that arrive after that are counted as late.
//!
//! Assumptions: the sender of the input follows PTP and states the offset of its timestamps
//! (`a=mediaclk:direct=`); other streams are received with [`crate::receive::stream`], which
//! measures their clock.

mod feed;
mod gain;

use crate::audio::Decoder;
use crate::clock::Reference;
use crate::receive::{
    Datagram, Ingest, IngestError, IngestStats, MediaClock, PacketConsumer, PacketHeader, StreamConfig, StreamError,
    connect,
};
use crate::rtp::leg::Leg;
use crate::send::{Sender, SenderConfig, SenderError, SenderStats, Transmit};
use crate::units::{Frames, LocalTime, Nanos, RtpTimestamp};
use feed::RelayFeed;
use thiserror::Error;

/// Longest latency. Judgement: far beyond the buffers of devices in use.
const MAX_LATENCY: Nanos = Nanos::from_secs(1);

/// Configuration of a relay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RelayConfig {
    /// The input; its channel map selects the output's channels. A relay does not play the input,
    /// so the fields for the sound card are not used, and the target depth only affects which
    /// timestamps count as discontinuous.
    pub input: StreamConfig,
    /// The output, which must have the input's sample rate.
    pub output: SenderConfig,
    /// How much later a frame's media time is at the output than at the input, rounded up to whole
    /// frames.
    pub latency: Nanos,
}

/// Why a stream cannot be relayed as configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The input cannot be received.
    #[error(transparent)]
    Input(#[from] StreamError),
    /// The output cannot be sent.
    #[error(transparent)]
    Output(#[from] SenderError),
    /// The input's timestamps are not PTP time.
    #[error(
        "the input's SDP does not tie its timestamps to PTP (a=ts-refclk:ptp and a=mediaclk:direct): it cannot be relayed without resampling"
    )]
    NotOnPtp,
    /// The sample rates differ.
    #[error("the input has {input} Hz and the output {output} Hz: a relay does not resample")]
    SampleRates {
        /// Sample rate of the input, Hz.
        input: u32,
        /// Sample rate of the output, Hz.
        output: u32,
    },
    /// The channel map does not yield the output's channels.
    #[error("the channel map has {mapped} outputs, but the stream that goes out has {output} channels")]
    Channels {
        /// Outputs of the map.
        mapped: usize,
        /// Channels of the output.
        output: usize,
    },
    /// The latency is zero or too large.
    #[error("a latency of {0}: it must be more than the input's packet time and at most {MAX_LATENCY}")]
    Latency(Nanos),
}

/// Counts of a relay, in addition to those of its input and its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStats {
    /// Frames that were sent as received.
    pub relayed_frames: u64,
    /// Frames that were concealed because they had not arrived.
    pub concealed_frames: u64,
    /// Number of gaps.
    pub gaps: u64,
    /// Packets that arrived after their frames had been sent.
    pub late_packets: u64,
    /// Packets that were far ahead of PTP time, because the sender follows another clock.
    pub early_packets: u64,
    /// Packets that arrived before PTP time was known.
    pub unplaced_packets: u64,
}

/// A relay. Pass it the input's datagrams and the clock, and use it like a [`Sender`] with a
/// built-in source.
///
/// ```
/// use engine::receive::{Leg, MediaClock, StreamConfig};
/// use engine::relay::{Relay, RelayConfig, RelayError};
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::send::SenderConfig;
/// use engine::{LocalTime, Nanos, SampleRate};
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2)?;
/// let plain = StreamConfig::new(format, Nanos::from_millis(5), 48);
/// let output = SenderConfig::new(format, ([239, 69, 0, 2], 5004).into(), 1);
/// let latency = Nanos::from_millis(5);
/// let by_arrivals = Relay::new(RelayConfig { input: plain, output, latency });
/// assert!(matches!(by_arrivals, Err(RelayError::NotOnPtp)));
/// let input = StreamConfig { media_clock: MediaClock::Ptp { offset: 0 }, ..plain };
/// let mut relay = Relay::new(RelayConfig { input, output, latency })?;
/// assert_eq!(relay.poll_timeout(), None, "there is no time yet");
/// assert!(relay.handle_datagram(Leg::A, LocalTime::ZERO, b"no RTP packet").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Relay {
    ingest: Ingest,
    packets: PacketConsumer,
    decoder: Decoder,
    /// RTP timestamp of the input at the PTP epoch.
    offset: u32,
    feed: RelayFeed,
    sender: Sender,
    stats: RelayStats,
}

impl Relay {
    /// Creates a relay that does not know the time yet.
    ///
    /// # Errors
    /// If the input, the output or their combination is out of range.
    pub fn new(config: RelayConfig) -> Result<Self, RelayError> {
        let RelayConfig { input, output, latency } = config;
        input.check()?;
        let sender = Sender::new(output)?;
        let MediaClock::Ptp { offset } = input.media_clock else { return Err(RelayError::NotOnPtp) };
        let rate = input.format.sample_rate();
        let (input_hz, output_hz) = (rate.as_hz(), output.sample_rate().as_hz());
        if input_hz != output_hz {
            return Err(RelayError::SampleRates { input: input_hz, output: output_hz });
        }
        let (mapped, channels) = (input.channel_map.outputs(), output.format.channels());
        if mapped != channels {
            return Err(RelayError::Channels { mapped, output: channels });
        }
        if latency <= Nanos::ZERO || latency > MAX_LATENCY {
            return Err(RelayError::Latency(latency));
        }
        let (ingest, ends) = connect(&input);
        let latency = Frames::from_f64(libm::ceil(rate.frames_in(latency)));
        let decoder = Decoder::new(input.format, input.channel_map);
        let feed = RelayFeed::new(channels, rate, latency);
        Ok(Self { ingest, packets: ends.packets, decoder, offset, feed, sender, stats: RelayStats::default() })
    }

    /// Handles a datagram of the input that was received at `now` on `leg`.
    ///
    /// # Errors
    /// If the datagram is not a packet of the input. The datagram is then only counted as refused.
    pub fn handle_datagram(&mut self, leg: Leg, now: LocalTime, datagram: &[u8]) -> Result<(), IngestError> {
        self.handle(Datagram { leg, at: now, from: None, bytes: datagram })
    }

    /// Like [`Relay::handle_datagram`], for a datagram whose sender is known; see
    /// [`Ingest::handle`].
    ///
    /// # Errors
    /// The same as [`Relay::handle_datagram`].
    pub fn handle(&mut self, datagram: Datagram<'_>) -> Result<(), IngestError> {
        self.ingest.handle(datagram)?;
        while let Some(packet) = self.packets.peek() {
            self.store(&packet);
        }
        Ok(())
    }

    /// Follows the reference's timeline; see [`Sender::set_clock`]. A step of the timeline discards
    /// the waiting audio, because its positions are on the old timeline.
    pub fn set_clock(&mut self, now: LocalTime, reference: &Reference) {
        let before = self.sender.stats().realignments;
        self.sender.set_clock(now, reference);
        if self.sender.stats().realignments != before {
            self.feed.restart();
        }
    }

    /// Sets the gain of an output channel, as a factor, which is reached within 10 ms. Returns
    /// false if there is no such channel, or if the gain is not finite.
    pub fn set_gain(&mut self, channel: usize, gain: f32) -> bool {
        self.feed.set_gain(channel, gain)
    }

    /// When [`Relay::handle_timeout`] is due next; `None` while the time is not known.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.sender.poll_timeout()
    }

    /// Writes the packet that is due at `now`, if one is.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        self.sender.handle_timeout(now, &mut self.feed);
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.sender.poll_transmit()
    }

    /// The relay's own counters.
    #[must_use]
    pub fn stats(&self) -> RelayStats {
        let (relayed_frames, concealed_frames, gaps) = self.feed.counts();
        RelayStats { relayed_frames, concealed_frames, gaps, ..self.stats }
    }

    /// The counters of the input.
    #[must_use]
    pub fn ingest_stats(&self) -> IngestStats {
        self.ingest.stats()
    }

    /// The counters of the output.
    #[must_use]
    pub fn sender_stats(&self) -> &SenderStats {
        self.sender.stats()
    }

    /// How much later a frame's media time is at the output than at the input.
    #[must_use]
    pub fn latency(&self) -> Frames {
        self.feed.latency()
    }

    /// Moves the first packet of the ring to the output's feed.
    fn store(&mut self, packet: &PacketHeader) {
        let payload = self.packets.pop();
        if self.sender.poll_timeout().is_none() {
            self.stats.unplaced_packets += 1;
            return;
        }
        // Timestamps wrap after 2^32 frames (a day at 48 kHz). Of the possible positions, the one
        // closest to the output's position is used.
        let timestamp = RtpTimestamp::new(packet.timestamp().get().wrapping_sub(self.offset));
        let first = timestamp.unwrap_near(self.sender.position());
        let audio = self.decoder.decode(payload);
        match self.feed.insert(self.sender.position(), first, audio) {
            feed::Placement::Kept => {}
            feed::Placement::Late => self.stats.late_packets += 1,
            feed::Placement::Early => self.stats.early_packets += 1,
        }
    }
}
