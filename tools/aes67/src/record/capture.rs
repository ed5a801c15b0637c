//! Packets to a continuous recording, by their place on the media timeline.
//!
//! Model: frames wait for [`DEPTH`] of media time, so that packets may come in any order and by
//! either leg; then they are passed on, and those that never came are silence. A new source, or a
//! jump of the timestamps that a second packet confirms, is a restart. A sender that was restarted
//! on its media clock, such as PTP, goes on at the place that its timestamps say; another one, on a
//! timeline of its own, after as much silence as nothing came for. While nothing comes, silence
//! follows by a second or two. So the recording is as long as it takes. Sans-IO: time is an
//! argument.

use crate::intruders::Seen;
use engine::audio::{Insertion, JitterBuffer};
use engine::receive::{
    Companion, Conformance, Continuity, Datagram, Described, Finding, IngestError, Intruder, Refusals, SourceGate,
    Takeover, Verdict, is_keep_alive,
};
use engine::rtp::format::StreamFormat;
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::{RtpHeader, RtpPacket, Ssrc};
use engine::{Frames, LocalTime, Nanos, RtpTimestamp};
use net::socket::LONGEST_DATAGRAM;
use std::collections::VecDeque;

/// How long frames wait for those before them: ten times what AES67 allows a sender to jitter.
const DEPTH: Nanos = Nanos::from_millis(200);
/// A timestamp this far from where it is expected begins a new timeline, if the next packet agrees.
const DISCONTINUITY: Nanos = Nanos::from_secs(1);
/// The host's clock, which measures pauses, may be off by one part in this many: 200 ppm.
const CLOCK_ERROR: i64 = 5000;
/// After a jump of the timestamps a leg that is behind may bring what was before it, for this long.
const LEGS_APART: Nanos = Nanos::from_secs(1);
/// Another source takes over once the present one has been silent for this long.
const SOURCE_SILENCE: Nanos = Nanos::from_millis(250);
/// A packet that comes so much before those so far do, by its timestamp, is early: more than what a
/// network jitters by, and little beside [`DEPTH`].
const EARLY: Nanos = Nanos::from_millis(20);
/// Full scale of the integers that are passed on.
const FULL_SCALE: f32 = 8_388_608.0;
/// The most frames of one block.
const BLOCK_FRAMES: usize = 4096;

/// Frames that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Which timeline, counted from 0: places on different ones cannot be compared.
    pub(crate) timeline: u64,
    /// Place of the first frame.
    pub(crate) first: Frames,
    /// What they hold.
    pub(crate) audio: Audio,
}

/// The contents of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Audio {
    /// Interleaved, as integers of 24 bits.
    Samples(Vec<i32>),
    /// So many frames of silence: a sender that paused overnight is one of them, and not gigabytes.
    Silence(u64),
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaptureStats {
    /// Packets that were of use.
    pub(crate) packets: u64,
    /// Packets that were there already: the other leg's.
    pub(crate) duplicates: u64,
    /// Packets that came after their place had been passed on.
    pub(crate) late_packets: u64,
    /// Datagrams that were no packets of this stream, by their reasons.
    pub(crate) refusals: Refusals,
    /// What the packets say against the description.
    pub(crate) finding: Option<Finding>,
    /// Frames that never came, and are silence.
    pub(crate) missing_frames: u64,
    /// Stretches of such frames.
    pub(crate) gaps: u64,
    /// New sources, and jumps of the timestamps.
    pub(crate) restarts: u64,
    /// Who was refused last because the stream comes from another address.
    intruder: Option<Intruder>,
    /// Times that another address has taken over, and the last one.
    takeovers: u32,
    takeover: Option<Takeover>,
}

impl CaptureStats {
    /// Who sent beside the stream's sender.
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
    /// How many there were before it.
    number: u64,
    ssrc: Ssrc,
    /// The next frame to be passed on.
    cursor: Frames,
    /// Number and end of the newest packet, and when it came.
    sequence: SequenceNumber,
    newest: Frames,
    newest_at: LocalTime,
    /// By how much the earliest packet so far was ahead of the host's clock, when it came.
    ahead: (Nanos, LocalTime),
}

