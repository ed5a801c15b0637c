//! What a listener hears when a sender starts anew or changes its name: a crossfade at most, never
//! a click or more silence than there was.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use engine::Nanos;
use engine::receive::MediaClock;
use rig::{Arrival, CALLBACK, CHANNELS, Rig, Sender, sine};

const SENDER: Sender = Sender { ssrc: 0xA, timestamp: 1_000, frequency_hz: 440.0 };

fn left(rig: &mut Rig, ms: i64, packets: &[Arrival]) -> Vec<f32> {
    let played = rig.run(0..ms, packets, |playout, now, out| playout.pull(now, out));
    played.iter().step_by(CHANNELS).copied().collect()
}

/// Largest second difference: a click of height h raises it to about h.
fn roughness(audio: &[f32]) -> f32 {
    audio.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
}

fn clean() -> f32 {
    let tone: Vec<f32> = (0..4800).map(|i| sine(SENDER.frequency_hz, f64::from(i)) as f32).collect();
    roughness(&tone)
}

/// Longest run of silence from a frame on.
fn longest_silence_ms(audio: &[f32]) -> usize {
    audio.chunk_by(|a, b| a.abs() < 1e-5 && b.abs() < 1e-5).map(<[f32]>::len).max().unwrap() / 48
}

/// The timestamps jump without a pause: what has come is played to its end, and what comes is faded
/// in.
#[test]
fn a_jump_of_the_timestamps_is_a_crossfade() {
    let jumped = Sender { timestamp: 3_000_000_000, ..SENDER };
    for at in [3_000, 3_003, 3_007] {
        let mut rig = Rig::new(MediaClock::Unrelated);
        let audio = left(&mut rig, 6_000, &[SENDER.packets(0..at), jumped.packets(at..6_000)].concat());
        assert_eq!(rig.ingest.stats().generation, 2);
        let later = &audio[48_000..];
        let rough = roughness(later);
        assert!(rough < clean() + 0.004, "{at}: roughness {rough} against {}", clean());
        let silence = longest_silence_ms(later);
        assert!(silence < 2, "{at}: {silence} ms of silence");
    }
}

/// One packet with a wild timestamp, copied on its way, is still one.
#[test]
fn a_copy_confirms_no_jump() {
    let wild = Sender { timestamp: 3_000_000_000, ..SENDER }.packets(3_000..3_001);
    let mut rig = Rig::new(MediaClock::Unrelated);
    left(&mut rig, 6_000, &[SENDER.packets(0..3_000), wild.clone(), wild, SENDER.packets(3_001..6_000)].concat());
    let stats = rig.ingest.stats();
    assert_eq!((stats.generation, stats.refused), (1, 2));
}

/// While a source that has jumped is not known well enough yet, what cannot be played is concealed,
/// not cut off.
#[test]
fn a_source_that_stammers_is_not_cut_off() {
    let jumped = Sender { timestamp: 3_000_000_000, ..SENDER };
    let mut rig = Rig::new(MediaClock::Unrelated);
    // Two packets of the new timeline, and then nothing for a while.
    let audio = left(&mut rig, 4_000, &[SENDER.packets(0..3_003), jumped.packets(3_003..3_005)].concat());
    let rough = roughness(&audio[48_000..]);
    assert!(rough < clean() + 0.004, "roughness {rough} against {}", clean());
}

/// The sender's rate is known; a restart does not change it.
#[test]
fn a_restart_keeps_the_rate() {
    const PPM: i64 = 50;
    let late = |packets: Vec<Arrival>| -> Vec<Arrival> {
        // A slow sender's packet i leaves later by so much, and is late by up to 400 us.
        let slow = |(at, datagram): Arrival| {
            let ms = (at - rig::at_ms(0)).as_nanos() / 1_000_000;
            (at + Nanos::new(ms * PPM + ms * 7919 % 400 * 1_000), datagram)
        };
        packets.into_iter().map(slow).collect()
    };
    for ssrc in [SENDER.ssrc, SENDER.ssrc + 1] {
        let restarted = Sender { ssrc, timestamp: 3_000_000_000, ..SENDER };
        let mut rig = Rig::new(MediaClock::Unrelated);
        let packets = late([SENDER.packets(0..30_000), restarted.packets(33_000..40_000)].concat());
        let mut worst: f64 = 0.0;
        for ms in (0..40_000).step_by(10) {
            rig.run(ms..ms + 10, &packets, |playout, now, out| playout.pull(now, out));
            if ms > 30_000 {
                worst = worst.max((rig.ingest.stats().media_rate.as_ppm() + PPM as f64).abs());
            }
        }
        assert_eq!(rig.ingest.stats().generation, 2);
        assert!(worst < 2.0, "the rate is off by {worst} ppm");
    }
}

/// Another sender's crystal is another one: what was known of the old one must not stand in the
/// way.
#[test]
fn another_sender_s_rate_is_learnt() {
    let other = Sender { ssrc: 0xB, timestamp: 3_000_000_000, ..SENDER };
    let slow =
        |(at, datagram): &Arrival| (*at + Nanos::new((*at - rig::at_ms(0)).as_nanos() / 10_000), datagram.clone());
    let mut packets = SENDER.packets(0..30_000);
    packets.extend(other.packets(33_000..80_000).iter().map(slow));
    let mut rig = Rig::new(MediaClock::Unrelated);
    left(&mut rig, 60_000, &packets);
    let stats = rig.playout.stats();
    assert!((rig.ingest.stats().media_rate.as_ppm() + 100.0).abs() < 1.0, "{}", rig.ingest.stats().media_rate);
    assert!(stats.phase_error.abs() < Nanos::from_millis(2), "{}", stats.phase_error);
}

/// Nothing but the SSRC changes: sequence numbers and timestamps go on.
#[test]
fn a_stream_that_goes_on_under_another_ssrc_is_the_same_stream() {
    let renamed = Sender { ssrc: 0xB, ..SENDER };
    let mut rig = Rig::new(MediaClock::Unrelated);
    let audio = left(&mut rig, 6_000, &[SENDER.packets(0..3_000), renamed.packets(3_000..6_000)].concat());
    let expected = left(&mut Rig::new(MediaClock::Unrelated), 6_000, &SENDER.packets(0..6_000));
    assert!(audio == expected, "the change is heard");
    assert!(rig.refused.is_empty() && rig.ingest.stats().generation == 1);
    assert_eq!(audio.len() % CALLBACK, 0);
}

/// Also if packets are lost just then.
#[test]
fn a_stream_that_goes_on_after_a_loss_is_the_same_stream() {
    let renamed = Sender { ssrc: 0xB, ..SENDER };
    let mut rig = Rig::new(MediaClock::Unrelated);
    left(&mut rig, 6_000, &[SENDER.packets(0..3_000), renamed.packets(3_004..6_000)].concat());
    assert!(rig.refused.is_empty() && rig.ingest.stats().generation == 1);
    assert_eq!(rig.ingest.stats().sequence.lost, 4);
}
