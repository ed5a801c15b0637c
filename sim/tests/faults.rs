//! What faults of the network, of PTP and of the sender put on the wire, as a receiver's program
//! sees it: a receiver that lives through them unharmed proves nothing if they have no effect.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use engine::LocalTime;
use engine::clock::{SlaveClock, SlaveClockConfig};
use engine::ptp::wire::{Body, Message};
use engine::ptp::{Transmit, TransmitToken};
use engine::rtp::wire::RtpPacket;
use sim::receivers::stream_config;
use sim::scenario::Loaded;
use sim::world::{Clock, ClockReceiver, Control, EngineReceiver, Receiver, World};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// What a receiver was told, in order.
#[derive(Clone, Debug)]
enum Told {
    Ptp(Vec<u8>),
    Media(Vec<u8>),
    /// A Delay_Req left.
    Requested,
    /// It is known when.
    Stamped(u16),
}

/// A receiver that keeps all that it is told.
struct Spy<R> {
    receiver: R,
    told: Rc<RefCell<Vec<(LocalTime, Told)>>>,
    now: LocalTime,
}

impl<R> Spy<R> {
    fn note(&mut self, now: LocalTime, told: Told) {
        self.now = now;
        self.told.borrow_mut().push((now, told));
    }
}

impl<R: Receiver> Receiver for Spy<R> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.note(now, Told::Ptp(datagram.to_vec()));
        self.receiver.handle_ptp(now, datagram);
    }

    fn handle_media(&mut self, now: LocalTime, datagram: &[u8]) {
        self.note(now, Told::Media(datagram.to_vec()));
        self.receiver.handle_media(now, datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.now = now;
        self.receiver.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.receiver.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.receiver.poll_transmit()?;
        self.note(self.now, Told::Requested);
        Some(transmit)
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.note(self.now, Told::Stamped(token.sequence_id()));
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

fn load(name: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{name}.toml"));
    Loaded::read(&path, &["record.audio=\"none\"".to_owned()]).unwrap_or_else(|error| panic!("{error}"))
}

/// What a receiver is told in a scenario, each with the seconds since the first.
fn told(name: &str) -> Vec<(f64, Told)> {
    let loaded = load(name);
    let told = Rc::new(RefCell::new(Vec::new()));
    let domain = loaded.scenario.grandmaster.domain;
    let receiver: Box<dyn Receiver> = match (loaded.scenario.chain(), &loaded.stream) {
        (Some(chain), Some(stream)) => {
            let receiver = EngineReceiver::silent(stream_config(&chain, stream), domain).unwrap();
            Box::new(Spy { receiver, told: told.clone(), now: LocalTime::ZERO })
        }
        _ => {
            let receiver = ClockReceiver::new(SlaveClock::new(SlaveClockConfig::default()), domain, true);
            Box::new(Spy { receiver, told: told.clone(), now: LocalTime::ZERO })
        }
    };
    World::around(&loaded, "spy", receiver, None).run(&Control::default()).unwrap();
    let told = told.take();
    let first = told.first().unwrap().0;
    told.into_iter().map(|(at, told)| (at.since(first).as_secs_f64(), told)).collect()
}

/// PTP messages that are such: when they came, sequence id and content.
fn messages(told: &[(f64, Told)]) -> Vec<(f64, u16, Body)> {
    let message = |(at, told): &(f64, Told)| {
        let Told::Ptp(datagram) = told else { return None };
        let message = Message::parse(datagram).ok()?;
        Some((*at, message.header.sequence_id, message.body))
    };
    told.iter().filter_map(message).collect()
}

/// Packets of the stream: number, RTP timestamp, payload type and length of the payload.
fn packets(told: &[(f64, Told)]) -> Vec<(f64, u16, u32, u8, usize)> {
    let packet = |(at, told): &(f64, Told)| {
        let Told::Media(datagram) = told else { return None };
        let RtpPacket { header, payload, .. } = RtpPacket::parse(datagram).unwrap();
        Some((*at, header.sequence.get(), header.timestamp.get(), header.payload_type.get(), payload.len()))
    };
    told.iter().filter_map(packet).collect()
}

#[test]
fn follow_ups_come_before_their_syncs() {
    let messages = messages(&told("follow_up_before_sync"));
    let places = |wanted: fn(&Body) -> bool| {
        let of = messages.iter().enumerate().filter(move |(_, (_, _, body))| wanted(body));
        of.map(|(place, &(_, id, _))| (id, place)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let syncs = places(|body| matches!(body, Body::Sync { .. }));
    let follow_ups = places(|body| matches!(body, Body::FollowUp { .. }));
    assert!(syncs.len() > 700);
    assert!(syncs.iter().all(|(id, place)| follow_ups.get(id).is_some_and(|follow_up| follow_up < place)));
}

#[test]
fn what_is_malformed_comes_as_often_as_was_asked_for() {
    let told = told("ptp_malformed");
    let ptp = told.iter().filter(|(_, told)| matches!(told, Told::Ptp(_))).count();
    let malformed = ptp - messages(&told).len();
    assert!((17_950..=18_010).contains(&malformed), "{malformed} in 90 s");
}

#[test]
fn ptp_wraps() {
    let messages = messages(&told("ptp_wrap"));
    let syncs: Vec<(u16, u64)> = messages
        .iter()
        .filter_map(|&(_, id, body)| match body {
            Body::FollowUp { precise_origin_timestamp } => {
                Some((id, (precise_origin_timestamp - engine::PtpTime::EPOCH).as_nanos() as u64 / 1_000_000_000))
            }
            _ => None,
        })
        .collect();
    assert!(syncs.windows(2).any(|pair| (pair[0].0, pair[1].0) == (65_535, 0)), "sequence ids of Sync");
    assert!(syncs.windows(2).any(|pair| pair[0].1 < 1 << 32 && pair[1].1 >= 1 << 32), "seconds");
    let announces: Vec<u16> =
        messages.iter().filter(|(_, _, body)| matches!(body, Body::Announce(_))).map(|&(_, id, _)| id).collect();
    assert!(announces.windows(2).any(|pair| pair == [65_535, 0]), "sequence ids of Announce");
}

#[test]
fn transmit_stamps_are_missing_or_late() {
    let told = told("transmit_stamps_missing");
    let count = |from: f64, to: f64, wanted: fn(&Told) -> bool| {
        told.iter().filter(|(at, told)| (from..to).contains(at) && wanted(told)).count()
    };
    let requested = |from, to| count(from, to, |told| matches!(told, Told::Requested));
    let stamped = |from, to| count(from, to, |told| matches!(told, Told::Stamped(_)));
    assert!(requested(0.0, 59.0) > 40 && stamped(0.0, 59.0) == 0);
    let (all, half) = (requested(61.0, 99.0), stamped(61.0, 99.0));
    assert!(half > all / 4 && half < 3 * all / 4, "{half} of {all}");
    assert!(requested(111.0, 139.0) > 15 && stamped(111.0, 139.0) == 0);
    // After the answer.
    let late = told.iter().rposition(|(_, told)| matches!(told, Told::Stamped(_))).unwrap();
    let Told::Stamped(id) = told[late].1 else { unreachable!() };
    let answered = told[..late].iter().rev().find_map(|(_, told)| match told {
        Told::Ptp(datagram) => Message::parse(datagram)
            .ok()
            .filter(|message| matches!(message.body, Body::DelayResp { .. }))
            .map(|message| message.header.sequence_id),
        _ => None,
    });
    assert_eq!(answered, Some(id));
}

#[test]
fn a_share_of_the_packets_is_overtaken() {
    let packets = packets(&told("reorder_share"));
    let overtaken = packets.windows(2).filter(|pair| pair[1].1.wrapping_sub(pair[0].1) > 1 << 15).count();
    let share = overtaken as f64 / packets.len() as f64;
    assert!((0.07..0.11).contains(&share), "{share}");
}

#[test]
fn the_sender_changes_its_packets() {
    let lengths = |from: f64, to: f64| {
        let packets = packets(&told("packet_time_change"));
        let within = packets.iter().filter(|(at, ..)| (from..to).contains(at));
        within.map(|&(.., length)| length / 6).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(lengths(0.0, 19.9), [48].into());
    assert_eq!(lengths(20.1, 39.9), [240].into());
    assert_eq!(lengths(55.1, 64.9), [6].into());
    let types = packets(&told("wrong_payload_type"));
    assert_eq!(types.iter().filter(|&&(_, _, _, payload_type, _)| payload_type == 97).count(), 5_000);
    // Numbers and timestamps go on.
    assert!(types.windows(2).all(|pair| pair[1].1 == pair[0].1.wrapping_add(1) && pair[1].2 == pair[0].2 + 48));
}

/// How far the sender's timestamps are ahead of the receiver's grandmaster, frames of 48 kHz: that
/// of PTP time when a packet is sent, less what it holds.
fn frames_ahead(name: &str) -> i64 {
    let told = told(name);
    let sync = messages(&told).into_iter().find_map(|(at, _, body)| match body {
        Body::FollowUp { precise_origin_timestamp } => Some((at, precise_origin_timestamp)),
        _ => None,
    });
    let (sync_at, sent) = sync.unwrap();
    let packet = packets(&told).into_iter().find(|&(at, ..)| at > sync_at).unwrap();
    let ptp = sent + engine::Nanos::from_secs_f64(packet.0 - sync_at);
    let expected = (ptp.as_nanos() * 48_000 / 1_000_000_000) as u32;
    i64::from(packet.2.wrapping_sub(expected) as i32)
}

#[test]
fn timestamps_are_off_as_was_asked_for() {
    // A packet of 48 frames is sent at its end, and takes some ms.
    let near = |frames: i64, expected: i64| (-400..=0).contains(&(frames - expected));
    assert!(near(frames_ahead("wrap"), 0), "{}", frames_ahead("wrap"));
    let offset = i64::from(3_000_000_000_u32 as i32);
    assert!(near(frames_ahead("timestamp_offset"), offset), "{}", frames_ahead("timestamp_offset"));
    assert!(near(frames_ahead("timestamp_offset_untold"), -1_776_000), "{}", frames_ahead("timestamp_offset_untold"));
    let ahead = frames_ahead("talker_on_another_grandmaster");
    assert!(near(ahead, -720), "{ahead}");
}
