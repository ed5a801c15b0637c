//! Determines when a socket's datagrams arrived and left, in host time.
//!
//! Model: stamps are made by the card, the kernel or this program, and a socket uses stamps of only
//! one kind. A message takes tens of microseconds from one of these places to the next, and an
//! exchange with two kinds of stamps would be wrong by this time. So while the card stamps, an
//! event message without a stamp by the card has no time, and counts as lost. Messages that do not
//! pass through the card, and all messages other than PTP event messages, are stamped by the
//! kernel. The former come from other programs on this host, or from other interfaces.
//!
//! Windows may accept a request for stamps although the card's driver makes none. Then this program
//! stamps.
//!
//! If too many of a card's stamps are missing, the kernel stamps instead, and the card is tried
//! again later. Another program may have changed the card's settings, or the card may have lost
//! them when its cable was disconnected.

use super::Timestamping;
use crate::clock::{self, Look, StampConverter};
use crate::interface::{Interface, Link};
use crate::platform::hardware::HardwareClock;
use crate::platform::{self, Datagram, HardwareReading, Stamps, StampsWanted};
use engine::{LocalTime, Nanos};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Once};

/// How many more messages a card may leave unstamped than it stamps.
const PATIENCE: u32 = 8;
/// Time after which a card that was given up is tried again, and the upper limit of this time,
/// which doubles with each failure.
const RETRY: Nanos = Nanos::from_secs(60);
const LONGEST_RETRY: Nanos = Nanos::from_secs(3600);

/// Counts missing stamps in one direction as a leaky bucket, so that a card is still used if it can
/// store only one stamp at a time, and therefore misses every third message.
#[derive(Clone, Copy, Debug, Default)]
struct Missing(u32);

impl Missing {
    fn stamped(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    fn left_out(&mut self) {
        self.0 += 1;
    }

    fn is_too_many(self) -> bool {
        self.0 >= PATIENCE
    }
}

/// A network card that stamps messages.
struct Nic {
    read: Box<dyn Fn() -> io::Result<HardwareReading> + Send>,
    received: Missing,
    sent: Missing,
}

impl Nic {
    fn new(read: impl Fn() -> io::Result<HardwareReading> + Send + 'static) -> Self {
        Self { read: Box::new(read), received: Missing::default(), sent: Missing::default() }
    }
}

/// Requests and converts the stamps of one socket.
pub(super) struct Stamping {
    best: Timestamping,
    interface: Interface,
    /// Addresses of this host. Its own messages are looped back without passing through the card.
    own: Vec<Ipv4Addr>,
    in_use: Timestamping,
    /// Whether departure times are requested, and whether they are reported: not every system that
    /// stamps received datagrams also stamps sent ones.
    transmit: bool,
    tells_transmitted: bool,
    card: Option<Nic>,
    /// Counts datagrams that the system should have stamped but did not.
    system: Missing,
    /// When a card that was given up is tried again, and the interval until the next attempt.
    retry_at: Option<LocalTime>,
    retry: Nanos,
    opened_at: LocalTime,
    /// Why the card does not stamp, although that was requested.
    refusal: Option<Arc<str>>,
    converter: StampConverter,
}

impl fmt::Debug for Stamping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamping").field("in_use", &self.in_use).field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl Stamping {
    /// Requests the best available stamps, but none better than `best`.
    pub(super) fn enable(socket: &UdpSocket, interface: &Interface, best: Timestamping, transmit: bool) -> Self {
        let mut stamping = Self {
            best,
            interface: interface.clone(),
            own: Vec::new(),
            in_use: Timestamping::UserSpace,
            transmit,
            tells_transmitted: false,
            card: None,
            system: Missing::default(),
            retry_at: None,
            retry: RETRY,
            opened_at: LocalTime::ZERO,
            refusal: None,
            converter: StampConverter::new(),
        };
        stamping.open_card();
        stamping.ask(socket);
        stamping
    }

