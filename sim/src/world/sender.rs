//! The engine's sender on a computer of its own: its PTP messages, the audio that it reads, and the
//! packets that it sends.
//!
//! Model: a second host next to the receiver's, with its own crystal, its own path to the masters,
//! and its own random streams. The sender is the same in every receiver's world, because receivers
//! do not influence it.
//!
//! The measurement is independent of the lateness of the thread: a packet's timestamp is compared
//! with true PTP time at the moment at which the packet was due.

use super::clock_receiver::EngineClock;
use super::host::Host;
use super::masters::{Masters, Turn};
use super::queue::{Event, EventQueue, Port};
use super::receiver::Receiver;
use crate::models::{CrystalClock, MediaTimeline, Passage, RandomStream, SoundCard, TrueTime};
use crate::scenario::{self, FaultKind, Jitter, Scenario, SenderClock, Stream};
use crate::signal::{Interpolator, SourceSignal};
use engine::clock::{
    ClockMode, Discipline, Reference, ReferenceConfig, Sources, SystemClock, SystemEpoch, SystemReading,
};
use engine::rtp::wire::RtpPacket;
use engine::send::{CaptureConfig, CaptureError, CaptureInput, CaptureSource, capture};
use engine::send::{Sender, SenderConfig, SenderError, Source};
use engine::{Frames, LocalTime, NANOS_PER_SECOND, Nanos, PtpTime, SampleRate};
use std::sync::Arc;
use thiserror::Error;

/// How often the system's clock is read, and how long that takes.
const SYSTEM_INTERVAL: Nanos = Nanos::from_millis(125);
const SYSTEM_READING: Nanos = Nanos::new(200);
/// TAI - UTC.
const TAI_MINUS_UTC_S: i16 = 37;
/// First frame of the programme that a card can capture. The interpolation needs some frames before
/// it.
const FIRST_CAPTURED: Frames = Frames::new(4800);
/// Time after which an undisciplined system clock is no longer used.
const SYSTEM_FALLBACK: Nanos = Nanos::from_secs(2);

/// The sender refused its configuration.
#[derive(Debug, Error)]
pub enum SenderNodeError {
    /// The stream.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// The capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// Events of a sender; the order of the variants is as for the receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SenderEvent {
    /// A master's Announce is due.
    Announce(usize),
    /// A master's Sync is due.
    Sync(usize),
    /// A Delay_Req reaches a master.
    AtMaster(usize, Vec<u8>),
    /// The sender's program learns of a PTP datagram.
    AtSender(Vec<u8>),
    /// Its timer; stale if the number is not that of the latest request.
    Timer(u64),
    /// Its sound card has captured a block.
    Captured,
}

/// The errors of the sender in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SenderTruth {
    /// The largest error of its timeline at a packet (its PTP time - true PTP time).
    pub(super) error_us: Option<f64>,
    /// Standard deviation that it stated at that time.
    pub(super) sigma_us: Option<f64>,
    /// Packets whose timestamp is not that of true PTP time.
    pub(super) wrong_timestamps: u32,
    /// Number of jumps of the stream plus number of skipped packets.
    pub(super) jumps: u32,
}

enum NodeClock {
    Ptp(Box<EngineClock>),
    System { clock: Box<SystemClock>, reference: Box<Reference>, model: (f64, f64), read_at: Option<LocalTime> },
}

enum NodeSource {
    Programme { source: Arc<SourceSignal>, first: Frames },
    Captured(Box<CaptureSource>),
}

impl Source for NodeSource {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        match self {
            Self::Programme { source, first: origin } => source.render((first - *origin).get(), out),
            Self::Captured(captured) => captured.read(first, out),
        }
    }

    fn set_timeline(&mut self, timeline: &engine::clock::PtpMap) {
        if let Self::Captured(captured) = self {
            captured.set_timeline(timeline);
        }
    }
}

/// The card that captures.
struct Capturing {
    card: SoundCard,
    input: CaptureInput,
    programme: Interpolator,
    timeline: MediaTimeline,
    block: Vec<f32>,
    /// When the block that is being captured began, and when it ends.
    began: TrueTime,
    ended: TrueTime,
}

