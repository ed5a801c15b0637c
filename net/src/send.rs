//! Sends streams.
//!
//! Model: one thread sends any number of streams. It sleeps until the next packet of any stream is
//! due according to the clock, builds all packets that are due, and hands them to the kernel with
//! one call per socket. Streams with the same interface, TTL and DSCP share a socket. The clock is
//! the reference of a PTP client, or a reference that follows the system's clock.
//!
//! Packets are late because the thread is woken late, and because building them and handing them
//! over takes time; [`StreamStatus::departures`] includes both.

use crate::clock::{self, SystemReader};
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::livewire_clock::LivewireClient;
use crate::platform::sleep;
use crate::ptp::PtpClient;
use crate::socket::{DSCP_AF41, Socket, SocketConfig};
use crate::worker::{Context, Scheduling, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::clock::{ClockMode, ClockReading, Reference, ReferenceConfig, Sources, SystemReport};
use engine::receive::Leg;
use engine::send::{LatenessHistogram, Sender, SenderConfig, SenderStats, Source};
use engine::{Frames, LocalTime, Nanos};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

/// How often the clock is read and counts are published.
const INTERVAL: Nanos = Nanos::from_millis(50);
/// How often the system clock is read.
const SYSTEM_INTERVAL: Nanos = Nanos::from_millis(100);
/// If nobody disciplines the system clock for this long, the stream follows the host's crystal
/// instead.
const SYSTEM_FALLBACK: Nanos = Nanos::from_secs(2);

/// The clock that paces senders.
#[derive(Clone, Debug)]
pub enum SenderClock {
    /// A PTP client.
    Ptp(Arc<PtpClient>),
    /// The Livewire clock, whose time determines the timestamps.
    Livewire(Arc<LivewireClient>),
    /// The system clock while it is disciplined, otherwise the host's crystal.
    System,
}

/// A stream to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing<S> {
    /// Format and destinations.
    pub config: SenderConfig,
    /// TTL of the packets.
    pub ttl: u8,
    /// DSCP of the packets.
    pub dscp: u8,
    /// The UDP source port of the packets; 0 for any.
    pub source_port: u16,
    /// The source of the audio.
    pub source: S,
}

impl<S> Outgoing<S> {
    /// Creates a stream with the usual DSCP and TTL.
    pub const fn new(config: SenderConfig, source: S) -> Self {
        Self { config, ttl: 32, dscp: DSCP_AF41, source_port: 0, source }
    }
}

/// The status of one stream.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamStatus {
    /// The engine's counters.
    pub sender: SenderStats,
    /// Media position of the next packet.
    pub position: Frames,
    /// Lateness of packets when they were handed to the kernel.
    pub departures: LatenessHistogram,
    /// Number of packets that were late by more than their own duration. Receivers with a small
    /// latency miss these packets.
    pub late_packets: u64,
    /// Number of packets that left on at least one leg.
    pub packets: u64,
    /// Number of packets that left on no leg.
    pub failed_packets: u64,
    /// Number of datagrams that the kernel accepted.
    pub sent: u64,
    /// Number of datagrams that the kernel refused.
    pub send_errors: u64,
}

/// The status of senders.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SenderStatus {
    /// When the status was published.
    pub at: LocalTime,
    /// The status of each stream, in the order given at the start.
    pub streams: Vec<StreamStatus>,
    /// The last reason why a datagram was refused.
    pub last_refusal: Option<String>,
    /// The reading of the clock that determines the timestamps.
    pub reading: ClockReading,
    /// The clock that is followed at the moment.
    pub source: ClockMode,
    /// Whether the system clock is usable, if it was requested.
    pub system: Option<SystemReport>,
}

/// The running senders, which end when this is dropped.
#[derive(Debug)]
pub struct StreamSender {
    worker: Worker,
    status: Arc<ArcSwap<SenderStatus>>,
}

