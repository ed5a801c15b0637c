//! What it costs to play a stream: time per frame of `Playout::pull` for 2 and 8 channels, time of
//! a callback in which a gap begins and ends, and how many stereo streams of 1 ms packets one core
//! can play, packets and all, as found by playing so many.

mod player;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use player::{CALLBACK, Player};
use std::time::{Duration, Instant};

/// Streams that are played at once.
const STREAMS: usize = 64;

/// A player that has played for half a second.
fn warm_player(channels: usize) -> Player {
    let mut player = Player::new(channels);
    for _ in 0..50 {
        player.receive(false);
        player.pull();
    }
    assert!(player.playout.stats().started, "it plays");
    player
}

/// Times the audio half alone.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time_pulls(player: &mut Player, callbacks: u64, is_lossy: bool) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..callbacks {
        player.receive(is_lossy);
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
        let mut player = warm_player(channels);
        group.bench_function(BenchmarkId::new("channels", channels), |bencher| {
            bencher.iter_custom(|callbacks| time_pulls(&mut player, callbacks, false));
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
        let mut player = warm_player(channels);
        // A gap is played two callbacks after its packet was due.
        time_pulls(&mut player, 3, true);
        group.bench_function(BenchmarkId::new("channels", channels), |bencher| {
            bencher.iter_custom(|callbacks| time_pulls(&mut player, callbacks, true));
        });
        assert!(player.playout.stats().concealed_frames > 0, "the bench conceals what was lost");
    }
    group.finish();
}

/// 10 ms of each of many streams: one core can play 10 ms / (time per stream) of them.
fn streams(criterion: &mut Criterion) {
    let mut players: Vec<Player> = (0..STREAMS).map(|_| warm_player(2)).collect();
    let mut group = criterion.benchmark_group("10 ms of stereo streams of 1 ms packets, per stream");
    group.throughput(Throughput::Elements(STREAMS as u64));
    group.bench_function(BenchmarkId::new("streams", STREAMS), |bencher| {
        bencher.iter(|| {
            for player in &mut players {
                player.receive(false);
                player.pull();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, pull, conceal, streams);
criterion_main!(benches);
