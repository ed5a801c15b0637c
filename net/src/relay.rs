//! Receives a stream and sends it on.
//!
//! Model: one thread owns the engine's relay and the sockets of the input legs and the output legs.
//! It waits for datagrams, or until the next packet is due according to the reference of a PTP
//! client.

use crate::clock;
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::platform::Waitable;
use crate::ptp::PtpClient;
use crate::send::{Pace, SenderClock};
use crate::socket::{Inbox, LONGEST_DATAGRAM, Socket, SocketConfig, SocketStats};
use crate::stream::LegConfig;
use crate::worker::{Context, Scheduling, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::clock::ClockReading;
use engine::receive::{Datagram, IngestError, IngestStats, Leg};
use engine::relay::{Relay, RelayConfig, RelayStats};
use engine::send::{LatenessHistogram, SenderStats};
use engine::{Frames, LocalTime, Nanos};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// How often the clock is read and counts are published.
const INTERVAL: Nanos = Nanos::from_millis(50);
/// Maximum number of datagrams that are taken from one leg before packets are sent.
const ROUND: usize = 16;

/// The streams and interfaces of a relay.
#[derive(Clone, Debug)]
pub struct RelayStreams {
    /// The configuration of the engine's relay.
    pub config: RelayConfig,
    /// The legs of the input.
    pub input: Vec<LegConfig>,
    /// The interfaces of the output legs; a single one serves both.
    pub output: Vec<Interface>,
    /// TTL of output packets.
    pub ttl: u8,
    /// DSCP of output packets.
    pub dscp: u8,
}

/// The status of a relay.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayStatus {
    /// When the status was published.
    pub at: LocalTime,
    /// Counts of the input.
    pub ingest: IngestStats,
    /// Counts of the relay itself.
    pub relay: RelayStats,
    /// Counts of the output packets that were built.
    pub sender: SenderStats,
    /// Number of packets that left on at least one leg.
    pub packets: u64,
    /// Number of packets that left on no leg.
    pub failed_packets: u64,
    /// The last reason why a datagram could not be sent.
    pub last_failure: Option<String>,
    /// Lateness of packets when they were handed to the kernel.
    pub departures: LatenessHistogram,
    /// How much later a frame's media time is at the output than at the input.
    pub latency: Frames,
    /// The reading of the clock that determines the timestamps.
    pub reading: ClockReading,
    /// The sockets of the input, followed by those of the output.
    pub sockets: (Vec<SocketStats>, Vec<SocketStats>),
    /// The last reason why a datagram was refused.
    pub last_refusal: Option<String>,
}

/// A running relay. It ends when it is dropped.
#[derive(Debug)]
pub struct StreamRelay {
    worker: Worker,
    status: Arc<ArcSwap<RelayStatus>>,
    gains: Sender<(usize, f32)>,
}

impl StreamRelay {
    /// Starts the relay, which sends once PTP time is known.
    ///
    /// # Errors
    /// If the streams cannot be relayed as configured, or a socket is refused.
    pub fn start(streams: RelayStreams, ptp: Arc<PtpClient>) -> Result<Self> {
        let RelayStreams { config, input, output, ttl, dscp } = streams;
        let relay = Relay::new(config)?;
        let receive = |leg: &LegConfig| {
            leg.check()?;
            Socket::open(SocketConfig::receive(leg.interface.clone(), leg.destination, leg.source))
        };
        let inputs = input.iter().take(Leg::ALL.len()).map(receive).collect::<Result<_>>()?;
        let interfaces = output.iter().chain(output.last().into_iter().cycle());
        let legs = Leg::ALL.into_iter().filter_map(|leg| config.output.destination(leg));
        let send = |(to, interface): (std::net::SocketAddr, &Interface)| {
            if to.is_ipv6() {
                return Err(Error::Ipv6(to.ip()));
            }
            Socket::open(SocketConfig { ttl, dscp, ..SocketConfig::send(interface.clone()) })
        };
        let outputs = legs.zip(interfaces).map(send).collect::<Result<_>>()?;
        let (gains, changes) = channel();
        let mut driver = Driver {
            relay,
            inputs,
            outputs,
            pace: Pace::new(SenderClock::Ptp(ptp)),
            changes,
            departures: LatenessHistogram::default(),
            packets: 0,
            failed_packets: 0,
            last_failure: None,
            last_refusal: None,
            published_at: None,
            faulty: false,
            refused: [false; 2],
        };
        let status = Arc::new(ArcSwap::from_pointee(driver.status(clock::now())));
        let publish = Arc::clone(&status);
        let worker = Worker::spawn("relay", Urgency::Prompt, move |context| driver.run(context, &publish))?;
        Ok(Self { worker, status, gains })
    }

