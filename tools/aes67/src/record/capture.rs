//! Packets to a continuous recording, by their place on the media timeline.
//!
//! Model: frames wait for [`DEPTH`] of media time, so that packets may come in any order and by either leg; then they are passed on, and those that never came are
//! silence. A new source, or a jump of the timestamps that a second packet confirms, is a restart. A sender that was restarted on its media clock, such as PTP, goes on at the place
//! that its timestamps say; another one, on a timeline of its own, after as much silence as nothing came for. So the recording is as long as it took. Sans-IO: time is an argument.

use engine::receive::{Insertion, JitterBuffer};
use engine::rtp::format::StreamFormat;
use engine::rtp::wire::{RtpPacket, Ssrc};
use engine::{Frames, LocalTime, Nanos, RtpTimestamp};
use net::socket::LONGEST_DATAGRAM;
use std::collections::VecDeque;

/// How long frames wait for those before them: ten times what AES67 allows a sender to jitter.
const DEPTH: Nanos = Nanos::from_millis(200);
/// A timestamp this far from where it is expected begins a new timeline, if the next packet agrees.
const DISCONTINUITY: Nanos = Nanos::from_secs(1);
/// Another source takes over once the present one has been silent for this long.
const SOURCE_SILENCE: Nanos = Nanos::from_millis(250);
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
    /// Datagrams that were no packets of this stream.
    pub(crate) refused: u64,
    /// Frames that never came, and are silence.
    pub(crate) missing_frames: u64,
    /// Stretches of such frames.
    pub(crate) gaps: u64,
    /// New sources, and jumps of the timestamps.
    pub(crate) restarts: u64,
}

#[derive(Clone, Copy, Debug)]
struct Timeline {
    /// How many there were before it.
    number: u64,
    ssrc: Ssrc,
    /// The next frame to be passed on.
    cursor: Frames,
    /// End of the newest packet, and when it came.
    newest: Frames,
    newest_at: LocalTime,
}

/// Makes a recording of packets.
#[derive(Debug)]
pub(crate) struct Capture {
    format: StreamFormat,
    payload_type: Option<u8>,
    buffer: JitterBuffer,
    timeline: Option<Timeline>,
    suspect: Option<RtpTimestamp>,
    in_gap: bool,
    decoded: Vec<f32>,
    blocks: VecDeque<Block>,
    stats: CaptureStats,
}

impl Capture {
    pub(crate) fn new(format: StreamFormat, payload_type: Option<u8>) -> Self {
        // Twice the depth: a packet may come that much ahead of the next one to be passed on.
        let capacity = 2 * format.sample_rate().frames_in(DEPTH) as usize;
        Self {
            format,
            payload_type,
            buffer: JitterBuffer::new(format.channels(), capacity),
            timeline: None,
            suspect: None,
            in_gap: false,
            decoded: vec![0.0; LONGEST_DATAGRAM / 2],
            blocks: VecDeque::new(),
            stats: CaptureStats::default(),
        }
    }

