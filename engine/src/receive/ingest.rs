//! The control half of a stream: from datagrams to placed packets and a media clock.
//!
//! Model: RTP timestamps are unwrapped onto one timeline of 64 bits per *generation*. A new source (SSRC) or a jump of the timestamps
//! starts a new generation: the audio half then aligns itself anew. The media clock is estimated from arrivals, whatever the
//! sender says of PTP, so that the rate never depends on a master.

use super::handover::{ControlSnapshot, MediaPacket, PlayoutStats};
use super::stream::{MediaClock, StreamConfig};
use crate::clock::{
    ClockMap, ClockReading, DelayModel, Direction, Estimator, EstimatorConfig, LockState, MediaMap, PathDelay, PtpMap,
    Sample,
};
use crate::rtp::format::{FormatError, MAX_PAYLOAD};
use crate::rtp::sequence::{Arrival, SequenceCounts, SequenceTracker};
use crate::rtp::wire::{RtpError, RtpPacket, Ssrc};
use crate::units::{Frames, LocalTime, NANOS_PER_SECOND, Nanos, Ppb, PtpTime, SampleRate};
use thiserror::Error;

/// A timestamp this far from where it is expected belongs to a new timeline, if the next packet agrees.
const DISCONTINUITY: Nanos = Nanos::from_secs(1);
/// Media clocks known to this are of use as a reference.
const USABLE_RATE: Ppb = Ppb::from_ppm(1.0);
/// Another source takes over once the present one has been silent for this long.
const SOURCE_SILENCE: Nanos = Nanos::from_millis(250);

/// A datagram was not a packet of this stream.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IngestError {
    /// Not RTP.
    #[error(transparent)]
    Rtp(#[from] RtpError),
    /// Another payload type than configured.
    #[error("payload type {found}, but the stream's is {expected}")]
    PayloadType {
        /// The packet's.
        found: u8,
        /// The stream's.
        expected: u8,
    },
    /// The payload is not a whole number of frames.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The payload is longer than AES67 allows.
    #[error("a payload of {0} bytes is longer than the {MAX_PAYLOAD} that AES67 allows")]
    Oversize(usize),
    /// A second source on the same group, kept out while the first one lasts.
    #[error("another source ({0}) sends to the same address")]
    OtherSource(Ssrc),
    /// A timestamp far from the stream's timeline; a second one like it starts a new timeline.
    #[error("timestamp {0} frames away from the stream's timeline")]
    Discontinuity(i64),
}

/// What the control half has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IngestStats {
    /// Sequence numbers: received, lost, reordered, duplicates.
    pub sequence: SequenceCounts,
    /// Datagrams that were refused, see [`IngestError`].
    pub refused: u64,
    /// Packets that found the ring to the audio half full: the sound card does not pull.
    pub overflows: u64,
    /// Restarts of the media timeline.
    pub generation: u32,
    /// Rate of the sender's media clock against the host's.
    pub media_rate: Ppb,
    /// Running size of the packets' lateness.
    pub arrival_jitter: Nanos,
}

/// One generation of the media timeline.
#[derive(Debug)]
struct Timeline {
    ssrc: Ssrc,
    origin_local: LocalTime,
    origin_frame: Frames,
    newest: Frames,
    newest_at: LocalTime,
    arrivals: Estimator,
    sequence: SequenceTracker,
}

/// Network half of a stream. Feed it every datagram of the stream's socket with its receive timestamp.
pub struct Ingest {
    config: StreamConfig,
    timeline: Option<Timeline>,
    /// Timestamp of a packet that would have begun a new timeline, and was waited for to be confirmed.
    suspect: Option<u32>,
    snapshot: ControlSnapshot,
    stats: IngestStats,
    ptp: Option<(PtpMap, u32)>,
    packets: rtrb::Producer<MediaPacket>,
    publisher: triple_buffer::Input<ControlSnapshot>,
    playout_stats: triple_buffer::Output<PlayoutStats>,
}

