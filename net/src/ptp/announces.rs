//! Masters of any domain, for display.

use super::GROUP;
use super::LONGEST_MESSAGE;
use crate::error::Result;
use crate::interface::Interface;
use crate::socket::{Socket, SocketConfig};
use crate::worker::{Context, Worker};
use arc_swap::ArcSwap;
use engine::LocalTime;
use engine::ptp::MessageClass;
use engine::ptp::wire::{Announce, Body, Message, PortIdentity};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// More than any network has; the rest is passed over.
const MAX_MASTERS: usize = 256;

/// A port that announces itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeardMaster {
    /// Its domain.
    pub domain: u8,
    /// The port.
    pub port: PortIdentity,
    /// Where it is.
    pub from: Ipv4Addr,
    /// What it said last.
    pub announce: Announce,
    /// When.
    pub heard_at: LocalTime,
}

type Heard = BTreeMap<(u8, [u8; 8], u16), HeardMaster>;

/// Hears Announces of all domains; ends when it is dropped.
#[derive(Debug)]
pub struct AnnounceListener {
    heard: Arc<ArcSwap<Heard>>,
    _worker: Worker,
}

impl AnnounceListener {
    /// Listens.
    ///
    /// # Errors
    /// If the port is refused.
    pub fn start(interface: &Interface) -> Result<Self> {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, MessageClass::General.udp_port());
        let receive = SocketConfig::receive(interface.clone(), any, None);
        let socket = Socket::open(SocketConfig { groups: vec![GROUP], ..receive })?;
        let heard = Arc::new(ArcSwap::default());
        let publish = Arc::clone(&heard);
        let worker = Worker::spawn("announces", false, move |context| listen(context, socket, &publish))?;
        Ok(Self { heard, _worker: worker })
    }

    /// All that were ever heard, by domain.
    #[must_use]
    pub fn masters(&self) -> Vec<HeardMaster> {
        self.heard.load().values().copied().collect()
    }
}

fn listen(context: &Context, mut socket: Socket, publish: &ArcSwap<Heard>) {
    let mut heard = Heard::new();
    let mut buffer = [0; LONGEST_MESSAGE];
    while !context.is_stopping() {
        let mut received_any = false;
        while let Ok(Some(received)) = socket.receive(&mut buffer) {
            received_any = true;
            let Ok(message) = Message::parse(&buffer[..received.length]) else { continue };
            let Body::Announce(announce) = message.body else { continue };
            let (domain, port) = (message.header.domain_number, message.header.source_port_identity);
            let key = (domain, port.clock_identity.0, port.port_number);
            if heard.len() < MAX_MASTERS || heard.contains_key(&key) {
                let from = *received.source.ip();
                heard.insert(key, HeardMaster { domain, port, from, announce, heard_at: received.at });
            }
        }
        if received_any {
            publish.store(Arc::new(heard.clone()));
        }
        socket.renew(crate::clock::now(), received_any);
        context.wait(&[socket.waitable()], [None]);
    }
}
