//! The client's thread, and the sharing of clients.

use super::GROUP;
use super::LONGEST_MESSAGE;
use super::pending_timestamps::PendingTimestamps;
use super::status::PtpStatus;
use crate::clock::{self, SystemReader};
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::prediction::Prediction;
use crate::socket::{DSCP_EF, Inbox, ROUND, Socket, SocketConfig, Timestamping};
use crate::subscribers::Subscribers;
use crate::worker::{Context, Scheduling, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::clock::{ClockReading, Reference, ReferenceConfig, ReferenceEvent, Sources};
use engine::ptp::unicast::UnicastConfig;
use engine::ptp::{Destination, MessageClass, Port, PortConfig, PortEvent, Profile, Transmit};
use engine::{LocalTime, Nanos};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How often the system clock is read, and how often the status is published if nothing happens.
const INTERVAL: Nanos = Nanos::from_millis(125);
/// TTL of multicast messages. PTP stays within its network segment, unless routers are boundary
/// clocks.
const TTL: u8 = 1;
/// TTL of messages to unicast masters, which may be in other networks.
const UNICAST_TTL: u8 = 64;

/// The settings of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct PtpConfig {
    /// The interface.
    pub interface: Interface,
    /// The port; [`Interface::port_identity`] gives its identity.
    pub port: PortConfig,
    /// What the reference falls back to while PTP is not usable.
    pub reference: ReferenceConfig,
    /// The best timestamps to request: the card's, unless the user wants to see the effect of less
    /// accurate ones.
    pub timestamps: Timestamping,
}

impl PtpConfig {
    /// Settings for a slave in a domain.
    #[must_use]
    pub fn slave(interface: Interface, domain: u8) -> Self {
        let identity = interface.port_identity(true);
        let port = PortConfig::slave_only(&Profile::AES67_MEDIA, identity).in_domain(domain);
        Self { interface, port, reference: ReferenceConfig::default(), timestamps: Timestamping::Hardware }
    }

    /// Settings for a clock that serves a domain if there is no better clock.
    #[must_use]
    pub fn master(interface: Interface, domain: u8) -> Self {
        let identity = interface.port_identity(false);
        let port = PortConfig {
            // Announces are sent once a second, so that a sender need not wait 6 s for its clock.
            log_announce_interval: 0,
            ..PortConfig::new(&Profile::AES67_MEDIA, identity).in_domain(domain)
        };
        Self { interface, port, reference: ReferenceConfig::default(), timestamps: Timestamping::Hardware }
    }

    /// Whether the settings are the same. The interface may have got another address in the
    /// meantime.
    fn is_like(&self, other: &Self) -> bool {
        let identity = self.port.identity;
        let other =
            Self { interface: self.interface.clone(), port: PortConfig { identity, ..other.port }, ..other.clone() };
        *self == other
    }

    /// The same settings with another profile.
    #[must_use]
    pub fn with_profile(self, profile: &Profile) -> Self {
        let make = if self.port.slave_only { PortConfig::slave_only } else { PortConfig::new };
        let port = make(profile, self.port.identity).in_domain(self.port.domain_number);
        // A master announces itself at least as often as with its current settings.
        let log_announce_interval = port.log_announce_interval.min(self.port.log_announce_interval);
        Self { port: PortConfig { log_announce_interval, ..port }, ..self }
    }

    /// The same settings for a slave of unicast masters.
    #[must_use]
    pub fn served_by(self, unicast: UnicastConfig) -> Self {
        // Announces are requested at least once a second, because two of them are necessary to
        // choose a master.
        let log_announce_interval = self.port.log_announce_interval.min(0);
        let port = PortConfig { log_announce_interval, ..self.port }.served_by(unicast);
        Self { port, ..self }
    }
}

/// An event that a user would want to know about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PtpEvent {
    /// An event of the port or its clock.
    Port(PortEvent),
    /// An event of the timeline.
    Reference(ReferenceEvent),
}

impl fmt::Display for PtpEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(event) => event.fmt(f),
            Self::Reference(event) => event.fmt(f),
        }
    }
}

/// A PTP client. It ends when its last owner drops it.
#[derive(Debug)]
pub struct PtpClient {
    config: PtpConfig,
    status: Arc<ArcSwap<PtpStatus>>,
    subscribers: Arc<Subscribers<PtpEvent>>,
    worker: Worker,
}

/// The clients of this process, by interface and domain.
static CLIENTS: Mutex<BTreeMap<(String, u8), Weak<PtpClient>>> = Mutex::new(BTreeMap::new());