    /// Sets the gain of an output channel, as a factor, which is reached within about 60 ms.
    pub fn set_gain(&self, channel: usize, gain: f32) {
        // This cannot fail, because the thread ends only when `self` is dropped.
        let _ = self.gains.send((channel, gain));
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> Arc<RelayStatus> {
        self.status.load_full()
    }

    /// How the thread is scheduled.
    #[must_use]
    pub fn scheduling(&self) -> Scheduling {
        self.worker.scheduling()
    }
}

struct Driver {
    relay: Relay,
    inputs: Vec<Socket>,
    outputs: Vec<Socket>,
    pace: Pace,
    changes: Receiver<(usize, f32)>,
    departures: LatenessHistogram,
    packets: u64,
    failed_packets: u64,
    last_failure: Option<String>,
    last_refusal: Option<String>,
    published_at: Option<LocalTime>,
    faulty: bool,
    /// Whether each output leg refused its last packet, so that a refusal is reported only once.
    refused: [bool; 2],
}

impl Driver {
    fn run(&mut self, context: &Context, status: &ArcSwap<RelayStatus>) {
        let mut inbox = Inbox::new(LONGEST_DATAGRAM);
        while !context.is_stopping() {
            let relay = &mut self.relay;
            self.pace.advance(clock::now(), |now, reference| relay.set_clock(now, reference));
            let more = self.receive(&mut inbox);
            self.send(context);
            let now = clock::now();
            if self.published_at.is_none_or(|at| now - at >= INTERVAL) {
                self.published_at = Some(now);
                self.outputs.iter_mut().for_each(|socket| socket.attend(now));
                while let Ok((channel, gain)) = self.changes.try_recv() {
                    self.relay.set_gain(channel, gain);
                }
                status.store(Arc::new(self.status(now)));
            }
            if !more {
                let sockets: Vec<Waitable<'_>> = self.inputs.iter().map(Socket::waitable).collect();
                context.wait(&sockets, [self.relay.poll_timeout(), Some(now + INTERVAL)]);
            }
        }
    }

    /// Handles arrivals, at most one round for each leg. Returns whether there may be more.
    fn receive(&mut self, inbox: &mut Inbox) -> bool {
        let mut more = false;
        for (leg, socket) in Leg::ALL.into_iter().zip(&mut self.inputs) {
            let round = socket.receive(inbox, ROUND, |received, bytes| {
                let from = Some(IpAddr::V4(*received.source.ip()));
                let taken = self.relay.handle(Datagram { leg, at: received.at, from, bytes });
                if let Some(refusal) = taken.err().filter(IngestError::is_refusal) {
                    self.last_refusal = Some(refusal.to_string());
                }
            });
            more |= round.more;
            round.warn_once(&mut self.faulty);
        }
        more
    }

    fn send(&mut self, context: &Context) {
        while let Some(due) = self.relay.poll_timeout().filter(|&due| due <= clock::now()) {
            if context.is_stopping() {
                return;
            }
            let before = self.relay.sender_stats().packets;
            self.relay.handle_timeout(clock::now());
            let mut has_left = false;
            while let Some(transmit) = self.relay.poll_transmit() {
                let Some(socket) = self.outputs.get_mut(transmit.leg as usize) else { continue };
                let sent = socket.send(transmit.datagram, transmit.destination);
                has_left |= sent.is_ok();
                let was_refused = std::mem::replace(&mut self.refused[transmit.leg as usize], sent.is_err());
                if let Err(error) = &sent {
                    self.last_failure = Some(error.to_string());
                }
                match sent {
                    Ok(_) if was_refused => tracing::warn!("sending media works again on {}", socket.interface()),
                    Err(error) if !was_refused => {
                        tracing::warn!("sending media to {}: {error}", transmit.destination);
                    }
                    _ => {}
                }
            }
            let has_written = self.relay.sender_stats().packets > before;
            self.failed_packets += u64::from(has_written && !has_left);
            if has_written && has_left {
                self.packets += 1;
                self.departures.record(clock::now().since(due));
            }
        }
    }

    fn status(&self, now: LocalTime) -> RelayStatus {
        let stats = |sockets: &[Socket]| sockets.iter().map(Socket::stats).collect();
        RelayStatus {
            at: now,
            ingest: self.relay.ingest_stats(),
            relay: self.relay.stats(),
            sender: *self.relay.sender_stats(),
            packets: self.packets,
            failed_packets: self.failed_packets,
            last_failure: self.last_failure.clone(),
            departures: self.departures,
            latency: self.relay.latency(),
            reading: self.pace.reading().0,
            sockets: (stats(&self.inputs), stats(&self.outputs)),
            last_refusal: self.last_refusal.clone(),
        }
    }
}