impl Ingest {
    pub(super) fn new(
        config: &StreamConfig,
        packets: rtrb::Producer<MediaPacket>,
        publisher: triple_buffer::Input<ControlSnapshot>,
        playout_stats: triple_buffer::Output<PlayoutStats>,
    ) -> Self {
        Self {
            config: *config,
            timeline: None,
            suspect: None,
            snapshot: ControlSnapshot::default(),
            stats: IngestStats::default(),
            ptp: None,
            packets,
            publisher,
            playout_stats,
        }
    }

    /// Takes one datagram that was received at `now`.
    ///
    /// # Errors
    /// If it is not a packet of this stream; it is counted as refused, and nothing else happens.
    pub fn handle_datagram(&mut self, now: LocalTime, datagram: &[u8]) -> Result<(), IngestError> {
        let taken = self.take(now, datagram);
        if taken.is_err() {
            self.stats.refused += 1;
        }
        taken
    }

    /// Tells what PTP time is; call it whenever the clock has learnt something.
    pub fn set_clock(&mut self, reading: &ClockReading) {
        self.ptp = reading.map.filter(|_| reading.state.is_usable()).map(|map| (map, reading.epoch));
    }

    /// What this half has counted.
    #[must_use]
    pub fn stats(&self) -> IngestStats {
        let mut stats = self.stats;
        if let Some(timeline) = &self.timeline {
            stats.sequence = timeline.sequence.counts();
            stats.media_rate = timeline.arrivals.map().map_or(Ppb::ZERO, |map| map.rate());
            stats.arrival_jitter = timeline.arrivals.jitter();
        }
        stats
    }

    /// The sender's media clock as a source of the [`crate::clock::Reference`]: its rate is the sender's, its origin the stream's first packet. Of use once the
    /// rate is known to a part in a million.
    #[must_use]
    pub fn arrivals(&self) -> Option<ClockReading> {
        let timeline = self.timeline.as_ref()?;
        let map = timeline.arrivals.map()?;
        let state = if map.rate_sigma() < USABLE_RATE { LockState::Locked } else { LockState::Acquiring };
        let map = Some(PtpMap::new(timeline.origin_local, PtpTime::EPOCH, map));
        Some(ClockReading { state, map, epoch: self.stats.generation, path_delay: PathDelay::Measured })
    }

    /// What the audio half told after its last callback.
    pub fn playout_stats(&mut self) -> PlayoutStats {
        *self.playout_stats.read()
    }

    fn take(&mut self, now: LocalTime, datagram: &[u8]) -> Result<(), IngestError> {
        let packet = RtpPacket::parse(datagram)?;
        let found = packet.header.payload_type.get();
        if let Some(expected) = self.config.payload_type.filter(|&expected| expected != found) {
            return Err(IngestError::PayloadType { found, expected });
        }
        let frames = self.config.format.frames_in_payload(packet.payload.len())?;
        if packet.payload.len() > MAX_PAYLOAD {
            return Err(IngestError::Oversize(packet.payload.len()));
        }
        let position = self.place(now, &packet)?;
        self.publish();
        self.push(position, packet.payload);
        if let Some(timeline) = &mut self.timeline {
            timeline.newest = timeline.newest.max(position + Frames::new(frames as i64));
            timeline.newest_at = now;
        }
        Ok(())
    }

    /// The packet's position on the timeline, beginning a new one where it must.
    fn place(&mut self, now: LocalTime, packet: &RtpPacket<'_>) -> Result<Frames, IngestError> {
        let timestamp = packet.header.timestamp;
        let rate = self.config.format.sample_rate();
        let limit = rate.frames_in(DISCONTINUITY) as i64;
        let position = match &self.timeline {
            None => self.begin(now, packet),
            Some(timeline) if timeline.ssrc != packet.header.ssrc => {
                if now.since(timeline.newest_at) < SOURCE_SILENCE {
                    return Err(IngestError::OtherSource(packet.header.ssrc));
                }
                self.begin(now, packet)
            }
            Some(timeline) => {
                // A pause of the sender moves the expectation along with time.
                let paused = rate.frames_in(now.since(timeline.newest_at)) as i64;
                let expected = timeline.newest + Frames::new(paused);
                let position = timestamp.unwrap_near(expected);
                let distance = (position - expected).get();
                if distance.abs() > limit {
                    let confirmed = self
                        .suspect
                        .is_some_and(|suspect| i64::from(timestamp.get().wrapping_sub(suspect) as i32).abs() <= limit);
                    self.suspect = Some(timestamp.get());
                    if !confirmed {
                        return Err(IngestError::Discontinuity(distance));
                    }
                    self.begin(now, packet)
                } else {
                    self.suspect = None;
                    position
                }
            }
        };
        self.observe_arrival(now, position, packet);
        Ok(position)
    }

