//! When a socket's datagrams came and left, in the host's time.
//!
//! Model: stamps are the card's, the kernel's or this program's, and all of a socket's are of one kind: the path that a message takes between the places where two kinds are taken
//! is tens of microseconds long, and an exchange with one stamp of each would have that in its result. So where the card stamps, what it left unstamped has no time:
//! one more message of PTP that is lost. A card that does not do what it says is given up for the kernel. What did not come by the card is stamped by the kernel: other programs of this
//! host, and what comes by other interfaces.

use super::Timestamping;
use crate::clock::StampConverter;
use crate::interface::Interface;
use crate::platform::hardware::HardwareClock;
use crate::platform::{self, Datagram, Stamps, StampsWanted};
use engine::{LocalTime, Nanos};
use std::io;
use std::net::UdpSocket;

/// Messages in a row without a stamp after which a card that has never stamped any is given up.
const NEVER: u32 = 8;
/// Such messages after which one that has is given up: cards that hold one stamp at a time miss some.
const NO_MORE: u32 = 64;

/// Whether a card does in one direction what it says.
#[derive(Clone, Copy, Debug, Default)]
struct Trust {
    has_stamped: bool,
    missing: u32,
}

impl Trust {
    fn stamped(&mut self) {
        *self = Self { has_stamped: true, missing: 0 };
    }

    fn missed(&mut self) {
        self.missing = self.missing.saturating_add(1);
    }

    fn is_lost(self) -> bool {
        self.missing >= if self.has_stamped { NO_MORE } else { NEVER }
    }
}

#[derive(Debug)]
struct Card {
    clock: HardwareClock,
    received: Trust,
    sent: Trust,
}

/// Whether a datagram came by the card of this interface: not by another one, and not from this host itself, whose own messages are looped back to it without leaving.
fn passed_card(datagram: &Datagram, interface: &Interface) -> bool {
    let is_other = datagram.interface.is_some_and(|index| index != interface.index);
    !is_other && *datagram.source.ip() != interface.address
}

/// The stamps of one socket.
#[derive(Debug)]
pub(super) struct Stamping {
    best: Timestamping,
    interface: Interface,
    in_use: Timestamping,
    /// Whether the times of leaving are wanted, and whether they are told: not every system that stamps what it receives also stamps what it sends.
    transmit: bool,
    tells_transmitted: bool,
    card: Option<Card>,
    converter: StampConverter,
}

impl Stamping {
    /// Asks for stamps that are as good as `best`, if there are any.
    pub(super) fn enable(socket: &UdpSocket, interface: &Interface, best: Timestamping, transmit: bool) -> Self {
        let mut stamping = Self {
            best,
            interface: interface.clone(),
            in_use: Timestamping::UserSpace,
            transmit,
            tells_transmitted: false,
            card: None,
            converter: StampConverter::default(),
        };
        stamping.apply(socket);
        stamping
    }

    /// The interface may have become another one, with another card.
    pub(super) fn change(&mut self, socket: &UdpSocket, interface: &Interface) {
        if self.interface != *interface {
            self.interface = interface.clone();
            self.apply(socket);
        }
    }

    /// Where stamps come from.
    pub(super) const fn in_use(&self) -> Timestamping {
        self.in_use
    }

    /// The largest error that a conversion may have had so far.
    pub(super) const fn worst(&self) -> Nanos {
        self.converter.worst()
    }

    /// Whether the time of leaving is told.
    pub(super) const fn tells_transmitted(&self) -> bool {
        self.tells_transmitted
    }

    /// When a datagram came; `None` if that is not known.
    pub(super) fn received(&mut self, socket: &UdpSocket, datagram: &Datagram) -> Option<LocalTime> {
        let Some(card) = self.card.as_mut().filter(|_| passed_card(datagram, &self.interface)) else {
            return self.by_system(datagram.stamps);
        };
        let at = datagram.stamps.hardware.and_then(|stamp| {
            let reading = card.clock.read().ok()?;
            self.converter.convert_hardware(stamp, &reading)
        });
        match at {
            Some(_) => card.received.stamped(),
            None => card.received.missed(),
        }
        if card.received.is_lost() {
            self.give_up(socket, "receives");
            return self.by_system(datagram.stamps);
        }
        at
    }

