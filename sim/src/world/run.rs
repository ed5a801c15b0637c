//! One run: the world around one receiver, event by event.
//!
//! Time: all models use *true time*, in integer ns since the start, which is also the
//! grandmaster's. The receiver sees only its host's clock. All randomness comes from named streams,
//! so two receivers in two worlds with the same seed experience the same random events.

use super::addresses::DISTURBER_ADDRESS;
use super::adversary::{Adversary, Forged};
use super::capture::Capture;
use super::chain::{CallbackError, ChainWorld};
use super::disturber::Disturber;
use super::hash::TrajectoryHash;
use super::host::Host;
use super::legs::Delivery;
use super::masters::{Masters, Turn};
use super::measure::{Meter, Truth};
use super::outcome::{Control, Outcome, RunError};
use super::queue::{Event, EventQueue, Port};
use super::receiver::Receiver;
use super::sender::{SenderEvent, SenderNode, SenderNodeError};
use super::stamps::{Stamp, Stamps};
use crate::models::{Passage, RandomStream, TrueTime, next_stall};
use crate::record::{ClockState, Recording, TraceEvent, TruePhases};
use crate::scenario::{FaultKind, Loaded, Scenario, Stall, Surroundings};
use engine::ptp::wire::ClockIdentity;
use engine::receive::Leg;
use engine::{LocalTime, Nanos};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// The world of one receiver.
pub struct World<'a> {
    scenario: &'a Scenario,
    name: String,
    duration: TrueTime,
    receiver: Box<dyn Receiver>,
    queue: EventQueue,
    host: Host<'a>,
    chain: Option<ChainWorld<'a>>,
    sender: Option<SenderNode<'a>>,
    masters: Masters,
    stamps: Stamps,
    disturber: Disturber,
    adversary: Adversary<'a>,
    /// When the thread of each leg of the stream handled its last datagram. Later ones are not
    /// handled before it, because a thread is a queue.
    media_handled: [TrueTime; 2],
    /// Events that occurred while the host was stalled.
    held: Vec<Event>,
    timer: (u64, Option<LocalTime>),
    last_row: TrueTime,
    hash: TrajectoryHash,
    recording: Recording,
    row_frames: Vec<u64>,
    clock_states: Vec<(f64, ClockState)>,
    /// The largest error while the clock was locked since the last row, and those of earlier rows.
    locked_error: Option<Nanos>,
    locked_errors: Vec<(f64, f64)>,
    grandmasters: Vec<(f64, ClockIdentity)>,
}

impl<'a> World<'a> {
    /// The world of receiver number `index` of a scenario, played by `receiver`; `capture` takes
    /// the output of its card.
    ///
    /// # Errors
    /// If the scenario's sender refuses its configuration.
    pub fn with(
        loaded: &'a Loaded,
        index: usize,
        receiver: Box<dyn Receiver>,
        capture: Option<Capture>,
    ) -> Result<Self, RunError> {
        let described = &loaded.scenario.receivers[index];
        let surroundings = loaded.scenario.surroundings_of(described);
        let mut world = Self::in_place(loaded, described.name.as_ref(), receiver, &surroundings, capture);
        world.add_sender(loaded)?;
        Ok(world)
    }

    /// The world of any receiver instead of those of the scenario.
    #[must_use]
    pub fn around(loaded: &'a Loaded, name: &str, receiver: Box<dyn Receiver>, capture: Option<Capture>) -> Self {
        Self::in_place(loaded, name, receiver, &loaded.scenario.surroundings(), capture)
    }