impl Timeline {
    /// By how much the earliest packets are ahead of the host's clock, as far as that may have gone
    /// wrong since.
    fn known_ahead(&self, now: LocalTime) -> Nanos {
        let (ahead, at) = self.ahead;
        ahead - Nanos::new(now.since(at).as_nanos() / CLOCK_ERROR)
    }
}

/// A timeline that is over.
#[derive(Clone, Copy, Debug)]
struct Left {
    newest: Frames,
    at: LocalTime,
}

/// Makes a recording of packets.
#[derive(Debug)]
pub(crate) struct Capture {
    format: StreamFormat,
    payload_type: Option<u8>,
    conformance: Conformance,
    /// Of each leg.
    gates: [SourceGate; 2],
    continuity: Continuity,
    /// Whether packets are silence, because they contradict the description.
    silenced: bool,
    buffer: JitterBuffer,
    timeline: Option<Timeline>,
    left: Option<Left>,
    suspect: Option<RtpTimestamp>,
    in_gap: bool,
    decoded: Vec<f32>,
    blocks: VecDeque<Block>,
    stats: CaptureStats,
}

impl Capture {
    pub(crate) fn new(described: Described) -> Self {
        let Described { format, payload_type, .. } = described;
        // Twice the depth: a packet may come that much ahead of the next one to be passed on.
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
            suspect: None,
            in_gap: false,
            decoded: vec![0.0; LONGEST_DATAGRAM / 2],
            blocks: VecDeque::new(),
            stats: CaptureStats::default(),
        }
    }

    /// Takes a datagram.
    pub(crate) fn handle(&mut self, datagram: Datagram<'_>) {
        let admitted = self.admit(datagram);
        self.count(admitted);
        self.stats.refusals.not_continuing += self.continuity.take_refused();
        self.stats.finding = self.conformance.finding();
    }

    /// All that had come by `until` has been handled: what cannot come any more is silence.
    pub(crate) fn handle_pause(&mut self, until: LocalTime) {
        if let Some((expected, limit)) = self.expected(until) {
            self.pass_on_until(expected - limit);
        }
    }

    /// The next frames.
    pub(crate) fn poll_block(&mut self) -> Option<Block> {
        self.blocks.pop_front()
    }

    /// Passes on all that waits.
    pub(crate) fn finish(&mut self) {
        if let Some(timeline) = self.timeline {
            self.pass_on_until(timeline.newest);
        }
    }

    /// The end of the newest packet, its timeline, and when it came.
    pub(crate) fn newest(&self) -> Option<(u64, Frames, LocalTime)> {
        self.timeline.map(|timeline| (timeline.number, timeline.newest, timeline.newest_at))
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

    /// Takes a datagram, and those before it that were held, if they are packets of the stream.
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

    /// Whether a packet goes on with the stream. One of another source is not asked about, unless
    /// it may be the stream's next.
    fn judge(&mut self, datagram: Datagram<'_>, packet: &RtpPacket<'_>) -> Verdict {
        let header = packet.header;
        let frames = self.format.frames_in_payload(packet.payload.len()).unwrap_or(0);
        let Some(timeline) = self.timeline else { return self.continuity.judge(datagram, packet, frames, false) };
        let is_own = timeline.ssrc == header.ssrc;
        let goes_on = header.goes_on_from(timeline.sequence, timeline.newest, Frames::new(frames as i64));
        if !is_own && !goes_on && !self.continuity.holds_of(header.ssrc) {
            return Verdict::Take;
        }
        let ahead = self.ahead(datagram.at, header.timestamp.unwrap_near(timeline.newest));
        let is_early = is_own && ahead > timeline.known_ahead(datagram.at) + EARLY;
        self.continuity.judge(datagram, packet, frames, is_early)
    }

    /// By how much a position is ahead of the host's clock.
    fn ahead(&self, now: LocalTime, position: Frames) -> Nanos {
        self.format.sample_rate().duration(position) - (now - LocalTime::ZERO)
    }

    /// Takes a packet that goes on with the stream, or that nothing is known against.
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
            // What was passed on already is far ahead, or behind.
            Insertion::Late | Insertion::TooEarly => self.stats.late_packets += 1,
        }
        // A copy that another leg brings later says nothing of when the sender spoke last.
        if end > timeline.newest {
            *timeline = Timeline { sequence: packet.header.sequence, newest: end, newest_at: now, ..*timeline };
        }
        Ok(())
    }

    /// Whether a packet is of the kind that was described.
    fn check_kind(&mut self, now: LocalTime, packet: &RtpPacket<'_>) -> Result<(), IngestError> {
        let (ssrc, sequence) = (packet.header.ssrc, packet.header.sequence);
        let is_own = self.timeline.is_some_and(|timeline| timeline.ssrc == ssrc);
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
        // While packets of the described type come, others do not speak for the stream.
        if !self.continuity.goes_on(now) {
            self.conformance.observe(now, packet);
        }
        Err(IngestError::PayloadType { found, expected })
    }

    /// Whether a packet is what the stream was described to be. Another rate is told, and recorded
    /// as it is: the samples are right. Samples of another size would be noise.
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

    /// Takes back the packets that contradict the description, as far as they wait.
    fn silence(&mut self) {
        if std::mem::replace(&mut self.silenced, true) {
            return;
        }
        let Some((timeline, since)) = self.timeline.zip(self.conformance.contradicted_since()) else { return };
        let since = since.unwrap_near(timeline.newest).max(timeline.cursor);
        self.pass_on_until(since);
        self.buffer.clear();
        self.timeline = self.timeline.map(|timeline| Timeline { newest: since, ..timeline });
    }

    /// What would begin at `now`, and by how much it may be off.
    fn expected(&self, now: LocalTime) -> Option<(Frames, Frames)> {
        let timeline = self.timeline?;
        let rate = self.format.sample_rate();
        let paused = now.since(timeline.newest_at);
        let error = DISCONTINUITY + Nanos::new(paused.as_nanos() / CLOCK_ERROR);
        let [paused, error] = [paused, error].map(|time| Frames::new(rate.frames_in(time) as i64));
        Some((timeline.newest + paused, error))
    }

    /// Where a packet of so many frames begins.
    ///
    /// # Errors
    /// If it is not to be believed yet.
    fn place(&mut self, now: LocalTime, packet: &RtpPacket<'_>, frames: usize) -> Result<Frames, IngestError> {
        let (ssrc, timestamp) = (packet.header.ssrc, packet.header.timestamp);
        let Some((timeline, (expected, limit))) = self.timeline.zip(self.expected(now)) else {
            return Ok(self.begin(now, 0, packet));
        };
        let is_other = timeline.ssrc != ssrc;
        let goes_on = packet.header.goes_on_from(timeline.sequence, timeline.newest, Frames::new(frames as i64));
        if is_other && !goes_on && now.since(timeline.newest_at) < SOURCE_SILENCE {
            return Err(IngestError::OtherSource(ssrc));
        }
        let position = timestamp.unwrap_near(expected);
        let distance = (position - expected).get();
        if distance.abs() <= limit.get() {
            // A leg that is behind goes on for a while with what was before a jump.
            self.suspect = self.suspect.filter(|_| position < timeline.newest);
            self.stats.restarts += u64::from(is_other && !goes_on);
            self.timeline = Some(Timeline { ssrc, ..timeline });
            return Ok(position);
        }
        if self.left.is_some_and(|left| self.has_left(left, now, timestamp)) {
            return Err(IngestError::Discontinuity(distance));
        }
        let suspect = self.suspect.replace(timestamp);
        let confirmed = suspect.is_some_and(|suspect| timestamp.confirms(suspect, limit));
        if is_other || confirmed {
            Ok(self.restart(now, packet, frames))
        } else {
            Err(IngestError::Discontinuity(distance))
        }
    }

    /// Whether a packet is of a timeline that was left just now.
    fn has_left(&self, left: Left, now: LocalTime, timestamp: RtpTimestamp) -> bool {
        let away = (timestamp.unwrap_near(left.newest) - left.newest).get().abs();
        now.since(left.at) < LEGS_APART && away as f64 <= self.format.sample_rate().frames_in(LEGS_APART)
    }

    /// Begins another timeline with a packet of so many frames, the first of which was there before
    /// it could be sent.
    fn restart(&mut self, now: LocalTime, packet: &RtpPacket<'_>, frames: usize) -> Frames {
        let before = self.timeline.zip(self.expected(now));
        if let Some((timeline, (expected, _))) = before {
            self.pass_on_until(timeline.newest.max(expected - Frames::new(frames as i64)));
            self.left = Some(Left { newest: timeline.newest, at: now });
        }
        self.buffer.clear();
        self.suspect = None;
        self.stats.restarts += 1;
        self.begin(now, before.map_or(0, |(timeline, _)| timeline.number + 1), packet)
    }

    fn begin(&mut self, now: LocalTime, number: u64, packet: &RtpPacket<'_>) -> Frames {
        let RtpHeader { ssrc, sequence, timestamp, .. } = packet.header;
        let first = Frames::new(i64::from(timestamp.get()));
        let ahead = (self.ahead(now, first), now);
        self.timeline = Some(Timeline { number, ssrc, cursor: first, sequence, newest: first, newest_at: now, ahead });
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
                // Exact: decoded samples are whole steps.
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
mod tests {
    use super::*;
    use engine::SampleRate;
    use engine::receive::Leg;
    use engine::rtp::format::Encoding;
    use engine::rtp::wire::PayloadType;

    const PACKET: usize = 48;

    fn described() -> Described {
        let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 1).unwrap();
        Described { format, payload_type: Some(96), packet_frames: Some(PACKET as u32) }
    }

    fn capture() -> Capture {
        Capture::new(described())
    }

    impl Capture {
        fn handle_datagram(&mut self, at: LocalTime, bytes: &[u8]) {
            self.handle(Datagram { leg: Leg::A, at, from: None, bytes });
        }
    }

    /// The packet number `index` of a stream in which frame n has the value n + 1, offset to a
    /// timestamp near its wrap.
    fn packet(index: u32, ssrc: u32, origin: u32) -> Vec<u8> {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::new(96).unwrap(),
            sequence: SequenceNumber::new(index as u16),
            timestamp: RtpTimestamp::new(origin.wrapping_add(index * PACKET as u32)),
            ssrc: Ssrc(ssrc),
        };
        let samples = (0..PACKET as u32).flat_map(|i| {
            let [_, high, middle, low] = (index * PACKET as u32 + i + 1).to_be_bytes();
            [high, middle, low]
        });
        header.emit().into_iter().chain(samples).collect()
    }

    fn at(index: u32) -> LocalTime {
        LocalTime::from_nanos(5_000_000_000 + i64::from(index) * 1_000_000)
    }

    fn drain(capture: &mut Capture) -> Vec<i32> {
        capture.finish();
        let samples = |block: Block| match block.audio {
            Audio::Samples(samples) => samples,
            Audio::Silence(frames) => vec![0; frames as usize],
        };
        std::iter::from_fn(|| capture.poll_block()).flat_map(samples).collect()
    }

    const NEAR_WRAP: u32 = u32::MAX - 1000;

    #[test]
    fn a_stream_is_recorded_bit_for_bit_through_a_wrap_reordering_and_copies() {
        let mut capture = capture();
        for pair in 0..500 {
            for index in [2 * pair + 1, 2 * pair, 2 * pair] {
                capture.handle_datagram(at(index), &packet(index, 1, NEAR_WRAP));
            }
        }
        // The first packet to come was the second one, so the recording begins there.
        let expected: Vec<i32> = (PACKET as i32 + 1..=1000 * PACKET as i32).collect();
        assert_eq!(drain(&mut capture), expected);
        assert_eq!((capture.stats().missing_frames, capture.stats().late_packets), (0, 2));
    }

    #[test]
    fn what_is_lost_is_silence_of_the_same_length() {
        let mut capture = capture();
        for index in (0..1000).filter(|index| !(100..110).contains(index) && *index != 500) {
            capture.handle_datagram(at(index), &packet(index, 1, 7));
        }
        let recorded = drain(&mut capture);
        assert_eq!(recorded.len(), 1000 * PACKET);
        let wrong = (1..).zip(&recorded).filter(|&(expected, &sample)| sample != expected && sample != 0).count();
        assert_eq!(wrong, 0);
        assert_eq!((capture.stats().missing_frames, capture.stats().gaps), (11 * PACKET as u64, 2));
    }

    #[test]
    fn a_pause_of_the_sender_is_silence_and_so_is_what_was_before_a_new_source() {
        let mut capture = capture();
        (0..100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
        (5000..5100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
        assert_eq!(capture.stats().restarts, 0);
        // Another source, at first beside this one, then alone.
        capture.handle_datagram(at(5100), &packet(0, 2, 12345));
        assert_eq!(capture.stats().refusals.total(), 1);
        (0..100).for_each(|index| capture.handle_datagram(at(6000 + index), &packet(index, 2, 12345)));
        assert_eq!(capture.stats().restarts, 1);
        let recorded = drain(&mut capture);
        assert_eq!(recorded.len(), (6000 + 100) * PACKET);
        assert!(recorded[5100 * PACKET..6000 * PACKET].iter().all(|sample| *sample == 0));
        assert_eq!(&recorded[6000 * PACKET..][..3], [1, 2, 3]);
        assert_eq!((capture.stats().missing_frames, capture.stats().gaps), ((4900 + 900) * PACKET as u64, 2));
    }

    #[test]
    fn a_sender_that_restarts_on_its_media_clock_goes_on_at_its_place() {
        let mut capture = capture();
        (0..100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, NEAR_WRAP)));
        // Its packets are 10 ms slower now: the timestamps tell of the place, not the arrivals.
        (400..500).for_each(|index| capture.handle_datagram(at(index + 10), &packet(index, 2, NEAR_WRAP)));
        assert_eq!(capture.newest().map(|(timeline, ..)| timeline), Some(0));
        let recorded = drain(&mut capture);
        assert_eq!(recorded.len(), 500 * PACKET);
        assert_eq!(recorded[400 * PACKET], 400 * PACKET as i32 + 1);
        assert_eq!((capture.stats().restarts, capture.stats().missing_frames), (1, 300 * PACKET as u64));
    }

    #[test]
    fn a_leg_that_is_behind_neither_shortens_a_pause_nor_brings_back_what_was_left() {
        let mut capture = capture();
        let mut behind = VecDeque::new();
        let mut send = |capture: &mut Capture, index: u32, packet: Option<Vec<u8>>| {
            packet.iter().for_each(|packet| capture.handle_datagram(at(index), packet));
            behind.push_back(packet);
            // Each leg's socket has two at a time.
            let waiting = if index.is_multiple_of(2) { behind.len() } else { 100 };
            let copies: Vec<_> = behind.drain(..behind.len().saturating_sub(waiting)).collect();
            copies.iter().flatten().for_each(|packet| capture.handle_datagram(at(index), packet));
            capture.handle_pause(at(index));
        };
        (0..500).for_each(|index| send(&mut capture, index, Some(packet(index, 1, 7))));
        // It jumps, and jumps again after a pause.
        (500..1000).for_each(|index| send(&mut capture, index, Some(packet(index, 1, 1 << 30))));
        (1000..3000).for_each(|index| send(&mut capture, index, None));
        (3000..3500).for_each(|index| send(&mut capture, index, Some(packet(index, 1, 1 << 31))));
        assert_eq!(capture.stats().restarts, 2);
        let recorded = drain(&mut capture);
        assert_eq!(recorded.len(), 3500 * PACKET);
        let wrong = (1..).zip(&recorded).filter(|&(expected, &sample)| sample != expected && sample != 0).count();
        assert_eq!(wrong, 0);
        // The first packet after each jump was waited for to be confirmed.
        let silent = recorded.iter().filter(|sample| **sample == 0).count();
        assert_eq!((silent, capture.stats().gaps), (2002 * PACKET, 2));
    }

    #[test]
    fn a_stream_that_goes_on_under_another_name_has_no_gap() {
        let mut capture = capture();
        (0..200).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1 + index / 100, 7)));
        assert_eq!(drain(&mut capture), (1..=200 * PACKET as i32).collect::<Vec<_>>());
        assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (0, 0));
    }

    #[test]
    fn silence_follows_while_nothing_comes_and_a_clock_that_is_off_finds_its_place_in_the_morning() {
        for off in [-50, 0, 50] {
            let mut capture = capture();
            (0..1000).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, NEAR_WRAP)));
            let night_ms = 10 * 3600 * 1000i64;
            let mut recorded = 0;
            for second in 0..night_ms / 1000 {
                capture.handle_pause(at(1000 + 1000 * second as u32));
                while let Some(Block { audio, .. }) = capture.poll_block() {
                    recorded += match audio {
                        Audio::Samples(samples) => samples.len(),
                        Audio::Silence(frames) => frames as usize,
                    };
                }
                let behind_s = second - recorded as i64 / 48_000;
                assert!((-1..=2 + second / 5000).contains(&behind_s), "{behind_s} s behind after {second}");
            }
            let by_our_clock = (night_ms + night_ms * off / 1_000_000) as u32;
            let (first, last) = (1000 + night_ms as u32, 1100 + night_ms as u32);
            (first..last).for_each(|index| {
                capture.handle_datagram(at(by_our_clock + index - night_ms as u32), &packet(index, 1, NEAR_WRAP));
            });
            recorded += drain(&mut capture).len();
            assert_eq!((capture.stats().restarts, recorded), (0, last as usize * PACKET), "{off} ppm");
        }
    }

    #[test]
    fn a_night_without_packets_takes_no_memory() {
        let mut capture = capture();
        (0..1000).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
        let later = 1000 + 8 * 3600 * 1000;
        (later..later + 300).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
        capture.finish();
        let blocks: Vec<Block> = std::iter::from_fn(|| capture.poll_block()).collect();
        let silence = blocks.iter().map(|block| match block.audio {
            Audio::Silence(frames) => frames,
            Audio::Samples(_) => 0,
        });
        assert_eq!(silence.sum::<u64>(), 8 * 3600 * 48_000);
        assert!(blocks.len() < 2_000, "{} blocks", blocks.len());
    }

    #[test]
    fn a_single_wild_timestamp_is_refused_and_a_lasting_jump_followed() {
        let mut capture = capture();
        (0..100).for_each(|index| capture.handle_datagram(at(index), &packet(index, 1, 7)));
        capture.handle_datagram(at(100), &packet(100, 1, 1 << 30));
        capture.handle_datagram(at(101), &packet(101, 1, 7));
        assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (0, 1));
        // Nor do both legs' copies of one make two.
        (0..2).for_each(|_| capture.handle_datagram(at(102), &packet(102, 1, 1 << 30)));
        assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (0, 3));
        capture.handle_datagram(at(103), &packet(103, 1, 1 << 30));
        assert_eq!((capture.stats().restarts, capture.stats().refusals.total()), (1, 3));
    }

    #[test]
    fn packets_of_another_format_are_silence_and_keep_alives_are_not_refused() {
        let mut capture = capture();
        // In the middle each packet has twice as many channels as it should.
        let twice = |index| [packet(index, 1, 7), packet(index, 1, 7)[12..].to_vec()].concat();
        for index in 0..1000 {
            let datagram = if (400..600).contains(&index) { twice(index) } else { packet(index, 1, 7) };
            capture.handle_datagram(at(index), &datagram);
            capture.handle_pause(at(index));
            for keep_alive in [&datagram[..12], b"", b"\x80\xC8\0\x06abcdabcdabcd"] {
                capture.handle_datagram(at(index), keep_alive);
            }
        }
        let refusals = capture.stats().refusals;
        assert_eq!((refusals.companions, refusals.total(), refusals.contradiction), (3000, 198, 198));
        let recorded = drain(&mut capture);
        assert_eq!(recorded.len(), 1000 * PACKET);
        let wrong = (1..).zip(&recorded).filter(|&(expected, &sample)| sample != expected && sample != 0).count();
        assert_eq!(wrong, 0);
        // The first packet after the end of it begins the second pair that is as it should be.
        let silent = recorded.iter().filter(|sample| **sample == 0).count();
        assert!((200 * PACKET..=203 * PACKET).contains(&silent), "{silent}");
    }
}