impl StreamSender {
    /// Starts to send. The first leg uses the first interface, and the second leg the second
    /// interface, if there is one. Packets leave once the time is known.
    ///
    /// # Errors
    /// If a stream cannot be sent as configured, or a socket is refused.
    pub fn start<S: Source + Send + 'static>(
        streams: Vec<Outgoing<S>>,
        interfaces: &[Interface],
        clock: SenderClock,
    ) -> Result<Self> {
        let mut sockets = Sockets { open: Vec::new(), interfaces };
        let streams = streams.into_iter().map(|stream| Stream::new(stream, &mut sockets)).collect::<Result<_>>()?;
        let sockets: Vec<Socket> = sockets.open.into_iter().map(|open| open.socket).collect();
        let faulty = vec![false; sockets.len()];
        let pace = Pace::new(clock);
        let mut driver = Driver { streams, sockets, pace, published_at: None, faulty, last_refusal: None };
        let status = Arc::new(ArcSwap::from_pointee(driver.status(clock::now())));
        let publish = Arc::clone(&status);
        let worker = Worker::spawn("send", Urgency::Prompt, move |context| driver.run(context, &publish))?;
        Ok(Self { worker, status })
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> Arc<SenderStatus> {
        self.status.load_full()
    }

    /// How the thread is scheduled.
    #[must_use]
    pub fn scheduling(&self) -> Scheduling {
        self.worker.scheduling()
    }

    /// Ends the streams. Returns the final status.
    #[must_use]
    pub fn finish(self) -> Arc<SenderStatus> {
        let Self { worker, status } = self;
        drop(worker);
        status.load_full()
    }
}

/// Opens sockets, each of which serves all streams that can share it.
struct Sockets<'a> {
    open: Vec<OpenSocket>,
    interfaces: &'a [Interface],
}

struct OpenSocket {
    leg: usize,
    shared: Shared,
    socket: Socket,
}

/// The properties in which streams must agree to share a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shared {
    ttl: u8,
    dscp: u8,
    source_port: u16,
}

impl Sockets<'_> {
    /// Returns the index of a socket for a leg, and opens it if necessary.
    fn get(&mut self, leg: Leg, shared: Shared) -> Result<usize> {
        let leg = leg as usize;
        let found = self.open.iter().position(|open| (open.leg, open.shared) == (leg, shared));
        if let Some(found) = found {
            return Ok(found);
        }
        let Some(interface) = self.interfaces.get(leg).or(self.interfaces.last()) else {
            return Err(crate::interface::InterfaceError::None.into());
        };
        let Shared { ttl, dscp, source_port } = shared;
        let plain = SocketConfig::send(interface.clone());
        // Streams with another TTL or DSCP have a separate socket on the same port.
        let bind = SocketAddrV4::new(*plain.bind.ip(), source_port);
        let socket = Socket::open(SocketConfig { ttl, dscp, bind, share_port: source_port != 0, ..plain })?;
        self.open.push(OpenSocket { leg, shared, socket });
        Ok(self.open.len() - 1)
    }
}

struct Stream<S> {
    sender: Sender,
    source: S,
    /// The index of each leg's socket.
    sockets: [usize; 2],
    packet: Nanos,
    /// When the packet that is being sent was due.
    due: Option<LocalTime>,
    departures: LatenessHistogram,
    late_packets: u64,
    packets: u64,
    failed_packets: u64,
    sent: u64,
    send_errors: u64,
    /// The value of `sent` before the packet that is being sent.
    sent_before: u64,
}

impl<S: Source> Stream<S> {
    fn new(outgoing: Outgoing<S>, open: &mut Sockets<'_>) -> Result<Self> {
        let Outgoing { config, ttl, dscp, source_port, source } = outgoing;
        let sender = Sender::new(config)?;
        let mut sockets = [0; 2];
        for leg in Leg::ALL {
            let Some(destination) = config.destination(leg) else { continue };
            if let IpAddr::V6(v6) = destination.ip() {
                return Err(Error::Ipv6(v6.into()));
            }
            sockets[leg as usize] = open.get(leg, Shared { ttl, dscp, source_port })?;
        }
        let packet = config.sample_rate().duration(Frames::new(config.packet_frames()? as i64));
        Ok(Self {
            sender,
            source,
            sockets,
            packet,
            due: None,
            departures: LatenessHistogram::default(),
            late_packets: 0,
            packets: 0,
            failed_packets: 0,
            sent: 0,
            send_errors: 0,
            sent_before: 0,
        })
    }

