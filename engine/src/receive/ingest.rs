//! The control half of a receiver: it turns datagrams into packets with media positions, and
//! estimates the media clock.
//!
//! Model: RTP timestamps are unwrapped to a 64-bit timeline for each *generation*. A new source
//! (SSRC) or a jump of the timestamps starts a new generation, and the audio half then realigns
//! itself. The rate of the old generation is kept, because most restarts come from the same device.
//! A source that changes only its SSRC continues the stream. The media clock is estimated from
//! arrivals, even if the sender claims to follow PTP, so that the rate never depends on a PTP
//! master.

mod admission;

use super::config::{MediaClock, StreamConfig};
use super::conformance::{Conformance, Finding};
use super::continuity::{Continuity, Datagram};
use super::exchange::{ControlSnapshot, PlayoutStats};
use super::packet_ring::PacketProducer;
use super::redundancy::{Candidate, Leg, LegStats, Legs};
use super::refusals::{IngestError, Refusals};
use super::source_gate::{Intruder, SourceGate, Takeover};
use super::syntony::Syntony;
use crate::clock::{ClockReading, Direction, LockState, MediaMap, PathDelay, PtpMap, RatePrior, Sample};
use crate::rtp::format::MAX_PAYLOAD;
use crate::rtp::sequence::SequenceCounts;
use crate::rtp::timeline::{DISCONTINUITY, PendingJump, RtpTimeline};
use crate::rtp::wire::RtpPacket;
use crate::units::{Frames, LocalTime, NANOS_PER_SECOND, Nanos, Ppb, PtpTime, RtpTimestamp, SampleRate};

/// A media clock whose rate is known to this standard deviation can be a reference. Judgement: an
/// error of this size moves a timeline by 1 us per second.
const USABLE_RATE: Ppb = Ppb::from_ppm(1.0);
/// A timeline is abandoned if, for this long, all packets have arrived after their playout.
/// Judgement: as long as the silence after which another source takes over.
const ONLY_LATE: Nanos = Nanos::from_millis(250);

/// Counts and findings of the control half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct IngestStats {
    /// Sequence counts of both legs together. A packet is lost if it arrived on neither leg; the
    /// later copy of a packet is a duplicate.
    pub sequence: SequenceCounts,
    /// Packets received from all sources since the start, without duplicates. The counts of
    /// [`IngestStats::sequence`] restart with each source.
    pub packets: u64,
    /// Statistics of each leg, A first.
    pub legs: [LegStats; 2],
    /// Refused datagrams; see [`IngestError`].
    pub refused: u64,
    /// Refused datagrams by reason, and datagrams without audio that were not refused.
    pub refusals: Refusals,
    /// Difference between the packets and the description of the stream.
    pub finding: Option<Finding>,
    /// The last packet that was refused because the stream comes from a different address.
    pub intruder: Option<Intruder>,
    /// Number of takeovers by another address.
    pub takeovers: u32,
    /// The last takeover.
    pub takeover: Option<Takeover>,
    /// Packets that did not fit in the ring to the audio half, because the sound card fetches no
    /// audio.
    pub overflows: u64,
    /// Number of restarts of the media timeline.
    pub generation: u32,
    /// Number of timelines that began with a new source or with unrelated timestamps, including the
    /// first one.
    pub sources: u32,
    /// Number of permanent shifts, after which all packets arrive later, or earlier, than before.
    pub shifts: u32,
    /// Size of the last shift; negative if packets arrive earlier.
    pub shifted_by: Nanos,
    /// Rate of the sender's media clock relative to the host's clock.
    pub media_rate: Ppb,
    /// Whether the sender claims to follow PTP ([`MediaClock::Ptp`]) although its rate differs from
    /// PTP's, which warrants an alarm. Playout is then timed by arrivals alone.
    pub sender_off_ptp: bool,
    /// The sender's rate relative to PTP, if the sender claims to follow PTP and both rates are
    /// known.
    pub rate_against_ptp: Ppb,
    /// Jitter of the arrivals on the leg that determines the media clock.
    pub arrival_jitter: Nanos,
}

