//! Receives streams.
//!
//! Model: a [thread](MediaListener) owns the control half of each of its streams and one socket per
//! leg. It passes every datagram to the control half, with the time at which the kernel received
//! it. The caller gets the audio half, from which its sound card pulls audio. The two halves share
//! only the engine's lock-free structures.

mod listener;

use crate::clock;
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::ptp::PtpClient;
use crate::timeline::Timeline;
use crate::worker::Scheduling;
use arc_swap::ArcSwap;
use engine::announce::sdp::{LegDescription, Obstacle, StreamDescription};
use engine::audio::{FusedRateController, RateController};
use engine::clock::ClockReading;
use engine::receive::{Datagram, Ingest, IngestError, IngestStats, Playout, PlayoutStats, StreamBuilder, StreamConfig};
use engine::{LocalTime, Nanos};
use listener::LONGEST_LATENCY;
pub use listener::{LegStatus, MediaListener, MediaSink};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// How often counts are published.
const INTERVAL: Nanos = Nanos::from_millis(50);

/// Packets may wait in the socket for this fraction of a stream's depth (one eighth).
const LATENCY_SHARE: i64 = 8;

/// Where one leg of a stream comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegConfig {
    /// The interface on which the leg is received.
    pub interface: Interface,
    /// The group, or our own address, and the port.
    pub destination: SocketAddrV4,
    /// The only sender that is accepted.
    pub source: Option<Ipv4Addr>,
}

impl LegConfig {
    /// The legs of a described stream: the first leg on the first interface, the second leg on the
    /// second interface. A single interface serves both.
    ///
    /// # Errors
    /// The same as [`LegConfig::check_description`].
    pub fn of(stream: &StreamDescription, interfaces: &[Interface]) -> Result<Vec<Self>> {
        let with_interfaces = stream.legs.iter().zip(interfaces.iter().chain(interfaces.last().into_iter().cycle()));
        let leg = |(leg, interface): (&LegDescription, &Interface)| {
            let (destination, source) = endpoint(leg)?;
            Ok(Self { interface: interface.clone(), destination, source })
        };
        with_interfaces.map(leg).collect()
    }

    /// Checks whether this host can receive a described stream, judging by its addresses. The check
    /// refuses the same streams as [`LegConfig::of`], but needs no interfaces.
    ///
    /// # Errors
    /// [`Error::Obstacle`] if nobody can receive a leg; [`Error::NotOurs`] if another host can.
    pub fn check_description(stream: &StreamDescription) -> Result<()> {
        stream.legs.iter().try_for_each(|leg| endpoint(leg).map(drop))
    }

    /// # Errors
    /// If the address is neither a group nor an address of this host, or nobody can send from the
    /// source.
    pub fn check(&self) -> Result<()> {
        if let Some(source) = self.source {
            Obstacle::check_sender(source.into())?;
        }
        check_address(*self.destination.ip())
    }
}

/// The destination of a leg, and its only sender.
fn endpoint(leg: &LegDescription) -> Result<(SocketAddrV4, Option<Ipv4Addr>)> {
    leg.check()?;
    let v4 = |address: IpAddr| match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(Error::Ipv6(address)),
    };
    let destination = SocketAddrV4::new(v4(leg.destination)?, leg.port);
    check_address(*destination.ip())?;
    Ok((destination, leg.source.map(v4).transpose()?))
}

fn check_address(address: Ipv4Addr) -> Result<()> {
    let is_ours = || Interface::all().is_ok_and(|all| all.iter().any(|interface| interface.address == address));
    if address.is_multicast() || is_ours() { Ok(()) } else { Err(Error::NotOurs(address)) }
}

/// The status of a receiver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceiverStatus {
    /// All datagrams that arrived until this time have been handled.
    pub at: LocalTime,
    /// The counters of the control half.
    pub ingest: IngestStats,
    /// The statistics of the audio half.
    pub playout: PlayoutStats,
    /// The status of the sockets, in the order of the legs.
    pub legs: Vec<LegStatus>,
    /// The last reason why a datagram was refused.
    pub last_refusal: Option<String>,
    /// When the last packet arrived.
    pub last_packet: Option<LocalTime>,
    /// Length of the last packet with its RTP header, bytes.
    pub last_length: usize,
    /// The reading of PTP time that was passed to the stream.
    pub clock: Option<ClockReading>,
}

