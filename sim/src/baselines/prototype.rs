//! The receiver of the user's report: its clock and drift laws around a queue.
//!
//! As reported: packets are appended to a queue in the order of arrival; playback reads it by linear interpolation, is muted when the queue falls below 5 %
//! and starts again at 50 %. 50 % is the target depth. Callbacks that find less than they need play what there is, and silence after it. The
//! plugin's own underrun counter "is fixed on 0"; the one here is the simulator's.
//!
//! Beside every frame its media position is kept, for the trace only.

use super::{PrototypeClock, PrototypeDrift};
use crate::world::{Clock, Playback, RECEIVER_PORT, Receiver};
use engine::clock::{ClockLaw, Direction, TimestampPair};
use engine::ptp::wire::{Body, Flags, Message};
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, LocalTime, MediaPosition, Nanos, Ppb, RtpTimestamp};
use std::collections::VecDeque;

/// Shares of the queue's capacity.
const MUTE_BELOW: f64 = 0.05;
const PLAY_FROM: f64 = 0.5;
/// One Delay_Req per second.
const DELAY_REQUEST_INTERVAL: Nanos = Nanos::from_secs(1);

/// The prototype.
pub struct PrototypeReceiver {
    config: StreamConfig,
    domain_number: u8,
    clock: PrototypeClock,
    drift: PrototypeDrift,
    /// A Sync that waits for its Follow_Up: sequence id and receive time.
    sync: Option<(u16, LocalTime)>,
    /// The open Delay_Req: sequence id and transmit time.
    request: (u16, Option<LocalTime>),
    next_request: Option<LocalTime>,
    transmit: Option<Transmit>,
    events: VecDeque<String>,
    queue: Queue,
    playing: bool,
    playback: Playback,
}

/// Samples, interleaved, and the media position of each frame.
struct Queue {
    channels: usize,
    capacity: usize,
    samples: VecDeque<f32>,
    positions: VecDeque<i64>,
    /// How far into its first frame playback is.
    fraction: f64,
    /// Unwrapped position of the last packet.
    last: Option<Frames>,
}

impl PrototypeReceiver {
    /// A receiver of one stream in a PTP domain.
    #[must_use]
    pub fn new(config: StreamConfig, domain_number: u8) -> Self {
        let channels = config.format.channels();
        let capacity = (config.format.sample_rate().frames_in(config.target_depth) / PLAY_FROM) as usize;
        Self {
            config,
            domain_number,
            clock: PrototypeClock::default(),
            drift: PrototypeDrift::default(),
            sync: None,
            request: (0, None),
            next_request: None,
            transmit: None,
            events: VecDeque::new(),
            queue: Queue {
                channels,
                capacity,
                samples: VecDeque::with_capacity(capacity * channels),
                positions: VecDeque::with_capacity(capacity),
                fraction: 0.0,
                last: None,
            },
            playing: false,
            playback: Playback::default(),
        }
    }

    fn observe(&mut self, pair: &TimestampPair) {
        self.clock.observe(pair);
        if let Some(transition) = self.clock.poll_transition() {
            self.events.push_back(format!("{}: {}", transition.to, transition.cause));
        }
    }

    fn fill(&self) -> Nanos {
        self.config.format.sample_rate().duration(Frames::new(self.queue.positions.len() as i64))
    }

    fn ratio(&mut self) -> f64 {
        let target_s = self.config.target_depth.as_secs_f64();
        let ptp_rate = self.clock.rate().unwrap_or(Ppb::ZERO);
        self.drift.steer(ptp_rate, self.fill().as_secs_f64(), target_s).ratio()
    }
}

impl Queue {
    fn push(&mut self, config: &StreamConfig, packet: &RtpPacket<'_>) {
        let Ok(frames) = config.format.frames_in_payload(packet.payload.len()) else { return };
        let mut decoded = vec![0.0; frames * self.channels];
        if config.format.decode_into(packet.payload, &mut decoded).is_err() {
            return;
        }
        let timestamp: RtpTimestamp = packet.header.timestamp;
        let first = self.last.map_or(Frames::new(i64::from(timestamp.get())), |last| timestamp.unwrap_near(last));
        self.last = Some(first);
        for (frame, position) in decoded.chunks_exact(self.channels).zip(first.get()..) {
            if self.positions.len() == self.capacity {
                return;
            }
            self.samples.extend(frame);
            self.positions.push_back(position);
        }
    }