/// One generation of the media timeline.
#[derive(Debug)]
struct Timeline {
    rtp: RtpTimeline,
    origin_local: LocalTime,
    origin_frame: Frames,
    /// When packets last began to miss their playout; `None` while they arrive in time.
    late_since: Option<LocalTime>,
    syntony: Syntony,
    legs: Legs,
}

impl Timeline {
    /// Whether a packet with another SSRC continues the stream as its next packet.
    fn goes_on_with(&self, packet: &RtpPacket<'_>, frames: Frames) -> bool {
        self.legs.newest().is_some_and(|newest| self.rtp.continues(&packet.header, newest, frames))
    }

    /// Converts an arrival into a sample of the media clock.
    fn sample(&self, now: LocalTime, position: Frames, rate: SampleRate) -> Sample {
        let sent = rate.duration(position - self.origin_frame);
        let offset = sent - (now - self.origin_local);
        Sample { at: now, offset_ns: offset.as_nanos_f64(), direction: Direction::Forward }
    }
}

/// Control half of a stream. Pass it every datagram of the stream's sockets, with its receive
/// timestamp and its [`Leg`].
pub struct Ingest {
    config: StreamConfig,
    timeline: Option<Timeline>,
    jump: PendingJump,
    conformance: Conformance,
    /// The source gate of each leg.
    gates: [SourceGate; 2],
    continuity: Continuity,
    snapshot: ControlSnapshot,
    stats: IngestStats,
    ptp: Option<PtpMap>,
    /// Whether packets are gathered until [`Ingest::publish`], and when the newest of them arrived.
    gathers: bool,
    gathered_at: Option<LocalTime>,
    packets: PacketProducer,
    publisher: triple_buffer::Input<ControlSnapshot>,
    playout_stats: triple_buffer::Output<PlayoutStats>,
}

impl Ingest {
    pub(super) fn new(
        config: &StreamConfig,
        packets: PacketProducer,
        publisher: triple_buffer::Input<ControlSnapshot>,
        playout_stats: triple_buffer::Output<PlayoutStats>,
    ) -> Self {
        Self {
            config: *config,
            timeline: None,
            jump: PendingJump::default(),
            conformance: Conformance::new(config.described()),
            gates: [SourceGate::default(); 2],
            continuity: Continuity::new(config.format.sample_rate()),
            snapshot: ControlSnapshot::default(),
            stats: IngestStats::default(),
            ptp: None,
            gathers: false,
            gathered_at: None,
            packets,
            publisher,
            playout_stats,
        }
    }

    /// Handles a datagram that was received at `now` on `leg`, which is [`Leg::A`] for a stream
    /// without redundancy. Its sender is unknown, so packets from any sender to the stream's
    /// address may be accepted.
    ///
    /// # Errors
    /// The same as [`Ingest::handle`].
    pub fn handle_datagram(&mut self, leg: Leg, now: LocalTime, datagram: &[u8]) -> Result<(), IngestError> {
        self.handle(Datagram { leg, at: now, from: None, bytes: datagram })
    }

    /// Handles one of several datagrams that were read together. The audio half gets its packet at
    /// once, but the estimates that follow from it only by [`Ingest::publish`], which must be
    /// called after the last one: they cost more than the packet itself, and only the newest ones
    /// count.
    ///
    /// # Errors
    /// The same as those of [`Ingest::handle`].
    pub fn gather(&mut self, datagram: Datagram<'_>) -> Result<(), IngestError> {
        self.gathers = true;
        let taken = self.handle(datagram);
        self.gathers = false;
        taken
    }

    /// Passes the estimates that follow from gathered datagrams to the audio half.
    pub fn publish(&mut self) {
        if let Some(at) = self.gathered_at.take() {
            self.publish_at(at);
        }
    }

    /// Sets the current estimate of PTP time. Call it whenever the clock has been updated.
    pub fn set_clock(&mut self, reading: &ClockReading) {
        self.ptp = reading.map.filter(|_| reading.state.is_usable());
    }