impl PtpClient {
    /// Returns the client for an interface and domain: the one that is running, or a new one.
    ///
    /// # Errors
    /// If the ports are refused, or a client with other settings is running.
    pub fn shared(config: PtpConfig) -> Result<Arc<Self>> {
        let key = (config.interface.name.clone(), config.port.domain_number);
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key).and_then(Weak::upgrade).filter(|client| !client.worker.is_dead()) {
            if client.config.is_like(&config) {
                return Ok(client);
            }
            return Err(Error::PtpInUse { interface: config.interface.name, domain: key.1 });
        }
        let client = Arc::new(Self::start(config)?);
        clients.insert(key, Arc::downgrade(&client));
        Ok(client)
    }

    fn start(config: PtpConfig) -> Result<Self> {
        let mut driver = Driver::new(&config)?;
        let status = Arc::new(ArcSwap::from_pointee(driver.status(clock::now(), Scheduling::Normal)));
        let subscribers = Arc::new(Subscribers::default());
        let (publish, tell) = (Arc::clone(&status), Arc::clone(&subscribers));
        let worker = Worker::spawn("ptp", Urgency::Prompt, move |context| driver.run(context, &publish, &tell))?;
        Ok(Self { config, status, subscribers, worker })
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> Arc<PtpStatus> {
        self.status.load_full()
    }

    /// The timeline's reading, for [`engine::receive::Ingest::set_clock`].
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        self.status.load().reference.reading()
    }

    /// Subscribes to all events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<PtpEvent> {
        self.subscribers.subscribe()
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &PtpConfig {
        &self.config
    }
}

/// The state of the thread.
struct Driver {
    config: PtpConfig,
    port: Port,
    reference: Reference,
    event: Socket,
    general: Socket,
    system: SystemReader,
    read_system_at: LocalTime,
    pending_timestamps: PendingTimestamps,
    /// Number of departure times that the kernel has reported, and of those that it has not.
    transmit_stamps: (u64, u64),
    prediction: Prediction,
    reason: String,
    /// The last socket error, which is reported only once.
    fault: Option<io::ErrorKind>,
}

