//! A computer that relays the stream, and a receiver of its output.
//!
//! Model: the engine's relay and an engine that receives its output share the computer's clock, and
//! there is no network between them. The output is compared byte by byte with the input a constant
//! number of frames earlier. Positions are reported on the incoming timeline, so that this receiver
//! plays the talker's audio with the latency of both.
//!
//! Assumption: outgoing packets have the length of incoming ones, so that each can be compared with
//! one.

use super::clock_receiver::EngineClock;
use super::host::HostTime;
use super::receiver::{Clock, Playback, Receiver};
use super::reception::{Reception, Teller};
use engine::audio::FusedRateController;
use engine::clock::Reference;
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::{Ingest, Leg, Playout, StreamConfig, stream};
use engine::relay::{Relay, RelayConfig, RelayError};
use engine::rtp::format::PacketTime;
use engine::rtp::wire::RtpPacket;
use engine::send::{Dither, SenderConfig};
use engine::{Frames, LocalTime, SampleRate};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Number of incoming packets that are remembered for comparison: far more than the latency.
const REMEMBERED: usize = 2048;

/// A relay, and the receiver of its output.
pub(crate) struct RelayReceiver {
    clock: EngineClock,
    relay: Relay,
    listener: (Ingest, Playout<FusedRateController>),
    config: StreamConfig,
    /// Incoming payloads by timestamp, and the timestamps in the order of arrival.
    came: BTreeMap<u32, Vec<u8>>,
    order: std::collections::VecDeque<u32>,
    altered: u64,
    teller: Teller,
}

impl RelayReceiver {
    /// A relay whose latency is the depth requested in `config`, with packets of `packet_frames`
    /// frames.
    ///
    /// # Errors
    /// If the stream cannot be relayed as configured.
    pub(crate) fn new(config: StreamConfig, packet_frames: usize, domain_number: u8) -> Result<Self, RelayError> {
        let output = SenderConfig {
            packet_time: packet_time(config.format.sample_rate(), packet_frames),
            dither: Dither::Off,
            ..SenderConfig::new(config.format, ([239, 69, 0, 1], 5004).into(), 1)
        };
        let relay = Relay::new(RelayConfig { input: config, output, latency: config.target_depth })?;
        let listener = stream(StreamConfig { payload_type: None, ..config })?;
        let (came, order) = (BTreeMap::new(), std::collections::VecDeque::new());
        let clock = EngineClock::new(domain_number);
        Ok(Self { clock, relay, listener, config, came, order, altered: 0, teller: Teller::default() })
    }

    fn follow(&mut self, now: LocalTime) {
        let reference: &Reference = self.clock.reference();
        self.relay.set_clock(now, reference);
        self.listener.0.set_clock(&self.clock.timeline());
    }

    fn remember(&mut self, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let timestamp = packet.header.timestamp.get();
        if self.came.insert(timestamp, packet.payload.to_vec()).is_none() {
            self.order.push_back(timestamp);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.came.remove(&oldest);
        }
    }

    /// Compares an outgoing packet with the incoming one. A packet that did not arrive cannot be
    /// altered.
    fn compare(&mut self, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let first = packet.header.timestamp.get().wrapping_sub(self.relay.latency().get() as u32);
        if self.came.get(&first).is_some_and(|came| came != packet.payload) {
            self.altered += 1;
        }
    }
}

/// The packet time of packets with `frames` frames; 1 ms if no standard defines it, in which case
/// no outgoing packet corresponds to an incoming one.
pub(super) fn packet_time(rate: SampleRate, frames: usize) -> PacketTime {
    let mut times = PacketTime::AES67.into_iter().chain([PacketTime::MS_5]);
    times.find(|time| time.frames(rate) == Some(frames)).unwrap_or(PacketTime::MS_1)
}

impl Receiver for RelayReceiver {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.clock.handle_ptp(now, datagram);
        self.follow(now);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.clock.handle_ptp_from(now, source, datagram);
        self.follow(now.by(self.stamp_clock()));
    }

    fn handle_media(&mut self, now: LocalTime, datagram: &[u8]) {
        match self.relay.handle_datagram(Leg::A, now, datagram) {
            Ok(()) => self.remember(datagram),
            Err(error) => self.teller.refused(now, error),
        }
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.clock.handle_timeout(now);
        self.follow(now);
        self.relay.handle_timeout(now);
        while let Some(datagram) = self.relay.poll_transmit().map(|transmit| transmit.datagram.to_vec()) {
            self.compare(&datagram);
            if let Err(error) = self.listener.0.handle_datagram(Leg::A, now, &datagram) {
                self.teller.refused(now, error);
            }
        }
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.clock.poll_timeout().into_iter().chain(self.relay.poll_timeout()).min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.clock.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.clock.handle_transmitted(token, sent);
    }

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        self.listener.1.pull(now, out);
    }

    fn reception(&self) -> Reception {
        let relay = self.relay.stats();
        let concealed = relay.concealed_frames + self.listener.1.stats().concealed_frames;
        let concealed = self.config.format.sample_rate().duration(Frames::new(concealed as i64));
        let reception = Reception::of_engine(&self.relay.ingest_stats(), self.listener.1.stats(), concealed);
        Reception {
            dropped: reception.dropped + relay.late_packets + relay.early_packets,
            altered: self.altered,
            ..reception
        }
    }

    fn playback(&self) -> Playback {
        let (stats, ingest) = (self.listener.1.stats(), self.listener.0.stats());
        let there = stats.started && stats.generation == ingest.generation;
        let behind = self.relay.latency().get() as f64;
        Playback {
            position: there.then(|| stats.position.advanced(-behind)),
            discontinuities: stats.jumps + u64::from(ingest.generation),
            fill: stats.fill,
            underruns: stats.underruns,
            late_packets: stats.late_packets + self.relay.stats().late_packets,
            overruns: stats.early_packets + ingest.overflows,
        }
    }

    fn clock(&self, now: LocalTime) -> Clock {
        self.clock.clock(now)
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.clock.grandmaster()
    }

    fn poll_event(&mut self) -> Option<String> {
        self.teller.look(&self.reception());
        self.clock.poll_event().or_else(|| self.teller.poll())
    }
}