/// The sender.
pub(super) struct SenderNode<'a> {
    host: Host<'a>,
    masters: Masters,
    clock: NodeClock,
    sender: Sender,
    source: NodeSource,
    capturing: Option<Capturing>,
    wake_jitter: Jitter,
    wake: RandomStream,
    timer: (u64, Option<LocalTime>),
    truth: SenderTruth,
    jumps_told: u64,
}

impl<'a> SenderNode<'a> {
    /// The sender of a scenario.
    ///
    /// # Errors
    /// If the engine refuses it.
    pub(super) fn new(
        scenario: &'a Scenario,
        config: &'a scenario::Sender,
        talker: &scenario::Talker,
        stream: &Stream,
    ) -> Result<Self, SenderNodeError> {
        let around = scenario.surroundings_of_sender(config);
        let timeline = MediaTimeline::new(talker, scenario);
        let packet_frames = usize::from(talker.packet_frames);
        let rate = talker.sample_rate_hz.rate();
        let sender = Sender::new(SenderConfig {
            packet_time: super::relay::packet_time(rate, packet_frames),
            payload_type: talker.payload_type.0,
            delay: config.delay_ms.nanos(),
            ..SenderConfig::new(stream.format, ([239, 69, 0, 1], 5004).into(), scenario.seed)
        })?;
        let own = |name: &str| RandomStream::new(scenario.seed, &around.host_stream(name));
        let (source, capturing) = match &config.card {
            None => (NodeSource::Programme { source: stream.source.clone(), first: timeline.first() }, None),
            Some(card) => {
                let channels = stream.format.channels();
                let (input, source) = capture(&CaptureConfig {
                    card_rate: card.sample_rate_hz.rate(),
                    card_channels: channels,
                    channels: (0..channels).collect(),
                    stream_rate: rate,
                    packet_frames,
                    remembered: None,
                })?;
                let crystal = CrystalClock::new(card.clock, Vec::new(), own("card/clock/walk"));
                let capturing = Capturing {
                    card: SoundCard::new(card.clone(), crystal, own("card/callback")),
                    input,
                    programme: Interpolator::new(stream.source.clone()),
                    timeline,
                    block: vec![0.0; usize::from(card.callback_frames) * channels],
                    began: 0,
                    ended: 0,
                };
                (NodeSource::Captured(Box::new(source)), Some(capturing))
            }
        };
        Ok(Self {
            host: Host::new(scenario, &around),
            masters: Masters::new(scenario, &around),
            clock: node_clock(*config.clock.as_ref(), scenario.grandmaster.domain),
            sender,
            source,
            capturing,
            wake_jitter: config.wake_jitter,
            wake: own("host/wake"),
            timer: (0, None),
            truth: SenderTruth::default(),
            jumps_told: 0,
        })
    }

    pub(super) fn schedule_first(&mut self, queue: &mut EventQueue) {
        for (master, announce, sync) in self.masters.first() {
            queue.push(announce, Event::Sender(SenderEvent::Announce(master)));
            queue.push(sync, Event::Sender(SenderEvent::Sync(master)));
        }
        if let Some(capturing) = &mut self.capturing {
            queue.push(capturing.begin_block(), Event::Sender(SenderEvent::Captured));
        }
        self.after(0, queue);
    }

