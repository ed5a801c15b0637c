//! The first form of the prototype's jitter buffer: packets in order of sequence.
//!
//! Law: reading starts when the buffer holds the target, which is at least 4 packets. Packets that
//! arrive after they were due are discarded; if the buffer holds more than 3 times the target, the
//! oldest packets are discarded. If nothing is left, the buffer fills to the target again, in
//! silence. Two readers:
//!
//! * direct mode, as in the user's report, takes the frames as they are, one for each frame of the
//!   card. A packet that is missing when it is due is replaced by silence of its length, and the
//!   sequence continues. The same happens to packets that were discarded. As long as one packet
//!   arrives for each one that is due, another one is discarded, so the silence lasts until no
//!   packet arrives for a while;
//! * the next form interpolates linearly at a ratio of 1 + the servo's frequency, limited to +-1000
//!   ppm, whether the servo is locked or not. A missing packet is skipped.
//!
//! Where the description is ambiguous, the more favourable reading is implemented: a callback that
//! ends within a packet leaves the rest of the packet to the next callback.

use super::PrototypeClock;
use super::buffer::{BufferReport, PlayoutBuffer, ReadOutcome, decode};
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, MediaPosition};
use std::collections::VecDeque;

/// Smallest target in packets.
const LEAST_TARGET: usize = 4;
/// Maximum number of packets in the buffer, as a multiple of the target.
const OVERRUN: usize = 3;
/// Limit of the resampling reader.
const RATE_LIMIT: f64 = 1000e-6;

/// How frames are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// As they are.
    Direct,
    /// Resampled by the servo's frequency.
    Resampled,
}

/// A packet in the buffer.
struct Packet {
    sequence: u16,
    first: Frames,
    samples: Vec<f32>,
}

/// The packet that is being read.
#[derive(Default)]
struct Current {
    first: Frames,
    samples: Vec<f32>,
    /// Number of its frames that were read.
    taken: usize,
    /// Whether it is silence in place of a missing packet.
    is_padding: bool,
}

/// The buffer.
pub(super) struct PacketBuffer {
    config: StreamConfig,
    reader: Reader,
    channels: usize,
    packet_frames: usize,
    packets: VecDeque<Packet>,
    /// Unwrapped position of the first frame of the packet that arrived last.
    newest: Option<Frames>,
    /// Sequence number of the packet that is due next; `None` before the first one.
    due: Option<u16>,
    filling: bool,
    current: Current,
    /// The two frames between which the resampling reader interpolates, and its position between
    /// them.
    pair: [Vec<f32>; 2],
    fraction: f64,
    outcome: ReadOutcome,
    report: BufferReport,
}

impl PacketBuffer {
    pub(super) fn new(config: StreamConfig, reader: Reader) -> Self {
        let channels = config.format.channels();
        Self {
            config,
            reader,
            channels,
            packet_frames: 0,
            packets: VecDeque::new(),
            newest: None,
            due: None,
            filling: true,
            current: Current::default(),
            pair: [vec![0.0; channels], vec![0.0; channels]],
            fraction: 0.0,
            outcome: ReadOutcome::default(),
            report: BufferReport::default(),
        }
    }

    /// The target in packets.
    fn target(&self) -> usize {
        let frames = self.config.format.sample_rate().frames_in(self.config.target_depth) as usize;
        (frames / self.packet_frames.max(1)).max(LEAST_TARGET)
    }

    fn insert(&mut self, packet: Packet) {
        if self.due.is_some_and(|due| ahead(due, packet.sequence) < 0) {
            self.report.late_packets += 1;
            return;
        }
        let place = self.packets.iter().rposition(|other| ahead(packet.sequence, other.sequence) <= 0);
        match place {
            Some(at) if self.packets[at].sequence == packet.sequence => return,
            Some(at) => self.packets.insert(at + 1, packet),
            None => self.packets.push_front(packet),
        }
        while self.packets.len() > OVERRUN * self.target() {
            self.packets.pop_front();
            self.report.overruns += 1;
        }
    }

    /// Starts reading when the buffer holds the target. Returns whether there is anything to read.
    fn start(&mut self) -> bool {
        if self.filling && !self.packets.is_empty() && self.packets.len() >= self.target() {
            self.filling = false;
            self.due = self.packets.front().map(|packet| packet.sequence);
            self.current = Current::default();
            if self.reader == Reader::Resampled {
                self.fraction = 0.0;
                let pair = [self.next_frame(), self.next_frame()];
                self.filling = pair.contains(&false);
            }
        }
        !self.filling
    }

