//! The port as master.

use super::*;
use crate::clock::{ClockMap, PtpMap};

/// Returns the messages of the port until `end`. The departure of each message is reported as
/// `LATENCY` after it was polled.
fn messages(port: &mut Port, now: &mut LocalTime, time: Nanos) -> Vec<(LocalTime, Transmit)> {
    let end = *now + time;
    let mut sent = Vec::new();
    while let Some(due) = port.poll_timeout().filter(|&due| due < end) {
        *now = due;
        port.handle_timeout(due);
        while let Some(transmit) = port.poll_transmit() {
            if let Some(token) = transmit.timestamp {
                port.handle_transmitted(token, due + LATENCY);
            }
            sent.push((due, transmit));
        }
    }
    *now = end;
    sent
}

const LATENCY: Nanos = Nanos::from_micros(300);

fn body(transmit: &Transmit) -> (Header, Body) {
    let message = Message::parse(&transmit.datagram).unwrap();
    (message.header, message.body)
}

fn of_type(sent: &[(LocalTime, Transmit)], message_type: MessageType) -> Vec<(LocalTime, Header, Body)> {
    let parsed = sent.iter().map(|(at, transmit)| (*at, body(transmit)));
    parsed.filter(|(_, (_, body))| body.message_type() == message_type).map(|(at, (h, b))| (at, h, b)).collect()
}

#[test]
fn becomes_master_when_nobody_announces() {
    let mut port = new_port(full_config());
    let mut now = LocalTime::ZERO;
    messages(&mut port, &mut now, Nanos::from_secs(20));
    let events: Vec<_> = std::iter::from_fn(|| port.poll_event()).collect();
    let [PortEvent::State(change)] = events[..] else { panic!("{events:?}") };
    assert_eq!((change.from, change.to), (PortState::Listening, PortState::Master));
    assert_eq!(change.cause, StateCause::AnnounceReceiptTimeout);
    // Three intervals of 2 s, and a fraction of one more.
    assert!((6..8).contains(&(change.at.as_nanos() / 1_000_000_000)), "{:?}", change.at);
}

#[test]
fn ports_that_start_together_do_not_all_become_master_together() {
    let starts = [1, 2, 3].map(|identity| {
        let config = PortConfig { identity: port_identity(identity), ..full_config() };
        new_port(config).poll_timeout().unwrap()
    });
    assert!(starts[0] != starts[1] && starts[1] != starts[2], "{starts:?}");
}

#[test]
fn a_slave_never_becomes_master() {
    let mut port = new_port(slave_config());
    let mut now = LocalTime::ZERO;
    silence(&mut port, &mut now, Nanos::from_secs(100));
    assert_eq!(port.state(), PortState::Listening);
}

#[test]
fn two_step_syncs_are_followed_up_with_the_time_they_left() {
    let mut port = new_port(full_config());
    let mut now = LocalTime::ZERO;
    messages(&mut port, &mut now, Nanos::from_secs(20));
    let sent = messages(&mut port, &mut now, Nanos::from_secs(60));
    let syncs = of_type(&sent, MessageType::Sync);
    let follow_ups = of_type(&sent, MessageType::FollowUp);
    let announces = of_type(&sent, MessageType::Announce);
    assert_eq!((syncs.len(), follow_ups.len(), announces.len()), (480, 480, 30));
    for (pair, next) in syncs.iter().zip(&syncs[1..]) {
        assert_eq!(next.0 - pair.0, SYNC);
        assert_eq!(next.1.sequence_id, pair.1.sequence_id.wrapping_add(1));
    }
    for (sync, follow_up) in syncs.iter().zip(&follow_ups) {
        assert!(sync.1.flags.contains(Flags::TWO_STEP) && !follow_up.1.flags.contains(Flags::TWO_STEP));
        assert_eq!(sync.1.sequence_id, follow_up.1.sequence_id);
        assert_eq!((sync.1.log_message_interval, follow_up.1.log_message_interval), (-3, -3));
        // A free-running master serves the host's uptime.
        let left = PtpTime::EPOCH + Nanos::new((sync.0 + LATENCY).as_nanos());
        assert_eq!(follow_up.2, Body::FollowUp { precise_origin_timestamp: left });
    }
    let (_, header, announce) = announces[0];
    assert_eq!((header.log_message_interval, header.domain_number, header.flags), (1, DOMAIN, Flags::default()));
    let Body::Announce(announce) = announce else { unreachable!() };
    assert_eq!(announce.grandmaster_identity, ClockIdentity([9; 8]));
    assert_eq!((announce.grandmaster_priority_1, announce.grandmaster_clock_quality.clock_class), (128, 248));
    assert_eq!((announce.steps_removed, announce.time_source), (0, 0xA0));
}