/// The running control half of a receiver for one stream, which ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    listener: MediaListener,
    status: Arc<ArcSwap<ReceiverStatus>>,
}

impl Receiver {
    /// Starts to receive. Also returns the audio half, from which the sound card's callback must
    /// pull audio.
    ///
    /// # Errors
    /// If the configuration is out of range, or a socket is refused.
    pub fn start(
        config: StreamConfig,
        legs: &[LegConfig],
        ptp: Option<Arc<PtpClient>>,
    ) -> Result<(Self, Playout<FusedRateController>)> {
        Self::start_by(config, legs, ptp.map(Timeline::Ptp), FusedRateController::default())
    }

    /// Like [`Receiver::start`], with any timeline and any rate controller.
    ///
    /// # Errors
    /// The same as [`Receiver::start`].
    pub fn start_by<D: RateController>(
        config: StreamConfig,
        legs: &[LegConfig],
        timeline: Option<Timeline>,
        drift: D,
    ) -> Result<(Self, Playout<D>)> {
        let (ingest, playout) = StreamBuilder::new(config).rate_controller(drift).build()?;
        let depth = config.target_depth.as_nanos();
        let mut feed = IngestFeed {
            ingest,
            max_latency: Nanos::new(depth / LATENCY_SHARE).min(LONGEST_LATENCY),
            status: Arc::default(),
            last_refusal: None,
            last_packet: None,
            last_length: 0,
            published_at: None,
        };
        feed.publish(clock::now(), None, &[]);
        let status = Arc::clone(&feed.status);
        let listener = MediaListener::start(legs, timeline, feed)?;
        Ok((Self { listener, status }, playout))
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> Arc<ReceiverStatus> {
        self.status.load_full()
    }

    /// How the thread is scheduled.
    #[must_use]
    pub fn scheduling(&self) -> Scheduling {
        self.listener.scheduling()
    }
}

impl Default for ReceiverStatus {
    fn default() -> Self {
        Self {
            at: LocalTime::ZERO,
            ingest: IngestStats::default(),
            playout: PlayoutStats::default(),
            legs: Vec::new(),
            last_refusal: None,
            last_packet: None,
            last_length: 0,
            clock: None,
        }
    }
}

struct IngestFeed {
    ingest: Ingest,
    max_latency: Nanos,
    status: Arc<ArcSwap<ReceiverStatus>>,
    last_refusal: Option<String>,
    last_packet: Option<LocalTime>,
    last_length: usize,
    published_at: Option<LocalTime>,
}

impl IngestFeed {
    fn publish(&mut self, until: LocalTime, clock: Option<&ClockReading>, legs: &[LegStatus]) {
        self.published_at = Some(clock::now());
        self.status.store(Arc::new(ReceiverStatus {
            at: until,
            ingest: self.ingest.stats(),
            playout: self.ingest.playout_stats(),
            legs: legs.to_vec(),
            last_refusal: self.last_refusal.clone(),
            last_packet: self.last_packet,
            last_length: self.last_length,
            clock: clock.copied(),
        }));
    }
}

impl MediaSink for IngestFeed {
    fn handle_datagram(&mut self, datagram: Datagram<'_>) {
        let held_refused = self.ingest.stats_of_refusals().not_continuing;
        match self.ingest.handle(datagram) {
            Ok(()) => (self.last_packet, self.last_length) = (Some(datagram.at), datagram.bytes.len()),
            Err(refusal) if refusal.is_refusal() => self.last_refusal = Some(refusal.to_string()),
            Err(_) => {}
        }
        if self.ingest.stats_of_refusals().not_continuing != held_refused {
            self.last_refusal = Some(IngestError::NotContinuing.to_string());
        }
    }

    fn handle_idle(&mut self, until: LocalTime, clock: Option<&ClockReading>, legs: &[LegStatus]) {
        if let Some(reading) = clock {
            self.ingest.set_clock(reading);
        }
        if self.published_at.is_none_or(|at| clock::now() - at >= INTERVAL) {
            self.publish(until, clock, legs);
        }
    }

    fn max_latency(&self) -> Nanos {
        self.max_latency
    }
}
