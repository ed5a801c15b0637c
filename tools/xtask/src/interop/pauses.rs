//! Detects pauses of the machine itself: on each processor, a program with the highest priority in
//! use sleeps, and records when it is woken late.
//!
//! A glitch at such a moment is caused by the machine. On a shared machine this happens several
//! times an hour, to one processor at a time.

use super::bench::{Bench, Trouble, read};
use netns::{Running, Wire};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `cargo xtask <this>`, for [`start`].
pub(crate) const COMMAND: &str = "interop-pauses";
/// Line that a watch prints when it has begun.
const WATCHING: &str = "watching";
/// Duration of the sleeps whose lateness is measured.
const STEP: Duration = Duration::from_millis(2);
/// A longer delay is a pause: a quarter of the shortest latency in use, because sender and receiver
/// may both be delayed.
const PAUSE: Duration = Duration::from_millis(5);
/// Real-time priority above that of all programs of a case.
const PRIORITY: &str = "70";
/// A pause is heard in the row of the trace that it falls into, or in the next one.
const HEARD_WITHIN_S: f64 = 2.5;

/// Smallest distance at which a second of a program's report is considered unaffected by a pause,
/// s.
const BESIDE_S: f64 = 0.5;

/// The watching programs, one for each processor.
pub(crate) struct Watch {
    programs: Vec<Running>,
    started: Instant,
}

/// A program's counts in seconds without a pause of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Undisturbed {
    pub(super) seconds: f64,
    pub(super) counted: f64,
}

impl Watch {
    /// Seconds since it began.
    pub(super) fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Begins to watch.
pub(super) fn start(bench: &Bench, wire: &Wire, host: char) -> Result<Watch, Trouble> {
    start_by(&bench.beside("xtask")?, wire, host)
}

/// As [`start`], with the path of this program.
pub(crate) fn start_by(program: &Path, wire: &Wire, host: char) -> Result<Watch, Trouble> {
    let watch = |processor: usize| {
        let mut command = wire.command(host, "chrt");
        command.args(["-f", PRIORITY, "taskset", "-c", &processor.to_string()]).arg(program).arg(COMMAND);
        let watch = wire.start(command);
        watch.wait_for(WATCHING, 60);
        watch
    };
    let programs: Vec<Running> = processors()?.into_iter().map(watch).collect();
    Ok(Watch { programs, started: now() })
}

/// Processors that this process may use, which Linux lists as `0-1,4`.
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

/// Pauses of the machine: seconds since the watch began, and length in ms.
pub(crate) fn of(watch: &Watch) -> Vec<(f64, f64)> {
    let pair = |line: &str| {
        let mut words = line.split(' ').map(str::parse);
        Some((words.next()?.ok()?, words.next()?.ok()?))
    };
    watch.programs.iter().flat_map(|watch| watch.log().lines().filter_map(pair).collect::<Vec<_>>()).collect()
}

/// Whether one of the pauses explains a glitch at this time.
pub(super) fn explain(pauses: &[(f64, f64)], at_s: f64) -> bool {
    pauses.iter().any(|(pause_s, _)| (at_s - HEARD_WITHIN_S..=at_s + HEARD_WITHIN_S).contains(pause_s))
}

/// Rows of a count that grows, `(time, count)` in seconds since the program began, which was
/// `began_s` after the watch: the increase between rows without a pause.
pub(super) fn between(pauses: &[(f64, f64)], began_s: f64, rows: &[(f64, f64)]) -> Undisturbed {
    let mut undisturbed = Undisturbed::default();
    for pair in rows.windows(2) {
        let [(from_s, before), (to_s, after)] = pair else { continue };
        let span = from_s + began_s - BESIDE_S..=to_s + began_s + BESIDE_S;
        if !pauses.iter().any(|(pause_s, _)| span.contains(pause_s)) {
            undisturbed.seconds += to_s - from_s;
            undisturbed.counted += after - before;
        }
    }
    undisturbed
}

#[expect(clippy::disallowed_methods, reason = "the machine's own time is what is watched")]
fn now() -> Instant {
    Instant::now()
}

/// Watches until it is ended.
pub(crate) fn run() -> ExitCode {
    println!("{WATCHING}");
    let start = now();
    loop {
        let before = now();
        std::thread::sleep(STEP);
        let late = before.elapsed().saturating_sub(STEP);
        if late >= PAUSE {
            println!("{:.3} {:.1}", start.elapsed().as_secs_f64(), late.as_secs_f64() * 1e3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_beside_a_pause_is_the_machines() {
        let rows = [(1.0, 0.0), (2.0, 0.0), (3.0, 4.0), (4.0, 4.0), (5.0, 5.0)];
        let quiet = between(&[], 10.0, &rows);
        assert_eq!(quiet, Undisturbed { seconds: 4.0, counted: 5.0 });
        // The four of the third second are explained, and so are its neighbours if they are near.
        let paused = between(&[(12.7, 20.0)], 10.0, &rows);
        assert_eq!(paused, Undisturbed { seconds: 2.0, counted: 1.0 });
    }
}
