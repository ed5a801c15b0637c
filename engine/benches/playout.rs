//! What it costs to play a stream: time per frame of `Playout::pull` for 2 and 8 channels, time of
//! a callback in which a gap begins and ends, and how many stereo streams of 1 ms packets one core
//! can play, packets and all, as found by playing so many.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::audio::FusedRateController;
use engine::receive::{Ingest, Leg, Playout, StreamConfig, WarmStart, stream};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::{PayloadType, RtpHeader, Ssrc};
use engine::{LocalTime, Nanos, Ppb, RtpTimestamp, SampleRate};
use std::time::{Duration, Instant};

const RATE: SampleRate = SampleRate::HZ_48000;
/// Frames of a packet (1 ms) and of a callback (10 ms).
const PACKET: usize = 48;
const CALLBACK: usize = 480;
/// Streams that are played at once.
const STREAMS: usize = 64;

/// A stream of noise from a sender whose clock is exact, on a card that is 100 ppm fast and that is
/// known to be.
struct Player {
    ingest: Ingest,
    playout: Playout<FusedRateController>,
    datagram: Vec<u8>,
    packets: i64,
    callbacks: i64,
    out: Vec<f32>,
    /// Whether the network loses a packet of each callback.
    lossy: bool,
}

impl Player {
    fn new(channels: usize) -> Self {
        let format = StreamFormat::new(Encoding::L24, RATE, channels).expect("channels in range");
        let (ingest, playout) = stream(StreamConfig {
            warm_start: WarmStart { card_rate: Some(Ppb::from_ppm(100.0)), media_rate: Some(Ppb::ZERO) },
            ..StreamConfig::new(format, Nanos::from_millis(20), CALLBACK)
        })
        .expect("a stream that can be played");
        let payload = (0..PACKET * format.bytes_per_frame()).map(|i| (i * 37) as u8);
        let datagram = [0; 12].into_iter().chain(payload).collect();
        let mut player = Self {
            ingest,
            playout,
            datagram,
            packets: 0,
            callbacks: 0,
            out: vec![0.0; CALLBACK * channels],
            lossy: false,
        };
        // Half a second, until it plays.
        for _ in 0..50 {
            player.receive();
            player.pull();
        }
        assert!(player.playout.stats().started, "it plays");
        player
    }

    /// The packets up to the next callback.
    fn receive(&mut self) {
        let callback = self.next_callback();
        while LocalTime::ZERO + Nanos::from_millis(self.packets) <= callback {
            let header = RtpHeader {
                marker: false,
                payload_type: PayloadType::new(96).expect("a payload type"),
                sequence: SequenceNumber::new(self.packets as u16),
                timestamp: RtpTimestamp::new((self.packets * PACKET as i64) as u32),
                ssrc: Ssrc(1),
            };
            self.datagram[..12].copy_from_slice(&header.emit());
            let now = LocalTime::ZERO + Nanos::from_millis(self.packets);
            if !self.lossy || self.packets % 10 != 5 {
                self.ingest.handle_datagram(Leg::A, now, &self.datagram).expect("a packet of the stream");
            }
            self.packets += 1;
        }
    }

    fn next_callback(&self) -> LocalTime {
        LocalTime::ZERO + Nanos::new((self.callbacks as f64 * 10e6 / 1.0001) as i64)
    }

    fn pull(&mut self) {
        self.playout.pull(self.next_callback(), &mut self.out);
        self.callbacks += 1;
    }
}

/// Times the audio half alone.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time_pulls(player: &mut Player, callbacks: u64) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..callbacks {
        player.receive();
        let begin = Instant::now();
        player.pull();
        spent += begin.elapsed();
    }
    spent
}

fn pull(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pull, per frame");
    group.throughput(Throughput::Elements(CALLBACK as u64));
    for channels in [2, 8] {
        let mut player = Player::new(channels);
        group.bench_function(BenchmarkId::new("channels", channels), |bencher| {
            bencher.iter_custom(|callbacks| time_pulls(&mut player, callbacks));
        });
        assert_eq!(player.playout.stats().underruns, 0, "the bench plays what it was sent");
    }
    group.finish();
}

/// What the worst callback costs: in each a packet is missing, so that a gap is predicted, filled
/// and crossfaded.
fn conceal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pull with a gap, per callback of 10 ms");
    for channels in [2, 8, 64] {
        let mut player = Player::new(channels);
        player.lossy = true;
        group.bench_function(BenchmarkId::new("channels", channels), |bencher| {
            bencher.iter_custom(|callbacks| time_pulls(&mut player, callbacks));
        });
        assert!(player.playout.stats().concealed_frames > 0, "the bench conceals what was lost");
    }
    group.finish();
}

/// 10 ms of each of many streams: one core can play 10 ms / (time per stream) of them.
fn streams(criterion: &mut Criterion) {
    let mut players: Vec<Player> = (0..STREAMS).map(|_| Player::new(2)).collect();
    let mut group = criterion.benchmark_group("10 ms of stereo streams of 1 ms packets, per stream");
    group.throughput(Throughput::Elements(STREAMS as u64));
    group.bench_function(BenchmarkId::new("streams", STREAMS), |bencher| {
        bencher.iter(|| {
            for player in &mut players {
                player.receive();
                player.pull();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, pull, conceal, streams);
criterion_main!(benches);