    /// The statistics so far.
    #[must_use]
    pub fn stats(&self) -> IngestStats {
        let mut stats = IngestStats { finding: self.conformance.finding(), ..self.stats };
        if let Some(timeline) = &self.timeline {
            stats.sequence = timeline.legs.merged();
            stats.packets += stats.sequence.received;
            stats.legs = timeline.legs.stats();
            stats.media_rate = timeline.legs.media_rate();
            stats.arrival_jitter = timeline.legs.jitter();
            stats.sender_off_ptp = timeline.syntony.is_broken();
            stats.rate_against_ptp = timeline.syntony.difference();
        }
        stats
    }

    /// Only the refusals from [`Ingest::stats`], without the cost of computing the other
    /// statistics.
    #[must_use]
    pub const fn stats_of_refusals(&self) -> &Refusals {
        &self.stats.refusals
    }

    /// The sender's media clock as a source of [`crate::clock::Reference`]. Its rate is the
    /// sender's, and its origin is the stream's first packet. It is usable once the rate is known
    /// to 1 ppm.
    #[must_use]
    pub fn arrivals(&self) -> Option<ClockReading> {
        let timeline = self.timeline.as_ref()?;
        let (map, earlier) = timeline.legs.clock()?;
        let state = if map.rate_sigma() < USABLE_RATE { LockState::Locked } else { LockState::Acquiring };
        let map = Some(PtpMap::new(timeline.origin_local - earlier, PtpTime::EPOCH, map));
        Some(ClockReading { state, map, epoch: self.stats.generation, path_delay: PathDelay::Measured })
    }

    /// Statistics of the audio half as of its last callback.
    pub fn playout_stats(&mut self) -> PlayoutStats {
        *self.playout_stats.read()
    }

    /// Accepts a packet that continues the stream, or for which there is no evidence to the
    /// contrary.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a packet has fewer than 2^16 frames")]
    fn accept(&mut self, leg: Leg, now: LocalTime, packet: &RtpPacket<'_>) -> Result<(), IngestError> {
        self.conformance.observe(now, packet);
        if let Some(finding) = self.conformance.contradiction() {
            self.silence();
            return Err(IngestError::Contradiction(finding));
        }
        let frames = self.frames_of(packet)?;
        let generation = self.stats.generation;
        let mut position = self.place(leg, now, packet, frames)?;
        if self.has_fallen_behind(now, position + frames) {
            let legs = self.timeline.as_mut().map(|timeline| &mut timeline.legs);
            match legs.and_then(|legs| legs.assume_shift(now)) {
                Some(later) => self.note_shift(later),
                None => position = self.begin(leg, now, packet),
            }
        }
        if self.stats.generation != generation {
            self.snapshot.packet_frames = frames.get() as u32;
        }
        let end = position + frames;
        let (first, shift) = self.arrive(leg, now, packet, position, end);
        if let Some(later) = shift {
            self.note_shift(later);
        }
        if self.gathers {
            self.gathered_at = Some(now);
        } else {
            self.publish_at(now);
        }
        if first {
            self.push(now, position, packet.payload);
        }
        if let Some(timeline) = &mut self.timeline {
            timeline.rtp.newest = timeline.rtp.newest.max(end);
            timeline.rtp.newest_at = now;
        }
        Ok(())
    }

    /// Withdraws the packets that have been passed on but not played, and ends the timeline. The
    /// next accepted packet begins a new timeline.
    fn silence(&mut self) {
        if self.timeline.is_none() && self.snapshot.silenced {
            return;
        }
        let IngestStats { sequence, packets, legs, .. } = self.stats();
        (self.stats.sequence, self.stats.packets, self.stats.legs) = (sequence, packets, legs);
        (self.timeline, self.jump) = (None, PendingJump::default());
        self.continuity.restart();
        self.snapshot =
            ControlSnapshot { generation: self.snapshot.generation, silenced: true, ..ControlSnapshot::default() };
        self.publisher.write(self.snapshot);
    }

