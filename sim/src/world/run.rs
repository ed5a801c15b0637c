//! One run: the world around one receiver, event by event.
//!
//! Time: every model speaks of *true time*, integer ns since the start, which is also the grandmaster's. The receiver only ever sees its host's clock. All
//! randomness comes from named streams, so two receivers in two worlds of the same seed meet the same weather.

use super::capture::{Capture, CaptureError};
use super::hash::TrajectoryHash;
use super::measure::{CallbackSeen, Meter, Truth};
use super::queue::{Event, EventQueue, Port};
use super::receiver::{EngineReceiver, Receiver};
use crate::baselines::PrototypeReceiver;
use crate::check::CrackleReport;
use crate::models::{
    CrystalClock, GrandmasterModel, MediaTimeline, NetworkPath, Ramp, RandomStream, TalkerModel, TrueTime,
};
use crate::record::{ClockState, Recording, TraceEvent};
use crate::scenario::{FaultKind, Jitter, Loaded, ReceiverKind, Scenario, TalkerClock};
use engine::receive::{MediaClock, StreamConfig, StreamError};
use engine::{Frames, LocalTime, Nanos, RtpTimestamp, SampleRate};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use thiserror::Error;

/// The host's clock at the start of the run: it has been up for a while.
const HOST_UPTIME: LocalTime = LocalTime::from_nanos(4_321_000_000_000);
/// Timers further ahead than this are looked at again then; a crystal cannot be asked about the far future.
const TIMER_HORIZON: Nanos = Nanos::from_secs(60);

/// How others see and stop a run.
#[derive(Debug, Default)]
pub struct Control {
    /// Simulated ms so far, of all runs together.
    pub progress_ms: AtomicU64,
    /// Simulated ms that the run furthest ahead has reached.
    pub reached_ms: AtomicU64,
    /// Set to stop at the next trace row.
    pub cancelled: AtomicBool,
}

/// A run came to grief. All are either the machine's fault (disk) or a defect of the simulator or a receiver.
#[derive(Debug, Error)]
pub enum RunError {
    /// A file could not be written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The receiver refused its configuration.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Something that must always hold did not.
    #[error("invariant violated at {at_s:.6} s by receiver `{receiver}`: {what}")]
    Invariant {
        /// When.
        at_s: f64,
        /// Who.
        receiver: String,
        /// What.
        what: String,
    },
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// The trace.
    pub recording: Recording,
    /// What a listener heard, if anybody listened.
    pub heard: Option<CrackleReport>,
    /// Card frames at the end of every row, to place what was heard.
    pub row_frames: Vec<u64>,
    /// Every change of the clock's state: when (true seconds), and to what.
    pub clock_states: Vec<(f64, ClockState)>,
    /// Hashes of the trajectory.
    pub hash: TrajectoryHash,
    /// Events that were processed.
    pub events: u64,
    /// Whether it was stopped before its end.
    pub cancelled: bool,
}

/// The world of one receiver.
pub struct World<'a> {
    scenario: &'a Scenario,
    name: String,
    duration: TrueTime,
    receiver: Box<dyn Receiver>,
    queue: EventQueue,
    host: CrystalClock,
    card: CrystalClock,
    timeline: MediaTimeline,
    grandmaster: GrandmasterModel,
    grandmaster_silent: bool,
    talker: TalkerModel,
    media: NetworkPath,
    ptp_down: NetworkPath,
    ptp_up: NetworkPath,
    receive_jitter: Jitter,
    transmit_jitter: Jitter,
    streams: HostStreams,
    /// When each thread's last datagram was handled: a thread is a queue.
    handled: [TrueTime; 2],
    timer: (u64, Option<LocalTime>),
    callbacks: i64,
    last_callback: TrueTime,
    buffer: Vec<f32>,
    channels: usize,
    meter: Meter,
    last_row: TrueTime,
    capture: Option<Capture>,
    hash: TrajectoryHash,
    recording: Recording,
    row_frames: Vec<u64>,
    clock_states: Vec<(f64, ClockState)>,
}

/// The host's random streams.
struct HostStreams {
    receive: [RandomStream; 2],
    transmit: RandomStream,
    callback: RandomStream,
}

