//! A PTP session with one AirPlay receiver, on real sockets; see [`engine::ptp::bmca_yield`].

use super::LONGEST_MESSAGE;
use super::echo::Echo;
use super::pending_timestamps::PendingTimestamps;
use crate::clock;
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::socket::{DSCP_EF, Inbox, ROUND, Socket, SocketConfig, Timestamping};
use crate::worker::{Context, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::clock::ClockReading;
use engine::ptp::bmca_yield::{SyncOutcome, YieldConfig, YieldEvent, YieldSession, YieldState};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Destination, MessageClass, PortCounters};
use engine::{LocalTime, Nanos};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Maximum number of events that wait to be polled.
const MAX_EVENTS: usize = 256;
/// How often the status is published if nothing happens.
const INTERVAL: Nanos = Nanos::from_millis(125);
/// How long the session waits for the receiver's time before it continues without it.
const DEADLINE: Nanos = Nanos::from_secs(10);
/// TTL of messages, which are sent by unicast within a home network.
const TTL: u8 = 64;

/// The status of a session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct YieldStatus {
    /// When the status was published.
    pub at: LocalTime,
    /// Whose timeline is used.
    pub state: YieldState,
    /// Whether the receiver's time is known.
    pub outcome: SyncOutcome,
    /// The receiver's time at [`YieldStatus::at`], in ns of its own timeline.
    pub receiver_time_ns: Option<i128>,
    /// Standard deviation of [`YieldStatus::receiver_time_ns`].
    pub uncertainty: Option<Nanos>,
    /// The shortest observed round trip to the receiver, by PTP or by echo.
    pub round_trip: Option<Nanos>,
    /// Identity of the clock that provides the timeline: the receiver's grandmaster, or ours.
    pub clock_identity: ClockIdentity,
    /// The clock that follows the receiver's.
    pub clock: ClockReading,
    /// The session's counters.
    pub counters: PortCounters,
    /// Whether the session uses ports 319 and 320. If they are refused or in use, it uses other
    /// ports.
    pub on_own_ports: bool,
}

impl YieldStatus {
    /// Whether the receiver's time is known, from one-way or two-way messages.
    #[must_use]
    pub fn is_synchronized(&self) -> bool {
        matches!(self.outcome, SyncOutcome::Converged { .. })
    }

    /// Why the receiver's time is not known, or no longer known, as text.
    #[must_use]
    pub fn reason(&self) -> String {
        let (clock, counters) = (self.clock_identity, &self.counters);
        match self.state {
            _ if self.is_synchronized() => "the receiver's time is known".to_owned(),
            YieldState::Offering | YieldState::OwnTimeline => {
                "it is not yet clear whether the receiver has a better clock than ours".to_owned()
            }
            YieldState::Following if counters.syncs == 0 => {
                format!(
                    "the receiver announces clock {clock}, and none of its Syncs was heard: is UDP port 319 blocked?"
                )
            }
            YieldState::Following if counters.follow_ups == 0 => {
                "the receiver's Syncs come, and none of their Follow_Ups was heard: is UDP port 320 blocked?".to_owned()
            }
            YieldState::Following => {
                let uncertainty = self.uncertainty.map_or_else(|| "unknown".to_owned(), |sigma| sigma.to_string());
                format!(
                    "the time of the receiver's clock {clock} is not good enough yet: {}, uncertainty {uncertainty}",
                    self.clock.state
                )
            }
        }
    }
}

/// A running session, which ends when it is dropped.
#[derive(Debug)]
pub struct YieldClient {
    status: Arc<ArcSwap<YieldStatus>>,
    events: Receiver<YieldEvent>,
    _worker: Worker,
}

impl YieldClient {
    /// Starts a session, which offers our clock to a receiver. `timestamps` are the best timestamps
    /// to request.
    ///
    /// # Errors
    /// If no socket can be opened.
    pub fn start(interface: &Interface, peer: Ipv4Addr, timestamps: Timestamping) -> Result<Self> {
        let config = YieldConfig::new(interface.port_identity(false), IpAddr::V4(peer));
        let mut driver = Driver::new(interface, config, peer, timestamps)?;
        let status = Arc::new(ArcSwap::from_pointee(driver.status()));
        let (tell, events) = sync_channel(MAX_EVENTS);
        let publish = Arc::clone(&status);
        let worker = Worker::spawn("ptp-yield", Urgency::Prompt, move |context| driver.run(context, &publish, &tell))?;
        Ok(Self { status, events, _worker: worker })
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> YieldStatus {
        **self.status.load()
    }

    /// The next event that has not been polled yet.
    #[must_use]
    pub fn poll_event(&self) -> Option<YieldEvent> {
        self.events.try_recv().ok()
    }
}

struct Driver {
    session: YieldSession,
    started: LocalTime,
    event: Socket,
    general: Socket,
    on_own_ports: bool,
    pending_timestamps: PendingTimestamps,
    echo: Option<Echo>,
    peer: Ipv4Addr,
    /// The source address of the echo requests.
    address: Ipv4Addr,
    faulty: bool,
}

impl Driver {
    fn new(interface: &Interface, config: YieldConfig, peer: Ipv4Addr, best: Timestamping) -> Result<Self> {
        let open = |class: MessageClass, port: u16| {
            let address = SocketAddrV4::new(interface.address, port);
            let transmit_timestamps = class == MessageClass::Event;
            // Cards recognise PTP by its port number.
            let by_card = transmit_timestamps && port == class.udp_port();
            let timestamps = if best == Timestamping::Hardware && !by_card { Timestamping::Kernel } else { best };
            let receive = SocketConfig::receive(interface.clone(), address, None);
            let follows_interface = true;
            Socket::open(SocketConfig {
                follows_interface,
                dscp: DSCP_EF,
                ttl: TTL,
                transmit_timestamps,
                timestamps,
                ..receive
            })
        };
        let both = |own: bool| {
            let port = |class: MessageClass| if own { class.udp_port() } else { 0 };
            let [event, general] = [MessageClass::Event, MessageClass::General].map(|class| open(class, port(class)));
            Ok::<_, Error>((event?, general?))
        };
        let (on_own_ports, (event, general)) = match both(true) {
            Err(Error::PortRefused { .. } | Error::PortBusy { .. }) => (false, both(false)?),
            other => (true, other?),
        };
        let started = clock::now();
        let session = YieldSession::new(config, started);
        let echo = Echo::open(interface, peer);
        let (pending_timestamps, address, faulty) = (PendingTimestamps::new(), interface.address, false);
        Ok(Self { session, started, event, general, on_own_ports, pending_timestamps, echo, peer, address, faulty })
    }

