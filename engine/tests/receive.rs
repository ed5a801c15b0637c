//! A stream from end to end, without the simulator: what is in the packets is what is played, when
//! it was asked for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use engine::clock::{
    ClockMap, ClockMode, ClockReading, LockState, PathDelay, PtpMap, Reference, ReferenceConfig, Sources,
};
use engine::receive::{Datagram, IngestError, Leg, MediaClock, Playout};
use engine::rtp::wire::Ssrc;
use engine::{Nanos, Ppb, PtpTime};
use rig::{Arrival, CALLBACK, CHANNELS, LEVEL, PACKET, RATE, Rig, Sender, TARGET_DEPTH, at_ms, sine};
use std::f64::consts::TAU;

const FIRST: Sender = Sender { ssrc: 0xCAFE, timestamp: 1_000_000, frequency_hz: 440.0 };

fn play(rig: &mut Rig, to_ms: i64, packets: &[Arrival]) -> Vec<f32> {
    rig.run(0..to_ms, packets, Playout::pull)
}

fn rig() -> Rig {
    Rig::new(MediaClock::Unrelated)
}

fn left(played: &[f32]) -> Vec<f32> {
    played.chunks_exact(CHANNELS).map(|frame| frame[0]).collect()
}

/// Level and phase of a frequency, as a lag behind `sine` in frames; over whole periods.
fn level_and_lag(audio: &[f32], first: usize, frequency_hz: f64) -> (f64, f64) {
    let (mut of_sine, mut of_cosine) = (0.0, 0.0);
    for (i, &sample) in audio.iter().enumerate() {
        let phase = TAU * frequency_hz * (first + i) as f64 / 48_000.0;
        of_sine += f64::from(sample) * phase.sin();
        of_cosine += f64::from(sample) * phase.cos();
    }
    let scale = 2.0 / audio.len() as f64;
    let lag_s = (-of_cosine).atan2(of_sine).rem_euclid(TAU) / (TAU * frequency_hz);
    (scale * of_sine.hypot(of_cosine), lag_s * 48_000.0)
}

