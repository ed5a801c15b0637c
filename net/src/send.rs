//! Sending a stream.
//!
//! Model: a thread waits for the time at which the next packet is due by the clock, writes it and sends it by each leg. Its clock is the reference of a PTP client, or
//! one of its own that follows the system's clock.

use crate::clock::{self, SystemReader};
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::ptp::PtpClient;
use crate::socket::{Socket, SocketConfig, SocketStats};
use crate::worker::{Context, Scheduling, Worker};
use arc_swap::ArcSwap;
use engine::clock::{ClockMode, ClockReading, Reference, ReferenceConfig, Sources, SystemReport};
use engine::receive::Leg;
use engine::send::{Sender, SenderConfig, SenderStats, Source};
use engine::{Frames, LocalTime, Nanos};
use std::net::IpAddr;
use std::sync::Arc;

/// How often the clock is looked at, and counts are published.
const INTERVAL: Nanos = Nanos::from_millis(50);
/// A system clock that nobody disciplines is given up after this long, and the stream goes by the host's crystal.
const SYSTEM_FALLBACK: Nanos = Nanos::from_secs(2);

/// What a sender is paced by.
#[derive(Clone, Debug)]
pub enum SenderClock {
    /// A PTP client.
    Ptp(Arc<PtpClient>),
    /// The system's clock, as long as somebody disciplines it; else the host's crystal.
    System,
}

/// What a sender has done.
#[derive(Clone, Copy, Debug)]
pub struct SenderStatus {
    /// When it was published.
    pub at: LocalTime,
    /// The engine's counts.
    pub sender: SenderStats,
    /// The sockets', in the order of the legs.
    pub sockets: [SocketStats; 2],
    /// Media position of the next packet.
    pub position: Frames,
    /// What timestamps refer to.
    pub reading: Option<ClockReading>,
    /// The clock that is followed at the moment.
    pub source: ClockMode,
    /// How far the system's clock is of use, if it was asked for.
    pub system: Option<SystemReport>,
}

/// A stream that is sent; ends when it is dropped.
#[derive(Debug)]
pub struct StreamSender {
    worker: Worker,
    status: Arc<ArcSwap<SenderStatus>>,
}

impl StreamSender {
    /// Starts to send, by the first interface and, with a second leg, by the second one if there is one. Packets leave once the time is known.
    ///
    /// # Errors
    /// If the stream cannot be sent as configured, or a socket is refused.
    pub fn start(
        config: SenderConfig,
        ttl: u8,
        interfaces: &[Interface],
        clock: SenderClock,
        source: impl Source + Send + 'static,
    ) -> Result<Self> {
        let sender = Sender::new(config)?;
        let destinations: Vec<IpAddr> =
            Leg::ALL.into_iter().filter_map(|leg| config.destination(leg)).map(|to| to.ip()).collect();
        if let Some(&v6) = destinations.iter().find(|address| address.is_ipv6()) {
            return Err(Error::Ipv6(v6));
        }
        let by = interfaces.iter().chain(interfaces.last().into_iter().cycle());
        let open = |(_, interface): (&IpAddr, &Interface)| {
            Socket::open(SocketConfig { ttl, ..SocketConfig::send(interface.clone()) })
        };
        let sockets: Vec<Socket> = destinations.iter().zip(by).map(open).collect::<Result<_>>()?;
        let mut driver = Driver { sender, sockets, pace: Pace::new(clock), published_at: None, faulty: false };
        let status = Arc::new(ArcSwap::from_pointee(driver.status(clock::now())));
        let publish = Arc::clone(&status);
        let worker = Worker::spawn("send", true, move |context| driver.run(context, &publish, source))?;
        Ok(Self { worker, status })
    }

    /// What was done so far.
    #[must_use]
    pub fn status(&self) -> Arc<SenderStatus> {
        self.status.load_full()
    }

    /// How the thread is scheduled.
    #[must_use]
    pub fn scheduling(&self) -> Scheduling {
        self.worker.scheduling()
    }
}

enum Pace {
    Ptp { client: Arc<PtpClient>, seen: Option<LocalTime> },
    System { reader: Box<SystemReader>, reference: Box<Reference>, read_at: Option<LocalTime> },
}

impl Pace {
    fn new(clock: SenderClock) -> Self {
        match clock {
            SenderClock::Ptp(client) => Self::Ptp { client, seen: None },
            SenderClock::System => {
                let config = ReferenceConfig { mode: ClockMode::System, fallback_after: Some(SYSTEM_FALLBACK) };
                let reference = Box::new(Reference::new(config));
                Self::System { reader: Box::new(SystemReader::new()), reference, read_at: None }
            }
        }
    }

    /// Tells the sender what is new.
    fn advance(&mut self, now: LocalTime, sender: &mut Sender) {
        match self {
            Self::Ptp { client, seen } => {
                let status = client.status();
                if *seen != Some(status.at) {
                    *seen = Some(status.at);
                    sender.set_clock(now, &status.reference);
                }
            }
            Self::System { reader, reference, read_at } => {
                if read_at.is_some_and(|at| now - at < INTERVAL.times(2)) {
                    return;
                }
                *read_at = Some(now);
                reader.read();
                let now = clock::now();
                let system = Some(reader.clock().reading(now));
                reference.advance(now, &Sources { system, ..Sources::default() });
                sender.set_clock(now, reference);
            }
        }
    }
}

struct Driver {
    sender: Sender,
    sockets: Vec<Socket>,
    pace: Pace,
    published_at: Option<LocalTime>,
    faulty: bool,
}

impl Driver {
    fn run(&mut self, context: &Context, status: &ArcSwap<SenderStatus>, mut source: impl Source) {
        while !context.is_stopping() {
            let now = clock::now();
            self.pace.advance(now, &mut self.sender);
            while self.sender.poll_timeout().is_some_and(|due| due <= clock::now()) && !context.is_stopping() {
                self.sender.handle_timeout(clock::now(), &mut source);
                self.transmit();
            }
            if self.published_at.is_none_or(|at| now - at >= INTERVAL) {
                self.published_at = Some(now);
                status.store(Arc::new(self.status(now)));
            }
            context.wait(&[], [self.sender.poll_timeout(), Some(now + INTERVAL)]);
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.sender.poll_transmit() {
            let Some(socket) = self.sockets.get_mut(transmit.leg as usize) else { continue };
            match socket.send(transmit.datagram, transmit.destination) {
                Ok(_) => self.faulty = false,
                Err(error) if !self.faulty => {
                    self.faulty = true;
                    tracing::warn!("sending media: {error}");
                }
                Err(_) => {}
            }
        }
    }

    fn status(&self, now: LocalTime) -> SenderStatus {
        let (reading, source, system) = match &self.pace {
            Pace::Ptp { client, .. } => {
                let status = client.status();
                (status.reference.reading(), status.reference.source(), None)
            }
            Pace::System { reader, reference, .. } => {
                (reference.reading(), reference.source(), Some(reader.clock().report()))
            }
        };
        let mut sockets = [SocketStats::default(); 2];
        for (stats, socket) in sockets.iter_mut().zip(&self.sockets) {
            *stats = socket.stats();
        }
        let sender = *self.sender.stats();
        SenderStatus {
            at: now,
            sender,
            sockets,
            position: self.sender.position(),
            reading: Some(reading),
            source,
            system,
        }
    }
}