    /// The world of any receiver in place of one of the scenario's.
    #[must_use]
    pub fn in_place(
        loaded: &'a Loaded,
        name: &str,
        receiver: Box<dyn Receiver>,
        surroundings: &Surroundings<'a>,
        capture: Option<Capture>,
    ) -> Self {
        let scenario = &loaded.scenario;
        let chain = surroundings.chain.zip(loaded.stream.as_ref());
        let mut world = Self {
            name: name.to_owned(),
            duration: scenario.duration_s.nanos().as_nanos(),
            receiver,
            queue: EventQueue::default(),
            host: Host::new(scenario, surroundings),
            chain: chain.map(|(chain, stream)| ChainWorld::new(chain, surroundings, scenario, stream, capture)),
            sender: None,
            masters: Masters::new(scenario, surroundings),
            stamps: Stamps::new(RandomStream::new(scenario.seed, &surroundings.host_stream("host/stamps"))),
            disturber: Disturber::new(scenario),
            adversary: Adversary::new(scenario, surroundings),
            media_handled: [0; 2],
            held: Vec::new(),
            timer: (0, None),
            last_row: 0,
            hash: TrajectoryHash::default(),
            recording: Recording::named(name, scenario.rows()),
            row_frames: Vec::new(),
            clock_states: vec![(0.0, ClockState::Listening)],
            locked_error: None,
            locked_errors: Vec::new(),
            grandmasters: Vec::new(),
            scenario,
        };
        world.schedule_first();
        world
    }

    /// Puts the engine's sender in the talker's place, if the scenario has it.
    fn add_sender(&mut self, loaded: &'a Loaded) -> Result<(), SenderNodeError> {
        let (Some(config), Some(talker), Some(stream)) = (&self.scenario.sender, &self.scenario.talker, &loaded.stream)
        else {
            return Ok(());
        };
        let mut sender = SenderNode::new(self.scenario, config, talker, stream)?;
        sender.schedule_first(&mut self.queue);
        self.sender = Some(sender);
        Ok(())
    }

    /// Keeps every callback.
    #[must_use]
    pub fn keeping_callbacks(mut self) -> Self {
        if let Some(chain) = &mut self.chain {
            chain.meter.callbacks = Some(Vec::new());
        }
        self
    }

    fn schedule_first(&mut self) {
        let scenario = self.scenario;
        for (index, fault) in scenario.faults.iter().enumerate() {
            let mut stream = RandomStream::new(self.scenario.seed, &format!("host/stalls/{index}"));
            for (begin, end) in fault.times(Nanos::new(self.duration)) {
                let (begin, end) = (begin.as_nanos(), end.map(Nanos::as_nanos));
                match &fault.what {
                    FaultKind::HostStalls(stall) | FaultKind::MediaThreadStalls(stall) => {
                        self.schedule_stalls(index, stall, &mut stream, begin..end.unwrap_or(self.duration));
                    }
                    _ => self.schedule_fault(index, begin, end),
                }
            }
        }
        for (master, announce, sync) in self.masters.first() {
            self.queue.push(announce, Event::Announce(master));
            self.queue.push(sync, Event::Sync(master));
        }
        if let Some(chain) = &mut self.chain {
            if self.scenario.sender.is_none() {
                self.queue.push(chain.next_departure(), Event::Packet);
            }
            self.queue.push(0, Event::Callback);
        }
        self.queue.push(self.interval(), Event::Row);
    }

    fn schedule_fault(&mut self, index: usize, begin: TrueTime, end: Option<TrueTime>) {
        self.queue.push(begin, Event::Fault { index, begins: true });
        if let Some(end) = end {
            self.queue.push(end, Event::Fault { index, begins: false });
        }
    }

    fn schedule_stalls(&mut self, index: usize, stall: &Stall, stream: &mut RandomStream, window: Range<TrueTime>) {
        let first = next_stall(stall, stream, window.start);
        let following = std::iter::successors(Some(first), |&(_, end)| Some(next_stall(stall, stream, end)));
        for (begin, end) in following.take_while(|&(begin, _)| begin < window.end) {
            self.schedule_fault(index, begin, Some(end.min(window.end)));
        }
    }

    fn interval(&self) -> TrueTime {
        self.scenario.record.interval_s.nanos().as_nanos()
    }

