//! Masters that serve only on request.

use super::*;
use crate::ptp::unicast::{Service, UnicastConfig, UnicastMasters, UnicastTlv};

/// A scripted master that negotiates; it runs on the same clock as the port.
struct UnicastMaster {
    master: Master,
    /// Granted services, and the end of each grant.
    served: [Option<LocalTime>; 3],
    grants: bool,
    requests: Vec<Service>,
    cancelled: Vec<Service>,
}

impl UnicastMaster {
    fn new(identity: u8) -> Self {
        let header = Header { flags: Flags::UNICAST, ..Master::new(identity).header };
        // Unicast messages do not state their interval.
        let master = Master { header, log_announce_interval: NO_INTERVAL, ..Master::new(identity) };
        Self { master, served: [None; 3], grants: true, requests: Vec::new(), cancelled: Vec::new() }
    }

    fn serves(&self, service: Service, now: LocalTime) -> bool {
        self.served[service as usize].is_some_and(|until| now < until)
    }

    fn take<L: ClockServo>(&mut self, port: &mut Port<L>, now: LocalTime, transmit: &Transmit) {
        assert_eq!(transmit.destination, Destination::Unicast(address(self.master.identity)));
        let message = Message::parse(&transmit.datagram).unwrap();
        assert!(message.header.flags.contains(Flags::UNICAST));
        match message.body {
            Body::DelayReq { .. } if self.serves(Service::DelayResp, now) => {
                self.master.answer(port, message.header.sequence_id, now);
            }
            Body::DelayReq { .. } => panic!("a Delay_Req without a grant"),
            Body::Signaling { .. } => {
                let mut answer = Vec::new();
                for tlv in message.tlvs.iter() {
                    match UnicastTlv::parse(&tlv.unwrap()).unwrap() {
                        UnicastTlv::Request { service, log_interval, duration_s } => {
                            self.requests.push(service);
                            let duration_s = if self.grants { duration_s } else { 0 };
                            self.served[service as usize] =
                                self.grants.then_some(now + Nanos::from_secs(i64::from(duration_s)));
                            let grant = UnicastTlv::Grant { service, log_interval, duration_s, renewal_invited: true };
                            answer.extend(grant.emit());
                        }
                        UnicastTlv::Cancel(service) => {
                            self.cancelled.push(service);
                            self.served[service as usize] = None;
                        }
                        _ => {}
                    }
                }
                self.signal(port, now, &answer);
            }
            body => panic!("{body:?}"),
        }
    }

    fn signal<L: ClockServo>(&self, port: &mut Port<L>, now: LocalTime, tlvs: &[u8]) {
        let header = Header { source_port_identity: port_identity(self.master.identity), ..self.master.header };
        let body = Body::Signaling { target_port_identity: port.config.identity };
        let mut bytes = [0; 128];
        let length = Message { header, body, tlvs: Tlvs::new(tlvs) }.emit(&mut bytes).unwrap();
        port.handle_datagram(now, address(self.master.identity), &bytes[..length]).unwrap();
    }
}

fn unicast_port(identities: &[u8]) -> Port {
    let addresses: Vec<PeerAddress> = identities.iter().map(|&identity| address(identity)).collect();
    let unicast = UnicastConfig { duration_s: 20, ..UnicastConfig::new(UnicastMasters::new(&addresses).unwrap()) };
    let config = PortConfig { log_announce_interval: 0, ..slave_config() };
    Port::new(config.served_by(unicast), LocalTime::ZERO)
}

/// Runs for `time`; masters send what they have granted.
fn serve(masters: &mut [&mut UnicastMaster], port: &mut Port, now: &mut LocalTime, time: Nanos) -> Vec<PortEvent> {
    let end = *now + time;
    let mut events = Vec::new();
    while *now < end {
        for master in masters.iter_mut() {
            if now.as_nanos() % 1_000_000_000 == 0 && master.serves(Service::Announce, *now) {
                master.master.announce(port, *now);
            }
            if master.serves(Service::Sync, *now) {
                master.master.sync(port, *now);
            }
        }
        port.handle_timeout(*now);
        while let Some(transmit) = port.poll_transmit() {
            if let Some(token) = transmit.timestamp {
                port.handle_transmitted(token, *now);
            }
            let to = |master: &&mut &mut UnicastMaster| {
                transmit.destination == Destination::Unicast(address(master.master.identity))
            };
            if let Some(master) = masters.iter_mut().find(to) {
                master.take(port, *now, &transmit);
            }
        }
        events.extend(std::iter::from_fn(|| port.poll_event()));
        *now = *now + SYNC;
    }
    events
}

