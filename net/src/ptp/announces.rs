//! Lists the PTP masters in all domains, for display.

use super::GROUP;
use super::LONGEST_MESSAGE;
use crate::error::Result;
use crate::interface::Interface;
use crate::socket::{Inbox, ROUND, Received, Socket, SocketConfig};
use crate::worker::{Context, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::ptp::MessageClass;
use engine::ptp::wire::{Announce, Body, Message, PortIdentity};
use engine::{LocalTime, Nanos};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// Maximum number of masters, which is more than any network has; further masters are ignored.
const MAX_MASTERS: usize = 256;
/// A master that has not announced itself for this long counts as gone: three times the longest
/// usual interval of 2 s.
const SILENCE: Nanos = Nanos::from_secs(6);

/// A port that announces itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeardMaster {
    /// Its domain.
    pub domain: u8,
    /// The port.
    pub port: PortIdentity,
    /// Its address.
    pub from: Ipv4Addr,
    /// Its last Announce.
    pub announce: Announce,
    /// When this Announce arrived.
    pub heard_at: LocalTime,
}

type Heard = BTreeMap<(u8, [u8; 8], u16), HeardMaster>;

/// Listens for Announces in all domains. Ends when it is dropped.
#[derive(Debug)]
pub struct AnnounceListener {
    heard: Arc<ArcSwap<Heard>>,
    _worker: Worker,
}

impl AnnounceListener {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the port is refused.
    pub fn start(interface: &Interface) -> Result<Self> {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, MessageClass::General.udp_port());
        let receive = SocketConfig::receive(interface.clone(), any, None);
        let socket = Socket::open(SocketConfig { groups: vec![GROUP], ..receive })?;
        let heard = Arc::new(ArcSwap::default());
        let publish = Arc::clone(&heard);
        let worker = Worker::spawn("announces", Urgency::Normal, move |context| listen(context, socket, &publish))?;
        Ok(Self { heard, _worker: worker })
    }

    /// The masters that announce themselves, ordered by domain.
    #[must_use]
    pub fn masters(&self) -> Vec<HeardMaster> {
        self.heard.load().values().copied().collect()
    }
}

fn listen(context: &Context, mut socket: Socket, publish: &ArcSwap<Heard>) {
    let mut heard = Heard::new();
    let mut inbox = Inbox::new(LONGEST_MESSAGE);
    while !context.is_stopping() {
        let before = heard.len();
        // Socket errors are ignored, because they are temporary, and Announces are repeated.
        let round = socket.receive(&mut inbox, ROUND, |received, datagram| note(&mut heard, received, datagram));
        forget_silent(&mut heard, round.until);
        if round.taken > 0 || heard.len() != before {
            publish.store(Arc::new(heard.clone()));
        }
        context.wait(&[socket.waitable()], [None]);
    }
}

fn forget_silent(heard: &mut Heard, now: LocalTime) {
    heard.retain(|_, master| now - master.heard_at < SILENCE);
}

fn note(heard: &mut Heard, received: Received, datagram: &[u8]) {
    let Ok(message) = Message::parse(datagram) else { return };
    let Body::Announce(announce) = message.body else { return };
    let (domain, port) = (message.header.domain_number, message.header.source_port_identity);
    let key = (domain, port.clock_identity.0, port.port_number);
    if heard.len() < MAX_MASTERS || heard.contains_key(&key) {
        let from = *received.source.ip();
        heard.insert(key, HeardMaster { domain, port, from, announce, heard_at: received.at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ptp::wire::{ClockIdentity, Header, Tlvs};

    /// Receives an Announce of the clock with this number at this second.
    fn hear(heard: &mut Heard, clock: u64, priority: u8, at_s: i64) {
        let port = PortIdentity { clock_identity: ClockIdentity(clock.to_be_bytes()), port_number: 1 };
        let header = Header { domain_number: 7, source_port_identity: port, ..Header::default() };
        let body = Body::Announce(Announce { grandmaster_priority_1: priority, ..Announce::default() });
        let mut datagram = [0; 64];
        let length = Message { header, body, tlvs: Tlvs::default() }.emit(&mut datagram).unwrap();
        let source = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 320);
        let received = Received { source, at: LocalTime::ZERO + Nanos::from_secs(at_s) };
        note(heard, received, &datagram[..length]);
    }

    #[test]
    fn a_master_is_known_by_its_port_and_forgotten_when_it_is_silent() {
        let mut heard = Heard::new();
        hear(&mut heard, 1, 128, 0);
        hear(&mut heard, 2, 128, 3);
        hear(&mut heard, 2, 50, 4);
        let priorities = |heard: &Heard| -> Vec<u8> {
            heard.values().map(|master| master.announce.grandmaster_priority_1).collect()
        };
        assert_eq!(priorities(&heard), [128, 50]);
        forget_silent(&mut heard, LocalTime::ZERO + Nanos::from_secs(7));
        assert_eq!(priorities(&heard), [50]);
        assert_eq!(heard.values().next().unwrap().domain, 7);
    }

    #[test]
    fn a_flood_of_masters_is_bounded_and_keeps_those_that_are_known() {
        let mut heard = Heard::new();
        (0..2 * MAX_MASTERS as u64).for_each(|clock| hear(&mut heard, clock, 128, 0));
        assert_eq!(heard.len(), MAX_MASTERS);
        hear(&mut heard, 0, 1, 1);
        assert_eq!(heard.values().next().unwrap().announce.grandmaster_priority_1, 1);
    }
}