    fn begin(&mut self, now: LocalTime, packet: &RtpPacket<'_>) -> Frames {
        let position = Frames::new(i64::from(packet.header.timestamp.get()));
        self.suspect = None;
        self.stats.generation = self.stats.generation.wrapping_add(1);
        self.snapshot.generation = self.stats.generation;
        self.timeline = Some(Timeline {
            ssrc: packet.header.ssrc,
            origin_local: now,
            origin_frame: position,
            newest: position,
            newest_at: now,
            arrivals: Estimator::new(ARRIVALS),
            sequence: SequenceTracker::default(),
        });
        position
    }

    fn observe_arrival(&mut self, now: LocalTime, position: Frames, packet: &RtpPacket<'_>) {
        let Some(timeline) = &mut self.timeline else { return };
        // The copy of a packet tells nothing of the sender's clock: it came by another way, or was held back.
        if timeline.sequence.insert(packet.header.sequence) == Arrival::Duplicate {
            return;
        }
        let sent = self.config.format.sample_rate().duration(position - timeline.origin_frame);
        let offset = sent - (now - timeline.origin_local);
        timeline.arrivals.update(Sample {
            at: now,
            offset_ns: offset.as_nanos() as f64,
            direction: Direction::Forward,
        });
    }

    fn publish(&mut self) {
        let Some(timeline) = &self.timeline else { return };
        let rate = self.config.format.sample_rate();
        self.snapshot.arrivals =
            timeline.arrivals.map().map(|map| MediaMap::new(timeline.origin_local, timeline.origin_frame, rate, map));
        self.snapshot.reference = None;
        if let (MediaClock::Ptp { offset }, Some((ptp, epoch))) = (self.config.media_clock, self.ptp) {
            self.snapshot.reference = Some(media_by_ptp(&ptp, offset, rate, timeline));
            self.snapshot.reference_epoch = epoch;
        }
        self.publisher.write(self.snapshot);
    }

    fn push(&mut self, position: Frames, payload: &[u8]) {
        let mut packet = MediaPacket {
            generation: self.snapshot.generation,
            position,
            length: payload.len(),
            payload: [0; MAX_PAYLOAD],
        };
        packet.payload[..payload.len()].copy_from_slice(payload);
        if self.packets.push(packet).is_err() {
            self.stats.overflows += 1;
        }
    }
}

/// Starting point for the sender's media clock: crystals, or clocks disciplined by better ones.
const ARRIVALS: EstimatorConfig =
    EstimatorConfig { rate_sigma: Ppb::from_ppm(100.0), jitter: Nanos::from_micros(300), delay: DelayModel::Absorbed };

/// The stream's timeline by way of PTP. RTP time is PTP time x rate + offset modulo 2^32 (RFC 7273, 5.2); of the timelines that
/// this allows, the one nearest to the packets received is meant.
fn media_by_ptp(ptp: &PtpMap, offset: u32, rate: SampleRate, timeline: &Timeline) -> MediaMap {
    let since_epoch = ptp.ptp_at(timeline.newest_at) - PtpTime::EPOCH;
    let ticks = i128::from(since_epoch.as_nanos()) * i128::from(rate.as_hz())
        + i128::from(offset) * i128::from(NANOS_PER_SECOND);
    let whole = ticks.div_euclid(i128::from(NANOS_PER_SECOND));
    // The rest of a frame, as the time by which the map is ahead of the whole frame.
    let rest_ns = ticks.rem_euclid(i128::from(NANOS_PER_SECOND)) as f64 / f64::from(rate.as_hz());
    let frame = crate::units::RtpTimestamp::new(whole as u32).unwrap_near(timeline.newest);
    let clock = ClockMap::exact(timeline.newest_at, rest_ns, ptp.clock().rate());
    MediaMap::new(timeline.newest_at, frame, rate, clock)
}
