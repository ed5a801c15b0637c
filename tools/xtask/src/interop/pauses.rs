//! Whether the machine itself stood still: on each processor a program of the highest priority in use that sleeps, and notes when it is woken late.
//!
//! A glitch of that moment is the machine's. On one that is shared with others it happens several times an hour, and to one processor at a time.

use super::bench::{Bench, Trouble};
use netns::{Running, Wire};
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// `cargo xtask <this>`, for [`start`].
pub(crate) const COMMAND: &str = "interop-pauses";
/// Sleeps of this length are watched.
const STEP: Duration = Duration::from_millis(2);
/// Later than this: a quarter of the shortest latency that is measured with, because sender and receiver may both be held up.
const PAUSE: Duration = Duration::from_millis(5);
/// Above all programs of a case.
const PRIORITY: &str = "70";
/// A pause is heard in the row of the trace that it falls into, or in the next one.
const HEARD_WITHIN_S: f64 = 2.5;

/// A program for each processor.
pub(super) struct Watch(Vec<Running>);

/// Begins to watch.
pub(super) fn start(bench: &Bench, wire: &Wire, host: char) -> Result<Watch, Trouble> {
    let processors = available_parallelism().map_or(1, NonZero::get);
    let program = bench.beside("xtask")?;
    let watch = |processor: usize| {
        let mut command = wire.command(host, "chrt");
        command.args(["-f", PRIORITY, "taskset", "-c", &processor.to_string()]).arg(&program).arg(COMMAND);
        wire.start(command)
    };
    Ok(Watch((0..processors).map(watch).collect()))
}

/// When the machine stood still, in seconds since the watch began, and for how many ms.
pub(super) fn of(watch: &Watch) -> Vec<(f64, f64)> {
    let pair = |line: &str| {
        let mut words = line.split(' ').map(str::parse);
        Some((words.next()?.ok()?, words.next()?.ok()?))
    };
    watch.0.iter().flat_map(|watch| watch.log().lines().filter_map(pair).collect::<Vec<_>>()).collect()
}

/// Whether one of them explains a glitch at this time.
pub(super) fn explain(pauses: &[(f64, f64)], at_s: f64) -> bool {
    pauses.iter().any(|(pause_s, _)| (at_s - HEARD_WITHIN_S..=at_s + HEARD_WITHIN_S).contains(pause_s))
}

/// Watches until it is ended.
#[expect(clippy::disallowed_methods, reason = "the machine's own time is what is watched")]
pub(crate) fn run() -> ExitCode {
    let start = Instant::now();
    loop {
        let before = Instant::now();
        std::thread::sleep(STEP);
        let late = before.elapsed().saturating_sub(STEP);
        if late >= PAUSE {
            println!("{:.3} {:.1}", start.elapsed().as_secs_f64(), late.as_secs_f64() * 1e3);
        }
    }
}