    /// Runs to the end, or until cancelled.
    ///
    /// # Errors
    /// If a file cannot be written, or an invariant is violated.
    pub fn run(mut self, control: &Control) -> Result<Outcome, RunError> {
        let mut now = 0;
        let mut cancelled = false;
        let local = self.host.local(now);
        if self.receiver.begin(local) {
            self.after_receiver(now);
            self.check_receiver()?;
        }
        while let Some((at, event)) = self.queue.pop() {
            if at > self.duration {
                break;
            }
            if at < now {
                return Err(self.violated(at, format!("time ran backwards, from {now} ns")));
            }
            if control.cancelled.load(Ordering::Relaxed) {
                cancelled = true;
                break;
            }
            now = at;
            let is_row = event == Event::Row;
            self.handle(now, event)?;
            self.check_receiver()?;
            if is_row {
                control.progress_ms.fetch_add((self.interval() / 1_000_000) as u64, Ordering::Relaxed);
                control.reached_ms.fetch_max((now / 1_000_000) as u64, Ordering::Relaxed);
            }
        }
        self.receiver.end();
        self.check_receiver()?;
        let events = self.queue.scheduled();
        let callbacks = self.chain.as_mut().map(ChainWorld::take_callbacks).unwrap_or_default();
        let card_gaps = self.chain.as_mut().map(ChainWorld::take_gaps).unwrap_or_default();
        let concealed = self.chain.as_mut().map(ChainWorld::take_concealed).unwrap_or_default();
        let playing = self.chain.as_mut().map(ChainWorld::take_playing).unwrap_or_default();
        let reception = self.receiver.reception();
        let Self { recording, row_frames, clock_states, locked_errors, grandmasters, hash, chain, .. } = self;
        let heard = chain.map(ChainWorld::finish).transpose()?.flatten();
        Ok(Outcome {
            recording,
            heard,
            row_frames,
            card_gaps,
            concealed,
            grandmasters,
            clock_states,
            locked_errors,
            playing,
            reception,
            callbacks,
            hash,
            events,
            cancelled,
        })
    }

    /// Ends the run if the receiver cannot go on.
    fn check_receiver(&mut self) -> Result<(), RunError> {
        match self.receiver.failure() {
            Some(reason) => Err(RunError::Receiver { receiver: self.name.clone(), reason }),
            None => Ok(()),
        }
    }

    fn violated(&self, at: TrueTime, what: String) -> RunError {
        RunError::Invariant { at_s: at as f64 / 1e9, receiver: self.name.clone(), what }
    }

    fn handle(&mut self, now: TrueTime, event: Event) -> Result<(), RunError> {
        match event {
            Event::Fault { index, begins } => self.fault(now, index, begins),
            Event::Announce(master) if !self.masters.get(master).model.announces() => {}
            Event::Announce(master) => {
                let message = self.masters.get(master).model.announce();
                self.send_as_master(now, master, message, Turn::Usual);
                let interval = self.masters.get(master).model.announce_interval();
                self.queue.push(now + interval.as_nanos(), Event::Announce(master));
            }
            Event::Sync(master) => self.sync(now, master),
            Event::Packet => self.packet(now),
            Event::Sender(event) => self.sender_event(now, event),
            Event::AtMaster(master, datagram) => {
                if let Some(answer) = self.masters.get(master).answer(now, &datagram) {
                    self.send_as_master(now, master, answer, Turn::Usual);
                }
            }
            // A host that sleeps receives nothing.
            Event::AtReceiver(..) | Event::Timer(_) if self.host.is_asleep() => {}
            Event::Timer(_) if self.host.stands_still() => self.held.push(event),
            Event::AtReceiver(port, ..) if self.host.holds_up(port) => self.held.push(event),
            Event::AtReceiver(port, source, datagram) => self.receive(now, port, source, &datagram),
            Event::Timer(number) if number == self.timer.0 => {
                self.timer.1 = None;
                let local = self.host.local(now);
                self.receiver.handle_timeout(local);
                self.after_receiver(now);
            }
            Event::Timer(_) => {}
            Event::Malformed => self.disturb(now),
            Event::Attack(index) => self.attack(now, index),
            Event::Overheard(datagram) => {
                let answers = self.adversary.answers(now, &datagram);
                answers.into_iter().for_each(|forged| self.forge(now, forged));
            }
            Event::Stamp => {
                if let Some((token, stamped)) = self.stamps.take().filter(|_| !self.host.is_asleep()) {
                    self.receiver.handle_transmitted_at(token, stamped);
                    self.after_receiver(now);
                }
            }
            Event::Callback => self.callback(now)?,
            Event::Row => self.row(now),
        }
        Ok(())
    }

