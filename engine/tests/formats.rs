//! Encodings, numbers of channels, packet times and channel maps, through the ring and the jitter
//! buffer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "the rig serves other tests, too")]

mod rig;

use engine::Nanos;
use engine::audio::ChannelMap;
use engine::receive::{Leg, MediaClock, PlayoutStats, StreamConfig, StreamError, stream};
use engine::rtp::format::{Encoding, StreamFormat};
use rig::{Arrival, CALLBACK, LEVEL, RATE, Sender, at_ms, config, sine};

const SENDER: Sender = Sender { ssrc: 0xCAFE, timestamp: u32::MAX - 60_000, frequency_hz: 440.0 };

fn of(encoding: Encoding, channels: usize) -> StreamConfig {
    config(StreamFormat::new(encoding, RATE, channels).unwrap(), MediaClock::Unrelated)
}

/// Each channel has a level of its own.
fn level(channel: usize) -> f64 {
    1.0 / (1.0 + channel as f64)
}

/// Packets of the given lengths in frames, each arriving when its last frame was captured.
fn packets(config: &StreamConfig, lengths: impl IntoIterator<Item = usize>) -> Vec<Arrival> {
    let mut first = 0;
    let packet = |(sequence, frames): (usize, usize)| {
        let datagram = SENDER.datagram(config.format, sequence as u16, first, frames, level);
        first += frames as i64;
        (at_ms(0) + Nanos::new(first * 1_000_000 / 48), datagram)
    };
    lengths.into_iter().enumerate().map(packet).collect()
}

/// Plays all packets with callbacks of some length. Returns the frames that were played and what
/// the audio half says.
fn play(config: StreamConfig, packets: &[Arrival], callback: usize) -> (Vec<Vec<f32>>, PlayoutStats) {
    let (mut ingest, mut playout) = stream(config).unwrap();
    let channels = config.channel_map.outputs();
    let end = packets.last().unwrap().0;
    let mut packets = packets.iter().peekable();
    let (mut now, mut played) = (at_ms(0), Vec::new());
    while now < end {
        while let Some((at, datagram)) = packets.next_if(|arrival| arrival.0 <= now) {
            ingest.handle_datagram(Leg::A, *at, datagram).unwrap();
        }
        let mut block = vec![f32::NAN; callback * channels];
        playout.pull(now, &mut block);
        played.extend(block.chunks_exact(channels).map(<[f32]>::to_vec));
        now = now + Nanos::new(callback as i64 * 1_000_000 / 48);
    }
    assert_eq!(ingest.stats().overflows, 0, "the ring is too short");
    (played, *playout.stats())
}

/// Whether the last half second is the sine, on each output at its level.
fn assert_sine(played: &[Vec<f32>], levels: &[f64]) {
    let tail = &played[played.len() - 24_000..];
    for (channel, level) in levels.iter().enumerate() {
        let energy: f64 = tail.iter().map(|frame| f64::from(frame[channel]).powi(2)).sum();
        let rms = (energy / tail.len() as f64).sqrt();
        let expected = level * LEVEL * std::f64::consts::FRAC_1_SQRT_2;
        assert!((rms - expected).abs() < 0.002 * level + 2e-5, "channel {channel}: {rms}, not {expected}");
        // A sine is known by its second difference, sample by sample; so no click, loss or
        // repetition goes unseen.
        let turn = 2.0 - 2.0 * (sine(SENDER.frequency_hz, 12_000.0 / SENDER.frequency_hz - 1.0) / LEVEL);
        for three in tail.windows(3) {
            let [a, b, c] = [0, 1, 2].map(|i| f64::from(three[i][channel]));
            assert!((a - 2.0 * b + c + turn * b).abs() < 3e-4, "channel {channel} is not a sine");
        }
    }
}

