//! What must hold for any bytes whatsoever. Each function panics where it does not.
//!
//! Shared by the fuzz targets, which search for such bytes for as long as one likes, and by the
//! engine's tests, which try some on every run.

use engine::announce::livewire::LivewireDirectory;
use engine::announce::sap::{Directory, SapPacket};
use engine::announce::sdp::{Description, MAX_STREAMS};
use engine::ptp::authentication::SecurityAssociation;
use engine::ptp::bmca_yield::{YieldConfig, YieldSession};
use engine::ptp::unicast::{UnicastConfig, UnicastMasters};
use engine::ptp::wire::{ClockIdentity, ClockQuality, Message, PortIdentity};
use engine::ptp::{DelayRequestMode, PeerAddress, Port, PortConfig, Profile, Transmit, TransmitToken};
use engine::rtp::wire::RtpPacket;
use engine::{LocalTime, Nanos};
use std::net::Ipv4Addr;

/// A message that can be parsed can be emitted, and the *emitted* bytes mean the same.
pub(crate) fn ptp_message(datagram: &[u8]) {
    let Ok(message) = Message::parse(datagram) else { return };
    let tlvs = message.tlvs.iter().count();
    assert!(tlvs <= datagram.len(), "TLVs without end");
    // Not zero, so that a byte that is not written shows.
    let mut emitted = vec![0xAA; message.wire_len()];
    let length = message.emit(&mut emitted).expect("what was parsed can be emitted");
    assert_eq!(length, emitted.len());
    let again = Message::parse(&emitted).expect("what was emitted can be parsed");
    assert_eq!(again, message);
}

/// A packet that can be parsed keeps its header and payload when they are emitted.
pub(crate) fn rtp_packet(datagram: &[u8]) {
    let Ok(packet) = RtpPacket::parse(datagram) else { return };
    let emitted = [&packet.header.emit()[..], packet.payload].concat();
    assert!(emitted.len() <= datagram.len());
    assert_eq!(RtpPacket::parse(&emitted), Ok(packet));
}

/// A description that can be read can be written, and what is *written* means the same.
pub(crate) fn sdp_text(text: &[u8]) {
    let Ok(parsed) = Description::parse(text) else { return };
    assert!((1..=MAX_STREAMS).contains(&parsed.description.streams.len()));
    assert!(parsed.findings.iter().all(|finding| finding.line > 0 && !finding.to_string().is_empty()));
    let written = parsed.description.to_sdp();
    let again = Description::parse(written.as_bytes()).expect("what was written can be read");
    assert_eq!(again.description, parsed.description, "{written}");
}

