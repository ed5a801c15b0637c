//! The depth of playout: raised by packets that come too late, and told as it is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "the rig serves other tests, too")]

mod rig;

use engine::Nanos;
use engine::receive::{DepthFrom, Leg, MediaClock, Playout, PlayoutStats, StreamConfig};
use rig::{Arrival, CHANNELS, Rig, Sender, TARGET_DEPTH, at_ms};

const SENDER: Sender = Sender { ssrc: 0xCAFE, timestamp: 1_000_000, frequency_hz: 440.0 };

fn rig(depth_limit: Nanos) -> Rig {
    Rig::of(StreamConfig { depth_limit, ..rig::config(rig::format(), MediaClock::Unrelated) })
}

/// From 3 s on, every 50th packet is late by `by`.
fn sometimes_late(by: Nanos) -> Vec<Arrival> {
    let mut packets = SENDER.packets(0..20_000);
    packets[3_000..].iter_mut().step_by(50).for_each(|arrival| arrival.0 = arrival.0 + by);
    packets.sort_by_key(|arrival| arrival.0);
    packets
}

fn play(rig: &mut Rig, from_ms: i64, to_ms: i64, packets: &[Arrival]) -> (Vec<f32>, PlayoutStats) {
    let played = rig.run(from_ms..to_ms, packets, Playout::pull);
    (played.chunks_exact(CHANNELS).map(|frame| frame[0]).collect(), *rig.playout.stats())
}

/// How long ago the frame to be played next was captured, less what its packet took to fill.
fn latency(stats: &PlayoutStats, now_ms: i64) -> Nanos {
    let captured = now_ms * 48 + i64::from(SENDER.timestamp);
    Nanos::new((captured - 48 - stats.position.frame().get()) * 1_000_000 / 48)
}

#[test]
fn late_packets_raise_the_depth_until_none_is_late() {
    let packets = sometimes_late(Nanos::from_millis(37));
    let mut rig = rig(TARGET_DEPTH.times(2));
    play(&mut rig, 0, 3_000, &packets);
    let start = *rig.playout.stats();
    assert_eq!(
        (start.requested_depth, start.target_depth, start.depth_increase),
        (TARGET_DEPTH, TARGET_DEPTH, Nanos::ZERO)
    );
    assert!((start.actual_depth - TARGET_DEPTH).abs() < Nanos::from_micros(200), "{start:?}");
    let (audio, settled) = play(&mut rig, 3_000, 5_000, &packets);
    assert!(settled.late_packets > 0 && settled.jumps - start.jumps <= 2, "{settled:?}");
    let rough = audio.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max);
    assert!(rough < 0.006, "the raise clicks: {rough}");
    let (_, end) = play(&mut rig, 5_000, 20_000, &packets);
    assert_eq!((end.late_packets, end.concealed_frames), (settled.late_packets, settled.concealed_frames), "{end:?}");
    assert_eq!((end.target_depth, end.requested_depth), (end.requested_depth + end.depth_increase, TARGET_DEPTH));
    // Late by 37 ms, where packets may be late by the depth less a callback.
    assert!((Nanos::from_millis(7)..=Nanos::from_millis(20)).contains(&end.depth_increase), "{end:?}");
    assert!((end.actual_depth - end.target_depth).abs() < Nanos::from_micros(200), "{end:?}");
    // The position is that of the callback after the last one.
    let measured = latency(&end, 20_000);
    assert!((measured - end.target_depth).abs() < Nanos::from_micros(200), "{measured} {end:?}");
}

#[test]
fn a_late_packet_is_still_played() {
    let mut packets = SENDER.packets(0..3_000);
    packets[2_000].0 = packets[2_000].0 + Nanos::from_millis(45);
    packets.sort_by_key(|arrival| arrival.0);
    let mut rig = rig(TARGET_DEPTH.times(2));
    let (_, before) = play(&mut rig, 0, 2_000, &packets);
    let (_, stats) = play(&mut rig, 2_000, 3_000, &packets);
    assert_eq!((stats.late_packets, stats.duplicate_packets), (1, 0), "{stats:?}");
    assert_eq!(stats.concealed_frames - before.concealed_frames, 48, "{stats:?}");
    assert!(stats.depth_increase > Nanos::ZERO, "{stats:?}");
    let played_again = stats.depth_increase.as_nanos() * 48 / 1_000_000;
    let moved = stats.position.frame().get() - before.position.frame().get();
    assert!((48_000 - moved - played_again).abs() <= 2, "{moved} frames of media in 1 s, raised by {played_again}");
}