/// The host's crystal, with the ramps that the scenario's faults put on it.
fn host_clock(scenario: &Scenario) -> CrystalClock {
    let ramps = scenario.faults.iter().filter_map(|fault| match fault.what {
        FaultKind::HostClockRampPpm(change) => {
            let from_ns = fault.at_s.as_ref().nanos().as_nanos();
            let length = fault.for_s.map_or(Nanos::from_secs(1), |s| s.nanos());
            Some(Ramp { from_ns, to_ns: from_ns + length.as_nanos(), change_ppb: change.get() * 1e3 })
        }
        _ => None,
    });
    CrystalClock::new(scenario.host.clock, ramps.collect(), RandomStream::new(scenario.seed, "host/clock/walk"))
}

/// The sound card's crystal.
pub(crate) fn card_clock(scenario: &Scenario) -> CrystalClock {
    CrystalClock::new(scenario.card.clock, Vec::new(), RandomStream::new(scenario.seed, "card/clock/walk"))
}

/// The time from a frame's capture to its playout at exactly the target depth: its packet must be filled, and travel.
pub(crate) fn target_latency(scenario: &Scenario) -> Nanos {
    let rate = SampleRate::from_hz(scenario.talker.sample_rate_hz).unwrap_or(SampleRate::HZ_48000);
    let packet = rate.duration(Frames::new(i64::from(scenario.talker.packet_frames)));
    packet + scenario.network.media.delay_us.nanos() + scenario.playout.target_depth_ms.nanos()
}

fn make_receiver(kind: ReceiverKind, loaded: &Loaded) -> Result<Box<dyn Receiver>, RunError> {
    let scenario = &loaded.scenario;
    let card_rate = SampleRate::from_hz(scenario.card.sample_rate_hz).unwrap_or(SampleRate::HZ_48000);
    let config = StreamConfig {
        format: loaded.format,
        payload_type: Some(scenario.talker.payload_type.0.get()),
        media_clock: match scenario.talker.clock {
            TalkerClock::Grandmaster => MediaClock::Ptp { offset: 0 },
            TalkerClock::Crystal(_) => MediaClock::Unrelated,
        },
        target_depth: scenario.playout.target_depth_ms.nanos(),
        card_rate,
        block_frames: usize::from(scenario.card.callback_frames),
    };
    let domain = scenario.grandmaster.domain;
    Ok(match kind {
        ReceiverKind::Engine => Box::new(EngineReceiver::new(config, domain)?),
        ReceiverKind::Prototype => Box::new(PrototypeReceiver::new(config, domain)),
    })
}

impl<'a> World<'a> {
    /// The world of receiver number `index` of a scenario; `capture` gets what its card plays.
    ///
    /// # Errors
    /// If the receiver refuses its configuration.
    pub fn new(loaded: &'a Loaded, index: usize, capture: Option<Capture>) -> Result<Self, RunError> {
        let scenario = &loaded.scenario;
        let seed = scenario.seed;
        let receiver = &scenario.receivers[index];
        let timeline = MediaTimeline::new(&scenario.talker, &scenario.grandmaster, seed);
        let talker = TalkerModel::new(&scenario.talker, timeline.clone(), loaded.source.clone(), loaded.format);
        let stream = |name: &str| RandomStream::new(seed, name);
        let channels = loaded.format.channels();
        let mut world = Self {
            name: receiver.name.as_ref().clone(),
            duration: scenario.duration_s.nanos().as_nanos(),
            receiver: make_receiver(receiver.kind, loaded)?,
            queue: EventQueue::default(),
            host: host_clock(scenario),
            card: card_clock(scenario),
            timeline,
            grandmaster: GrandmasterModel::new(scenario.grandmaster.clone()),
            grandmaster_silent: false,
            talker,
            media: NetworkPath::new(scenario.network.media.clone(), seed, "network/media"),
            ptp_down: NetworkPath::new(scenario.network.ptp.clone(), seed, "network/ptp/down"),
            ptp_up: NetworkPath::new(scenario.network.ptp.clone(), seed, "network/ptp/up"),
            receive_jitter: scenario.host.receive_jitter,
            transmit_jitter: scenario.host.transmit_jitter,
            streams: HostStreams {
                receive: ["ptp", "media"].map(|port| stream(&format!("host/receive/{port}"))),
                transmit: stream("host/transmit"),
                callback: stream("card/callback"),
            },
            handled: [0; 2],
            timer: (0, None),
            callbacks: 0,
            last_callback: 0,
            buffer: vec![0.0; usize::from(scenario.card.callback_frames) * channels],
            channels,
            meter: Meter::default(),
            last_row: 0,
            capture,
            hash: TrajectoryHash::default(),
            recording: Recording { receiver: receiver.name.as_ref().clone(), ..Recording::default() },
            row_frames: Vec::new(),
            clock_states: vec![(0.0, ClockState::Listening)],
            scenario,
        };
        world.schedule_first();
        Ok(world)
    }