    /// Takes a datagram that came at `now`.
    pub(crate) fn handle_datagram(&mut self, now: LocalTime, datagram: &[u8]) {
        let taken = RtpPacket::parse(datagram).ok().and_then(|packet| self.take(now, &packet));
        if taken.is_none() {
            self.stats.refused += 1;
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

    fn take(&mut self, now: LocalTime, packet: &RtpPacket<'_>) -> Option<()> {
        let found = packet.header.payload_type.get();
        self.payload_type.is_none_or(|expected| expected == found).then_some(())?;
        let frames = self.format.decode_into(packet.payload, &mut self.decoded).ok()?;
        let first = self.place(now, packet, frames)?;
        let end = first + Frames::new(frames as i64);
        let rate = self.format.sample_rate();
        let depth = Frames::new(rate.frames_in(DEPTH) as i64);
        self.pass_on_until(end - depth);
        let timeline = self.timeline.as_mut()?;
        let samples = &self.decoded[..frames * self.format.channels()];
        match self.buffer.insert(timeline.cursor, first, samples) {
            Insertion::Stored => self.stats.packets += 1,
            Insertion::Duplicate => self.stats.duplicates += 1,
            // What was passed on already is far ahead, or behind.
            Insertion::Late | Insertion::TooEarly => self.stats.late_packets += 1,
        }
        timeline.newest = timeline.newest.max(end);
        timeline.newest_at = now;
        Some(())
    }

    /// Where a packet of so many frames begins; `None` if it is not to be believed yet.
    fn place(&mut self, now: LocalTime, packet: &RtpPacket<'_>, frames: usize) -> Option<Frames> {
        let (ssrc, timestamp) = (packet.header.ssrc, packet.header.timestamp);
        let Some(timeline) = self.timeline else { return Some(self.begin(now, 0, ssrc, timestamp)) };
        let is_other = timeline.ssrc != ssrc;
        if is_other && now.since(timeline.newest_at) < SOURCE_SILENCE {
            return None;
        }
        let rate = self.format.sample_rate();
        let limit = rate.frames_in(DISCONTINUITY) as i64;
        let paused = Frames::new(rate.frames_in(now.since(timeline.newest_at)) as i64);
        let expected = timeline.newest + paused;
        let position = timestamp.unwrap_near(expected);
        if (position - expected).get().abs() <= limit {
            self.suspect = None;
            self.stats.restarts += u64::from(is_other);
            self.timeline = Some(Timeline { ssrc, ..timeline });
            return Some(position);
        }
        let confirmed = self
            .suspect
            .replace(timestamp)
            .is_some_and(|suspect| i64::from(timestamp.get().wrapping_sub(suspect.get()) as i32).abs() <= limit);
        (is_other || confirmed).then(|| self.restart(now, ssrc, timestamp, frames))
    }

    /// Begins another timeline with a packet of so many frames, the first of which was there when it was sent.
    fn restart(&mut self, now: LocalTime, ssrc: Ssrc, timestamp: RtpTimestamp, frames: usize) -> Frames {
        let before = self.timeline.map(|timeline| (timeline.number + 1, timeline.newest_at));
        let (number, newest_at) = before.unwrap_or((0, now));
        self.finish();
        self.buffer.clear();
        self.suspect = None;
        self.stats.restarts += 1;
        let first = self.begin(now, number, ssrc, timestamp);
        let missing = self.format.sample_rate().frames_in(now.since(newest_at)) as i64 - frames as i64;
        if missing > 0 {
            self.stats.missing_frames += missing as u64;
            self.stats.gaps += 1;
            let audio = Audio::Silence(missing as u64);
            self.blocks.push_back(Block { timeline: number, first: first - Frames::new(missing), audio });
        }
        first
    }

    fn begin(&mut self, now: LocalTime, number: u64, ssrc: Ssrc, timestamp: RtpTimestamp) -> Frames {
        let first = Frames::new(i64::from(timestamp.get()));
        self.timeline = Some(Timeline { number, ssrc, cursor: first, newest: first, newest_at: now });
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
    use engine::rtp::format::Encoding;
    use engine::rtp::sequence::SequenceNumber;
    use engine::rtp::wire::{PayloadType, RtpHeader};

    const PACKET: usize = 48;

    fn capture() -> Capture {
        Capture::new(StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 1).unwrap(), Some(96))
    }

    /// The packet number `index` of a stream in which frame n has the value n + 1, offset to a timestamp near its wrap.
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
        assert_eq!(capture.stats().refused, 1);
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
        assert_eq!((capture.stats().restarts, capture.stats().refused), (0, 1));
        capture.handle_datagram(at(102), &packet(102, 1, 1 << 30));
        capture.handle_datagram(at(103), &packet(103, 1, 1 << 30));
        assert_eq!((capture.stats().restarts, capture.stats().refused), (1, 2));
    }
}