    fn run(&mut self, context: &Context, status: &ArcSwap<YieldStatus>, tell: &SyncSender<YieldEvent>) {
        let mut inbox = Inbox::new(LONGEST_MESSAGE);
        while !context.is_stopping() {
            let until = self.receive(&mut inbox);
            self.follow_interface();
            if let Some(round_trip) = self.echo.as_mut().and_then(Echo::drive) {
                self.session.handle_round_trip(round_trip);
            }
            if self.session.poll_timeout().is_some_and(|due| due <= until) {
                self.session.handle_timeout(until);
            }
            let now = clock::now();
            self.transmit();
            while let Some(event) = self.session.poll_event() {
                // This fails if nobody polls the events, or if the queue is full.
                let _ = tell.try_send(event);
            }
            status.store(Arc::new(self.status()));
            let sockets = [&self.event, &self.general].map(Socket::waitable).into_iter();
            let sockets: Vec<_> = sockets.chain(self.echo.as_ref().map(Echo::waitable)).collect();
            let echo = self.echo.as_ref().map(Echo::poll_timeout);
            context.wait(&sockets, [self.session.poll_timeout(), echo, Some(now + INTERVAL)]);
        }
    }

    /// Opens the echo socket again if the address of the interface has changed.
    fn follow_interface(&mut self) {
        let interface = self.event.interface();
        if interface.address != self.address {
            self.address = interface.address;
            self.echo = Echo::open(interface, self.peer);
        }
    }

    /// Handles one round of messages. The departure times of our own messages are handled first,
    /// because the answers to these messages may already have arrived. Returns the time up to which
    /// all arrivals have been handled.
    fn receive(&mut self, inbox: &mut Inbox) -> LocalTime {
        while let Some((number, at)) = self.event.poll_transmitted() {
            if let Some(token) = self.pending_timestamps.take(number) {
                self.session.handle_transmitted(token, at);
            }
        }
        let mut until = clock::now();
        for socket in [&mut self.event, &mut self.general] {
            // Socket errors are ignored, because they are temporary; the session counts refused
            // messages.
            let round = socket.receive(inbox, ROUND, |received, datagram| {
                let _ = self.session.handle_datagram(received.at, IpAddr::V4(*received.source.ip()), datagram);
            });
            until = until.min(round.until);
        }
        until
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            let Destination::Unicast(peer) = transmit.destination else { continue };
            let socket = match transmit.class {
                MessageClass::Event => &mut self.event,
                MessageClass::General => &mut self.general,
            };
            let before = clock::now();
            let sent = socket.send(&transmit.datagram, SocketAddr::new(peer, transmit.class.udp_port()));
            match (sent, transmit.timestamp) {
                (Ok(Some(number)), Some(token)) => {
                    self.pending_timestamps.push(number, token);
                }
                (Ok(None), Some(token)) => {
                    let took = clock::now() - before;
                    self.session.handle_transmitted(token, before + Nanos::new(took.as_nanos() / 2));
                }
                (Ok(_), None) => self.faulty = false,
                (Err(error), _) => {
                    // Only the first error is logged, because a receiver that is switched off may
                    // cause an error for each message.
                    if !std::mem::replace(&mut self.faulty, true) {
                        tracing::info!("sending PTP to {peer}: {error}");
                    }
                }
            }
        }
    }

    fn status(&self) -> YieldStatus {
        use engine::clock::ClockServo;
        let now = clock::now();
        YieldStatus {
            at: now,
            state: self.session.state(),
            outcome: self.session.sync_outcome(now, self.started + DEADLINE),
            receiver_time_ns: self.session.receiver_time_ns(now),
            uncertainty: self.session.uncertainty(now),
            round_trip: self.session.round_trip(),
            clock_identity: self.session.clock_identity(),
            clock: self.session.servo().reading(now),
            counters: *self.session.counters(),
            on_own_ports: self.on_own_ports,
        }
    }
}