/// Largest second difference: a click of height h raises it to about h.
fn roughness(audio: &[f32]) -> f32 {
    audio.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_sine_is_played_at_its_level_with_the_latency_asked_for() {
    // A period of 100 ms, more than the latency, so that the phase tells all of it.
    let slow = Sender { frequency_hz: 10.0, ..FIRST };
    let mut rig = rig();
    let audio = left(&play(&mut rig, 20_000, &slow.packets(0..20_000)));
    let first = 15 * 48_000;
    let (level, lag) = level_and_lag(&audio[first..first + 96_000], first, slow.frequency_hz);
    // From its capture a frame waits for its packet to be full, and then for the depth.
    let asked = RATE.frames_in(TARGET_DEPTH) + PACKET as f64;
    assert!((lag - asked).abs() < 1.0, "{lag} frames, not {asked}");
    assert!((level - LEVEL).abs() < 0.001, "{level}");
    let worst = (first..audio.len())
        .map(|i| (f64::from(audio[i]) - sine(slow.frequency_hz, i as f64 - lag)).abs())
        .fold(0.0, f64::max);
    assert!(worst < 0.001, "differs from the sine by {worst}");
    // The position tells the same: after the last callback, the next frame to be played.
    let position = rig.playout.stats().position.frame().get() - i64::from(slow.timestamp);
    assert!((position - (audio.len() as i64 - asked as i64)).abs() <= 1, "{position}");
}

#[test]
fn the_right_channel_is_not_the_left_one_later() {
    let mut rig = rig();
    let played = play(&mut rig, 2_000, &FIRST.packets(0..2_000));
    assert!(played.chunks_exact(CHANNELS).all(|frame| frame[0].to_bits() == frame[1].to_bits()));
}

#[test]
fn silence_before_the_first_packet_is_no_concealment() {
    // PTP is known before the first packet comes, so playout begins at once, the whole depth before
    // that packet's time.
    let mut rig = Rig::new(MediaClock::Ptp { offset: 0 });
    let since_epoch_s = 100;
    let map =
        PtpMap::new(at_ms(0), PtpTime::from_timestamp(since_epoch_s, 0), ClockMap::exact(at_ms(0), 0.0, Ppb::ZERO));
    rig.ingest.set_clock(&ClockReading {
        state: LockState::Locked,
        map: Some(map),
        epoch: 0,
        path_delay: PathDelay::Measured,
    });
    let on_ptp = Sender { timestamp: since_epoch_s as u32 * RATE.as_hz(), ..FIRST };
    let mut packets = on_ptp.packets(0..2_000);
    play(&mut rig, 1_000, &packets);
    let stats = *rig.playout.stats();
    assert!(stats.started && stats.link_offset.is_some(), "{stats:?}");
    assert_eq!((stats.concealed_frames, stats.underruns, stats.jumps), (0, 0, 0));
    // What is missing later is.
    packets.drain(1_500..1_503);
    rig.run(1_000..2_000, &packets, Playout::pull);
    assert_eq!(rig.playout.stats().concealed_frames, 3 * PACKET as u64);
}

#[test]
fn lost_packets_leave_no_click() {
    let whole = left(&play(&mut rig(), 10_000, &FIRST.packets(0..10_000)));
    let mut index = 0;
    let mut packets = FIRST.packets(0..10_000);
    packets.retain(|_| {
        index += 1;
        index % 61 != 0
    });
    let mut rig = rig();
    let audio = left(&play(&mut rig, 10_000, &packets));
    assert!(rig.ingest.stats().sequence.lost > 150, "{:?}", rig.ingest.stats().sequence);
    assert!(rig.playout.stats().concealed_frames > 150 * PACKET as u64);
    let (clean, rough) = (roughness(&whole[4_800..]), roughness(&audio[4_800..]));
    assert!(rough < clean + 0.004, "{rough} against {clean}");
    let worst = audio[48_000..].iter().zip(&whole[48_000..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst > 0.0 && worst < 0.1, "a lost ms of a steady tone is restored to within {worst}");
}

#[test]
fn duplicates_change_nothing() {
    let packets = FIRST.packets(0..5_000);
    let expected = play(&mut rig(), 5_000, &packets);
    // Every packet again 2 ms later, as by a second path.
    let mut twice = packets.clone();
    twice.extend(packets.iter().map(|(at, datagram)| (*at + Nanos::from_millis(2), datagram.clone())));
    twice.sort_by_key(|arrival| arrival.0);
    let mut rig = rig();
    let played = play(&mut rig, 5_000, &twice);
    assert!(rig.ingest.stats().sequence.duplicates > 4_900);
    assert_eq!(rig.playout.stats().duplicate_packets, 0, "copies stay in the control half");
    assert_same(&played, &expected);
}

#[test]
fn packets_in_another_order_lose_nothing() {
    let mut in_order = FIRST.packets(0..5_000);
    // Once it plays, packets come four at a time ...
    for four in in_order[1_000..].chunks_exact_mut(4) {
        let at = four[3].0;
        four.iter_mut().for_each(|arrival| arrival.0 = at);
    }
    // ... and each four in another order.
    let mut shuffled = in_order.clone();
    shuffled[1_000..].chunks_exact_mut(4).for_each(|four| four.swap(1, 3));
    let mut straight = rig();
    let expected = play(&mut straight, 5_000, &in_order);
    let mut rig = rig();
    let played = play(&mut rig, 5_000, &shuffled);
    assert!(rig.ingest.stats().sequence.reordered > 1_000 && rig.ingest.stats().sequence.lost == 0);
    let (stats, expected_stats) = (rig.playout.stats(), straight.playout.stats());
    assert_eq!(stats.concealed_frames, expected_stats.concealed_frames, "{stats:?}");
    assert_eq!((stats.late_packets, stats.underruns, stats.jumps), (0, 0, expected_stats.jumps), "{stats:?}");
    assert!(roughness(&left(&played)[4_800..]) < roughness(&left(&expected)[4_800..]) + 1e-4);
    // Not bit for bit: the media clock learns from arrivals one by one, so their order moves the
    // ratio by parts per billion.
    let worst = played.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3, "differs by {worst}");
}

#[test]
fn the_wrap_of_timestamps_is_not_heard() {
    let expected = play(&mut rig(), 5_000, &FIRST.packets(0..5_000));
    // Wraps within a packet, 2 s into the run.
    let wrapping = Sender { timestamp: u32::MAX - 96_000 - 20, ..FIRST };
    let mut rig = rig();
    let played = play(&mut rig, 5_000, &wrapping.packets(0..5_000));
    assert_eq!(rig.ingest.stats().generation, 1);
    assert_same(&played, &expected);
}

#[test]
fn a_second_source_is_kept_out_until_the_first_one_is_silent() {
    let second = Sender { ssrc: 0xBEEF, timestamp: 3_000_000_000, frequency_hz: 1_000.0 };
    let alone = play(&mut rig(), 3_000, &FIRST.packets(0..3_000));
    let mut packets = [FIRST.packets(0..3_000), second.packets(1_000..8_000)].concat();
    packets.sort_by_key(|arrival| arrival.0);
    let mut rig = rig();
    let played = play(&mut rig, 8_000, &packets);
    assert_same(&played[..alone.len()], &alone);
    assert!(rig.refused.iter().all(|refused| *refused == IngestError::OtherSource(Ssrc(second.ssrc))));
    // 2 s beside the first one, and the silence that proves that it has gone.
    let refused = rig.refused.len();
    assert!((2_200..2_300).contains(&refused), "{refused} packets refused");
    let stats = rig.ingest.stats();
    assert_eq!(stats.generation, 2);
    assert!((4_700..4_800).contains(&stats.sequence.received), "of the second one: {stats:?}");
    assert_eq!(stats.packets, 3_000 + stats.sequence.received, "of both");
    let (from, to) = (7 * 48_000, 8 * 48_000);
    let (level, _) = level_and_lag(&left(&played)[from..to], from, second.frequency_hz);
    assert!((level - LEVEL).abs() < 0.001, "{level}");
}

/// Bit for bit; says where the difference begins.
fn assert_same(played: &[f32], expected: &[f32]) {
    assert_eq!(played.len(), expected.len());
    let first = played.iter().zip(expected).position(|(a, b)| a.to_bits() != b.to_bits());
    let told = first.map(|i| (i / CHANNELS / CALLBACK * 10, played[i], expected[i]));
    assert_eq!(told, None, "first difference: (ms, played, expected)");
    // Silence would be the same as silence.
    assert!(expected.iter().any(|&sample| f64::from(sample) > 0.9 * LEVEL), "nothing was played by {:?}", at_ms(0));
}

#[test]
fn arrivals_pace_the_timeline_of_a_sender_without_ptp() {
    let mut rig = rig();
    play(&mut rig, 20_000, &FIRST.packets(0..20_000));
    let mut reference = Reference::new(ReferenceConfig { mode: ClockMode::Arrivals, ..ReferenceConfig::default() });
    let arrivals = rig.ingest.arrivals();
    assert_eq!(arrivals.map(|reading| reading.state), Some(LockState::Locked));
    reference.advance(at_ms(20_000), &Sources { arrivals, ..Sources::default() });
    assert_eq!(reference.source(), ClockMode::Arrivals);
    assert!(reference.timeline().unwrap().clock().rate().as_ppm().abs() < 0.1);
    assert_eq!(reference.reading().map, None, "the origin is the stream's, not PTP's");
}

#[test]
fn packets_that_are_gathered_are_heard_like_single_ones() {
    let second = Sender { ssrc: 0xBEEF, timestamp: 77_000, frequency_hz: 660.0 };
    let packets = [FIRST.packets(0..3_000), second.packets(3_500..6_000)].concat();
    let mut singly = rig();
    let heard = singly.run(0..6_000, &packets, Playout::pull);
    assert!(level_and_lag(&left(&heard)[5 * 48_000..], 0, second.frequency_hz).0 > 0.9 * LEVEL, "both are heard");
    let (mut gathered, mut again, mut waiting) = (rig(), Vec::new(), packets.iter().peekable());
    for now in (0..6_000).step_by(10).map(at_ms) {
        while let Some((at, bytes)) = waiting.next_if(|(at, _)| *at <= now) {
            let datagram = Datagram { leg: Leg::A, at: *at, from: None, bytes };
            gathered.ingest.gather(datagram).unwrap();
        }
        gathered.ingest.publish();
        let mut block = [f32::NAN; CALLBACK * CHANNELS];
        gathered.playout.pull(now, &mut block);
        again.extend(block);
    }
    let bits = |audio: &[f32]| audio.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
    assert!(bits(&again) == bits(&heard), "they differ");
    assert_eq!(gathered.ingest.stats(), singly.ingest.stats());
}