    /// Writes a packet if one is due. Returns whether a packet was written.
    fn write(&mut self, now: LocalTime) -> bool {
        self.due = self.sender.poll_timeout().filter(|&due| due <= now);
        self.sent_before = self.sent;
        let before = self.sender.stats().packets;
        if self.due.is_some() {
            self.sender.handle_timeout(now, &mut self.source);
        }
        // The packet that was due may have been skipped because it was too late, while the next one
        // is not due yet.
        if self.sender.stats().packets == before {
            self.due = None;
        }
        self.due.is_some()
    }

    /// Records that the packet left at `now`, or was refused.
    fn departed(&mut self, now: LocalTime) {
        let Some(due) = self.due.take() else { return };
        if self.sent == self.sent_before {
            self.failed_packets += 1;
            return;
        }
        self.packets += 1;
        self.departures.record(now.since(due));
        self.late_packets += u64::from(now.since(due) > self.packet);
    }

    fn status(&self) -> StreamStatus {
        StreamStatus {
            sender: *self.sender.stats(),
            position: self.sender.position(),
            departures: self.departures,
            late_packets: self.late_packets,
            packets: self.packets,
            failed_packets: self.failed_packets,
            sent: self.sent,
            send_errors: self.send_errors,
        }
    }
}

/// The clock in use.
pub(crate) enum Pace {
    Ptp { client: Arc<PtpClient>, seen: Option<LocalTime> },
    Livewire { client: Arc<LivewireClient>, seen: Option<LocalTime> },
    System { reader: Box<SystemReader>, reference: Box<Reference>, read_at: Option<LocalTime> },
}

impl Pace {
    pub(crate) fn new(clock: SenderClock) -> Self {
        match clock {
            SenderClock::Ptp(client) => Self::Ptp { client, seen: None },
            SenderClock::Livewire(client) => Self::Livewire { client, seen: None },
            SenderClock::System => {
                let config = ReferenceConfig { mode: ClockMode::System, fallback_after: Some(SYSTEM_FALLBACK) };
                let reference = Box::new(Reference::new(config));
                Self::System { reader: Box::new(SystemReader::new()), reference, read_at: None }
            }
        }
    }

    /// Advances the clock to `now`, and passes its reference to `tell` if it has changed.
    pub(crate) fn advance(&mut self, now: LocalTime, mut tell: impl FnMut(LocalTime, &Reference)) {
        match self {
            Self::Ptp { client, seen } => {
                let status = client.status();
                if *seen != Some(status.at) {
                    *seen = Some(status.at);
                    tell(now, &status.reference);
                }
            }
            Self::Livewire { client, seen } => {
                let status = client.status();
                if *seen != Some(status.at) {
                    *seen = Some(status.at);
                    tell(now, &status.reference);
                }
            }
            Self::System { reader, reference, read_at } => {
                if read_at.is_some_and(|at| now - at < SYSTEM_INTERVAL) {
                    return;
                }
                *read_at = Some(now);
                reader.read();
                let now = clock::now();
                let system = Some(reader.clock().reading(now));
                reference.advance(now, &Sources { system, ..Sources::default() });
                tell(now, reference);
            }
        }
    }

    pub(crate) fn reading(&self) -> (ClockReading, ClockMode, Option<SystemReport>) {
        match self {
            Self::Ptp { client, .. } => {
                let status = client.status();
                (status.reference.reading(), status.reference.source(), None)
            }
            Self::Livewire { client, .. } => {
                let status = client.status();
                (status.reference.reading(), status.reference.source(), None)
            }
            Self::System { reader, reference, .. } => {
                (reference.reading(), reference.source(), Some(reader.clock().report()))
            }
        }
    }
}

struct Driver<S> {
    streams: Vec<Stream<S>>,
    sockets: Vec<Socket>,
    pace: Pace,
    published_at: Option<LocalTime>,
    /// Whether each socket refused its last datagrams, so that a refusal is reported only once.
    faulty: Vec<bool>,
    last_refusal: Option<String>,
}