    /// Begins or ends a fault. Faults of the masters and their network affect the sender as well.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) {
        self.masters.fault(now, what, begins);
    }

    /// Handles an event. Returns the packets that leave.
    pub(super) fn handle(&mut self, now: TrueTime, event: SenderEvent, queue: &mut EventQueue) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        match event {
            SenderEvent::Announce(master) => {
                let message = self.masters.get(master).model.announce();
                let interval = self.masters.get(master).model.announce_interval();
                self.send_as_master(now, master, message, Turn::Usual, queue);
                queue.push(now + interval.as_nanos(), Event::Sender(SenderEvent::Announce(master)));
            }
            SenderEvent::Sync(master) => self.sync(now, master, queue),
            SenderEvent::AtMaster(master, datagram) => {
                if let Some(answer) = self.masters.get(master).answer(now, &datagram) {
                    self.send_as_master(now, master, answer, Turn::Usual, queue);
                }
            }
            SenderEvent::AtSender(datagram) => {
                let local = self.host.local(now);
                if let NodeClock::Ptp(clock) = &mut self.clock {
                    clock.handle_ptp(local, &datagram);
                }
                self.follow(now);
                self.after(now, queue);
            }
            SenderEvent::Timer(number) if number == self.timer.0 => {
                self.timer.1 = None;
                packets = self.timeout(now);
                self.after(now, queue);
            }
            SenderEvent::Timer(_) => {}
            SenderEvent::Captured => {
                let local = self.host.local(now);
                if let Some(capturing) = &mut self.capturing {
                    capturing.capture(local);
                    queue.push(capturing.begin_block(), Event::Sender(SenderEvent::Captured));
                }
            }
        }
        packets
    }

    /// What was measured since the last call.
    pub(super) fn take_truth(&mut self) -> SenderTruth {
        let stats = self.sender.stats();
        let jumps = stats.realignments + stats.skipped_packets;
        let new = jumps - std::mem::replace(&mut self.jumps_told, jumps);
        SenderTruth { jumps: new as u32, ..std::mem::take(&mut self.truth) }
    }

    fn sync(&mut self, now: TrueTime, master: usize, queue: &mut EventQueue) {
        let turn = self.masters.take_late_sync(master);
        let model = &mut self.masters.get(master).model;
        let (sync, follow_up) = model.sync(now);
        let next = now + model.sync_interval().as_nanos();
        let handled = self.send_as_master(now, master, sync, turn, queue);
        if let Some(follow_up) = follow_up {
            let turn = self.masters.follow_up_turn(now, handled);
            self.send_as_master(now, master, follow_up, turn, queue);
        }
        queue.push(next, Event::Sender(SenderEvent::Sync(master)));
    }

    /// Sends a message of a master, as to a receiver. Returns when it is first handled, if it
    /// arrives.
    fn send_as_master(
        &mut self,
        now: TrueTime,
        master: usize,
        mut message: Vec<u8>,
        turn: Turn,
        queue: &mut EventQueue,
    ) -> Option<TrueTime> {
        let Passage { arrivals, in_order } = self.masters.get(master).send(now, &mut message);
        let mut first = None;
        for arrival in arrivals.into_iter().flatten() {
            let lateness = self.host.receive_lateness(Port::Ptp);
            let handled = turn.time(self.masters.get(master).handle(arrival + lateness.as_nanos(), in_order));
            queue.push(handled, Event::Sender(SenderEvent::AtSender(message.clone())));
            first = first.or(Some(handled));
        }
        first
    }

    fn timeout(&mut self, now: TrueTime) -> Vec<Vec<u8>> {
        let local = self.host.local(now);
        if let NodeClock::Ptp(clock) = &mut self.clock {
            clock.handle_timeout(local);
        }
        self.follow(now);
        let mut packets = Vec::new();
        while let Some(due) = self.sender.poll_timeout().filter(|&due| due <= local) {
            self.sender.handle_timeout(local, &mut self.source);
            while let Some(datagram) = self.sender.poll_transmit().map(|transmit| transmit.datagram.to_vec()) {
                self.judge(now, local.since(due), &datagram);
                packets.push(datagram);
            }
        }
        packets
    }

    /// Lets the stream follow the clock.
    fn follow(&mut self, now: TrueTime) {
        let local = self.host.local(now);
        let reference = match &mut self.clock {
            NodeClock::Ptp(clock) => clock.reference(),
            NodeClock::System { clock, reference, model, read_at } => {
                if read_at.is_none_or(|at| local - at >= SYSTEM_INTERVAL) {
                    *read_at = Some(local);
                    let (error_ns, period_ns) = *model;
                    let error = error_ns * libm::sin(core::f64::consts::TAU * now as f64 / period_ns.max(1.0));
                    let utc = self.masters.time(now) - Nanos::from_secs(i64::from(TAI_MINUS_UTC_S));
                    let estimated_error = Nanos::new(error_ns as i64);
                    clock.observe(&SystemReading {
                        before: local - SYSTEM_READING,
                        system: utc + Nanos::new(libm::round(error) as i64),
                        after: local + SYSTEM_READING,
                        discipline: Discipline { synchronised: true, estimated_error, ..Discipline::default() },
                    });
                    let system = Some(clock.reading(local));
                    reference.advance(local, &Sources { system, ..Sources::default() });
                }
                &**reference
            }
        };
        self.sender.set_clock(local, reference);
        if let Some(timeline) = reference.timeline() {
            self.source.set_timeline(timeline);
        }
    }

    /// Compares a packet with the truth.
    fn judge(&mut self, now: TrueTime, late: Nanos, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let config = self.sender.config();
        let rate = config.sample_rate();
        let local = self.host.local(now);
        let true_ptp = self.masters.time(now);
        let frames = packet.payload.len() / config.format.bytes_per_frame();
        let ended = true_ptp - late - config.delay;
        let first = nearest_frame(rate, ended) - Frames::new(frames as i64);
        let right = engine::RtpTimestamp::from_frames(first) == packet.header.timestamp;
        self.truth.wrong_timestamps += u32::from(!right);
        let reference = match &self.clock {
            NodeClock::Ptp(clock) => clock.reference(),
            NodeClock::System { reference, .. } => reference,
        };
        let Some(map) = reference.timeline() else { return };
        let error_us = (map.ptp_at(local) - true_ptp).as_nanos() as f64 * 1e-3;
        if self.truth.error_us.is_none_or(|largest| largest.abs() < error_us.abs()) {
            self.truth.error_us = Some(error_us);
            self.truth.sigma_us = Some(map.clock().sigma_ns(local) * 1e-3);
        }
    }

    /// Takes the messages of the clock, and sets the timer.
    fn after(&mut self, now: TrueTime, queue: &mut EventQueue) {
        let local = self.host.local(now);
        if let NodeClock::Ptp(clock) = &mut self.clock {
            while let Some(transmit) = clock.poll_transmit() {
                if let Some(token) = transmit.timestamp {
                    clock.handle_transmitted(token, local);
                }
                while clock.poll_event().is_some() {}
                let leaves = now + self.host.transmit_lateness().as_nanos();
                for (index, master) in self.masters.iter_mut() {
                    let mut datagram = transmit.datagram.to_vec();
                    for arrival in master.receive(leaves, &mut datagram).arrivals.into_iter().flatten() {
                        queue.push(arrival, Event::Sender(SenderEvent::AtMaster(index, datagram.clone())));
                    }
                }
            }
        }
        let clock_due = match &self.clock {
            NodeClock::Ptp(clock) => clock.poll_timeout(),
            NodeClock::System { read_at, .. } => Some(read_at.map_or(local, |at| at + SYSTEM_INTERVAL)),
        };
        let wish = clock_due.into_iter().chain(self.sender.poll_timeout()).min();
        if wish != self.timer.1 {
            self.timer = (self.timer.0 + 1, wish);
            if let Some(due) = wish {
                let at = self.host.true_time_of(local, due) + self.wake.lateness(&self.wake_jitter).as_nanos();
                queue.push(at.max(now + 1), Event::Sender(SenderEvent::Timer(self.timer.0)));
            }
        }
    }
}

