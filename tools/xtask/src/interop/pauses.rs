//! Whether the machine itself stood still: on each processor a program of the highest priority in use that sleeps, and notes when it is woken late.
//!
//! A glitch of that moment is the machine's. On one that is shared with others it happens several times an hour, and to one processor at a time.

use super::bench::{Bench, Trouble, read};
use netns::{Running, Wire};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `cargo xtask <this>`, for [`start`].
pub(crate) const COMMAND: &str = "interop-pauses";
/// What a watch says when it has begun.
const WATCHING: &str = "watching";
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
    let program = bench.beside("xtask")?;
    let watch = |processor: usize| {
        let mut command = wire.command(host, "chrt");
        command.args(["-f", PRIORITY, "taskset", "-c", &processor.to_string()]).arg(&program).arg(COMMAND);
        let watch = wire.start(command);
        watch.wait_for(WATCHING, 10);
        watch
    };
    Ok(Watch(processors()?.into_iter().map(watch).collect()))
}

/// Those that this process may run on: `0-1,4` in Linux's words.
fn processors() -> Result<Vec<usize>, Trouble> {
    let status = read(Path::new("/proc/self/status"), "")?;
    let status = String::from_utf8_lossy(&status);
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default().trim();
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    let none = || Trouble::Failed(format!("`{list}` is no list of processors"));
    Ok(ranges.ok_or_else(none)?.into_iter().flatten().collect())
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
    println!("{WATCHING}");
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
