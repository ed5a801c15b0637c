use super::*;
use crate::clock::{ClockReading, LockState};
use crate::ptp::wire::{ClockQuality, Flags, Tlv, Tlvs};
use crate::ptp::{Destination, MessageClass};
use crate::units::PtpTime;

const DELAY: Nanos = Nanos::from_micros(300);
const START: LocalTime = LocalTime::from_nanos(77_000_000_000);
const PORT_9: PortIdentity = PortIdentity { clock_identity: ClockIdentity([9; 8]), port_number: 1 };

fn peer_address() -> PeerAddress {
    [192, 0, 2, 9].into()
}

fn at(ms: i64) -> LocalTime {
    START + Nanos::from_millis(ms)
}

fn config() -> YieldConfig {
    let identity = PortIdentity { clock_identity: ClockIdentity([2; 8]), port_number: 1 };
    YieldConfig::new(identity, peer_address())
}

fn session() -> YieldSession {
    YieldSession::new(config(), START)
}

/// A scripted receiver that never follows. Its clock is its uptime: 5 s at [`START`].
#[derive(Clone, Copy)]
struct HomePod {
    identity: PortIdentity,
    grandmaster: ClockIdentity,
    priority_1: u8,
    answers: bool,
    sequence_id: u16,
}

impl HomePod {
    fn new() -> Self {
        Self { identity: PORT_9, grandmaster: PORT_9.clock_identity, priority_1: 248, answers: false, sequence_id: 0 }
    }

    fn time(&self, now: LocalTime) -> PtpTime {
        PtpTime::from_timestamp(5, 0) + (now - START)
    }

    fn send<L: ClockServo>(&self, session: &mut YieldSession<L>, now: LocalTime, flags: Flags, body: Body) {
        let header = Header {
            major_sdo_id: 1,
            flags: flags | Flags::UNICAST | Flags::PTP_TIMESCALE,
            source_port_identity: self.identity,
            sequence_id: self.sequence_id,
            log_message_interval: -3,
            ..Header::default()
        };
        let mut bytes = [0; 128];
        let length = Message { header, body, tlvs: Tlvs::default() }.emit(&mut bytes).unwrap();
        session.handle_datagram(now, peer_address(), &bytes[..length]).unwrap();
    }

    fn announce<L: ClockServo>(&self, session: &mut YieldSession<L>, now: LocalTime) {
        let announce = Announce {
            grandmaster_priority_1: self.priority_1,
            grandmaster_clock_quality: ClockQuality { clock_class: 6, ..ClockQuality::default() },
            grandmaster_identity: self.grandmaster,
            ..Announce::default()
        };
        self.send(session, now, Flags::default(), Body::Announce(announce));
    }

    fn sync<L: ClockServo>(&mut self, session: &mut YieldSession<L>, now: LocalTime) {
        self.sequence_id = self.sequence_id.wrapping_add(1);
        self.send(session, now, Flags::TWO_STEP, Body::Sync { origin_timestamp: PtpTime::EPOCH });
        let precise_origin_timestamp = self.time(now - DELAY);
        self.send(session, now, Flags::default(), Body::FollowUp { precise_origin_timestamp });
    }

    /// Runs until `end_ms`, with a Sync every 125 ms and an Announce every second.
    fn run<L: ClockServo>(&mut self, session: &mut YieldSession<L>, from_ms: i64, end_ms: i64) -> Vec<Transmit> {
        let mut sent = Vec::new();
        for ms in (from_ms..end_ms).step_by(125) {
            if ms % 1_000 == 0 {
                self.announce(session, at(ms));
            }
            self.sync(session, at(ms));
            session.handle_timeout(at(ms));
            for transmit in drain(session, at(ms)) {
                let message = Message::parse(&transmit.datagram).unwrap();
                if self.answers && matches!(message.body, Body::DelayReq { .. }) {
                    let body = Body::DelayResp {
                        receive_timestamp: self.time(at(ms) + DELAY),
                        requesting_port_identity: message.header.source_port_identity,
                    };
                    let answering = Self { sequence_id: message.header.sequence_id, ..*self };
                    answering.send(session, at(ms) + DELAY + DELAY, Flags::default(), body);
                }
                sent.push(transmit);
            }
        }
        sent
    }
}

