//! What attacks and lies put on the wire, as a receiver's program sees it: a receiver that lives
//! through them unharmed proves nothing if they have no effect.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use engine::clock::{SlaveClock, SlaveClockConfig};
use engine::ptp::wire::{Body, ClockIdentity, Flags, Message};
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::Leg;
use engine::rtp::wire::RtpPacket;
use engine::{LocalTime, Nanos, PtpTime};
use sim::receivers::stream_config;
use sim::run::run;
use sim::scenario::Loaded;
use sim::world::{Clock, ClockReceiver, Control, EngineReceiver, HostTime, Receiver, World};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;

const GRANDMASTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TALKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const IDENTITY: ClockIdentity = ClockIdentity([0xDC, 0xA6, 0x00, 0xFF, 0xFE, 0xFF, 0x2E, 0xEA]);

/// A datagram that came, and from where.
#[derive(Clone, Debug)]
struct Came {
    at: LocalTime,
    source: Ipv4Addr,
    bytes: Vec<u8>,
}

/// What came of PTP and of the stream.
#[derive(Clone, Debug, Default)]
struct Told {
    ptp: Vec<Came>,
    stream: Vec<Came>,
}

/// A receiver that keeps all that it is told.
struct Spy<R> {
    receiver: R,
    told: Rc<RefCell<Told>>,
}

impl<R: Receiver> Receiver for Spy<R> {
    fn handle_ptp(&mut self, _now: LocalTime, _datagram: &[u8]) {
        unreachable!("the world tells where datagrams come from");
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.told.borrow_mut().ptp.push(Came { at: now.monotonic, source, bytes: datagram.to_vec() });
        self.receiver.handle_ptp_from(now, source, datagram);
    }

    fn handle_media_from(&mut self, now: LocalTime, leg: Leg, source: Ipv4Addr, datagram: &[u8]) {
        self.told.borrow_mut().stream.push(Came { at: now, source, bytes: datagram.to_vec() });
        self.receiver.handle_media_from(now, leg, source, datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.receiver.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.receiver.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.receiver.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.receiver.handle_transmitted(token, sent);
    }

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        self.receiver.pull(now, out);
    }

    fn clock(&self, now: LocalTime) -> Clock {
        self.receiver.clock(now)
    }

    fn poll_event(&mut self) -> Option<String> {
        self.receiver.poll_event()
    }
}

fn load(name: &str, overrides: &[&str]) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{name}.toml"));
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Loaded::read(&path, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// What a receiver is told in 20 s with a fault from 10 s on.
fn told(name: &str, for_s: f64, what: &str) -> Told {
    let fault = format!("fault=[{{ at_s = 10, for_s = {for_s}, what.{what} }}]");
    let loaded = load(name, &["record.audio=\"none\"", "duration_s=20", "expect=[]", &fault]);
    let told = Rc::new(RefCell::new(Told::default()));
    let receiver: Box<dyn Receiver> = match (loaded.scenario.chain(), &loaded.stream) {
        (Some(chain), Some(stream)) => {
            let receiver = EngineReceiver::silent(stream_config(&chain, stream), 0).unwrap();
            Box::new(Spy { receiver, told: told.clone() })
        }
        _ => {
            let receiver = ClockReceiver::new(SlaveClock::new(SlaveClockConfig::default()), 0, true);
            Box::new(Spy { receiver, told: told.clone() })
        }
    };
    World::around(&loaded, "spy", receiver, None).run(&Control::default()).unwrap();
    told.take()
}

fn of_ptp(for_s: f64, what: &str) -> Vec<Came> {
    told("ptp_malformed", for_s, what).ptp
}

fn from(came: &[Came], source: Ipv4Addr) -> Vec<Came> {
    came.iter().filter(|came| came.source == source).cloned().collect()
}

fn message(came: &Came) -> Message<'_> {
    Message::parse(&came.bytes).unwrap()
}

/// sequenceId and time of Follow_Ups.
fn follow_ups(came: &[Came]) -> Vec<(LocalTime, u16, PtpTime)> {
    let follow_up = |came: &Came| match message(came).body {
        Body::FollowUp { precise_origin_timestamp: time } => Some((came.at, message(came).header.sequence_id, time)),
        _ => None,
    };
    came.iter().filter_map(follow_up).collect()
}

#[test]
fn forged_follow_ups_are_the_grandmasters_and_come_before_their_syncs() {
    let came = of_ptp(2.0, "attack.forge_follow_ups = { per_s = 8, tells.offset_us = 5000 }");
    let (honest, forged) = (from(&came, GRANDMASTER), from(&came, STRANGER));
    assert_eq!((honest.len() + forged.len(), forged.len()), (came.len(), 16));
    assert!(forged.iter().all(|came| message(came).header.source_port_identity.clock_identity == IDENTITY));
    let true_ones = follow_ups(&honest);
    for (at, id, time) in follow_ups(&forged) {
        let (true_at, _, true_time) = *true_ones.iter().find(|(_, true_id, _)| *true_id == id).unwrap();
        assert!(at < true_at && time - true_time == Nanos::from_millis(5), "{id}");
    }
    let spoofed = of_ptp(2.0, "attack.forge_follow_ups = { per_s = 8, tells.offset_us = 5000, from = \"spoofed\" }");
    assert_eq!(spoofed.len(), came.len());
    assert!(spoofed.iter().all(|came| came.source == GRANDMASTER));
}