    /// One output frame by linear interpolation, moving on by `step`; false if there is not enough.
    fn read(&mut self, step: f64, out: &mut [f32]) -> bool {
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

impl Receiver for PrototypeReceiver {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        let Ok(message) = Message::parse(datagram) else { return };
        let header = message.header;
        if header.domain_number != self.domain_number {
            return;
        }
        match message.body {
            Body::Sync { .. } if header.flags.contains(Flags::TWO_STEP) => {
                self.sync = Some((header.sequence_id, now));
                self.next_request.get_or_insert(now + DELAY_REQUEST_INTERVAL);
            }
            Body::Sync { origin_timestamp } => {
                self.observe(&TimestampPair { direction: Direction::Forward, local: now, remote: origin_timestamp });
                self.next_request.get_or_insert(now + DELAY_REQUEST_INTERVAL);
            }
            Body::FollowUp { precise_origin_timestamp } => {
                if let Some((_, local)) = self.sync.take().filter(|(id, _)| *id == header.sequence_id) {
                    let pair = TimestampPair { direction: Direction::Forward, local, remote: precise_origin_timestamp };
                    self.observe(&pair);
                }
            }
            Body::DelayResp { receive_timestamp, requesting_port_identity } => {
                let (id, sent) = self.request;
                let ours = requesting_port_identity == RECEIVER_PORT && header.sequence_id == id;
                if let Some(local) = sent.filter(|_| ours) {
                    self.observe(&TimestampPair { direction: Direction::Reverse, local, remote: receive_timestamp });
                }
            }
            _ => {}
        }
    }

    fn handle_media(&mut self, _now: LocalTime, datagram: &[u8]) {
        if let Ok(packet) = RtpPacket::parse(datagram) {
            self.queue.push(&self.config, &packet);
        }
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        if self.next_request.is_none_or(|due| due > now) {
            return;
        }
        self.next_request = Some(now + DELAY_REQUEST_INTERVAL);
        let sequence_id = self.request.0.wrapping_add(1);
        self.request = (sequence_id, None);
        self.transmit = Transmit::delay_req(RECEIVER_PORT, self.domain_number, sequence_id);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.next_request
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmit.take()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        if self.request.0 == token.sequence_id() {
            self.request.1 = Some(sent);
        }
    }

    fn pull(&mut self, _now: LocalTime, out: &mut [f32]) {
        let channels = self.config.format.channels();
        let share = self.queue.positions.len() as f64 / self.queue.capacity as f64;
        self.playback.fill = self.fill();
        let playing = if self.playing { share >= MUTE_BELOW } else { share >= PLAY_FROM };
        let mut disturbed = playing != self.playing;
        self.playing = playing;
        out.fill(0.0);
        if playing {
            let ratio = self.ratio();
            for frame in out.chunks_exact_mut(channels) {
                if !self.queue.read(ratio, frame) {
                    self.playback.underruns += 1;
                    disturbed = true;
                    break;
                }
            }
        } else if self.playback.position.is_some() {
            self.playback.underruns += 1;
        }
        self.playback.discontinuities += u64::from(disturbed);
        let head = self.queue.positions.front().map(|&frame| MediaPosition::at_frame(Frames::new(frame)));
        self.playback.position = match head {
            Some(head) if playing => Some(head.advanced(self.queue.fraction)),
            _ => self.playback.position,
        };
    }

    fn playback(&self) -> Playback {
        self.playback
    }

    fn clock(&self, now: LocalTime) -> Clock {
        let reading = self.clock.reading(now);
        Clock { state: reading.state.into(), map: reading.map, claims_sigma: false }
    }

    fn poll_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }
}