/// The messages of the session; each leaves the host at once.
fn drain<L: ClockServo>(session: &mut YieldSession<L>, now: LocalTime) -> Vec<Transmit> {
    let mut sent = Vec::new();
    while let Some(transmit) = session.poll_transmit() {
        assert_eq!(transmit.destination, Destination::Unicast(peer_address()));
        if let Some(token) = transmit.timestamp {
            session.handle_transmitted(token, now);
        }
        sent.push(transmit);
    }
    sent
}

/// Runs until `end_ms` without a peer.
fn silence<L: ClockServo>(session: &mut YieldSession<L>, end_ms: i64) -> Vec<(LocalTime, Transmit)> {
    let mut sent = Vec::new();
    while let Some(due) = session.poll_timeout().filter(|due| *due <= at(end_ms)) {
        session.handle_timeout(due);
        assert!(session.poll_timeout().is_none_or(|next| next > due), "a timer that is always due");
        sent.extend(drain(session, due).into_iter().map(|transmit| (due, transmit)));
    }
    sent
}

fn types(sent: &[(LocalTime, Transmit)]) -> Vec<(i64, MessageType)> {
    let of = |transmit: &Transmit| Message::parse(&transmit.datagram).unwrap().body.message_type();
    sent.iter().map(|(due, transmit)| ((*due - START).as_nanos() / 1_000_000, of(transmit))).collect()
}

fn events<L: ClockServo>(session: &mut YieldSession<L>) -> Vec<String> {
    let told = std::iter::from_fn(|| session.poll_event());
    told.filter(|event| !matches!(event, YieldEvent::Lock(_))).map(|event| event.to_string()).collect()
}

#[test]
fn offers_three_syncs_an_announce_and_a_signaling() {
    use MessageType::{Announce, FollowUp, Signaling, Sync};
    let sent = silence(&mut session(), 900);
    let expected = [
        (0, Announce),
        (0, Signaling),
        (0, Sync),
        (0, FollowUp),
        (125, Sync),
        (125, FollowUp),
        (250, Sync),
        (250, FollowUp),
    ];
    assert_eq!(types(&sent), expected);
}

/// The lengths, flags and TLVs are those observed on the wire.
#[test]
fn messages_look_as_on_the_wire() {
    let sent = silence(&mut session(), 100);
    let expected = [(76, 0x0408, 0, 1), (106, 0x0408, -128, 2), (44, 0x0608, -3, 0), (96, 0x0408, -3, 2)];
    for ((_, transmit), (length, flags, log2, tlvs)) in sent.iter().zip(expected) {
        let message = Message::parse(&transmit.datagram).unwrap();
        let name = message.body.message_type();
        assert_eq!(transmit.datagram.len(), length, "{name}");
        assert_eq!((message.header.major_sdo_id, message.header.domain_number), (1, 0), "{name}");
        assert_eq!((message.header.flags.bits(), message.header.log_message_interval), (flags, log2), "{name}");
        assert_eq!(message.tlvs.iter().filter(Result::is_ok).count(), tlvs, "{name}");
        assert_eq!(message.tlvs.iter().filter(Result::is_err).count(), 0, "{name}");
        let class = if name == MessageType::Sync { MessageClass::Event } else { MessageClass::General };
        assert_eq!(transmit.class, class, "{name}");
    }
    let tlvs = |index: usize| -> Vec<Tlv<'_>> {
        let message = Message::parse(&sent[index].1.datagram).unwrap();
        message.tlvs.iter().map(Result::unwrap).collect()
    };
    assert_eq!(tlvs(0), [Tlv { tlv_type: 0x0008, value: &[2; 8] }]);
    let signaling = tlvs(1);
    assert_eq!((signaling[0].value.len(), &signaling[0].value[..6]), (22, &[0x00, 0x0D, 0x93, 0, 0, 1][..]));
    assert_eq!((signaling[1].value.len(), &signaling[1].value[..6]), (32, &[0x00, 0x0D, 0x93, 0, 0, 5][..]));
    let follow_up = tlvs(3);
    assert_eq!((follow_up[0].value.len(), &follow_up[0].value[..6]), (28, &[0x00, 0x80, 0xC2, 0, 0, 1][..]));
    assert_eq!(follow_up[1].value, [0x00, 0x0D, 0x93, 0, 0, 4, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0]);
    let announce = Message::parse(&sent[0].1.datagram).unwrap();
    let Body::Announce(announce) = announce.body else { unreachable!() };
    assert_eq!((announce.grandmaster_priority_1, announce.grandmaster_clock_quality.clock_class), (250, 248));
}