#[test]
fn forged_syncs_have_follow_ups_and_count_on() {
    let came = of_ptp(1.0, "attack.forge_syncs = { per_s = 80, ahead = 31, tells.time_s = 7, correction_us = 300 }");
    let forged = from(&came, STRANGER);
    let pairs = follow_ups(&forged);
    assert_eq!((forged.len(), pairs.len()), (160, 80));
    assert!(pairs.iter().all(|&(_, _, time)| time == PtpTime::from_timestamp(7, 0)));
    assert_eq!(pairs.iter().map(|(_, id, _)| id).collect::<BTreeSet<_>>().len(), 17);
    let corrected =
        forged.iter().filter(|came| message(came).header.correction_field.to_nanos() == Nanos::from_micros(300));
    assert_eq!(corrected.count(), 80);
}

#[test]
fn forged_answers_come_before_the_true_ones() {
    let came = of_ptp(8.0, "attack.forge_delay_resps = { tells.offset_us = -1000, log_interval = 5 }");
    let answers = |source| {
        let of_source = from(&came, source);
        let answer = |came: &Came| match message(came).body {
            Body::DelayResp { receive_timestamp, .. } => Some((
                message(came).header.sequence_id,
                came.at,
                receive_timestamp,
                message(came).header.log_message_interval,
            )),
            _ => None,
        };
        of_source.iter().filter_map(answer).collect::<Vec<_>>()
    };
    let (forged, honest) = (answers(STRANGER), answers(GRANDMASTER));
    assert!(!forged.is_empty());
    for (id, at, time, log_interval) in forged {
        let (_, true_at, true_time, _) = *honest.iter().find(|(true_id, ..)| *true_id == id).unwrap();
        // The true one is of when the request has arrived.
        let off = time - true_time;
        assert!(at < true_at && log_interval == 5, "{id}");
        assert!((Nanos::from_micros(-2000)..Nanos::from_micros(-1000)).contains(&off), "{off}");
    }
}

#[test]
fn invented_masters_are_many_or_come_back() {
    let masters = |what: &str| {
        let came = of_ptp(5.0, what);
        let forged: Vec<&Came> = came.iter().filter(|came| came.source != GRANDMASTER).collect();
        assert!(forged.iter().all(|came| matches!(message(came).body, Body::Announce(_))));
        let identities = forged.iter().map(|came| message(came).header.source_port_identity.clock_identity);
        let addresses = forged.iter().map(|came| came.source).collect::<BTreeSet<_>>();
        (forged.len(), identities.collect::<BTreeSet<_>>().len(), addresses.len())
    };
    assert_eq!(masters("attack.invent_masters = { per_s = 20 }"), (100, 100, 1));
    assert_eq!(masters("attack.invent_masters = { per_s = 20, identities = 5, addresses = 3 }"), (100, 5, 3));
}

#[test]
fn a_better_master_sends_what_it_was_asked_for() {
    let counts = |what: &str| {
        let came = from(&of_ptp(8.0, what), STRANGER);
        let count = |is: fn(&Body) -> bool| came.iter().filter(|came| is(&message(came).body)).count();
        [
            count(|body| matches!(body, Body::Announce(announce) if announce.grandmaster_priority_1 == 1)),
            count(|body| matches!(body, Body::Sync { .. })),
            count(|body| matches!(body, Body::DelayResp { .. })).min(1),
        ]
    };
    assert_eq!(counts("attack.better_master = {}"), [8, 0, 0]);
    assert_eq!(counts("attack.better_master = { tells.random_s = 0.1, answers = true }"), [8, 64, 1]);
    assert_eq!(counts("attack.better_master = { tells.random_s = 0.1, log_announce_interval = -1 }"), [16, 64, 0]);
}

#[test]
fn what_is_replayed_was_sent_before() {
    let came = of_ptp(1.0, "attack.replay_syncs = { recorded_s = 4, per_s = 500 }");
    let (honest, forged) = (from(&came, GRANDMASTER), from(&came, STRANGER));
    assert_eq!(forged.len(), 500);
    let begins = forged[0].at;
    let before: Vec<&Came> =
        honest.iter().filter(|came| came.at < begins && came.at > begins - Nanos::from_millis(4100)).collect();
    assert!(forged.iter().all(|forged| before.iter().any(|came| came.bytes == forged.bytes)));
    // 4 s of Syncs and Follow_Ups, and no Announce.
    assert_eq!(forged.iter().map(|came| &came.bytes).collect::<BTreeSet<_>>().len(), 64);
}