#[test]
fn a_transmit_time_is_used_once_and_only_for_the_last_sync() {
    let mut port = new_port(full_config());
    let due = port.poll_timeout().unwrap();
    port.handle_timeout(due);
    let sync = |port: &mut Port| std::iter::from_fn(|| port.poll_transmit()).find_map(|t| t.timestamp).unwrap();
    let first = sync(&mut port);
    port.handle_timeout(due + SYNC);
    let second = sync(&mut port);
    port.handle_transmitted(first, due);
    assert_eq!(port.poll_transmit(), None, "the slaves have forgotten that Sync");
    port.handle_transmitted(second, due + SYNC);
    assert!(port.poll_transmit().is_some());
    port.handle_transmitted(second, due + SYNC);
    assert_eq!(port.poll_transmit(), None);
}

#[test]
fn one_step_syncs_carry_the_time() {
    let mut port = new_port(PortConfig { two_step: false, ..full_config() });
    let mut now = LocalTime::ZERO;
    let sent = messages(&mut port, &mut now, Nanos::from_secs(20));
    assert_eq!(of_type(&sent, MessageType::FollowUp).len(), 0);
    for (at, header, body) in of_type(&sent, MessageType::Sync) {
        assert!(!header.flags.contains(Flags::TWO_STEP));
        assert_eq!(body, Body::Sync { origin_timestamp: PtpTime::EPOCH + Nanos::new(at.as_nanos()) });
    }
}

#[test]
fn requests_are_answered_the_way_they_came() {
    let request = |port: &mut Port, now: LocalTime, flags: Flags| {
        let mut header = Master::new(4).header;
        header.correction_field = crate::ptp::wire::CorrectionField::from_scaled_nanoseconds(77);
        let slave = Master { identity: 4, sequence_id: 0xFFFF, header, ..Master::new(4) };
        slave.send(port, now, flags, NO_INTERVAL, Body::DelayReq { origin_timestamp: PtpTime::EPOCH });
        port.poll_transmit()
    };
    let mut port = new_port(full_config());
    assert_eq!(request(&mut port, LocalTime::ZERO, Flags::default()), None, "only a master answers");
    let mut now = LocalTime::ZERO;
    messages(&mut port, &mut now, Nanos::from_secs(20));
    for (flags, destination) in
        [(Flags::default(), Destination::Multicast), (Flags::UNICAST, Destination::Unicast(address(4)))]
    {
        let answer = request(&mut port, now, flags).unwrap();
        assert_eq!((answer.destination, answer.timestamp), (destination, None));
        let (header, body) = body(&answer);
        assert_eq!((header.flags, header.sequence_id, header.log_message_interval), (flags, 0xFFFF, 0));
        assert_eq!(header.correction_field.as_scaled_nanoseconds(), 77);
        let receive_timestamp = PtpTime::EPOCH + Nanos::new(now.as_nanos());
        assert_eq!(body, Body::DelayResp { receive_timestamp, requesting_port_identity: port_identity(4) });
    }
    assert_eq!(port.counters().answered_requests, 2);
}

#[test]
fn serves_on_where_the_lost_grandmaster_stopped() {
    let (mut port, mut now) = (new_port(full_config()), LocalTime::ZERO);
    let mut master = Master::new(1);
    master.header.flags = Flags::PTP_TIMESCALE | Flags::CURRENT_UTC_OFFSET_VALID | Flags::TIME_TRACEABLE;
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(60));
    let epoch = port.reading(now).epoch;
    let events = silence(&mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events), ["lock HOLDOVER", "lost 1", "MASTER"]);
    let reading = port.reading(now);
    let error = reading.map.unwrap().ptp_at(now) - master.time(now);
    assert!(error.abs() < Nanos::from_micros(1), "{error}");
    assert_eq!((reading.state, reading.epoch), (LockState::Locked, epoch), "nothing stepped");
    let properties = port.time_properties().unwrap();
    assert!(properties.ptp_timescale && !properties.time_traceable);
    assert_eq!(properties.current_utc_offset, Some(37));
    // The master returns.
    let events = run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events)[..2], ["master 1", "UNCALIBRATED"]);
    assert_eq!((port.state(), port.reading(now).epoch), (PortState::Slave, epoch));
    assert!(port.timers.take(Timer::Sync, now + Nanos::from_secs(9)).is_none(), "no longer sends");
}

