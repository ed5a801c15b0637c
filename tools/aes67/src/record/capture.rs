//! Turns packets into a continuous recording, according to their position on the media timeline.
//!
//! Model: frames wait for [`DEPTH`] of media time, so that packets may arrive in any order and on
//! either leg. Then they are passed on, and missing frames are replaced with silence. A new source,
//! or a jump of the timestamps that a second packet confirms, is a restart. If the sender still has
//! the same media clock, such as PTP, the recording continues at the position of its timestamps. If
//! the sender has a new timeline, the recording continues after a silence as long as the pause.
//! While no packets arrive, silence is recorded with a delay of a second or two, so that the
//! recording is as long as the time that has passed. Sans-IO: time is an argument.

use crate::intruders::Seen;
use engine::audio::{Insertion, JitterBuffer};
use engine::receive::{
    Companion, Conformance, Continuity, Datagram, Described, Finding, IngestError, Intruder, Refusals, SourceGate,
    Takeover, Verdict, is_keep_alive,
};
use engine::rtp::format::StreamFormat;
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::timeline::{DISCONTINUITY, PendingJump, RtpTimeline};
use engine::rtp::wire::{RtpHeader, RtpPacket};
use engine::{Frames, LocalTime, Nanos, RtpTimestamp};
use net::socket::LONGEST_DATAGRAM;
use std::collections::VecDeque;

/// How long frames wait for earlier frames: ten times the jitter that AES67 permits a sender.
const DEPTH: Nanos = Nanos::from_millis(200);
/// Reciprocal of the assumed relative error of the host clock, which measures pauses: 200 ppm.
const CLOCK_ERROR: i64 = 5000;
/// For this long after a jump of the timestamps, a lagging leg may still deliver packets from
/// before the jump.
const LEGS_APART: Nanos = Nanos::from_secs(1);
/// A packet that arrives this much earlier, relative to its timestamp, than all others so far is
/// suspect. This is more than the jitter of a network, and little compared with [`DEPTH`].
const EARLY: Nanos = Nanos::from_millis(20);
/// Full scale of the integer samples that are passed on.
const FULL_SCALE: f32 = 8_388_608.0;
/// Maximum number of frames in one block.
const BLOCK_FRAMES: usize = 4096;

/// A block of consecutive frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Number of the timeline, counted from 0. Positions on different timelines cannot be compared.
    pub(crate) timeline: u64,
    /// Position of the first frame.
    pub(crate) first: Frames,
    /// The contents.
    pub(crate) audio: Audio,
}

/// The contents of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Audio {
    /// Interleaved samples, as 24-bit integers.
    Samples(Vec<i32>),
    /// Number of frames of silence. So when a sender pauses overnight, the pause is one small block
    /// instead of gigabytes of zeros.
    Silence(u64),
}

/// Statistics of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaptureStats {
    /// Number of packets that were used.
    pub(crate) packets: u64,
    /// Number of duplicates, such as copies from the other leg.
    pub(crate) duplicates: u64,
    /// Number of packets that arrived after their position had been passed on.
    pub(crate) late_packets: u64,
    /// Datagrams that were not packets of this stream, by reason.
    pub(crate) refusals: Refusals,
    /// The difference between packets and description.
    pub(crate) finding: Option<Finding>,
    /// Number of missing frames, which are recorded as silence.
    pub(crate) missing_frames: u64,
    /// Number of gaps.
    pub(crate) gaps: u64,
    /// Number of new sources and of jumps of the timestamps.
    pub(crate) restarts: u64,
    /// The sender that was last refused because the stream comes from another address.
    intruder: Option<Intruder>,
    /// How often another address has taken over, and the last takeover.
    takeovers: u32,
    takeover: Option<Takeover>,
}

