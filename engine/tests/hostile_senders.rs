//! An adversary beside an honest sender, with its SSRC (and so, on a wire, with its forged
//! address): what was true is heard during the attack, and a second after it nothing is left of it.
//!
//! Measured against the same stream without the attack, sample by sample: a latency that an attack
//! has raised, or a position that it has moved, is found out as well as a sound of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use engine::Nanos;
use engine::receive::{Datagram, IngestStats, Leg, MediaClock};
use engine::rtp::format::{Encoding, StreamFormat};
use proptest::prelude::*;
use rig::{Arrival, CHANNELS, PACKET, RATE, Rig, Sender, at_ms};
use std::sync::LazyLock;

/// The attack, in ms, and the end of the run.
const FROM: i64 = 2_500;
const TO: i64 = 3_500;
const END: i64 = 5_000;
/// Nothing is left of an attack after this.
const RIGHT_AFTER: i64 = 1_000;

/// Without extensions and contributing sources.
const RTP_HEADER: usize = 12;

const HONEST: Sender = Sender { ssrc: 0x1234, timestamp: 40_000, frequency_hz: 440.0 };
/// It sounds otherwise.
const FORGED: Sender = Sender { frequency_hz: 3_000.0, ..HONEST };

/// A forged packet: its number and first frame, how long it is, and by how much after the honest
/// one of that ms it comes.
#[derive(Clone, Copy)]
struct Forged {
    sender: Sender,
    sequence: i64,
    first: i64,
    frames: usize,
    after: Nanos,
}

impl Forged {
    /// The honest packet of this ms, as the others differ from it; it comes halfway to the next
    /// one.
    fn copy(ms: i64) -> Self {
        let after = Nanos::from_micros(500);
        Self { sender: FORGED, sequence: ms, first: ms * PACKET as i64, frames: PACKET, after }
    }

    fn moved(self, packets: i64, frames: i64) -> Self {
        Self { sequence: self.sequence + packets, first: self.first + frames, ..self }
    }

    fn arrival(self, ms: i64) -> Arrival {
        let Self { sender, sequence, first, frames, after } = self;
        // An empty packet is one of a single frame without that.
        let mut datagram = sender.datagram(rig::format(), sequence as u16, first, frames.max(1), |_| 1.0);
        datagram.truncate(RTP_HEADER + frames * rig::format().bytes_per_frame());
        (at_ms(ms + 1) + after, datagram)
    }
}

