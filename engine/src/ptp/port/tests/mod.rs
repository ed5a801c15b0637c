//! Ports with scripted masters, and ports with each other.

mod authentication;
mod diagnosis;
mod master;
mod selection;
mod slave;
mod unicast;

use super::*;
use crate::clock::{LockTransition, TimestampPair};
use crate::ptp::config::DelayRequestMode;
use crate::ptp::profile::Profile;
use crate::ptp::wire::{ClockIdentity, ClockQuality};
use crate::units::PtpTime;

const SYNC: Nanos = Nanos::from_millis(125);
const DELAY: Nanos = Nanos::from_micros(40);
const DOMAIN: u8 = 10;

fn port_identity(identity: u8) -> PortIdentity {
    PortIdentity { clock_identity: ClockIdentity([identity; 8]), port_number: 1 }
}

fn address(identity: u8) -> PeerAddress {
    PeerAddress::from([192, 0, 2, identity])
}

/// A scripted master on the same clock as the port, plus an offset.
#[derive(Clone, Copy)]
struct Master {
    identity: u8,
    grandmaster: u8,
    priority_1: u8,
    steps_removed: u16,
    sequence_id: u16,
    offset: Nanos,
    two_step: bool,
    answers: bool,
    /// The header on which every message's header is based; its flags are added.
    header: Header,
    log_announce_interval: i8,
}

impl Master {
    fn new(identity: u8) -> Self {
        Self {
            identity,
            grandmaster: identity,
            priority_1: 128,
            steps_removed: 0,
            sequence_id: 0,
            offset: Nanos::from_secs(1_000),
            two_step: true,
            answers: true,
            header: Header { domain_number: DOMAIN, ..Header::default() },
            log_announce_interval: 0,
        }
    }

    fn better(identity: u8) -> Self {
        Self { priority_1: 1, ..Self::new(identity) }
    }

    fn time(&self, now: LocalTime) -> PtpTime {
        PtpTime::EPOCH + Nanos::new(now.as_nanos()) + self.offset
    }

    fn send<L: ClockServo>(&self, port: &mut Port<L>, now: LocalTime, flags: Flags, log2: i8, body: Body) {
        let header = Header {
            flags: self.header.flags | flags,
            source_port_identity: port_identity(self.identity),
            sequence_id: self.sequence_id,
            log_message_interval: log2,
            ..self.header
        };
        let mut bytes = [0; 128];
        let length = Message { header, body, tlvs: Tlvs::default() }.emit(&mut bytes).unwrap();
        port.handle_datagram(now, address(self.identity), &bytes[..length]).unwrap();
    }

    fn announce<L: ClockServo>(&self, port: &mut Port<L>, now: LocalTime) {
        let announce = Announce {
            origin_timestamp: PtpTime::EPOCH,
            current_utc_offset: 37,
            grandmaster_priority_1: self.priority_1,
            grandmaster_clock_quality: ClockQuality { clock_class: 6, ..ClockQuality::default() },
            grandmaster_priority_2: 128,
            grandmaster_identity: ClockIdentity([self.grandmaster; 8]),
            steps_removed: self.steps_removed,
            time_source: 0x20,
        };
        self.send(port, now, Flags::default(), self.log_announce_interval, Body::Announce(announce));
    }

    fn sync<L: ClockServo>(&mut self, port: &mut Port<L>, now: LocalTime) {
        self.sequence_id = self.sequence_id.wrapping_add(1);
        self.repeat_sync(port, now);
    }

    fn repeat_sync<L: ClockServo>(&self, port: &mut Port<L>, now: LocalTime) {
        let sent = self.time(now - DELAY);
        if self.two_step {
            self.send(port, now, Flags::TWO_STEP, -3, Body::Sync { origin_timestamp: PtpTime::EPOCH });
            self.send(port, now, Flags::default(), -3, Body::FollowUp { precise_origin_timestamp: sent });
        } else {
            self.send(port, now, Flags::default(), -3, Body::Sync { origin_timestamp: sent });
        }
    }

    fn answer<L: ClockServo>(&self, port: &mut Port<L>, sequence_id: u16, sent: LocalTime) {
        let requesting_port_identity = port.config.identity;
        let body = Body::DelayResp { receive_timestamp: self.time(sent + DELAY), requesting_port_identity };
        Self { sequence_id, ..*self }.send(port, sent + DELAY + DELAY, Flags::default(), 0, body);
    }
}