    /// Requests stamps again if the interface, which was looked up again, has changed, or if a card
    /// that was given up is due for another attempt. Returns whether the kernel restarts its
    /// numbering at 0.
    pub(super) fn look_again(&mut self, socket: &UdpSocket, interface: &Interface, now: LocalTime) -> bool {
        let is_other = self.interface != *interface;
        let is_due = self.retry_at.is_some_and(|retry_at| now >= retry_at);
        if !is_other && !is_due {
            return false;
        }
        if is_other {
            self.interface = interface.clone();
            self.retry = RETRY;
        }
        let told = self.tells_transmitted;
        self.open_card();
        self.ask(socket);
        self.tells_transmitted && !told
    }

    /// The origin of stamps.
    pub(super) const fn in_use(&self) -> Timestamping {
        self.in_use
    }

    /// Why the card does not stamp, although that was requested.
    pub(super) const fn refusal(&self) -> Option<&Arc<str>> {
        self.refusal.as_ref()
    }

    /// The largest possible error of a conversion so far.
    pub(super) const fn worst(&self) -> Nanos {
        self.converter.worst()
    }

    /// How often the system clock was set.
    pub(super) const fn system_clock_steps(&self) -> u64 {
        self.converter.system_clock_steps()
    }

    /// Whether departure times are reported.
    pub(super) const fn tells_transmitted(&self) -> bool {
        self.tells_transmitted
    }

    /// The arrival time of a datagram that waited for at most `waited` and was read just before
    /// `look`; `None` if the time is unknown.
    pub(super) fn received(
        &mut self,
        socket: &UdpSocket,
        datagram: &Datagram,
        bytes: &[u8],
        waited: Nanos,
        look: &Look,
    ) -> Option<LocalTime> {
        let passed = self.passed_card(datagram) && is_event_message(bytes);
        let Some(card) = self.card.as_mut().filter(|_| passed) else {
            return self.by_system(datagram.stamps, waited, look);
        };
        let Some(stamp) = datagram.stamps.hardware else {
            card.received.left_out();
            if card.received.is_too_many() && self.give_up(socket, "it does not stamp what it receives") {
                return self.by_system(datagram.stamps, waited, look);
            }
            return None;
        };
        match (card.read)() {
            Ok(reading) => {
                card.received.stamped();
                // A stamp from before the card's clock was set cannot be used, but does not count
                // as missing.
                self.converter.convert_hardware(stamp, &reading, waited)
            }
            Err(error) => {
                self.give_up(socket, &format!("its clock cannot be read ({error})"));
                self.by_system(datagram.stamps, waited, look)
            }
        }
    }

    /// Records that a datagram was sent whose departure time is awaited.
    pub(super) fn sent(&mut self, socket: &UdpSocket, to: Ipv4Addr) {
        // A unicast datagram may stay on this host, or leave through another interface.
        let awaited = self.tells_transmitted && to.is_multicast();
        let Some(card) = self.card.as_mut().filter(|_| awaited) else { return };
        card.sent.left_out();
        if card.sent.is_too_many() {
            self.give_up(socket, "it does not stamp what it sends");
        }
    }

    /// The departure time of a datagram whose stamp has waited for at most `waited`.
    pub(super) fn transmitted(&mut self, stamps: Stamps, waited: Nanos) -> Option<LocalTime> {
        let Some(card) = &mut self.card else { return self.by_system(stamps, waited, &Look::now()) };
        let stamp = stamps.hardware?;
        // This stamp cancels the count made when the datagram was sent, and counts as a success.
        card.sent.stamped();
        card.sent.stamped();
        let reading = (card.read)().ok()?;
        self.converter.convert_hardware(stamp, &reading, waited)
    }

    /// Makes the kernel restart its numbering at 0.
    pub(super) fn restart_numbers(&mut self, socket: &UdpSocket) {
        if platform::socket::restart_numbers(socket, self.wanted()).is_err() {
            (self.in_use, self.tells_transmitted, self.card) = (Timestamping::UserSpace, false, None);
        }
    }

