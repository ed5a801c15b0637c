//! The networks that carry the stream: one, or the two legs of SMPTE ST 2022-7.

use super::addresses::{SECOND_SENDER_ADDRESS, TALKER_ADDRESS};
use super::queue::Port;
use super::snooping::Snooping;
use crate::models::{NetworkPath, Passage, TrueTime};
use crate::scenario::{AudioChain, FaultKind, MediaLeg, Path, Surroundings};
use engine::Nanos;
use std::net::Ipv4Addr;

/// One network.
struct MediaPath {
    config: Path,
    port: Port,
    path: NetworkPath,
    /// Path of the second sender to the same group.
    second: NetworkPath,
    /// Path of forged packets.
    forged: NetworkPath,
}

impl MediaPath {
    fn new(config: &Path, port: Port, seed: u64, name: &str) -> Self {
        let path = |name: &str| NetworkPath::new(config.clone(), seed, name);
        let [second, forged] = ["second", "forged"].map(|of| path(&format!("{name}/{of}")));
        Self { config: config.clone(), port, path: path(name), second, forged }
    }

    fn is(&self, leg: MediaLeg) -> bool {
        self.port == if leg == MediaLeg::A { Port::Media } else { Port::MediaB }
    }
}

/// A datagram in transit.
pub(super) struct Delivery {
    pub(super) port: Port,
    pub(super) source: Ipv4Addr,
    pub(super) arrival: TrueTime,
    pub(super) datagram: Vec<u8>,
    /// Whether it is from the talker, and not a copy.
    pub(super) own: bool,
    /// Whether it waits for earlier datagrams.
    pub(super) in_order: bool,
}

/// All networks of the stream.
pub(super) struct Legs {
    paths: Vec<MediaPath>,
    /// The switch between the networks and the host.
    snooping: Snooping,
    lost: u64,
}

impl Legs {
    pub(super) fn new(chain: &AudioChain<'_>, around: &Surroundings<'_>, seed: u64) -> Self {
        let a = MediaPath::new(chain.media, Port::Media, seed, &around.media_stream("network/media"));
        let b = chain.media_b.map(|path| MediaPath::new(path, Port::MediaB, seed, "network/media_b"));
        let snooping = Snooping::new(around.membership);
        Self { paths: [a].into_iter().chain(b).collect(), snooping, lost: 0 }
    }

    /// Sends a packet of the talker on all legs.
    pub(super) fn send(&mut self, now: TrueTime, mut datagram: Vec<u8>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(2 * self.paths.len());
        let forwarded = self.snooping.forwards(now);
        let last = self.paths.len() - 1;
        for (index, leg) in self.paths.iter_mut().enumerate() {
            let mut carried = if index == last { std::mem::take(&mut datagram) } else { datagram.clone() };
            let Passage { arrivals, in_order } = leg.path.carry(now, &mut carried);
            let [first, copy] = arrivals.map(|arrival| arrival.filter(|_| forwarded));
            let copy = copy.map(|arrival| (arrival, carried.clone(), false));
            for (arrival, datagram, own) in first.map(|arrival| (arrival, carried, true)).into_iter().chain(copy) {
                let (port, in_order) = (leg.port, own && in_order);
                deliveries.push(Delivery { port, source: TALKER_ADDRESS, arrival, datagram, own, in_order });
            }
        }
        self.lost += u64::from(deliveries.is_empty());
        deliveries
    }

    /// Sends a packet of the second sender to the same group, which uses one network only.
    pub(super) fn send_second(&mut self, now: TrueTime, datagram: &[u8]) -> Vec<Delivery> {
        let forwarded = self.snooping.forwards(now);
        let leg = &mut self.paths[0];
        let arrivals = if forwarded { carried(&mut leg.second, now, datagram) } else { Vec::new() };
        deliveries(leg.port, SECOND_SENDER_ADDRESS, arrivals)
    }

    /// Sends a forged packet, which also uses one network only.
    pub(super) fn send_forged(&mut self, now: TrueTime, source: Ipv4Addr, datagram: &[u8]) -> Vec<Delivery> {
        let forwarded = self.snooping.forwards(now);
        let leg = &mut self.paths[0];
        let arrivals = if forwarded { carried(&mut leg.forged, now, datagram) } else { Vec::new() };
        deliveries(leg.port, source, arrivals)
    }

    /// Begins or ends a fault.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) {
        self.snooping.fault(now, what, begins);
        for leg in &mut self.paths {
            match *what {
                FaultKind::MediaRateLimit(limit) => {
                    leg.path.set_rate_limit(if begins { Some(limit) } else { leg.config.rate_limit });
                }
                FaultKind::MediaDuplicated(every) => leg.path.set_every_nth_copied(begins.then_some(every)),
                FaultKind::MediaStall(stall) => {
                    let stall = if begins { Some(stall) } else { leg.config.stall };
                    leg.path.set_stall(now, stall);
                }
                FaultKind::MediaDelayMs(longer) => {
                    leg.path.set_extra_delay(if begins { longer.nanos() } else { Nanos::ZERO });
                }
                FaultKind::MediaJitter(jitter) => leg.path.set_jitter(if begins { jitter } else { leg.config.jitter }),
                FaultKind::NetworkLost => {
                    leg.path.set_cut(begins);
                    leg.forged.set_cut(begins);
                }
                FaultKind::MediaLost => leg.path.set_cut(begins),
                FaultKind::LegLost(lost) if leg.is(lost) => leg.path.set_cut(begins),
                _ => {}
            }
        }
    }

    /// Delay, on the first network, of a packet that leaves now and meets no queue.
    pub(super) fn min_delay(&self) -> Nanos {
        self.paths[0].path.min_delay() + self.paths[0].path.extra_delay()
    }

    /// Takes the number of packets that were lost on all legs since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// The arrivals of a datagram of another sender and of its copy, each with the bytes as they
/// arrive.
fn carried(path: &mut NetworkPath, now: TrueTime, datagram: &[u8]) -> Vec<(TrueTime, Vec<u8>)> {
    let mut datagram = datagram.to_vec();
    let arrivals = path.carry(now, &mut datagram).arrivals;
    arrivals.into_iter().flatten().map(|arrival| (arrival, datagram.clone())).collect()
}

fn deliveries(port: Port, source: Ipv4Addr, arrivals: Vec<(TrueTime, Vec<u8>)>) -> Vec<Delivery> {
    let delivery = |(arrival, datagram)| Delivery { port, source, arrival, datagram, own: false, in_order: false };
    arrivals.into_iter().map(delivery).collect()
}
