//! The second form of the prototype's jitter buffer: samples in a ring.
//!
//! Law: once the level is below 5 % of the target, the output is silent until the level reaches 50
//! %. The ring holds 3 times the target; a packet that does not fit completely is discarded, and
//! the others are appended in the order of arrival. Reading interpolates linearly at a ratio of 1 +
//! frequency + trim: the frequency is the servo's while it is locked and otherwise 0, and the trim
//! of at most +-20 ppm depends on the level ([`PrototypeDrift`]). A callback that finds too little
//! audio plays what is available, followed by silence.
//!
//! The media position of every frame is kept as well, for the trace only.

use super::PrototypeClock;
use super::buffer::{BufferReport, PlayoutBuffer, ReadOutcome, decode};
use crate::baselines::PrototypeDrift;
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, MediaPosition, Ppb};
use std::collections::VecDeque;

/// Share of the target below which the output is muted.
const MUTE_BELOW: f64 = 0.05;
/// Share of the target from which the output plays again.
const PLAY_FROM: f64 = 0.5;
/// Capacity of the ring, as a multiple of the target.
const CAPACITY: usize = 3;

/// The ring.
pub(super) struct SampleRing {
    config: StreamConfig,
    channels: usize,
    target: usize,
    drift: PrototypeDrift,
    /// Interleaved samples.
    samples: VecDeque<f32>,
    /// Media position of each frame.
    positions: VecDeque<i64>,
    /// Position of the reader within the first frame, as a fraction of a frame.
    fraction: f64,
    /// Unwrapped position of the first frame of the packet that arrived last.
    newest: Option<Frames>,
    playing: bool,
    report: BufferReport,
}

impl SampleRing {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self {
            channels: config.format.channels(),
            target: config.format.sample_rate().frames_in(config.target_depth) as usize,
            config,
            drift: PrototypeDrift::default(),
            samples: VecDeque::new(),
            positions: VecDeque::new(),
            fraction: 0.0,
            newest: None,
            playing: false,
            report: BufferReport::default(),
        }
    }

    /// Computes one output frame by linear interpolation and advances by `step`. Returns false if
    /// there is too little audio.
    fn read_frame(&mut self, step: f64, out: &mut [f32]) -> bool {
        if self.positions.len() < 2 {
            return false;
        }
        for (channel, sample) in out.iter_mut().enumerate() {
            let (a, b) = (self.samples[channel], self.samples[self.channels + channel]);
            *sample = a + (b - a) * self.fraction as f32;
        }
        self.fraction += step;
        while self.fraction >= 1.0 && !self.positions.is_empty() {
            self.fraction -= 1.0;
            self.positions.pop_front();
            self.samples.drain(..self.channels);
        }
        true
    }
}

impl PlayoutBuffer for SampleRing {
    fn push(&mut self, packet: &RtpPacket<'_>) {
        let Some(samples) = decode(&self.config, packet) else { return };
        let timestamp = packet.header.timestamp;
        let first = self.newest.map_or(Frames::new(i64::from(timestamp.get())), |newest| timestamp.unwrap_near(newest));
        self.newest = Some(first);
        let frames = samples.len() / self.channels;
        if self.positions.len() + frames > CAPACITY * self.target {
            self.report.overruns += 1;
            return;
        }
        self.samples.extend(&samples);
        self.positions.extend((first.get()..).take(frames));
    }

    fn read(&mut self, clock: &PrototypeClock, out: &mut [f32]) -> ReadOutcome {
        out.fill(0.0);
        let level = self.positions.len() as f64 / self.target as f64;
        let playing = level >= if self.playing { MUTE_BELOW } else { PLAY_FROM };
        let mut jumped = playing != self.playing;
        self.report.underruns += u64::from(self.playing && !playing);
        self.playing = playing;
        if !playing {
            return ReadOutcome { padded: true, jumped };
        }
        let feed_forward = if clock.is_locked() { clock.frequency() } else { Ppb::ZERO };
        let step = self.drift.steer(feed_forward, level, 1.0).ratio();
        let whole = out.chunks_exact_mut(self.channels).all(|frame| self.read_frame(step, frame));
        self.report.underruns += u64::from(!whole);
        jumped |= !whole;
        ReadOutcome { padded: !whole, jumped }
    }

