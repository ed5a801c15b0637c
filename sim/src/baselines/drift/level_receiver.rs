//! A simple receiver with a drift law that is controlled by the buffer level.
//!
//! Model: the queue ends where the newest packet ends, as in a ring that is indexed by timestamps,
//! so a lost packet leaves a hole and does not shorten the queue. Playback starts at the target
//! level; each block moves by the law's ratio, which is constant over the block. A block that finds
//! too little audio is counted as an underrun, and a queue of more than twice the target as an
//! overrun; the queue then restarts at the target. No audio is processed, and no clock is
//! estimated.
//!
//! The level is sampled at the callback, before the block is taken. A law with a shorter period
//! samples it again after each part of the block.

use super::queue::{Queue, QueueLaw};
use crate::record::ClockState;
use crate::world::{Clock, Playback, Receiver};
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, LocalTime, MediaPosition, Nanos};

/// The receiver.
pub struct LevelReceiver<L> {
    config: StreamConfig,
    law: L,
    /// Number of frames after which the law computes a new ratio; `None` for once per block.
    period: Option<usize>,
    /// End of the newest packet, unwrapped.
    end: Option<Frames>,
    /// When the newest packet arrived.
    arrival: LocalTime,
    position: Option<MediaPosition>,
    /// End of the newest packet when the buffer began to fill. Playback starts once the target has
    /// been received since then.
    refill_from: Option<MediaPosition>,
    playback: Playback,
}

impl<L: QueueLaw> LevelReceiver<L> {
    /// A receiver whose law is called once per callback, or once per `period` of audio.
    pub fn new(config: StreamConfig, law: L, period: Option<Nanos>) -> Self {
        let period = period.map(|period| config.format.sample_rate().frames_in(period) as usize);
        Self {
            config,
            law,
            period,
            end: None,
            arrival: LocalTime::from_nanos(0),
            position: None,
            refill_from: None,
            playback: Playback::default(),
        }
    }

    /// Frames in the queue.
    fn level(&self, position: MediaPosition) -> f64 {
        self.end.map_or(0.0, |end| MediaPosition::at_frame(end).frames_since(position))
    }

    /// The position to play from: the current one, or the one at the target level when playback
    /// starts.
    fn begin(&mut self, target: f64) -> Option<MediaPosition> {
        let end = MediaPosition::at_frame(self.end?);
        let start = end.advanced(-target);
        match self.position {
            Some(position) if self.level(position) <= 2.0 * target => {}
            Some(_) => {
                self.playback.overruns += 1;
                self.playback.discontinuities += 1;
                self.position = Some(start);
            }
            None => {
                let refill_from = *self.refill_from.get_or_insert(end);
                self.position = (start.frames_since(refill_from) >= 0.0).then_some(start);
            }
        }
        self.position
    }

    /// Plays a part of a block.
    fn play(&mut self, now: LocalTime, frames: usize, position: MediaPosition, target_frames: f64) {
        let level_frames = self.level(position);
        let queue =
            Queue { now, block_frames: frames as f64, level_frames, target_frames, since_arrival: now - self.arrival };
        self.playback.fill = self.config.format.sample_rate().duration_f64(level_frames);
        let needed = queue.block_frames * self.law.ratio(&queue).ratio();
        if needed > level_frames {
            self.playback.underruns += 1;
            self.refill_from = self.end.map(MediaPosition::at_frame);
            self.position = None;
        } else {
            self.position = Some(position.advanced(needed));
        }
        self.playback.position = self.position;
    }
}

impl<L: QueueLaw> Receiver for LevelReceiver<L> {
    fn handle_ptp(&mut self, _now: LocalTime, _datagram: &[u8]) {}

    fn handle_media(&mut self, now: LocalTime, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let Ok(frames) = self.config.format.frames_in_payload(packet.payload.len()) else { return };
        let timestamp = packet.header.timestamp;
        let first = self.end.map_or(Frames::new(i64::from(timestamp.get())), |end| timestamp.unwrap_near(end));
        let end = first + Frames::new(frames as i64);
        let moved = end - self.end.unwrap_or(first);
        if moved > Frames::ZERO {
            self.end = Some(end);
            self.arrival = now;
            self.law.arrived(now, frames as f64, moved.get() as f64);
        }
    }

    fn handle_timeout(&mut self, _now: LocalTime) {}

    fn poll_timeout(&self) -> Option<LocalTime> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    fn handle_transmitted(&mut self, _token: TransmitToken, _sent: LocalTime) {}

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        out.fill(0.0);
        let target = self.config.format.sample_rate().frames_in(self.config.target_depth);
        let mut rest = out.len() / self.config.format.channels();
        while rest > 0 {
            let part = self.period.map_or(rest, |period| period.clamp(1, rest));
            if let Some(position) = self.begin(target) {
                self.play(now, part, position, target);
            }
            rest -= part;
        }
    }

    fn playback(&self) -> Playback {
        self.playback
    }

    fn clock(&self, _now: LocalTime) -> Clock {
        Clock { state: ClockState::Listening, map: None, claims_sigma: false }
    }

    fn poll_event(&mut self) -> Option<String> {
        None
    }
}