    /// Makes the packet that is due the current one. Returns false if no packet is left.
    fn load(&mut self) -> bool {
        let (Some(due), Some(front)) = (self.due, self.packets.front()) else {
            self.report.underruns += u64::from(self.reader == Reader::Direct);
            self.filling = true;
            return false;
        };
        let there = front.sequence == due;
        self.report.underruns += u64::from(!there);
        if !there && self.reader == Reader::Direct {
            let first = self.current.first + Frames::new(self.packet_frames as i64);
            let samples = vec![0.0; self.packet_frames * self.channels];
            self.current = Current { first, samples, taken: 0, is_padding: true };
            self.due = Some(due.wrapping_add(1));
        } else if let Some(packet) = self.packets.pop_front() {
            self.outcome.jumped |= !there;
            self.due = Some(packet.sequence.wrapping_add(1));
            self.current = Current { first: packet.first, samples: packet.samples, taken: 0, is_padding: false };
        }
        true
    }

    /// Loads a packet if the current one has been read. Returns false if there is none.
    fn has_frames(&mut self) -> bool {
        self.current.taken * self.channels < self.current.samples.len() || self.load()
    }

    /// Reads the next frame into `pair[1]`. Returns false if there is none.
    fn next_frame(&mut self) -> bool {
        if !self.has_frames() {
            return false;
        }
        self.pair.swap(0, 1);
        let at = self.current.taken * self.channels;
        self.pair[1].copy_from_slice(&self.current.samples[at..at + self.channels]);
        self.current.taken += 1;
        self.outcome.padded |= self.current.is_padding;
        true
    }

    /// Fills `out` as far as there are frames; returns whether there were enough.
    fn read_direct(&mut self, out: &mut [f32]) -> bool {
        let mut rest = out;
        while !rest.is_empty() {
            if !self.has_frames() {
                return false;
            }
            let frames = &self.current.samples[self.current.taken * self.channels..];
            let (part, after) = rest.split_at_mut(frames.len().min(rest.len()));
            part.copy_from_slice(&frames[..part.len()]);
            self.current.taken += part.len() / self.channels;
            self.outcome.padded |= self.current.is_padding;
            rest = after;
        }
        true
    }

    fn read_resampled(&mut self, step: f64, out: &mut [f32]) -> bool {
        for frame in out.chunks_exact_mut(self.channels) {
            for (sample, (a, b)) in frame.iter_mut().zip(self.pair[0].iter().zip(&self.pair[1])) {
                *sample = a + (b - a) * self.fraction as f32;
            }
            self.fraction += step;
            while self.fraction >= 1.0 {
                self.fraction -= 1.0;
                if !self.next_frame() {
                    return false;
                }
            }
        }
        true
    }

    /// Media position of the next frame.
    fn position(&self) -> MediaPosition {
        let next = MediaPosition::at_frame(self.current.first + Frames::new(self.current.taken as i64));
        match self.reader {
            Reader::Direct => next,
            Reader::Resampled => next.advanced(self.fraction - 2.0),
        }
    }
}

/// How many packets `sequence` is after `from`.
fn ahead(from: u16, sequence: u16) -> i16 {
    sequence.wrapping_sub(from) as i16
}

impl PlayoutBuffer for PacketBuffer {
    fn push(&mut self, packet: &RtpPacket<'_>) {
        let Some(samples) = decode(&self.config, packet) else { return };
        let timestamp = packet.header.timestamp;
        let first = self.newest.map_or(Frames::new(i64::from(timestamp.get())), |newest| timestamp.unwrap_near(newest));
        self.newest = Some(first);
        self.packet_frames = samples.len() / self.channels;
        self.insert(Packet { sequence: packet.header.sequence.get(), first, samples });
    }

    fn read(&mut self, clock: &PrototypeClock, out: &mut [f32]) -> ReadOutcome {
        out.fill(0.0);
        self.outcome = ReadOutcome::default();
        let was_playing = !self.filling;
        let whole = self.start()
            && match self.reader {
                Reader::Direct => self.read_direct(out),
                Reader::Resampled => {
                    let rate = clock.frequency().as_ppb() * 1e-9;
                    self.read_resampled(1.0 + rate.clamp(-RATE_LIMIT, RATE_LIMIT), out)
                }
            };
        self.outcome.padded |= !whole;
        self.outcome.jumped |= was_playing == self.filling;
        self.outcome
    }

