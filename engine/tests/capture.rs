//! A sound card as a source: what it captured at a PTP time is sent with that time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use engine::clock::{ClockMap, PtpMap};
use engine::send::Source;
use engine::send::{CaptureConfig, CaptureError, capture};
use engine::{Frames, LocalTime, Nanos, Ppb, PtpTime, SampleRate};

const RATE: SampleRate = SampleRate::HZ_48000;
const PACKET: usize = 48;
/// Frames of a callback: 5 ms.
const BLOCK: usize = 240;
const TONE_HZ: f64 = 100.0;

fn config(channels: &[usize]) -> CaptureConfig {
    CaptureConfig {
        card_rate: RATE,
        card_channels: 2,
        channels: channels.to_vec(),
        stream_rate: RATE,
        packet_frames: PACKET,
        remembered: None,
    }
}

/// What a microphone hears at a host time, s: a tone, so slow that its phase tells the time to
/// microseconds.
fn heard(at_s: f64) -> f32 {
    (0.5 * (std::f64::consts::TAU * TONE_HZ * at_s).sin()) as f32
}

/// Errors of the time at which the audio of packets was captured, us, and frames that were
/// concealed. The card runs by `card_ppm` against the host, PTP by `ptp_ppm`.
fn run(seconds: i64, card_ppm: f64, ptp_ppm: f64) -> (Vec<(f64, f64)>, u64) {
    let (mut input, mut source) = capture(&config(&[1])).unwrap();
    let epoch = PtpTime::from_timestamp(1_790_000_000, 0);
    let map = PtpMap::new(LocalTime::ZERO, epoch, ClockMap::exact(LocalTime::ZERO, 0.0, Ppb::from_ppm(ptp_ppm)));
    source.set_timeline(&map);
    let card_rate = 48_000.0 * (1.0 + card_ppm * 1e-6);
    let (mut captured, mut errors) = (0usize, Vec::new());
    let mut out = [0.0; PACKET];
    let start = 1_790_000_000 * 48_000;
    let mut jitter = 1u32;
    for packet in 0..seconds * 1000 {
        let first = start + packet * PACKET as i64;
        let end = map.local_at(epoch + Nanos::from_millis(packet + 1));
        let leaves = end + Nanos::from_millis(12);
        // Callbacks that came before: each is late by up to 0.2 ms.
        loop {
            let complete_s = (captured + BLOCK) as f64 / card_rate;
            jitter = jitter.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let late_s = f64::from(jitter >> 16) / 65_536.0 * 200e-6;
            let called = LocalTime::ZERO + Nanos::from_secs_f64(complete_s + late_s);
            if called > leaves {
                break;
            }
            let block: Vec<f32> =
                (captured..captured + BLOCK).flat_map(|frame| [0.0, heard(frame as f64 / card_rate)]).collect();
            input.push(called, &block);
            captured += BLOCK;
        }
        source.read(Frames::new(first), &mut out);
        if packet % 100 == 0 && packet > 0 {
            let truth_s = (map.local_at(epoch + Nanos::from_millis(packet)) - LocalTime::ZERO).as_secs_f64();
            errors.push((packet as f64 / 1000.0, time_error_us(&out, truth_s)));
        }
    }
    (errors, source.stats().concealed_frames)
}

/// How much later than `begin_s` the packet's audio was heard, us: that with the least difference,
/// of those within 0.4 ms.
fn time_error_us(packet: &[f32], begin_s: f64) -> f64 {
    let difference = |error_s: f64| {
        let frames = packet.iter().enumerate();
        frames
            .map(|(n, sample)| f64::from(sample - heard(begin_s + error_s + n as f64 / 48_000.0)).powi(2))
            .sum::<f64>()
    };
    let tried = (-400..=400).step_by(2).map(|us| (f64::from(us), difference(f64::from(us) * 1e-6)));
    tried.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
}

#[test]
fn what_a_drifting_card_captures_keeps_its_time() {
    for (card_ppm, ptp_ppm) in [(80.0, 0.0), (-60.0, 30.0)] {
        let (errors, concealed) = run(120, card_ppm, ptp_ppm);
        // Callbacks are late by 0.1 ms in the mean, and nobody can know that.
        let late: Vec<f64> = errors.iter().filter(|(at_s, _)| *at_s > 30.0).map(|(_, error_us)| *error_us).collect();
        let (least, most) = late.iter().fold((f64::MAX, f64::MIN), |(least, most), &x| (least.min(x), most.max(x)));
        assert!(least > -250.0 && most < 250.0, "{card_ppm}: {least} to {most} us");
        assert!(most - least < 60.0, "{card_ppm}: {least} to {most} us");
        assert_eq!(concealed, 0, "{card_ppm}");
    }
}

#[test]
fn a_card_that_stops_and_goes_on_is_concealed_and_found_again() {
    let (mut input, mut source) = capture(&config(&[0, 1])).unwrap();
    let epoch = PtpTime::from_timestamp(1_790_000_000, 0);
    source.set_timeline(&PtpMap::new(LocalTime::ZERO, epoch, ClockMap::default()));
    let start = 1_790_000_000 * 48_000;
    let mut out = [0.0; 2 * PACKET];
    let mut concealed_at = Vec::new();
    for ms in 0..30_000i64 {
        // The card loses 300 ms at 10 s.
        if ms % 5 == 0 && !(10_000..10_300).contains(&ms) {
            input.push(LocalTime::ZERO + Nanos::from_millis(ms), &[0.25; 2 * BLOCK]);
        }
        source.read(Frames::new(start + (ms - 12) * 48), &mut out);
        concealed_at.push(source.stats().concealed_frames);
    }
    let lost = concealed_at[12_000] - concealed_at[9_000];
    // What the card lost, the 250 ms after which its clock believes that, and the half second after
    // which the stream goes there.
    assert!((14_000..52_800).contains(&lost), "{lost} frames were concealed");
    assert_eq!(concealed_at[29_999], concealed_at[12_000]);
    assert!(out.iter().all(|sample| (sample - 0.25).abs() < 1e-3), "{out:?}");
}

#[test]
fn channels_that_the_card_has_not_are_refused() {
    assert!(matches!(capture(&config(&[0, 2])), Err(CaptureError::Channels(..))));
    assert!(matches!(capture(&config(&[])), Err(CaptureError::Channels(..))));
}