#[test]
fn a_silent_peer_makes_our_clock_the_timeline() {
    let mut session = session();
    silence(&mut session, 2_999);
    assert_eq!(session.sync_outcome(at(2_999), at(9_000)), SyncOutcome::Pending);
    assert_eq!(session.receiver_time_ns(at(2_999)), None);
    let sent = silence(&mut session, 5_000);
    assert_eq!(session.state(), YieldState::OwnTimeline);
    let converged = SyncOutcome::Converged { by: Convergence::OwnTimeline };
    assert_eq!(session.sync_outcome(at(3_000), at(9_000)), converged);
    assert_eq!(session.receiver_time_ns(START), Some(77_000_000_000), "offset 0");
    assert_eq!(session.uncertainty(START), Some(Nanos::ZERO));
    assert_eq!(session.clock_identity(), config().identity.clock_identity);
    assert_eq!(events(&mut session), ["the receiver offers no better clock: ours is the timeline"]);
    let count = |wanted| types(&sent).iter().filter(|(_, message_type)| *message_type == wanted).count();
    assert_eq!((count(MessageType::Sync), count(MessageType::FollowUp), count(MessageType::Announce)), (17, 17, 3));
}

#[test]
fn a_worse_peer_follows_us() {
    let (mut session, mut peer) = (session(), HomePod { priority_1: 251, ..HomePod::new() });
    peer.run(&mut session, 0, 4_000);
    assert_eq!(session.state(), YieldState::OwnTimeline);
    // The peer sends a request, and is answered.
    peer.send(&mut session, at(4_000), Flags::default(), Body::DelayReq { origin_timestamp: PtpTime::EPOCH });
    let answer = drain(&mut session, at(4_000)).pop().unwrap();
    let receive_timestamp = PtpTime::EPOCH + Nanos::new(at(4_000).as_nanos());
    let body = Body::DelayResp { receive_timestamp, requesting_port_identity: PORT_9 };
    assert_eq!(Message::parse(&answer.datagram).unwrap().body, body);
}

#[test]
fn a_peer_that_names_us_as_grandmaster_is_not_followed() {
    // The peer's identity is lower than ours, so with a steps_removed of 0, it would win the tie.
    let identity = PortIdentity { clock_identity: ClockIdentity([1; 8]), port_number: 1 };
    let mut peer = HomePod { identity, grandmaster: ClockIdentity([2; 8]), ..HomePod::new() };
    let mut session = session();
    peer.run(&mut session, 0, 4_000);
    assert_eq!(session.state(), YieldState::OwnTimeline);
}

