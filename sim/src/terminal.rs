//! Output on the terminal: a progress bar, the table of verdicts, and how to reproduce a failure.

use indicatif::{ProgressBar, ProgressStyle};
use sim::check::Judgement;
use sim::report::render_table;
use sim::run::Session;
use sim::scenario::Loaded;
use sim::world::Control;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Interval at which the bar is redrawn.
const REFRESH: Duration = Duration::from_millis(100);

/// A progress bar that follows a run from its own thread.
pub(crate) struct Progress {
    bar: ProgressBar,
    done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Progress {
    /// Starts the bar of a run.
    pub(crate) fn start(name: &str, total_ms: u64, control: &Arc<Control>) -> Self {
        let control = Arc::clone(control);
        Self::follow(name, total_ms, move || control.progress_ms.load(Ordering::Relaxed))
    }

    /// Starts a bar that asks every tenth of a second how far it is, in simulated ms.
    pub(crate) fn follow(name: &str, total_ms: u64, reached_ms: impl Fn() -> u64 + Send + 'static) -> Self {
        let bar = ProgressBar::new(total_ms);
        let template = "{msg} [{bar:40}] {percent:>3} %  {elapsed} elapsed, {eta} to go";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name.to_owned());
        let done = Arc::new(AtomicBool::new(false));
        let (moving, finished) = (bar.clone(), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            while !finished.load(Ordering::Relaxed) {
                moving.set_position(reached_ms());
                std::thread::sleep(REFRESH);
            }
        });
        Self { bar, done, thread }
    }

    /// How long it has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.bar.elapsed()
    }

    /// Removes the bar; returns how long it took.
    pub(crate) fn finish(self) -> Duration {
        let elapsed = self.bar.elapsed();
        self.done.store(true, Ordering::Relaxed);
        // A panic in the thread of the bar must not lose the results.
        let _ = self.thread.join();
        self.bar.finish_and_clear();
        elapsed
    }
}

/// Prints a line. An error is ignored, as when the reader of a pipe has ended (`| head`): the
/// result is also in the files and the exit code.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints verdicts, metrics and where the reports are.
pub(crate) fn print(loaded: &Loaded, session: &Session, folder: &Path, elapsed: Duration) {
    say(&session.summary.title);
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say(render_table(&session.summary.checks(), colours));
    let simulated_s = session.summary.duration_s * session.summary.receivers.len() as f64;
    let wall_s = elapsed.as_secs_f64();
    say(format_args!(
        "{} x {:.0} s simulated in {wall_s:.1} s: {:.0} times real time ({} events); seed {}",
        session.summary.receivers.len(),
        session.summary.duration_s,
        simulated_s / wall_s.max(1e-3),
        session.summary.receivers.iter().map(|receiver| receiver.events).sum::<u64>(),
        loaded.scenario.seed,
    ));
    say(format_args!("reports: {}{}", folder.display(), changed(loaded)));
}

/// Why a folder is not named after the scenario alone.
fn changed(loaded: &Loaded) -> String {
    if loaded.changes.is_empty() {
        return String::new();
    }
    format!(" (named after what is not as in the file: {})", loaded.changes.join(", "))
}

/// Says which expectations failed, and by how much.
pub(crate) fn print_failures(session: &Session) {
    let judged = session.summary.expectations.iter().filter(|judgement| !judgement.skipped);
    judged.filter_map(Judgement::failure).for_each(|sentence| eprintln!("{sentence}"));
}

/// Says which expectations were skipped, and why.
pub(crate) fn print_skipped(session: &Session) {
    let skipped = session.summary.expectations.iter().filter(|judgement| judgement.skipped);
    skipped.filter_map(Judgement::failure).for_each(|sentence| eprintln!("{sentence}"));
}