    fn packet(&mut self, now: TrueTime) {
        let Some(chain) = &mut self.chain else { return };
        let (sent, departure) = (chain.packets(now), chain.next_departure());
        for delivery in sent {
            self.deliver(delivery);
        }
        self.queue.push(departure, Event::Packet);
    }

    fn sender_event(&mut self, now: TrueTime, event: SenderEvent) {
        let (Some(sender), Some(chain)) = (&mut self.sender, &mut self.chain) else { return };
        let packets = sender.handle(now, event, &mut self.queue);
        let sent: Vec<Delivery> = packets.into_iter().flat_map(|datagram| chain.send(now, datagram)).collect();
        sent.into_iter().for_each(|delivery| self.deliver(delivery));
    }

    /// Schedules a datagram of the stream for the host's program.
    fn deliver(&mut self, delivery: Delivery) {
        let Delivery { port, source, arrival, datagram, own, in_order } = delivery;
        if own && port == Port::Media {
            self.adversary.hear_stream(&datagram);
        }
        let lateness = if own { self.host.receive_lateness(port) } else { self.host.receive_lateness_of_other() };
        let mut handled = arrival + lateness.as_nanos();
        if in_order {
            let before = &mut self.media_handled[usize::from(port == Port::MediaB)];
            handled = handled.max(*before);
            *before = handled;
        }
        self.queue.push(handled, Event::AtReceiver(port, source, datagram));
    }

    fn sync(&mut self, now: TrueTime, master: usize) {
        let held_back = if master == 0 { self.adversary.holds_back(now) } else { Nanos::ZERO };
        let turn = self.masters.take_late_sync(master).later_by(held_back);
        let model = &mut self.masters.get(master).model;
        let (sync, follow_up) = model.sync(now);
        let next = now + model.sync_interval().as_nanos();
        let handled = self.send_as_master(now, master, sync, turn);
        if let Some(follow_up) = follow_up {
            let turn = self.masters.follow_up_turn(now, handled).later_by(held_back);
            self.send_as_master(now, master, follow_up, turn);
        }
        self.queue.push(next, Event::Sync(master));
    }

    /// Sends a message of a master. Returns when the host's program handles it, if it arrives.
    fn send_as_master(&mut self, now: TrueTime, master: usize, mut message: Vec<u8>, turn: Turn) -> Option<TrueTime> {
        let Passage { arrivals: [arrival, copy], in_order } = self.masters.get(master).send(now, &mut message);
        let arrival = arrival?;
        if master == 0 {
            self.adversary.hear_ptp(now, &message);
        }
        let source = self.masters.get(master).address();
        let lateness = self.host.receive_lateness(Port::Ptp);
        let handled = self.masters.get(master).handle(arrival + lateness.as_nanos(), in_order);
        if let Some(copy) = copy {
            let handled = copy + self.host.receive_lateness_of_other().as_nanos();
            self.queue.push(turn.time(handled), Event::AtReceiver(Port::Ptp, source, message.clone()));
        }
        let handled = turn.time(handled);
        self.queue.push(handled, Event::AtReceiver(Port::Ptp, source, message));
        Some(handled)
    }

    /// Sends a datagram that is not a PTP message to the PTP ports.
    fn disturb(&mut self, now: TrueTime) {
        let Some((datagram, next)) = self.disturber.send(now) else { return };
        let handled = now + self.host.receive_lateness_of_other().as_nanos();
        self.queue.push(handled, Event::AtReceiver(Port::Ptp, DISTURBER_ADDRESS, datagram));
        self.queue.push(next, Event::Malformed);
    }

    /// Sends the datagrams of an attack that are due.
    fn attack(&mut self, now: TrueTime, index: usize) {
        let (forged, next) = self.adversary.strike(now, index);
        forged.into_iter().for_each(|forged| self.forge(now, forged));
        if let Some(next) = next {
            self.queue.push(next, Event::Attack(index));
        }
    }

