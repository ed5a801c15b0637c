//! The time of a command: until Ctrl-C, or for so many seconds; and what is shown meanwhile.

use crate::failure::{Failure, Result};
use engine::{LocalTime, Nanos};
use net::clock;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon the end is noticed.
const STEP: Duration = Duration::from_millis(50);

/// A run of a command.
pub(crate) struct Session {
    stop: Arc<AtomicBool>,
    started: LocalTime,
    ends: Option<LocalTime>,
    next_line: LocalTime,
    live: bool,
    /// Lines that were shown last.
    shown: usize,
}

impl Session {
    /// Begins now; ends by Ctrl-C, and after `seconds` if they are given.
    pub(crate) fn start(seconds: Option<f64>) -> Result<Self> {
        if seconds.is_some_and(|seconds| !(0.0..1e9).contains(&seconds)) {
            return Err(Failure::input("--seconds must be 0 or more"));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&stop);
        ctrlc::set_handler(move || set.store(true, Ordering::Relaxed)).map_err(Failure::run)?;
        let started = clock::now();
        let ends = seconds.map(|seconds| started + Nanos::from_secs_f64(seconds));
        let live = std::io::stdout().is_terminal();
        Ok(Self { stop, started, ends, next_line: started + Nanos::from_secs(1), live, shown: 0 })
    }

    /// Waits a little; false if it is time to end.
    pub(crate) fn goes_on(&self) -> bool {
        std::thread::sleep(STEP);
        !self.stop.load(Ordering::Relaxed) && self.ends.is_none_or(|ends| clock::now() < ends)
    }

    /// Whether another second is over.
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

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Nanos {
        clock::now() - self.started
    }

    /// Shows a line that takes the place of the last one on a terminal.
    pub(crate) fn show(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // Nobody is there to be told that nobody is there.
        let _ = if self.live { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    /// Shows several lines, which on a terminal take the place of the last ones.
    pub(crate) fn show_all(&mut self, lines: &[String]) {
        let mut out = std::io::stdout().lock();
        let up = if self.live && self.shown > 1 { format!("\x1b[{}A", self.shown - 1) } else { String::new() };
        let clear = if self.live { "\r\x1b[K" } else { "" };
        let (between, end) = if self.live { ("\n\r\x1b[K", "") } else { ("\n", "\n") };
        // Nobody is there to be told that nobody is there.
        let _ = write!(out, "{up}{clear}{}{end}", lines.join(between));
        let _ = out.flush();
        self.shown = lines.len();
    }

    /// Ends the line that was shown.
    pub(crate) fn end_line(&self) {
        if self.live {
            println!();
        }
    }
}

/// One line, at once: whoever reads a pipe wants it now.
pub(crate) fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// A seed from the system's entropy.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
