use super::*;
use crate::ptp::wire::{ClockIdentity, Tlvs};

const A: PeerAddress = PeerAddress::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const B: PeerAddress = PeerAddress::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const PORT: PortIdentity = PortIdentity { clock_identity: ClockIdentity([1; 8]), port_number: 1 };

fn at(seconds: f64) -> LocalTime {
    LocalTime::ZERO + Nanos::from_secs_f64(seconds)
}

fn negotiation(masters: &[PeerAddress]) -> Negotiation {
    let masters = UnicastMasters::new(masters).unwrap();
    Negotiation::new(&UnicastConfig { masters, duration_s: 60 }, [0, -3, -2], LocalTime::ZERO)
}

/// The messages that have been sent, in words.
fn sent(negotiation: &mut Negotiation) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(signal) = negotiation.poll_signal() {
        let host = signal.to.to_string();
        let host = host.rsplit('.').next().unwrap();
        let tlvs = Tlvs::new(&signal.tlvs);
        all.extend(tlvs.iter().map(|tlv| match UnicastTlv::parse(&tlv.unwrap()).unwrap() {
            UnicastTlv::Request { service, log_interval, duration_s } => {
                format!("{host}: {service} 2^{log_interval} for {duration_s}")
            }
            UnicastTlv::Cancel(service) => format!("{host}: cancel {service}"),
            UnicastTlv::AcknowledgeCancel(service) => format!("{host}: acknowledge {service}"),
            UnicastTlv::Grant { .. } => unreachable!(),
        }));
    }
    all
}

/// Runs until `end_s`; returns when each message is sent.
fn run(negotiation: &mut Negotiation, end_s: f64) -> Vec<(f64, String)> {
    let mut all = Vec::new();
    while let Some(due) = negotiation.poll_timeout().filter(|&due| due <= at(end_s)) {
        negotiation.handle_timeout(due);
        assert!(negotiation.poll_timeout().is_none_or(|next| next > due), "a timer that is always due");
        let seconds = (due - LocalTime::ZERO).as_secs_f64();
        all.extend(sent(negotiation).into_iter().map(|what| (seconds, what)));
    }
    all
}

fn grant(negotiation: &mut Negotiation, now_s: f64, from: PeerAddress, service: Service, duration_s: u32) -> bool {
    let tlv = UnicastTlv::Grant { service, log_interval: 0, duration_s, renewal_invited: true };
    negotiation.handle_tlv(at(now_s), from, PORT, &tlv).is_some()
}

fn told(negotiation: &mut Negotiation) -> Vec<String> {
    std::iter::from_fn(|| negotiation.poll_event()).map(|event| event.to_string()).collect()
}

#[test]
fn requests_without_an_answer_are_repeated_more_and_more_seldom() {
    let mut negotiation = negotiation(&[A]);
    assert_eq!(negotiation.obstacle(), None);
    let times: Vec<f64> = run(&mut negotiation, 40.0).into_iter().map(|(at_s, _)| at_s).collect();
    assert_eq!(times, [0.0, 1.0, 3.0, 7.0, 15.0, 23.0, 31.0, 39.0]);
    assert_eq!(told(&mut negotiation), ["unicast master 192.0.2.1 does not answer 3 requests for Announce"]);
    assert_eq!(negotiation.obstacle(), Some(Instead::UnicastUnanswered { master: A, requests: 8 }));
    assert!(grant(&mut negotiation, 40.0, A, Service::Announce, 60));
    assert_eq!(negotiation.obstacle(), None);
}

#[test]
fn every_master_is_asked_for_announces_and_the_chosen_one_for_the_rest() {
    let mut negotiation = negotiation(&[A, B]);
    negotiation.handle_timeout(at(0.0));
    assert_eq!(sent(&mut negotiation), ["1: Announce 2^0 for 60", "2: Announce 2^0 for 60"]);
    assert!(
        grant(&mut negotiation, 0.1, A, Service::Announce, 60)
            && grant(&mut negotiation, 0.1, B, Service::Announce, 60)
    );
    negotiation.select(at(0.2), Some(B));
    negotiation.handle_timeout(at(0.2));
    assert_eq!(sent(&mut negotiation), ["2: Sync 2^-3 for 60", "2: Delay_Resp 2^-2 for 60"]);
    assert!(grant(&mut negotiation, 0.3, B, Service::Sync, 60));
    assert_eq!(negotiation.interval(B, Service::Sync), Some(Nanos::from_secs(1)), "as granted, not as asked for");
    // Another master is better now.
    negotiation.select(at(0.4), Some(A));
    negotiation.handle_timeout(at(0.4));
    let signals = sent(&mut negotiation);
    assert_eq!(signals, ["2: cancel Sync", "1: Sync 2^-3 for 60", "1: Delay_Resp 2^-2 for 60"]);
    negotiation.release();
    assert_eq!(sent(&mut negotiation), ["1: cancel Announce", "2: cancel Announce"]);
    assert_eq!(negotiation.poll_timeout(), None);
}