fn node_clock(clock: SenderClock, domain: u8) -> NodeClock {
    match clock {
        SenderClock::Ptp => NodeClock::Ptp(Box::new(EngineClock::waiting(domain))),
        SenderClock::System { error_us, period_s } => {
            let config = ReferenceConfig { mode: ClockMode::System, fallback_after: Some(SYSTEM_FALLBACK) };
            NodeClock::System {
                clock: Box::new(SystemClock::new(SystemEpoch::Utc { tai_minus_utc_s: TAI_MINUS_UTC_S })),
                reference: Box::new(Reference::new(config)),
                model: (error_us.get() * 1e3, period_s.get() * 1e9),
                read_at: None,
            }
        }
    }
}

/// The frame whose beginning is nearest.
fn nearest_frame(rate: SampleRate, at: PtpTime) -> Frames {
    let second = i128::from(NANOS_PER_SECOND);
    Frames::new((at.as_nanos() * i128::from(rate.as_hz()) + second / 2).div_euclid(second) as i64)
}

impl Capturing {
    /// Begins a block. Returns when its callback is due.
    fn begin_block(&mut self) -> TrueTime {
        self.began = self.ended;
        self.ended = self.card.play();
        self.card.next_callback()
    }

    /// Makes the callback at `local`.
    fn capture(&mut self, local: LocalTime) {
        let frames = self.card.callback_frames();
        let (begin, end) = (self.timeline.position_at(self.began), self.timeline.position_at(self.ended));
        if begin.frame() < FIRST_CAPTURED {
            self.block.fill(0.0);
        } else {
            self.programme.render_at(begin, end.frames_since(begin) / frames as f64, &mut self.block);
        }
        self.input.push(local, &self.block);
    }
}