    fn report(&self) -> BufferReport {
        BufferReport {
            position: (!self.filling).then(|| self.position()),
            level_frames: self.packets.len() * self.packet_frames,
            target_frames: self.target() * self.packet_frames,
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::prototype::tests::{config, datagram};

    /// Packets of 5 ms and a target of 50 ms: 10 packets, and 30 at most.
    const PACKET: usize = 240;
    /// A callback takes 4 packets.
    const CALLBACK: usize = 960;

    struct Bench {
        buffer: PacketBuffer,
        clock: PrototypeClock,
    }

    impl Bench {
        fn new(reader: Reader) -> Self {
            Self { buffer: PacketBuffer::new(config(50), reader), clock: PrototypeClock::new(0) }
        }

        fn push(&mut self, numbers: impl IntoIterator<Item = u16>) {
            for number in numbers {
                let bytes = datagram(number, PACKET);
                self.buffer.push(&RtpPacket::parse(&bytes).unwrap());
            }
        }

        /// The number of the packet that each part of a callback is from; 0 is silence.
        fn pull(&mut self) -> [u16; 4] {
            let mut out = vec![0.0; CALLBACK * 2];
            self.buffer.read(&self.clock, &mut out);
            std::array::from_fn(|part| {
                let part = &out[part * PACKET * 2..(part + 1) * PACKET * 2];
                let number = crate::baselines::prototype::tests::number_of(part[0]);
                assert!(part.iter().all(|sample| crate::baselines::prototype::tests::number_of(*sample) == number));
                number
            })
        }

        fn level(&self) -> usize {
            self.buffer.packets.len()
        }
    }

    #[test]
    fn it_starts_when_the_target_is_there() {
        let mut bench = Bench::new(Reader::Direct);
        bench.push(1..=9);
        assert_eq!(bench.pull(), [0; 4]);
        bench.push([10]);
        assert_eq!(bench.pull(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_packet_that_is_missing_when_due_is_silence_and_the_sequence_goes_on() {
        let mut bench = Bench::new(Reader::Direct);
        bench.push((1..=12).filter(|&number| number != 3));
        assert_eq!(bench.pull(), [1, 2, 0, 4]);
        // It comes after its turn.
        bench.push([3]);
        assert_eq!((bench.pull(), bench.buffer.report().late_packets), ([5, 6, 7, 8], 1));
        assert_eq!(bench.buffer.report().underruns, 1);
    }

    #[test]
    fn order_is_by_sequence_and_copies_are_dropped() {
        let mut bench = Bench::new(Reader::Direct);
        bench.push([u16::MAX, 2, 1, 2, 3, 5, 4, 6, 8, 7, 9]);
        assert_eq!(bench.pull(), [u16::MAX, 0, 1, 2], "number 0 is missing");
        assert_eq!(bench.pull(), [3, 4, 5, 6]);
    }

    #[test]
    fn if_nothing_is_left_it_fills_to_the_target_in_silence() {
        let mut bench = Bench::new(Reader::Direct);
        bench.push(1..=10);
        assert_eq!([bench.pull(), bench.pull(), bench.pull()], [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]]);
        bench.push(11..=19);
        assert_eq!(bench.pull(), [0; 4], "9 packets are less than the target");
        bench.push([20]);
        assert_eq!(bench.pull(), [11, 12, 13, 14]);
    }

    #[test]
    fn of_more_than_3_times_the_target_the_oldest_are_thrown_away() {
        let mut bench = Bench::new(Reader::Direct);
        bench.push(1..=35);
        assert_eq!((bench.level(), bench.buffer.report().overruns), (30, 5));
        assert_eq!(bench.pull(), [6, 7, 8, 9]);
    }

    #[test]
    fn what_was_thrown_away_while_it_plays_is_silence_until_as_much_goes_missing() {
        let mut bench = Bench::new(Reader::Direct);
        bench.push(1..=30);
        assert_eq!(bench.pull(), [1, 2, 3, 4]);
        // The card loses a callback: 4 packets are too many, thrown away, and silence when due.
        bench.push(31..=38);
        assert_eq!(bench.pull(), [0; 4]);
        for n in 0..50 {
            bench.push(39 + 4 * n..43 + 4 * n);
            assert_eq!(bench.pull(), [0; 4], "for each packet that comes, one is thrown away");
        }
        // Nothing comes for once: the sequence has caught up with the packets.
        assert_eq!(bench.pull(), [209, 210, 211, 212]);
    }

    #[test]
    fn the_resampling_reader_goes_at_the_servo_s_frequency_within_1000_ppm_and_skips_what_is_missing() {
        let mut bench = Bench::new(Reader::Resampled);
        bench.push((1..=20).filter(|&number| number != 3));
        let mut out = vec![0.0; CALLBACK * 2];
        let outcome = bench.buffer.read(&bench.clock, &mut out);
        assert_eq!(outcome, ReadOutcome { padded: false, jumped: true });
        let numbers: Vec<u16> =
            out.chunks(PACKET * 2).map(|part| crate::baselines::prototype::tests::number_of(part[2])).collect();
        assert_eq!(numbers, [1, 2, 4, 5]);
        let before = bench.buffer.position();
        for (step, moved) in [(1.0005, 960.48), (0.999, 959.04)] {
            let from = bench.buffer.position();
            assert!(bench.buffer.read_resampled(step, &mut out));
            assert!((bench.buffer.position().frames_since(from) - moved).abs() < 1e-6);
        }
        assert!(bench.buffer.position().frames_since(before) > 1919.0);
    }
}
