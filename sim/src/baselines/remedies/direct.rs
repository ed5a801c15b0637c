//! A receiver with one of the remedies: a queue of packets, a ring, and a callback that takes the
//! audio that is available.

use super::laws::{Remedy, step};
use super::ring::Ring;
use crate::baselines::LinuxptpPi;
use crate::record::ClockState;
use crate::world::{Clock, ClockReceiver, HostTime, Playback, Receiver};
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, LocalTime, Nanos};
use std::collections::VecDeque;
use std::net::Ipv4Addr;

/// Packets in the queue when the timer starts, as a share of the target depth.
const QUEUED_SHARE: f64 = 0.5;

/// A receiver whose callback is fed directly.
pub struct Direct<R> {
    config: StreamConfig,
    remedy: R,
    clock: ClockReceiver<LinuxptpPi>,
    /// Packets that wait for the timer: position and samples.
    queue: VecDeque<(i64, Vec<f32>)>,
    ring: Option<Ring>,
    packet_frames: usize,
    /// End of the newest packet, unwrapped.
    end: Option<Frames>,
    timer: Option<LocalTime>,
    playing: bool,
    playback: Playback,
}

impl<R: Remedy> Direct<R> {
    /// A receiver of one stream in a PTP domain.
    #[must_use]
    pub fn new(config: StreamConfig, remedy: R, domain_number: u8) -> Self {
        Self {
            clock: ClockReceiver::new(LinuxptpPi::default(), domain_number, false),
            config,
            remedy,
            queue: VecDeque::new(),
            ring: None,
            packet_frames: 0,
            end: None,
            timer: None,
            playing: false,
            playback: Playback::default(),
        }
    }

    fn target(&self) -> usize {
        self.config.format.sample_rate().frames_in(self.config.target_depth) as usize
    }

    /// Puts a packet into the ring, or drops it.
    fn store(&mut self, position: i64, samples: &[f32]) {
        if self.ring.as_mut().is_some_and(|ring| !ring.push(position, samples)) {
            self.playback.overruns += 1;
            self.playback.discontinuities += 1;
        }
    }

    /// Puts a packet into the queue that the timer empties. A full queue drops its oldest packet.
    fn enqueue(&mut self, now: LocalTime, position: i64, samples: Vec<f32>) {
        self.queue.push_back((position, samples));
        let queued = self.queue.len() * self.packet_frames;
        if queued > 2 * self.target() {
            self.queue.pop_front();
            self.playback.overruns += 1;
            self.playback.discontinuities += 1;
        }
        if self.timer.is_none() && queued as f64 >= QUEUED_SHARE * self.target() as f64 {
            self.timer = Some(now);
        }
    }

    /// The timer moves a packet from the queue to the ring, if there is one.
    fn tick(&mut self, now: LocalTime, due: LocalTime) {
        if let Some((position, samples)) = self.queue.pop_front() {
            self.store(position, &samples);
        }
        let clock = self.clock.clock(now);
        let rate = clock.map.filter(|_| clock.state == ClockState::Locked).map(|map| map.clock().rate());
        let share = self.ring.as_ref().map_or(0.0, Ring::share);
        let packet = self.config.format.sample_rate().duration(Frames::new(self.packet_frames as i64));
        let interval = packet.as_secs_f64() * self.remedy.interval(share, rate);
        self.timer = Some(due + Nanos::from_secs_f64(interval));
    }
}

impl<R: Remedy> Receiver for Direct<R> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.clock.handle_ptp(now, datagram);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.clock.handle_ptp_from(now, source, datagram);
    }

    fn handle_media(&mut self, now: LocalTime, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let Ok(frames) = self.config.format.frames_in_payload(packet.payload.len()) else { return };
        let mut samples = vec![0.0; frames * self.config.format.channels()];
        if self.config.format.decode_into(packet.payload, &mut samples).is_err() {
            return;
        }
        let timestamp = packet.header.timestamp;
        let first = self.end.map_or(Frames::new(i64::from(timestamp.get())), |end| timestamp.unwrap_near(end));
        self.end = Some(first + Frames::new(frames as i64));
        self.packet_frames = frames;
        if self.ring.is_none() {
            let capacity = self.remedy.capacity(self.config.block_frames, frames, self.target());
            self.ring = Some(Ring::new(self.config.format.channels(), capacity));
        }
        if R::TIMED {
            self.enqueue(now, first.get(), samples);
        } else {
            self.store(first.get(), &samples);
        }
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        if self.clock.poll_timeout().is_some_and(|due| due <= now) {
            self.clock.handle_timeout(now);
        }
        if let Some(due) = self.timer.filter(|&due| due <= now) {
            self.tick(now, due);
        }
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.clock.poll_timeout().into_iter().chain(self.timer).min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.clock.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.clock.handle_transmitted(token, sent);
    }

    fn pull(&mut self, _now: LocalTime, out: &mut [f32]) {
        out.fill(0.0);
        let Some(ring) = &mut self.ring else { return };
        self.playing |= ring.share() >= 0.5;
        self.playback.fill = self.config.format.sample_rate().duration(Frames::new(ring.frames() as i64));
        if !self.playing {
            return;
        }
        let step = step(&self.remedy, ring);
        let mut silent = 0;
        for frame in out.chunks_exact_mut(self.config.format.channels()) {
            if silent > 0 {
                silent -= 1;
            } else if !ring.read(step, frame) {
                // A packet is missing, so silence of its length is played.
                silent = self.packet_frames - 1;
                self.playback.underruns += 1;
                self.playback.discontinuities += 1;
            }
        }
        self.playback.position = ring.position().or(self.playback.position);
    }

    fn playback(&self) -> Playback {
        self.playback
    }

    fn clock(&self, now: LocalTime) -> Clock {
        self.clock.clock(now)
    }

    fn poll_event(&mut self) -> Option<String> {
        self.clock.poll_event()
    }
}
