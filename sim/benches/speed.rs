//! How fast the simulator is, as a multiple of real time, for each receiver on one processor:
//! `cargo bench -p sim --bench speed`.
//!
//! A line of the table is printed after the measurement that it sums up; its figure is that of the
//! fastest run. "5 ms" and "1 ms" are packet times, "heard" is audio that is judged, "full" writes
//! WAV files and pictures as well.

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use sim::run::run;
use sim::scenario::Loaded;
use sim::world::Control;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Name, scenario, changes of it.
const CASES: [(&str, &str, &[&str]); 5] = [
    ("clocks only", "bench/clocks/a", &["duration_s=36000"]),
    ("no audio, 5 ms", "unlock_recover", &["record.audio=\"none\""]),
    ("no audio, 1 ms", "gm_loss", &["record.audio=\"none\""]),
    ("heard, 5 ms", "unlock_recover", &["record.audio=\"heard\""]),
    ("full, 5 ms", "unlock_recover", &[]),
];

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    let mut group = criterion.benchmark_group("speed");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(20));
    for (name, scenario, changes) in CASES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{scenario}.toml"));
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        let loaded = Loaded::read(&path, &changes).expect("the scenario is valid");
        let simulated_s = loaded.scenario.duration_s.get() * loaded.scenario.receivers.len() as f64;
        let mut fastest_s = f64::INFINITY;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut total = Duration::ZERO;
                for _ in 0..times {
                    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
                    let start = Instant::now();
                    let session = one.install(|| run(&loaded, Some(folder.path()), &Control::default()));
                    black_box(session.expect("the scenario runs"));
                    let took = start.elapsed();
                    fastest_s = fastest_s.min(took.as_secs_f64());
                    total += took;
                }
                total
            });
        });
        println!("{name}: {:.0} times real time", simulated_s / fastest_s);
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
