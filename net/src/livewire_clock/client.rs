//! The client's thread, and the sharing of clients.

use super::status::LivewireStatus;
use crate::clock::{self, SystemReader};
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::prediction::Prediction;
use crate::socket::{DSCP_EF, Inbox, ROUND, Socket, SocketConfig};
use crate::subscribers::Subscribers;
use crate::worker::{Context, Scheduling, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::clock::{ClockMap, ClockMode, ClockReading, PtpMap, Reference, ReferenceConfig, ReferenceEvent, Sources};
use engine::livewire_clock::{
    ClockEvent, ClockPacket, GROUP, LivewireClock, LivewireMaster, MacAddress, MasterIdentity, PORT,
};
use engine::{LocalTime, Nanos, PtpTime};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How often the system clock is read, and how often the status is published if nothing happens.
const INTERVAL: Nanos = Nanos::from_millis(125);
/// Maximum length of a packet, which is longer than any clock packet.
const LONGEST_PACKET: usize = 1500;
/// TTL of clock packets, which stay within their network segment.
const TTL: u8 = 1;

/// The settings of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct LivewireConfig {
    /// The interface.
    pub interface: Interface,
    /// What the reference falls back to while the clock is not usable.
    pub reference: ReferenceConfig,
    /// The priority with which this client serves the clock; `None` if it only follows.
    pub serve: Option<u8>,
}

impl LivewireConfig {
    /// Settings for a client that follows the clock.
    #[must_use]
    pub fn slave(interface: Interface) -> Self {
        let reference = ReferenceConfig { mode: ClockMode::Livewire, ..ReferenceConfig::default() };
        Self { interface, reference, serve: None }
    }

    /// Settings for a client that serves the clock with this priority (0 to 15) unless a better
    /// master does.
    #[must_use]
    pub fn master(interface: Interface, priority: u8) -> Self {
        Self { serve: Some(priority), ..Self::slave(interface) }
    }

    /// Our identity as master.
    fn identity(&self, priority: u8) -> MasterIdentity {
        MasterIdentity::new(priority, self.interface.address, MacAddress(self.interface.mac_or_made_up()))
    }
}

/// An event that a user would want to know about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LivewireClockEvent {
    /// An event of the clock.
    Clock(ClockEvent),
    /// An event of the timeline.
    Reference(ReferenceEvent),
}

impl fmt::Display for LivewireClockEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(event) => event.fmt(f),
            Self::Reference(event) => event.fmt(f),
        }
    }
}

/// A client of the Livewire clock. It ends when its last owner drops it.
#[derive(Debug)]
pub struct LivewireClient {
    config: LivewireConfig,
    status: Arc<ArcSwap<LivewireStatus>>,
    subscribers: Arc<Subscribers<LivewireClockEvent>>,
    worker: Worker,
}

/// The clients of this process, by interface.
static CLIENTS: Mutex<BTreeMap<(String, Ipv4Addr), Weak<LivewireClient>>> = Mutex::new(BTreeMap::new());

impl LivewireClient {
    /// Returns the client for an interface: the one that is running, or a new one.
    ///
    /// # Errors
    /// If the port is refused, or a client with other settings is running.
    pub fn shared(config: LivewireConfig) -> Result<Arc<Self>> {
        let key = (config.interface.name.clone(), config.interface.address);
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key).and_then(Weak::upgrade).filter(|client| !client.worker.is_dead()) {
            if client.config == config {
                return Ok(client);
            }
            return Err(Error::LivewireInUse { interface: config.interface.name });
        }
        let client = Arc::new(Self::start(config)?);
        clients.insert(key, Arc::downgrade(&client));
        Ok(client)
    }

    fn start(config: LivewireConfig) -> Result<Self> {
        let mut driver = Driver::new(&config)?;
        let status = Arc::new(ArcSwap::from_pointee(driver.status(clock::now(), Scheduling::Normal)));
        let subscribers = Arc::new(Subscribers::default());
        let (publish, tell) = (Arc::clone(&status), Arc::clone(&subscribers));
        let run = move |context: &Context| driver.run(context, &publish, &tell);
        let worker = Worker::spawn("livewire-clock", Urgency::Prompt, run)?;
        Ok(Self { config, status, subscribers, worker })
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> Arc<LivewireStatus> {
        self.status.load_full()
    }

    /// The timeline's reading, for [`engine::receive::Ingest::set_clock`].
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        self.status.load().reference.reading()
    }

    /// Subscribes to all events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<LivewireClockEvent> {
        self.subscribers.subscribe()
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &LivewireConfig {
        &self.config
    }
}

/// The state of a client that serves the clock.
struct Served {
    master: LivewireMaster,
    socket: Socket,
    /// Start of the client's own time, which is served if no other master has ever been followed.
    began: LocalTime,
    sent: u64,
}

/// The state of the thread.
struct Driver {
    clock: LivewireClock,
    served: Option<Served>,
    reference: Reference,
    socket: Socket,
    system: SystemReader,
    read_system_at: LocalTime,
    prediction: Prediction,
    reason: String,
    /// The last socket error, which is reported only once.
    fault: Option<io::ErrorKind>,
}

impl Driver {
    fn new(config: &LivewireConfig) -> Result<Self> {
        let group = SocketAddrV4::new(GROUP, PORT);
        let now = clock::now();
        let serve = |priority| {
            let socket = SocketConfig { dscp: DSCP_EF, ttl: TTL, ..SocketConfig::send(config.interface.clone()) };
            let master = LivewireMaster::new(config.identity(priority), now);
            Ok::<_, Error>(Served { master, socket: Socket::open(socket)?, began: now, sent: 0 })
        };
        Ok(Self {
            clock: LivewireClock::new(),
            served: config.serve.map(serve).transpose()?,
            reference: Reference::new(config.reference),
            socket: Socket::open(SocketConfig::receive(config.interface.clone(), group, None))?,
            system: SystemReader::new(),
            read_system_at: now,
            prediction: Prediction::default(),
            reason: "no master was heard yet".to_owned(),
            fault: None,
        })
    }