    /// Sends a forged datagram.
    fn forge(&mut self, now: TrueTime, forged: Forged) {
        let Forged { port, source, mut datagram } = forged;
        if port != Port::Ptp {
            let sent = self.chain.as_mut().map(|chain| chain.send_forged(now, source, &datagram));
            sent.into_iter().flatten().for_each(|delivery| self.deliver(delivery));
            return;
        }
        let forwarded = self.masters.get(0).reaches_host(now);
        let host = &mut self.host;
        let arrivals = self.adversary.carry(now, &mut datagram, || host.receive_lateness_of_other());
        for handled in arrivals.into_iter().filter(|_| forwarded) {
            self.queue.push(handled, Event::AtReceiver(Port::Ptp, source, datagram.clone()));
        }
    }

    fn receive(&mut self, now: TrueTime, port: Port, source: Ipv4Addr, datagram: &[u8]) {
        self.hash.datagram(now, datagram);
        match port {
            Port::Media => self.receiver.handle_media_from(self.host.local(now), Leg::A, source, datagram),
            Port::MediaB => self.receiver.handle_media_from(self.host.local(now), Leg::B, source, datagram),
            Port::Ptp => self.receiver.handle_ptp_from(self.host.time(now), source, datagram),
        }
        self.after_receiver(now);
    }

    /// Takes the receiver's messages and events, and sets its timer.
    fn after_receiver(&mut self, now: TrueTime) {
        while let Some(transmit) = self.receiver.poll_transmit() {
            let stamped = self.host.time(now);
            if let Some(token) = transmit.timestamp {
                match self.stamps.next() {
                    Stamp::Now => self.receiver.handle_transmitted_at(token, stamped),
                    Stamp::After(late) => {
                        self.stamps.hold(token, stamped);
                        self.queue.push(now + late.as_nanos(), Event::Stamp);
                    }
                    Stamp::Never => {}
                }
            }
            let leaves = now + self.host.transmit_lateness().as_nanos();
            self.hash.datagram(leaves, &transmit.datagram);
            if self.adversary.listens_to_receiver() {
                self.queue.push(leaves, Event::Overheard(transmit.datagram.to_vec()));
            }
            for (index, master) in self.masters.iter_mut() {
                let mut datagram = transmit.datagram.to_vec();
                for arrival in master.receive(leaves, &mut datagram).arrivals.into_iter().flatten() {
                    self.queue.push(arrival, Event::AtMaster(index, datagram.clone()));
                }
            }
        }
        while let Some(text) = self.receiver.poll_event() {
            self.recording.events.push(TraceEvent { time_s: now as f64 / 1e9, text });
        }
        let time = self.host.time(now);
        let local = time.monotonic;
        let state = self.look_at_clock(now, time.by(self.receiver.stamp_clock()));
        if self.clock_states.last().is_none_or(|last| last.1 != state) {
            self.clock_states.push((now as f64 / 1e9, state));
        }
        if let Some(followed) = self.receiver.grandmaster()
            && self.grandmasters.last().is_none_or(|last| last.1 != followed)
        {
            self.grandmasters.push((now as f64 / 1e9, followed));
        }
        let wish = self.receiver.poll_timeout();
        if wish != self.timer.1 {
            self.timer = (self.timer.0 + 1, wish);
            if let Some(due) = wish {
                let at = self.host.true_time_of(local, due);
                // At least 1 ns later, so that a receiver that always wants to be woken cannot stop
                // time.
                self.queue.push(at.max(now + 1), Event::Timer(self.timer.0));
            }
        }
    }

    /// Returns the state of the receiver's clock, and records its error while it claims to be
    /// locked.
    fn look_at_clock(&mut self, now: TrueTime, local: LocalTime) -> ClockState {
        let clock = self.receiver.clock(local);
        if let (ClockState::Locked, Some(map)) = (clock.state, clock.map) {
            let error = (map.ptp_at(local) - self.masters.time(now)).abs();
            self.locked_error = Some(self.locked_error.map_or(error, |worst| worst.max(error)));
        }
        clock.state
    }