    fn schedule_first(&mut self) {
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            let at = fault.at_s.as_ref().nanos().as_nanos();
            self.queue.push(at, Event::Fault { index, begins: true });
            if let Some(length) = fault.for_s {
                self.queue.push(at + length.nanos().as_nanos(), Event::Fault { index, begins: false });
            }
        }
        // Not on the full second, where everything else would be, too.
        self.queue.push(Nanos::from_millis(310).as_nanos(), Event::Announce);
        self.queue.push(Nanos::from_millis(17).as_nanos(), Event::Sync);
        let departure = self.talker.next_departure();
        self.queue.push(departure, Event::Packet);
        self.queue.push(0, Event::Callback);
        self.queue.push(self.interval(), Event::Row);
    }

    fn interval(&self) -> TrueTime {
        self.scenario.record.interval_s.nanos().as_nanos()
    }

    /// Runs to the end, or until cancelled.
    ///
    /// # Errors
    /// If a file cannot be written, or something that must always hold does not.
    pub fn run(mut self, control: &Control) -> Result<Outcome, RunError> {
        let mut now = 0;
        let mut cancelled = false;
        while let Some((at, event)) = self.queue.pop() {
            if at > self.duration {
                break;
            }
            if at < now {
                return Err(self.violated(at, format!("time ran backwards, from {now} ns")));
            }
            now = at;
            let is_row = event == Event::Row;
            self.handle(now, event)?;
            if is_row {
                control.progress_ms.fetch_add((self.interval() / 1_000_000) as u64, Ordering::Relaxed);
                control.reached_ms.fetch_max((now / 1_000_000) as u64, Ordering::Relaxed);
                cancelled = control.cancelled.load(Ordering::Relaxed);
                if cancelled {
                    break;
                }
            }
        }
        let heard = self.capture.map(Capture::finish).transpose()?.flatten();
        let events = self.queue.scheduled();
        let Self { recording, row_frames, clock_states, hash, .. } = Self { capture: None, ..self };
        Ok(Outcome { recording, heard, row_frames, clock_states, hash, events, cancelled })
    }

    fn violated(&self, at: TrueTime, what: String) -> RunError {
        RunError::Invariant { at_s: at as f64 / 1e9, receiver: self.name.clone(), what }
    }

    fn handle(&mut self, now: TrueTime, event: Event) -> Result<(), RunError> {
        match event {
            Event::Fault { index, begins } => self.fault(now, index, begins),
            Event::Announce => {
                let message = self.grandmaster.announce();
                self.send_as_grandmaster(now, Port::Ptp, message);
                self.queue.push(now + self.grandmaster.announce_interval().as_nanos(), Event::Announce);
            }
            Event::Sync => {
                let (sync, follow_up) = self.grandmaster.sync(now);
                self.send_as_grandmaster(now, Port::Ptp, sync);
                if let Some(follow_up) = follow_up {
                    self.send_as_grandmaster(now, Port::Ptp, follow_up);
                }
                self.queue.push(now + self.grandmaster.sync_interval().as_nanos(), Event::Sync);
            }
            Event::Packet => {
                let datagram = self.talker.packet();
                if let Some(arrival) = self.media.send(now) {
                    self.deliver(arrival, Port::Media, datagram);
                }
                let departure = self.talker.next_departure();
                self.queue.push(departure, Event::Packet);
            }
            Event::AtGrandmaster(datagram) => {
                if let Some(answer) = self.grandmaster.answer(now, &datagram) {
                    self.send_as_grandmaster(now, Port::Ptp, answer);
                }
            }
            Event::AtReceiver(port, datagram) => self.receive(now, port, &datagram),
            Event::Timer(number) if number == self.timer.0 => {
                self.timer.1 = None;
                let local = self.local(now);
                self.receiver.handle_timeout(local);
                self.after_receiver(now);
            }
            Event::Timer(_) => {}
            Event::Callback => self.callback(now)?,
            Event::Row => self.row(now),
        }
        Ok(())
    }

    /// What the host's clock shows.
    fn local(&mut self, now: TrueTime) -> LocalTime {
        HOST_UPTIME + self.host.read(now)
    }

    fn send_as_grandmaster(&mut self, now: TrueTime, port: Port, message: Vec<u8>) {
        if self.grandmaster_silent {
            return;
        }
        if let Some(arrival) = self.ptp_down.send(now) {
            self.deliver(arrival, port, message);
        }
    }

    /// A datagram arrives at the host; its program learns of it later, in order.
    fn deliver(&mut self, arrival: TrueTime, port: Port, datagram: Vec<u8>) {
        let lateness = self.streams.receive[port as usize].lateness(&self.receive_jitter);
        let handled = (arrival + lateness.as_nanos()).max(self.handled[port as usize]);
        self.handled[port as usize] = handled;
        self.queue.push(handled, Event::AtReceiver(port, datagram));
    }

    fn receive(&mut self, now: TrueTime, port: Port, datagram: &[u8]) {
        self.hash.datagram(now, datagram);
        let local = self.local(now);
        match port {
            Port::Media => self.receiver.handle_media(local, datagram),
            Port::Ptp => self.receiver.handle_ptp(local, datagram),
        }
        self.after_receiver(now);
    }

    /// Takes what the receiver has to say, and sets its timer.
    fn after_receiver(&mut self, now: TrueTime) {
        while let Some(transmit) = self.receiver.poll_transmit() {
            let stamped = self.local(now);
            if let Some(token) = transmit.timestamp {
                self.receiver.handle_transmitted(token, stamped);
            }
            let leaves = now + self.streams.transmit.lateness(&self.transmit_jitter).as_nanos();
            self.hash.datagram(leaves, &transmit.datagram);
            if let Some(arrival) = self.ptp_up.send(leaves) {
                self.queue.push(arrival, Event::AtGrandmaster(transmit.datagram.to_vec()));
            }
        }
        while let Some(text) = self.receiver.poll_event() {
            self.recording.events.push(TraceEvent { time_s: now as f64 / 1e9, text });
        }
        let local = self.local(now);
        let state = self.receiver.clock(local).state;
        if self.clock_states.last().is_none_or(|last| last.1 != state) {
            self.clock_states.push((now as f64 / 1e9, state));
        }
        let wish = self.receiver.poll_timeout();
        if wish != self.timer.1 {
            self.timer = (self.timer.0 + 1, wish);
            if let Some(due) = wish {
                let ahead = due.since(local).as_nanos().min(TIMER_HORIZON.as_nanos());
                let at = self.host.true_time_of((local + Nanos::new(ahead) - HOST_UPTIME).as_nanos() as f64);
                // Never in the past, and never at once again: a receiver that always wants to be woken must not stop time.
                self.queue.push(at.max(now + 1), Event::Timer(self.timer.0));
            }
        }
    }

    fn callback(&mut self, now: TrueTime) -> Result<(), RunError> {
        let frames = self.buffer.len() / self.channels;
        let local = self.local(now);
        let mut buffer = std::mem::take(&mut self.buffer);
        // A receiver that leaves a sample untouched is found out.
        buffer.fill(f32::NAN);
        self.receiver.pull(local, &mut buffer);
        if let Some(bad) = buffer.iter().position(|sample| !sample.is_finite() || sample.abs() > 4.0) {
            let what = format!("sample {bad} of a callback is {}, and not a sample", buffer[bad]);
            return Err(self.violated(now, what));
        }
        self.callbacks += 1;
        let rate = f64::from(self.scenario.card.sample_rate_hz);
        let ends = self.card.true_time_of((self.callbacks * frames as i64) as f64 * 1e9 / rate);
        let playback = self.receiver.playback();
        let depth_s = playback.position.map(|position| self.depth_s(ends, position));
        self.meter.callback(&CallbackSeen { frames, playback, depth_s });
        self.hash.callback(local, depth_s.unwrap_or(0.0));
        self.hash.audio(&buffer);
        if let Some(capture) = &mut self.capture {
            capture.push(&buffer)?;
        }
        self.buffer = buffer;
        let lateness = self.streams.callback.lateness(&self.scenario.card.callback_jitter);
        self.last_callback = (ends + lateness.as_nanos()).max(self.last_callback);
        self.queue.push(self.last_callback, Event::Callback);
        self.after_receiver(now);
        Ok(())
    }

    /// How long the frame at `position` would have waited at `t`, had its packet begun with it and met no queue.
    fn depth_s(&mut self, t: TrueTime, position: engine::MediaPosition) -> f64 {
        let travelled = t - self.media.min_delay().as_nanos();
        let captured = self.timeline.position_at(travelled);
        let packet = f64::from(self.scenario.talker.packet_frames);
        let expected = captured.frame() + self.timeline.first();
        let frame = RtpTimestamp::from_frames(position.frame()).unwrap_near(expected) - self.timeline.first();
        let waited = captured.frames_since(engine::MediaPosition::at_frame(frame)) - position.fraction() - packet;
        waited / f64::from(self.scenario.talker.sample_rate_hz)
    }

    fn row(&mut self, now: TrueTime) {
        let from = self.last_row;
        let span_s = (now - from) as f64 * 1e-9;
        let mean_ppb = |clock: &mut CrystalClock| (clock.error_ns(now) - clock.error_ns(from)) / span_s;
        let (card_ppb, host_ppb) = (mean_ppb(&mut self.card), mean_ppb(&mut self.host));
        let talker_ppb = self.timeline.mean_rate_ppb(from, now);
        let ratio = (1.0 + talker_ppb * 1e-9) / (1.0 + card_ppb * 1e-9);
        let local = self.local(now);
        let clock = self.receiver.clock(local);
        let true_ptp = self.grandmaster.time(now);
        let error = clock.map.map(|map| (map.ptp_at(local) - true_ptp).as_nanos() as f64 * 1e-3);
        let truth = Truth {
            nominal_step: f64::from(self.scenario.talker.sample_rate_hz) / f64::from(self.scenario.card.sample_rate_hz),
            host_rate_ppm: host_ppb * 1e-3,
            ratio_ppm: (ratio - 1.0) * 1e6,
            clock_error_us: error,
            clock_sigma_us: clock.map.filter(|_| clock.claims_sigma).map(|map| map.clock().sigma_ns(local) * 1e-3),
        };
        let lost = self.media.take_lost();
        self.recording.rows.push(self.meter.row(now as f64 / 1e9, &truth, &clock, lost));
        let frames = self.callbacks as u64 * (self.buffer.len() / self.channels) as u64;
        self.row_frames.push(frames);
        self.last_row = now;
        self.queue.push(now + self.interval(), Event::Row);
    }

    fn fault(&mut self, now: TrueTime, index: usize, begins: bool) {
        let normal = self.scenario;
        match self.scenario.faults[index].what {
            FaultKind::GrandmasterLost => self.grandmaster_silent = begins,
            FaultKind::HostReceiveJitter(jitter) => {
                self.receive_jitter = if begins { jitter } else { normal.host.receive_jitter };
            }
            FaultKind::HostTransmitJitter(jitter) => {
                self.transmit_jitter = if begins { jitter } else { normal.host.transmit_jitter };
            }
            FaultKind::MediaStall(stall) => {
                self.media.set_stall(now, if begins { Some(stall) } else { normal.network.media.stall });
            }
            // Built into the host's crystal from the start.
            FaultKind::HostClockRampPpm(_) => {}
        }
    }
}