    fn run(
        &mut self,
        context: &Context,
        status: &ArcSwap<LivewireStatus>,
        subscribers: &Subscribers<LivewireClockEvent>,
    ) {
        let mut inbox = Inbox::new(LONGEST_PACKET);
        while !context.is_stopping() {
            // Packets that had not arrived by `until` may have arrived since, and still wait to be
            // read.
            let until = self.receive(&mut inbox);
            if self.clock.poll_timeout().is_some_and(|due| due <= until) {
                self.clock.handle_timeout(until);
            }
            self.transmit();
            let now = clock::now();
            if self.read_system_at <= now {
                self.system.read();
                self.read_system_at = now + INTERVAL;
            }
            let (livewire, system) = (Some(self.clock.reading(now)), Some(self.system.clock().reading(now)));
            self.reference.advance(now, &Sources { livewire, system, ..Sources::default() });
            self.drain_events(subscribers);
            status.store(Arc::new(self.status(now, context.scheduling())));
            let served = self.served.as_ref().map(|served| served.master.poll_timeout());
            let due = [served, self.clock.poll_timeout(), self.reference.poll_timeout(), Some(self.read_system_at)];
            context.wait(&[self.socket.waitable()], due);
        }
    }

    /// Handles one round of packets. Returns the time up to which all arrivals have been handled.
    fn receive(&mut self, inbox: &mut Inbox) -> LocalTime {
        let (clock, served) = (&mut self.clock, &mut self.served);
        let round = self.socket.receive(inbox, ROUND, |received, datagram| {
            if served.as_mut().is_none_or(|served| served.follows(received.at, datagram)) {
                // The result can be ignored, because the clock counts refused packets, and its
                // counters are displayed.
                let _ = clock.handle_datagram(received.at, *received.source.ip(), datagram);
            }
        });
        if let Some(error) = round.error {
            self.say_once("receiving the Livewire clock", &error);
        }
        round.until
    }

    fn transmit(&mut self) {
        let Some(served) = &mut self.served else { return };
        let now = clock::now();
        if served.master.poll_timeout() > now {
            return;
        }
        let time = served.time(self.clock.reading(now)).ptp_at(now);
        let Some(packet) = served.master.poll_transmit(now, time) else { return };
        match served.socket.send(&packet, SocketAddr::V4(SocketAddrV4::new(GROUP, PORT))) {
            Ok(_) => served.sent += 1,
            Err(error) => self.say_once("sending the Livewire clock", &error),
        }
    }

    fn drain_events(&mut self, subscribers: &Subscribers<LivewireClockEvent>) {
        while let Some(event) = self.clock.poll_event() {
            if matches!(event, ClockEvent::Lock(_)) {
                self.reason = event.to_string();
            }
            self.fault = None;
            tracing::debug!("Livewire clock: {event}");
            subscribers.tell(&LivewireClockEvent::Clock(event));
        }
        while let Some(event) = self.reference.poll_event() {
            tracing::debug!("Livewire clock: {event}");
            subscribers.tell(&LivewireClockEvent::Reference(event));
        }
    }

    fn status(&mut self, now: LocalTime, scheduling: Scheduling) -> LivewireStatus {
        let clock = self.clock.reading(now);
        let diagnosis = self.clock.diagnosis(now);
        let served_time = self.served.as_ref().map(|served| served.time(clock));
        let serves = self.served.as_ref().filter(|served| served.master.better(now).is_none() && served.sent > 0);
        LivewireStatus {
            at: now,
            reference: self.reference.clone(),
            clock,
            master: self.clock.master().copied(),
            served_time,
            serves: serves.map(|served| *served.master.identity()),
            diagnosis,
            reason: diagnosis.map_or_else(|| self.reason.clone(), |diagnosis| diagnosis.to_string()),
            presumed_delay: self.clock.presumed_delay(),
            jitter: self.clock.jitter(),
            prediction_error: self.prediction.error(now, clock),
            counters: *self.clock.counters(),
            sent: self.served.as_ref().map_or(0, |served| served.sent),
            socket: self.socket.stats(),
            timestamping: self.socket.timestamping(),
            system: self.system.clock().report(),
            scheduling,
        }
    }

    /// Logs an error unless the last one was of the same kind: a disconnected cable causes one
    /// warning, not thirty a second.
    fn say_once(&mut self, what: &str, error: &io::Error) {
        if self.fault != Some(error.kind()) {
            self.fault = Some(error.kind());
            tracing::warn!("{what}: {error}");
        }
    }
}

impl Served {
    /// The time that is served: the followed time, or else the time of this host's crystal since
    /// the start.
    fn time(&self, followed: ClockReading) -> PtpMap {
        let own = PtpMap::new(self.began, PtpTime::EPOCH, ClockMap::default());
        followed.map.unwrap_or(own)
    }

    /// Handles a packet to the group. Returns whether to follow it. We follow packets from a better
    /// master and, before we have sent anything, packets from any master, so that its time
    /// continues. We never follow our own packets.
    fn follows(&mut self, at: LocalTime, datagram: &[u8]) -> bool {
        self.master.handle_datagram(at, datagram);
        let own = self.master.identity().mac;
        let is_own = ClockPacket::parse(datagram).is_ok_and(|packet| packet.master.mac == own);
        !is_own && (self.sent == 0 || self.master.better(at).is_some())
    }
}
