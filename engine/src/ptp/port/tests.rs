use super::*;
use crate::clock::LockState;
use crate::ptp::wire::{Announce, ClockIdentity, ClockQuality};

const SYNC: Nanos = Nanos::from_millis(125);
const DELAY: Nanos = Nanos::from_micros(40);

fn port_identity(identity: u8) -> PortIdentity {
    PortIdentity { clock_identity: ClockIdentity([identity; 8]), port_number: 1 }
}

/// A master on the same clock as the slave, plus an offset.
struct Master {
    identity: u8,
    priority_1: u8,
    sequence_id: u16,
    offset: Nanos,
}

impl Master {
    fn new(identity: u8) -> Self {
        Self { identity, priority_1: 128, sequence_id: 0, offset: Nanos::from_secs(1_000) }
    }

    fn time(&self, now: LocalTime) -> PtpTime {
        PtpTime::EPOCH + Nanos::new(now.as_nanos()) + self.offset
    }

    fn send(&self, port: &mut Port, now: LocalTime, flags: Flags, log_message_interval: i8, body: Body) {
        let header = Header {
            domain_number: 10,
            flags,
            source_port_identity: port_identity(self.identity),
            sequence_id: self.sequence_id,
            log_message_interval,
            ..Header::default()
        };
        let message = Message { header, body, tlvs: Tlvs::default() };
        let mut bytes = [0; 128];
        let length = message.emit(&mut bytes).unwrap();
        port.handle_datagram(now, &bytes[..length]).unwrap();
    }

    fn announce(&mut self, port: &mut Port, now: LocalTime) {
        let announce = Announce {
            origin_timestamp: PtpTime::EPOCH,
            current_utc_offset: 37,
            grandmaster_priority_1: self.priority_1,
            grandmaster_clock_quality: ClockQuality { clock_class: 6, ..ClockQuality::default() },
            grandmaster_priority_2: 128,
            grandmaster_identity: ClockIdentity([self.identity; 8]),
            steps_removed: 0,
            time_source: 0x20,
        };
        self.send(port, now, Flags::default(), 0, Body::Announce(announce));
    }

    fn sync(&mut self, port: &mut Port, now: LocalTime) {
        self.sequence_id = self.sequence_id.wrapping_add(1);
        self.send(port, now, Flags::TWO_STEP, -3, Body::Sync { origin_timestamp: PtpTime::EPOCH });
        let precise_origin_timestamp = self.time(now - DELAY);
        self.send(port, now, Flags::default(), -3, Body::FollowUp { precise_origin_timestamp });
    }

    fn answer(&self, port: &mut Port, request: &Transmit, sent: LocalTime) {
        let body = Body::DelayResp {
            receive_timestamp: self.time(sent + DELAY),
            requesting_port_identity: port.config.identity,
        };
        let answering = Master { sequence_id: request.sequence_id, ..Master { offset: self.offset, ..*self } };
        answering.send(port, sent + DELAY + DELAY, Flags::default(), 0, body);
    }

    /// Runs alone for `time`.
    fn run(&mut self, port: &mut Port, now: &mut LocalTime, time: Nanos) -> Vec<PortEvent> {
        run(&mut [self], port, now, time)
    }
}

/// Runs for `time`: all masters send an Announce every second and a Sync every 125 ms; all answer requests.
fn run(masters: &mut [&mut Master], port: &mut Port, now: &mut LocalTime, time: Nanos) -> Vec<PortEvent> {
    let end = *now + time;
    let mut events = Vec::new();
    while *now < end {
        for master in masters.iter_mut() {
            if now.as_nanos() % 1_000_000_000 == 0 {
                master.announce(port, *now);
            }
            master.sync(port, *now);
        }
        port.handle_timeout(*now);
        if let Some(request) = port.poll_transmit() {
            port.handle_transmitted(request.sequence_id, *now);
            for master in masters.iter() {
                master.answer(port, &request, *now);
            }
        }
        events.extend(std::iter::from_fn(|| port.poll_event()));
        *now = *now + SYNC;
    }
    events
}

fn slave_port() -> Port {
    Port::new(PortConfig::media_profile(port_identity(9), 10))
}

/// The events in short, for comparison.
fn names(events: &[PortEvent]) -> Vec<String> {
    let name = |event: &PortEvent| match event {
        PortEvent::MasterSelected(data) => format!("master {}", data.grandmaster.0[0]),
        PortEvent::MasterLost(sender) => format!("lost {}", sender.clock_identity.0[0]),
        PortEvent::Lock(transition) => format!("{}", transition.to),
    };
    events.iter().map(name).collect()
}

#[test]
fn finds_a_master_and_locks_to_its_time() {
    let (mut port, mut master, mut now) = (slave_port(), Master::new(1), LocalTime::ZERO);
    let events = master.run(&mut port, &mut now, Nanos::from_secs(20));
    assert_eq!(names(&events), ["master 1", "ACQUIRING", "LOCKED"]);
    assert_eq!(port.port_state(now), PortState::Slave);
    let error = port.reading(now).map.unwrap().ptp_at(now) - master.time(now);
    assert!(error.abs() < Nanos::from_micros(1), "{error}");
    assert!((port.law().mean_path_delay() - DELAY).abs() < Nanos::from_micros(1));
}

#[test]
fn gives_up_a_silent_master_and_returns_to_it_with_the_lock_held() {
    let (mut port, mut master, mut now) = (slave_port(), Master::new(1), LocalTime::ZERO);
    master.run(&mut port, &mut now, Nanos::from_secs(60));
    let silent_until = now + Nanos::from_secs(10);
    let mut events = Vec::new();
    while let Some(due) = port.poll_timeout().filter(|&due| due < silent_until) {
        now = due;
        port.handle_timeout(now);
        assert!(port.poll_timeout().is_none_or(|next| next > now), "a timer that is always due");
        events.extend(std::iter::from_fn(|| port.poll_event()));
    }
    assert_eq!(names(&events), ["HOLDOVER", "lost 1"]);
    assert_eq!(port.port_state(now), PortState::Listening);
    now = LocalTime::ZERO + Nanos::from_secs(71);
    let events = master.run(&mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events), ["master 1", "LOCKED"]);
    assert_eq!(port.reading(now).state, LockState::Locked);
}

#[test]
fn follows_a_better_master_as_soon_as_it_qualifies() {
    let (mut port, mut master, mut now) = (slave_port(), Master::new(5), LocalTime::ZERO);
    master.run(&mut port, &mut now, Nanos::from_secs(20));
    let mut better = Master::new(6);
    better.priority_1 = 1;
    let events = run(&mut [&mut master, &mut better], &mut port, &mut now, Nanos::from_secs(20));
    assert_eq!(names(&events), ["master 6"], "the same time, another master: the lock is kept");
}

#[test]
fn foreign_messages_change_nothing() {
    let mut port = slave_port();
    let now = LocalTime::ZERO;
    assert!(port.handle_datagram(now, &[0; 10]).is_err());
    assert_eq!(port.malformed(), 1);
    let mut elsewhere = Master::new(1);
    for second in 0..5 {
        let now = now + Nanos::from_secs(second);
        elsewhere.sync(&mut port, now);
        port.handle_timeout(now);
    }
    assert_eq!(port.poll_event(), None, "Syncs without an Announce are nobody's");
    assert_eq!(port.poll_timeout(), None);
}