    fn by_system(&mut self, stamps: Stamps, waited: Nanos, look: &Look) -> Option<LocalTime> {
        if stamps.host.is_some() || stamps.system.is_some() {
            self.system.stamped();
        } else if self.in_use == Timestamping::Kernel {
            self.system.left_out();
            if self.system.is_too_many() {
                self.in_use = Timestamping::UserSpace;
                tell_of_no_stamps("the card's driver has none");
            }
        }
        stamps.host.or_else(|| stamps.system.and_then(|stamp| self.converter.convert_at(stamp, waited, look)))
    }

    /// Whether a datagram arrived through this card, and not through another card or from this
    /// host.
    fn passed_card(&self, datagram: &Datagram) -> bool {
        let is_other = datagram.interface.is_some_and(|index| index != self.interface.index);
        !is_other && !self.own.contains(datagram.source.ip())
    }

    fn wanted(&self) -> StampsWanted {
        StampsWanted { transmit: self.transmit, hardware: self.card.is_some() }
    }

    fn open_card(&mut self) {
        (self.card, self.retry_at, self.refusal) = (None, None, None);
        self.converter.restart();
        self.opened_at = clock::now();
        if self.best != Timestamping::Hardware {
            return;
        }
        self.own = Interface::all().unwrap_or_default().into_iter().map(|interface| interface.address).collect();
        match HardwareClock::open(&self.interface.name) {
            Ok(clock) => {
                tracing::info!("{} stamps packets by its own clock, {}", self.interface.name, clock.path());
                self.card = Some(Nic::new(move || clock.read()));
            }
            Err(error) => {
                tracing::info!("the card of {} cannot stamp packets: {error}", self.interface.name);
                self.refusal = Some(error.to_string().into());
            }
        }
    }

    fn ask(&mut self, socket: &UdpSocket) {
        if self.best == Timestamping::UserSpace {
            return;
        }
        let asked = platform::socket::enable_timestamps(socket, self.wanted());
        self.tells_transmitted = matches!(asked, Ok(true));
        self.in_use = match (&asked, &self.card) {
            (Ok(_), Some(_)) => Timestamping::Hardware,
            (Ok(_), None) => Timestamping::Kernel,
            (Err(_), _) => Timestamping::UserSpace,
        };
        self.system = Missing::default();
        if let Err(error) = asked {
            self.card = None;
            tell_of_no_stamps(&error.to_string());
        }
    }

    /// Makes the kernel stamp instead of the card. Does nothing if the cable is disconnected,
    /// because stamps are then missing for this reason. Returns whether the kernel stamps now.
    fn give_up(&mut self, socket: &UdpSocket, reason: &str) -> bool {
        if let (Some(card), Link::Down(_)) = (&mut self.card, self.interface.link()) {
            (card.received, card.sent) = (Missing::default(), Missing::default());
            return false;
        }
        let now = clock::now();
        if now - self.opened_at > LONGEST_RETRY {
            self.retry = RETRY;
        }
        if self.retry == RETRY {
            tracing::warn!("the kernel stamps instead of the card of {}: {reason}", self.interface.name);
        }
        (self.retry_at, self.retry) = (Some(now + self.retry), self.retry.times(2).min(LONGEST_RETRY));
        (self.card, self.refusal) = (None, Some(reason.into()));
        self.ask(socket);
        true
    }
}

/// Logs that the system does not stamp packets. This is logged once, because it is the same for
/// every socket.
fn tell_of_no_stamps(reason: &str) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!("the system stamps no packets ({reason}): the stamps of this program are less exact");
    });
}

