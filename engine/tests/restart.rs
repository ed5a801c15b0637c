//! What a listener hears when a sender starts anew or changes its name: a crossfade at most, never a click or more silence than there was.

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

/// The timestamps jump without a pause: what has come is played to its end, and what comes is faded in.
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

/// While a source that has jumped is not known well enough yet, what cannot be played is concealed, not cut off.
#[test]
fn a_source_that_stammers_is_not_cut_off() {
    let jumped = Sender { timestamp: 3_000_000_000, ..SENDER };
    let mut rig = Rig::new(MediaClock::Unrelated);
    // Two packets of the new timeline, and then nothing for a while.
    let audio = left(&mut rig, 4_000, &[SENDER.packets(0..3_003), jumped.packets(3_003..3_005)].concat());
    let rough = roughness(&audio[48_000..]);
    assert!(rough < clean() + 0.004, "roughness {rough} against {}", clean());
}