    /// Returns the packet's position on the timeline. Begins a new timeline if necessary.
    fn place(
        &mut self,
        leg: Leg,
        now: LocalTime,
        packet: &RtpPacket<'_>,
        frames: Frames,
    ) -> Result<Frames, IngestError> {
        let Some(timeline) = &mut self.timeline else { return Ok(self.begin_source(leg, now, packet)) };
        if timeline.rtp.ssrc != packet.header.ssrc && !timeline.goes_on_with(packet, frames) {
            if !timeline.rtp.has_fallen_silent(now) {
                return Err(IngestError::OtherSource(packet.header.ssrc));
            }
            return Ok(self.begin_source(leg, now, packet));
        }
        timeline.rtp.ssrc = packet.header.ssrc;
        let rate = self.config.format.sample_rate();
        let limit = Frames::from_f64(rate.frames_in(DISCONTINUITY.max(self.config.target_depth)));
        let located = timeline.rtp.locate(now, packet.header.timestamp, rate, limit);
        if !timeline.legs.decides(leg, now) {
            return located.map_err(IngestError::Discontinuity);
        }
        let goes_on = timeline.goes_on_with(packet, frames);
        let distance = match located {
            Ok(position) => {
                self.jump.clear();
                return Ok(position);
            }
            Err(distance) => distance,
        };
        if !self.jump.confirm(packet.header.timestamp, limit) {
            return Err(IngestError::Discontinuity(distance));
        }
        if !goes_on {
            return Ok(self.begin_source(leg, now, packet));
        }
        // The sender was stalled, and continues where it stopped.
        self.note_shift(rate.duration(Frames::new(-distance)));
        Ok(self.begin(leg, now, packet))
    }

    /// Begins a timeline with a new source, or with unrelated timestamps.
    fn begin_source(&mut self, leg: Leg, now: LocalTime, packet: &RtpPacket<'_>) -> Frames {
        self.stats.sources = self.stats.sources.wrapping_add(1);
        self.begin(leg, now, packet)
    }

    /// Records a permanent shift of the stream: packets now arrive later by this time.
    fn note_shift(&mut self, later: Nanos) {
        self.stats.shifts = self.stats.shifts.wrapping_add(1);
        self.stats.shifted_by = later;
        self.snapshot.shifts = self.stats.shifts;
        if let Some(timeline) = &mut self.timeline {
            timeline.late_since = None;
        }
    }

    fn begin(&mut self, leg: Leg, now: LocalTime, packet: &RtpPacket<'_>) -> Frames {
        let rtp = RtpTimeline::new(packet.header.ssrc, packet.header.timestamp, now);
        self.jump.clear();
        self.stats.generation = self.stats.generation.wrapping_add(1);
        self.snapshot.generation = self.stats.generation;
        self.snapshot.silenced = false;
        // The count of the new timeline begins at 0, so the packets of the previous timelines are
        // added here.
        self.stats.packets = self.stats().packets;
        let legs = match self.timeline.take() {
            Some(timeline) => timeline.legs.restarted(leg),
            None => Legs::new(leg, self.rate_prior()),
        };
        self.timeline = Some(Timeline {
            rtp,
            origin_local: now,
            origin_frame: rtp.newest,
            late_since: None,
            syntony: Syntony::default(),
            legs,
        });
        rtp.newest
    }

    /// Prior for the first sender's rate.
    fn rate_prior(&self) -> RatePrior {
        let on_ptp = matches!(self.config.media_clock, MediaClock::Ptp { .. });
        let ptp = self.ptp.filter(|_| on_ptp).map(|ptp| *ptp.clock());
        match ptp.filter(|clock| clock.rate_sigma() < USABLE_RATE) {
            Some(clock) => RatePrior::inferred(clock.rate()),
            None => RatePrior::remembered(self.config.warm_start.media_rate),
        }
    }

    /// Whether a packet that arrived at `now` and ends at `end` has missed its playout. A packet
    /// that arrived long before the callback that passed its position was in time: the host was
    /// stalled before the packet was processed.
    fn is_late(&mut self, now: LocalTime, end: Frames) -> bool {
        let playout = self.playout_stats.read();
        playout.at.since(now) < ONLY_LATE
            && playout.generation == self.snapshot.generation
            && end <= playout.position.frame()
    }