/// Whether a card has to stamp a message: a Sync, Delay_Req, Pdelay_Req or Pdelay_Resp in PTPv2
/// (IEEE 1588-2019, 13.3.2). Other messages on this port are PTPv1, which Dante uses, or not PTP at
/// all.
fn is_event_message(bytes: &[u8]) -> bool {
    matches!(bytes, [kind, version, ..] if kind & 0x0F < 4 && version & 0x0F == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Bracket;
    use engine::PtpTime;
    use std::net::SocketAddrV4;

    const SYNC: [u8; 2] = [0x00, 0x02];
    const SYNC_OF_VERSION_1: [u8; 2] = [0x00, 0x01];
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 129);
    /// What the card's clock shows.
    const CARD: PtpTime = PtpTime::from_nanos(77_000_000_000);

    fn read() -> io::Result<HardwareReading> {
        let now = clock::now();
        Ok(HardwareReading { device: CARD, bracket: Bracket::Host { before: now, after: now } })
    }

    /// A socket of an interface with a card that is read like this.
    fn with_card(read: fn() -> io::Result<HardwareReading>) -> (UdpSocket, Stamping) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let interface = Interface::find(Some("127.0.0.1")).unwrap();
        let mut stamping = Stamping::enable(&socket, &interface, Timestamping::Kernel, true);
        stamping.best = Timestamping::Hardware;
        stamping.card = Some(Nic::new(read));
        stamping.own = vec![Ipv4Addr::LOCALHOST];
        stamping.opened_at = clock::now();
        stamping.ask(&socket);
        assert_eq!(stamping.in_use(), Timestamping::Hardware);
        (socket, stamping)
    }

    fn datagram(from: [u8; 4], interface: Option<u32>, hardware: Option<PtpTime>) -> Datagram {
        let (_, system) = clock::now_with_system();
        let stamps = Stamps { host: None, system: Some(system), hardware };
        let source = SocketAddrV4::new(from.into(), 319);
        Datagram { length: 2, truncated: false, source, destination: None, interface, stamps, drops: None }
    }

    fn from_afar(hardware: Option<PtpTime>) -> Datagram {
        datagram([192, 0, 2, 1], None, hardware)
    }

    #[test]
    fn what_the_card_stamped_came_when_it_says() {
        let (socket, mut stamping) = with_card(read);
        let before = clock::now();
        let age = Nanos::from_millis(30);
        let at = stamping.received(&socket, &from_afar(Some(CARD - age)), &SYNC, Nanos::ZERO, &Look::now()).unwrap();
        assert!(at >= before - age && at <= clock::now() - age, "{at:?}");
        assert_eq!(
            stamping.received(&socket, &from_afar(None), &SYNC, Nanos::ZERO, &Look::now()),
            None,
            "a Sync without a time"
        );
    }

    #[test]
    fn what_does_not_pass_the_card_is_stamped_by_the_kernel_and_does_not_count() {
        let (socket, mut stamping) = with_card(read);
        let other = Some(stamping.interface.index + 1);
        for _ in 0..100 {
            let now = |stamping: &mut Stamping, datagram: &Datagram, bytes: &[u8]| {
                stamping.received(&socket, datagram, bytes, Nanos::ZERO, &Look::now()).is_some()
            };
            assert!(now(&mut stamping, &datagram([127, 0, 0, 1], None, None), &SYNC), "our own, looped back");
            assert!(now(&mut stamping, &datagram([192, 0, 2, 1], other, None), &SYNC), "by another interface");
            assert!(now(&mut stamping, &from_afar(None), &SYNC_OF_VERSION_1), "Dante's");
            assert!(now(&mut stamping, &from_afar(None), b"?"), "no PTP at all");
            stamping.sent(&socket, Ipv4Addr::new(192, 0, 2, 1));
        }
        assert_eq!(stamping.in_use(), Timestamping::Hardware);
    }

    #[test]
    fn a_card_that_does_not_stamp_is_given_up_in_either_direction() {
        let (socket, mut stamping) = with_card(read);
        let times =
            (0..PATIENCE).map(|_| stamping.received(&socket, &from_afar(None), &SYNC, Nanos::ZERO, &Look::now()));
        let known: Vec<bool> = times.map(|time| time.is_some()).collect();
        assert_eq!(known.iter().filter(|known| **known).count(), 1, "the last one is the kernel's: {known:?}");
        assert_eq!(stamping.in_use(), Timestamping::Kernel);
        assert_eq!(stamping.refusal().unwrap().as_ref(), "it does not stamp what it receives");
        let (socket, mut stamping) = with_card(read);
        (0..PATIENCE).for_each(|_| stamping.sent(&socket, GROUP));
        assert_eq!(stamping.in_use(), Timestamping::Kernel);
        assert!(stamping.tells_transmitted());
        assert_eq!(stamping.refusal().unwrap().as_ref(), "it does not stamp what it sends");
    }

    #[test]
    fn a_card_that_misses_every_third_message_is_kept() {
        let (socket, mut stamping) = with_card(read);
        for number in 0..1000 {
            let is_stamped = number % 3 != 0;
            stamping.received(&socket, &from_afar(is_stamped.then_some(CARD)), &SYNC, Nanos::ZERO, &Look::now());
            stamping.sent(&socket, GROUP);
            if is_stamped {
                let told = Stamps { hardware: Some(CARD), ..Stamps::default() };
                assert!(stamping.transmitted(told, Nanos::ZERO).is_some());
            }
        }
        assert_eq!(stamping.in_use(), Timestamping::Hardware);
    }

    #[test]
    fn a_system_that_does_not_stamp_as_it_says_is_no_longer_expected_to() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let interface = Interface::find(Some("127.0.0.1")).unwrap();
        let mut stamping = Stamping::enable(&socket, &interface, Timestamping::Kernel, false);
        let stamped = from_afar(None);
        let unstamped = Datagram { stamps: Stamps::default(), ..from_afar(None) };
        for _ in 0..100 {
            assert!(stamping.received(&socket, &stamped, &SYNC, Nanos::ZERO, &Look::now()).is_some());
            assert_eq!(stamping.received(&socket, &unstamped, &SYNC, Nanos::ZERO, &Look::now()), None);
        }
        assert_eq!(stamping.in_use(), Timestamping::Kernel, "every second one is stamped");
        for _ in 0..PATIENCE {
            assert_eq!(stamping.received(&socket, &unstamped, &SYNC, Nanos::ZERO, &Look::now()), None);
        }
        assert_eq!(stamping.in_use(), Timestamping::UserSpace);
    }

    #[test]
    fn a_clock_that_was_unplugged_is_said() {
        let (socket, mut stamping) = with_card(|| Err(io::ErrorKind::NotFound.into()));
        assert!(
            stamping.received(&socket, &from_afar(Some(CARD)), &SYNC, Nanos::ZERO, &Look::now()).is_some(),
            "by the kernel's stamp"
        );
        assert!(stamping.refusal().unwrap().starts_with("its clock cannot be read"), "{stamping:?}");
    }

    #[test]
    fn a_card_that_was_given_up_is_tried_again_less_and_less_often() {
        let (socket, mut stamping) = with_card(read);
        let interface = stamping.interface.clone();
        let mut waits = Vec::new();
        for _ in 0..8 {
            stamping.card = Some(Nic::new(read));
            (0..PATIENCE).for_each(|_| stamping.sent(&socket, GROUP));
            let retry_at = stamping.retry_at.unwrap();
            waits.push(((retry_at - clock::now()).as_nanos() as f64 / 60e9).round());
            assert!(!stamping.look_again(&socket, &interface, retry_at - Nanos::from_millis(1)));
            assert!(stamping.retry_at.is_some());
            // Loopback has no card.
            stamping.look_again(&socket, &interface, retry_at);
            assert_eq!((stamping.retry_at, stamping.in_use()), (None, Timestamping::Kernel));
        }
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }
}
