//! Why there is no clock, in words for the user.

use super::*;

/// The diagnosis of a port at `now`; empty if there is none.
fn said<L: ClockServo>(port: &Port<L>, now: LocalTime) -> String {
    port.diagnosis(now).map_or_else(String::new, |diagnosis| diagnosis.to_string())
}

/// The diagnosis after 10 s with only this master.
fn after(master: Master) -> String {
    let (mut port, mut master, mut now) = (new_port(slave_config()), master, LocalTime::ZERO);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(10));
    said(&port, now)
}

fn with_header(change: impl Fn(&mut Header)) -> Master {
    let mut master = Master::new(1);
    change(&mut master.header);
    master
}

#[test]
fn masters_that_cannot_be_used_are_named() {
    let cases = [
        (with_header(|header| header.domain_number = 3), "no master in domain 10, but 0101010101010101 is in domain 3"),
        (
            with_header(|header| header.major_sdo_id = 1),
            "no master in domain 10, but 0101010101010101-1 speaks IEEE 802.1AS (gPTP), which AES67 does not follow",
        ),
        (
            with_header(|header| header.flags = Flags::ALTERNATE_MASTER),
            "no master in domain 10, but 0101010101010101 is announced as an alternate master only",
        ),
        (
            Master { steps_removed: 255, ..Master::new(1) },
            "no master in domain 10, but 0101010101010101 is 255 boundary clocks away: stepsRemoved may be 254 at most",
        ),
        (Master::new(1), ""),
    ];
    for (master, sentence) in cases {
        assert_eq!(after(master), sentence);
    }
}

#[test]
fn what_is_not_there_is_told_as_long_as_it_is_so() {
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    assert_eq!(said(&port, now), "no master in domain 10, and no other PTP is heard");
    // The version field of PTPv1 is in the same place as that of PTPv2.
    assert!(port.handle_datagram(now, address(7), &[0, 1, 0, 1]).is_err());
    assert_eq!((port.counters().version_1, port.counters().malformed), (1, 0));
    let version_1 =
        "no master in domain 10, but 192.0.2.7 speaks PTP version 1, as Dante does where its AES67 mode is off";
    assert_eq!(said(&port, now), version_1);
    // A master in another domain takes precedence.
    let mut others =
        [2, 3].map(|domain| Master { identity: domain, ..with_header(|header| header.domain_number = domain) });
    others.iter().for_each(|other| other.announce(&mut port, now));
    assert!(said(&port, now).ends_with("but 0101010101010101 is in domain 2 and 0101010101010101 in domain 3"));
    let mut unannounced = Master::new(4);
    unannounced.sync(&mut port, now);
    assert!(said(&port, now).contains("but Syncs of 0404040404040404-1 arrive on UDP port 319"));
    Master::new(5).announce(&mut port, now);
    assert!(said(&port, now).ends_with("0505050505050505 has announced itself once, it takes twice"));
    others[0].sync(&mut port, now);
    silence(&mut port, &mut now, Nanos::from_secs(7));
    assert_eq!(said(&port, now), "no master in domain 10, and no other PTP is heard");
}

#[test]
fn what_a_master_leaves_out_is_told() {
    let second = Nanos::from_secs(1);
    // The master sends no Syncs.
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    for _ in 0..4 {
        Master::new(1).announce(&mut port, now);
        silence(&mut port, &mut now, second);
    }
    let no_sync =
        "grandmaster 0101010101010101: it announces itself, but no Sync arrives on UDP port 319, which may be blocked";
    assert_eq!(said(&port, now), no_sync);
    // The master sends no Follow_Ups.
    for sequence_id in 0..8 {
        let master = Master { sequence_id, ..Master::new(1) };
        master.send(&mut port, now, Flags::TWO_STEP, -3, Body::Sync { origin_timestamp: PtpTime::EPOCH });
    }
    assert!(said(&port, now).contains("none arrives on UDP port 320"), "{}", said(&port, now));
    // The master does not answer.
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    let mut mute = Master { answers: false, ..Master::new(1) };
    run(&mut [&mut mute], &mut port, &mut now, second.times(7));
    assert!(said(&port, now).contains("Delay_Reqs, so the path delay is not known"), "{}", said(&port, now));
}

#[test]
fn follow_ups_that_contradict_their_flag_are_used_and_told_once() {
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    let mut master = Master::new(1);
    let mut events = Vec::new();
    for i in 0..8 * 20 {
        if i % 8 == 0 {
            master.announce(&mut port, now);
        }
        master.sequence_id += 1;
        let precise_origin_timestamp = master.time(now - DELAY);
        master.send(&mut port, now, Flags::default(), -3, Body::Sync { origin_timestamp: PtpTime::EPOCH });
        master.send(&mut port, now, Flags::default(), -3, Body::FollowUp { precise_origin_timestamp });
        port.handle_timeout(now);
        while let Some(transmit) = port.poll_transmit() {
            let Some(token) = transmit.timestamp else { continue };
            port.handle_transmitted(token, now);
            master.answer(&mut port, token.sequence_id(), now);
        }
        events.extend(std::iter::from_fn(|| port.poll_event()));
        now = now + SYNC;
    }
    assert_eq!(names(&events).iter().filter(|name| *name == "contradicted").count(), 1);
    assert_eq!(port.reading(now).state, LockState::Locked);
    let error = port.reading(now).map.unwrap().ptp_at(now) - master.time(now);
    assert!(error.abs() < Nanos::from_micros(1), "{error}");
}