    fn report(&self) -> BufferReport {
        let head = self.positions.front().map(|&frame| MediaPosition::at_frame(Frames::new(frame)));
        BufferReport {
            position: head.filter(|_| self.playing).map(|head| head.advanced(self.fraction)),
            level_frames: self.positions.len(),
            target_frames: self.target,
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::prototype::tests::{config, datagram, number_of};

    /// A target of 50 ms, in packets of 1 ms.
    fn filled(packets: u16) -> SampleRing {
        let mut ring = SampleRing::new(config(50));
        push(&mut ring, 1..=packets);
        ring
    }

    fn push(ring: &mut SampleRing, numbers: std::ops::RangeInclusive<u16>) {
        for number in numbers {
            ring.push(&RtpPacket::parse(&datagram(number, 48)).unwrap());
        }
    }

    /// Pulls so many ms; returns the outcome, and the number of the packet that the 10th frame is
    /// from: the reader is between two frames, and there they are of one packet.
    fn pull(ring: &mut SampleRing, ms: usize) -> (u16, ReadOutcome) {
        let mut out = vec![0.0; ms * 48 * 2];
        let outcome = ring.read(&PrototypeClock::new(0), &mut out);
        (number_of(out[20]), outcome)
    }

    #[test]
    fn it_is_silent_until_half_of_the_target_is_there_and_below_a_twentieth_of_it_again() {
        let mut ring = filled(24);
        assert_eq!(pull(&mut ring, 10), (0, ReadOutcome { padded: true, jumped: false }));
        push(&mut ring, 25..=25);
        assert_eq!(pull(&mut ring, 10), (1, ReadOutcome { padded: false, jumped: true }));
        assert_eq!(pull(&mut ring, 10).0, 11);
        // 5 ms are left of 25: more than a twentieth of the target, and less than a callback.
        assert_eq!(pull(&mut ring, 10), (21, ReadOutcome { padded: true, jumped: true }));
        // Nothing is left: it is silent, and stays so with 24 ms.
        assert_eq!(pull(&mut ring, 10), (0, ReadOutcome { padded: true, jumped: true }));
        push(&mut ring, 26..=49);
        assert_eq!(pull(&mut ring, 10).0, 0);
        push(&mut ring, 50..=51);
        assert_ne!(pull(&mut ring, 10).0, 0);
    }

    #[test]
    fn a_packet_that_does_not_fit_whole_is_thrown_away() {
        let mut ring = filled(149);
        push(&mut ring, 150..=151);
        assert_eq!((ring.report().level_frames, ring.report().overruns), (150 * 48, 1));
        ring.positions.pop_front();
        ring.samples.drain(..2);
        push(&mut ring, 152..=152);
        assert_eq!(ring.report().overruns, 2, "47 frames of room are not 48");
    }

    #[test]
    fn the_servo_s_frequency_counts_only_while_it_is_locked() {
        // At the target, the trim is 0.
        for (locked, moved) in [(false, 480.0), (true, 480.0 * (1.0 - 30e-6))] {
            let mut ring = filled(50);
            let clock = crate::baselines::prototype::tests::clock(locked);
            ring.read(&clock, &mut [0.0; 2]);
            let from = ring.report().position.unwrap();
            push(&mut ring, 51..=51);
            ring.positions.truncate(50 * 48);
            ring.read(&clock, &mut [0.0; 960]);
            let got = ring.report().position.unwrap().frames_since(from);
            assert!((got - moved).abs() < 1e-3, "{locked}: {got}");
        }
    }
}
