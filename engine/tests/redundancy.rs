//! Two legs (SMPTE ST 2022-7) into one stream: whatever one of them loses, nothing is heard, and
//! the media clock stays steady.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "the rig serves other tests, too")]

mod rig;

use engine::Nanos;
use engine::receive::{LegStats, MediaClock, Playout};
use rig::{Arrival, Rig, Sender, TARGET_DEPTH, at_ms};
use std::ops::Range;

const SENDER: Sender = Sender { ssrc: 0xCAFE, timestamp: 1_000_000, frequency_hz: 440.0 };
/// By how much leg B is later, unless a test says otherwise.
const SKEW: Nanos = Nanos::from_millis(12);

fn rig() -> Rig {
    Rig::new(MediaClock::Unrelated)
}

fn delayed(packets: &[Arrival], by: Nanos) -> Vec<Arrival> {
    packets.iter().map(|(at, datagram)| (*at + by, datagram.clone())).collect()
}

fn play(rig: &mut Rig, ms: Range<i64>, a: &[Arrival], b: &[Arrival]) -> Vec<f32> {
    rig.run_legs(ms, [a, b], Playout::pull)
}

/// Where playout is against the sender's capture, in frames, after the callback at the end of a
/// run.
fn lag(rig: &Rig, to_ms: i64) -> f64 {
    let captured = (to_ms as f64) * 48.0 + f64::from(SENDER.timestamp);
    let position = rig.playout.stats().position;
    captured - position.frame().get() as f64 - position.fraction()
}

#[test]
fn a_second_leg_changes_nothing_while_the_first_one_is_whole() {
    let a = SENDER.packets(0..5_000);
    let expected = play(&mut rig(), 0..5_000, &a, &[]);
    let mut b = delayed(&a, SKEW);
    let mut index = 0;
    b.retain(|_| {
        index += 1;
        index % 7 != 0
    });
    let mut rig = rig();
    let played = play(&mut rig, 0..5_000, &a, &b);
    let first = played.iter().zip(&expected).position(|(a, b)| a.to_bits() != b.to_bits());
    assert_eq!(first, None);
    let [a, b] = rig.ingest.stats().legs;
    assert_eq!((a.won, b.won, a.sequence.lost, a.skew), (a.sequence.received, 0, 0, Some(Nanos::ZERO)));
    assert!(b.sequence.lost > 700 && rig.ingest.stats().sequence.lost == 0, "{b:?}");
    assert!((b.skew.unwrap() - SKEW).abs() < Nanos::from_micros(10), "{b:?}");
}

#[test]
fn what_a_leg_lost_while_it_was_away_is_counted_when_it_returns() {
    let packets = SENDER.packets(0..10_000);
    for (away, legs) in [(1_000..8_000, [7_000, 0]), (2_000..2_500, [500, 0])] {
        let (mut a, b) = (packets.clone(), delayed(&packets, SKEW));
        a.retain(|(at, _)| !(at_ms(away.start)..at_ms(away.end)).contains(at));
        let mut rig = rig();
        play(&mut rig, 0..10_000, &a, &b);
        let counted = rig.ingest.stats();
        let [lost, restarts] = [|leg: LegStats| leg.sequence.lost, |leg: LegStats| leg.sequence.restarts];
        assert_eq!((counted.legs.map(lost), counted.legs.map(restarts)), (legs, [0, 0]), "{counted:?}");
        assert_eq!(counted.sequence.lost, 0);
    }
}

#[test]
fn what_one_leg_loses_the_other_one_brings() {
    let packets = SENDER.packets(0..5_000);
    let (mut a, mut b) = (packets.clone(), delayed(&packets, SKEW));
    // Bursts of 20 ms on each leg, never of the same packets.
    let mut index = 0;
    a.retain(|_| {
        index += 1;
        index % 100 >= 20
    });
    let mut index = 0;
    b.retain(|_| {
        index += 1;
        !(40..60).contains(&(index % 100))
    });
    let mut rig = rig();
    play(&mut rig, 0..1_000, &a, &b);
    let before = *rig.playout.stats();
    play(&mut rig, 1_000..5_000, &a, &b);
    let (stats, counted) = (*rig.playout.stats(), rig.ingest.stats());
    assert_eq!((stats.concealed_frames, stats.jumps), (before.concealed_frames, before.jumps), "{stats:?}");
    let [a, b] = counted.legs;
    assert!(a.sequence.lost >= 980 && b.sequence.lost >= 960 && counted.sequence.lost <= 20, "{counted:?}");
    assert!(b.won >= 980 && a.won + b.won == counted.sequence.received, "{counted:?}");
}