    fn callback(&mut self, now: TrueTime) -> Result<(), RunError> {
        let local = self.host.local(now);
        let Some(chain) = &mut self.chain else { return Ok(()) };
        match chain.callback(local, self.receiver.as_mut(), &mut self.hash) {
            Ok(Some(next)) => self.queue.push(next, Event::Callback),
            // The callback waits until the card resumes.
            Ok(None) => return Ok(()),
            Err(CallbackError::Capture(error)) => return Err(error.into()),
            Err(CallbackError::NoSample(what)) => return Err(self.violated(now, what)),
        }
        self.after_receiver(now);
        Ok(())
    }

    fn row(&mut self, now: TrueTime) {
        let from = self.last_row;
        let host_ppb = self.host.mean_rate_ppb(from, now);
        let local = self.host.time(now).by(self.receiver.stamp_clock());
        self.look_at_clock(now, local);
        let locked_error = self.locked_error.take().map(|error| (now as f64 / 1e9, error.as_nanos() as f64 * 1e-3));
        self.locked_errors.extend(locked_error);
        let clock = self.receiver.clock(local);
        let true_ptp = self.masters.time(now);
        let mut truth = Truth {
            nominal_step: 1.0,
            host_rate_ppm: host_ppb * 1e-3,
            ratio_ppm: 0.0,
            card_rate_ppm: 0.0,
            clock_error_us: clock.map.map(|map| (map.ptp_at(local) - true_ptp).as_nanos() as f64 * 1e-3),
            clock_sigma_us: clock.map.filter(|_| clock.claims_sigma).map(|map| map.clock().sigma_ns(local) * 1e-3),
            latency_ms: None,
            sender_off_ptp: self.receiver.sender_off_ptp(),
            display: self.receiver.display(),
            sender: self.sender.as_mut().map(SenderNode::take_truth).unwrap_or_default(),
        };
        let time_s = now as f64 / 1e9;
        let row = match &mut self.chain {
            Some(chain) => {
                truth.nominal_step = chain.nominal_step();
                truth.ratio_ppm = chain.ratio_ppm(from, now);
                truth.latency_ms = chain.latency_s(now).map(|latency_s| latency_s * 1e3);
                // Relative to the host's clock, by which the receiver measures.
                truth.card_rate_ppm =
                    ((1.0 + chain.card_rate_ppb(from, now) * 1e-9) / (1.0 + host_ppb * 1e-9) - 1.0) * 1e6;
                let lost = chain.take_lost();
                chain.meter.row(time_s, &truth, &clock, lost)
            }
            None => Meter::default().row(time_s, &truth, &clock, 0),
        };
        let card_ns = self.chain.as_mut().map(|chain| chain.card_error_ns(now));
        let grandmaster_ns = self.masters.error_ns(now);
        self.recording.phases.push(TruePhases { card_ns, grandmaster_ns });
        self.recording.rows.push(row);
        self.row_frames.push(self.chain.as_ref().map_or(0, ChainWorld::frames));
        self.last_row = now;
        self.queue.push(now + self.interval(), Event::Row);
    }

    fn fault(&mut self, now: TrueTime, index: usize, begins: bool) {
        let what = &self.scenario.faults[index].what;
        self.masters.fault(now, what, begins);
        if let Some(sender) = &mut self.sender {
            sender.fault(now, what, begins);
        }
        self.host.fault(now, what, begins);
        self.stamps.fault(what, begins);
        if self.disturber.fault(now, what, begins) {
            self.disturb(now);
        }
        if let Some(first) = self.adversary.fault(now, index, begins, &mut self.masters) {
            self.queue.push(first, Event::Attack(index));
        }
        if let Some(callback) = self.chain.as_mut().and_then(|chain| chain.fault(now, what, begins)) {
            self.queue.push(callback, Event::Callback);
        }
        // Events that must still wait are held again, in the same order.
        for event in std::mem::take(&mut self.held) {
            self.queue.push(now, event);
        }
        if matches!(
            (what, begins),
            (FaultKind::HostSuspended(_) | FaultKind::HostPaused, false) | (FaultKind::HostClockStepMs(_), true)
        ) {
            // The timer is set again, because the true time at which it is due has changed.
            self.timer.1 = None;
            self.after_receiver(now);
        }
    }
}