fn error(port: &Port, master: &UnicastMaster, now: LocalTime) -> Nanos {
    (port.reading(now).map.unwrap().ptp_at(now) - master.master.time(now)).abs()
}

#[test]
fn the_best_of_the_table_is_followed_and_its_grants_are_renewed() {
    let (mut good, mut best) = (UnicastMaster::new(1), UnicastMaster::new(2));
    best.master.priority_1 = 1;
    let (mut port, mut now) = (unicast_port(&[1, 2]), LocalTime::ZERO);
    let events = serve(&mut [&mut good, &mut best], &mut port, &mut now, Nanos::from_secs(100));
    assert_eq!(port.reading(now).state, LockState::Locked);
    assert_eq!(port.master().unwrap().sender, port_identity(2));
    assert!(error(&port, &best, now) < Nanos::from_micros(1));
    assert!((port.servo().mean_path_delay() - DELAY).abs() < Nanos::from_micros(1));
    let lost = names(&events)
        .iter()
        .filter(|name| name.contains("lost") || name.contains("unicast master 192.0.2.2 has"))
        .count();
    assert_eq!(lost, 0, "{:?}", names(&events));
    // The grants of 20 s are renewed every 15 s.
    let count = |master: &UnicastMaster, service| master.requests.iter().filter(|asked| **asked == service).count();
    assert!((6..=8).contains(&count(&best, Service::Sync)), "{:?}", best.requests);
    assert!((6..=8).contains(&count(&good, Service::Announce)));
    let counters = port.counters();
    assert_eq!((counters.unanswered_requests, counters.other_source), (0, 0));
    assert!(counters.delay_responses > 20, "{counters:?}");
    // The grant is cancelled.
    port.release();
    let mut masters = [&mut good, &mut best];
    while let Some(transmit) = port.poll_transmit() {
        let to = transmit.destination;
        let master = masters.iter_mut().find(|master| to == Destination::Unicast(address(master.master.identity)));
        master.unwrap().take(&mut port, now, &transmit);
    }
    assert_eq!(best.cancelled, [Service::Announce, Service::Sync, Service::DelayResp]);
    assert_eq!(good.cancelled[good.cancelled.len() - 1], Service::Announce);
}

#[test]
fn a_master_that_starts_anew_is_asked_anew_and_the_time_is_held_meanwhile() {
    let mut master = UnicastMaster::new(1);
    let (mut port, mut now) = (unicast_port(&[1]), LocalTime::ZERO);
    serve(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(30));
    // The master has lost its grants, and answers nobody for 5 s.
    master.served = [None; 3];
    let events = serve(&mut [], &mut port, &mut now, Nanos::from_secs(5));
    assert_eq!(port.reading(now).state, LockState::Holdover, "{:?}", names(&events));
    let events = serve(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(port.reading(now).state, LockState::Locked, "{:?}", names(&events));
    assert!(error(&port, &master, now) < Nanos::from_micros(2));
}

#[test]
fn who_denies_is_not_followed_and_messages_that_were_not_asked_for_do_not_count() {
    let mut stingy = UnicastMaster { grants: false, ..UnicastMaster::new(1) };
    let mut loud = Master::better(3);
    let (mut port, mut now) = (unicast_port(&[1]), LocalTime::ZERO);
    for _ in 0..20 {
        // The messages come by multicast, and by unicast from an address that is not in the table.
        loud.announce(&mut port, now);
        loud.header.flags = Flags::UNICAST;
        loud.announce(&mut port, now);
        serve(&mut [&mut stingy], &mut port, &mut now, Nanos::from_secs(1));
    }
    assert_eq!(port.master(), None);
    assert_eq!(port.counters().other_source, 40);
    assert!(stingy.requests.len() < 6, "{:?}", stingy.requests);
}

#[test]
fn a_cancelled_grant_is_asked_for_again() {
    let mut master = UnicastMaster::new(1);
    let (mut port, mut now) = (unicast_port(&[1]), LocalTime::ZERO);
    serve(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(10));
    master.served[Service::Sync as usize] = None;
    master.signal(&mut port, now, &UnicastTlv::Cancel(Service::Sync).emit());
    let events = serve(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(4));
    let names = names(&events);
    assert!(names.contains(&"unicast master 192.0.2.1 cancels Sync".to_owned()), "{names:?}");
    assert_eq!(port.reading(now).state, LockState::Locked, "{names:?}");
    assert!(master.serves(Service::Sync, now));
}