    /// Returns whether packets have been late for so long that the stream must be realigned to be
    /// heard. Either the sender's timestamps have gone back, but not by enough to count as a
    /// discontinuity, or the network delay has increased by more than the depth.
    fn has_fallen_behind(&mut self, now: LocalTime, end: Frames) -> bool {
        let late = self.is_late(now, end);
        let Some(timeline) = &mut self.timeline else { return false };
        // After a pause, a delayed burst may arrive, which is over at once. So the time for which
        // packets have been late is counted from that burst, not from before the pause.
        if !late || now.since(timeline.rtp.newest_at) > ONLY_LATE {
            timeline.late_since = None;
            return false;
        }
        let since = *timeline.late_since.get_or_insert(now);
        now.since(since) >= ONLY_LATE
    }

    /// Passes a packet to the legs. Returns whether it is the first copy, and the permanent shift
    /// of the stream, if this packet proves one.
    fn arrive(
        &mut self,
        leg: Leg,
        now: LocalTime,
        packet: &RtpPacket<'_>,
        position: Frames,
        end: Frames,
    ) -> (bool, Option<Nanos>) {
        let late = self.is_late(now, end);
        let Some(timeline) = &mut self.timeline else { return (false, None) };
        let sample = timeline.sample(now, position, self.config.format.sample_rate());
        timeline.legs.arrive(&Candidate { leg, sequence: packet.header.sequence, position, late, sample })
    }

    fn publish_at(&mut self, now: LocalTime) {
        let Some(timeline) = &mut self.timeline else { return };
        let rate = self.config.format.sample_rate();
        let arrivals = timeline.legs.clock();
        self.snapshot.arrivals = arrivals
            .map(|(map, earlier)| MediaMap::new(timeline.origin_local - earlier, timeline.origin_frame, rate, map));
        timeline.legs.learn_rate(arrivals);
        self.snapshot.media_rate = timeline.legs.rate_by(arrivals);
        self.snapshot.reference = None;
        if let (MediaClock::Ptp { offset }, Some(ptp)) = (self.config.media_clock, self.ptp)
            && arrivals.is_none_or(|(sender, _)| timeline.syntony.judge(now, &sender, ptp.clock()))
        {
            self.snapshot.reference = Some(media_by_ptp(&ptp, offset, rate, timeline));
        }
        self.publisher.write(self.snapshot);
    }

    /// Passes on a packet's audio, in parts if it is longer than AES67 allows.
    fn push(&mut self, at: LocalTime, mut position: Frames, payload: &[u8]) {
        let frame_bytes = self.config.format.bytes_per_frame();
        for piece in payload.chunks(MAX_PAYLOAD / frame_bytes * frame_bytes) {
            if !self.packets.push(self.snapshot.generation, position, at, piece) {
                self.stats.overflows += 1;
            }
            position += Frames::of(piece.len() / frame_bytes);
        }
    }
}

/// The stream's timeline according to PTP. RTP time is PTP time x rate + offset modulo 2^32 (RFC
/// 7273, 5.2); among the possible timelines, the one closest to the received packets is used.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "RTP time is modulo 2^32, and a remainder below 10^9 is exact"
)]
fn media_by_ptp(ptp: &PtpMap, offset: u32, rate: SampleRate, timeline: &Timeline) -> MediaMap {
    let since_epoch = ptp.ptp_at(timeline.rtp.newest_at) - PtpTime::EPOCH;
    let ticks = i128::from(since_epoch.as_nanos()) * i128::from(rate.as_hz())
        + i128::from(offset) * i128::from(NANOS_PER_SECOND);
    let whole = ticks.div_euclid(i128::from(NANOS_PER_SECOND));
    // The part of the position beyond the last whole frame, as a duration.
    let rest_ns = ticks.rem_euclid(i128::from(NANOS_PER_SECOND)) as f64 / f64::from(rate.as_hz());
    let frame = RtpTimestamp::new(whole as u32).unwrap_near(timeline.rtp.newest);
    let clock = ptp.clock().seen_from(timeline.rtp.newest_at, rest_ns);
    MediaMap::new(timeline.rtp.newest_at, frame, rate, clock)
}