#[test]
fn a_grant_is_renewed_before_it_ends_and_ends_if_it_is_not() {
    let mut negotiation = negotiation(&[A]);
    negotiation.handle_timeout(at(0.0));
    grant(&mut negotiation, 0.0, A, Service::Announce, 20);
    sent(&mut negotiation);
    // The grant lasts for fewer seconds than requested.
    let mut asked = Vec::new();
    for second in 0..40 {
        negotiation.heard(at(f64::from(second)), A, Service::Announce);
        asked.extend(
            run(&mut negotiation, f64::from(second)).into_iter().map(|(at_s, _)| at_s).filter(|at_s| *at_s > 0.0),
        );
        if second == 15 {
            assert!(grant(&mut negotiation, 15.0, A, Service::Announce, 20));
        }
    }
    assert_eq!(asked, [15.0, 30.0, 31.0, 33.0, 37.0], "three quarters of 20 s, twice; then repeated");
    let events = told(&mut negotiation);
    assert_eq!(events[0], "unicast master 192.0.2.1 grants Announce every 1000.0 ms for 20 s");
    assert_eq!(
        events[1..].join("; "),
        "unicast master 192.0.2.1 has not renewed Announce; unicast master 192.0.2.1 does not answer 3 requests for Announce"
    );
}

#[test]
fn what_was_granted_and_does_not_come_is_asked_for_anew() {
    let mut negotiation = negotiation(&[A]);
    negotiation.handle_timeout(at(0.0));
    grant(&mut negotiation, 0.0, A, Service::Announce, 60);
    sent(&mut negotiation);
    negotiation.heard(at(5.0), A, Service::Announce);
    let asked = run(&mut negotiation, 10.5);
    assert_eq!(
        asked.iter().map(|(at_s, _)| *at_s).collect::<Vec<_>>(),
        [9.0, 10.0],
        "3 intervals and a second after the last one"
    );
    assert!(told(&mut negotiation)[1].ends_with("has granted Announce, and none comes"));
    assert_eq!(negotiation.interval(A, Service::Announce), None);
}

#[test]
fn a_denial_is_respected_for_longer_and_longer() {
    let mut negotiation = negotiation(&[A]);
    let mut asked = Vec::new();
    for _ in 0..8 {
        let due = negotiation.poll_timeout().unwrap();
        negotiation.handle_timeout(due);
        sent(&mut negotiation);
        asked.push((due - LocalTime::ZERO).as_secs_f64());
        assert!(!grant(&mut negotiation, *asked.last().unwrap(), A, Service::Announce, 0));
    }
    assert_eq!(asked, [0.0, 2.0, 6.0, 14.0, 30.0, 62.0, 126.0, 190.0]);
    assert_eq!(negotiation.obstacle(), Some(Instead::UnicastDenied(A)));
    let events = told(&mut negotiation);
    assert!(
        events.iter().all(|event| event == "unicast master 192.0.2.1 denies Announce: it is asked again"),
        "{events:?}"
    );
    assert!(events.len() == 8);
}

#[test]
fn a_cancelled_grant_is_acknowledged_and_asked_for_again() {
    let mut negotiation = negotiation(&[A]);
    negotiation.handle_timeout(at(0.0));
    grant(&mut negotiation, 0.0, A, Service::Announce, 60);
    sent(&mut negotiation);
    negotiation.handle_tlv(at(5.0), A, PORT, &UnicastTlv::Cancel(Service::Announce));
    assert_eq!(sent(&mut negotiation), ["1: acknowledge Announce"]);
    assert_eq!(run(&mut negotiation, 6.5), [(6.0, "1: Announce 2^0 for 60".to_owned())]);
    assert_eq!(told(&mut negotiation)[1], "unicast master 192.0.2.1 cancels Announce");
}

#[test]
fn only_what_was_asked_for_is_granted() {
    let mut negotiation = negotiation(&[A]);
    assert!(!grant(&mut negotiation, 0.0, A, Service::Announce, 60), "before it was asked for");
    negotiation.handle_timeout(at(0.0));
    assert!(!grant(&mut negotiation, 0.0, B, Service::Announce, 60), "by another one");
    assert!(!grant(&mut negotiation, 0.0, A, Service::Sync, 60), "another service");
    assert!(grant(&mut negotiation, 0.0, A, Service::Announce, u32::MAX));
    assert!(!grant(&mut negotiation, 0.0, A, Service::Announce, 60), "twice");
    let until = negotiation.masters[0].contracts[0].grant.unwrap().until;
    assert_eq!(until, at(60.0), "no longer than was asked for");
}