    /// A datagram was sent, and its time of leaving is awaited.
    pub(super) fn sent(&mut self, socket: &UdpSocket) {
        let Some(card) = &mut self.card else { return };
        card.sent.missed();
        if card.sent.is_lost() {
            self.give_up(socket, "sends");
        }
    }

    /// When a datagram left.
    pub(super) fn transmitted(&mut self, stamps: Stamps) -> Option<LocalTime> {
        let Some(card) = &mut self.card else { return self.by_system(stamps) };
        let at = self.converter.convert_hardware(stamps.hardware?, &card.clock.read().ok()?)?;
        card.sent.stamped();
        Some(at)
    }

    /// Has the kernel number what is sent from 0 again.
    pub(super) fn restart_numbers(&mut self, socket: &UdpSocket) {
        if platform::socket::restart_numbers(socket, self.wanted()).is_err() {
            (self.in_use, self.tells_transmitted) = (Timestamping::UserSpace, false);
        }
    }

    fn by_system(&mut self, stamps: Stamps) -> Option<LocalTime> {
        stamps.host.or_else(|| stamps.system.and_then(|stamp| self.converter.convert(stamp)))
    }

    fn wanted(&self) -> StampsWanted {
        StampsWanted { transmit: self.transmit, hardware: self.card.is_some() }
    }

    fn apply(&mut self, socket: &UdpSocket) {
        self.card = (self.best == Timestamping::Hardware).then(|| open(&self.interface)).flatten();
        if self.best != Timestamping::UserSpace {
            self.ask(socket);
        }
    }

    fn ask(&mut self, socket: &UdpSocket) {
        let asked = platform::socket::enable_timestamps(socket, self.wanted());
        self.tells_transmitted = matches!(asked, Ok(true));
        self.in_use = match (&asked, &self.card) {
            (Ok(_), Some(_)) => Timestamping::Hardware,
            (Ok(_), None) => Timestamping::Kernel,
            (Err(_), _) => Timestamping::UserSpace,
        };
        if let Err(error) = asked {
            self.card = None;
            tracing::warn!("the kernel gives no timestamps ({error}): those of this program are less exact");
        }
    }

    fn give_up(&mut self, socket: &UdpSocket, does: &str) {
        if let Some(card) = self.card.take() {
            let (name, path) = (&self.interface.name, card.clock.path());
            tracing::warn!(
                "{name} does not stamp what it {does}, though its clock {path} runs: the kernel stamps instead"
            );
        }
        self.ask(socket);
    }
}

fn open(interface: &Interface) -> Option<Card> {
    match HardwareClock::open(&interface.name) {
        Ok(clock) => {
            tracing::info!("{} stamps packets by its own clock, {}", interface.name, clock.path());
            Some(Card { clock, received: Trust::default(), sent: Trust::default() })
        }
        // Most cards have none, or are virtual.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::debug!("{}: {error}", interface.name);
            None
        }
        Err(error) => {
            tracing::warn!("{} could stamp packets by its own clock, and does not: {error}", interface.name);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_come_by_the_card_does_not_count_against_it() {
        let interface = Interface::find(Some("127.0.0.1")).unwrap();
        let datagram = |from: [u8; 4], interface| Datagram {
            length: 0,
            truncated: false,
            source: std::net::SocketAddrV4::new(from.into(), 319),
            destination: None,
            interface,
            stamps: Stamps::default(),
            drops: None,
        };
        let (other, here) = ([192, 0, 2, 1], Some(interface.index));
        assert!(passed_card(&datagram(other, here), &interface));
        assert!(passed_card(&datagram(other, None), &interface));
        assert!(!passed_card(&datagram(other, Some(interface.index + 1)), &interface));
        assert!(!passed_card(&datagram([127, 0, 0, 1], here), &interface), "our own, looped back");
    }

    fn after(misses: u32, mut trust: Trust) -> bool {
        (0..misses).for_each(|_| trust.missed());
        trust.is_lost()
    }

    #[test]
    fn a_card_that_never_stamped_is_given_up_sooner() {
        let fresh = Trust::default();
        assert!(!after(NEVER - 1, fresh) && after(NEVER, fresh));
        let mut proven = fresh;
        proven.stamped();
        assert!(!after(NO_MORE - 1, proven) && after(NO_MORE, proven));
    }
}
