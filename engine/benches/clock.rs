//! What a clock costs: time per Sync, with its Delay_Reqs, of the slave clock as it ships; and its
//! size.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::clock::{ClockServo, Direction, SlaveClock, SlaveClockConfig, TimestampPair};
use engine::{LocalTime, Nanos, PtpTime};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A minute of 8 Syncs a second, and every eighth time a Delay_Req.
const PAIRS: i64 = 60 * 9;

fn pairs() -> Vec<TimestampPair> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let pair = |i: i64| {
        let direction = if i % 9 == 8 { Direction::Reverse } else { Direction::Forward };
        let late = Nanos::new(i64::from(random.next_u32() % 100_000));
        let sent = Nanos::from_millis(111 * i);
        let (local, remote) = match direction {
            Direction::Forward => (sent + late, sent),
            Direction::Reverse => (sent, sent + late),
        };
        TimestampPair { direction, local: LocalTime::ZERO + local, remote: PtpTime::EPOCH + remote }
    };
    (0..PAIRS).map(pair).collect()
}

fn sync(criterion: &mut Criterion) {
    let minute = pairs();
    let mut clock = SlaveClock::new(SlaveClockConfig::default());
    let mut minutes = 0;
    let mut group = criterion.benchmark_group(format!("slave clock of {} bytes", size_of::<SlaveClock>()));
    group.throughput(Throughput::Elements(PAIRS as u64));
    group.bench_function("a minute of Syncs and Delay_Reqs", |bencher| {
        bencher.iter(|| {
            let shift = Nanos::from_secs(60).times(minutes);
            minutes += 1;
            for pair in &minute {
                clock.observe(&TimestampPair { local: pair.local + shift, remote: pair.remote + shift, ..*pair });
            }
            clock.reading(LocalTime::ZERO + shift)
        });
    });
    group.finish();
}

criterion_group!(benches, sync);
criterion_main!(benches);