impl<S: Source> Driver<S> {
    fn run(&mut self, context: &Context, status: &ArcSwap<SenderStatus>) {
        while !context.is_stopping() {
            let now = clock::now();
            let streams = &mut self.streams;
            self.pace.advance(now, |now, reference| {
                for stream in streams.iter_mut() {
                    stream.sender.set_clock(now, reference);
                    if let Some(timeline) = reference.timeline() {
                        stream.source.set_timeline(timeline);
                    }
                }
            });
            // Packets that were built are always sent, because they may be the end of a file.
            while !context.is_stopping() && self.write_due() {
                self.transmit();
            }
            if self.published_at.is_none_or(|at| now - at >= INTERVAL) {
                self.published_at = Some(now);
                self.sockets.iter_mut().for_each(|socket| socket.attend(now));
                status.store(Arc::new(self.status(now)));
            }
            let due = self.streams.iter().filter_map(|stream| stream.sender.poll_timeout()).min();
            sleep::until(due.unwrap_or(LocalTime::from_nanos(i64::MAX)).min(now + INTERVAL));
        }
        // Publish the final counts.
        status.store(Arc::new(self.status(clock::now())));
    }

    /// Builds the packets that are due, at most one for each stream. Returns whether any were due.
    fn write_due(&mut self) -> bool {
        let now = clock::now();
        self.streams.iter_mut().fold(false, |any, stream| stream.write(now) | any)
    }

    /// Sends the packets: first those of all streams on the first leg, then those on the second
    /// leg.
    fn transmit(&mut self) {
        for leg in Leg::ALL {
            let mut waiting: Vec<Waiting<'_>> = Vec::with_capacity(self.streams.len());
            for stream in &mut self.streams {
                let socket = stream.sockets[leg as usize];
                let counts = (&mut stream.sent, &mut stream.send_errors);
                let Some(transmit) = stream.sender.poll_transmit() else { continue };
                let SocketAddr::V4(to) = transmit.destination else { continue };
                waiting.push(Waiting { socket, datagram: (transmit.datagram, to), counts });
            }
            // Packets for one socket are usually adjacent already.
            waiting.sort_by_key(|waiting| waiting.socket);
            for group in waiting.chunk_by_mut(|a, b| a.socket == b.socket) {
                if let Some(refusal) = send_group(&mut self.sockets, group, &mut self.faulty) {
                    self.last_refusal = Some(refusal);
                }
            }
        }
        let now = clock::now();
        self.streams.iter_mut().for_each(|stream| stream.departed(now));
    }

    fn status(&self, now: LocalTime) -> SenderStatus {
        let (reading, source, system) = self.pace.reading();
        let streams = self.streams.iter().map(Stream::status).collect();
        SenderStatus { at: now, streams, last_refusal: self.last_refusal.clone(), reading, source, system }
    }
}

/// A packet for one leg, and the counters for its result.
struct Waiting<'a> {
    socket: usize,
    datagram: (&'a [u8], SocketAddrV4),
    counts: (&'a mut u64, &'a mut u64),
}

/// Sends the packets that wait for one socket. Logs when sending begins to fail and when it works
/// again. If a datagram was refused, returns the reason.
fn send_group(sockets: &mut [Socket], group: &mut [Waiting<'_>], faulty: &mut [bool]) -> Option<String> {
    let number = group.first().map(|first| first.socket)?;
    let (socket, faulty) = (sockets.get_mut(number)?, faulty.get_mut(number)?);
    let datagrams: Vec<(&[u8], SocketAddrV4)> = group.iter().map(|waiting| waiting.datagram).collect();
    let refused = socket.send_all(&datagrams);
    for (waiting, refusal) in group.iter_mut().zip(&refused) {
        match refusal {
            None => *waiting.counts.0 += 1,
            Some(_) => *waiting.counts.1 += 1,
        }
    }
    let first = group.iter().zip(refused).find_map(|(waiting, refusal)| Some((waiting.datagram.1, refusal?)));
    match &first {
        Some((to, error)) if !std::mem::replace(faulty, true) => tracing::warn!("sending media to {to}: {error}"),
        None if std::mem::replace(faulty, false) => {
            tracing::warn!("sending media works again on {}", socket.interface());
        }
        _ => {}
    }
    first.map(|(_, error)| error.to_string())
}