#[test]
fn a_given_timeline_is_served_and_a_step_to_it_is_a_new_epoch() {
    let map = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(1_790_000_000, 0), ClockMap::default());
    let (mut port, mut now) =
        (new_port(PortConfig { served_time: ServedTime::Given(map), ..full_config() }), LocalTime::ZERO);
    let mut master = Master::new(1);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(20));
    let epoch = port.reading(now).epoch;
    silence(&mut port, &mut now, Nanos::from_secs(10));
    let reading = port.reading(now);
    assert_eq!(reading.map.unwrap().ptp_at(now), map.ptp_at(now));
    assert_ne!(reading.epoch, epoch);
}

#[test]
fn times_that_no_timestamp_holds_are_not_sent() {
    let before_the_epoch = PtpMap::new(LocalTime::ZERO, PtpTime::from_nanos(-1 << 70), ClockMap::default());
    let config = PortConfig { served_time: ServedTime::Given(before_the_epoch), ..full_config() };
    let mut port = new_port(config);
    let mut now = LocalTime::ZERO;
    let sent = messages(&mut port, &mut now, Nanos::from_secs(20));
    assert_eq!(of_type(&sent, MessageType::FollowUp).len(), 0);
    assert!(port.counters().unsent > 0);
}

#[test]
fn a_reference_that_is_outranked_is_passive() {
    let reference = ClockQuality { clock_class: 6, ..ClockQuality::default() };
    let (mut port, mut now) = (new_port(PortConfig { quality: reference, ..full_config() }), LocalTime::ZERO);
    silence(&mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(port.state(), PortState::Master);
    let mut better = Master::better(1);
    let events = run(&mut [&mut better], &mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events), ["PASSIVE"]);
    assert_eq!((port.poll_transmit(), port.master()), (None, None));
    let events = silence(&mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events), ["MASTER"]);
}

/// Two ports alone: one serves and the other follows; when the first one dies, the second one
/// serves.
#[test]
fn two_ports_agree_on_who_serves() {
    let mut ports = [3, 9].map(|identity| {
        let config = PortConfig { identity: port_identity(identity), ..full_config() };
        new_port(PortConfig { delay_request_mode: DelayRequestMode::Hybrid, ..config })
    });
    let exchange = |ports: &mut [Port; 2], from: usize, now: LocalTime| {
        while let Some(transmit) = ports[from].poll_transmit() {
            if let Some(token) = transmit.timestamp {
                ports[from].handle_transmitted(token, now);
            }
            let source = address(ports[from].config.identity.clock_identity.0[0]);
            ports[1 - from].handle_datagram(now + DELAY, source, &transmit.datagram).unwrap();
        }
    };
    let mut now = LocalTime::ZERO;
    while let Some(due) =
        ports.iter().filter_map(Port::poll_timeout).min().filter(|due| due.as_nanos() < 60_000_000_000)
    {
        now = due;
        for index in [0, 1] {
            ports[index].handle_timeout(now);
            exchange(&mut ports, index, now);
            exchange(&mut ports, 1 - index, now);
        }
    }
    assert_eq!(ports.each_ref().map(Port::state), [PortState::Master, PortState::Slave]);
    let times = ports.each_ref().map(|port| port.reading(now).map.unwrap().ptp_at(now));
    assert!((times[0] - times[1]).abs() < Nanos::from_micros(50), "{times:?}");
    assert_eq!(ports[1].counters().unanswered_requests, 0);
    assert!(ports[0].counters().answered_requests > 20);
    let [_, survivor] = &mut ports;
    silence(survivor, &mut now, Nanos::from_secs(20));
    assert_eq!(survivor.state(), PortState::Master);
}