/// A file of security associations is read, or refused with a line that it has.
pub(crate) fn sa_file(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match SecurityAssociation::parse_all(text) {
        Ok(associations) => assert!(associations.len() <= text.lines().count()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Advertisements of Livewire, from two nodes: a directory takes them and forgets them in the end.
pub(crate) fn livewire_datagram(datagram: &[u8]) {
    let mut directory = LivewireDirectory::default();
    for (second, node) in [(0, 7), (5, 8), (30, 7)] {
        let now = LocalTime::ZERO + Nanos::from_secs(second);
        let taken = directory.handle_datagram(now, Ipv4Addr::new(10, 0, 0, node), datagram);
        assert!(directory.entries().next().is_none() || taken.is_ok());
    }
    directory.handle_timeout(LocalTime::from_nanos(END));
    assert!(directory.entries().next().is_none() && directory.poll_timeout().is_none());
    assert!((0..MANY).any(|_| directory.poll_event().is_none()), "events without end");
}

/// The same of announcements; and a directory takes them, twice, and forgets them in the end.
pub(crate) fn sap_packet(datagram: &[u8]) {
    let source = address(1);
    let mut directory = Directory::default();
    for second in [0, 30] {
        let now = LocalTime::ZERO + Nanos::from_secs(second);
        let taken = directory.handle_datagram(now, source, datagram);
        assert!(directory.is_empty() || taken.is_ok());
    }
    directory.handle_timeout(LocalTime::from_nanos(END));
    assert!(directory.is_empty() && directory.poll_timeout().is_none());
    assert!((0..MANY).any(|_| directory.poll_event().is_none()), "events without end");
    let Ok(packet) = SapPacket::parse(datagram) else { return };
    sdp_text(&packet.payload);
    let emitted = packet.emit();
    assert_eq!(SapPacket::parse(&emitted), Ok(packet));
}

/// Whatever a port receives, and whenever: it does not panic, what it sends are PTP messages, its
/// queues are drained, and its timers do not fire for ever. The first byte configures it, the rest
/// is a script of datagrams and pauses.
pub(crate) fn ptp_port(script: &[u8]) {
    let Some((&options, script)) = script.split_first() else { return };
    let identity = PortIdentity { clock_identity: OUR_CLOCK, port_number: 1 };
    let bit = |n: u8| options >> n & 1 == 1;
    let new = if bit(0) { PortConfig::slave_only } else { PortConfig::new };
    let mut config = new(&Profile::ALL[usize::from(options >> 6) % Profile::ALL.len()], identity).in_domain(0);
    config.two_step = bit(1);
    if bit(2) {
        config.delay_request_mode = DelayRequestMode::Hybrid;
    }
    if bit(3) && bit(0) {
        let masters = UnicastMasters::new(&[address(0), address(1), address(2)]).expect("three masters");
        config = config.served_by(UnicastConfig { masters, duration_s: if bit(4) { 300 } else { 10 } });
    }
    if bit(3) && !bit(0) {
        config.quality = ClockQuality { clock_class: 6, ..config.quality };
    }
    drive(&mut Port::new(config, LocalTime::ZERO), script, 0);
}

/// The same for an AirPlay session.
pub(crate) fn ptp_yield_session(script: &[u8]) {
    let identity = PortIdentity { clock_identity: OUR_CLOCK, port_number: 1 };
    let mut session = YieldSession::new(YieldConfig::new(identity, address(0)), LocalTime::ZERO);
    drive(&mut session, script, 1);
}

const OUR_CLOCK: ClockIdentity = ClockIdentity([3; 8]);
/// Far more than any queue holds.
const MANY: usize = 10_000;
/// Half of what time there is, so that no sum saturates.
const END: i64 = i64::MAX / 2;

/// Length of an Announce without TLVs; the other messages are shorter.
const LONGEST_BODY: usize = 64;

fn address(last: u8) -> PeerAddress {
    PeerAddress::from([192, 0, 2, last])
}

/// What a script can do with a port or a session.
trait Endpoint {
    fn datagram(&mut self, now: LocalTime, source: PeerAddress, datagram: &[u8]);
    fn timeout(&mut self, now: LocalTime);
    fn next_timeout(&self) -> Option<LocalTime>;
    fn transmit(&mut self) -> Option<Transmit>;
    fn transmitted(&mut self, token: TransmitToken, sent: LocalTime);
    /// Polls one event; false if there was none.
    fn event(&mut self) -> bool;
    /// Looks at the clock.
    fn look(&self, now: LocalTime);
}

macro_rules! endpoint {
    ($endpoint:ty, $look:expr) => {
        impl Endpoint for $endpoint {
            fn datagram(&mut self, now: LocalTime, source: PeerAddress, datagram: &[u8]) {
                let _ = self.handle_datagram(now, source, datagram);
            }
            fn timeout(&mut self, now: LocalTime) {
                self.handle_timeout(now);
            }
            fn next_timeout(&self) -> Option<LocalTime> {
                self.poll_timeout()
            }
            fn transmit(&mut self) -> Option<Transmit> {
                self.poll_transmit()
            }
            fn transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
                self.handle_transmitted(token, sent);
            }
            fn event(&mut self) -> bool {
                let told = self.poll_event().map(|event| event.to_string());
                assert!(!told.iter().any(|told| told.starts_with("a fault of this program")), "{told:?}");
                told.is_some()
            }
            fn look(&self, now: LocalTime) {
                $look(self, now);
            }
        }
    };
}

endpoint!(Port, |port: &Self, now| port.reading(now).map.map(|map| map.ptp_at(now)));
endpoint!(YieldSession, |session: &Self, now| (session.receiver_time_ns(now), session.sync_outcome(now, now)));

/// A script is a row of steps: what to do, an argument, and for datagrams a length and so many
/// bytes.
fn drive(endpoint: &mut impl Endpoint, script: &[u8], sdo_id: u8) {
    let mut now = LocalTime::ZERO;
    let mut rest = script;
    while let Some((&[kind, argument], after)) = rest.split_first_chunk() {
        rest = after;
        match kind % 4 {
            0 | 1 => {
                let Some((&length, after)) = rest.split_first() else { return };
                let (datagram, after) = after.split_at(usize::from(length).min(after.len()));
                rest = after;
                let mut datagram = datagram.to_vec();
                if kind % 4 == 1 {
                    make_plausible(&mut datagram, argument, sdo_id);
                }
                endpoint.datagram(now, address(argument >> 6), &datagram);
            }
            2 => {
                // From 1 ns to a century.
                let pause = 1i64 << (argument % 62);
                now = LocalTime::from_nanos(now.as_nanos().saturating_add(pause).min(END));
                endpoint.timeout(now);
            }
            _ => (0..argument).for_each(|_| {
                now = endpoint.next_timeout().unwrap_or(now).max(now);
                settle(endpoint, now);
            }),
        }
        settle(endpoint, now);
    }
}

/// Does what is due and drains everything.
fn settle(endpoint: &mut impl Endpoint, now: LocalTime) {
    // A random pause of a few ns may be drawn, hence more than once.
    for _ in 0..4 {
        if is_due(endpoint, now) {
            endpoint.timeout(now);
        }
    }
    assert!(!is_due(endpoint, now), "a timer that is always due at {now:?}");
    let mut sent = 0;
    while let Some(transmit) = endpoint.transmit() {
        assert!(Message::parse(&transmit.datagram).is_ok());
        sent += 1;
        assert!(sent < MANY, "transmits without end");
        if let Some(token) = transmit.timestamp {
            endpoint.transmitted(token, now + Nanos::from_micros(i64::from(transmit.datagram[31])));
        }
    }
    assert!((0..MANY).any(|_| !endpoint.event()), "events without end");
    endpoint.look(now);
}

fn is_due(endpoint: &impl Endpoint, now: LocalTime) -> bool {
    endpoint.next_timeout().is_some_and(|due| due <= now)
}

/// Overwrites what would get a message dropped at the door: type, version, length, domain, and
/// sender; the rest is as random as it was.
fn make_plausible(datagram: &mut Vec<u8>, argument: u8, sdo_id: u8) {
    datagram.resize(datagram.len().clamp(LONGEST_BODY, 255), 0);
    let length = datagram.len() as u8;
    let message_type = [0x0, 0x1, 0x8, 0x9, 0xB, 0xB, 0xC, 0xD][usize::from(argument & 7)];
    for (index, value) in [(0, sdo_id << 4 | message_type), (1, 0x12), (2, 0), (3, length), (4, 0)] {
        set(datagram, index, value);
    }
    // Few senders, few sequence ids and few intervals, so that messages belong together.
    (20..28).for_each(|index| set(datagram, index, argument >> 3 & 3));
    (28..31).for_each(|index| set(datagram, index, 0));
    keep(datagram, 31, 0x07);
    // A TLV of unicast negotiation, with one of few intervals and durations.
    if message_type == 0xC {
        let tlv_type = 0x04 | datagram.get(45).unwrap_or(&0) & 0x03;
        for (index, value) in [(44, 0), (45, tlv_type), (46, 0), (47, 8), (50, 0), (51, 0), (52, 0)] {
            set(datagram, index, value);
        }
        keep(datagram, 49, 0x81);
    }
    // Nanoseconds below 10^9, seconds that are sometimes near and sometimes far.
    keep(datagram, 40, 0x1F);
    if argument & 0x20 != 0 {
        (34..39).for_each(|index| set(datagram, index, 0));
        (8..14).for_each(|index| set(datagram, index, 0));
    }
    // Signaling messages to everybody.
    if message_type == 0xC {
        (34..44).for_each(|index| set(datagram, index, 0xFF));
    }
    // Delay_Resps to us.
    if message_type == 0x9 {
        (44..52).for_each(|index| set(datagram, index, OUR_CLOCK.0[0]));
        set(datagram, 52, 0);
        set(datagram, 53, 1);
    }
}

fn set(datagram: &mut [u8], index: usize, value: u8) {
    if let Some(byte) = datagram.get_mut(index) {
        *byte = value;
    }
}

fn keep(datagram: &mut [u8], index: usize, mask: u8) {
    if let Some(byte) = datagram.get_mut(index) {
        *byte &= mask;
    }
}