#[test]
fn any_number_of_channels_in_both_encodings() {
    for encoding in [Encoding::L16, Encoding::L24] {
        for channels in [1, 2, 3, 8, 64] {
            let config = of(encoding, channels);
            let (played, stats) = play(config, &packets(&config, vec![6; 12_000]), CALLBACK);
            assert_sine(&played, &(0..channels).map(level).collect::<Vec<_>>());
            assert_eq!((stats.underruns, stats.late_packets), (0, 0), "{encoding} {channels}: {stats:?}");
        }
    }
}

#[test]
fn every_packet_time_plays() {
    for frames in [6, 12, 16, 48, 192, 240, 384] {
        let config = of(Encoding::L24, 1);
        let (played, stats) = play(config, &packets(&config, vec![frames; 72_000 / frames]), CALLBACK);
        assert_sine(&played, &[1.0]);
        assert_eq!((stats.underruns, stats.late_packets), (0, 0), "{frames} frames: {stats:?}");
    }
}

/// AES67 keeps packets within an Ethernet frame; there are senders that leave it to IP to split
/// them, and networks with longer frames.
#[test]
fn packets_longer_than_an_ethernet_frame_play() {
    for (channels, frames) in [(2, 384), (8, 384), (64, 48), (1, 9_600)] {
        let config = of(Encoding::L24, channels);
        let (played, stats) = play(config, &packets(&config, vec![frames; 96_000 / frames]), CALLBACK);
        assert_sine(&played, &(0..channels).map(level).collect::<Vec<_>>());
        assert_eq!((stats.underruns, stats.late_packets), (0, 0), "{channels} x {frames}: {stats:?}");
    }
}

#[test]
fn the_packet_time_may_change_at_any_packet() {
    let config = of(Encoding::L24, 1);
    let lengths = [6, 384, 48, 240, 12, 12, 192, 16].into_iter().cycle();
    let (played, stats) = play(config, &packets(&config, lengths.take(1_500)), CALLBACK);
    assert_sine(&played, &[1.0]);
    assert_eq!((stats.underruns, stats.late_packets, stats.jumps), (0, 0, 0), "{stats:?}");
}

#[test]
fn the_packet_time_may_change_for_good() {
    let config = of(Encoding::L24, 1);
    for (before, after) in [(6, 384), (384, 6), (48, 240)] {
        let lengths = [vec![before; 48_000 / before], vec![after; 144_000 / after]].concat();
        let (played, stats) = play(config, &packets(&config, lengths), CALLBACK);
        // Other packets are sent at another time after their first frame, for good: playout follows
        // that once, long before the half second that is looked at.
        assert_sine(&played, &[1.0]);
        let (underruns, late) = (stats.underruns, stats.late_packets);
        assert!((underruns, late) == (0, 0) && stats.jumps <= 1, "{before} to {after} frames: {stats:?}");
    }
}

#[test]
fn the_ring_holds_the_shortest_packets_of_the_longest_callback() {
    let config = StreamConfig { target_depth: Nanos::from_millis(400), block_frames: 8_192, ..of(Encoding::L24, 2) };
    let (played, stats) = play(config, &packets(&config, vec![6; 24_000]), 8_192);
    assert_sine(&played, &[level(0), level(1)]);
    assert_eq!((stats.underruns, stats.late_packets), (0, 0), "{stats:?}");
}

#[test]
fn outputs_play_the_channels_that_they_pick() {
    let map = ChannelMap::new(&[Some(63), None, Some(0), Some(0), Some(7)]).unwrap();
    let config = StreamConfig { channel_map: map, ..of(Encoding::L24, 64) };
    let (played, _) = play(config, &packets(&config, vec![6; 12_000]), CALLBACK);
    assert_sine(&played, &[level(63), 0.0, 1.0, 1.0, level(7)]);
    assert!(played.iter().all(|frame| frame[1].to_bits() == 0), "silence is silent");
}

#[test]
fn a_channel_that_the_stream_lacks_is_refused() {
    let config = StreamConfig { channel_map: ChannelMap::new(&[Some(2)]).unwrap(), ..of(Encoding::L24, 2) };
    assert!(matches!(stream(config), Err(StreamError::ChannelMap(_))));
}