#[test]
fn yields_to_a_home_pod_and_follows_its_uptime_one_way() {
    let (mut session, mut peer) = (session(), HomePod::new());
    silence(&mut session, 300);
    let sent = peer.run(&mut session, 1_000, 60_000);
    assert_eq!(session.state(), YieldState::Following);
    assert_eq!(events(&mut session), ["follows the receiver's clock 0909090909090909"]);
    let stop = Message::parse(&sent[0].datagram).unwrap();
    assert_eq!(stop.body.message_type(), MessageType::Signaling);
    assert_eq!(stop.header.log_message_interval, 0x7F);
    // After that, the session sends a Delay_Req after every Follow_Up, and nothing else.
    let requests = sent[1..].iter().map(|transmit| Message::parse(&transmit.datagram).unwrap());
    assert!(requests.clone().all(|message| matches!(message.body, Body::DelayReq { .. })));
    assert_eq!(requests.count() as u64, session.counters().follow_ups);
    assert_eq!(session.counters().unanswered_requests, session.counters().follow_ups - 1);
    let converged = SyncOutcome::Converged { by: Convergence::OneWay };
    assert_eq!(session.sync_outcome(at(60_000), at(60_000)), converged);
    // The estimate is the peer's uptime, except for the path delay, which cannot be measured.
    let estimate = session.receiver_time_ns(at(60_000)).unwrap();
    let error = Nanos::new((estimate - peer.time(at(60_000)).as_nanos()) as i64);
    assert!(error.abs() < Nanos::from_micros(230), "300 us and not 75 us: {error}");
    let uncertainty = session.uncertainty(at(60_000)).unwrap();
    assert!((Nanos::from_micros(150)..Nanos::from_micros(180)).contains(&uncertainty), "{uncertainty}");
    assert_eq!((session.round_trip(), session.clock_identity()), (None, ClockIdentity([9; 8])));
    // An echo has returned; the delay is about half of its round-trip time.
    session.handle_round_trip(DELAY + DELAY + Nanos::from_micros(40));
    let estimate = session.receiver_time_ns(at(60_000)).unwrap();
    let error = Nanos::new((estimate - peer.time(at(60_000)).as_nanos()) as i64);
    assert!(error.abs() < Nanos::from_micros(22), "{error}");
    assert!(session.uncertainty(at(60_000)).unwrap() > Nanos::from_micros(180), "640 us / sqrt(12)");
}

#[test]
fn a_peer_that_answers_is_followed_both_ways() {
    let (mut session, mut peer) = (session(), HomePod { answers: true, ..HomePod::new() });
    let deadline = at(20_000);
    peer.run(&mut session, 0, 20_000);
    let converged = SyncOutcome::Converged { by: Convergence::TwoWay };
    assert_eq!(session.sync_outcome(deadline, deadline), converged);
    let estimate = session.receiver_time_ns(deadline).unwrap();
    let error = Nanos::new((estimate - peer.time(deadline).as_nanos()) as i64);
    assert!(error.abs() < Nanos::from_micros(2), "{error}");
    assert_eq!(session.counters().unanswered_requests, 0);
    assert_eq!(session.round_trip(), Some(DELAY + DELAY));
    assert!(session.uncertainty(deadline).unwrap() < Nanos::from_micros(20));
}

#[test]
fn an_answer_after_all_refines_the_estimate() {
    let (mut session, mut peer) = (session(), HomePod::new());
    peer.run(&mut session, 0, 20_000);
    let error = |session: &YieldSession, ms: i64| {
        (session.receiver_time_ns(at(ms)).unwrap() - peer.time(at(ms)).as_nanos()).abs()
    };
    let one_way = error(&session, 20_000);
    HomePod { answers: true, ..peer }.run(&mut session, 20_000, 40_000);
    let converged = SyncOutcome::Converged { by: Convergence::TwoWay };
    assert_eq!(session.sync_outcome(at(40_000), at(40_000)), converged);
    let two_way = error(&session, 40_000);
    assert!(two_way < 5_000 && two_way < one_way, "{one_way} ns one-way, {two_way} ns two-way");
}

/// A servo that is locked with an assumed path delay once a request has not been answered.
#[derive(Default)]
struct OneWay {
    unanswered: u32,
    changes_of_master: u32,
}