/// Plays 40 s of which one leg is missing from 10 s on; the legs' statistics at the end.
fn leg_failure(skew: Nanos, of_b: bool) -> [LegStats; 2] {
    let packets = SENDER.packets(0..40_000);
    let later = delayed(&packets, skew);
    let mut legs = [packets, later];
    legs[usize::from(of_b)].retain(|arrival| arrival.0 < at_ms(10_000));
    let [a, b] = &legs;
    let mut rig = rig();
    play(&mut rig, 0..10_000, a, b);
    let (before, lag_before) = (*rig.playout.stats(), lag(&rig, 9_990));
    for end in (11_000..=40_000).step_by(1_000) {
        play(&mut rig, end - 1_000..end, a, b);
        let stats = *rig.playout.stats();
        let moved = lag(&rig, end - 10) - lag_before;
        assert!(moved.abs() < 0.5, "playout moved by {moved} frames until {end} ms");
        let turned = stats.ratio.as_ppm() - before.ratio.as_ppm();
        assert!(turned.abs() < 0.05, "the ratio moved by {turned} ppm until {end} ms");
    }
    let stats = *rig.playout.stats();
    assert_eq!((stats.concealed_frames, stats.jumps), (before.concealed_frames, before.jumps), "{stats:?}");
    assert_eq!((rig.ingest.stats().sequence.lost, rig.ingest.stats().generation), (0, 1));
    rig.ingest.stats().legs
}

#[test]
fn the_failure_of_the_faster_leg_moves_neither_phase_nor_rate() {
    let [a, b] = leg_failure(SKEW, false);
    assert_eq!(a.silent_since(at_ms(40_000)), Some(at_ms(9_999)));
    assert_eq!(b.silent_since(at_ms(40_000)), None);
    assert!((a.skew.unwrap() + SKEW).abs() < Nanos::from_micros(10), "A was earlier than B: {a:?}");
    assert_eq!((b.late, b.skew), (0, Some(Nanos::ZERO)));
}

#[test]
fn the_failure_of_the_slower_leg_moves_neither_phase_nor_rate() {
    let [a, b] = leg_failure(SKEW, true);
    assert!(a.silent_since(at_ms(40_000)).is_none() && b.silent_since(at_ms(40_000)).is_some());
}

#[test]
fn a_leg_that_is_slower_than_the_depth_is_told_as_late() {
    let packets = SENDER.packets(0..3_000);
    let mut rig = rig();
    play(&mut rig, 0..3_000, &packets, &delayed(&packets, TARGET_DEPTH + Nanos::from_millis(15)));
    let [a, b] = rig.ingest.stats().legs;
    assert!(a.late == 0 && b.late > 2_500, "{a:?} {b:?}");
    assert_eq!(rig.playout.stats().late_packets, 0, "they were copies");
}

#[test]
fn a_leg_that_returns_is_followed_when_the_other_one_fails() {
    let packets = SENDER.packets(0..30_000);
    let (mut a, mut b) = (packets.clone(), delayed(&packets, SKEW));
    // A is away from 5 s to 10 s and returns with another delay; B fails for good at 20 s.
    a.retain(|arrival| !(at_ms(5_000)..at_ms(10_000)).contains(&arrival.0));
    a.iter_mut()
        .filter(|arrival| arrival.0 >= at_ms(10_000))
        .for_each(|arrival| arrival.0 = arrival.0 + Nanos::from_millis(3));
    b.retain(|arrival| arrival.0 < at_ms(20_000));
    let mut rig = rig();
    play(&mut rig, 0..4_000, &a, &b);
    let (before, lag_before) = (*rig.playout.stats(), lag(&rig, 3_990));
    play(&mut rig, 4_000..30_000, &a, &b);
    let stats = *rig.playout.stats();
    assert_eq!((stats.concealed_frames, stats.jumps), (before.concealed_frames, before.jumps), "{stats:?}");
    let moved = lag(&rig, 29_990) - lag_before;
    assert!(moved.abs() < 0.5, "playout moved by {moved} frames");
}

#[test]
fn a_restart_of_the_source_is_one_restart_though_the_legs_are_skewed() {
    // The same SSRC goes on with other timestamps, and packets come four at a time.
    let restarted = Sender { timestamp: 2_000_000_000, ..SENDER };
    let mut a = [SENDER.packets(0..2_000), restarted.packets(2_000..5_000)].concat();
    for four in a.chunks_exact_mut(4) {
        let at = four[3].0;
        four.iter_mut().for_each(|arrival| arrival.0 = at);
    }
    let b = delayed(&a, SKEW);
    for (a, b) in [(&a, &b), (&b, &a)] {
        let mut rig = rig();
        play(&mut rig, 0..5_000, a, b);
        assert_eq!(rig.ingest.stats().generation, 2);
        assert!(rig.playout.stats().started && rig.playout.stats().generation == 2);
    }
}

#[test]
fn a_leg_that_is_hardly_known_is_not_followed_at_once() {
    let packets = SENDER.packets(0..20_000);
    let (mut a, mut b) = (packets.clone(), delayed(&packets, SKEW));
    a.retain(|arrival| arrival.0 < at_ms(10_000));
    b.retain(|arrival| arrival.0 > at_ms(9_900));
    // Up to 4 ms of jitter, by a linear congruence.
    let mut random = 1u32;
    for arrival in &mut b {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        arrival.0 = arrival.0 + Nanos::from_micros(i64::from(random >> 20));
    }
    b.sort_by_key(|arrival| arrival.0);
    let mut rig = rig();
    play(&mut rig, 0..10_000, &a, &b);
    let before = *rig.playout.stats();
    for end in (10_010..=20_000).step_by(10) {
        play(&mut rig, end - 10..end, &a, &b);
        let turned = rig.playout.stats().ratio.as_ppm() - before.ratio.as_ppm();
        assert!(turned.abs() < 2.0, "the ratio moved by {turned} ppm until {end} ms");
    }
    assert_eq!(rig.playout.stats().jumps, before.jumps);
}
