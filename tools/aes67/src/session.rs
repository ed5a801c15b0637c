//! The run of a command, which lasts until Ctrl-C or for a number of seconds, and its display.
//!
//! If the reader of its output has ended (`aes67 ptp | head`), a command ends cleanly, as after
//! Ctrl-C. Writing never panics.

use crate::failure::{Failure, Result};
use engine::{LocalTime, Nanos};
use net::clock;
use net::process::Busy;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the end of the run is checked.
const STEP: Duration = Duration::from_millis(50);
/// Maximum number of lines that are displayed on a terminal; further lines are only counted.
const MAX_LINES: usize = 20;

/// Whether the reader of the output has ended.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// The run of a command.
pub(crate) struct Session {
    stop: Arc<AtomicBool>,
    started: LocalTime,
    ends: Option<LocalTime>,
    next_line: LocalTime,
    live: bool,
    /// Number of lines on the terminal that the next ones replace.
    shown: usize,
    _busy: Option<Busy>,
}

impl Session {
    /// Begins a run, which ends by Ctrl-C, or after `seconds` if given.
    pub(crate) fn start(seconds: Option<f64>) -> Result<Self> {
        if seconds.is_some_and(|seconds| !(0.0..1e9).contains(&seconds)) {
            return Err(Failure::input("--seconds must be 0 or more"));
        }
        let stop = stop()?;
        let started = clock::now();
        let ends = seconds.map(|seconds| started + Nanos::from_secs_f64(seconds));
        let live = io::stdout().is_terminal() && net::process::enable_escape_sequences();
        let next_line = started + Nanos::from_secs(1);
        Ok(Self { stop, started, ends, next_line, live, shown: 0, _busy: None })
    }

    /// Keeps the computer awake and this process at full speed during the run, because audio or
    /// time depends on it.
    pub(crate) fn kept_awake(self) -> Self {
        Self { _busy: Some(Busy::begin()), ..self }
    }

    /// Makes the given duration begin only now.
    pub(crate) fn lasts_from_now(&mut self, seconds: Option<f64>) {
        self.ends = seconds.map(|seconds| clock::now() + Nanos::from_secs_f64(seconds));
    }

    /// Waits for a short time. Returns false when the run is to end.
    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on_unread() && !UNREAD.load(Ordering::Relaxed)
    }

    /// Like [`Session::goes_on`], for a command whose work is more important than its output. Such
    /// a run does not end because nobody reads the output.
    pub(crate) fn goes_on_unread(&self) -> bool {
        std::thread::sleep(STEP);
        !self.stop.load(Ordering::Relaxed) && self.ends.is_none_or(|ends| clock::now() < ends)
    }

    /// Whether another second has passed.
    pub(crate) fn second_is_over(&mut self) -> bool {
        let now = clock::now();
        if now < self.next_line {
            return false;
        }
        while self.next_line <= now {
            self.next_line = self.next_line + Nanos::from_secs(1);
        }
        true
    }

    /// Time since the run began.
    pub(crate) fn elapsed(&self) -> Nanos {
        clock::now() - self.started
    }

    /// Shows a line, which replaces the previous one on a terminal.
    pub(crate) fn show(&mut self, line: &str) {
        self.show_all(&[line.to_owned()]);
    }

    /// Shows lines, which replace the previous ones on a terminal.
    pub(crate) fn show_all(&mut self, lines: &[String]) {
        if !self.live {
            lines.iter().for_each(|line| print(line));
            return;
        }
        let (now, later) = lines.split_at(lines.len().min(MAX_LINES));
        let mut text = if self.shown > 0 { format!("\x1b[{}A", self.shown) } else { String::new() };
        // A line that is too long for the terminal is cut off, because a wrapped line would occupy
        // more than one row.
        text += "\x1b[?7l";
        now.iter().for_each(|line| text += &format!("\r\x1b[K{line}\n"));
        self.shown = now.len();
        if !later.is_empty() {
            text += &format!("\r\x1b[Kand {} more\n", later.len());
            self.shown += 1;
        }
        text += "\x1b[?7h";
        write(&text);
    }

    /// Reports an event above the displayed lines.
    pub(crate) fn tell(&mut self, what: impl Display) {
        let text = format!("{:.1} s: {what}", self.elapsed().as_secs_f64());
        if self.live {
            // The next lines are displayed below the event.
            self.shown = 0;
        }
        warn(text);
    }

    /// Keeps the displayed lines on the terminal.
    pub(crate) fn end_line(&mut self) {
        self.shown = 0;
    }
}

/// The flag that ends a run. It is set by Ctrl-C and by other events that end console programs.
fn stop() -> Result<Arc<AtomicBool>> {
    // A service receives a console event when any user logs off, and must continue.
    #[cfg(windows)]
    if let Some(stop) = crate::service::stop() {
        return Ok(stop);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    ctrlc::set_handler(move || set.store(true, Ordering::Relaxed)).map_err(Failure::run)?;
    net::process::on_closing(&stop);
    Ok(stop)
}

/// Writes one line without buffering it, because the reader of a pipe needs it at once.
pub(crate) fn print(line: &str) {
    write(&format!("{line}\n"));
}

/// Writes a line for the user to standard error.
pub(crate) fn warn(line: impl Display) {
    // If standard error is closed, there is no other place to report it.
    let _ = writeln!(io::stderr(), "{line}");
}

fn write(text: &str) {
    write_bytes(text.as_bytes());
}

/// Writes bytes unchanged, such as a description with its own line ends.
pub(crate) fn write_bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        UNREAD.store(true, Ordering::Relaxed);
    }
}

/// A seed from the system's entropy.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