/// A number that looks random.
fn noise(ms: i64, n: i64) -> i64 {
    let mixed =
        (ms as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add((n as u64).wrapping_mul(0xD1B5_4A32_D192_ED03));
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as i64
}

fn honest() -> Vec<Arrival> {
    HONEST.packets(0..END)
}

/// What is played of the honest packets and others.
fn played(others: impl IntoIterator<Item = Arrival>) -> (Vec<f32>, Rig) {
    let mut arrivals = honest();
    arrivals.extend(others);
    let mut rig = Rig::new(MediaClock::Unrelated);
    let played = rig.run(10..END, &arrivals, |playout, now, out| playout.pull(now, out));
    (played, rig)
}

static REFERENCE: LazyLock<Vec<f32>> = LazyLock::new(|| played([]).0);

/// The share of samples between two ms that are as without the attack, in per cent.
fn right(played: &[f32], ms: std::ops::Range<i64>) -> f64 {
    let samples = |ms: i64| (ms - 10) as usize * PACKET * CHANNELS;
    let range = samples(ms.start)..samples(ms.end);
    let same = |(a, b): &(&f32, &f32)| (*a - *b).abs() < 1e-3;
    let right = played[range.clone()].iter().zip(&REFERENCE[range.clone()]).filter(same).count();
    100.0 * right as f64 / range.len() as f64
}

/// Right during the attack, right from a second after it on, and what was counted.
fn attack(forge: impl Fn(i64) -> Vec<Forged>) -> (f64, f64, Rig) {
    let forged = (FROM..TO).flat_map(|ms| forge(ms).into_iter().map(move |forged| forged.arrival(ms)));
    let (played, rig) = played(forged);
    (right(&played, FROM..TO), right(&played, TO + RIGHT_AFTER..END - 10), rig)
}

type Attack = (&'static str, fn(i64) -> Vec<Forged>);

/// Attacks that do not know when the next packet comes.
const ATTACKS: [Attack; 20] = [
    ("timestamps 500 ms back", |ms| vec![Forged::copy(ms).moved(1, -24_000)]),
    ("timestamps 500 ms back, five of them", |ms| (0..5).map(|n| Forged::copy(ms).moved(n, -24_000)).collect()),
    ("timestamps 10 s back, five of them", |ms| (0..5).map(|n| Forged::copy(ms).moved(n, -480_000 + n)).collect()),
    ("timestamps 400 ms ahead", |ms| vec![Forged::copy(ms).moved(1, 19_200)]),
    ("timestamps 30 s ahead, five of them", |ms| (0..5).map(|n| Forged::copy(ms).moved(n, 1_440_000 + n)).collect()),
    ("the stream's next second, ahead of its time", |ms| vec![Forged::copy(ms).moved(700, 700 * 48)]),
    ("a few packets ahead", |ms| (4..12).map(|n| Forged::copy(ms).moved(n, n * 48)).collect()),
    ("ten times as fast", |ms| {
        let done = 10 * (ms - FROM);
        (0..10).map(|n| Forged::copy(FROM).moved(done + n, (done + n) * 48)).collect()
    }),
    ("numbers at random", |ms| vec![Forged::copy(ms).moved(noise(ms, 0), 48)]),
    ("numbers 100 ahead", |ms| vec![Forged::copy(ms).moved(100, 48), Forged::copy(ms).moved(101, 96)]),
    ("copies with other contents", |ms| vec![Forged::copy(ms), Forged::copy(ms)]),
    ("at random", |ms| (0..10).map(|n| Forged::copy(ms).moved(noise(ms, n), noise(ms, n + 99))).collect()),
    ("at random within 20 ms", |ms| {
        (0..3).map(|n| Forged::copy(ms).moved(noise(ms, n) % 20 - 10, noise(ms, n + 99) % 1_920 - 960)).collect()
    }),
    ("another talker with its SSRC", |ms| vec![Forged::copy(ms).moved(20_000, 2_000_000)]),
    ("another talker near it", |ms| vec![Forged::copy(ms).moved(50, 480)]),
    ("what was two seconds ago, five times as fast", |ms| {
        let packet = |n| (5 * (ms - FROM) + n) % 2_000 - 2_000 + FROM;
        (0..5).map(|n| Forged { sender: HONEST, ..Forged::copy(packet(n)) }).collect()
    }),
    ("another SSRC that goes on", |ms| {
        (1..4).map(|n| Forged { sender: Sender { ssrc: 9, ..FORGED }, ..Forged::copy(ms).moved(n, n * 48) }).collect()
    }),
    ("packets of 20 ms", |ms| vec![Forged { frames: 960, ..Forged::copy(ms).moved(1, 48) }]),
    ("packets of another size", |ms| {
        (0..6).map(|n| Forged { frames: 24, ..Forged::copy(ms).moved(7 + 6 * ms + n, (6 * ms + n) * 48) }).collect()
    }),
    ("no audio, with numbers at random", |ms| {
        (0..4).map(|n| Forged { frames: 0, ..Forged::copy(ms).moved(noise(ms, n), 0) }).collect()
    }),
];

#[test]
fn an_attack_with_the_streams_own_ssrc_is_not_heard() {
    let mut wrong = Vec::new();
    for (name, forge) in ATTACKS {
        let (during, after, rig) = attack(forge);
        let stats = rig.ingest.stats();
        println!("{name}: {during:.2} % right during, {after:.2} % after; {}", stats.refusals);
        if during < 99.0 || after < 100.0 || stats.generation != 1 {
            wrong.push(format!("{name}: {during:.2} % during, {after:.2} % after, {} generations", stats.generation));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The breakdown point: who knows the stream's next packet and is faster is heard, as long as the
/// attack lasts.
#[test]
fn who_sends_the_next_packet_first_is_heard_no_longer_than_the_attack() {
    for before_us in [100, 400] {
        let first = |ms| vec![Forged { after: Nanos::from_micros(-before_us), ..Forged::copy(ms) }];
        let (during, after, rig) = attack(first);
        println!("{before_us} us before: {during:.2} % right during, {after:.2} % after");
        assert!((after - 100.0).abs() < 1e-9 && rig.ingest.stats().generation == 1, "{before_us} us: {after}");
    }
}

/// A sender whose line breaks off during the attack is followed when that ends.
#[test]
fn a_sender_that_jumps_during_an_attack_is_followed_after_it() {
    let moved = Sender { timestamp: 9_000_000, ..HONEST };
    let mut arrivals = HONEST.packets(0..3_000);
    let mut own = moved.packets(3_000..END);
    arrivals.append(&mut own);
    arrivals.extend(
        (FROM..TO)
            .flat_map(|ms| (0..3).map(move |n| Forged::copy(ms).moved(noise(ms, n), noise(ms, n + 9)).arrival(ms))),
    );
    let mut rig = Rig::new(MediaClock::Unrelated);
    let played = rig.run(10..END, &arrivals, |playout, now, out| playout.pull(now, out));
    let tail = &played[(TO + RIGHT_AFTER - 10) as usize * PACKET * CHANNELS..];
    // All of it is a sine of the honest level and frequency: x(n+1) + x(n-1) = 2 cos(w) x(n).
    let w = std::f64::consts::TAU * HONEST.frequency_hz / f64::from(RATE.as_hz());
    let left: Vec<f64> = tail.iter().step_by(CHANNELS).map(|&sample| f64::from(sample)).collect();
    let worst = left.windows(3).map(|x| (x[0] + x[2] - 2.0 * w.cos() * x[1]).abs()).fold(0.0, f64::max);
    let peak = left.iter().fold(0.0f64, |peak, sample| peak.max(sample.abs()));
    assert!(worst < 1e-4 && (peak - rig::LEVEL).abs() < 0.01, "{worst} {peak}");
}

/// How late the packet of a ms comes, if it does.
type Way = (&'static str, fn(i64) -> Option<Nanos>);

/// Nothing of an honest stream is refused, however it comes.
#[test]
fn an_honest_stream_is_not_suspected() {
    let reference = honest();
    let ways: [Way; 5] = [
        ("in time", |_| Some(Nanos::ZERO)),
        ("jitter of 4 ms", |ms| Some(Nanos::from_micros(noise(ms, 1).rem_euclid(4_000)))),
        ("bursts of 20 ms", |ms| Some(Nanos::from_millis(19 - ms.rem_euclid(20)))),
        ("losses", |ms| (noise(ms, 2) % 10 != 0 && ms % 1_000 > 60).then_some(Nanos::ZERO)),
        ("an earlier path after 3 s", |ms| Some(Nanos::from_millis(if ms < 3_000 { 8 } else { 0 }))),
    ];
    for (name, late) in ways {
        let arrivals: Vec<Arrival> =
            (0i64..).zip(&reference).filter_map(|(ms, (at, packet))| Some((*at + late(ms)?, packet.clone()))).collect();
        let mut rig = Rig::new(MediaClock::Unrelated);
        rig.run(10..END, &arrivals, |playout, now, out| playout.pull(now, out));
        let stats = rig.ingest.stats();
        assert_eq!((stats.refused, stats.generation), (0, 1), "{name}: {}", stats.refusals);
    }
}

/// A jump is followed at once, and the packets that were held until it was believed are played.
#[test]
fn a_jump_costs_no_packet() {
    let format = StreamFormat::new(Encoding::L24, RATE, CHANNELS).unwrap();
    for jump in [100i64, -100, 9_600, -9_600, 1_000_000] {
        let mut arrivals = HONEST.packets(0..3_000);
        arrivals.extend(
            (3_000i64..6_000)
                .map(|ms| (at_ms(ms + 1), HONEST.datagram(format, ms as u16, ms * 48 + jump, PACKET, |_| 1.0))),
        );
        let mut rig = Rig::new(MediaClock::Unrelated);
        rig.run(10..6_000, &arrivals, |playout, now, out| playout.pull(now, out));
        let stats = rig.ingest.stats();
        // A jump by more than a second needs a second packet that confirms it.
        let confirms = u64::from(jump.abs() > 48_000);
        assert_eq!((stats.refused, stats.sequence.lost), (confirms, 0), "{jump}: {}", stats.refusals);
    }
}

#[derive(Clone, Copy, Debug)]
struct Move {
    packets: i64,
    frames: i64,
    frames_long: usize,
    per_ms: i64,
    after_us: i64,
    is_regular: bool,
}

fn moves() -> impl Strategy<Value = Move> {
    let frames = prop_oneof![-2_000i64..2_000, -48_000i64..48_000, any::<i32>().prop_map(i64::from)];
    let packets = prop_oneof![-20i64..20, any::<i16>().prop_map(i64::from)];
    (packets, frames, 1usize..240, 1i64..6, 0i64..1_000, any::<bool>()).prop_map(
        |(packets, frames, frames_long, per_ms, after_us, is_regular)| Move {
            packets,
            frames,
            frames_long,
            per_ms,
            after_us,
            is_regular,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Four attackers at once, each with a line of its own or none: the output is filled (the rig
    /// looks), what is heard is the honest sender, and a second after the end nothing is left of
    /// it.
    #[test]
    fn whatever_is_forged_is_gone_a_second_later(attackers in proptest::collection::vec(moves(), 1..4)) {
        let forge = |ms: i64| {
            let of = |attacker: &Move| {
                let Move { packets, frames, frames_long, per_ms, after_us, is_regular } = *attacker;
                (0..per_ms).map(move |n| {
                    let (packets, frames) = if is_regular { (packets, frames) } else { (packets + noise(ms, n) % 50, frames + noise(ms, n + 7) % 5_000) };
                    // What goes on with the stream exactly is another matter.
                    let frames = if frames == packets * 48 { frames + 1 } else { frames };
                    Forged { frames: frames_long, after: Nanos::from_micros(after_us), ..Forged::copy(ms).moved(packets, frames) }
                }).collect::<Vec<_>>()
            };
            attackers.iter().flat_map(of).collect()
        };
        let (during, after, rig) = attack(forge);
        prop_assert!(during > 99.0 && (after - 100.0).abs() < 1e-9, "{during} % during, {after} % after; {}", rig.ingest.stats().refusals);
    }
}

/// Runs a stream from addresses; what was heard of each, and what was told.
fn from_addresses(packets: &mut [(i64, Leg, [u8; 4], Sender)]) -> (Vec<([u8; 4], i64)>, IngestStats) {
    let mut rig = Rig::new(MediaClock::Unrelated);
    packets.sort_by_key(|(ms, ..)| *ms);
    let mut taken = Vec::new();
    for &(ms, leg, from, sender) in packets.iter() {
        let (at, datagram) = sender.packets(ms..ms + 1).remove(0);
        if rig.ingest.handle(Datagram { leg, at, from: Some(from.into()), bytes: &datagram }).is_ok() {
            taken.push((from, ms));
        }
    }
    (taken, rig.ingest.stats())
}

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [198, 51, 100, 1];
const STRANGER: [u8; 4] = [192, 0, 2, 66];

#[test]
fn each_leg_is_of_one_address_and_a_stranger_is_told() {
    let mut packets = Vec::new();
    for ms in 0..3_000 {
        packets.extend([(ms, Leg::A, A, HONEST), (ms, Leg::B, B, HONEST)]);
        if ms > 1_000 {
            packets.extend([(ms, Leg::A, STRANGER, FORGED), (ms, Leg::B, STRANGER, Sender { ssrc: 5, ..FORGED })]);
        }
    }
    let (taken, stats) = from_addresses(&mut packets);
    assert!(taken.len() == 6_000 && taken.iter().all(|(from, _)| *from != STRANGER));
    assert_eq!((stats.refusals.other_address, stats.refusals.total(), stats.sources), (2 * 1_999, 2 * 1_999, 1));
    let told = stats.intruder.unwrap().to_string();
    assert_eq!(
        told,
        "192.0.2.66 sends to the address of this stream, too, which comes from 198.51.100.1: it is not heard"
    );
    let refused = "3998 refused (3998 from another address)";
    assert_eq!(stats.refusals.to_string(), refused);
}

#[test]
fn a_sender_that_starts_anew_is_followed_at_once_and_one_whose_address_has_changed_after_a_second() {
    // After a pause of 300 ms, which is enough for another source of the same address.
    for (from, heard_after) in [(A, 300), (STRANGER, 1_000)] {
        let other = Sender { ssrc: 77, timestamp: 5, ..HONEST };
        let mut packets: Vec<_> = (0..2_000).map(|ms| (ms, Leg::A, A, HONEST)).collect();
        packets.extend((2_299..4_000).map(|ms| (ms, Leg::A, from, other)));
        let (taken, stats) = from_addresses(&mut packets);
        let heard = taken.iter().find(|(_, ms)| *ms >= 2_000).unwrap();
        assert_eq!((*heard, stats.sources), ((from, 1_999 + heard_after), 2));
        assert_eq!((stats.takeovers, stats.takeover.is_some()), (u32::from(from != A), from != A));
    }
}

#[test]
fn what_is_longer_than_the_description_allows_is_refused() {
    let config =
        engine::receive::StreamConfig { longest_packet: Some(48), ..rig::config(rig::format(), MediaClock::Unrelated) };
    let mut rig = Rig::of(config);
    let long = |n: i64| (at_ms(5 * n), HONEST.datagram(rig::format(), n as u16, n * 240, 240, |_| 1.0));
    let arrivals: Vec<Arrival> = (0..20).map(long).collect();
    let played = rig.run(10..100, &arrivals, |playout, now, out| playout.pull(now, out));
    assert!(played.iter().all(|sample| sample.abs() < 1e-9));
    assert_eq!(rig.ingest.stats().refusals.to_string(), "18 refused (18 longer than described)");
}