/// Runs for `time`: all masters send an Announce at their interval and a Sync every 125 ms, and
/// answer requests if the test says so.
fn run<L: ClockServo>(
    masters: &mut [&mut Master],
    port: &mut Port<L>,
    now: &mut LocalTime,
    time: Nanos,
) -> Vec<PortEvent> {
    let end = *now + time;
    let mut events = Vec::new();
    while *now < end {
        for master in masters.iter_mut() {
            let interval = Nanos::from_log2_secs(master.log_announce_interval);
            if now.as_nanos() % interval.as_nanos() == 0 {
                master.announce(port, *now);
            }
            master.sync(port, *now);
        }
        port.handle_timeout(*now);
        while let Some(transmit) = port.poll_transmit() {
            let Some(token) = transmit.timestamp else { continue };
            port.handle_transmitted(token, *now);
            for master in masters.iter().filter(|master| master.answers) {
                master.answer(port, token.sequence_id(), *now);
            }
        }
        events.extend(std::iter::from_fn(|| port.poll_event()));
        *now = *now + SYNC;
    }
    events
}

/// Runs for `time` without any messages from masters; the port does what is due.
fn silence<L: ClockServo>(port: &mut Port<L>, now: &mut LocalTime, time: Nanos) -> Vec<PortEvent> {
    let end = *now + time;
    let mut events = Vec::new();
    while let Some(due) = port.poll_timeout().filter(|&due| due < end) {
        *now = due;
        port.handle_timeout(*now);
        assert!(port.poll_timeout().is_none_or(|next| next > *now), "a timer that is always due");
        while port.poll_transmit().is_some() {}
        events.extend(std::iter::from_fn(|| port.poll_event()));
    }
    *now = end;
    events
}

fn slave_config() -> PortConfig {
    PortConfig::slave_only(&Profile::AES67_MEDIA, port_identity(9)).in_domain(DOMAIN)
}

/// The configuration of a port that may become master, with a class that loses against every
/// scripted master.
fn full_config() -> PortConfig {
    PortConfig::new(&Profile::AES67_MEDIA, port_identity(9)).in_domain(DOMAIN)
}

fn new_port(config: PortConfig) -> Port {
    Port::new(config, LocalTime::ZERO)
}

/// The events in a short form, for comparison.
fn names(events: &[PortEvent]) -> Vec<String> {
    let name = |event: &PortEvent| match event {
        PortEvent::State(change) => format!("{}", change.to),
        PortEvent::MasterSelected(data) => format!("master {}", data.sender.clock_identity.0[0]),
        PortEvent::MasterLost(sender) => format!("lost {}", sender.clock_identity.0[0]),
        PortEvent::RequestsUnanswered { falls_back_to_multicast: true, .. } => "fallback".to_owned(),
        PortEvent::RequestsUnanswered { .. } => "unanswered".to_owned(),
        PortEvent::Unicast(event) => event.to_string(),
        PortEvent::FlagContradicted(_) => "contradicted".to_owned(),
        PortEvent::Doubted(_) => "doubted".to_owned(),
        PortEvent::Contested(_) => "contested".to_owned(),
        PortEvent::Settled => "settled".to_owned(),
        PortEvent::IllegalTransition { .. } => panic!("{event}"),
        PortEvent::PassedOver { master, .. } => format!("passed over {}", master.clock_identity.0[0]),
        PortEvent::Trusted => "trusted".to_owned(),
        PortEvent::Lock(transition) => format!("lock {}", transition.to),
    };
    events.iter().map(name).collect()
}

/// A servo that records its calls.
#[derive(Default)]
struct Notes {
    pairs: Vec<TimestampPair>,
    changes_of_master: u32,
    unanswered: u32,
    /// Whether the time is too uncertain.
    unlocked: bool,
}

impl ClockServo for Notes {
    fn observe(&mut self, pair: &TimestampPair) {
        self.pairs.push(*pair);
    }
    fn change_master(&mut self, _now: LocalTime) {
        self.changes_of_master += 1;
    }
    fn request_unanswered(&mut self, _now: LocalTime) {
        self.unanswered += 1;
    }
    fn set_sync_interval(&mut self, _interval: Nanos) {}
    fn advance(&mut self, _now: LocalTime) {}
    fn reading(&self, _now: LocalTime) -> ClockReading {
        let state = if self.unlocked { LockState::Unlocked } else { LockState::Locked };
        ClockReading { state, map: None, epoch: 0, path_delay: PathDelay::Measured }
    }
    fn poll_transition(&mut self) -> Option<LockTransition> {
        None
    }
}

fn noting_port(config: PortConfig) -> Port<Notes> {
    Port::with_servo(config, LocalTime::ZERO, Notes::default())
}