impl CaptureStats {
    /// The counts of packets from senders other than the stream's own.
    pub(crate) const fn intruders(&self) -> Seen {
        Seen {
            intruder: self.intruder,
            other_address: self.refusals.other_address,
            takeovers: self.takeovers,
            takeover: self.takeover,
            not_continuing: self.refusals.not_continuing,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Timeline {
    /// Number of this timeline, counted from 0.
    number: u64,
    /// The end of the newest packet, and the arrival of that packet.
    rtp: RtpTimeline,
    /// The next frame to be passed on.
    cursor: Frames,
    /// Sequence number of the newest packet.
    sequence: SequenceNumber,
    /// How far the earliest packet so far was ahead of the host clock, and when it arrived.
    ahead: (Nanos, LocalTime),
}

impl Timeline {
    /// How far the earliest packets are ahead of the host clock, allowing for the error that the
    /// clock may have accumulated since then.
    fn known_ahead(&self, now: LocalTime) -> Nanos {
        let (ahead, at) = self.ahead;
        ahead - Nanos::new(now.since(at).as_nanos() / CLOCK_ERROR)
    }
}

/// A former timeline.
#[derive(Clone, Copy, Debug)]
struct Left {
    newest: Frames,
    at: LocalTime,
}

/// Turns packets into a recording.
#[derive(Debug)]
pub(crate) struct Capture {
    format: StreamFormat,
    payload_type: Option<u8>,
    conformance: Conformance,
    /// The source gate of each leg.
    gates: [SourceGate; 2],
    continuity: Continuity,
    /// Whether packets are recorded as silence, because they contradict the description.
    silenced: bool,
    buffer: JitterBuffer,
    timeline: Option<Timeline>,
    left: Option<Left>,
    jump: PendingJump,
    in_gap: bool,
    decoded: Vec<f32>,
    blocks: VecDeque<Block>,
    stats: CaptureStats,
}

impl Capture {
    pub(crate) fn new(described: Described) -> Self {
        let Described { format, payload_type, .. } = described;
        // Twice the depth, because a packet may arrive this far ahead of the next frame to be
        // passed on.
        let capacity = 2 * format.sample_rate().frames_in(DEPTH) as usize;
        Self {
            format,
            payload_type,
            conformance: Conformance::new(described),
            gates: [SourceGate::default(); 2],
            continuity: Continuity::new(format.sample_rate()),
            silenced: false,
            buffer: JitterBuffer::new(format.channels(), capacity),
            timeline: None,
            left: None,
            jump: PendingJump::default(),
            in_gap: false,
            decoded: vec![0.0; LONGEST_DATAGRAM / 2],
            blocks: VecDeque::new(),
            stats: CaptureStats::default(),
        }
    }

    /// Handles a datagram.
    pub(crate) fn handle(&mut self, datagram: Datagram<'_>) {
        let admitted = self.admit(datagram);
        self.count(admitted);
        self.stats.refusals.not_continuing += self.continuity.take_refused();
        self.stats.finding = self.conformance.finding();
    }

    /// Call this when all datagrams that arrived until `until` have been handled. Frames that can
    /// no longer arrive are passed on as silence.
    pub(crate) fn handle_idle(&mut self, until: LocalTime) {
        if let Some((expected, limit)) = self.expected(until) {
            self.pass_on_until(expected - limit);
        }
    }

    /// Removes and returns the next block.
    pub(crate) fn poll_block(&mut self) -> Option<Block> {
        self.blocks.pop_front()
    }

    /// Passes on all frames that are still waiting.
    pub(crate) fn finish(&mut self) {
        if let Some(timeline) = self.timeline {
            self.pass_on_until(timeline.rtp.newest);
        }
    }

    /// The newest packet: the number of its timeline, its end, and its arrival time.
    pub(crate) fn newest(&self) -> Option<(u64, Frames, LocalTime)> {
        self.timeline.map(|timeline| (timeline.number, timeline.rtp.newest, timeline.rtp.newest_at))
    }

    pub(crate) const fn stats(&self) -> &CaptureStats {
        &self.stats
    }

    fn count(&mut self, taken: Result<(), IngestError>) {
        let Err(error) = taken else { return };
        self.stats.refusals.count(&error);
        if let IngestError::OtherAddress(intruder) = error {
            self.stats.intruder = Some(intruder);
        }
    }

    /// Accepts a datagram, and earlier ones that were held, if they are packets of the stream.
    fn admit(&mut self, datagram: Datagram<'_>) -> Result<(), IngestError> {
        if let Some(companion) = Companion::of(datagram.bytes) {
            return Err(IngestError::Companion(companion));
        }
        let packet = RtpPacket::parse(datagram.bytes)?;
        if let Some(from) = datagram.from {
            self.gates[datagram.leg as usize].check(datagram.at, from).map_err(IngestError::OtherAddress)?;
        }
        self.check_kind(datagram.at, &packet)?;
        if self.judge(datagram, &packet) == Verdict::Held {
            return Ok(());
        }
        while let Some(held) = self.continuity.poll_released() {
            let taken = self.take(held.datagram());
            self.count(taken);
        }
        self.take(datagram)
    }

    /// Judges whether a packet continues the stream. A packet from another source is judged only if
    /// it may be the stream's next one.
    fn judge(&mut self, datagram: Datagram<'_>, packet: &RtpPacket<'_>) -> Verdict {
        let header = packet.header;
        let frames = self.format.frames_in_payload(packet.payload.len()).unwrap_or(0);
        let Some(timeline) = self.timeline else { return self.continuity.judge(datagram, packet, frames, false) };
        let is_own = timeline.rtp.ssrc == header.ssrc;
        let goes_on = timeline.rtp.continues(&header, timeline.sequence, Frames::new(frames as i64));
        if !is_own && !goes_on && !self.continuity.holds_of(header.ssrc) {
            return Verdict::Take;
        }
        let ahead = self.ahead(datagram.at, header.timestamp.unwrap_near(timeline.rtp.newest));
        let is_early = is_own && ahead > timeline.known_ahead(datagram.at) + EARLY;
        self.continuity.judge(datagram, packet, frames, is_early)
    }

    /// How far a position is ahead of the host clock.
    fn ahead(&self, now: LocalTime, position: Frames) -> Nanos {
        self.format.sample_rate().duration(position) - (now - LocalTime::ZERO)
    }

    /// Accepts a packet that continues the stream, or for which there is no evidence to the
    /// contrary.
    fn take(&mut self, datagram: Datagram<'_>) -> Result<(), IngestError> {
        let Datagram { leg, at: now, from, bytes } = datagram;
        let packet = RtpPacket::parse(bytes)?;
        self.check(now, &packet)?;
        let frames = self.format.decode_into(packet.payload, &mut self.decoded)?;
        let first = self.place(now, &packet, frames)?;
        let gate = &mut self.gates[leg as usize];
        from.into_iter().for_each(|from| gate.accept(now, from));
        if let Some(takeover) = gate.take_takeover() {
            (self.stats.takeovers, self.stats.takeover) = (self.stats.takeovers.wrapping_add(1), Some(takeover));
        }
        let end = first + Frames::new(frames as i64);
        let rate = self.format.sample_rate();
        let depth = Frames::new(rate.frames_in(DEPTH) as i64);
        self.pass_on_until(end - depth);
        let ahead = self.ahead(now, first);
        let Some(timeline) = self.timeline.as_mut() else { return Ok(()) };
        timeline.ahead = (timeline.known_ahead(now).max(ahead), now);
        let samples = &self.decoded[..frames * self.format.channels()];
        match self.buffer.insert(timeline.cursor, first, samples) {
            Insertion::Stored => self.stats.packets += 1,
            Insertion::Duplicate => self.stats.duplicates += 1,
            // The packet's position has already been passed on, or is too far ahead.
            Insertion::Late | Insertion::TooEarly => self.stats.late_packets += 1,
        }
        // A copy from the other leg does not show when the sender last sent.
        if end > timeline.rtp.newest {
            timeline.sequence = packet.header.sequence;
            (timeline.rtp.newest, timeline.rtp.newest_at) = (end, now);
        }
        Ok(())
    }

    /// Checks that a packet has the described payload type.
    fn check_kind(&mut self, now: LocalTime, packet: &RtpPacket<'_>) -> Result<(), IngestError> {
        let (ssrc, sequence) = (packet.header.ssrc, packet.header.sequence);
        let is_own = self.timeline.is_some_and(|timeline| timeline.rtp.ssrc == ssrc);
        let found = packet.header.payload_type.get();
        let wrong_type = self.payload_type.filter(|&expected| expected != found);
        let is_keep_alive = is_keep_alive(packet, self.payload_type, is_own);
        if is_own && (is_keep_alive || wrong_type.is_some()) {
            self.continuity.skip(ssrc, sequence);
        }
        if is_keep_alive {
            return Err(IngestError::KeepAlive);
        }
        let Some(expected) = wrong_type else { return Ok(()) };
        // While packets of the described type arrive, others do not belong to the stream.
        if !self.continuity.goes_on(now) {
            self.conformance.observe(now, packet);
        }
        Err(IngestError::PayloadType { found, expected })
    }

    /// Checks that a packet matches the description of the stream. A packet with a different sample
    /// rate is reported but recorded, because its samples are right. Samples of a different size
    /// would be noise.
    fn check(&mut self, now: LocalTime, packet: &RtpPacket<'_>) -> Result<(), IngestError> {
        self.conformance.observe(now, packet);
        match self.conformance.contradiction() {
            Some(finding @ Finding::FrameSize { .. }) => {
                self.silence();
                self.continuity.restart();
                Err(IngestError::Contradiction(finding))
            }
            _ => {
                self.silenced = false;
                Ok(())
            }
        }
    }

    /// Removes packets that contradict the description, if they have not been passed on yet.
    fn silence(&mut self) {
        if std::mem::replace(&mut self.silenced, true) {
            return;
        }
        let Some((timeline, since)) = self.timeline.zip(self.conformance.contradicted_since()) else { return };
        let since = since.unwrap_near(timeline.rtp.newest).max(timeline.cursor);
        self.pass_on_until(since);
        self.buffer.clear();
        if let Some(timeline) = &mut self.timeline {
            timeline.rtp.newest = since;
        }
    }

    /// The position expected for a packet that arrives at `now`, and the possible error of this
    /// position.
    fn expected(&self, now: LocalTime) -> Option<(Frames, Frames)> {
        let timeline = self.timeline?;
        let rate = self.format.sample_rate();
        let paused = now.since(timeline.rtp.newest_at);
        let error = DISCONTINUITY + Nanos::new(paused.as_nanos() / CLOCK_ERROR);
        Some((timeline.rtp.expected(now, rate), Frames::new(rate.frames_in(error) as i64)))
    }

    /// The position of a packet with this many frames.
    ///
    /// # Errors
    /// If the packet cannot be trusted yet.
    fn place(&mut self, now: LocalTime, packet: &RtpPacket<'_>, frames: usize) -> Result<Frames, IngestError> {
        let (ssrc, timestamp) = (packet.header.ssrc, packet.header.timestamp);
        let Some((timeline, (_, limit))) = self.timeline.zip(self.expected(now)) else {
            return Ok(self.begin(now, 0, packet));
        };
        let is_other = timeline.rtp.ssrc != ssrc;
        let goes_on = timeline.rtp.continues(&packet.header, timeline.sequence, Frames::new(frames as i64));
        if is_other && !goes_on && !timeline.rtp.has_fallen_silent(now) {
            return Err(IngestError::OtherSource(ssrc));
        }
        let distance = match timeline.rtp.locate(now, timestamp, self.format.sample_rate(), limit) {
            Ok(position) => {
                // A lagging leg delivers packets from before a jump for a while.
                if position >= timeline.rtp.newest {
                    self.jump.clear();
                }
                self.stats.restarts += u64::from(is_other && !goes_on);
                self.timeline = Some(Timeline { rtp: RtpTimeline { ssrc, ..timeline.rtp }, ..timeline });
                return Ok(position);
            }
            Err(distance) => distance,
        };
        if self.left.is_some_and(|left| self.has_left(left, now, timestamp)) {
            return Err(IngestError::Discontinuity(distance));
        }
        let confirmed = self.jump.confirm(timestamp, limit);
        if is_other || confirmed {
            Ok(self.restart(now, packet, frames))
        } else {
            Err(IngestError::Discontinuity(distance))
        }
    }

    /// Whether a packet belongs to a timeline that has just ended.
    fn has_left(&self, left: Left, now: LocalTime, timestamp: RtpTimestamp) -> bool {
        let away = (timestamp.unwrap_near(left.newest) - left.newest).get().abs();
        now.since(left.at) < LEGS_APART && away as f64 <= self.format.sample_rate().frames_in(LEGS_APART)
    }

    /// Begins another timeline with a packet of this many frames. Its first frame was captured
    /// before the packet could be sent, so the previous timeline ends this many frames before the
    /// expected position.
    fn restart(&mut self, now: LocalTime, packet: &RtpPacket<'_>, frames: usize) -> Frames {
        let before = self.timeline.zip(self.expected(now));
        if let Some((timeline, (expected, _))) = before {
            self.pass_on_until(timeline.rtp.newest.max(expected - Frames::new(frames as i64)));
            self.left = Some(Left { newest: timeline.rtp.newest, at: now });
        }
        self.buffer.clear();
        self.jump.clear();
        self.stats.restarts += 1;
        self.begin(now, before.map_or(0, |(timeline, _)| timeline.number + 1), packet)
    }

    fn begin(&mut self, now: LocalTime, number: u64, packet: &RtpPacket<'_>) -> Frames {
        let RtpHeader { ssrc, sequence, timestamp, .. } = packet.header;
        let rtp = RtpTimeline::new(ssrc, timestamp, now);
        let first = rtp.newest;
        let ahead = (self.ahead(now, first), now);
        self.timeline = Some(Timeline { number, rtp, cursor: first, sequence, ahead });
        first
    }

    fn pass_on_until(&mut self, end: Frames) {
        let Some(timeline) = &mut self.timeline else { return };
        while timeline.cursor < end {
            let limit = (end - timeline.cursor).get() as usize;
            let (present, found) = self.buffer.run(timeline.cursor, limit.min(BLOCK_FRAMES));
            let (audio, frames) = if present {
                let mut samples = vec![0.0; found * self.format.channels()];
                self.buffer.copy(timeline.cursor, &mut samples);
                // This is exact, because decoded samples are whole steps.
                let samples = samples.iter().map(|sample| (sample * FULL_SCALE) as i32).collect();
                (Audio::Samples(samples), found)
            } else {
                let missing = if self.buffer.has_arrived_beyond(timeline.cursor) { found } else { limit };
                self.stats.missing_frames += missing as u64;
                self.stats.gaps += u64::from(!self.in_gap);
                (Audio::Silence(missing as u64), missing)
            };
            self.in_gap = !present;
            self.blocks.push_back(Block { timeline: timeline.number, first: timeline.cursor, audio });
            timeline.cursor += Frames::new(frames as i64);
        }
    }
}

#[cfg(test)]
mod tests;