#[test]
fn the_depth_is_bounded_and_may_be_fixed() {
    let packets = sometimes_late(Nanos::from_millis(90));
    for limit in [TARGET_DEPTH, TARGET_DEPTH.times(2)] {
        let (_, stats) = play(&mut rig(limit), 0, 10_000, &packets);
        assert!(stats.late_packets > 100, "{stats:?}");
        assert_eq!(
            (stats.target_depth, stats.depth_increase, stats.jumps),
            (TARGET_DEPTH, Nanos::ZERO, 0),
            "{stats:?}"
        );
    }
}

/// Packets are late in the second from 3 s on, and never again.
#[test]
fn what_late_packets_raised_comes_down_again_without_a_click() {
    let mut packets = SENDER.packets(0..70_000);
    packets[3_000..4_000].iter_mut().step_by(50).for_each(|arrival| arrival.0 = arrival.0 + Nanos::from_millis(37));
    packets.sort_by_key(|arrival| arrival.0);
    let mut rig = rig(TARGET_DEPTH.times(2));
    let (_, raised) = play(&mut rig, 0, 60_000, &packets);
    assert!(raised.depth_increase > Nanos::from_millis(5), "{raised:?}");
    let (audio, end) = play(&mut rig, 60_000, 70_000, &packets);
    assert_eq!(
        (end.depth_increase, end.target_depth, end.jumps),
        (Nanos::ZERO, TARGET_DEPTH, raised.jumps + 1),
        "{end:?}"
    );
    assert_eq!((end.concealed_frames, end.underruns), (raised.concealed_frames, raised.underruns), "{end:?}");
    let rough = audio.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max);
    assert!(rough < 0.006, "the return clicks: {rough}");
    let measured = latency(&end, 70_000);
    assert!((measured - TARGET_DEPTH).abs() < Nanos::from_micros(300), "{measured} {end:?}");
}

/// One packet time is what a packet takes to fill.
#[test]
fn a_depth_from_the_stamp_is_the_latency_from_the_stamp() {
    let config = rig::config(rig::format(), MediaClock::Unrelated);
    let mut rig = Rig::of(StreamConfig { depth_from: DepthFrom::Stamp, ..config });
    let (_, stats) = play(&mut rig, 0, 6_000, &SENDER.packets(0..6_000));
    let packet = Nanos::from_millis(1);
    assert_eq!((stats.requested_depth, stats.target_depth), (TARGET_DEPTH - packet, TARGET_DEPTH - packet));
    let measured = latency(&stats, 6_000) + packet;
    assert!((measured - TARGET_DEPTH).abs() < Nanos::from_micros(300), "{measured} {stats:?}");
}

#[test]
fn another_source_begins_at_the_depth_that_was_asked_for() {
    let second = Sender { ssrc: 0xBEEF, timestamp: 9, ..SENDER };
    let mut packets = sometimes_late(Nanos::from_millis(37));
    packets.retain(|arrival| arrival.0 < at_ms(5_000));
    packets.extend(second.packets(5_300..8_000));
    let mut rig = rig(TARGET_DEPTH.times(2));
    let (_, raised) = play(&mut rig, 0, 5_000, &packets);
    assert!(raised.depth_increase > Nanos::ZERO);
    let (_, stats) = play(&mut rig, 5_000, 8_000, &packets);
    assert_eq!((stats.generation, stats.target_depth, stats.depth_increase), (2, TARGET_DEPTH, Nanos::ZERO));
    assert!((stats.actual_depth - TARGET_DEPTH).abs() < Nanos::from_micros(200), "{stats:?}");
}

/// The audio half goes on first, and then the control half takes what the kernel has kept.
#[test]
fn a_host_that_stood_still_raises_no_depth_and_restarts_nothing() {
    for (still_ms, kept) in [(400, 400), (2_000, 2_000), (5_000, 600)] {
        let packets = SENDER.packets(0..20_000);
        let mut rig = rig(TARGET_DEPTH.times(8));
        play(&mut rig, 0, 5_000, &packets);
        let before = rig.ingest.stats();
        let resumed_ms = 5_000 + still_ms;
        rig.playout.pull(at_ms(resumed_ms), &mut [0.0; 480 * CHANNELS]);
        for (at, datagram) in &packets[5_000..5_000 + kept] {
            rig.ingest.handle_datagram(Leg::A, *at, datagram).unwrap();
        }
        let (_, end) = play(&mut rig, resumed_ms + 10, resumed_ms + 5_000, &packets);
        assert_eq!(end.depth_increase, Nanos::ZERO, "{still_ms} ms: {end:?}");
        assert!((end.actual_depth - TARGET_DEPTH).abs() < Nanos::from_micros(500), "{still_ms} ms: {end:?}");
        let after = rig.ingest.stats();
        assert_eq!((after.generation, after.shifts), (before.generation, before.shifts), "{still_ms} ms: {after:?}");
    }
}