impl Driver {
    fn new(config: &PtpConfig) -> Result<Self> {
        let socket = |class: MessageClass| {
            let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, class.udp_port());
            let receive = SocketConfig::receive(config.interface.clone(), any, None);
            Socket::open(SocketConfig {
                // With unicast masters, no group is joined, so that multicast messages are ignored.
                groups: if config.port.unicast.is_some() { Vec::new() } else { vec![GROUP] },
                dscp: DSCP_EF,
                ttl: if config.port.unicast.is_some() { UNICAST_TTL } else { TTL },
                transmit_timestamps: class == MessageClass::Event,
                timestamps: match (class, config.timestamps) {
                    // Cards stamp only event messages.
                    (MessageClass::General, Timestamping::Hardware) => Timestamping::Kernel,
                    (_, best) => best,
                },
                ..receive
            })
        };
        let now = clock::now();
        Ok(Self {
            event: socket(MessageClass::Event)?,
            general: socket(MessageClass::General)?,
            port: Port::new(config.port, now),
            reference: Reference::new(config.reference),
            config: config.clone(),
            system: SystemReader::new(),
            read_system_at: now,
            pending_timestamps: PendingTimestamps::new(),
            transmit_stamps: (0, 0),
            prediction: Prediction::default(),
            reason: "no master was heard yet".to_owned(),
            fault: None,
        })
    }

    fn run(&mut self, context: &Context, status: &ArcSwap<PtpStatus>, subscribers: &Subscribers<PtpEvent>) {
        let mut inbox = Inbox::new(LONGEST_MESSAGE);
        while !context.is_stopping() {
            // Messages that had not arrived by `until` may have arrived since, and still wait to be
            // read.
            let until = self.receive(&mut inbox);
            if self.port.poll_timeout().is_some_and(|due| due <= until) {
                self.port.handle_timeout(until);
            }
            self.transmit();
            let now = clock::now();
            if self.read_system_at <= now {
                self.system.read();
                self.read_system_at = now + INTERVAL;
            }
            let sources = Sources {
                ptp: Some(self.port.reading(now)),
                system: Some(self.system.clock().reading(now)),
                ..Sources::default()
            };
            self.reference.advance(now, &sources);
            self.drain_events(subscribers);
            status.store(Arc::new(self.status(now, context.scheduling())));
            let due = [self.port.poll_timeout(), self.reference.poll_timeout(), Some(self.read_system_at)];
            context.wait(&[self.event.waitable(), self.general.waitable()], due);
        }
        self.port.release();
        self.transmit();
    }

    /// Handles one round of messages. The departure times of our own messages are handled first,
    /// because the answers to these messages may already have arrived. Returns the time up to which
    /// all arrivals have been handled.
    fn receive(&mut self, inbox: &mut Inbox) -> LocalTime {
        while let Some((number, at)) = self.event.poll_transmitted() {
            if let Some(token) = self.pending_timestamps.take(number) {
                self.transmit_stamps.0 += 1;
                self.port.handle_transmitted(token, at);
            }
        }
        let mut until = clock::now();
        for socket in [&mut self.event, &mut self.general] {
            let round = socket.receive(inbox, ROUND, |received, datagram| {
                // The result can be ignored, because the port counts refused messages, and its
                // counters are displayed.
                let _ = self.port.handle_datagram(received.at, IpAddr::V4(*received.source.ip()), datagram);
            });
            until = until.min(round.until);
            if let Some(error) = round.error {
                say_once(&mut self.fault, "receiving PTP", &error);
            }
        }
        until
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.port.poll_transmit() {
            let to = SocketAddr::new(address(&transmit), transmit.class.udp_port());
            let socket = match transmit.class {
                MessageClass::Event => &mut self.event,
                MessageClass::General => &mut self.general,
            };
            let before = clock::now();
            match (socket.send(&transmit.datagram, to), transmit.timestamp) {
                (Ok(Some(number)), Some(token)) => {
                    self.transmit_stamps.1 += u64::from(self.pending_timestamps.push(number, token));
                }
                // Without a kernel timestamp, the middle of the call is the best estimate.
                (Ok(None), Some(token)) => {
                    let took = clock::now() - before;
                    self.port.handle_transmitted(token, before + Nanos::new(took.as_nanos() / 2));
                }
                (Ok(_), None) => {}
                (Err(error), _) => say_once(&mut self.fault, "sending PTP", &error),
            }
        }
    }

    fn drain_events(&mut self, subscribers: &Subscribers<PtpEvent>) {
        while let Some(event) = self.port.poll_event() {
            let without_master = matches!(event, PortEvent::Unicast(_)) && self.port.master().is_none();
            if matches!(event, PortEvent::State(_) | PortEvent::Lock(_)) || without_master {
                self.reason = event.to_string();
            }
            self.fault = None;
            tracing::debug!("PTP: {event}");
            subscribers.tell(&PtpEvent::Port(event));
        }
        while let Some(event) = self.reference.poll_event() {
            tracing::debug!("PTP: {event}");
            subscribers.tell(&PtpEvent::Reference(event));
        }
    }

    fn status(&mut self, now: LocalTime, scheduling: Scheduling) -> PtpStatus {
        let clock = self.port.reading(now);
        let diagnosis = self.port.diagnosis(now);
        PtpStatus {
            at: now,
            domain: self.config.port.domain_number,
            identity: self.config.port.identity.clock_identity,
            reference: self.reference.clone(),
            clock,
            port_number: self.config.port.identity.port_number,
            port: self.port.state(),
            reason: diagnosis.map_or_else(|| self.reason.clone(), |diagnosis| diagnosis.to_string()),
            diagnosis,
            master: self.port.master().copied(),
            time_properties: self.port.time_properties().copied(),
            mean_path_delay: self.port.servo().mean_path_delay(),
            jitter: self.port.servo().jitter(),
            prediction_error: self.prediction.error(now, clock),
            counters: *self.port.counters(),
            event_socket: self.event.stats(),
            timestamping: self.event.timestamping(),
            hardware_refusal: self.event.hardware_refusal().cloned(),
            transmit_stamps: self.transmit_stamps,
            system: self.system.clock().report(),
            scheduling,
        }
    }
}

fn address(transmit: &Transmit) -> IpAddr {
    match transmit.destination {
        Destination::Multicast => IpAddr::V4(GROUP),
        Destination::Unicast(address) => address,
    }
}

/// Logs an error unless the last one was of the same kind: a disconnected cable causes one warning,
/// not eight a second.
fn say_once(last: &mut Option<io::ErrorKind>, what: &str, error: &io::Error) {
    if *last != Some(error.kind()) {
        *last = Some(error.kind());
        tracing::warn!("{what}: {error}");
    }
}