impl ClockServo for OneWay {
    fn observe(&mut self, _pair: &TimestampPair) {}
    fn change_master(&mut self, _now: LocalTime) {
        self.changes_of_master += 1;
    }
    fn request_unanswered(&mut self, _now: LocalTime) {
        self.unanswered += 1;
    }
    fn set_sync_interval(&mut self, interval: Nanos) {
        assert_eq!(interval, SYNC_INTERVAL);
    }
    fn advance(&mut self, _now: LocalTime) {}
    fn reading(&self, _now: LocalTime) -> ClockReading {
        let state = if self.unanswered > 0 { LockState::Locked } else { LockState::Acquiring };
        ClockReading { state, map: None, epoch: 0, path_delay: PathDelay::Assumed }
    }
    fn poll_transition(&mut self) -> Option<crate::clock::LockTransition> {
        None
    }
}

#[test]
fn the_outcome_says_whether_and_how_it_converged() {
    let (mut session, mut peer) = (YieldSession::with_servo(config(), START, OneWay::default()), HomePod::new());
    peer.run(&mut session, 0, 125);
    assert_eq!(session.sync_outcome(at(125), at(200)), SyncOutcome::Pending);
    assert_eq!(session.sync_outcome(at(200), at(200)), SyncOutcome::TimedOut { has_estimate: false });
    peer.run(&mut session, 125, 500);
    assert_eq!(session.servo().unanswered, 3);
    let converged = SyncOutcome::Converged { by: Convergence::OneWay };
    assert_eq!(session.sync_outcome(at(500), at(200)), converged, "better late than never");
}

#[test]
fn the_law_hears_of_another_clock_at_the_same_address() {
    let (mut session, mut peer) = (YieldSession::with_servo(config(), START, OneWay::default()), HomePod::new());
    peer.run(&mut session, 0, 2_000);
    assert_eq!(session.servo().changes_of_master, 0);
    let identity = PortIdentity { clock_identity: ClockIdentity([8; 8]), port_number: 1 };
    HomePod { identity, grandmaster: identity.clock_identity, ..peer }.run(&mut session, 2_000, 4_000);
    assert_eq!(session.servo().changes_of_master, 1);
}

#[test]
fn a_peer_that_goes_away_is_carried_on() {
    let (mut session, mut peer) = (session(), HomePod { answers: true, ..HomePod::new() });
    peer.run(&mut session, 0, 20_000);
    events(&mut session);
    // The last Announce arrived at 19 s.
    silence(&mut session, 21_999);
    assert_eq!(session.state(), YieldState::Following);
    let sent = silence(&mut session, 22_500);
    assert_eq!(session.state(), YieldState::OwnTimeline);
    assert_eq!(
        events(&mut session),
        ["the receiver's clock 0909090909090909-1 is silent: ours carries its timeline on"]
    );
    assert!(types(&sent).contains(&(22_000, MessageType::Announce)), "serves again: {:?}", types(&sent));
    let carried = session.receiver_time_ns(at(22_500)).unwrap();
    let error = Nanos::new((carried - peer.time(at(22_500)).as_nanos()) as i64);
    assert!(error.abs() < Nanos::from_micros(5), "{error}");
    peer.run(&mut session, 23_000, 24_000);
    assert_eq!(session.state(), YieldState::Following, "it has come back");
}

#[test]
fn strangers_and_noise_are_counted() {
    let mut session = session();
    assert!(session.handle_datagram(START, peer_address(), b"noise").is_err());
    let mut sync = Vec::new();
    for (source, first) in [([192, 0, 2, 1], 0x10), ([192, 0, 2, 9], 0x00), ([192, 0, 2, 9], 0x10)] {
        sync.clear();
        sync.extend([first, 0x02, 0, 44]);
        sync.resize(44, 0);
        session.handle_datagram(START, source.into(), &sync).unwrap();
    }
    let counters = session.counters();
    assert_eq!((counters.malformed, counters.other_source, counters.other_sdo), (1, 1, 1));
    assert_eq!(counters.not_the_master, 1);
}
