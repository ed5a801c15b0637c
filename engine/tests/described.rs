//! What a listener hears, and what is counted, when packets contradict the description of their
//! stream, and when packets without audio come along.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use engine::receive::{Finding, IngestError, MediaClock, Refusals, StreamConfig};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::{Nanos, SampleRate};
use rig::{Arrival, CALLBACK, CHANNELS, PACKET, Rig, Sender, at_ms};
use std::ops::Range;

const SENDER: Sender = Sender { ssrc: 0xA, timestamp: 1_000, frequency_hz: 440.0 };

/// Packets of a format other than the described one; `frames` of them are 1 ms.
fn packets(encoding: Encoding, channels: usize, frames: usize, ms: Range<i64>) -> Vec<Arrival> {
    let format = StreamFormat::new(encoding, SampleRate::HZ_48000, channels).unwrap();
    let packet = |i: i64| SENDER.datagram(format, i as u16, i * frames as i64, frames, |_| 1.0);
    ms.map(|i| (at_ms(i + 1), packet(i))).collect()
}

fn play(rig: &mut Rig, ms: i64, packets: &[Arrival]) -> Vec<f32> {
    rig.run(0..ms, packets, |playout, now, out| playout.pull(now, out))
}

fn peak(audio: &[f32]) -> f32 {
    audio.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

fn of_ms(audio: &[f32], ms: Range<usize>) -> &[f32] {
    &audio[ms.start * PACKET * CHANNELS..ms.end * PACKET * CHANNELS]
}

#[test]
fn packets_of_another_format_are_silence_at_any_depth() {
    for depth_ms in [5, 10, 30] {
        for (encoding, channels) in [(Encoding::L16, 2), (Encoding::L24, 8), (Encoding::L24, 1), (Encoding::L16, 4)] {
            let depth = Nanos::from_millis(depth_ms);
            let config = rig::config(rig::format(), MediaClock::Unrelated);
            let mut rig = Rig::of(StreamConfig { target_depth: depth, depth_limit: depth, ..config });
            let audio = play(&mut rig, 3_000, &packets(encoding, channels, PACKET, 0..3_000));
            assert_eq!(peak(&audio).to_bits(), 0, "{encoding} with {channels} channels at {depth}");
            let stats = rig.ingest.stats();
            assert!(matches!(stats.finding, Some(Finding::FrameSize { advance: 48, .. })), "{:?}", stats.finding);
            assert_eq!((stats.refused, stats.refusals.contradiction), (2_988, 2_988));
        }
    }
}

#[test]
fn a_change_in_mid_stream_is_silence_until_its_end() {
    let wrong = packets(Encoding::L16, 2, PACKET, 2_000..4_000);
    let all = [SENDER.packets(0..2_000), wrong, SENDER.packets(4_000..6_000)].concat();
    let mut rig = Rig::new(MediaClock::Unrelated);
    let audio = play(&mut rig, 6_000, &all);
    // A sine of -6 dBFS, and never the noise of full scale.
    assert!(peak(&audio) < 0.51, "{}", peak(&audio));
    assert_eq!(peak(of_ms(&audio, 2_300..3_990)).to_bits(), 0);
    let later = of_ms(&audio, 4_500..6_000);
    assert!((0.49..0.51).contains(&peak(later)), "{}", peak(later));
    assert!(later.chunks(CALLBACK * CHANNELS).all(|block| peak(block) > 0.4));
    assert_eq!((rig.ingest.stats().finding, rig.ingest.stats().generation), (None, 2));
}

#[test]
fn another_rate_is_silence_after_half_a_second() {
    let mut rig = Rig::new(MediaClock::Unrelated);
    let audio = play(&mut rig, 5_000, &packets(Encoding::L24, 2, 2 * PACKET, 0..5_000));
    assert_eq!(peak(of_ms(&audio, 1_000..5_000)).to_bits(), 0);
    let finding = rig.ingest.stats().finding;
    assert_eq!(finding, Some(Finding::SampleRate { measured_hz: 96_000, described_hz: 48_000 }));
}

/// Packets of 5 ms, where 1 ms was described.
#[test]
fn another_packet_time_is_played_and_told() {
    let packet = |i: i64| SENDER.datagram(rig::format(), i as u16, i * 240, 240, |_| 1.0);
    let all: Vec<Arrival> = (0..600).map(|i| (at_ms(5 * i + 5), packet(i))).collect();
    let mut rig =
        Rig::of(StreamConfig { packet_frames: Some(48), ..rig::config(rig::format(), MediaClock::Unrelated) });
    let audio = play(&mut rig, 3_000, &all);
    assert!(of_ms(&audio, 500..3_000).chunks(CALLBACK * CHANNELS).all(|block| peak(block) > 0.4));
    let finding = rig.ingest.stats().finding.unwrap().to_string();
    assert_eq!(finding, "packets are of 240 frames (5.000 ms), but the description says 1.000 ms");
}

/// Senders that keep a way open between packets, with numbers of the stream's own or copies of
/// them, by both networks.
#[test]
fn keep_alives_are_neither_lost_nor_refused() {
    let mut arrivals: Vec<Arrival> = Vec::new();
    let mut sequence = 65_000u16;
    for i in 0..3_000i64 {
        let packet = SENDER.datagram(rig::format(), sequence, i * PACKET as i64, PACKET, |_| 1.0);
        arrivals.push((at_ms(i + 1), packet.clone()));
        sequence = sequence.wrapping_add(1);
        if i % 10 == 0 {
            let mut empty = packet[..12].to_vec();
            empty[2..4].copy_from_slice(&sequence.to_be_bytes());
            let mut no_op = [&empty[..], &[0; 4]].concat();
            no_op[1] = 120;
            let control = b"\x80\xC8\0\x06abcdabcdabcd".to_vec();
            sequence = sequence.wrapping_add(1);
            no_op[2..4].copy_from_slice(&sequence.to_be_bytes());
            sequence = sequence.wrapping_add(1);
            arrivals.extend([empty, no_op, control, Vec::new()].map(|datagram| (at_ms(i + 1), datagram)));
        }
    }
    let mut rig = Rig::new(MediaClock::Unrelated);
    let late: Vec<Arrival> =
        arrivals.iter().map(|(at, datagram)| (*at + Nanos::from_millis(3), datagram.clone())).collect();
    let audio = rig.run_legs(0..3_000, [&arrivals, &late], |playout, now, out| playout.pull(now, out));
    assert!(of_ms(&audio, 500..3_000).chunks(CALLBACK * CHANNELS).all(|block| peak(block) > 0.4));
    let stats = rig.ingest.stats();
    assert_eq!((stats.sequence.lost, stats.refused, stats.generation), (0, 0, 1));
    assert_eq!(stats.legs.map(|leg| leg.sequence.lost), [0, 0]);
    assert!(rig.refused.iter().all(|error| !error.is_refusal()));
    let Refusals { companions, .. } = stats.refusals;
    assert_eq!(companions as usize, rig.refused.len());
}

#[test]
fn a_wrong_payload_type_is_refused_and_told() {
    let mut all = SENDER.packets(0..100);
    all.iter_mut().for_each(|(_, datagram)| datagram[1] = 97);
    let mut rig = Rig::new(MediaClock::Unrelated);
    let audio = play(&mut rig, 200, &all);
    assert_eq!(peak(&audio).to_bits(), 0);
    assert_eq!(rig.refused[0], IngestError::PayloadType { found: 97, expected: 96 });
    assert_eq!(rig.ingest.stats().refusals.payload_type, 100);
    assert_eq!(rig.ingest.stats().finding, Some(Finding::PayloadType { found: 97, described: 96 }));
}