/// How long after it was sent each Follow_Up comes, less what that is at the start.
fn later(came: &[Came]) -> Vec<(f64, Nanos)> {
    let all = follow_ups(came);
    let (first_at, _, first) = all[0];
    all.iter().map(|&(at, _, sent)| (at.since(first_at).as_secs_f64(), at.since(first_at) - (sent - first))).collect()
}

#[test]
fn what_is_held_back_comes_later() {
    let later = later(&of_ptp(5.0, "attack.hold_back_syncs = { by_us = 3000, grows_ppm = 100 }"));
    let mean = |from: f64, to: f64| {
        let within: Vec<f64> = later
            .iter()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(_, late)| late.as_nanos() as f64 * 1e-3)
            .collect();
        within.iter().sum::<f64>() / within.len() as f64
    };
    // The host's clock drifts by 30 ppm.
    let before = mean(8.0, 9.9) + 30.0;
    assert!((mean(10.0, 10.3) - before - 3000.0).abs() < 200.0, "{}", mean(10.0, 10.3) - before);
    assert!((mean(14.5, 14.9) - before - 3450.0).abs() < 300.0, "{}", mean(14.5, 14.9) - before);
    assert!((mean(15.2, 17.0) - before).abs() < 300.0, "{}", mean(15.2, 17.0) - before);
}

#[test]
fn a_lying_grandmaster_tells_what_it_was_asked_for() {
    let came = of_ptp(5.0, "grandmaster_lies = { syncs.drift_ppm = 1000, flag_cleared = true, correction_us = -20 }");
    assert!(came.iter().all(|came| came.source == GRANDMASTER));
    let later = later(&came);
    let largest = later.iter().map(|(_, late)| late.as_nanos() / 1000).min().unwrap();
    // Ahead by 4.9 ms at last; the host's clock has gained 0.45 ms by then.
    // It is ahead by 4.9 ms at last, and the host's clock has gained 0.45 ms by then.
    assert!((-4_700..-4_200).contains(&largest), "{largest} us");
    let unflagged = came.iter().filter(|came| {
        let Message { header, body, .. } = message(came);
        matches!(body, Body::Sync { .. }) && !header.flags.contains(Flags::TWO_STEP)
    });
    assert_eq!(unflagged.count(), 40);
    let corrected =
        came.iter().filter(|came| message(came).header.correction_field.to_nanos() == -Nanos::from_micros(20));
    assert_eq!(corrected.count(), 40);
    let came = of_ptp(5.0, "grandmaster_lies = { delay_resps.time_s = 9 }");
    let lies = came.iter().filter(|came| {
        matches!(message(came).body, Body::DelayResp { receive_timestamp, .. } if receive_timestamp == PtpTime::from_timestamp(9, 0))
    });
    assert!(lies.count() > 2);
}

#[test]
fn forged_packets_are_as_was_asked_for() {
    let forged = |what: &str| {
        let stream = told("gm_loss", 1.0, &format!("attack.forge_packets = {{ per_s = 100, {what} }}")).stream;
        (from(&stream, TALKER), from(&stream, STRANGER))
    };
    let header = |came: &Came| RtpPacket::parse(&came.bytes).unwrap().header;
    let (honest, copies) = forged("timestamps = \"copied\"");
    assert_eq!(copies.len(), 100);
    for copy in &copies {
        let copied = honest.iter().find(|came| header(came) == header(copy)).unwrap();
        assert!(copied.bytes.len() == copy.bytes.len() && copied.bytes != copy.bytes);
    }
    let (_, backwards) = forged("timestamps = \"backwards\"");
    assert!(backwards.windows(2).all(|pair| header(&pair[1]).timestamp.get() == header(&pair[0]).timestamp.get() - 48));
    let (honest, ahead) = forged("timestamps.offset_ms = 1000, ssrc = \"other\", payload_bytes = 1440");
    let ssrc = header(&honest[0]).ssrc;
    assert!(ahead.iter().all(|came| header(came).ssrc != ssrc && came.bytes.len() == 1452));
    for came in &ahead {
        // What the talker sends a second later.
        let same = honest.iter().find(|honest| header(honest).timestamp == header(came).timestamp).unwrap();
        assert!((same.at.since(came.at) - Nanos::from_secs(1)).abs() < Nanos::from_millis(5));
    }
    let (spoofed, none) = forged("timestamps = \"random\", from = \"spoofed\"");
    assert_eq!((spoofed.len(), none.len()), (honest.len() + 100, 0));
}

#[test]
fn attacks_are_the_same_in_every_run() {
    let hashes = |name: &str, overrides: &[&str]| {
        let session = run(&load(name, overrides), None, &Control::default()).unwrap();
        session.summary.receivers[0].hashes().map(|hash| hash.map(str::to_owned))
    };
    for (name, overrides) in [("attack_announces", &[][..]), ("attack_better_master", &["seed=3"])] {
        assert_eq!(hashes(name, overrides), hashes(name, overrides), "{name}");
    }
}
